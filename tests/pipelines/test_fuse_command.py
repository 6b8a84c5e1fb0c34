"""`rebench fuse` from stored entries and run files to a stored entry, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.data.folds import fold_of
from harness.derived import EntryReader
from harness.pipelines.fusion import Fusion, FusionSettings, fuse_runs
from results.store import ResultStore
from tests.helpers.command_run import Done, runner
from tests.helpers.measured_store import make_task, measure, some_ranks

QUERIES = 40


@pytest.fixture
def fuse(capsys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Done]:
    monkeypatch.setenv("REBENCH_RESULTS", str(tmp_path / "results"))
    return runner(capsys, monkeypatch, tmp_path, "fuse")


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    """Two systems on two tasks of 40 queries."""
    found = ResultStore(tmp_path / "results")
    for at, name in enumerate(("biology", "pony")):
        task = make_task(name, QUERIES)
        measure(found, "one", task, some_ranks(QUERIES, 2 * at))
        measure(found, "two", task, some_ranks(QUERIES, 2 * at + 1))
    return found


def test_the_fused_run_is_stored_with_its_parts_and_settings(fuse, store: ResultStore):
    done = fuse("one", "two", "--method", "wsum", "--weights", "two=0.75,one=0.25", "--json")
    assert done.code == 0, done.err
    entries = [e for e in store.entries().entries if e.model == "one+two-wsum"]
    assert {e.task.name for e in entries} == {"biology", "pony"}
    identity = entries[0].identity
    assert identity["pipeline"] == "fuse"
    assert identity["weights"] == [0.25, 0.75]
    assert (identity["norm"], identity["missing"]) == ("min-max", "zero")
    assert [part.partition("#")[0] for part in identity["parts"]] == ["one", "two"]
    assert len(identity["part_runs"]) == 2
    assert "tuned" not in identity

    reader = EntryReader(store)
    parts = [e for e in store.entries().entries if e.task.name == "biology"]
    runs = [reader.run(next(e for e in parts if e.model == name)) for name in ("one", "two")]
    asked = FusionSettings(method="wsum", weights=(0.25, 0.75))
    expected = fuse_runs(runs, Fusion.of(asked, 2), 1000).run
    stored = reader.run(next(e for e in entries if e.task.name == "biology"))
    assert {q: r.doc_ids for q, r in stored.rankings.items()} == {
        q: r.doc_ids for q, r in expected.rankings.items()
    }
    told = done.json["gain"]
    assert told["delta"] == pytest.approx(told["mean"] - max(told["parts"].values()))
    again = fuse("one", "two", "--method", "wsum", "--weights", "0.25,0.75", "--json")
    assert all(entry["reused"] for entry in again.json["entries"])
    assert again.json["gain"] == told


def test_a_run_file_is_a_part_too_and_gives_the_same_run(fuse, store: ResultStore, tmp_path: Path):
    entry = next(e for e in store.entries().entries if (e.model, e.task.name) == ("two", "biology"))
    copy = tmp_path / "biology.trec.gz"
    copy.write_bytes(store.run_path(entry).read_bytes())
    by_name = fuse("one", "two", "--tasks", "biology", "--json").json
    by_path = fuse("one", copy, "--tasks", "biology", "--json").json
    by_field = fuse("one", tmp_path / "{task}.trec.gz", "--tasks", "biology", "--json").json
    values = [each["entries"][0]["metrics"] for each in (by_name, by_path, by_field)]
    assert values[0] == values[1] == values[2]
    both = fuse("one", copy, "--json")
    assert both.code == 2
    assert "run of one task" in both.err


def test_tuning_reports_each_query_with_settings_from_the_other_folds(fuse, store: ResultStore):
    done = fuse("one", "two", "--method", "wsum", "--tune", "--json")
    assert done.code == 0, done.err
    tuned = done.json["settings"]["tuned"]
    assert (tuned["folds"], tuned["folds_version"], tuned["metric"]) == (5, 1, "ndcg@10")
    reader = EntryReader(store)
    entries = store.entries().entries
    entry = next(e for e in entries if e.model == "one+two-wsum-tuned" and e.task.name == "pony")
    assert entry.identity["tuned"] == tuned
    runs = [
        reader.run(next(e for e in entries if (e.model, e.task.name) == (name, "pony")))
        for name in ("one", "two")
    ]
    stored = reader.run(entry)
    for fold, chosen in tuned["by_fold"].items():
        settings = FusionSettings(
            method="wsum", weights=tuple(chosen["weights"]), depth=chosen.get("depth")
        )
        expected = fuse_runs(runs, Fusion.of(settings, 2), 1000).run
        own = [qid for qid in stored.rankings if fold_of("pony", qid) == int(fold)]
        assert own
        for qid in own:
            assert stored.rankings[qid].doc_ids == expected.rankings[qid].doc_ids


def test_what_is_chosen_for_a_fold_does_not_depend_on_its_gold(tmp_path: Path):
    """Other gold in fold 0 leaves the choice for fold 0 as it is, and changes other folds'."""
    from harness.compare.selection import EntryFilter
    from harness.core.progress import SilentReporter
    from harness.pipelines.parts import PartSource, find_parts
    from harness.pipelines.tuning import choose_by_fold

    def chosen(folder: Path, *, spoilt: bool) -> dict:
        store = ResultStore(folder)
        task = make_task("biology", QUERIES)
        # "one" is good on even folds, "two" on odd ones; spoiling turns that round in fold 0.
        for model, parity in (("one", 0), ("two", 1)):
            ranks = []
            for at in range(QUERIES):
                fold = fold_of("biology", f"q{at}")
                good = (fold % 2 == parity) != (spoilt and fold == 0)
                ranks.append(1 if good else 9)
            measure(store, model, task, ranks)
        entries = store.entries().entries
        reader = EntryReader(store)
        source = PartSource(entries, reader, lambda name: task, SilentReporter())
        parts = find_parts(["one", "two"], EntryFilter({}), source)
        tuned = choose_by_fold(parts, FusionSettings(method="wsum", depth=12), reader)
        return {fold: fusion.weights for fold, fusion in tuned.by_fold.items()}

    plain, spoilt = chosen(tmp_path / "a", spoilt=False), chosen(tmp_path / "b", spoilt=True)
    assert plain[0] == spoilt[0]
    assert plain != spoilt


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("one",), "nothing to be fused with"),
        (("one", "one"), "named twice"),
        (("one", "tow"), "two"),
        (("one", "two", "--method", "sum", "--tune", "--depth", "5"), "nothing to tune"),
        (("one", "two", "--method", "wsum", "--weights", "three=1,one=1"), "three"),
        (("one", "two", "--tasks", "biology", "--depth", "0"), "--depth is 0"),
    ],
)
def test_bad_input_is_two_lines_and_exit_2(fuse, store: ResultStore, arguments, said: str):
    done = fuse(*arguments)
    assert done.code == 2
    assert said in done.err
    assert len(done.err.strip().splitlines()) <= 3


