"""A command that kills itself by SIGKILL at a chosen call, so that a kill hits what it aims at."""

from __future__ import annotations

import importlib
import os
import signal
from typing import Any

VARIABLE = "REBENCH_TEST_DIES_AT"
"""`module:name#n`: the n-th call of that function or method is the last thing that happens."""


def install() -> None:
    """Replace the function that the environment names, if it names one."""
    spec = os.environ.get(VARIABLE, "")
    if not spec:
        return
    target, _, count = spec.partition("#")
    module, _, path = target.partition(":")
    owner: Any = importlib.import_module(module)
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    real, left = getattr(owner, name), int(count)

    def dying(*arguments: Any, **named: Any) -> Any:
        nonlocal left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **named)

    setattr(owner, name, dying)
