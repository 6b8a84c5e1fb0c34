"""Bundles between two results folders: scored again, said what differs, shown side by side."""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from harness.bundles import Arrival, BundleImport, Judgements, bundle_of, differences
from harness.data import embedded
from harness.data.bright_tasks import REVISION
from harness.evaluate import verify_all
from results.bundle import SUFFIX, Bundle, make_bundle, pack, unpack
from results.imported import load_imported
from results.store import ResultStore
from tests.helpers.bundle_cases import RANKS, sample_bundle, tampered
from tests.helpers.measured_store import make_task, measure

COUNT = int(os.environ.get("REBENCH_BUNDLES", "50"))
"""How many bundles are tampered with; `make test-faults` asks for 1,000."""


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> ResultStore:
    store = ResultStore(tmp_path_factory.mktemp("measured"))
    sample_bundle(store.root)
    return store


@pytest.fixture(scope="module")
def sample(measured: ResultStore) -> Bundle:
    return bundle_of(measured, measured.entries().entries[0])


def imported(into: Path, judged: ResultStore, *bundles: Bundle) -> list[Arrival]:
    """Import bundles into a folder, by the judgements of another."""
    taking = BundleImport(ResultStore(into / "theirs"), Judgements(judged.root))
    paths = [into / f"{at}{SUFFIX}" for at in range(len(bundles))]
    for path, bundle in zip(paths, bundles, strict=True):
        path.write_bytes(pack(bundle))
    return [taking.take(path) for path in paths]


def with_ranks(folder: Path, ranks: tuple[int | None, ...], model: str = "org/m") -> Bundle:
    """Return a sound bundle of the sample's identity with another run."""
    store = ResultStore(folder)
    entry = measure(
        store, model, make_task(revision=REVISION), ranks, identity={"made by": "org/m"}
    )
    return bundle_of(store, entry)


def test_what_is_imported_is_exported_with_the_same_bytes(
    tmp_path: Path, measured: ResultStore, sample: Bundle
):
    first, again = imported(tmp_path, measured, sample, sample)
    assert (first.status, again.status) == ("verified", "already here")
    store = ResultStore(tmp_path / "theirs")
    (entry,) = store.entries().entries
    assert pack(bundle_of(store, entry)) == pack(sample)
    assert entry.identity_hash == sample.entry.identity_hash
    assert [each.status for each in verify_all(store, [entry])] == ["match"]


def test_changes_under_new_checksums_never_alter_a_value(
    measured: ResultStore, sample: Bundle, capsys: pytest.CaptureFixture[str]
):
    """Means and values by query of all that is taken are those of the run that is in it."""
    rng, judgements = random.Random(20261201), Judgements(measured.root)
    counts: Counter[str] = Counter()
    for _ in range(COUNT):
        changed = tampered(sample, rng)
        if changed.data is None:
            counts["refused: no such form"] += 1
            continue
        bundle = unpack(changed.data, "f")
        task = judgements.of(bundle.entry.task)
        if task is None:
            counts["unverified"] += 1
        elif differences(bundle, task):
            counts["refused: scored again, it differs"] += 1
        else:
            counts[f"taken: {changed.part}"] += 1
            assert changed.part not in ("metrics", "per_query", "missing_queries")
            if changed.part != "run":
                assert bundle.entry.metrics == pytest.approx(sample.entry.metrics, abs=1e-9)
                for metric, row in sample.per_query.items():
                    assert bundle.per_query[metric] == pytest.approx(row, abs=1e-9)
    with capsys.disabled():
        if COUNT > 50:
            print("\n" + "\n".join(f"{counts[key]:5} {key}" for key in sorted(counts)))
    assert counts["refused: scored again, it differs"] > COUNT / 10


def test_an_import_says_what_differs(tmp_path: Path, measured: ResultStore, sample: Bundle):
    better = {metric: dict.fromkeys(row, 1.0) for metric, row in sample.per_query.items()}
    entry = replace(sample.entry, metrics=dict.fromkeys(sample.entry.metrics, 1.0))
    deep = replace(sample.entry, k=3)
    other = replace(sample.entry, identity={"external_run": "0" * 64})
    where = replace(sample.entry, task=replace(sample.entry.task, group="mine"))
    rest = (sample.per_query, sample.run_text)
    found = imported(
        tmp_path, measured, make_bundle(entry, better, sample.run_text), make_bundle(deep, *rest),
        make_bundle(other, *rest), make_bundle(where, *rest),
    )  # fmt: skip
    assert [each.status for each in found] == ["refused"] * 4
    said = [each.detail for each in found]
    assert "25 of 25 metrics differ, by up to 1 (map@1, map@10, map@100)" in said[0]
    assert "ranks 13 documents, more than its depth k=3" in said[1]
    assert "external_run is not the hash of the run" in said[2]
    assert "group is 'mine', should be 'bright'" in said[3]
    assert not ResultStore(tmp_path / "theirs").entries().entries


