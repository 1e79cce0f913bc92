"""`python -m autonad.cli`."""

from autonad.cli import main

main()
