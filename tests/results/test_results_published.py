"""Published numbers: every shipped row is sourced and adds up, and faults are named."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.core.errors import StoreError
from results.published import GROUPS, PublishedRow, load_published, read_published
from tests.helpers.published_tables import published_head

HEAD = published_head(["biology", "pony"])
ROW = '[[row]]\nmodel = "m"\nkind = "dense"\nvalues = [18.9, 7.1]\naverage = 13.0\n'

ROWS = load_published()

R2MED_FOLDERS = (
    "Biology", "Bioinformatics", "Medical-Sciences", "MedXpertQA-Exam", "MedQA-Diag",
    "PMC-Treatment", "PMC-Clinical", "IIYi-Clinical",
)  # fmt: skip
"""R2MED's names of its tasks, in the order of ours."""


def write(folder: Path, text: str) -> Path:
    path = folder / "some.toml"
    path.write_text(text)
    return path


def find(model: str, file: str, query_set: str = "original") -> PublishedRow:
    found = [r for r in ROWS if (r.model, r.file, r.query_set) == (model, file, query_set)]
    assert len(found) == 1, found
    return found[0]


def test_values_are_exact_fractions_by_task(tmp_path: Path) -> None:
    (row,) = read_published(write(tmp_path, HEAD + ROW))
    assert row.values == {"biology": 0.189, "pony": 0.071}
    assert (row.average, row.mean) == (0.13, 0.13)
    assert not row.average_mismatch
    assert not row.complete
    assert row.overall is None
    assert (row.note, row.trained_on_bright) == ("", None)
    assert (row.file, row.row) == ("some.toml", 1)


@settings(deadline=None)
@given(st.lists(st.integers(0, 1000), min_size=12, max_size=12), st.integers(0, 1000))
@example([100] * 11 + [112], 100)
@example([100] * 11 + [113], 100)
@example([100] * 11 + [87], 100)
def test_mismatch_is_what_integer_arithmetic_says(
    tmp_path_factory: pytest.TempPathFactory, tenths: list[int], average: int
) -> None:
    """Values in tenths of a percent: off by more than one tenth, in whole numbers times 12."""
    tasks = ", ".join(f'"{task}"' for task in GROUPS["bright"])
    values = ", ".join(f"{v // 10}.{v % 10}" for v in tenths)
    text = HEAD.replace('"biology", "pony"', tasks) + (
        f'[[row]]\nmodel = "m"\nkind = "dense"\nvalues = [{values}]\n'
        f"average = {average // 10}.{average % 10}\n"
    )
    (row,) = read_published(write(tmp_path_factory.mktemp("published"), text))
    assert row.complete
    assert row.average_mismatch == (abs(sum(tenths) - 12 * average) > 12)


