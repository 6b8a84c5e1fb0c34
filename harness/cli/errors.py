"""The one place that catches: turns errors into a line or two and an exit code."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable

from harness.core.errors import RebenchError
from harness.render.text import visible

USER_ERROR = 2
BUG = 1
INTERRUPTED = 130


def run_guarded(command: Callable[[], object]) -> int:
    """Run a command; return its exit code: 0 done, 1 a bug, 2 a user error, 130 on Ctrl-C.

    Typer itself ends with `SystemExit`: 0, 2 for wrong usage (already printed), 130 on Ctrl-C.
    """
    try:
        command()
    except RebenchError as error:
        print(visible(f"error: {error.message}\n{error.fix}"), file=sys.stderr)
        return USER_ERROR
    except (KeyboardInterrupt, SystemExit) as stop:
        code = INTERRUPTED if isinstance(stop, KeyboardInterrupt) else stop.code
        if code == INTERRUPTED:
            print(
                "\ninterrupted: all that was finished is kept, and the same command goes on there",
                file=sys.stderr,
            )
        return code if isinstance(code, int) else int(bool(code))
    except Exception:  # noqa: BLE001 - the one place where every error ends
        traceback.print_exc()
        print("\nthis is a bug in rebench: please report it with the lines above", file=sys.stderr)
        return BUG
    return 0
