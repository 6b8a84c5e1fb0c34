"""Progress on stderr: rich bars on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from harness.core.protocols import Advance
from harness.render.text import visible

FIRST_LINE_AFTER = 2.0
LINE_EVERY = 10.0


class PlainReporter:
    """A `Reporter` for logs and pipes: nothing for short work, then a line every ten seconds."""

    @contextmanager
    def bar(self, label: str, total: int, unit: str) -> Iterator[Advance]:
        """Open a counter that prints a line now and then."""
        start = time.monotonic()
        state = {"done": 0, "tokens": 0, "next": start + FIRST_LINE_AFTER}

        def advance(done: int = 1, /, *, tokens: int = 0) -> None:
            state["done"] += done
            state["tokens"] += tokens
            now = time.monotonic()
            if now >= state["next"]:
                state["next"] = now + LINE_EVERY
                counts = Progressed(int(state["done"]), total, int(state["tokens"]))
                self.note(progress_line(label, unit, counts, now - start))

        yield advance

    def note(self, message: str) -> None:
        """Print a remark to stderr."""
        print(visible(message), file=sys.stderr, flush=True)

    def warn(self, message: str) -> None:
        """Print a warning to stderr."""
        self.note(f"warning: {message}")


@dataclass(frozen=True, slots=True)
class Progressed:
    """How far some work is: units done, units in all, and tokens so far."""

    done: int
    total: int
    tokens: int = 0


def progress_line(label: str, unit: str, counts: Progressed, seconds: float) -> str:
    """Return `label: 5/20 texts (25 %), 2.0 texts/s, 8 tokens/s, 8 s left`.

    `seconds` is the time since the start.
    """
    done, total = counts.done, counts.total
    rate = done / seconds if seconds > 0 else 0.0
    parts = [f"{label}: {done:,}/{total:,} {unit} ({100 * done // max(total, 1)} %)"]
    parts.append(f"{rate:,.1f} {unit}/s")
    if counts.tokens:
        parts.append(f"{counts.tokens / seconds:,.0f} tokens/s")
    if rate > 0:
        parts.append(f"{duration((total - done) / rate)} left")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Return a length of time as people say it: `8 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


class RichReporter(PlainReporter):
    """A `Reporter` for a terminal: one bar with rate and time left, gone when it is done."""

    @contextmanager
    def bar(self, label: str, total: int, unit: str) -> Iterator[Advance]:
        """Open a bar on stderr."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} {task.fields[unit]}"),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )
        start = time.monotonic()
        tokens_done = 0
        progress = Progress(*columns, console=Console(stderr=True), transient=True)
        with progress:
            bar = progress.add_task(label, total=total, unit=unit, rate="")

            def advance(done: int = 1, /, *, tokens: int = 0) -> None:
                nonlocal tokens_done
                tokens_done += tokens
                progress.advance(bar, done)
                elapsed = time.monotonic() - start
                finished = progress.tasks[0].completed
                rate = f"{finished / elapsed:,.0f} {unit}/s" if elapsed > 0 else ""
                if tokens_done and elapsed > 0:
                    rate += f" · {tokens_done / elapsed:,.0f} tokens/s"
                progress.update(bar, rate=rate)

            yield advance


def reporter_for_stderr() -> PlainReporter:
    """Return the reporter that suits stderr: rich on a terminal, plain otherwise."""
    return RichReporter() if sys.stderr.isatty() else PlainReporter()
