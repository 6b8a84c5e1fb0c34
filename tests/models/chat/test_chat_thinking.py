"""Thinking and control tokens of every family in the table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.chat.completion import finish_of, says_overflow
from models.chat.thinking import (
    ANSWERS,
    THINKING,
    control_token,
    without_surrogates,
    without_thinking,
)

ANSWER = "A gardener notices that the fern she planted sheds its spores."
THOUGHT = "I should read the document.\n\nThen ask for one thing it does not say."


@pytest.mark.parametrize("marks", THINKING, ids=lambda marks: marks.families)
def test_thinking_is_stripped(marks):
    whole = f"{marks.start}{THOUGHT}{marks.end}\n\n{ANSWER}"
    assert without_thinking(whole) == ANSWER
    assert without_thinking(whole.upper()) == ANSWER.upper()
    if not marks.start.isalpha():
        assert without_thinking(f"{THOUGHT}\n{marks.end}\n{ANSWER}") == ANSWER
        assert without_thinking(f" {marks.start}{THOUGHT}") == ""


@pytest.mark.parametrize(("left", "right"), ANSWERS)
def test_marks_around_the_answer_are_stripped(left, right):
    assert without_thinking(f"<think>{THOUGHT}</think>\n{left}{ANSWER}{right}") == ANSWER


def test_harmony_with_all_its_tokens():
    reply = (
        f"<|channel|>analysis<|message|>{THOUGHT}<|end|><|start|>assistant<|channel|>final"
        f"<|message|>{ANSWER}<|return|>"
    )
    assert without_thinking(reply) == ANSWER


TOKENS = [
    "<|im_end|>", "<|im_start|>", "<|eot_id|>", "<|start_header_id|>", "<|endoftext|>", "</s>",
    "<end_of_turn>", "<start_of_turn>", "<eos>", "[INST]", "[/INST]", "<</SYS>>", "<|assistant|>",
    "<\uff5cend\u2581of\u2581sentence\uff5c>", "<\uff5cAssistant\uff5c>", "<|END_RESPONSE|>",
    "<channel|>", "\u25c1/think\u25b7", "[THINK]", "<|message|>",
]  # fmt: skip


@pytest.mark.parametrize("token", TOKENS)
def test_a_control_token_is_stripped_at_the_end_and_found_elsewhere(token):
    assert control_token(f"before {token} after") == token
    if not any(token in marks for marks in THINKING):
        assert without_thinking(f"{ANSWER}{token}\n{token}") == ANSWER


@given(st.text())
def test_nothing_is_invented(text):
    assert without_thinking(text) in text


@pytest.mark.parametrize(
    "text",
    ["Why is a < b | c > d?", "x <- c(1, 2)", "List<String> names", "a[i] | b[j]", "2 <3 |> f",
     "analysis of variance", "<b>bold</b>", "if a <| b then c"],
)  # fmt: skip
def test_ordinary_text_is_left_alone(text):
    assert without_thinking(text) == text
    assert control_token(text) == ""


def test_half_a_surrogate_pair_becomes_a_replacement():
    assert without_surrogates("a\ud835b") == "a\ufffdb"
    assert without_surrogates("\ud83d\ude42") == "\U0001f642"
    without_surrogates("x\udcff").encode()


@pytest.mark.parametrize(
    ("said", "finish"),
    [(None, "stop"), ("stop", "stop"), ("eos_token", "stop"), ("stop_sequence", "stop"),
     ("STOP", "stop"), ("length", "length"), ("MAX_TOKENS", "length"),
     ("content_filter", "content_filter"), ("error", "error"), ("tool_calls", "tool_calls"),
     ("SAFETY", "safety"), ("abort", "abort")],
)  # fmt: skip
def test_only_an_end_of_its_own_is_a_stop(said, finish):
    assert finish_of(said) == finish


@pytest.mark.parametrize(
    "said",
    [
        "This model's maximum context length is 512 tokens. However, you requested 600 tokens",
        "the request exceeds the available context size, try increasing it",
        "request (912 tokens) exceeds the available context size (512 tokens)",
        "input is larger than the maximum context window: exceed_context_size_error",
        "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: max_total_tokens",
        "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        "Trying to keep the first 900 tokens when context overflows. However, the model is loaded "
        "with context length of only 512 tokens, which is not enough",
        "too many tokens: total number of tokens in the prompt cannot exceed 4081",
        "Please reduce the length of the messages.",
    ],
)
def test_a_prompt_that_is_too_long_in_every_servers_words(said):
    assert says_overflow(f"answered 400: {said}")


@pytest.mark.parametrize("said", ["unknown field top_k", "content policy", "model not found"])
def test_other_refusals_are_no_overflow(said):
    assert not says_overflow(f"answered 400: {said}")
