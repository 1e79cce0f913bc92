"""`autonad --help`: the verbs in the order of work, each with its whole sentence."""

from __future__ import annotations

import math
from typing import Any

import typer
from typer.core import TyperGroup

ORDER: dict[str, tuple[str, ...]] = {
    "From images to a detector in one command": ("run", "demo", "init"),
    "Data": ("import-data", "audit", "synthesize", "export-data"),
    "Design, a verb per step": (
        "describe-target",
        "train-supernet",
        "profile-latency",
        "search",
        "retrain",
        "evaluate",
        "fit-thresholds",
        "export",
        "register",
    ),
    "On the line": ("detect", "serve", "select"),
    "New batches": ("ingest", "publish", "decide"),
    "Look back and tidy up": ("compare", "rollback", "gc", "assess-supernet"),
    "Elsewhere: an edge device, Kubeflow": ("pack-profile", "pipeline"),
}


class FiniteNumbers(TyperGroup):
    """Verbs none of whose numbers may be infinite or no number: a range of click's lets these through."""

    def get_command(self, ctx: Any, name: str) -> Any:
        """A verb, whose options are checked so."""
        verb = super().get_command(ctx, name)
        for option in () if verb is None else verb.params:
            option.callback = option.callback or _finite
        return verb


class VerbList(FiniteNumbers):
    """The application's verbs under the headings of `ORDER`."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of the verbs, in the order of work."""
        return [name for names in ORDER.values() for name in names if name in self.commands]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write every verb with the first paragraph of its help."""
        width = max(map(len, self.commands))
        for heading, names in ORDER.items():
            with formatter.section(heading):
                formatter.write_dl(
                    [
                        (name.ljust(width), _sentence(self.commands[name]))
                        for name in names
                        if name in self.commands
                    ]
                )


def _sentence(verb: Any) -> str:
    return " ".join((verb.help or verb.get_short_help_str(1000)).partition("\n\n")[0].split())


def _finite(context: Any, option: Any, value: Any) -> Any:
    """The value of an option, or each of its values; refused where it is no finite number."""
    for number in value if isinstance(value, tuple | list) else (value,):
        if isinstance(number, float) and not math.isfinite(number):
            raise typer.BadParameter(f"{number} is no finite number.", context, option)
    return value
