"""When to ask a server again: exponential back-off with jitter, and its own Retry-After."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Protocol

TRANSIENT = frozenset({408, 409, 425, 429})
"""Client-side statuses that pass: timeout, conflict, too early, too many requests (RFC 9110)."""
PERMANENT = frozenset({501, 505})
"""Server-side statuses that do not pass: not implemented, HTTP version not supported."""


class Clock(Protocol):
    """Time as the retry loop sees it, so that tests need not wait."""

    def now(self) -> float:
        """Return the time in seconds since 1970."""

    def wait(self, seconds: float, stop: threading.Event) -> None:
        """Wait that long, or until `stop` is set."""


class SystemClock:
    """The real clock."""

    def now(self) -> float:
        """Return the time in seconds since 1970."""
        return time.time()

    def wait(self, seconds: float, stop: threading.Event) -> None:
        """Wait that long, or until `stop` is set."""
        stop.wait(seconds)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently a request is repeated; all delays in seconds.

    With the defaults a server that keeps failing is asked 8 times over about two minutes. A
    server that asks for more than `longest_retry_after` is not waited for.
    """

    attempts: int = 8
    first_delay: float = 1.0
    longest_delay: float = 60.0
    longest_retry_after: float = 600.0

    def delay(self, failures: int, retry_after: float | None, draw: float) -> float:
        """Return the seconds to wait after `failures` (1 or more) failures in a row.

        `draw` is uniform in [0, 1). The back-off doubles from `first_delay` and loses up to half
        of itself to jitter, so that requests which failed together do not come back together.
        What the server asks for is never undercut; jitter comes on top of it.
        """
        if retry_after is not None and retry_after > 0:
            return retry_after + draw * self.first_delay
        doubled = self.first_delay * 2.0 ** min(failures - 1, 60)
        return min(self.longest_delay, doubled) * (1 - 0.5 * draw)


def is_transient(status: int) -> bool:
    """Return True if a request that got this status may succeed when repeated."""
    return status in TRANSIENT or (status >= 500 and status not in PERMANENT)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds a server asks to wait, 0 or more, or `None` where it does not say.

    `headers` has lower-case names. Reads `retry-after-ms` (Azure, OpenAI) and `retry-after` in
    seconds or as an HTTP date (RFC 9110, section 10.2.3). A date is taken relative to the reply's
    own `date`, so that a wrong clock here does not matter; `now` (seconds since 1970) stands in.
    """
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        seconds = _number(headers.get(name, ""))
        if seconds is not None:
            return seconds * unit
    wanted = _date(headers.get("retry-after", ""))
    if wanted is None:
        return None
    sent = _date(headers.get("date", ""))
    return max(0.0, wanted - (now if sent is None else sent))


def _number(value: str) -> float | None:
    """Return a finite number of 0 or more, or `None`."""
    try:
        number = float(value)
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None


def _date(value: str) -> float | None:
    """Return an HTTP date in seconds since 1970, or `None`."""
    try:
        return parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError):
        return None