def test_tuning_what_was_tuned_is_refused(fuse, store: ResultStore):
    assert fuse("one", "two", "--method", "rrf", "--tune", "--depth", "5").code == 0
    refused = fuse("one", "one+two-rrf-tuned", "--method", "wsum", "--tune")
    assert refused.code == 2
    assert "was tuned itself" in refused.err
    fixed = fuse("one", "one+two-rrf-tuned", "--method", "rrf", "--json", "--name", "fixed")
    assert fixed.code == 0, fixed.err
    entry = next(e for e in store.entries().entries if e.model == "fixed")
    assert entry.identity["of_tuned"] is True


def test_runs_on_other_ground_are_refused_with_the_difference(fuse, store: ResultStore):
    other = make_task("biology", QUERIES, gold={f"q{at}": ["x"] for at in range(QUERIES)})
    measure(store, "three", other, [1] * QUERIES)
    done = fuse("one", "three", "--tasks", "biology")
    assert done.code == 2
    assert "evaluated on different data" in done.err
    assert "gold" in done.err


def test_queries_of_one_run_and_flat_lists_are_said(fuse, store: ResultStore, tmp_path: Path):
    lone = tmp_path / "lone.trec"
    lone.write_text("q0 Q0 gold-0 1 1.0 t\nq1 Q0 gold-1 1 3 t\nq1 Q0 x 2 3 t\n")
    done = fuse("one", lone, "--tasks", "biology", "--method", "sum")
    assert done.code == 0, done.err
    assert "38 queries are ranked by one alone" in done.out
    assert "2 of 42 lists hold one document or equal scores only" in done.out


def test_folds_are_the_ones_written_down():
    import hashlib

    for task, query in (("biology", "0"), ("aops", "a/b c"), ("pony", "é")):
        number = int.from_bytes(hashlib.sha256(f"{task}\0{query}".encode()).digest(), "big")
        assert fold_of(task, query) == number % 5
    assert [fold_of("biology", str(at)) for at in range(8)] == [2, 1, 1, 0, 1, 0, 4, 1]
    counts = np.bincount([fold_of("x", str(at)) for at in range(5000)])
    assert counts.min() > 900
