"""A TOML table as dataclasses: what a number may be."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass

import pytest

from harness.core.config import dataclass_from_table
from harness.core.errors import BadInput


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
