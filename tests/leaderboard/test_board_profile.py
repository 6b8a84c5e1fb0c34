"""Profiles by wording: a situation is one unit, losses are paired, the page has a figure."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.data.embedded import level_of, levels, share_situations
from harness.data.registry import group_members
from harness.leaderboard.build import Sources, build_boards
from harness.leaderboard.columns import DEFAULT, parse_columns
from harness.leaderboard.html_page import to_html
from harness.leaderboard.markdown import to_markdown
from harness.leaderboard.profile import profile_rows, with_profiles
from harness.leaderboard.rank import QueryValues, by_situation, rank_board, read_values
from harness.leaderboard.rows import Board
from tests.helpers.stored_boards import Made, stored

TASKS = group_members("stdlib")
MEANS = {"strong": (0.8, 0.6, 0.5, 0.4), "weak": (0.7, 0.5, 0.2, 0.1)}
SITUATIONS = 40


def values_of(mean: float, seed: int) -> list[float]:
    """Return values around a mean, one a situation."""
    noise = np.random.default_rng(seed).uniform(-0.1, 0.1, SITUATIONS)
    return [float(value) for value in mean + noise - noise.mean()]


@pytest.fixture
def ranked(tmp_path: Path) -> tuple[Board, QueryValues]:
    """Return the board of two systems on the four wordings, and its per-query values."""
    scores = {
        model: {task: values_of(mean, 7) for task, mean in zip(TASKS, means, strict=True)}
        for model, means in MEANS.items()
    }
    store = stored(tmp_path, scores, Made(group="stdlib"))
    (board,) = build_boards(Sources(store.entries().entries, (), (), {"stdlib": TASKS}, {}))
    values = read_values(board, store.values)
    return with_profiles(rank_board(board, values), values), values


def test_levels_are_those_of_the_tasks():
    assert [level_of(task) for task in TASKS] == list(levels())
    assert share_situations(TASKS)
    assert not share_situations(TASKS[:1])
    assert not share_situations(("biology", "pony"))
    assert not share_situations((TASKS[0], "biology"))


def test_a_situation_is_one_unit_with_the_mean_of_its_wordings(ranked):
    board, values = ranked
    assert board.statistics.queries == SITUATIONS
    rows = by_situation(board, values, 0)
    assert rows.shape == (len(TASKS), SITUATIONS)
    # The noise is one for all wordings of a situation, so the interval is that of one wording.
    spread = rows.mean(axis=0).std(ddof=1) / np.sqrt(SITUATIONS)
    interval = board.rows[0].standing.interval
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * spread, rel=0.1)


def test_situations_are_matched_by_id_whatever_their_order(ranked):
    board, values = ranked
    task = TASKS[2]
    turned = {**values.queries, task: values.queries[task][::-1]}
    rows = {place: {**row, task: row[task][::-1]} for place, row in values.rows.items()}
    other = replace(values, queries=turned, rows=rows)
    assert by_situation(board, other, 1).tolist() == by_situation(board, values, 1).tolist()


def test_the_profile_says_what_is_lost_at_each_step(ranked):
    board, _ = ranked
    strong, weak = board.profiles
    assert (strong.system, weak.system) == ("strong", "weak")
    assert [each.mean for each in strong.means] == pytest.approx(MEANS["strong"])
    assert [step.level for step in strong.steps] == ["paraphrase", "plain", "oblique"]
    assert [step.change for step in weak.steps] == pytest.approx([-0.2, -0.3, -0.1])
    # Each situation loses the same, so nothing is left to be unsure of.
    assert all(
        step.interval is None or step.interval.high - step.interval.low < 1e-9
        for step in weak.steps
    )
    assert [cell.split(" ")[0] for cell in profile_rows(board.profiles)[1]] == [
        "weak", "70.00", "−20.00", "−30.00", "−10.00",
    ]  # fmt: skip


def test_other_boards_have_no_profile(tmp_path: Path):
    store = stored(tmp_path, {"a": {"pony": [0.1, 0.2], "aops": [0.3, 0.4]}})
    members = {"bright": ("pony", "aops")}
    (board,) = build_boards(Sources(store.entries().entries, (), (), members, {}))
    assert with_profiles(board, read_values(board, store.values)).profiles == ()


def test_a_row_without_every_level_has_no_profile(tmp_path: Path):
    store = stored(tmp_path, {"a": {TASKS[0]: [0.1, 0.2]}}, Made(group="stdlib"))
    (board,) = build_boards(Sources(store.entries().entries, (), (), {"stdlib": TASKS}, {}))
    assert with_profiles(board, read_values(board, store.values)).profiles == ()


def test_markdown_and_page_show_it(ranked):
    board, values = ranked
    columns = parse_columns(None, DEFAULT)
    text = to_markdown([board], columns)
    assert "| model | lexical | → paraphrase | → plain | → oblique |" in text
    page = to_html([board], [values], columns)
    (picture,) = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', page)
    drawn = base64.b64decode(picture).decode("utf-8")
    assert drawn.startswith("<?xml")
    assert "by wording" in page
    assert "<figure" not in to_html([replace(board, profiles=())], [values], columns)
