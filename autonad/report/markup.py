"""Pieces of HTML. Every function escapes the text it is given; only `body_html` and cells are markup."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from importlib import resources

from autonad import __version__

__all__ = [
    "cards",
    "escape",
    "heat_cell",
    "heat_table",
    "image",
    "legend",
    "page",
    "percent",
    "section",
    "table",
]


def page(title: str, kind: str, parts_html: Iterable[str], *, subtitle: str = "", nav_html: str = "") -> str:
    """A whole page with its style: no script, no address outside.

    Args:
        title: Heading.
        kind: What the page is, for the browser's tab ("report").
        parts_html: Sections; empty ones are left out.
        subtitle: One line below the heading.
        nav_html: Links below that.
    """
    style = (resources.files("autonad.report") / "page.css").read_text()
    line = f"<p>{escape(subtitle)}</p>" if subtitle else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} – AutoNAD {escape(kind)}</title>"
        f"<style>\n{style}</style></head>\n<body><header><div><h1>{escape(title)}</h1>{line}"
        f"{nav_html}</div></header>\n<main>\n"
        + "\n".join(part for part in parts_html if part)
        + f"\n</main>\n<footer>Made by AutoNAD {escape(__version__)}.</footer></body></html>\n"
    )


def section(identifier: str, title: str, body_html: str) -> str:
    """A section with a heading."""
    return f'<section id="{escape(identifier)}"><h2>{escape(title)}</h2>{body_html}</section>'


def table(
    header: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str, kind: str = "numbers"
) -> str:
    """A table of text.

    Args:
        header: Column names.
        rows: Cells; the first of each row is its header.
        caption: What the table shows.
        kind: "numbers" aligns all but the first column to the right, "facts" are names and values.
    """
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in rest)}</tr>'
        for first, *rest in rows
    )
    return (
        f'<div class="scroll" tabindex="0"><table class="{kind}"><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def heat_cell(text: str, share: float, colour: tuple[int, int, int], note: str = "") -> str:
    """A cell shaded by `share` (0 to 1) of a colour, with dark or light text, whichever reads better."""
    share = min(max(share, 0.0), 1.0)
    red, green, blue = (round(255 + (channel - 255) * share) for channel in colour)
    luminance = (
        (0.2126 * (red / 255) ** 2.2) + (0.7152 * (green / 255) ** 2.2) + (0.0722 * (blue / 255) ** 2.2)
    )
    # WCAG contrast against white and against #1d2733, whose luminance is 0.02.
    ink = "#ffffff" if 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.07 else "#1d2733"
    small = f"<small>{escape(note)}</small>" if note else ""
    return f'<td style="background:#{red:02x}{green:02x}{blue:02x};color:{ink}">{escape(text)}{small}</td>'


def heat_table(
    corner: str, columns: Sequence[str], rows: Iterable[tuple[str, Sequence[str]]], *, caption: str
) -> str:
    """A table of `heat_cell`s.

    Args:
        corner: Names rows and columns.
        columns: Column names.
        rows: Row name and its cells, as `heat_cell` or `<td>` markup.
        caption: What the table shows.
    """
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    body = "".join(f'<tr><th scope="row">{escape(name)}</th>{"".join(cells)}</tr>' for name, cells in rows)
    return (
        f'<div class="scroll" tabindex="0"><table class="heat"><caption>{escape(caption)}</caption>'
        "<thead><tr>"
        f'<th scope="col">{escape(corner)}</th>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def cards(entries: Iterable[tuple[str, str, str]]) -> str:
    """Headline figures: (name, value, note)."""
    items = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}<small>{escape(note)}</small></dd></div>"
        for name, value, note in entries
    )
    return f'<dl class="cards">{items}</dl>'


def legend(entries: Iterable[tuple[str, str]]) -> str:
    """Swatches: (name, colour)."""
    items = "".join(
        f'<li><span style="background:{escape(colour)}"></span>{escape(name)}</li>'
        for name, colour in entries
    )
    return f'<ul class="legend">{items}</ul>'


def image(content: bytes | str, alt: str, *, kind: str = "svg+xml") -> str:
    """A picture inside the page; SVG images cannot reach the page's scripts, names or styles this way."""
    data = content.encode() if isinstance(content, str) else content
    return f'<img alt="{escape(alt)}" src="data:image/{kind};base64,{base64.b64encode(data).decode()}">'


def percent(value: float | None, digits: int = 1) -> str:
    """A fraction in percent; a dash where there is none."""
    return "–" if value is None else f"{100 * value:.{digits}f}\N{NO-BREAK SPACE}%"
