"""JSON and TOML that no reader can use: one error, with file, line and field."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import BadInput
from harness.core.files import parse_json, read_json, read_jsonl, read_toml

JSON_CASES = [
    ("[" * 100_000, "nested too deeply"),
    ("9" * 5000, "too many digits"),
    ('{"a": {"b": [1, NaN]}}', r"a\.b\[1\] is nan"),
    ('{"a": -Infinity}', "a is -inf"),
    ('{"a": 1e999}', "a is inf"),
    ('{"a": ' + "9" * 400 + "}", "a is a number too large for a float"),
    ('{"a": "x\\ud800y"}', "a holds half of a surrogate pair"),
    ('{"\\ud800": 1}', "the key"),
    ("{", "not JSON"),
    ("", "not JSON"),
]


@pytest.mark.parametrize(("text", "says"), JSON_CASES, ids=[says for _, says in JSON_CASES])
def test_json_that_cannot_be_used_names_file_line_and_field(tmp_path: Path, text: str, says: str):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(BadInput, match=says) as caught:
        read_json(path)
    assert str(path) in caught.value.message
    lines = tmp_path / "x.jsonl"
    lines.write_text('{"fine": 1}\n' + (text or "{") + "\n")
    with pytest.raises(BadInput, match="line 2") as caught:
        list(read_jsonl(lines))
    assert str(lines) in caught.value.message


def test_a_byte_order_mark_is_left_out(tmp_path: Path):
    for name, text in (
        ("a.json", "\ufeff{}"),
        ("a.jsonl", '\ufeff{"a": 1}\n\ufeff\n'),
        ("a.toml", "\ufeffa = 1"),
    ):
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_json(tmp_path / "a.json") == {}
    assert list(read_jsonl(tmp_path / "a.jsonl")) == [(1, {"a": 1})]
    assert read_toml(tmp_path / "a.toml") == {"a": 1}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a = " + "[" * 100_000, "nested too deeply"),
        ("a = " + "9" * 5000, "too many digits"),
        ("[t]\na = nan", r"t\.a is nan"),
        ("a = -inf", "a is -inf"),
        ("a = ", "not TOML"),
        ("a = 1e999", "a is inf"),
    ],
)
def test_toml_that_cannot_be_used(tmp_path: Path, text: str, says: str):
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(BadInput, match=says):
        read_toml(tmp_path / "x.toml")


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=20,
    )
)
def test_whatever_json_can_say_is_read(value: object):
    assert parse_json(json.dumps(value), "x") == value


@given(st.text())
def test_any_text_is_a_value_or_bad_input(text: str):
    with contextlib.suppress(BadInput):
        parse_json(text, "x")
