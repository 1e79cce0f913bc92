"""The command line: a file per family of verbs. Heavy libraries are imported when a verb runs.

output_options  what a verb may write into
interrupts      signals, and an output that nobody reads
entry           the application
"""

import sys


def main() -> None:
    """Run the command line; see `autonad.cli.entry`."""
    try:
        # Here, so that an interrupt while this is imported is as quiet as later.
        from autonad.cli.entry import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    run()
