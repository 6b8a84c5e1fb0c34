"""Result files of mteb and BRIGHT as imported rows: names, gold versions, faults."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import BadInput, RebenchError
from harness.data.bright_tasks import REVISION, TASKS
from harness.data.grounds.table import GROUNDS
from harness.interop.bright import ImportHints, bright_document, folder_name
from harness.interop.importing import Imported, keep_imported, read_results
from harness.interop.mteb import OUR_TASKS, task_name
from results.imported import imported_path, load_imported, save_imported

NEW, OLD = "c26703e6600d97c579ee2985f16cf307db13ed85", "a75a0eb483f6a5233a6efc2d63d71540a4443dfb"
NOBODY = ImportHints()


def mteb_file(
    root: Path, task: str = "BrightBiologyRetrieval", revision: str = NEW, **scores: Any
) -> Path:
    """Write a result file of the model org/m at revision r1."""
    subset = {"ndcg_at_10": 0.5, "hf_subset": "default", "languages": ["eng-Latn"], **scores}
    return write(
        root / "org__m" / "r1" / f"{task}.json",
        {
            "dataset_revision": revision,
            "task_name": task,
            "mteb_version": "2.10.12",
            "scores": {"standard": [subset]},
            "date": 1774543828.0,
        },
    )


def write(path: Path, document: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_every_task_has_a_name_of_mteb_and_back():
    assert task_name("theoremqa_theorems") == "BrightTheoremQATheoremsRetrieval"
    assert task_name("earth_science-long") == "BrightEarthScienceLongRetrieval"
    assert {OUR_TASKS[task_name(task)] for task in TASKS} == set(TASKS)


def test_a_file_says_who_what_and_on_which_gold(tmp_path: Path):
    path = mteb_file(tmp_path, precision_at_5=0.25, mrr=0.75, mrr_at_10=0.7, nauc_x=-3.0)
    (row,) = read_results(path, NOBODY).rows
    assert (row.model, row.revision, row.layout) == ("org/m", "r1", "mteb")
    assert (row.group, row.gold, row.head_metric) == ("bright", "current", "ndcg@10")
    assert row.metrics == {"biology": {"ndcg@10": 0.5, "p@5": 0.25, "mrr": 0.75}}
    assert row.date.startswith("2026-03-26T")
    assert row.protocol == "mteb 2.10.12, exclusions applied"


@pytest.mark.parametrize(
    ("name", "revision", "task", "group"),
    [
        ("R2MEDPMCTreatmentRetrieval", GROUNDS["r2med-pmc-tr"].revision, "r2med-pmc-tr", "r2med"),
        ("R2MEDBiologyRetrieval", GROUNDS["r2med-biology"].revision, "r2med-biology", "r2med"),
        ("BrightProEarthScienceRetrieval", "66a901dddee938a175f87d3dededeae506c13af8",
         "bright-pro-earth_science", "bright-pro"),
    ],
)  # fmt: skip
def test_mteb_results_of_other_grounds_are_taken(tmp_path, name, revision, task, group):
    (row,) = read_results(mteb_file(tmp_path, name, revision), NOBODY).rows
    assert (row.group, row.gold, row.head_metric) == (group, group, "ndcg@10")
    assert row.metrics == {task: {"ndcg@10": 0.5}}
    assert row.protocol == "mteb 2.10.12"
    assert OUR_TASKS[task_name(task)] == task


@pytest.mark.parametrize(
    ("revision", "gold"),
    [(NEW, "current"), (REVISION, "current"), (OLD, "a75a0eb"), ("1234567890", "1234567")],
)
def test_gold_follows_the_revision_of_the_data(tmp_path: Path, revision: str, gold: str):
    (row,) = read_results(mteb_file(tmp_path, revision=revision), NOBODY).rows
    assert row.gold == gold


@pytest.mark.parametrize("official", [False, True], ids=["mteb's evaluator", "BRIGHT's scripts"])
def test_older_suites_are_taken_apart_and_kept_apart(tmp_path: Path, official: bool):
    """Only what BRIGHT's own scripts computed had exclusions applied there."""
    extra = {"ndcg_at_25": 0.3} if official else {}
    subsets = [{"hf_subset": task, "ndcg_at_10": 0.2, **extra} for task in ("biology", "pony")]
    document = {
        "task_name": "BrightRetrieval", "dataset_revision": OLD, "mteb_version": "1",
        "scores": {"standard": subsets, "long": [{"hf_subset": "pony", "recall_at_1": 0.1}]},
    }  # fmt: skip
    path = write(tmp_path / "org__m" / "no_revision_available" / "BrightRetrieval.json", document)
    rows = read_results(path, NOBODY).rows
    gold = "a75a0eb" if official else "a75a0eb, without exclusions"
    assert [(row.group, row.gold, list(row.metrics)) for row in rows] == [
        ("bright", gold, ["biology", "pony"]),
        ("bright-long", gold, ["pony-long"]),
    ]
    assert [(row.revision, row.head_metric) for row in rows] == [("", "ndcg@10"), ("", "recall@1")]


