"""Replay files: made by a run or from written answers, and honest about what they lack."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.core.errors import BadInput, ModelError
from harness.core.training_row import read_rows
from models.chat.dispatch import FailureLimits
from models.chat.journal import record_line
from models.chat.protocol import ChatReply, Sampling, user_request
from models.chat.replay import ReplayModel
from remixer.pipeline import STAGES, run_stages, write_annotator_data
from remixer.prompt_builder import PromptBuilder
from remixer.rows import LabelRow, QueryRow, rows_by_id
from remixer.run_folder import RemixFolder
from remixer.stages.annotator_data import Balance
from remixer.stages.select import SelectConfig
from remixer.written_replies import Listing, list_requests, pack_answers, read_written, write_packed
from tests.helpers.chat_server import rule
from tests.helpers.remix_corpus import contents, make_config, make_kind, make_task, make_tools

TASK = make_task()
TEXT_OF = dict(zip(TASK.corpus.ids, TASK.corpus.texts, strict=True))
PROMPTS = PromptBuilder(make_kind(TASK), "written", "written", 42)
SELECT = SelectConfig(min_characters=20, limit=8)
REQUEST = user_request("m", "hello", Sampling(0, 1, 5), 1)


def journal(path: Path, *pairs) -> Path:
    path.write_bytes(b"".join(record_line(request, reply) for request, reply in pairs))
    return path


def test_a_missing_reply_is_named_or_counted(tmp_path: Path):
    path = journal(tmp_path / "j", (REQUEST, ChatReply(REQUEST.key, "hi")))
    other = user_request("m", "an unknown request " + "x" * 500, Sampling(0, 1, 5), 1)
    pairs = [(REQUEST.key, REQUEST), (other.key, other)]
    with pytest.raises(ModelError, match=f"no reply to request {other.key[:16]}.*an unknown requ"):
        list(ReplayModel(path).replies(iter(pairs)))
    found = list(ReplayModel(path, tolerant=True).replies(iter(pairs)))
    assert [reply.text for reply in found] == ["hi", ""]
    assert other.key[:16] in found[1].error


def test_its_model_is_the_files_own(tmp_path: Path):
    path = journal(tmp_path / "j", (REQUEST, ChatReply(REQUEST.key, "hi")))
    assert ReplayModel(path).name == "m"
    assert ReplayModel(path, "n").name == "n"
    second = user_request("other", "hello", Sampling(0, 1, 5), 1)
    both = journal(
        tmp_path / "k",
        (REQUEST, ChatReply(REQUEST.key, "hi")),
        (second, ChatReply(second.key, "x")),
    )
    with pytest.raises(BadInput, match="replies of m, other"):
        ReplayModel(both)
    assert ReplayModel(both, "other").name == "other"


def test_a_torn_end_is_left_out_and_an_empty_file_refused(tmp_path: Path):
    path = journal(tmp_path / "j", (REQUEST, ChatReply(REQUEST.key, "hi")))
    path.write_bytes(path.read_bytes() + path.read_bytes()[:40])
    assert ReplayModel(path).name == "m"
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(BadInput, match="holds no reply"):
        ReplayModel(tmp_path / "empty")
    with pytest.raises(BadInput, match="no such file"):
        ReplayModel(tmp_path / "gone")


def run(folder: Path, replay: Path, stages=STAGES, tolerant: bool = False):
    chat = ReplayModel(replay, tolerant=tolerant)
    limits = FailureLimits(unanswered=1.0 if tolerant else 0.02)
    tools = make_tools(chat, limits=limits)
    return run_stages(stages, TASK, make_kind(TASK), folder, make_config(), tools)


def write_answers(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def _check_only_own_words(lines: tuple[bytes, ...], asked: dict) -> None:
    """A packed file can be passed on where the documents cannot: it names them and no more."""
    records = [json.loads(line) for line in lines]
    about = {"stage": "annotate", "doc_id": asked["doc_id"], "candidate": asked["candidate"]}
    (record,) = [each for each in records if each["key"] == asked["key"]]
    whole = dict(asked["request"])
    del whole["messages"]
    assert record["request"] == {"about": about, **whole}
    assert all("messages" not in each["request"] for each in records)


def test_written_answers_become_a_run(tmp_path: Path):
    """The whole way that a replay file is made: list, write, pack, run, list, judge, pack, run."""
    listed = list(list_requests(TASK, PROMPTS, Listing("generate", None, SELECT, 5)))
    assert len(listed) == 8
    texts = []
    for row in listed:
        prompt = row["request"]["messages"][0]["content"]
        assert TEXT_OF[row["doc_id"]] in prompt
        assert row["length"] in prompt
        query = rule(prompt)
        reasoning = rule(PROMPTS.reason(query).messages[0].content)
        texts.append({"doc_id": row["doc_id"], "query": query, "reasoning_query": reasoning})
    first = write_answers(tmp_path / "texts.jsonl", texts)
    packed = pack_answers(PROMPTS, TEXT_OF, read_written([first]))
    assert (packed.counts, packed.problems) == ({"queries": 8, "reasonings": 8}, ())
    write_packed(tmp_path / "replay.jsonl.gz", packed)
    run(tmp_path / "run", tmp_path / "replay.jsonl.gz", STAGES[:4])

    asked = list(list_requests(TASK, PROMPTS, Listing("annotate", tmp_path / "run", SELECT, 5)))
    assert len(asked) == 40
    assert [row["rank"] for row in asked[:5]] == [1, 2, 3, 4, 5]
    assert (
        len(list(list_requests(TASK, PROMPTS, Listing("reason", tmp_path / "run", SELECT, 5)))) == 8
    )
    judged = [
        {"doc_id": row["doc_id"], "candidate": row["candidate"], "score": at % 5 + 1,
         "justification": f"Because {at}."}
        for at, row in enumerate(asked)
    ]  # fmt: skip
    second = write_answers(tmp_path / "judged.jsonl", judged[:20])
    grouped: dict[str, list] = {}
    for row in judged[20:]:
        grouped.setdefault(row.pop("doc_id"), []).append(row)
    third = write_answers(
        tmp_path / "grouped.jsonl",
        [{"doc_id": key, "judgements": rows} for key, rows in grouped.items()],
    )
    packed = pack_answers(PROMPTS, TEXT_OF, read_written([second, first, third]))
    assert packed.counts == {"queries": 8, "reasonings": 8, "judgements": 40}
    _check_only_own_words(packed.lines, asked[6])
    write_packed(tmp_path / "replay.jsonl.gz", packed)
    records = run(tmp_path / "run", tmp_path / "replay.jsonl.gz")
    assert records["annotate"].counts["label_5"] == 8
    rows = list(read_rows(tmp_path / "run" / "training.jsonl.gz"))
    assert {row.source_id: row.query for row in rows} == {
        row["doc_id"]: row["query"] for row in texts
    }
    labels = rows_by_id(RemixFolder(tmp_path / "run").rows("annotate", LabelRow))
    assert labels[asked[6]["doc_id"]].labels[asked[6]["rank"] - 1] == 2
    run(tmp_path / "fresh", tmp_path / "replay.jsonl.gz")
    other = ("journal.jsonl",)
    assert contents(tmp_path / "fresh", other) == contents(tmp_path / "run", other)
    _check_annotator_data(tmp_path, asked, labels)


def _check_annotator_data(tmp_path: Path, asked: list[dict], labels: dict) -> None:
    """The run's annotations as conversations: prompt and reply of every pair, or a balanced few."""
    output = tmp_path / "distil.jsonl"
    folder = tmp_path / "run"
    assert write_annotator_data(output, TASK, PROMPTS, folder, Balance()) == 40
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    for row, own in zip(rows, asked, strict=True):
        question, answer = row["messages"]
        assert question == {"role": "user",
                            "content": own["request"]["messages"][0]["content"]}  # fmt: skip
        assert answer["role"] == "assistant"
        assert answer["content"].endswith(f"<score>{row['score']}</score>")
        assert row["score"] == labels[own["doc_id"]].labels[own["rank"] - 1]
    assert write_annotator_data(output, TASK, PROMPTS, folder, Balance(per_label=3)) == 15
    scores = [json.loads(line)["score"] for line in output.read_text().splitlines()]
    assert sorted(scores) == sorted([1, 2, 3, 4, 5] * 3)
    stranger = PromptBuilder(PROMPTS.profile, "nobody", "nobody", 42)
    with pytest.raises(BadInput, match="has no annotation by 'nobody'"):
        write_annotator_data(output, TASK, stranger, folder, Balance())


