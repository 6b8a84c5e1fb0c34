"""A TOML table as dataclasses: what a number may be."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from harness.core.config import dataclass_from_table
from harness.core.errors import BadInput
from harness.core.types import Json


@dataclass(frozen=True)
class Rates:
    rates: tuple[float, ...] = ()
    rate: float = 1.0


def test_whole_numbers_are_numbers():
    assert dataclass_from_table(Rates, {"rate": 2, "rates": [1, 0.5]}, "f") == Rates(
        (1.0, 0.5), 2.0
    )


@pytest.mark.parametrize("number", ["inf", "-inf", "nan"])
@pytest.mark.parametrize(("text", "key"), [("rate = {}", "rate"), ("rates = [1, {}]", "rates[1]")])
def test_numbers_are_finite(text: str, key: str, number: str):
    """JSON and a hash over it have no other numbers, and nothing can be trained with them."""
    with pytest.raises(BadInput) as caught:
        dataclass_from_table(Rates, tomllib.loads(text.format(number)), "f")
    assert caught.value.message == f"f: {key} = {number}"
    assert caught.value.fix == "It must be a finite number."


@dataclass(frozen=True)
class Loose:
    switch: bool | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Json] = field(default_factory=dict)


def test_a_field_that_may_be_none_and_tables_of_names():
    table = {"switch": True, "sources": {"a": "b"}, "options": {"deep": {"x": [1]}}}
    assert dataclass_from_table(Loose, table, "f") == Loose(**table)
    assert dataclass_from_table(Loose, {}, "f").switch is None


@pytest.mark.parametrize(
    ("table", "message", "fix"),
    [
        ({"swich": True}, "f: unknown key 'swich'", "Did you mean switch?"),
        ({"switch": 1}, "f: switch = 1", "It must be of type bool."),
        ({"sources": {"a": 1}}, "f: sources.a = 1", "It must be of type str."),
        ({"options": "x"}, "f: options = 'x'", "It must be of type table or list."),
    ],
)
def test_what_no_field_takes_is_refused(table: dict[str, Any], message: str, fix: str):
    with pytest.raises(BadInput) as caught:
        dataclass_from_table(Loose, table, "f")
    assert caught.value.message == message
    assert caught.value.fix.startswith(fix)
