"""`autonad --help`: the verbs in the order of work, each with its whole sentence."""

from __future__ import annotations

from typing import Any

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


class VerbList(TyperGroup):
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
