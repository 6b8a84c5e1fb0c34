"""Measured against published: what is held against what, and what is inside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.compare.differences import ComparisonSettings
from harness.compare.reproduce import published_as, reproduce
from harness.compare.selection import EntryFilter, select_named
from harness.core.errors import NotComparable, UnknownName
from harness.data.registry import group_members
from results.published import PublishedRow, load_published, read_published
from tests.helpers.measured_store import gains, make_task, measure, some_ranks, store_at
from tests.helpers.published_tables import published_head

HEAD = published_head(["biology", "pony"])
ROWS = """
[[row]]
model = "m"
kind = "dense"
values = [50.0, 99.0]

[[row]]
model = "m"
kind = "dense"
gold = "a75a0eb"
values = [50.0, 99.0]

[[row]]
model = "m"
kind = "dense"
query_set = "gpt4"
values = [50.0, 99.0]

[[row]]
model = "m"
kind = "dense"
metric = "recall@10"
values = [50.0, 99.0]
"""
WANTED = EntryFilter({"bright": group_members("bright")})


def rows(tmp_path: Path) -> tuple[PublishedRow, ...]:
    """Return hand-made published rows."""
    path = tmp_path / "some.toml"
    path.write_text(HEAD + ROWS, encoding="utf-8")
    return tuple(read_published(path))


def test_rows_on_the_same_ground_and_reasons_for_the_others(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    ranks = [1, 3, 10, None, 2, 5, 1, 7]
    measure(store, "m", make_task("biology"), ranks)
    measure(store, "m", make_task("pony"), ranks)
    (system,) = select_named(store.entries().entries, ["m"], WANTED).systems
    found = reproduce(system, rows(tmp_path), store, ComparisonSettings(), "ndcg@10")
    (source,) = found.sources
    assert (source.source, source.gold, source.file, source.row) == (
        "a paper", "current", "some.toml", 1,
    )  # fmt: skip
    biology, pony = source.lines
    mean = gains(ranks).mean()
    assert biology.measured == pytest.approx(mean)
    assert biology.difference == pytest.approx(mean - 0.5)
    assert biology.inside is True
    assert (pony.task, pony.published, pony.inside) == ("pony", 0.99, False)
    reasons = [reason.rpartition(": ")[2] for reason in found.left_out]
    assert reasons == ["gold version a75a0eb", "gpt4 queries", "recall@10"]


def test_the_mean_is_held_against_where_all_tasks_are_there(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    names = group_members("bright")
    ranks = {name: some_ranks(6 + at, at) for at, name in enumerate(names)}
    for name in names:
        measure(store, "bm25", make_task(name, len(ranks[name])), ranks[name])
    (system,) = select_named(store.entries().entries, ["bm25"], WANTED).systems
    published = published_as("bm25", load_published())
    found = reproduce(system, published, store, ComparisonSettings(), "ndcg@10")
    means = [line for source in found.sources for line in source.lines if not line.task]
    expected = np.mean([gains(each).mean() for each in ranks.values()])
    assert means
    for line in means:
        assert line.measured == pytest.approx(expected)


def test_nothing_published_on_the_ground(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    measure(store, "m", make_task("economics"), [1] * 8)
    (system,) = select_named(store.entries().entries, ["m"], WANTED).systems
    with pytest.raises(NotComparable, match="no task shared"):
        reproduce(system, rows(tmp_path), store, ComparisonSettings(), "ndcg@10")
    with pytest.raises(UnknownName, match="reasonir-8b"):
        published_as("reasonir-8c", load_published())
