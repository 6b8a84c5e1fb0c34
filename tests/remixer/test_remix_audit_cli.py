"""`rebench remix audit`: options, output, exit codes, and files that cannot be used."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.cli.app import app
from harness.cli.errors import run_guarded
from tests.helpers.command_run import Done
from tests.helpers.remix_corpus import make_task

CLEAN = [
    {
        "query": f"how is thing number {at} told apart from all others that look like it",
        "pos": [f"passage {at} speaks of a kind of its own, of which there are {at} at most"],
        "neg": [f"another text {at} about weather in month {at}", f"and a third {at} on ships"],
        "source_id": f"s{at}",
    }
    for at in range(6)
]
SHOWN = "measure                              limit  all"


@pytest.fixture
def rebench(capsys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Done]:
    """Return a function that runs `rebench remix audit ARGS…` in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("REBENCH_DATA", raising=False)

    def run(*arguments: object) -> Done:
        capsys.readouterr()
        line = ["remix", "audit", *map(str, arguments)]
        code = run_guarded(lambda: app(line, prog_name="rebench"))
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return run


def write(name: str, rows: list[dict]) -> Path:
    path = Path(name)
    text = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def write_task(folder: str = "bench", *, excluded: bool = True) -> None:
    """Write a BEIR folder: its query is row 0's, its gold and excluded documents rows' texts."""
    root = Path(folder)
    (root / "qrels").mkdir(parents=True)
    task = make_task(6)
    texts = {"g": CLEAN[1]["pos"][0], "x": CLEAN[2]["pos"][0], "s3": CLEAN[3]["pos"][0]}
    documents = {**dict(zip(task.corpus.ids, task.corpus.texts, strict=True)), **texts}
    write(f"{folder}/corpus.jsonl", [{"_id": k, "text": t} for k, t in documents.items()])
    write(f"{folder}/queries.jsonl", [{"_id": "q", "text": CLEAN[0]["query"].upper()}])
    (root / "qrels" / "test.tsv").write_text("q\tg\t1\n")
    if excluded:
        write(f"{folder}/excluded.jsonl", [{"_id": "q", "excluded_ids": ["x"]}])


def test_a_clean_file_passes(rebench):
    write("clean.jsonl", CLEAN)
    done = rebench("clean.jsonl", "--strict", "--limit", "positive_is_first=1")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "clean.jsonl: 6 rows, 18 passages"
    assert lines[1].startswith(SHOWN)
    assert lines[-1] == "no limit is exceeded"


def test_strict_names_every_limit_with_its_rows(rebench):
    write_task()
    write("some.jsonl.gz", [*CLEAN, {**CLEAN[4], "neg": [CLEAN[4]["pos"][0], ""]}])
    done = rebench("some.jsonl.gz", "--task", "bench", "--strict")
    assert done.code == 2
    for line in (
        "query_equals_query: 14.3 % > 0 % (some.jsonl.gz:1)",
        "positive_equals_gold: 14.3 % > 0 % (some.jsonl.gz:2)",
        "positive_equals_excluded: 14.3 % > 0 % (some.jsonl.gz:3)",
        "source_is_positive: 100 % > 0 % (some.jsonl.gz:4)",
        "passage_on_both_sides: 14.3 % > 0 % (some.jsonl.gz:7)",
        "empty_text: 14.3 % > 0 % (some.jsonl.gz:7)",
        "query_equals_earlier: 14.3 % > 1 % (some.jsonl.gz:7)",
    ):
        assert line in done.err, line
        assert f"  {line}" in done.out
    assert "--limit MEASURE=SHARE" in done.err
    relaxed = rebench("some.jsonl.gz", "--task", "bench")
    assert (relaxed.code, relaxed.out) == (0, done.out)


def test_json_and_report(rebench):
    write_task()
    write("clean.jsonl", CLEAN)
    done = rebench("clean.jsonl", "-t", "bench", "--json", "-o", "report.md", "--note", "So made.")
    values = json.loads(done.out)
    assert values["rows"] == 6
    found = values["measures"]["positive_equals_gold"]["found"]["all"]
    assert found == {"hits": 1, "of": 6, "share": 1 / 6, "rows": ["clean.jsonl:2"]}
    assert values["benchmarks"] == [
        {
            "benchmark": "bench", "documents": 9, "queries": 1, "met as a query": 1, "gold": 1,
            "met as a positive": 1, "met as a negative": 0, "excluded": 1,
            "excluded met as a positive": 1,
        }
    ]  # fmt: skip
    report = Path("report.md").read_text()
    assert report.startswith("# Audit of clean.jsonl\n\nSo made.\n\n| what | value |")
    assert "- query_equals_query: 16.7 % > 0 % (clean.jsonl:1)" in report
    assert "passage 1 speaks" not in report


def test_a_corpus_gives_the_sources(rebench):
    write("clean.jsonl", CLEAN)
    Path("notes").mkdir()
    texts = {"s1": CLEAN[1]["pos"][0], "s2": CLEAN[2]["neg"][1], "s3": "something else"}
    write("notes/corpus.jsonl", [{"_id": key, "text": text} for key, text in texts.items()])
    done = rebench("clean.jsonl", "--corpus", "notes", "--json")
    measures = json.loads(done.out)["measures"]
    assert measures["source_is_positive"]["found"]["all"]["rows"] == ["clean.jsonl:2"]
    assert measures["source_is_negative"]["found"]["all"]["rows"] == ["clean.jsonl:3"]
    assert measures["source_is_first"]["found"]["all"]["of"] == 3
    assert measures["query_equals_query"]["found"]["all"]["of"] == 6
    write("named.jsonl", [{**row, "task": "another"} for row in CLEAN])
    values = json.loads(rebench("named.jsonl", "--corpus", "notes", "--json").out)
    assert values["measures"]["source_is_positive"]["found"]["another"]["hits"] == 1
    assert values["ranked"]["another"]["corpus"]


