"""Entry point of the console script."""

from __future__ import annotations

import logging
import sys


def main() -> None:
    """Run the command line and exit with its code."""
    # A handler of our own keeps libraries that call basicConfig(INFO) from filling the terminal.
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")

    from harness.cli.errors import run_guarded

    sys.exit(run_guarded(_run))


def _run() -> None:
    """Check the words of the command line, then do what they say."""
    from harness.cli.app import app
    from harness.core.paths import check_arguments

    check_arguments(sys.argv[1:])
    app()