def test_without_judgements_a_bundle_is_shown_and_never_ranked(
    tmp_path: Path, measured: ResultStore, sample: Bundle
):
    import rebench

    other = with_ranks(tmp_path / "other", (1, 1, 1, 1, 2, 2, 2, 2))
    nobody = ResultStore(tmp_path / "nobody")
    found = imported(tmp_path, nobody, sample, sample, other)
    assert [each.status for each in found] == ["unverified", "already here", "unverified"]
    assert "both are shown" in found[2].detail
    board = rebench.leaderboard("biology", kinds=["imported"], results=tmp_path / "theirs")
    rows = board.rows()
    assert sorted(row["biology"] for row in rows) == sorted(
        each.entry.metrics["ndcg@10"] for each in (sample, other)
    )
    assert {(row["source"], row["rank group"]) for row in rows} == {("unverified bundle", None)}
    assert len({row["model"] for row in rows}) == 2
    # Once the judgements are here, the same file is verified, and its unverified row is gone.
    (now,) = imported(tmp_path, measured, sample)
    assert now.status == "verified"
    (left,) = load_imported(tmp_path / "theirs").rows
    assert left.metrics["biology"] == other.entry.metrics


def test_two_results_under_one_identity_are_shown_and_marked(
    tmp_path: Path, measured: ResultStore, sample: Bundle
):
    import rebench

    second = with_ranks(tmp_path / "other", (1, 1, 1, 1, 2, 2, 2, 2))
    named = with_ranks(tmp_path / "named", RANKS, model="another name")
    found = imported(tmp_path, measured, sample, second, named, second)
    assert [each.status for each in found] == [
        "verified", "second result", "second result", "already here",
    ]  # fmt: skip
    rows = rebench.leaderboard("biology", kinds=["measured"], results=tmp_path / "theirs").rows()
    assert {row["model"] for row in rows} == {
        "org/m (result=–)",
        "org/m (result=2)",
        "another name",
    }
    assert {row["source"] for row in rows} == {
        "bundle, scored again; one of several results under one identity"
    }
    store = ResultStore(tmp_path / "theirs")
    assert {pack(bundle_of(store, entry)) for entry in store.entries().entries} == {
        pack(each) for each in (sample, second, named)
    }


def test_documents_of_an_embedded_task_are_checked(tmp_path: Path):
    task = embedded.TASKS["stdlib-oblique"].load()
    assert task.corpus is not None
    store = ResultStore(tmp_path / "mine")
    entry = measure(store, "m", task, [1] * len(task.qrels))
    nobody = ResultStore(tmp_path / "nobody")
    (made_up,) = imported(tmp_path, nobody, bundle_of(store, entry))
    assert made_up.status == "refused"
    assert "that stdlib-oblique does not have" in made_up.detail


def test_the_commands_from_end_to_end(
    tmp_path: Path, measured: ResultStore, sample: Bundle, monkeypatch: pytest.MonkeyPatch, capsys
):
    from tests.helpers.command_run import runner

    rebench = runner(capsys, monkeypatch, tmp_path)
    (written,) = rebench(
        "export", "--format", "bundle", "-o", tmp_path / "out", "--results", measured.root, "--json"
    ).json
    path = Path(written["file"])
    assert path.read_bytes() == pack(sample)
    shown = ("leaderboard", "--from", tmp_path / "out", "--measured", "--format", "json")
    ((board,),) = (rebench(*shown, "--results", measured.root).json,)
    assert [row["source"] for row in board["rows"]] == ["bundle, scored again"]
    path.with_name(f"bad{SUFFIX}").write_bytes(path.read_bytes()[:-1])
    done = rebench("import", tmp_path / "out", "--results", measured.root, "--json")
    assert (done.code, [row["status"] for row in done.json]) == (2, ["refused", "already here"])
    board = rebench(*shown, "--results", measured.root)
    assert board.code == 2
    assert f"bad{SUFFIX}" in board.err
    mixed = rebench("import", path, __file__)
    assert mixed.code == 2
    assert "one after the other" in mixed.err
