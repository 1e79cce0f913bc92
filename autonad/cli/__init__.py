"""The command line: a file per family of verbs. Heavy libraries are imported when a verb runs."""

from autonad.cli.entry import app, main

__all__ = ["app", "main"]
