"""The application: its families of verbs, and how a command ends."""

from __future__ import annotations

import sys
from typing import Annotated, NoReturn

import typer

from autonad import __version__
from autonad.cli import datasets, design, line, memory, pipelines
from autonad.cli.verb_list import VerbList
from autonad.console import printable
from autonad.errors import AutonadError, FaultyItems

INTERRUPTED = 130

app = typer.Typer(
    name="autonad",
    cls=VerbList,
    help="Designs the defect detector for your images and for the device that will run it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _say_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def _autonad(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_say_version, is_eager=True)
    ] = False,
) -> None:
    pass


for family in (datasets, design, line, memory, pipelines):
    family.add_to(app)


def main() -> None:
    """Run the command line; a user's mistake is one line and an exit code, never a traceback."""
    try:
        # Typer turns an interrupt (130) or an `Exit` of a verb into a returned code; verbs return nothing.
        code = app(standalone_mode=False)
    except AutonadError as error:
        print(
            f"{'note' if isinstance(error, FaultyItems) else 'error'}: {printable(str(error))}",
            file=sys.stderr,
        )
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except ModuleNotFoundError as error:
        if not error.name or error.name.startswith("autonad"):
            raise
        print(
            f"error: this verb needs {error.name}, which is not installed; install everything with: "
            'pip install "autonad[full]"',
            file=sys.stderr,
        )
        sys.exit(2)
    except Exception as error:
        _usage_error(error)
    if code == INTERRUPTED:
        print("interrupted; what was written is kept", file=sys.stderr)
    sys.exit(code)


def _usage_error(error: Exception) -> NoReturn:
    """Show click's usage errors as click does, and the rest as the faults of ours that they are."""
    show = getattr(error, "show", None)
    if show is None:
        raise error
    show()
    sys.exit(getattr(error, "exit_code", 2))
