"""`rebench remix`: flags to a run, one result on stdout, and errors that say what to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.cli.errors import run_guarded
from harness.cli.remix import app
from harness.core.training_row import read_rows
from tests.helpers.chat_server import ChatServer, chat_server, rule
from tests.helpers.command_run import Done
from tests.helpers.remix_corpus import make_task

DOCUMENTS = make_task(30)


@pytest.fixture
def remix(capsys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Done]:
    """Return a function that runs `remix ARGS…` in this process."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Done:
        capsys.readouterr()
        code = run_guarded(lambda: app(list(map(str, arguments)), prog_name="rebench remix"))
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return run


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Return a folder with documents and nothing else."""
    folder = tmp_path / "notes"
    folder.mkdir()
    lines = [
        json.dumps({"_id": key, "title": "Note", "text": text})
        for key, text in zip(DOCUMENTS.corpus.ids, DOCUMENTS.corpus.texts, strict=True)
    ]
    (folder / "corpus.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def common(server: ChatServer, corpus: Path) -> list[object]:
    return [*whole_run(corpus), *asking(server)]


def whole_run(corpus: Path) -> list[object]:
    return [
        "--corpus", corpus, "--limit", 6, "--depth", 5, "--no-domain-filter", "--embedder", "bm25",
    ]  # fmt: skip


def asking(server: ChatServer) -> list[object]:
    return ["--llm", server.url, "--llm-model", "m", "--concurrency", 4]


def stage_flags(stage: str, server: ChatServer, corpus: Path) -> list[object]:
    """Return what `common` says, as far as a stage has the options."""
    flags: dict[str, list[object]] = {
        "select": ["--limit", 6, "--no-domain-filter"],
        "mine": ["--depth", 5, "--embedder", "bm25"],
        "generate": asking(server), "reason": asking(server), "annotate": asking(server),
    }  # fmt: skip
    return ["--corpus", corpus, *flags.get(stage, [])]


def test_a_run_over_http_and_its_replay(remix, server: ChatServer, corpus: Path):
    done = remix("run", *common(server, corpus), "--out", "one", "--json")
    assert done.code == 0, done.err
    counts = json.loads(done.out)
    assert list(counts) == ["select", "generate", "reason", "mine", "annotate", "format"]
    assert counts["select"] == {
        "documents": 30, "reserved": 0, "too_short": 0, "too_long": 0, "over_limit": 24,
        "selected": 6,
    }  # fmt: skip
    rows = list(read_rows(Path("one/training.jsonl.gz")))
    assert len(rows) == counts["format"]["rows"]
    assert all(row.pos[0].startswith("Note ") for row in rows)
    again = remix("run", *whole_run(corpus), "--llm", "replay:one/journal.jsonl", "--out", "two")
    assert again.code == 0, again.err
    assert again.out.splitlines()[0].split() == ["stage", "count", "number"]
    assert Path("one/training.jsonl.gz").read_bytes() == Path("two/training.jsonl.gz").read_bytes()


def test_stage_by_stage(remix, server: ChatServer, corpus: Path):
    assert remix("run", *common(server, corpus), "--out", "whole").code == 0
    for stage in ("select", "generate", "reason", "mine", "annotate", "format"):
        done = remix(stage, *stage_flags(stage, server, corpus), "--out", "parts")
        assert done.code == 0, (stage, done.err)
    for name in ("training.jsonl.gz", "training.parquet", "card.md", "manifest.json"):
        assert (Path("whole") / name).read_bytes() == (Path("parts") / name).read_bytes(), name


def test_cheap_annotators_and_another_embedder(remix, server: ChatServer, corpus: Path):
    done = remix("run", *common(server, corpus), "--out", "lexical", "--annotator", "lexical",
                 "--embedder", "bm25-bow", "--no-reason")  # fmt: skip
    assert done.code == 0, done.err
    rows = list(read_rows(Path("lexical/training.jsonl.gz")))
    assert {row.conditions["annotator"] for row in rows} == {"lexical"}
    refused = remix("run", *common(server, corpus), "--out", "x", "--annotator", "embedding")
    assert refused.code == 2
    assert "needs an embedder, and 'bm25' is none" in refused.err


def test_the_key_comes_from_the_environment(
    remix, server: ChatServer, corpus: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-second")
    monkeypatch.setenv("REBENCH_LLM_KEY", "sk-first")
    done = remix("run", *common(server, corpus), "--out", "run")
    assert done.code == 0
    assert {headers["Authorization"] for headers in server.headers} == {"Bearer sk-first"}
    files = [path for path in Path("run").iterdir() if path.is_file()]
    assert not any(b"sk-first" in path.read_bytes() for path in files)
    assert "sk-first" not in done.out + done.err


def test_a_budget_stops_with_exit_2_and_goes_on(remix, server: ChatServer, corpus: Path):
    stopped = remix("run", *common(server, corpus), "--out", "run", "--max-tokens-total", 100)
    assert stopped.code == 2
    assert "the budget is reached" in stopped.err
    assert "--max-tokens-total to go on" in stopped.err
    assert remix("run", *common(server, corpus), "--out", "run").code == 0
    assert set(server.asked.values()) == {1}
    unpriced = remix("run", *common(server, corpus), "--out", "x", "--max-cost", 1)
    assert (unpriced.code, "--price-prompt" in unpriced.err) == (2, True)


def test_written_answers_by_command(remix, corpus: Path):
    name = ["--corpus", corpus, "--llm-model", "people"]
    done = remix("requests", "generate", *name, "--limit", 6, "-o", "asked.jsonl")
    assert done.code == 0, done.err
    asked = [json.loads(line) for line in Path("asked.jsonl").read_text().splitlines()]
    texts = [
        {"doc_id": row["doc_id"], "query": rule(row["request"]["messages"][0]["content"]),
         "reasoning_query": f"What is needed for {row['doc_id']}: locks."}
        for row in asked
    ]  # fmt: skip
    Path("texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in texts))
    assert remix("pack", "texts.jsonl", *name, "-o", "replay.jsonl").code == 0
    replay = ["--llm", "replay:replay.jsonl"]
    flags = {"select": ["--limit", 6, "--no-domain-filter"], "generate": replay, "reason": replay,
             "mine": ["--depth", 5, "--embedder", "bm25"]}  # fmt: skip
    for stage, own in flags.items():
        assert remix(stage, "--corpus", corpus, "--out", "run", *own).code == 0
    assert remix("requests", "annotate", *name, "--run", "run", "--depth", 5,
                 "-o", "judge.jsonl").code == 0  # fmt: skip
    judge = [json.loads(line) for line in Path("judge.jsonl").read_text().splitlines()]
    judged = [
        {"doc_id": row["doc_id"], "candidate": row["candidate"], "score": 5 if row["rank"] < 3
         else 1, "justification": "As it is."} for row in judge
    ]  # fmt: skip
    Path("judged.jsonl").write_text("".join(json.dumps(row) + "\n" for row in judged))
    assert remix("pack", "texts.jsonl", "judged.jsonl", *name, "-o", "replay.jsonl").code == 0
    assert remix("run", *whole_run(corpus), *replay, "--out", "run").code == 0
    assert len(list(read_rows(Path("run/training.jsonl.gz")))) == 6
    done = remix("annotator-data", *name, "--out", "run", "--output", "chat.jsonl.gz")
    assert (done.code, "30 conversations" in done.err) == (0, True)
    Path("texts.jsonl").write_text('{"doc_id": "gone", "query": "x"}\n')
    bad = remix("pack", "texts.jsonl", *name, "-o", "replay.jsonl")
    assert (bad.code, "gone: the corpus has no such document" in bad.err) == (2, True)


def test_documents_and_sources_are_narrowed(remix, server: ChatServer, corpus: Path):
    Path("keep.txt").write_text("\n".join(DOCUMENTS.corpus.ids[:12]) + "\nunknown\n")
    Path("from.txt").write_text("d0002\nd0003\n")
    mine = stage_flags("mine", server, corpus)
    done = remix("mine", *mine, "--out", "run", "--documents", "keep.txt")
    assert "no 3-reason.jsonl yet" in done.err
    done = remix("run", *common(server, corpus), "--out", "run", "--documents", "keep.txt",
                 "--sources", "from.txt", "--json")  # fmt: skip
    counts = json.loads(done.out)
    assert (counts["select"]["documents"], counts["select"]["selected"]) == (12, 2)
    Path("keep.txt").write_text("unknown\n")
    done = remix("select", "--corpus", corpus, "--out", "x", "--documents", "keep.txt")
    assert "names 1 documents, none of them in" in done.err


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--llm", "gpt"], "--llm 'gpt' names no model"),
        (["--llm", "http://h/v1"], "no model is named for http://h/v1"),
        (["--llm", "http://a:b@h/v1", "--llm-model", "m"], "has a user, a password"),
        (["--llm", "replay:none.jsonl"], "no such file: none.jsonl"),
        (["--task", "stdlib-oblique"], "Give one of them"),
        (["--kind", "leetcod"], "Did you mean leetcode"),
        (["--embedder", "bm52"], "Did you mean bm25"),
        (["--annotator", "dice"], "Give llm, lexical, embedding or cross-encoder:MODEL"),
        (["--annotator", "cross-encoder:"], "names no model"),
        (["--llm-dialect", "x", "--llm", "http://h/v1", "--llm-model", "m"], "dialect 'x'"),
        (["--max-cost", "-1"], "--max-cost is -1"),
        ([], "--llm URL, vllm:MODEL or replay:FILE"),
    ],
)
def test_wrong_flags_are_said_with_a_way_on(remix, corpus: Path, flags: list, complaint: str):
    done = remix("run", "--corpus", corpus, "--out", "run", "--embedder", "bm25", *flags)
    assert done.code == 2, done.err
    assert complaint in done.err
    assert done.out == ""


def test_folders_that_are_no_corpus(remix, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    done = remix("select", "--corpus", "empty", "--out", "x", "--no-domain-filter")
    assert (done.code, "holds no corpus.jsonl" in done.err) == (2, True)
    (tmp_path / "empty" / "corpus.jsonl").write_text("")
    done = remix("select", "--corpus", "empty", "--out", "x", "--no-domain-filter")
    assert (done.code, "holds no documents" in done.err) == (2, True)
    neither = remix("select", "--out", "x")
    assert (neither.code, "Give one of them" in neither.err) == (2, True)
    many = remix("pack", "a.jsonl", "--task", "bright", "-o", "x", "--llm-model", "m")
    assert (many.code, "is 12 tasks" in many.err) == (2, True)


def test_no_embedder_is_assumed(remix, corpus: Path):
    done = remix("run", "--corpus", corpus, "--out", "run")
    assert done.code == 2
    assert "gte-qwen2-7b" in done.err
    assert "bm25" in done.err


@pytest.mark.parametrize(
    ("stage", "flag"),
    [
        ("select", "--depth"), ("generate", "--embedder"), ("reason", "--limit"),
        ("mine", "--llm"), ("annotate", "--min-chars"), ("format", "--max-cost"),
    ],
)  # fmt: skip
def test_an_option_that_a_stage_cannot_use_is_refused(remix, corpus: Path, stage: str, flag: str):
    done = remix(stage, "--corpus", corpus, "--out", "run", flag, "1")
    assert done.code == 2
    assert f"No such option: {flag}" in done.err


def test_the_old_name_of_select_still_works(remix, corpus: Path):
    done = remix("clean", "--corpus", corpus, "--out", "run", "--no-clean", "--limit", 6)
    assert (done.code, Path("run/1-select.jsonl").is_file()) == (0, True)


def test_each_role_has_a_server_of_its_own(
    remix, server: ChatServer, corpus: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("REBENCH_LLM_KEY", "sk-writer")
    monkeypatch.setenv("REBENCH_ANNOTATOR_KEY", "sk-judge")
    with chat_server() as judge, chat_server() as thinker:
        done = remix(
            "run", *common(server, corpus), "--out", "run", "--reasoner-llm", thinker.url,
            "--reasoner-model", "thinker", "--annotator-llm", judge.url, "--annotator-model",
            "judge", "--annotator-timeout", 300, "--sampling", "annotate.temperature=0",
        )  # fmt: skip
        assert done.code == 0, done.err
        asked = {
            "writer": [each["model"] for each in server.bodies],
            "thinker": [each["model"] for each in thinker.bodies],
            "judge": [each["model"] for each in judge.bodies],
        }
        keys = [{h.get("Authorization") for h in each.headers} for each in (server, judge, thinker)]
    assert {name: (set(models), len(models)) for name, models in asked.items()} == {
        "writer": ({"m"}, 6), "thinker": ({"thinker"}, 6), "judge": ({"judge"}, 30)
    }  # fmt: skip
    assert {each["temperature"] for each in judge.bodies} == {0.0}
    assert keys == [{"Bearer sk-writer"}, {"Bearer sk-judge"}, {None}]
    (row, *_) = read_rows(Path("run/training.jsonl.gz"))
    conditions = row.conditions
    assert [conditions[f"{key}"] for key in ("generate_model", "reason_model", "annotator")] == [
        "m", "thinker", "judge",
    ]  # fmt: skip


def test_a_plan_asks_twenty_replies_a_stage_and_keeps_them(remix, server: ChatServer, corpus: Path):
    run = ["run", *common(server, corpus), "--out", "run"]
    done = remix(*run, "--plan", "--json", "--price-prompt", 1, "--price-reply", 2)
    assert done.code == 0, done.err
    plan = json.loads(done.out)
    (task,) = plan["tasks"]
    assert [(stage["stage"], stage["calls"]) for stage in task["stages"]] == [
        ("generate", 6), ("reason", 6), ("annotate", 30)
    ]  # fmt: skip
    assert (task["documents"], task["queries"]) == (30, 6)
    total = plan["stages"][-1]
    assert total["calls"] == 42
    assert total["journal_bytes"] > 0
    assert total["cost"] == pytest.approx(
        (total["prompt_tokens"] + 2 * total["reply_tokens"]) / 1e6
    )
    assert sum(server.asked.values()) == 60
    assert remix(*run).code == 0
    assert set(server.asked.values()) == {1}, "what the plan asked is not asked again"
    shown = remix(*run, "--plan")
    assert "For the cost give --price-prompt" in shown.out


def test_help_loads_nothing_heavy():
    probe = (
        "import sys\n"
        "from harness.cli.remix import app\n"
        "try: app(['run', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'numpy', 'scipy', 'pyarrow', 'remixer.stages'}\n"
        "print('heavy:', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True,
        env={**os.environ, "COLUMNS": "120"},
    )  # fmt: skip
    assert "--replay-tolerant" in done.stdout
    assert done.stdout.rstrip().endswith("heavy: []")