def test_files_of_one_model_become_one_row_per_group_and_gold(tmp_path: Path):
    for task in ("BrightBiologyRetrieval", "BrightPonyRetrieval", "BrightPonyLongRetrieval"):
        mteb_file(tmp_path, task)
    mteb_file(tmp_path / "elsewhere", "BrightAopsRetrieval", OLD)
    rows = read_results(tmp_path, NOBODY).rows
    assert sorted((row.group, row.gold, len(row.metrics), len(row.files)) for row in rows) == [
        ("bright", "a75a0eb", 1, 1), ("bright", "current", 2, 2), ("bright-long", "current", 1, 1),
    ]  # fmt: skip


def test_the_name_beside_the_file_wins_and_the_users_over_all(tmp_path: Path):
    path = mteb_file(tmp_path)
    write(path.parent / "model_meta.json", {"name": "org/real-name"})
    assert read_results(path, NOBODY).rows[0].model == "org/real-name"
    assert read_results(tmp_path, ImportHints(model="mine")).rows[0].model == "mine"


def bright_file(root: Path, folder: str, **values: float) -> Path:
    return write(root / folder / "results.json", {"NDCG@10": 0.5, "MRR": 0.25, **values})


@pytest.mark.parametrize(
    ("folder", "task", "model"),
    [
        ("biology_bm25_long_False", "biology", "bm25"),
        ("theoremqa_questions_my_model_long_False", "theoremqa_questions", "my_model"),
        ("earth_science_x_long_True", "earth_science-long", "x"),
    ],
)
def test_brights_folders_name_task_and_model(tmp_path: Path, folder: str, task: str, model: str):
    (row,) = read_results(bright_file(tmp_path, folder), NOBODY).rows
    assert (row.model, dict(row.metrics)) == (model, {task: {"ndcg@10": 0.5, "mrr": 0.25}})
    assert (row.gold, row.query_set) == ("unknown", "original")
    assert folder_name(task, model) == folder


def test_what_brights_files_do_not_say_is_told(tmp_path: Path):
    path = bright_file(tmp_path, "somewhere")
    with pytest.raises(BadInput, match="--task and --model"):
        read_results(path, NOBODY)
    (row,) = read_results(path, ImportHints("pony", "mine", "gpt4", "current")).rows
    assert (row.model, list(row.metrics), row.query_set, row.gold) == (
        "mine", ["pony"], "gpt4", "current",
    )  # fmt: skip


def test_brights_keys_and_ours_are_each_others_inverse():
    values = {"ndcg@10": 0.5, "map@1": 0.1, "p@25": 0.2, "recall@100": 0.9, "mrr": 0.3}
    assert list(bright_document(values)) == ["NDCG@10", "MAP@1", "P@25", "Recall@100", "MRR"]


def faulty(tmp_path: Path, kind: str) -> Path:
    """Write one of the faults of section 6."""
    if kind == "cut short":
        path = mteb_file(tmp_path)
        path.write_text(path.read_text(encoding="utf-8")[:60], encoding="utf-8")
        return path
    if kind == "percent":
        return mteb_file(tmp_path, ndcg_at_5=50.0)
    if kind == "no scores":
        return write(
            tmp_path / "m" / "r" / "f.json", {"task_name": "BrightPonyRetrieval", "scores": {}}
        )
    if kind == "a text for a number":
        return mteb_file(tmp_path, map_at_1="0.5")
    return mteb_file(tmp_path, ndcg_at_10=math.nan)


FAULTS = ("cut short", "percent", "no scores", "a text for a number", "nan")


@pytest.mark.parametrize("kind", FAULTS)
def test_a_faulty_file_is_named(tmp_path: Path, kind: str):
    path = faulty(tmp_path, kind)
    with pytest.raises(RebenchError) as error:
        read_results(path, NOBODY)
    assert str(path) in error.value.message


@pytest.mark.parametrize("kind", FAULTS)
def test_a_faulty_file_does_not_keep_the_others_out(tmp_path: Path, kind: str):
    path = faulty(tmp_path / "bad", kind)
    mteb_file(tmp_path / "good", "BrightPonyRetrieval")
    found = read_results(tmp_path, NOBODY)
    assert [list(row.metrics) for row in found.rows] == [["pony"]]
    assert [str(path) in problem.message for problem in found.problems] == [True]


