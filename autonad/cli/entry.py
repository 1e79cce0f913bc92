"""The application: its families of verbs, and how a command ends."""

from __future__ import annotations

import contextlib
import errno
import sys
from typing import Annotated

import typer

from autonad import __version__
from autonad.cli import datasets, design, line, memory, pipelines
from autonad.cli.interrupts import listening
from autonad.cli.output_options import RESUMED
from autonad.cli.verb_list import VerbList
from autonad.console import with_paths
from autonad.errors import AutonadError, FaultyItems

INTERRUPTED = 130
# Refused wherever a verb happens to write: for the user to mend, and no fault of ours.
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
_NO_TEMPORARY_FOLDER = "No usable temporary directory"

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
    with listening() as end:
        try:
            code = _run()
            sys.stdout.flush()
        except (KeyboardInterrupt, typer.Abort):
            code = INTERRUPTED
        if code == INTERRUPTED:
            code = end.exit_code
            _say(end.sentence(RESUMED))
    sys.exit(code)


def _run() -> int | None:
    """The exit code of the command that was given."""
    try:
        # Typer turns an interrupt (130) or an `Exit` of a verb into a returned code; verbs return nothing.
        code: int | None = app(standalone_mode=False)
        return code
    except AutonadError as error:
        _say(f"{'note' if isinstance(error, FaultyItems) else 'error'}: {with_paths(str(error))}")
        return error.exit_code
    except ModuleNotFoundError as error:
        if not error.name or error.name.startswith("autonad"):
            raise
        _say(
            f"error: this verb needs {error.name}, which is not installed; install everything with "
            '`pip install ".[full]"` in a copy of AutoNAD'
        )
        return 2
    except Exception as error:
        if isinstance(error, OSError) and (refused := _refused(error)):
            _say(f"error: {refused}, and repeat the command")
            return 2
        return _usage_error(error)


def _refused(error: OSError) -> str:
    """What the machine has no room for, and what to do; empty if that is not why."""
    if error.errno in _NO_SPACE:
        where = with_paths(str(error.filename)) if error.filename else "a file"
        return f"no space is left for {where}; free some, or set TMPDIR if it is a temporary file"
    if _NO_TEMPORARY_FOLDER in str(error):
        return "no folder takes temporary files: set TMPDIR to one that can be written and has space"
    return ""


def _say(line: str) -> None:
    """Print a last line, if anybody listens."""
    if line:
        with contextlib.suppress(OSError):
            print(line, file=sys.stderr, flush=True)


def _usage_error(error: Exception) -> int:
    """Show click's usage errors as click does, and the rest as the faults of ours that they are."""
    show = getattr(error, "show", None)
    if show is None:
        raise error
    show()
    return int(getattr(error, "exit_code", 2))
