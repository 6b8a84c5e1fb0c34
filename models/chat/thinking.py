"""Thinking and control tokens of model families: one table; stripped, or the reply is refused."""

from __future__ import annotations

import re
from typing import NamedTuple


class Marks(NamedTuple):
    """How a family marks its thinking: everything up to the last `end` is not the answer."""

    families: str
    start: str
    end: str


THINKING = (
    Marks("Qwen3, DeepSeek-R1, QwQ, GLM, Phi-4, MiniMax, Nemotron", "<think>", "</think>"),
    Marks("Claude-style prompts, Hunyuan", "<thinking>", "</thinking>"),
    Marks("EXAONE Deep", "<thought>", "</thought>"),
    Marks("Reka, distilled models", "<reasoning>", "</reasoning>"),
    Marks("Reflection", "<reflection>", "</reflection>"),
    Marks("Seed-OSS", "<seed:think>", "</seed:think>"),
    Marks("LongCat", "<longcat_think>", "</longcat_think>"),
    Marks("Magistral", "[THINK]", "[/THINK]"),
    Marks("Kimi-VL", "\u25c1think\u25b7", "\u25c1/think\u25b7"),
    Marks("Command A Reasoning", "<|START_THINKING|>", "<|END_THINKING|>"),
    Marks("OpenThinker, Sky-T1", "<|begin_of_thought|>", "<|end_of_thought|>"),
    Marks("Apertus", "<|inner_prefix|>", "<|inner_suffix|>"),
    Marks("Gemma with channels", "<|channel>thought", "<channel|>"),
    Marks("gpt-oss", "<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),
    Marks("gpt-oss, its tokens dropped", "analysis", "assistantfinal"),
    Marks("Granite 3.2", "Here is my thought process:", "Here is my response:"),
)
"""Thinking as it is seen in replies. A reply whose thinking never ends has no answer in it; one
that has only the end (the template gave the start) is the answer after it."""

ANSWERS = (
    ("<answer>", "</answer>"),
    ("<response>", "</response>"),
    ("<|START_RESPONSE|>", "<|END_RESPONSE|>"),
    ("<|begin_of_solution|>", "<|end_of_solution|>"),
    ("<|begin_of_box|>", "<|end_of_box|>"),
)
"""Marks around the whole of an answer (Hunyuan, ERNIE, Command A, OpenThinker, GLM-4.1V)."""

_TOKEN = (
    r"<\|[\w/][\w/:. -]{0,40}\|?>|<[^\W\d][\w/:. -]{0,40}\|>"
    r"|<\uff5c[^\uff5c<>\n]{1,40}\uff5c>|\u25c1/?[^\u25c1\u25b7\n]{1,40}\u25b7"
    r"|<(?:start|end)_of_turn>|<(?:bos|eos|pad|unk)>|</s>|\[/?INST\]|<</?SYS>>|\[/?THINK\]"
    r"|</?(?:seed:think|longcat_think|think|thinking)>"
)
"""A chat template's control token, of ChatML, Llama, Gemma, Mistral, DeepSeek, Kimi and others."""
_CONTROL = re.compile(_TOKEN, re.IGNORECASE)
_LAST = re.compile(rf"(?:\s*(?:{_TOKEN}))+\s*\Z", re.IGNORECASE)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def without_thinking(text: str) -> str:
    """Return the answer in a reply, its thinking and the tokens after its end removed.

    Thinking that never ends leaves nothing. Marks count only at the start of a reply (an end mark
    anywhere, since a template may have given the start). `control_token` says what is left.
    """
    for marks in THINKING:
        text = _after(text, marks)
    text = _LAST.sub("", text).strip()
    for left, right in ANSWERS:
        if text.lower().startswith(left.lower()):
            text = text[len(left) :]
            text = re.sub(rf"{re.escape(right)}\s*\Z", "", text, flags=re.IGNORECASE).strip()
    return text


def control_token(text: str) -> str:
    """Return the first control token of a chat template in a text, empty if there is none."""
    match = _CONTROL.search(text)
    return match.group(0) if match else ""


def without_surrogates(text: str) -> str:
    """Return the text with halves of surrogate pairs as U+FFFD; whole pairs become one letter."""
    if not _LONE_SURROGATE.search(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _after(text: str, marks: Marks) -> str:
    """Return what follows a family's thinking; nothing if it begins and never ends."""
    begins = text.lstrip().lower().startswith(marks.start.lower())
    # A plain word marks anything only as the first of a reply, and may begin an answer too.
    word = marks.start.isalpha()
    ends = list(re.finditer(re.escape(marks.end), text, re.IGNORECASE))
    if ends and (begins or not word):
        return text[ends[-1].end() :]
    return "" if begins and not word else text
