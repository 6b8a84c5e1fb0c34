"""API keys: checked by name, and shown nowhere."""

from __future__ import annotations

import html
import json
import traceback
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import BadInput
from harness.core.secrets import HIDDEN, NO_KEY, Secret, key_from

PRINTABLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40)


@pytest.mark.parametrize("around", ["{}", " {}", "{}\n", "\t{}\r\n", "\n\n{} "])
def test_blanks_around_a_key_are_stripped(around: str) -> None:
    key = key_from({"A": around.format("sk-1234567890")}, ("A",))
    assert (key.reveal(), key.variable) == ("sk-1234567890", "A")


def test_the_first_variable_with_a_key_counts() -> None:
    environment = {"A": " \n", "B": "sk-b", "C": "sk-c"}
    assert key_from(environment, ("A", "B", "C")).reveal() == "sk-b"
    assert key_from(environment, ("A", "X")) is NO_KEY
    assert not NO_KEY


@pytest.mark.parametrize(
    "value",
    ["sk-one\nsk-two", "sk-first second-part", "Bearer sk-one", "sk-ö", "sk-\x00one", "sk-\x7fone",
     "sk-\udc80x", "sk-one\u2028two", "密钥-one"],
)  # fmt: skip
def test_a_key_that_no_header_can_carry_is_refused_by_its_name(value: str) -> None:
    with pytest.raises(BadInput, match="REBENCH_LLM_KEY") as caught:
        key_from({"REBENCH_LLM_KEY": value}, ("REBENCH_LLM_KEY",))
    shown = "".join(traceback.format_exception(caught.value))
    assert not any(part in shown for part in value.split() if part != "Bearer")


@given(PRINTABLE)
def test_no_spelling_of_a_key_survives(value: str) -> None:
    key = Secret(value)
    spellings = [value, json.dumps(value), quote(value, safe=""), html.escape(value), repr(value)]
    for spelling in spellings:
        shown = key.redact(f"<<{spelling}>>")
        if value not in HIDDEN and value not in "<<\"'>>":
            assert value not in shown.replace(HIDDEN, "")
    assert value not in repr(key) or value in "[key]"


def test_users_in_urls_are_not_repeated() -> None:
    shown = NO_KEY.redact("ProxyError: http://me:secret@proxy:3128 said no")
    assert shown == "ProxyError: http://proxy:3128 said no"


def test_a_real_key_is_struck_from_replies_and_a_stand_in_is_left_in_them() -> None:
    value = {"a": ["the key is sk-1234567890", 3], "sk-1234567890": None, "v": [1.0, 2.0]}
    struck = Secret("sk-1234567890").redact_json(value)
    assert struck == {"a": [f"the key is {HIDDEN}", 3], HIDDEN: None, "v": [1.0, 2.0]}
    assert Secret("none").redact_json({"text": "none of it"}) == {"text": "none of it"}