def test_a_tolerant_run_counts_what_is_missing(tmp_path: Path):
    listed = list(list_requests(TASK, PROMPTS, Listing("generate", None, SELECT, 5)))
    rows = [
        {"doc_id": row["doc_id"], "query": rule(row["request"]["messages"][0]["content"])}
        for row in listed[:5]
    ]
    path = write_answers(tmp_path / "texts.jsonl", rows)
    write_packed(tmp_path / "r", pack_answers(PROMPTS, TEXT_OF, read_written([path])))
    records = run(tmp_path / "run", tmp_path / "r", STAGES[:2], tolerant=True)
    assert records["generate"].counts["unanswered"] == 3
    assert len(RemixFolder(tmp_path / "run").rows("generate", QueryRow)) == 5
    with pytest.raises(ModelError, match="has no reply to request"):
        run(tmp_path / "strict", tmp_path / "r", STAGES[:2])


def test_answers_that_would_be_refused_are_named_and_left_out(tmp_path: Path):
    good = "Why does the second of two programs wait for ever?"
    rows = [
        {"doc_id": "d0003", "query": TEXT_OF["d0003"], "reasoning_query": "fine enough"},
        {"doc_id": "nowhere", "query": good},
        {"doc_id": "d0004", "query": good, "reasoning_query": good},
        {"doc_id": "d0004", "candidate": "gone", "score": 3, "justification": "x"},
        {"doc_id": "d0004", "candidate": "d0005", "score": 3,
         "justification": "x <score>1</score>"},
        {"doc_id": "d0004", "candidate": "d0006", "score": 3,
         "justification": "<think> x"},
    ]  # fmt: skip
    path = write_answers(tmp_path / "a.jsonl", rows)
    packed = pack_answers(PROMPTS, TEXT_OF, read_written([path]))
    assert packed.counts == {"queries": 1, "reasonings": 1, "judgements": 1}
    assert [problem.split(" ", 3)[:3] for problem in packed.problems] == [
        ["the", "query", "of"], ["nowhere:", "the", "corpus"], ["the", "reasoning", "of"],
        ["d0004:", "the", "corpus"], ["d0004,", "d0006:", "no"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({"query": "x"}, "line 1: doc_id is None"),
        ({"doc_id": "d", "query": " "}, "line 1: query is ' '"),
        ({"doc_id": "d", "candidate": "c", "score": 6, "justification": "x"}, "score is 6"),
        ({"doc_id": "d", "candidate": "c", "score": True, "justification": "x"}, "score is True"),
        ({"doc_id": "d", "candidate": "c", "score": 3}, "justification is None"),
    ],
)
def test_answers_of_another_form_are_refused(tmp_path: Path, row: dict, complaint: str):
    with pytest.raises(BadInput, match=complaint):
        read_written([write_answers(tmp_path / "a.jsonl", [row])])


def test_two_answers_to_one_question_are_refused(tmp_path: Path):
    rows = [{"doc_id": "d", "query": "one"}, {"doc_id": "d", "query": "two"}]
    with pytest.raises(BadInput, match="line 2: a second query of 'd'"):
        read_written([write_answers(tmp_path / "a.jsonl", rows)])


def test_a_listing_needs_its_run(tmp_path: Path):
    for listing in (Listing("reason", None, SELECT, 5), Listing("mine", tmp_path, SELECT, 5)):
        with pytest.raises(BadInput, match="cannot list the requests"):
            list(list_requests(TASK, PROMPTS, listing))
