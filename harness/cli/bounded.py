"""Commands whose numbers and paths are looked at before any work starts."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from typer.core import TyperCommand

from harness.core.errors import BadInput
from harness.core.paths import check_length

LARGEST = 2**31 - 1
"""The largest number that an option takes: libraries that get it count in 32 bits."""


class BoundedCommand(TyperCommand):
    """A command that refuses numbers and paths that nothing can work with.

    Numbers below 0, above `LARGEST`, and those that are not finite; paths that no file system
    takes. What an option means often bounds it further: that is said by who uses it.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run the command; raises `BadInput` naming the option."""
        for param in self.params:
            value = ctx.params.get(str(param.name))
            for each in value if isinstance(value, list | tuple) else (value,):
                if isinstance(each, Path):
                    check_length(each)
                _check(param.opts[0], each)
        return super().invoke(ctx)


def _check(option: str, value: object) -> None:
    """Raise `BadInput` for a number that no option takes."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return
    if not (math.isfinite(value) and 0 <= value <= LARGEST):
        raise BadInput(f"{option} is {value}", fix=f"Give a number from 0 to {LARGEST:,}.")
