"""Pipelines that run: a real chat server, stored stages, shared work, killed processes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.core.checksums import CHECKSUM
from harness.core.progress import SilentReporter
from harness.core.types import Query, Run, Task
from harness.data.beir import load_beir
from harness.pipelines.staged.rewriting import Rewriter, task_versions
from harness.pipelines.staged.spec import RewriteStage
from tests.helpers.chat_server import ChatServer, Fault, chat_server, number_of
from tests.helpers.command_run import Done, runner
from tests.helpers.small_task import QUERIES, write_beir

ANSWER = "The pull of the moon makes tides; yeast makes gas in dough."


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as running:
        running.reply = lambda prompt: "<score>5</score>" if "<score>" in prompt else ANSWER
        yield running


@pytest.fixture
def rebench(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Done]:
    write_beir(tmp_path / "small")
    monkeypatch.setenv("REBENCH_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("REBENCH_CACHE", str(tmp_path / "cache"))
    return runner(capsys, monkeypatch, tmp_path)


def write(folder: Path, url: str, **changes: str) -> Path:
    """Write a pipeline of five stages whose chat models are served at `url`."""
    text = f"""
[pipelines.whole]
[[pipelines.whole.stage]]
name = "ask"
kind = "rewrite"
method = "reason"
llm = "{url}"
llm_model = "test-model"
{changes.get("ask", "samples = 2")}
[[pipelines.whole.stage]]
name = "find"
kind = "retrieve"
models = ["bm25", "wordllama"]
depth = 5
[[pipelines.whole.stage]]
name = "join"
kind = "fuse"
method = "wsum"
norm = "min-max"
weights = {{ bm25 = {changes.get("bm25", "0.25")}, wordllama = 0.75 }}
[[pipelines.whole.stage]]
name = "order"
kind = "rerank"
model = "llm-score"
llm = "{url}"
llm_model = "test-model"
depth = 2
{changes.get("order", "blend = 0.5")}
"""
    path = folder / "whole.toml"
    path.write_text(text, encoding="utf-8")
    return path


def evaluated(rebench: Callable[..., Done], *more: object) -> dict:
    done = rebench("eval", "--pipeline", "whole.toml", "--tasks", "small", "--json", *more)
    assert done.code == 0, done.err
    (entry,) = done.json
    return entry


def stages(entry: dict) -> dict[str, dict]:
    return {each["name"]: each for each in entry["facts"]["stages"]}


def test_every_stage_is_told_with_score_ceiling_and_cost(
    rebench: Callable[..., Done], server: ChatServer, tmp_path: Path
):
    write(tmp_path, server.url, ask="samples = 2\nprice_reply = 1e6")
    entry = evaluated(rebench)
    told = stages(entry)
    assert list(told) == ["ask", "find", "join", "order"]
    assert (told["ask"]["calls"], told["ask"]["rewritten"]) == (4, 2)
    assert told["ask"]["cost"] == told["ask"]["reply_tokens"] > 0
    assert set(told["find"]["lists"]) == {"bm25", "wordllama"}
    for name in ("find", "join", "order"):
        for one in told[name]["lists"].values():
            assert 0 < one["ndcg@10"] <= one["ceiling@10"] <= 1
            assert one["depth"] == 5
    assert told["order"]["calls"] > 0
    assert entry["facts"]["calls"] == told["ask"]["calls"] + told["order"]["calls"]
    assert set(entry["timings"]) == {*told, "score"}
    assert told["order"]["lists"]["order"]["ndcg@10"] == entry["metrics"]["ndcg@10"]
    verified = rebench("verify")
    assert verified.code == 0, verified.err


def test_the_work_is_the_same_computed_or_stored(
    rebench: Callable[..., Done], server: ChatServer, tmp_path: Path
):
    write(tmp_path, server.url, ask="samples = 2\nprice_reply = 1e6")
    first = evaluated(rebench)
    told = stages(first)
    asked = told["ask"]["calls"] + told["order"]["calls"]
    work = first["facts"]["work"]
    assert (work["queries"], work["calls"], work["kept"]) == (2, asked, [])
    assert work["cost"] is None, "one of two chat models has no price"
    tokens = told["find"]["models"]["wordllama"]["versions"]
    assert work["query_tokens"] == sum(each["queries"]["read_tokens"] for each in tokens)
    assert work["index_tokens"] == tokens[0]["documents"]["read_tokens"] > 0
    assert work["prompt_tokens"] == told["ask"]["prompt_tokens"] + told["order"]["prompt_tokens"]
    again = evaluated(rebench, "--force")
    assert {**again["facts"]["work"], "kept": []} == work
    assert set(again["facts"]["work"]["kept"]) == {"vectors", "replies"}
    write(tmp_path, server.url, ask="samples = 2", order="blend = 0.9")
    other = stages(evaluated(rebench))
    assert other["ask"]["work"]["kept"] == ["stages"]
    assert other["ask"]["work"]["calls"] == told["ask"]["calls"]


def test_a_changed_reranker_repeats_no_rewrite_and_no_retrieval(
    rebench: Callable[..., Done], server: ChatServer, tmp_path: Path
):
    write(tmp_path, server.url)
    evaluated(rebench)
    asked = sum(server.asked.values())
    write(tmp_path, server.url, order="blend = 0.9")
    told = stages(evaluated(rebench))
    assert sum(server.asked.values()) == asked
    assert [each["name"] for each in told.values() if each["reused"]] == ["ask", "find", "join"]
    write(tmp_path, server.url, bm25="0.5")
    told = stages(evaluated(rebench))
    assert [each["name"] for each in told.values() if each["reused"]] == ["ask", "find"]


def test_what_is_measured_is_not_run_again(
    rebench: Callable[..., Done], server: ChatServer, tmp_path: Path
):
    write(tmp_path, server.url, order="samples = 1\nblend = 0")
    first = evaluated(rebench)
    for path in (tmp_path / "cache").rglob("stage.json"):
        path.unlink()
    asked = sum(server.asked.values())
    assert evaluated(rebench)["metrics"] == first["metrics"]
    assert sum(server.asked.values()) == asked
    assert not list((tmp_path / "cache").rglob("stage.json")), "nothing was run"


@pytest.mark.parametrize("suffix", [".trec.gz", ".json"])
def test_a_damaged_stage_is_named_and_made_again(
    rebench: Callable[..., Done], server: ChatServer, tmp_path: Path, suffix: str
):
    write(tmp_path, server.url, order="samples = 1\nblend = 0")
    first = evaluated(rebench)
    damaged = sorted((tmp_path / "cache" / "stages").rglob(f"*{suffix}"))
    for path in damaged:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(bytes(data))
    done = rebench("eval", "--pipeline", "whole.toml", "--tasks", "small", "--json", "--force")
    assert done.json[0]["metrics"] == first["metrics"]
    write(tmp_path, server.url, order="samples = 1\nblend = 0.01")
    for path in (tmp_path / "cache" / "stages").rglob(f"*{suffix}"):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(bytes(data))
    done = rebench("eval", "--pipeline", "whole.toml", "--tasks", "small", "--json")
    assert done.code == 0, done.err
    assert "was changed or damaged" in done.err or "checksum" in done.err
    assert "Traceback" not in done.err


def test_a_budget_reached_in_mid_stage_keeps_every_reply(
    rebench: Callable[..., Done], server: ChatServer, tmp_path: Path
):
    write(
        tmp_path,
        server.url,
        ask="samples = 5\nmax_tokens_total = 10\nconcurrency = 1",
        order="blend = 0",
    )
    done = rebench("eval", "--pipeline", "whole.toml", "--tasks", "small")
    assert done.code == 2
    assert "the budget is reached" in done.err
    answered = sum(server.answered.values())
    assert answered >= 1
    write(tmp_path, server.url, ask="samples = 5\nconcurrency = 1", order="blend = 0")
    evaluated(rebench)
    assert max(server.answered.values()) == 1, "no journaled call is repeated"


def test_documents_are_read_in_rounds(
    rebench: Callable[..., Done], server: ChatServer, tmp_path: Path
):
    prompts: list[str] = []

    def reply(prompt: str) -> str:
        prompts.append(prompt)
        if "<score>" in prompt:
            return "<score>5</score>"
        return f"{ANSWER} Draft {len(prompts)}."

    server.reply = reply
    first = "[[pipelines.whole.stage]]\nname = 'first'\nkind = 'retrieve'\nmodels = ['bm25']\n"
    text = write(
        tmp_path, server.url, ask='rounds = 2\nreads = "first"\ndocuments = 2', order="blend = 0"
    ).read_text(encoding="utf-8")
    (tmp_path / "whole.toml").write_text(first + text.replace("[pipelines.whole]\n", ""))
    told = stages(evaluated(rebench))
    assert told["ask"]["calls"] == 4
    rounds = [prompt for prompt in prompts if "Texts:" in prompt]
    assert sum("(none yet)" in prompt for prompt in rounds) == 2
    assert sum("Draft 1." in prompt or "Draft 2." in prompt for prompt in rounds) == 2


def test_rewrites_of_a_file_and_one_that_lacks_a_query(
    rebench: Callable[..., Done], server: ChatServer, tmp_path: Path
):
    rows = {text: f"about {key}: {ANSWER}" for key, text in QUERIES.items()}
    (tmp_path / "rewrites.json").write_text(json.dumps(rows), encoding="utf-8")
    text = write(tmp_path, server.url).read_text(encoding="utf-8")
    ask = 'method = "reason"\nllm = "' + server.url + '"\nllm_model = "test-model"\nsamples = 2\n'
    order = text.index('[[pipelines.whole.stage]]\nname = "order"')
    changed = text[:order].replace(ask, 'file = "rewrites.json"\nkeep = "replace"\n')
    (tmp_path / "whole.toml").write_text(changed, encoding="utf-8")
    assert stages(evaluated(rebench))["ask"]["rewritten"] == 2
    assert not server.asked
    rows.popitem()
    (tmp_path / "rewrites.json").write_text(json.dumps(rows), encoding="utf-8")
    done = rebench("eval", "--pipeline", "whole.toml", "--tasks", "small")
    assert done.code == 2
    assert "rewrites.json" in done.err


def versions(task: Task, keep: str, **rewrites: tuple[str, ...]) -> list[list[str]]:
    return [[query.text for query in each.queries] for each in task_versions(task, rewrites, keep)]


def test_versions_of_queries(tmp_path: Path):
    loaded = load_beir(write_beir(tmp_path / "small"), with_corpus=False, reporter=SilentReporter())
    task = replace(loaded, queries=(Query("q1", "sea?"), Query("q2", "loaf?")))
    assert versions(task, "replace", q1=("a", "b"), q2=("c",)) == [["a", "c"], ["b"]]
    assert versions(task, "append", q1=("a",)) == [["sea?\na", "loaf?"]]
    assert versions(task, "both", q1=("a",), q2=("b",)) == [["sea?", "loaf?"], ["a", "b"]]
    assert versions(task, "append") == [["sea?", "loaf?"]]


def test_stage_files_carry_a_checksum(
    rebench: Callable[..., Done], server: ChatServer, tmp_path: Path
):
    write(tmp_path, server.url, order="blend = 0")
    evaluated(rebench)
    manifests = list((tmp_path / "cache" / "stages").rglob("stage.json"))
    assert len(manifests) == 5, "a rewrite, a list a model, a fusion, a reranking"
    assert all(CHECKSUM in json.loads(path.read_text()) for path in manifests)


def test_a_model_and_a_pipeline_together_or_neither(rebench: Callable[..., Done]):
    for arguments in ((), ("--model", "bm25", "--pipeline", "x.toml")):
        done = rebench("eval", "--tasks", "small", *arguments)
        assert done.code == 2
        assert "either models or a pipeline" in done.err
    done = rebench("eval", "--pipeline", "x.toml", "--dtype", "float16", "--tasks", "small")
    assert "do not go with --pipeline" in done.err
    assert rebench("eval", "--pipeline", "nobody", "--tasks", "small").code == 2


def test_a_changed_document_is_reranked_anew(
    rebench: Callable[..., Done], server: ChatServer, tmp_path: Path
):
    """Ranks decide the fused list, so it may stay the same where a text does not."""
    text = write(tmp_path, server.url).read_text(encoding="utf-8")
    weighted = 'method = "wsum"\nnorm = "min-max"\nweights = { bm25 = 0.25, wordllama = 0.75 }'
    (tmp_path / "whole.toml").write_text(text.replace(weighted, 'method = "rrf"'))
    evaluated(rebench)
    asked = sum("<score>" in prompt for prompt, _ in server.asked)
    corpus = tmp_path / "small" / "corpus.jsonl"
    corpus.write_text(corpus.read_text().replace("twice a day", "twice each day"))
    evaluated(rebench)
    assert sum("<score>" in prompt for prompt, _ in server.asked) > asked


def test_requests_that_were_given_up_are_asked_again(
    rebench: Callable[..., Done], server: ChatServer, tmp_path: Path
):
    server.fault = lambda prompt, seed, number: (
        Fault("status", 400) if "loaf" in prompt and "<score>" not in prompt else None
    )
    write(tmp_path, server.url, ask="samples = 1", order="blend = 0")
    told = stages(evaluated(rebench))
    assert told["ask"]["refused_replies"] == {"unanswered": 1}
    assert told["ask"]["queries_without_rewrite"] == 1
    server.fault = lambda prompt, seed, number: None
    write(tmp_path, server.url, ask="samples = 1", order="blend = 0.01")
    again = stages(evaluated(rebench))
    assert again["ask"]["queries_without_rewrite"] == 0, "the stage was not kept"


def test_each_sample_reads_what_its_own_draft_finds(
    rebench: Callable[..., Done], server: ChatServer, tmp_path: Path
):
    server.reply = lambda prompt: (
        "<score>5</score>" if "<score>" in prompt else f"draft {number_of(prompt)}"
    )
    first = "[[pipelines.whole.stage]]\nname = 'first'\nkind = 'retrieve'\nmodels = ['bm25']\n"
    ask = 'rounds = 2\nsamples = 2\nreads = "first"\ndocuments = 2'
    text = write(tmp_path, server.url, ask=ask, order="blend = 0").read_text(encoding="utf-8")
    (tmp_path / "whole.toml").write_text(first + text.replace("[pipelines.whole]\n", ""))
    evaluated(rebench)
    rounds = [prompt for prompt, _ in server.asked if "Draft:" in prompt]
    seen = {prompt.partition("Draft:\n")[2].partition("\n")[0] for prompt in rounds}
    assert "(none yet)" in seen
    assert len(seen) >= 2


def test_a_budget_stops_a_reranking(
    rebench: Callable[..., Done], server: ChatServer, tmp_path: Path
):
    order = "samples = 5\ntemperature = 0.6\nmax_tokens_total = 10\nconcurrency = 1"
    write(tmp_path, server.url, ask="samples = 1", order=order)
    done = rebench("eval", "--pipeline", "whole.toml", "--tasks", "small")
    assert done.code == 2
    assert "the budget is reached" in done.err


def test_a_recipe_is_copied_before_it_runs(rebench: Callable[..., Done]):
    done = rebench("eval", "--pipeline", "inf-x", "--tasks", "small")
    assert done.code == 2
    assert "rebench pipelines inf-x > inf-x.toml" in done.err


def test_each_sample_searches_with_its_own_draft(tmp_path: Path):
    loaded = load_beir(write_beir(tmp_path / "small"), with_corpus=False, reporter=SilentReporter())
    task = replace(loaded, queries=(Query("q1", "sea?"),))
    stage = RewriteStage("ask", method="reason", samples=2, rounds=2, reads="first")
    searched: list[str] = []

    def search(asked: Task) -> Run:
        searched.append(asked.queries[0].text)
        return Run({})

    Rewriter(stage, None, tmp_path)._found(task, {"q1": ("a", "b")}, search)
    assert searched == ["sea?\na", "sea?\nb"]
