"""Chat models as rerankers: replies of every form, samples and their agreement, resuming."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.core.errors import BadInput, BudgetReached, ModelError
from harness.core.progress import SilentReporter
from harness.pipelines.chat_rerank.agreement import agreement
from harness.pipelines.chat_rerank.asking import ChatSettings, ChatTools
from harness.pipelines.chat_rerank.replies import (
    GroupScores,
    Repaired,
    read_group,
    read_number,
    read_order,
    read_yes_no,
)
from harness.pipelines.chat_rerank.reranker import ChatReranker
from harness.pipelines.chat_rerank.strategies import STRATEGIES, windows
from harness.pipelines.chat_rerank.wording import PLACEHOLDERS, TURN, RerankPrompts, Wording
from harness.pipelines.rerank_ports import CandidateList, ListScorer
from models.chat.dispatch import Budget, UnusableReply
from models.chat.logprobs import answer_logprobs, server_places
from models.chat.protocol import ChatReply, ChatRequest, Replies, Sampling
from models.rerankers.card import CHAT_METHODS
from tests.helpers.command_run import Done, runner

PROMPTS = RerankPrompts()
PIECES = [
    "[1]", "[2]", "[3]", " > ", ">", "[4] > [1]", "[0]", "[999999]", "[3] > [3]", "1, 2, 3", "none",
    "<think>", "</think>", "<answer>", "</answer>", "\n", "[", "]", "[[2]]", "[-1]", "7", "\ud83d",
    "[2]: 5", "[1]: 99", "score", "<score>3</score>", "I think ", "[1234567890123]", "\x00", "**",
]  # fmt: skip
TEXTS = st.one_of(st.text(max_size=40), st.lists(st.sampled_from(PIECES), max_size=12).map("".join))


def reply(text: str) -> ChatReply:
    return ChatReply("0" * 64, text)


@settings(max_examples=1_000, deadline=None)
@given(TEXTS, st.integers(1, 25))
@example("[1]" * 500, 3)
@example("<think>[1] > [2]", 2)
def test_no_reply_loses_repeats_or_adds_a_document(text: str, count: int):
    found = read_order(reply(text), count)
    if isinstance(found, UnusableReply):
        assert found.reason == "no_order"
        return
    assert sorted(found.order) == list(range(count))
    named = count - found.wrong.get("missing", 0)
    assert 1 <= named <= count
    group = read_group(reply(text), count, 10)
    if isinstance(group, GroupScores):
        assert set(group.scores) <= set(range(count))
        assert all(0 <= value <= 10 for value in group.scores.values())


@pytest.mark.parametrize(
    ("text", "order", "wrong"),
    [
        ("[2] > [3] > [1]", (1, 2, 0), {}),
        ("<think>[1] > [2]</think>\n[3]>[1]>[2]", (2, 0, 1), {}),
        ("Since [1] is off, my order is [3] > [2] > [1].", (2, 1, 0), {}),
        ("2, 1, 3", (1, 0, 2), {}),
        ("[3] > [3] > [7]", (2, 0, 1), {"missing": 2, "repeated": 1, "unknown": 1}),
        ("<answer>[2] > [1] > [3]</answer>", (1, 0, 2), {}),
    ],
)
def test_orders_are_read_and_repaired(text: str, order: tuple[int, ...], wrong: dict):
    assert read_order(reply(text), 3) == Repaired(order, wrong)


def test_scores_are_read_from_tags_or_from_a_reply_that_is_nothing_else():
    assert read_number(reply("It helps.\n<score> 7 </score>"), 10) == 7
    assert read_number(reply("<score>1</score> no, <score>8.5</score>"), 10) == 8.5
    assert read_number(reply("<think>9</think>4"), 10) == 4
    assert read_number(reply("Score: 6/10"), 10) == 6
    assert read_number(reply("11"), 10) == UnusableReply("score_off_scale")
    assert read_number(reply("180"), 0) == 180
    assert read_number(reply("about 7, I would say"), 10) == UnusableReply("no_score")
    found = read_group(reply("[1]: 3\n[2] - 10\n[2]: 1\n[9]: 4\n[3]: 77"), 3, 10)
    wrong = {"repeated": 1, "unknown": 1, "off_scale": 1, "missing": 1}
    assert found == GroupScores({0: 3.0, 1: 10.0}, wrong)


def test_log_probabilities_are_taken_where_the_answer_stands():
    choice = {
        "logprobs": {
            "content": [
                {"token": "So", "top_logprobs": [{"token": "Yes", "logprob": -9.0}]},
                {
                    "token": " Yes",
                    "top_logprobs": [
                        {"token": " Yes", "logprob": -0.5},
                        {"token": "yes", "logprob": -1.5},
                        {"token": "No", "logprob": -3.0},
                        {"token": "x", "logprob": -8.0},
                    ],
                },
                {"token": ".", "top_logprobs": []},
            ]
        }
    }
    found = answer_logprobs(server_places(choice), ("yes", "no"))
    assert found == pytest.approx({"yes": np.log(np.exp(-0.5) + np.exp(-1.5)), "no": -3, "": -8})
    asked = ChatReply("0" * 64, "Yes.", logprobs=found)
    assert read_yes_no(asked, ("yes", "no")) == pytest.approx(found["yes"] + 3)
    only = ChatReply("0" * 64, "Yes", logprobs={"yes": -0.1, "": -8.0})
    assert read_yes_no(only, ("yes", "no")) == pytest.approx(7.9)
    assert read_yes_no(reply("yes"), ("yes", "no")) == UnusableReply("no_log_probabilities")
    assert answer_logprobs([("maybe", [("maybe", -1.0)])], ("yes", "no")) == {}


def test_a_window_slides_from_the_end_to_the_top():
    assert windows(45, 20, 10) == [(25, 45), (15, 35), (5, 25), (0, 15)]
    assert windows(100, 20, 10)[-1] == (0, 20)
    assert len(windows(100, 20, 10)) == 9
    assert (windows(7, 20, 10), windows(0, 20, 10)) == ([(0, 7)], [])


def test_agreement_is_held_against_scipy_and_by_hand():
    from scipy.stats import kendalltau

    same = np.array([[3.0, 2, 1], [3, 2, 1]])
    assert agreement([same]) == {"repeats": 2, "kendall_tau_b": 1.0, "overlap@10": 1.0}
    generator = np.random.default_rng(5)
    drawn = generator.integers(0, 6, (3, 30)).astype(float)
    pairs = [(0, 1), (0, 2), (1, 2)]
    expected = np.mean([kendalltau(drawn[a], drawn[b]).statistic for a, b in pairs])
    found = agreement([drawn])
    assert found["kendall_tau_b"] == pytest.approx(expected)
    heads = [sorted(range(30), key=lambda at, row=row: (-row[at], at))[:10] for row in drawn]
    shares = [len(set(heads[a]) & set(heads[b])) / 10 for a, b in pairs]
    assert found["overlap@10"] == pytest.approx(np.mean(shares))
    assert agreement([same[:1]]) == {}
    flat = agreement([np.zeros((2, 4))])
    assert (flat["kendall_tau_b"], flat["overlap@10"]) == (None, 1.0)


class Clerk:
    """A chat model that answers by a rule of prompt and seed, and keeps what it is asked."""

    name = "clerk"

    def __init__(self, rule: Callable[[str, int], str]) -> None:
        self.rule = rule
        self.asked: list[ChatRequest] = []

    def replies(self, requests: Iterator[tuple[str, ChatRequest]]) -> Replies:
        for key, request in requests:
            self.asked.append(request)
            text = self.rule(request.messages[-1].content, request.seed)
            yield ChatReply(key, text, prompt_tokens=10, reply_tokens=2)


def weight(text: str) -> int:
    """Return the number that a document of these tests holds."""
    found = re.search(r"weight (\d+)", text)
    assert found
    return int(found[1])


def by_weight(prompt: str, seed: int) -> str:
    """Order the documents of a prompt by the number that they hold, highest first."""
    documents = re.findall(r"\[(\d+)\] (weight \d+)", prompt)
    best = sorted(documents, key=lambda pair: -weight(pair[1]))
    return " > ".join(f"[{number}]" for number, _ in best)


def documents(count: int, seed: int = 0) -> tuple[str, ...]:
    return tuple(f"weight {n}" for n in np.random.default_rng(seed).permutation(count))


def reranker(
    rule: Callable[[str, int], str], folder: Path, method: str = "chat-listwise", **changes: object
) -> ChatReranker:
    name = {"chat-listwise": "listwise", "chat-groups": "groups"}.get(method, "score")
    made = {
        "settings": ChatSettings(window=6, step=3),
        "sampling": Sampling(0.0, 1.0, 100),
        "budget": Budget(),
        **changes,
    }
    tools = ChatTools(Clerk(rule), folder / "journal.jsonl", made["budget"])
    return ChatReranker(
        "clerk", method, Wording(name, PROMPTS.text(name), 10), made["sampling"], tools,
        made["settings"],
    )  # fmt: skip


def test_a_sliding_window_brings_the_best_to_the_top(tmp_path: Path):
    lists = [CandidateList("a", documents(20)), CandidateList("b", documents(5, 1))]
    scorer = reranker(by_weight, tmp_path)
    assert isinstance(scorer, ListScorer)
    found = scorer.score_lists(lists, SilentReporter())
    for each, scores in zip(lists, found.scores, strict=True):
        order = [weight(each.texts[at]) for at in np.argsort(-scores)]
        assert sorted(order) == sorted(map(weight, each.texts))
        assert order[:3] == sorted(order, reverse=True)[:3]
    assert found.facts["calls"] == len(windows(20, 6, 3)) + 1
    assert (found.facts["prompt_tokens"], found.facts["malformed"]) == (70, {})
    again = reranker(by_weight, tmp_path)
    replayed = again.score_lists(lists, SilentReporter())
    assert again.tools.model.asked == []
    assert found.facts["calls_kept"] == 0
    assert replayed.facts == {**found.facts, "calls_kept": found.facts["calls"]}


def test_replies_of_no_use_are_counted_and_asked_again_by_another_seed(tmp_path: Path):
    def rule(prompt: str, seed: int) -> str:
        return by_weight(prompt, seed) if seed >= 1_000 else "I cannot say."

    found = reranker(rule, tmp_path).score_lists(
        [CandidateList("a", documents(6))], SilentReporter()
    )
    assert found.facts["malformed"] == {"no_order": 1}
    assert found.facts["calls"] == 2
    assert found.facts["questions_without_reply"] == 0
    never = reranker(lambda *_: "no", tmp_path / "never")
    with pytest.raises(ModelError, match="gave no usable reply"):
        never.score_lists([CandidateList("a", documents(6))], SilentReporter())


def test_scores_are_means_over_samples_and_their_agreement_is_told(tmp_path: Path):
    def rule(prompt: str, seed: int) -> str:
        value = weight(prompt)
        return f"<score>{min(10, value + seed % 2)}</score>" if value else "?"

    drawn = Sampling(0.7, 1.0, 100)
    scorer = reranker(
        rule, tmp_path, "chat-score", settings=ChatSettings(samples=2), sampling=drawn
    )
    texts = ("weight 3", "weight 0", "weight 10", "weight 5")
    found = scorer.score_lists([CandidateList("q", texts)], SilentReporter())
    assert found.scores[0].tolist() == [3.5, -1.0, 10.0, 5.5]
    assert found.facts["documents_without_score"] == 1
    assert found.facts["agreement"]["kendall_tau_b"] == pytest.approx(1)
    assert found.facts["malformed"] == {"no_score": 6}


def test_yes_and_no_are_told_apart_by_log_probabilities_even_in_a_cut_reply(tmp_path: Path):
    class Sure(Clerk):
        def replies(self, requests: Iterator[tuple[str, ChatRequest]]) -> Replies:
            for key, request in requests:
                value = weight(request.messages[0].content)
                known = {"yes": -1.0, "no": -1.0 - value, "": -20.0} if value != 4 else {}
                yield ChatReply(key, "Yes, since", "length", 5, 1, logprobs=known)

    tools = ChatTools(Sure(lambda *_: ""), tmp_path / "journal.jsonl")
    wording = Wording("yes_no", PROMPTS.text("yes_no"))
    sampling = Sampling(0.0, 1.0, 2, answers=("yes", "no"))
    scorer = ChatReranker("sure", "chat-yes-no", wording, sampling, tools)
    texts = ("weight 3", "weight 9", "weight 4", "weight 1")
    found = scorer.score_lists([CandidateList("q", texts)], SilentReporter())
    assert found.scores[0].tolist() == [3.0, 9.0, -1.0, 1.0]
    assert found.facts["malformed"] == {"cut_off": 3}


def test_groups_are_shuffled_from_the_second_sample_on(tmp_path: Path):
    def rule(prompt: str, seed: int) -> str:
        found = re.findall(r"\[(\d+)\] (weight \d+)", prompt)
        return "\n".join(f"[{number}]: {weight(text)}" for number, text in found)

    scorer = reranker(rule, tmp_path, "chat-groups", settings=ChatSettings(samples=3, window=4))
    each = CandidateList("q", documents(10))
    found = scorer.score_lists([each], SilentReporter())
    assert found.scores[0].tolist() == [weight(text) for text in each.texts]
    prompts = [request.messages[0].content for request in scorer.tools.model.asked]
    assert (len(prompts), len(set(prompts))) == (9, 9)
    assert max(len(re.findall(r"^\[\d+\] weight", prompt, re.M)) for prompt in prompts) == 4
    assert found.facts["agreement"]["kendall_tau_b"] == pytest.approx(1)


def test_samples_that_cannot_differ_and_wrong_numbers_are_refused(tmp_path: Path):
    with pytest.raises(BadInput, match="2 at temperature 0"):
        reranker(by_weight, tmp_path, settings=ChatSettings(samples=2))
    for wrong in ({"samples": 0}, {"passes": 0}, {"window": 1}, {"step": -1}, {"step": 21},
                  {"words": -1}):  # fmt: skip
        with pytest.raises(BadInput):
            ChatSettings(**wrong)


def test_a_budget_stops_in_mid_list_and_the_rest_is_asked_later(tmp_path: Path):
    lists = [CandidateList(str(at), documents(6, at)) for at in range(8)]
    poor = reranker(by_weight, tmp_path, budget=Budget(max_tokens=30))
    with pytest.raises(BudgetReached):
        poor.score_lists(lists, SilentReporter())
    rich = reranker(by_weight, tmp_path)
    found = rich.score_lists(lists, SilentReporter())
    whole = reranker(by_weight, tmp_path / "whole").score_lists(lists, SilentReporter())
    assert [a.tolist() for a in found.scores] == [b.tolist() for b in whole.scores]
    asked = [request.key for request in (*poor.tools.model.asked, *rich.tools.model.asked)]
    assert len(asked) == len(set(asked)) == 8


def test_every_method_has_a_strategy_and_a_prompt_with_its_placeholders():
    assert set(STRATEGIES) == CHAT_METHODS
    for name in PLACEHOLDERS:
        wording = Wording(name, PROMPTS.text(name), 10)
        (turn,) = wording.messages("why {{document}}?", ["one", "two"])
        assert turn.role == "user"
        assert "why {{document}}?" in turn.content
        assert "one" in turn.content
    parted = Wording("score", f"Be brief.{TURN}{{{{query}}}} {{{{document}}}}")
    assert [turn.role for turn in parted.messages("q", ["d"])] == ["system", "user"]
    with pytest.raises(BadInput, match="lacks the placeholder"):
        Wording("score", "{{query}}").messages("q", ["d"])


def test_the_journal_keeps_log_probabilities(tmp_path: Path):
    from models.chat.journal import Journal
    from models.chat.protocol import user_request

    request = user_request("m", "x", Sampling(0.0, 1.0, 4, answers=("yes", "no")), 1)
    kept = ChatReply(request.key, "yes", logprobs={"yes": -0.25, "": -7.5})
    with Journal(tmp_path / "j.jsonl") as journal:
        journal.append(request, kept)
        assert journal.read(request.key) == kept
    line = json.loads((tmp_path / "j.jsonl").read_text())
    assert line["request"]["sampling"]["answers"] == ["yes", "no"]


@pytest.fixture
def rebench(capsys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Done]:
    monkeypatch.setenv("REBENCH_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("REBENCH_CACHE", str(tmp_path / "cache"))
    return runner(capsys, monkeypatch, tmp_path)


def by_words(prompt: str) -> str:
    """Order or score documents by the words that they share with the query."""
    query = set(re.findall(r"\w+", re.findall(r"<query>\n(.*?)\n</query>", prompt, re.S)[-1]))
    found = re.findall(r"^\[(\d+)\] (.*)$", prompt, re.M)
    if not found:
        document = re.findall(r"<document>\n(.*?)\n</document>", prompt, re.S)[-1]
        return f"<score>{min(10, len(query & set(re.findall(r'[a-z]+', document))))}</score>"
    shared = {number: len(query & set(re.findall(r"\w+", text))) for number, text in found}
    return " > ".join(f"[{number}]" for number in sorted(shared, key=lambda n: -shared[n]))


def test_the_command_asks_a_real_server_and_replays_offline(rebench, tmp_path: Path):
    from tests.helpers.chat_server import chat_server
    from tests.helpers.small_task import write_beir

    folder = write_beir(tmp_path / "tides")
    assert rebench("eval", "--model", "bm25", "--tasks", folder).code == 0
    base = ("rerank", "bm25", "--tasks", folder, "--depth", "3", "--json")
    journal = tmp_path / "kept" / "journal.jsonl"
    with chat_server() as server:
        server.reply = by_words
        live = ("--llm", server.url, "--llm-model", "org/Clerk", "--journal", journal)
        first = rebench(*base, "--with", "llm-listwise", *live, "--price-reply", "2.0")
        assert first.code == 0, first.err
        (entry,) = first.json
        assert entry["model"] == "bm25+Clerk-listwise@3"
        assert entry["facts"]["calls"] > 0
        assert entry["facts"]["cost"] > 0
        asked = sum(server.asked.values())
        blended = rebench(*base, "--with", "llm-listwise", *live, "--blend", "0.5")
        assert blended.code == 0, blended.err
        assert sum(server.asked.values()) == asked
        scored = rebench(*base, "--with", "llm-score", *live[:4])
        assert scored.code == 0, scored.err
        drawn = ("--samples", "2", "--temperature", "0.7")
        twice = rebench(*base, "--with", "llm-rubric", *live[:4], *drawn)
        assert twice.code == 0, twice.err
        assert twice.json[0]["facts"]["agreement"]["kendall_tau_b"] == pytest.approx(1)
    replay = ("--llm", f"replay:{journal}", "--force")
    again = rebench(*base, "--with", "llm-listwise", *replay)
    assert again.code == 0, again.err
    assert again.json[0]["identity_hash"] == entry["identity_hash"]
    assert again.json[0]["metrics"] == entry["metrics"]

    def refused(*flags: object) -> str:
        done = rebench(*base, *flags)
        assert done.code == 2, done.err
        return " ".join(done.err.split())

    assert "needs a chat model" in refused("--with", "llm-listwise")
    assert "2 at temperature 0" in refused("--with", "llm-score", *replay, "--samples", "2")
    assert "trained on a prompt of its own" in refused("--with", "reasonrank-7b", *replay)
    assert "which is no chat model" in refused("--with", "bge-reranker-v2-m3", *replay)
    assert "side by side" in refused("--with", "llm-listwise", *replay, "--long", "passages")
    assert "do not go with --with" in refused("--with", "llm-score", *replay, "--device", "cpu")
    assert "Merge it" in refused("--with", "rader-reranker-7b")
    assert "--trust-remote-code" in refused("--with", "jina-reranker-v3")
    assert "embeds texts one by one" in refused("--with", "minilm")
