"""Which columns a narrow terminal shows, and how cells look."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from harness.render.terminal import (
    TerminalColumn,
    cell_text,
    fit,
    rich_table,
    text_columns,
    value_columns,
)

ROW = {"task": "biology", "mean": "43.49", "interval": "−12.15 to −1.11", "effect": "−0.23"}


def heads(spare: tuple[str, ...], width: int) -> tuple[list[str], list[str]]:
    """Return the heads that are shown at a width, and those that are not."""
    fitted = fit(text_columns([ROW], least_name=10), spare, width)
    return [column.head for column in fitted.columns], list(fitted.dropped)


def printed(columns: list[TerminalColumn], width: int = 200) -> list[str]:
    console = Console(width=width, no_color=True, highlight=False, record=True, file=None)
    with console.capture() as captured:
        console.print(rich_table(columns), crop=False)
    return captured.get().splitlines()


def test_spare_columns_go_one_after_the_other() -> None:
    assert heads(("effect", "interval"), 39) == (list(ROW), [])
    assert heads(("effect", "interval"), 38) == (["task", "mean", "interval"], ["effect"])
    assert heads(("effect", "interval"), 20) == (["task", "mean"], ["effect", "interval"])
    assert heads(("unknown", "effect"), 1) == (["task", "mean", "interval"], ["effect"])


@given(st.integers(1, 200), st.permutations(list(ROW)))
def test_no_column_goes_without_need(width: int, order: list[str]) -> None:
    shown, dropped = heads(tuple(order[:3]), width)
    assert [key for key in ROW if key not in dropped] == shown
    assert dropped == order[: len(dropped)]
    needed = [*shown, *dropped[-1:]]
    total = sum(max(len(key), len(ROW[key])) for key in needed) + 2 * (len(needed) - 1)
    assert not dropped or total > width


def test_columns_of_a_group_go_together() -> None:
    columns = [
        TerminalColumn("model", ("m",), fold_to=4, reserve=8),
        TerminalColumn("a", ("12.34",), numeric=True, group="scores"),
        TerminalColumn("b", ("12.34",), numeric=True, group="scores"),
        TerminalColumn("c", ("12.34",), numeric=True, group="c"),
    ]
    fitted = fit(columns, ["scores", "c"], 18)
    assert [column.head for column in fitted.columns] == ["model", "c"]
    assert fitted.dropped == ("scores",)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"), ("", "–"), (True, "yes"), (False, "no"), (1234567, "1,234,567"),
        (0.12345, "0.1235"), ("a\nb", "a b"), ("red\x1b[31m", r"red\x1b[31m"), ("[b]", "[b]"),
    ],
)  # fmt: skip
def test_cells(value: object, text: str) -> None:
    assert cell_text(value) == text


def test_a_column_of_numbers_is_right_aligned_and_markup_is_shown() -> None:
    rows = [{"name": "[red]x", "n": 5}, {"name": "y", "n": 1000}, {"name": "z", "n": None}]
    assert [line.rstrip() for line in printed(value_columns(rows))] == [
        "name        n",
        "[red]x      5",
        "y       1,000",
        "z           –",
    ]