def test_unknown_tasks_are_skipped_and_named(tmp_path: Path):
    mteb_file(tmp_path, "SciFact")
    with pytest.raises(BadInput, match="'SciFact' is no task here"):
        read_results(tmp_path, NOBODY)
    mteb_file(tmp_path)
    write(tmp_path / "notes.json", ["anything"])
    found: Imported = read_results(tmp_path, NOBODY)
    assert len(found.rows) == 1
    assert len(found.skipped) == 2
    assert found.problems == ()


def test_two_files_that_contradict_each_other_are_refused(tmp_path: Path):
    mteb_file(tmp_path / "a", ndcg_at_10=0.1)
    mteb_file(tmp_path / "b", ndcg_at_10=0.2)
    with pytest.raises(BadInput, match="two files give different results for org/m on biology"):
        read_results(tmp_path, NOBODY)


def test_rows_are_kept_whole_and_found_again(tmp_path: Path):
    (row,) = read_results(mteb_file(tmp_path / "in"), NOBODY).rows
    assert save_imported(tmp_path / "out", row) == imported_path(tmp_path / "out", row)
    save_imported(tmp_path / "out", row)
    assert load_imported(tmp_path / "out").rows == (row,)


def test_a_damaged_row_is_named_and_the_others_are_read(tmp_path: Path):
    for task in ("BrightBiologyRetrieval", "BrightPonyLongRetrieval"):
        mteb_file(tmp_path / "in", task)
    first, second = read_results(tmp_path / "in", NOBODY).rows
    path = save_imported(tmp_path, first)
    save_imported(tmp_path, second)
    whole = json.loads(path.read_text(encoding="utf-8"))
    faults = ({"more": 1}, {"files": [1]}, {"schema": 99}, {"metrics": {"a": 1}}, {"model": ""})
    for damaged in ("{", '"text"', *(json.dumps({**whole, **fault}) for fault in faults)):
        path.write_text(damaged, encoding="utf-8")
        found = load_imported(tmp_path)
        assert found.rows == (second,)
        assert [str(path) in problem.message for problem in found.problems] == [True]


@pytest.mark.parametrize(
    ("model", "mean"),
    [
        ("sentence-transformers/all-mpnet-base-v2", 14.91),
        ("BAAI/bge-large-en-v1.5", 13.71),
        ("mteb/baseline-bm25s", 9.17),
    ],
)
def test_real_files_give_the_published_means(shared_data: Path, model: str, mean: float):
    """Expected: facts/bright-protocol.md section 9, nDCG@10 x 100 over the 12 tasks."""
    folder = shared_data / "mteb-results" / model.replace("/", "__")
    found = read_results(folder, NOBODY)
    assert found.problems == ()
    (row,) = [each for each in found.rows if (each.group, each.gold) == ("bright", "current")]
    assert row.model == model
    assert len(row.metrics) == 12
    values = [values["ndcg@10"] for values in row.metrics.values()]
    assert round(100 * sum(values) / 12, 2) == mean
    others = {each.gold for each in found.rows} - {"current"}
    assert others == ({"a75a0eb"} if "bm25" not in model else {"a75a0eb, without exclusions"})


def test_files_that_are_imported_one_by_one_add_up(tmp_path):
    folder = tmp_path / "org__model" / "rev"
    folder.mkdir(parents=True)
    for number, name in enumerate(("Economics", "Biology", "Pony")):
        scores = {"standard": [{"ndcg_at_10": number / 10, "hf_subset": "default"}]}
        document = {"task_name": f"Bright{name}Retrieval", "scores": scores, "date": number}
        (folder / f"Bright{name}Retrieval.json").write_text(json.dumps(document))
        (row,) = read_results(folder / f"Bright{name}Retrieval.json", NOBODY).rows
        keep_imported(tmp_path / "out", row)
    (row,) = load_imported(tmp_path / "out").rows
    (whole,) = read_results(tmp_path / "org__model", NOBODY).rows
    assert replace(row, imported="", files=()) == replace(whole, imported="", files=())
    assert list(row.metrics) == list(whole.metrics)
    assert {file.path for file in row.files} == {file.path for file in whole.files}


def test_a_task_that_is_imported_again_is_replaced_and_damage_is_no_hindrance(tmp_path):
    for value in (0.25, 0.5):
        path = bright_file(tmp_path, "biology_m_long_False")
        path.write_text(json.dumps({"NDCG@10": value}))
        (row,) = read_results(path, NOBODY).rows
        assert keep_imported(tmp_path / "out", row).metrics == {"biology": {"ndcg@10": value}}
    (kept,) = load_imported(tmp_path / "out").rows
    assert len(kept.files) == 1
    imported_path(tmp_path / "out", row).write_text("{")
    assert keep_imported(tmp_path / "out", row) == row
