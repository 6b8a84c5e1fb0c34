"""Verification: a match, each kind of difference, and files that are gone or were changed."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from harness.core.errors import BadInput, DataUnavailable, StoreError
from harness.core.files import open_text
from results.per_query import PerQuery
from results.schema import Entry
from results.store import ResultStore
from results.verify import TOLERANCE, verify_entry
from tests.helpers.sample_entries import ENTRY

RUN = "q1 Q0 d 1 0.75 x\nq2 Q0 d 1 0.25 x\n"


def score(run: Path, entry: Entry) -> tuple[Mapping[str, float], PerQuery]:
    """Call a query's score its metric: enough to depend on every byte of the run."""
    with open_text(run) as handle:
        lines = [line.split() for line in handle.read().splitlines()]
    values = {line[0]: float(line[4]) for line in lines}
    return {"mrr": sum(values.values()) / len(values)}, {"mrr": values}


def save(store: ResultStore, mean: float = 0.5, q1: float = 0.75) -> Entry:
    entry = replace(ENTRY, metrics={"mrr": mean})
    return store.save(entry, {"mrr": {"q1": q1, "q2": 0.25}}, RUN)


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path / "measured")


def test_a_match(store: ResultStore) -> None:
    verdict = verify_entry(store, save(store), score)
    assert (verdict.status, verdict.metrics, verdict.worst) == ("match", (), 0.0)


def test_rounding_in_another_order_is_a_match(store: ResultStore) -> None:
    assert verify_entry(store, save(store, mean=0.5 + TOLERANCE / 2), score).status == "match"


@pytest.mark.parametrize(("mean", "q1", "gap"), [(0.6, 0.75, 0.1), (0.5, 0.7, 0.05)])
def test_a_mean_or_a_query_that_differs(
    store: ResultStore, mean: float, q1: float, gap: float
) -> None:
    verdict = verify_entry(store, save(store, mean, q1), score)
    assert (verdict.status, verdict.metrics) == ("differs", ("mrr",))
    assert verdict.worst == pytest.approx(gap)
    assert "1 of 1 metrics differ" in verdict.detail


def test_metrics_and_queries_on_one_side_only_differ(store: ResultStore) -> None:
    entry = save(store)

    def other_metric(run: Path, entry: Entry) -> tuple[Mapping[str, float], PerQuery]:
        means, values = score(run, entry)
        return {**means, "p@1": 0.0}, {**values, "p@1": {"q1": 0.0, "q2": 0.0}}

    def fewer_queries(run: Path, entry: Entry) -> tuple[Mapping[str, float], PerQuery]:
        means, values = score(run, entry)
        return means, {"mrr": {"q1": values["mrr"]["q1"]}}

    assert verify_entry(store, entry, other_metric).metrics == ("p@1",)
    assert verify_entry(store, entry, fewer_queries).metrics == ("mrr",)
    assert verify_entry(store, entry, fewer_queries).worst == float("inf")


def change_run(store: ResultStore, entry: Entry) -> None:
    store.run_path(entry).write_bytes(gzip.compress(RUN.replace("0.75", "0.76").encode()))


def flip_a_bit(store: ResultStore, entry: Entry) -> None:
    data = bytearray(store.run_path(entry).read_bytes())
    data[len(data) // 2] ^= 1
    store.run_path(entry).write_bytes(data)


def change_values(store: ResultStore, entry: Entry) -> None:
    assert entry.files is not None
    path = store.folder(entry) / entry.files.per_query
    path.write_bytes(gzip.compress(b'{"mrr":{"q1":0.9,"q2":0.25}}'))


@pytest.mark.parametrize("damage", [change_run, flip_a_bit, change_values])
def test_changed_files_are_corrupt(
    store: ResultStore, damage: Callable[[ResultStore, Entry], None]
) -> None:
    entry = save(store)
    damage(store, entry)
    verdict = verify_entry(store, entry, score)
    assert verdict.status == "corrupt"
    assert str(store.folder(entry)) in verdict.detail


@pytest.mark.parametrize("pattern", ["run-*", "per_query-*"])
def test_removed_files_are_missing(store: ResultStore, pattern: str) -> None:
    entry = save(store)
    next(store.folder(entry).glob(pattern)).unlink()
    verdict = verify_entry(store, entry, score)
    assert verdict.status == "missing"
    assert pattern[:-1] in verdict.detail


def test_a_run_that_cannot_be_scored_is_corrupt(store: ResultStore) -> None:
    def refuse(run: Path, entry: Entry) -> tuple[Mapping[str, float], PerQuery]:
        raise BadInput("line 3: no number", fix="Mend it.")

    verdict = verify_entry(store, save(store), refuse)
    assert (verdict.status, verdict.detail) == ("corrupt", "line 3: no number")


def test_a_task_that_cannot_be_loaded_is_no_verdict(store: ResultStore) -> None:
    def offline(run: Path, entry: Entry) -> tuple[Mapping[str, float], PerQuery]:
        raise DataUnavailable("the hub is out of reach", fix="Give --data.")

    with pytest.raises(DataUnavailable):
        verify_entry(store, save(store), offline)
    assert not issubclass(DataUnavailable, StoreError | BadInput)
