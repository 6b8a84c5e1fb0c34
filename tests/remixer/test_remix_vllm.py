"""The offline engine for real, on a tiny random model: its text is noise, its form is not."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

import pytest

from harness.core.errors import MissingExtra
from models.chat.protocol import CONTEXT_OVERFLOW, LENGTH, STOP, ChatReply, Sampling, user_request
from models.chat.vllm import VllmChat
from remixer.stages.annotate import parse_score
from tests.helpers.remix_tiny import make_chatter

FREE = Sampling(temperature=1.0, top_p=0.9, max_tokens=24)


def test_without_vllm_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    request = user_request("m", "x", FREE, 1)
    with pytest.raises(MissingExtra, match=r"rebench-retrieval\[vllm\]"):
        list(VllmChat("folder", "m").replies(iter([(request.key, request)])))


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> VllmChat:
    """Return the engine on a model of 512 characters' context."""
    found = find_spec("vllm")
    if found is None or found.origin is None:  # a folder of that name beside the tests is none
        pytest.skip("vLLM is not installed here: run `make test-vllm`")
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    os.environ["HF_HUB_OFFLINE"] = "1"
    folder = make_chatter(tmp_path_factory.mktemp("chatter"), context=512)
    options = {"dtype": "float32", "enforce_eager": True, "max_model_len": 512}
    return VllmChat(str(folder), "tiny", options, batch=4)


def ask(chat: VllmChat, texts: list[str], sampling: Sampling, seed: int = 7) -> list[ChatReply]:
    requests = [user_request("tiny", text, sampling, seed) for text in texts]
    got = {reply.key: reply for reply in chat.replies((each.key, each) for each in requests)}
    return [got[request.key] for request in requests]


@pytest.mark.vllm
def test_replies_are_counted_and_follow_the_seed(chat: VllmChat):
    texts = [f"question {n}" for n in range(6)]
    replies = ask(chat, texts, FREE)
    # A token a character, and no <think> at the end of it.
    expected = len("user: question 0\nassistant: ")
    assert {reply.prompt_tokens for reply in replies} == {expected}
    assert all(0 < reply.reply_tokens <= 24 and reply.text for reply in replies)
    assert {reply.finish for reply in replies} <= {STOP, LENGTH}
    assert len({reply.text for reply in replies}) > 1
    again = ask(chat, texts, FREE)
    assert [reply.text for reply in again] == [reply.text for reply in replies]
    other = ask(chat, texts, FREE, seed=8)
    assert [reply.text for reply in other] != [reply.text for reply in replies]


@pytest.mark.vllm
def test_choices_and_patterns_hold(chat: VllmChat):
    yes_no = Sampling(0.9, 1.0, 8, choices=("Yes", "No"))
    assert {reply.text for reply in ask(chat, ["a", "b", "c"], yes_no)} <= {"Yes", "No"}
    score = Sampling(0.9, 1.0, 64, pattern=r"[a-z]{0,8}<score>[1-5]</score>")
    for reply in ask(chat, ["a", "b", "c"], score):
        assert parse_score(reply.text) in range(1, 6)


@pytest.mark.vllm
def test_the_annotation_pattern_is_one_the_engine_knows(chat: VllmChat):
    from remixer.sampling import ANNOTATE

    sampling = Sampling(0.7, 0.95, 40, top_k=40, pattern=ANNOTATE.pattern)
    for reply in ask(chat, ["a", "b"], sampling):
        assert reply.finish in (STOP, LENGTH)


@pytest.mark.vllm
def test_a_prompt_too_long_is_an_overflow_and_the_rest_goes_on(chat: VllmChat):
    replies = ask(chat, ["short", "x" * 600, "also short"], FREE)
    assert [reply.finish == CONTEXT_OVERFLOW for reply in replies] == [False, True, False]
    assert replies[1].text == ""
