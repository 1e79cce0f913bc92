"""What a pipeline's page in the interface says: the form shows names alone, so here they are explained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import docstring_parser

from components.image import IMAGE

NEEDS = """\
Image: `{image}`. Kubeflow Pipelines 2.16 or newer, MLflow 3.17 or newer with files served by it, a Secret as
in `deploy/kubernetes/secrets.template.yaml`."""


def describe(pipeline: Callable[..., Any]) -> str:
    """The docstring of a pipeline as Markdown: what it does, what each parameter means, what it needs."""
    found = docstring_parser.parse(pipeline.__doc__ or "")
    said = [found.short_description, found.long_description]
    lines = [" ".join(text.split()) for text in said if text]
    lines.append("\n".join(f"- `{one.arg_name}`: {_plain(one.description)}" for one in found.params))
    lines.append(" ".join(NEEDS.format(image=IMAGE).split()))
    return "\n\n".join(lines)


def _plain(text: str | None) -> str:
    return " ".join((text or "").split())
