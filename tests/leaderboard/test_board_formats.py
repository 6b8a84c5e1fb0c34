"""Markdown, LaTeX, CSV and JSON: whole tables, and names shown as they are."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import UnknownName
from harness.leaderboard.columns import BY_NAME, COLUMNS, DEFAULT, parse_columns
from harness.leaderboard.latex import to_latex
from harness.leaderboard.markdown import to_markdown
from harness.leaderboard.rows import Board
from harness.leaderboard.serialise import to_csv, to_json
from harness.render.latex import escape as latex_escape
from harness.render.markdown import escape as markdown_escape
from harness.render.text import one_line
from tests.helpers.sample_board import EVIL, sample

NAMES = [EVIL, "poster", "bm25", "org/dense", "bm25"]


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    return sample(tmp_path_factory.mktemp("store"))[0]


def test_the_sample_is_what_these_tests_take_it_for(board: Board):
    assert [row.name for row in board.rows] == ["poster", EVIL, "bm25", "org/dense", "bm25"]
    assert [row.standing.group if row.standing else None for row in board.rows] == [
        None, 1, None, None, 2,
    ]  # fmt: skip


def markdown_rows(text: str) -> list[list[str]]:
    """Read the cells of the tables: bars with a backslash before them belong to a cell."""
    rows = [
        re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("|")
    ]
    return [[cell.strip() for cell in row] for row in rows]


def test_markdown_has_as_many_cells_in_each_row(board: Board):
    rows = markdown_rows(to_markdown([board], COLUMNS))
    assert {len(row) for row in rows} == {len(rows[0])}
    assert len(rows) == 2 + len(board.rows)


def test_markdown_shows_an_evil_name_as_text(board: Board):
    rows = markdown_rows(to_markdown([board], parse_columns("model,mean")))
    (cell,) = [row[0] for row in rows if "boom" in row[0]]
    assert unescape(re.sub(r"\\(.)", r"\1", cell)) == EVIL
    assert "<" not in cell


@given(st.text())
def test_markdown_escape_leaves_one_safe_line_that_says_the_same(text: str):
    safe = markdown_escape(text)
    assert not re.search(r"[<>\n\r]", safe)
    assert not re.search(r"(?<!\\)(\\\\)*[|*`\[\]]", safe)
    assert unescape(re.sub(r"\\([\\`*\[\]|~_])", r"\1", safe)) == unescape(one_line(text)) or (
        "&" in text
    )


def test_latex_is_balanced_and_has_as_many_cells_in_each_row(board: Board):
    text = to_latex([board], COLUMNS)
    begun = re.findall(r"\\begin\{([\w*]+)\}", text)
    ended = re.findall(r"\\end\{([\w*]+)\}", text)
    assert begun == ended[::-1] == ["table*", "tabular"]
    assert balanced(text)
    spec = re.search(r"\\begin\{tabular\}\{([lr]+)\}", text)[1]
    lines = [line for line in text.splitlines() if line.endswith("\\\\")]
    assert {len(re.split(r"(?<!\\)&", line)) for line in lines} == {len(spec)}
    assert [text.count(rule) for rule in ("\\toprule", "\\midrule", "\\bottomrule")] == [1, 1, 1]


def balanced(text: str) -> bool:
    """Tell whether braces close in order, those that are printed left out."""
    depth = 0
    for brace in re.findall(r"[{}]", re.sub(r"\\[\\{}]", "", text)):
        depth += 1 if brace == "{" else -1
        if depth < 0:
            return False
    return depth == 0


def test_latex_marks_the_best_and_the_second_of_each_column(board: Board):
    lines = [
        line for line in to_latex([board], parse_columns("mean,scores")).splitlines() if "&" in line
    ]
    assert lines[1].startswith(r"poster & \textbf{87.6}* & -- & --")
    assert r"\textsuperscript{\textdagger} & \underline{83.3}" in lines[2]
    assert lines[2].endswith(r"& \underline{83.3} & \textbf{83.3} & \textbf{83.3} \\")
    assert lines[4] == r"org/dense & 30.0 & \underline{50.0} & 10.0 \\"
    assert lines[3] == r"bm25 & 30.0 & 20.0 & \underline{40.0} \\"


def test_latex_marks_ties_alike_and_no_second_where_there_is_none(board: Board):
    tied = replace(board, rows=(board.rows[1], replace(board.rows[1], label="same")))
    text = to_latex([tied], parse_columns("mean"))
    assert text.count(r"\textbf{83.3}") == 2
    assert "underline" not in text
    third = replace(tied, rows=(*tied.rows, board.rows[2]))
    assert r"\underline{30.0}" in to_latex([third], parse_columns("mean"))


@given(st.text())
def test_latex_escape_leaves_nothing_special(text: str):
    safe = latex_escape(text)
    assert balanced(safe)
    bare = re.sub(r"\\[a-z]+\{\}|\\ensuremath\{\\times\}|\\[{}$&#%_]", "", safe)
    assert not re.search(r"[\\{}$&#%_~^\n\r\x00-\x1f]", bare)


def test_csv_holds_every_value_unrounded(board: Board):
    rows = list(csv.DictReader(io.StringIO(to_csv([board], COLUMNS))))
    for row in board.rows:
        own = [each for each in rows if (each["model"], each["kind"]) == (row.name, row.kind)]
        assert {each["task"]: float(each["value"]) for each in own if each["task"]} == dict(
            row.values
        )
        (mean,) = [each for each in own if not each["task"]]
        assert float(mean["value"]) == row.mean
        assert (mean["rank_group"] != "") == (row.kind == "measured")
        assert (mean["mean_low"] != "") == (row.kind == "measured")


def test_json_gives_standings_to_measured_rows_only(board: Board):
    (found,) = json.loads(json.dumps(to_json([board]), allow_nan=False))
    assert [row["standing"] is not None for row in found["rows"]] == [
        row["kind"] == "measured" for row in found["rows"]
    ]
    assert found["statistics"]["pairs"] == 1
    last = found["rows"][-1]
    assert (last["parameters"], last["dimension"], last["trained_on_bright"]) == (
        1_234_000_000,
        1024,
        False,
    )
    assert last["docs_per_second"] == pytest.approx(4.5)


def test_columns_are_chosen_added_and_refused():
    assert [column.name for column in parse_columns(None)] == list(DEFAULT)
    assert [column.name for column in parse_columns("mean, kind")] == ["model", "mean", "kind"]
    assert [column.name for column in parse_columns("+price,licence")] == [
        *DEFAULT,
        "price",
        "licence",
    ]
    assert parse_columns("all") == COLUMNS
    with pytest.raises(UnknownName) as error:
        parse_columns("licens")
    assert error.value.close == ["licence"]


def test_cells_read_well(board: Board):
    texts = {column.name: column.text(board.rows[-1], board) for column in COLUMNS}
    assert texts["parameters"] == "1.2B"
    assert texts["trained-on-bright"] == "no"
    assert texts["price"] == "0.13"
    assert texts["covered"] == "2/2"
    assert texts["hardware"] == "a processor"
    assert texts["group"] == "2"


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0.13, "0.13"), (12.345, "12.3"), (999.6, "1,000"), (1234.6, "1,235"), (2e6, "2,000,000")],
)
def test_large_amounts_of_money_are_no_powers_of_ten(board: Board, amount: float, text: str):
    row = replace(board.rows[-1], entries=(), facts=replace(board.rows[-1].facts, price=amount))
    assert BY_NAME["price"].text(row, board) == text
