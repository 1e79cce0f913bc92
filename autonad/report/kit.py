"""The page kit: values that templates lay out, and the templates themselves.

A page is a template in `templates/` that extends `base.html` and uses the macros of `kit.html`. Python gives
it values and pictures; everything that is text is escaped there.
"""

from __future__ import annotations

import base64
import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from autonad import __version__
from autonad.console import shown
from autonad.report import palette
from autonad.report.units import fact, milliseconds, percent, whole

if TYPE_CHECKING:
    from jinja2 import Environment
    from jinja2.nodes import EvalContext


class Card(NamedTuple):
    """A headline figure."""

    name: str
    value: str
    note: str


class Swatch(NamedTuple):
    """An entry of a legend; the colour is any that CSS knows."""

    name: str
    colour: str


class Picture(NamedTuple):
    """A picture inside the page: its address ("data:…"), what it shows, and a line below it."""

    source: str
    alt: str
    caption: str = ""


class Cell(NamedTuple):
    """A cell of a heat table; `heat` is None where there is nothing to shade."""

    text: str
    heat: palette.Heat | None = None
    note: str = ""


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes:
        header: Column names.
        rows: Cells; the first of each row is its header.
        caption: What the table shows.
        kind: "numbers" aligns all but the first column to the right, "facts" are names and values,
            "steps" are steps and what is said of them.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str
    kind: Literal["numbers", "facts", "steps"] = "numbers"


@dataclass(frozen=True)
class HeatTable:
    """A table of shaded cells.

    Attributes:
        corner: Names rows and columns.
        columns: Column names.
        rows: Row name and its cells.
        caption: What the table shows.
    """

    corner: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell]]]
    caption: str


def render(template: str, **values: Any) -> str:
    """Fill in a template; equal values give equal text.

    Args:
        template: Its file name in `templates/`.
        values: What it uses; one that it misses is an error.
    """
    # Sections write themselves into the outline as they are laid out; the links of the page are made from it.
    return _environment().get_template(template).render(values, outline=[])


def jpeg(content: bytes, alt: str, caption: str = "") -> Picture:
    """A JPEG as part of a page."""
    return Picture(f"data:image/jpeg;base64,{base64.b64encode(content).decode()}", alt, caption)


class Markdown(str):
    """Text that is Markdown already."""


def as_markdown(text: str) -> Markdown:
    """A text with names in it as Markdown shows it: no markup, no HTML, no cell and no line ends in it."""
    return Markdown(re.sub(r"[\\`*|\[\]]", r"\\\g<0>", escape(shown(text), quote=False)))


def cells(row: Iterable[object]) -> Markdown:
    """A row of a table in Markdown, without its outer bars."""
    return Markdown(" | ".join(as_markdown(str(cell)) for cell in row))


def _finalized(context: EvalContext, value: object) -> object:
    """On pages no line ends between a number and its unit; in Markdown texts are escaped."""
    if not context.autoescape:
        return value if isinstance(value, Markdown) else as_markdown(str(value))
    return value.replace(" %", "\N{NO-BREAK SPACE}%") if isinstance(value, str) else value


@functools.cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined, pass_eval_context

    environment = Environment(  # nosec B701 # every page is escaped
        loader=PackageLoader("autonad.report"),
        # Markdown has other special characters, see `as_markdown`; its only template is the model card.
        autoescape=lambda name: name is None or not name.endswith(".md"),
        undefined=StrictUndefined,
        finalize=pass_eval_context(_finalized),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "percent": percent,
        "milliseconds": milliseconds,
        "whole": whole,
        "cells": cells,
        "fact": lambda value, name: fact(name, value),
    }
    environment.globals |= {"version": __version__, "light": palette.LIGHT, "dark": palette.DARK}
    return environment
