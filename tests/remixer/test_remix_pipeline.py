"""Whole runs: the same files whatever the concurrency, resumed where they stopped, bad input."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from harness.core.errors import BadInput, BudgetReached, ModelError, StoreError
from harness.core.training_row import read_rows
from harness.core.types import Corpus
from harness.search.bm25 import bm25, bm25_bow
from models.chat.dispatch import Budget, FailureLimits
from models.chat.journal import Journal
from models.chat.replay import ReplayModel
from remixer.pipeline import STAGES, run_stages
from remixer.stages.mine import MineOptions
from remixer.stages.scorers import LexicalScorer
from remixer.stages.select import SelectConfig
from tests.helpers.chat_server import ChatServer, Fault, http_chat, number_of, rule
from tests.helpers.remix_corpus import contents, make_config, make_kind, make_task, make_tools

TASK = make_task()
OWN = ("journal.jsonl",)  # its lines stand in the order in which replies came


def run(folder: Path, chat, task=TASK, stages=STAGES, config=None, **tools):
    return run_stages(
        stages, task, make_kind(task), folder, config or make_config(), make_tools(chat, **tools)
    )


def test_a_run_makes_every_file(server: ChatServer, tmp_path: Path):
    records = run(tmp_path / "run", http_chat(server.url))
    assert list(records) == list(STAGES)
    rows = list(read_rows(tmp_path / "run" / "training.jsonl.gz"))
    assert len(rows) == records["format"].counts["rows"] > 3
    sources = {row.source_id for row in rows}
    assert len(sources) == len(rows)
    assert not sources & {"d0000", "d0001"}  # gold and excluded
    text_of = dict(zip(TASK.corpus.ids, TASK.corpus.texts, strict=True))
    for row in rows:
        assert text_of[row.source_id] not in (*row.pos, *row.neg)
        assert row.reasoning_query
        assert min(row.pos_scores) >= 3 > max(row.neg_scores)
    names = set(contents(tmp_path / "run"))
    assert names == {
        "1-select.jsonl", "2-generate.jsonl", "3-reason.jsonl", "4-mine.jsonl", "5-annotate.jsonl",
        "training.jsonl.gz", "training.parquet", "card.md", "journal.jsonl", "manifest.json",
    }  # fmt: skip


def test_concurrency_and_trouble_change_no_byte(server: ChatServer, tmp_path: Path):
    run(tmp_path / "one", http_chat(server.url, concurrency=1))

    def fault(prompt: str, seed: int, number: int) -> Fault | None:
        kinds = [None, Fault("status", 500), Fault("close"), Fault("body", body="{"), None]
        return kinds[number_of(prompt) % 5] if number == 1 else None

    server.fault = fault
    server.asked.clear()
    run(tmp_path / "many", http_chat(server.url, concurrency=16))
    assert contents(tmp_path / "one", OWN) == contents(tmp_path / "many", OWN)
    lines = [set((tmp_path / name / OWN[0]).read_bytes().splitlines()) for name in ("one", "many")]
    assert lines[0] == lines[1]


def test_a_finished_run_asks_nothing_and_changes_nothing(server: ChatServer, tmp_path: Path):
    run(tmp_path / "run", http_chat(server.url))
    before, asked = contents(tmp_path / "run"), Counter(server.asked)
    run(tmp_path / "run", http_chat(server.url))
    assert contents(tmp_path / "run") == before
    assert server.asked == asked


def test_stages_on_their_own_are_the_run(server: ChatServer, tmp_path: Path):
    run(tmp_path / "whole", http_chat(server.url))
    for stage in STAGES:
        run(tmp_path / "parts", http_chat(server.url), stages=(stage,))
    assert contents(tmp_path / "whole", OWN) == contents(tmp_path / "parts", OWN)


def test_its_journal_replays_it_without_the_server(server: ChatServer, tmp_path: Path):
    run(tmp_path / "run", http_chat(server.url))
    replay = ReplayModel(tmp_path / "run" / "journal.jsonl")
    run(tmp_path / "again", replay)
    assert contents(tmp_path / "run", OWN) == contents(tmp_path / "again", OWN)


def test_a_changed_setting_redoes_its_stage_and_those_after(server: ChatServer, tmp_path: Path):
    run(tmp_path / "run", http_chat(server.url))
    before, asked = contents(tmp_path / "run"), sum(server.asked.values())
    config = replace(make_config(), mine=MineOptions(depth=6))
    run(tmp_path / "run", http_chat(server.url), config=config)
    after = contents(tmp_path / "run")
    same = {name for name in before if before[name] == after[name]}
    assert same == {"1-select.jsonl", "2-generate.jsonl", "3-reason.jsonl"}
    assert sum(server.asked.values()) - asked == 8  # the sixth candidate of each query
    run(tmp_path / "fresh", http_chat(server.url), config=config)
    fresh = contents(tmp_path / "fresh", ("journal.jsonl", "card.md"))
    assert fresh == contents(tmp_path / "run", ("journal.jsonl", "card.md"))


def test_a_file_changed_by_hand_redoes_its_stage(server: ChatServer, tmp_path: Path):
    run(tmp_path / "run", http_chat(server.url))
    before = contents(tmp_path / "run")
    (tmp_path / "run" / "4-mine.jsonl").write_text("")
    run(tmp_path / "run", http_chat(server.url))
    assert contents(tmp_path / "run") == before


def test_a_budget_stops_cleanly_and_the_run_goes_on(server: ChatServer, tmp_path: Path):
    run(tmp_path / "whole", http_chat(server.url))
    server.asked.clear()
    server.answered.clear()
    limit = 0
    for _ in range(100):
        limit += 400
        with contextlib.suppress(BudgetReached):
            run(tmp_path / "run", http_chat(server.url), budget=Budget(max_tokens=limit))
            break
    assert limit > 800
    assert contents(tmp_path / "whole", OWN) == contents(tmp_path / "run", OWN)
    assert set(server.answered.values()) == {1}


def test_without_reasoning_and_with_cleaning(server: ChatServer, tmp_path: Path):
    config = replace(make_config(), domain_filter=True, reason=False)
    stages = tuple(stage for stage in STAGES if stage != "reason")
    records = run(tmp_path / "run", http_chat(server.url), stages=stages, config=config)
    assert records["select"].counts["fitting"] == 8
    assert not any(row.reasoning_query for row in read_rows(tmp_path / "run/training.jsonl.gz"))


def test_the_trivial_set_has_its_source_as_positive(server: ChatServer, tmp_path: Path):
    config = replace(make_config(), mine=MineOptions(depth=5, include_source=True))
    run(tmp_path / "run", http_chat(server.url), config=config)
    text_of = dict(zip(TASK.corpus.ids, TASK.corpus.texts, strict=True))
    rows = list(read_rows(tmp_path / "run" / "training.jsonl.gz"))
    assert rows
    assert all(row.pos == (text_of[row.source_id],) for row in rows)


def test_only_named_sources_are_written_from(server: ChatServer, tmp_path: Path):
    config = replace(make_config(), sources=frozenset({"d0007", "d0009", "d0000"}))
    run(tmp_path / "run", http_chat(server.url), stages=("select", "generate"), config=config)
    rows = (tmp_path / "run" / "2-generate.jsonl").read_text().splitlines()
    assert {json.loads(row)["doc_id"] for row in rows} == {"d0007", "d0009"}


def test_a_cheap_scorer_takes_the_place_of_the_judge(server: ChatServer, tmp_path: Path):
    run(tmp_path / "run", http_chat(server.url), scorer=LexicalScorer())
    rows = list(read_rows(tmp_path / "run" / "training.jsonl.gz"))
    assert len(rows) == 8
    assert {row.conditions["annotator"] for row in rows} == {"lexical"}
    assert not any("You judge how relevant" in prompt for prompt, _ in server.asked)


def test_given_up_requests_are_asked_again_by_the_next_run(server: ChatServer, tmp_path: Path):
    server.fault = lambda prompt, seed, number: (
        Fault("status", 500) if "Write exactly one" in prompt and number_of(prompt) % 2
        else None
    )  # fmt: skip
    limits = FailureLimits(unanswered=1.0)
    first = run(tmp_path / "run", http_chat(server.url), limits=limits)
    lost = first["generate"].counts["unanswered"]
    assert 0 < lost < 8
    server.fault = lambda prompt, seed, number: None
    second = run(tmp_path / "run", http_chat(server.url), limits=limits)
    assert "unanswered" not in second["generate"].counts
    run(tmp_path / "whole", http_chat(server.url), limits=limits)
    assert contents(tmp_path / "whole", OWN) == contents(tmp_path / "run", OWN)


# Bad input


def test_an_empty_corpus(server: ChatServer, tmp_path: Path):
    for corpus in (None, Corpus((), ())):
        with pytest.raises(BadInput, match="'notes' has no documents"):
            run(tmp_path / "run", http_chat(server.url), task=replace(TASK, corpus=corpus))


def test_documents_all_too_short(server: ChatServer, tmp_path: Path):
    config = make_config(select=SelectConfig(min_characters=9_999, max_characters=10_000))
    with pytest.raises(BadInput, match="of 24, 2 are reserved, 22 shorter than 9,999"):
        run(tmp_path / "run", http_chat(server.url), config=config)


def test_a_model_that_never_scores(server: ChatServer, tmp_path: Path):
    server.reply = lambda prompt: "hm" if "You judge" in prompt else rule(prompt)
    with pytest.raises(ModelError, match=r"annotating: for 40 of 40 .* unparsable 120"):
        run(tmp_path / "run", http_chat(server.url))
    assert sum(prompt.startswith("You judge") for prompt, _ in server.answered) == 120
    with Journal(tmp_path / "run" / "journal.jsonl") as journal:
        assert len(journal) == 8 + 8 + 120


def test_a_model_that_writes_the_wrong_language(server: ChatServer, tmp_path: Path):
    server.reply = lambda prompt: "Почему всё время ждёт вторая программа?"
    with pytest.raises(ModelError, match="language 24"):
        run(tmp_path / "run", http_chat(server.url))


def test_every_prompt_overflows(server: ChatServer, tmp_path: Path):
    said = '{"error": "maximum context length is 8"}'
    server.fault = lambda prompt, seed, number: Fault("status", 400, body=said)
    for _ in range(2):
        with pytest.raises(BadInput, match="no usable query was written"):
            run(tmp_path / "run", http_chat(server.url))
    assert set(server.asked.values()) == {1}


def test_another_corpus_in_the_same_folder(server: ChatServer, tmp_path: Path):
    run(tmp_path / "run", http_chat(server.url), stages=("select", "generate"))
    with pytest.raises(BadInput, match="was begun with corpus"):
        run(tmp_path / "run", http_chat(server.url), task=make_task(25))


def test_stages_out_of_order(server: ChatServer, tmp_path: Path):
    with pytest.raises(BadInput, match=r"no 1-select.jsonl yet\nRun `rebench remix clean` first"):
        run(tmp_path / "run", http_chat(server.url), stages=("generate",))
    with pytest.raises(BadInput, match=r"no 3-reason.jsonl yet"):
        run(tmp_path / "run", http_chat(server.url), stages=("mine",))


@pytest.mark.parametrize(
    ("missing", "stage", "flag"),
    [("chat", "generate", "--llm"), ("retriever", "mine", "--embedder")],
)
def test_a_missing_tool(server: ChatServer, tmp_path: Path, missing: str, stage: str, flag: str):
    run(tmp_path / "run", http_chat(server.url))
    (tmp_path / "run" / "manifest.json").unlink()
    with pytest.raises(BadInput, match=flag):
        run(tmp_path / "run", None if missing == "chat" else http_chat(server.url),
            stages=(stage,), retriever=None if missing == "retriever" else bm25())  # fmt: skip


def test_another_retriever_mines_anew(server: ChatServer, tmp_path: Path):
    run(tmp_path / "run", http_chat(server.url))
    before = contents(tmp_path / "run")
    run(tmp_path / "run", http_chat(server.url), retriever=bm25_bow())
    row = json.loads((tmp_path / "run" / "4-mine.jsonl").read_text().splitlines()[0])
    assert row["retriever"] == "bm25-bow"
    assert contents(tmp_path / "run")["3-reason.jsonl"] == before["3-reason.jsonl"]


def test_a_journal_with_a_torn_last_line_is_used_up_to_it(server: ChatServer, tmp_path: Path):
    run(tmp_path / "run", http_chat(server.url))
    before = contents(tmp_path / "run", OWN)
    path = tmp_path / "run" / "journal.jsonl"
    path.write_bytes(path.read_bytes()[:-10])
    for name in before:
        (tmp_path / "run" / name).unlink()
    asked = sum(server.asked.values())
    run(tmp_path / "run", http_chat(server.url))
    assert contents(tmp_path / "run", OWN) == before
    assert sum(server.asked.values()) == asked + 1


@pytest.mark.parametrize("name", ["2-generate.jsonl", "training.jsonl.gz", "manifest.json"])
def test_a_folder_where_a_file_cannot_be_written(server: ChatServer, tmp_path: Path, name: str):
    (tmp_path / "run" / name).mkdir(parents=True)
    (tmp_path / "run" / name / "x").write_text("")
    with pytest.raises(StoreError, match=f"cannot write .*{name}"):
        run(tmp_path / "run", http_chat(server.url))
    assert not list((tmp_path / "run").glob(".*.part"))


def test_a_manifest_of_another_version(server: ChatServer, tmp_path: Path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "manifest.json").write_text('{"version": 99}')
    with pytest.raises(BadInput, match="not a manifest of version 1"):
        run(tmp_path / "run", http_chat(server.url))


def test_a_stage_file_of_another_form(server: ChatServer, tmp_path: Path):
    run(tmp_path / "run", http_chat(server.url), stages=("select",))
    path = tmp_path / "run" / "1-select.jsonl"
    for text, complaint in (
        ('{"doc_id": "d0003"}\n', r"1-select.jsonl, line 1: the fields are \['doc_id'\]"),
        ('{"doc_id": ["x"], "length": "", "education": ""}\n', "line 1: doc_id is"),
        ('{"doc_id": "gone", "length": "", "education": ""}\n', "not in the corpus"),
    ):
        path.write_text(text)
        (tmp_path / "run" / "manifest.json").unlink(missing_ok=True)
        with pytest.raises(BadInput, match=complaint):
            run(tmp_path / "run", http_chat(server.url), stages=("generate",))


def test_a_changed_stage_file_is_named_and_made_again(server: ChatServer, tmp_path: Path):
    run(tmp_path / "run", http_chat(server.url), stages=("select",))
    path = tmp_path / "run" / "1-select.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"d0", b"d1", 1))
    with pytest.raises(StoreError, match=r"1-select.jsonl is not what manifest.json says"):
        run(tmp_path / "run", http_chat(server.url), stages=("generate",))
    run(tmp_path / "run", http_chat(server.url), stages=("select",))
    assert path.read_bytes() == whole
    manifest = tmp_path / "run" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"version": 1', '"version": 1, "x": 1'))
    with pytest.raises(StoreError, match="do not have its checksum"):
        run(tmp_path / "run", http_chat(server.url), stages=("select",))
