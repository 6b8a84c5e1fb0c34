"""Entry point of the console script."""

from __future__ import annotations

import logging
import sys


def main() -> None:
    """Run the command line and exit with its code."""
    # A handler of our own keeps libraries that call basicConfig(INFO) from filling the terminal.
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")

    from harness.cli.app import app
    from harness.cli.errors import run_guarded

    sys.exit(run_guarded(app))
