"""Measured entries as files of other tools, and back again: nothing that a format holds is lost."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest
import pytrec_eval

from harness.core.errors import BadInput
from harness.data.trec import read_run
from harness.interop.bright import ImportHints
from harness.interop.exporting import LAYOUTS, Export, export_entries, export_imported
from harness.interop.importing import read_results
from results.imported import OriginalFile, save_imported
from results.schema import Entry
from results.store import ResultStore
from tests.helpers.stored_boards import Made, store_entry

VALUES = [1 / 3, 0.1, 1.0]


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    found = ResultStore(tmp_path / "results")
    for task in ("biology", "theoremqa_questions"):
        store_entry(found, "org/m", task, VALUES)
    return found


def exported(store: ResultStore, layout: str, folder: Path) -> Export:
    return export_entries(store.entries().entries, store, layout, folder)


def test_mteb_files_read_back_as_they_were_measured(store: ResultStore, tmp_path: Path):
    exported(store, "mteb", tmp_path / "out")
    (row,) = read_results(tmp_path / "out", ImportHints()).rows
    entries = {entry.task.name: entry for entry in store.entries().entries}
    assert {task: dict(values) for task, values in row.metrics.items()} == {
        task: dict(entry.metrics) for task, entry in entries.items()
    }
    first: Entry = entries["biology"]
    assert (row.model, row.gold, row.query_set) == ("org/m", "current", "original")
    assert row.dataset_revision == first.task.revision
    assert row.date.startswith(first.created[:19])
    (path,) = (tmp_path / "out").rglob("BrightBiologyRetrieval.json")
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["evaluation_time"] == sum(first.timings.values())
    assert document["scores"]["standard"][0]["main_score"] == first.metrics["ndcg@10"]


def test_bright_files_read_back_as_they_were_measured(store: ResultStore, tmp_path: Path):
    exported(store, "bright", tmp_path / "out")
    (row,) = read_results(tmp_path / "out", ImportHints(model="org/m", gold="current")).rows
    assert {task: dict(values) for task, values in row.metrics.items()} == {
        entry.task.name: dict(entry.metrics) for entry in store.entries().entries
    }


def test_runs_of_both_layouts_read_back_equal(store: ResultStore, tmp_path: Path):
    entry = store.entries().entries[0]
    original = read_run(store.run_path(entry))
    exported(store, "trec", tmp_path / "trec")
    exported(store, "bright", tmp_path / "bright")
    trec = tmp_path / "trec" / "org%2Fm" / "biology.original.trec.gz"
    scores = next(
        path for path in (tmp_path / "bright").rglob("score.json") if "biology" in str(path)
    )
    for path in (trec, scores):
        again = read_run(path)
        assert list(again.rankings) == list(original.rankings)
        for qid, ranking in original.rankings.items():
            assert again.rankings[qid].doc_ids == ranking.doc_ids
            assert again.rankings[qid].scores.tolist() == ranking.scores.tolist()
    assert gzip.decompress(trec.read_bytes()).decode() == store.run_text(entry)


def test_qrels_read_back_with_another_reader(store: ResultStore, tmp_path: Path):
    done = exported(store, "qrels", tmp_path / "out")
    assert sorted(each.path.name for each in done.files) == [
        "biology.qrels",
        "theoremqa_questions.qrels",
    ]
    with (tmp_path / "out" / "biology.qrels").open(encoding="utf-8") as handle:
        assert pytrec_eval.parse_qrel(handle) == {f"q{at}": {f"d{at}": 1} for at in range(3)}


def test_imported_rows_go_out_byte_for_byte(tmp_path: Path):
    path = tmp_path / "in" / "org__m" / "r1" / "BrightPonyRetrieval.json"
    path.parent.mkdir(parents=True)
    scores = '{"standard": [{"nauc": NaN, "ndcg_at_10": 0.10}]}'
    text = f'{{"task_name": "BrightPonyRetrieval",\r\n "scores": {scores}}}'
    path.write_text(text, encoding="utf-8", newline="")
    (row,) = read_results(tmp_path / "in", ImportHints()).rows
    save_imported(tmp_path / "results", row)
    assert export_imported([row], "bright", tmp_path / "out").files == ()
    (done,) = export_imported([row], "mteb", tmp_path / "out").files
    assert done.path == tmp_path / "out" / "org__m" / "r1" / "BrightPonyRetrieval.json"
    assert done.path.read_bytes() == text.encode()


@pytest.mark.parametrize("path", ["../x.json", "/etc/x.json", "a/../../x.json", ""])
def test_an_imported_file_never_leaves_the_folder(tmp_path: Path, path: str):
    source = tmp_path / "org__m" / "r1" / "f.json"
    source.parent.mkdir(parents=True)
    source.write_text(json.dumps({"NDCG@10": 0.5}), encoding="utf-8")
    (row,) = read_results(source, ImportHints("pony", "m")).rows
    evil = replace(row, files=(OriginalFile(path, "{}"),))
    with pytest.raises(BadInput):
        export_imported([evil], "bright", tmp_path / "out")


def test_variants_of_one_model_do_not_overwrite_each_other(store: ResultStore, tmp_path: Path):
    for k, values in ((7, [0.5] * 3), (8, [0.6] * 3)):
        store_entry(store, "org/m", "biology", values, Made(k=k, gold=f"g{k}"))
    for layout in LAYOUTS:
        done = exported(store, layout, tmp_path / layout)
        paths = [each.path for each in done.files]
        assert len(set(paths)) == len(paths)
        written = {path.read_bytes() for path in paths if "biology" in str(path).lower()}
        if layout != "trec":  # all three ran with equal rankings
            assert len(written) >= 3


def test_rewritten_queries_are_kept_apart_or_left_out(store: ResultStore, tmp_path: Path):
    store_entry(store, "org/m", "biology", VALUES, Made(query_set="gpt4"))
    mteb = exported(store, "mteb", tmp_path / "mteb")
    assert len(mteb.files) == 2
    assert ["gpt4" in sentence for sentence in mteb.left_out] == [True]
    bright = exported(store, "bright", tmp_path / "bright")
    assert sum("gpt4" in str(each.path) for each in bright.files) == 2
    trec = exported(store, "trec", tmp_path / "trec")
    assert [each.path.name for each in trec.files if "gpt4" in each.path.name] == [
        "biology.gpt4.trec.gz"
    ]