def test_a_row_overrides_its_file(tmp_path: Path) -> None:
    own = 'tasks = ["aops"]\nvalues = [5]\nsource = "another"\ntrained_on_bright = true\n'
    text = f'{HEAD}{ROW}[[row]]\nmodel = "n"\nkind = "sparse"\n{own}'
    first, second = read_published(write(tmp_path, text))
    assert (first.source, second.source) == ("a paper", "another")
    assert second.values == {"aops": 0.05}
    assert second.trained_on_bright is True
    assert second.row == 2


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"pony"]', '"ponny"]', "'tasks' names 'ponny', which is no task of bright"),
        ('"pony"]', '"biology"]', "'tasks' names a task twice"),
        (
            '"bright"',
            '"dark"',
            "'group' is 'dark'; known are bright, bright-long, r2med, bright-pro",
        ),
        ('"original"', '"gpt5"', "'query_set' is 'gpt5'"),
        ('kind = "dense"', 'kind = "thick"', "'kind' is 'thick'"),
        ("[18.9, 7.1]", "[18.9]", "'values' should be a list of 2 numbers"),
        ("[18.9, 7.1]", "18.9", "'values' should be a list of 2 numbers"),
        ("[18.9, 7.1]", '[18.9, "7.1"]', "'values' should hold numbers from 0 to 100"),
        ("[18.9, 7.1]", "[18.9, 107.1]", "'values' should hold numbers from 0 to 100"),
        ("[18.9, 7.1]", "[18.9, -7.1]", "'values' should hold numbers from 0 to 100"),
        ("[18.9, 7.1]", "[18.9, nan]", "'values' should hold numbers from 0 to 100"),
        ("[18.9, 7.1]", "[18.9, true]", "'values' should hold numbers from 0 to 100"),
        ("values = [18.9, 7.1]\naverage = 13.0\n", "", "'values' is missing"),
        ("average = 13.0", "averrage = 13.0", "'averrage' is not known"),
        ('source = "a paper"\n', "", "'source' is missing"),
        ('source = "a paper"', 'source = ""', "'source' is empty"),
        ('date = "2026-04-22"', 'date = "April"', "'date' should be such as"),
        ('date = "2026-04-22"', "date = 2026-04-22", "'date' should be a text"),
        ('protocol = "as printed"\n', "", "'protocol' is missing"),
        ('gold = "current"\n', "", "'gold' is missing"),
        ("scale = 100\n", "", "'scale' is missing"),
        ("scale = 100\n", "scale = 0\n", "'scale' is 0"),
        ("average = 13.0", "average = 13.0\ntrained_on_bright = 1", "'trained_on_bright' should"),
    ],
)
def test_faults_name_file_row_and_key(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in HEAD + ROW
    with pytest.raises(StoreError) as caught:
        read_published(write(tmp_path, (HEAD + ROW).replace(old, new)))
    assert caught.value.message.startswith("some.toml, row 1 (m): key ")
    assert said in caught.value.message


@pytest.mark.parametrize("text", ["not toml at all", HEAD, HEAD + "row = 3\n", HEAD + "row = [1]"])
def test_files_without_rows(tmp_path: Path, text: str) -> None:
    with pytest.raises(StoreError, match=r"some\.toml"):
        read_published(write(tmp_path, text))


def test_a_folder_is_read_in_file_order_and_only_its_toml(tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_text(HEAD + ROW)
    (tmp_path / "a.toml").write_text(HEAD + ROW + ROW)
    (tmp_path / "readme.txt").write_text("not a table")
    assert [(r.file, r.row) for r in load_published(tmp_path)] == [
        ("a.toml", 1),
        ("a.toml", 2),
        ("b.toml", 1),
    ]
    with pytest.raises(StoreError, match="cannot read"):
        load_published(tmp_path / "absent")


def test_every_shipped_row_has_its_provenance() -> None:
    assert len(ROWS) >= 170
    for row in ROWS:
        assert row.source, (row.file, row.row)
        assert row.protocol, (row.file, row.row)
        assert row.gold in {"current", "a75a0eb", "r2med", "bright-pro", "unknown"}, (
            row.file,
            row.row,
        )
        place = any(word in row.source for word in ("github.com/", "arXiv", "documentation"))
        assert place or "secondary" in row.note, (row.file, row.row)


def test_every_shipped_average_is_the_mean_of_its_tasks() -> None:
    assert [(row.file, row.row) for row in ROWS if row.average_mismatch] == []
    checked = [row for row in ROWS if row.values and row.average is not None]
    assert len(checked) >= 90
    assert all(abs((row.mean or 0) - (row.average or 0)) <= 0.001 for row in checked)


def test_each_file_says_each_thing_once() -> None:
    keys = Counter(
        (r.file, r.model, r.group, r.metric, r.query_set, r.gold, r.protocol) for r in ROWS
    )
    assert [key for key, count in keys.items() if count > 1] == []


def test_known_rows() -> None:
    ours = find("reasonembed-qwen3-8b", "reasonembed-bright.toml")
    assert (ours.overall, ours.values["biology"], ours.trained_on_bright) == (0.381, 0.555, True)
    assert find("reasonembed-qwen3-8b", "reasonembed-r2med.toml").values["r2med-iiyi-cl"] == 0.2343
    assert find("bm25", "bright-paper.toml", "gpt4").overall == 0.27
    assert find("bge-reasoner-0928", "bge-reasoner.toml", "own").overall == 0.464
    assert find("all-mpnet-base-v2", "mteb.toml").overall == 0.1491
    assert find("bm25s", "mteb.toml").overall == 0.0917
    assert find("gritlm-7b", "mteb.toml").gold == "a75a0eb"
    assert find("gte-qwen1.5-7b", "long.toml").metric == "recall@1"
    assert find("qwen3-embedding-0.6b", "mteb.toml").overall is None
    assert find("splade-v3", "pyserini.toml").average is None
    assert find("splade-v3", "pyserini.toml").overall == 0.155575  # 186.69 / 12, by hand


def test_tags_tell_sources_apart_in_few_letters() -> None:
    by_file = {row.file: row.tag for row in ROWS}
    assert all(0 < len(tag) <= 11 for tag in by_file.values())
    assert by_file["pyserini.toml"] == "anserini"
    assert by_file["dense.toml"] == "dense"


def test_sections_are_there_in_full() -> None:
    counts = Counter(row.file for row in ROWS)
    assert counts["reasonembed-bright.toml"] == 22
    assert counts["reasonembed-r2med.toml"] == 19
    assert counts["pipelines.toml"] == 13
    assert counts["leaderboard.toml"] == 22
    assert counts["long.toml"] == 17
    full = [r for r in ROWS if r.file == "bge-reasoner.toml" and r.values]
    assert len(full) == 10


def test_the_results_of_r2meds_repository_are_its_own(shared_data: Path) -> None:
    tasks = dict(zip(R2MED_FOLDERS, GROUPS["r2med"], strict=True))
    ours = {
        (row.note, task): value
        for row in ROWS
        if row.file == "r2med-repository.toml"
        for task, value in row.values.items()
    }
    with (shared_data / "r2med" / "results.csv").open(encoding="utf-8") as handle:
        theirs = {
            (row["file"].rpartition("/")[0], tasks[row["dataset"]]): float(row["ndcg@10"])
            for row in csv.DictReader(handle)
        }
    assert len(theirs) == 568
    assert ours == theirs


def test_the_rows_of_r2meds_repository_agree_with_the_papers_where_both_are() -> None:
    for model in ("bm25", "gritlm-7b", "nv-embed-v2", "openai-3-large"):
        paper = find(model, "reasonembed-r2med.toml")
        own = find(model, "r2med-repository.toml")
        assert {t: round(100 * v, 2) for t, v in own.values.items()} == {
            task: pytest.approx(100 * value, abs=0.006) for task, value in paper.values.items()
        }


def test_rewriting_and_reranking_are_told_apart() -> None:
    rewritten = [row for row in ROWS if row.note.startswith("gar/")]
    assert {row.query_set for row in rewritten} == {"own"}
    methods = Counter(row.note.split("/")[1] for row in rewritten)
    assert methods == {"hyde": 27, "lamer": 9, "query2doc": 9, "search-o1": 4, "search-r1": 4}
    reranked = [row for row in ROWS if row.note.startswith("reranker/")]
    assert {(row.candidates, row.candidates_depth) for row in reranked} == {("nv-embed-v2", 10)}


@pytest.mark.parametrize("file", ["r2med-mteb.toml", "bright-pro-mteb.toml"])
def test_means_are_those_written_down(shared_data: Path, file: str) -> None:
    facts = (shared_data.parent / "facts" / "benchmarks.md").read_text(encoding="utf-8")
    (line,) = [each for each in facts.splitlines() if each.startswith("mteb results to check")]
    r2med, _, bright_pro = line.partition("BRIGHT-Pro mean:")
    said = r2med if file.startswith("r2med") else bright_pro
    rows = [row for row in ROWS if row.file == file]
    printed = [f"{100 * (row.average or 0):.2f}" for row in rows]
    assert sorted(printed) == sorted(set(re.findall(r"\d+\.\d\d", said)) - {"31.12"})
