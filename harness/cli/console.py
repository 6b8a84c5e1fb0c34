"""The only place that prints results: tables, JSON, boards."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.evaluate import Outcome
    from models.card import ModelCard


LEAST_NAME = 10
"""Characters that the first column of a table keeps on a narrow terminal."""


def print_json(value: Any) -> None:
    """Print a value as JSON on stdout; floats are unrounded."""
    json.dump(value, sys.stdout, ensure_ascii=False, indent=1, allow_nan=False)
    sys.stdout.write("\n")


def print_text(text: str) -> None:
    """Print text as it is on stdout."""
    sys.stdout.write(text if text.endswith("\n") else text + "\n")


def print_wrapped(text: str) -> None:
    """Print lines, on a terminal wrapped at words; what follows a wrap is indented further."""
    from harness.render.text import visible

    shown = visible(text)
    if not sys.stdout.isatty():
        print_text(shown)
        return
    width = stdout_console().width
    for line in shown.split("\n"):
        indent = " " * (len(line) - len(line.lstrip()))
        print_text(
            textwrap.fill(line, width, subsequent_indent=f"{indent}  ", break_on_hyphens=False)
        )


def print_line(text: str) -> None:
    """Print lines that may hold text from elsewhere: control characters are shown as escapes."""
    from harness.render.text import visible

    print_text(visible(text))


def print_table(
    title: str, rows: Sequence[Mapping[str, Any]], *, as_json: bool, spare: Sequence[str] = ()
) -> None:
    """Print rows with equal keys as a table, or as a JSON list of objects.

    A terminal that is too narrow does without the columns `spare`, first named first dropped.
    """
    from harness.render.terminal import fit, rich_table, value_columns

    if as_json:
        print_json([dict(row) for row in rows])
        return
    if not rows:
        print_text(f"no {title}")
        return
    console = stdout_console()
    fitted = fit(value_columns(rows), spare, console.width)
    console.print(rich_table(fitted.columns), crop=False)
    if fitted.dropped:
        print_wrapped(no_room(fitted.dropped))


def print_aligned(rows: Sequence[Mapping[str, str]], spare: Sequence[str] = ()) -> tuple[str, ...]:
    """Print rows with equal keys as a table: the first column is text, others are numbers.

    If they do not fit, the columns `spare` are dropped one after the other; those that were are
    returned. Then heads and the first column are folded, numbers never: sooner a line is longer
    than the terminal.
    """
    from harness.render.terminal import fit, rich_table, text_columns

    console = stdout_console()
    fitted = fit(text_columns(rows, least_name=LEAST_NAME), spare, console.width)
    console.print(rich_table(fitted.columns), crop=False)
    return fitted.dropped


def no_room(columns: Iterable[str]) -> str:
    """Return the note on columns that were dropped."""
    return f"note: no room for {', '.join(columns)}: a wider terminal or --json shows them"


def stdout_console() -> Any:
    """Return a rich console on stdout; away from a terminal it is wide and without colour."""
    from rich.console import Console

    if sys.stdout.isatty():
        return Console()
    return Console(width=200, no_color=True, highlight=False)


def print_outcomes(outcomes: Sequence[Outcome], *, as_json: bool) -> None:
    """Print measured entries: one row a model and task, or the JSON list."""
    from harness.api.evaluating import Evaluation, outcome_json

    if as_json:
        print_json([outcome_json(outcome) for outcome in outcomes])
        return
    print_table("entries", Evaluation(tuple(outcomes)).rows(), as_json=False)


def print_card(
    card: ModelCard,
    rendered: Sequence[tuple[str, str]],
    facts: Mapping[str, object],
    *,
    as_json: bool,
) -> None:
    """Print a model card, what else is known, and its query for each task (task name, text)."""
    values = {**asdict(card), **facts}
    if as_json:
        print_json({**values, "queries": dict(rendered)})
        return
    tasks_by_text: dict[str, list[str]] = {}
    for task, text in rendered:
        tasks_by_text.setdefault(text, []).append(task)
    shown = {f"query on {_named(tasks)}": text for text, tasks in tasks_by_text.items()}
    if len(tasks_by_text) == 1:
        shown = {"query on every task": rendered[0][1]}
    print_fields({**values, **shown})


def _named(tasks: Sequence[str]) -> str:
    """Return the first of some tasks, and how many more there are."""
    return f"{tasks[0]} and {len(tasks) - 1} more" if len(tasks) > 1 else tasks[0]


def print_fields(values: Mapping[str, object]) -> None:
    """Print names and values in two columns; a table within is taken apart, one row a key."""
    from rich.markup import escape
    from rich.table import Table

    from harness.render.terminal import cell_text

    def cell(value: object) -> str:
        return escape(cell_text(value))

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for key, value in values.items():
        if isinstance(value, Mapping):
            for inner, text in value.items():
                table.add_row(f"{key}.{inner}", cell(text))
        elif key == "run" and isinstance(value, tuple):
            for text in value:
                table.add_row(key, cell(text))
        else:
            shown = ", ".join(value) if isinstance(value, tuple | list) else value
            table.add_row(key.replace("_", " "), cell(shown))
    stdout_console().print(table)