def test_bright_without_its_documents(rebench):
    Path("data/examples").mkdir(parents=True)
    row = {"id": "0", "query": CLEAN[0]["query"], "excluded_ids": ["N/A"], "gold_ids": ["s1"],
           "gold_ids_long": ["N/A"], "reasoning": ""}  # fmt: skip
    write("data/examples/pony.jsonl", [row])
    write("clean.jsonl", CLEAN)
    done = rebench("clean.jsonl", "--task", "pony", "--data", "data", "--json")
    assert done.code == 0, done.err
    assert "pony is compared without its documents" in done.err
    values = json.loads(done.out)
    assert values["benchmarks"][0]["documents"] == 0
    found = {name: each["found"]["all"] for name, each in values["measures"].items()}
    assert found["query_equals_query"]["rows"] == ["clean.jsonl:1"]
    assert found["source_is_reserved"]["rows"] == ["clean.jsonl:2"]
    assert found["source_is_positive"]["of"] == 0
    assert "pony (without its documents)" in render(rebench)


def render(rebench) -> str:
    rebench("clean.jsonl", "--task", "pony", "--data", "data", "-o", "report.md")
    return Path("report.md").read_text()


def test_many_tasks_are_shown_in_blocks(rebench):
    rows = [{**row, "task": f"task{at}"} for at, row in enumerate(CLEAN * 2)]
    write("many.jsonl", rows)
    done = rebench("many.jsonl")
    heads = [line.split() for line in done.out.splitlines() if line.startswith("measure")]
    assert heads[0] == ["measure", "limit", "all", *(f"task{at}" for at in range(5))]
    assert heads[2] == ["measure", "limit", "task11"]
    assert "query_equals_earlier in task6: 100 % > 1 % (many.jsonl:7)" in done.out


def test_rows_without_negatives_are_counted(rebench):
    write("bare.jsonl", [{"query": row["query"], "pos": row["pos"]} for row in CLEAN])
    done = rebench("bare.jsonl", "--json")
    assert done.code == 0, done.err
    measures = json.loads(done.out)["measures"]
    assert measures["without_negative"]["found"]["all"]["hits"] == 6
    assert measures["negative_above_positives"]["found"]["all"]["of"] == 0


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no rows"),
        ("\n\n", "no rows"),
        ('{"query": "a", "pos": ["b"], "neg": ["c"]}\nnot json\n', "bad.jsonl, line 2: not JSON"),
        ('["a"]\n', "line 1: expected an object"),
        ('{"pos": ["b"], "neg": ["c"]}\n', "the field 'query' is missing"),
        ('{"query": "a", "pos": "b", "neg": ["c"]}\n', "line 1: pos is 'b'"),
        ('{"query": "a", "pos": [1], "neg": []}\n', "pos[0] is 1"),
        ('{"query": "a", "pos": ["b"], "neg": [], "pos_scores": [1, 2]}\n', "2 pos_scores"),
    ],
)
def test_files_that_cannot_be_read(rebench, text: str, complaint: str):
    Path("bad.jsonl").write_text(text)
    done = rebench("bad.jsonl")
    assert done.code == 2
    assert complaint in done.err
    assert done.out == ""


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["none.jsonl"], "no such file or folder: none.jsonl"),
        (["empty"], "empty holds no .jsonl"),
        (["clean.jsonl", "--task", "biologie"], "Did you mean biology"),
        (["clean.jsonl", "--task", "empty"], "holds no corpus.jsonl"),
        (["clean.jsonl", "--corpus", "empty"], "holds no corpus.jsonl"),
        (["clean.jsonl", "--corpus", "gone"], "holds no corpus.jsonl"),
        (["clean.jsonl", "--task", "pony", "--data", "empty"], "empty holds no examples/pony"),
        (["clean.jsonl", "--embedder", "bm25"], "needs an embedder"),
        (["clean.jsonl", "--embedder", "minilmm"], "Did you mean minilm"),
        (["clean.jsonl", "--limit", "x=1"], "unknown measure 'x'"),
    ],
)
def test_what_cannot_be_used_is_said(rebench, arguments: list[str], complaint: str):
    write("clean.jsonl", CLEAN)
    Path("empty").mkdir()
    done = rebench(*arguments)
    assert done.code == 2, done.err
    assert complaint in done.err
    assert done.out == ""


def test_a_damaged_archive(rebench):
    whole = gzip.compress(json.dumps(CLEAN[0]).encode() * 50)
    Path("cut.jsonl.gz").write_bytes(whole[:-20])
    done = rebench("cut.jsonl.gz")
    assert (done.code, "cannot be read to its end" in done.err) == (2, True)


def test_a_run_folder_is_its_training_file(rebench):
    Path("run").mkdir()
    write("run/training.jsonl.gz", CLEAN)
    write("run/journal.jsonl", [{"key": "x"}])
    done = rebench("run", "--json")
    assert json.loads(done.out)["files"] == ["training.jsonl.gz"]


def test_an_embedder_that_is_installed(rebench):
    write("clean.jsonl", CLEAN)
    done = rebench("clean.jsonl", "--embedder", "wordllama", "--json")
    assert done.code == 0, done.err
    values = json.loads(done.out)
    assert values["embedder"] == "embedding:wordllama"
    assert values["measures"]["negative_above_embedded"]["found"]["all"]["of"] == 12
