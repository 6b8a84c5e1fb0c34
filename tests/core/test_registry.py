"""Names are looked up as data, imported on use, and misspellings get a hint."""

from __future__ import annotations

import sys

import pytest

from harness.core.errors import UnknownName
from harness.core.registry import Registry

NAMES: Registry[type] = Registry("thing", {"fraction": "fractions:Fraction"}, "See the list.")


def test_target_is_imported_only_when_asked_for():
    sys.modules.pop("this", None)
    lazy: Registry[str] = Registry("thing", {"poem": "colorsys:__doc__"}, "")
    sys.modules.pop("colorsys", None)
    assert "poem" in lazy
    assert "colorsys" not in sys.modules
    assert lazy.get("poem")
    assert "colorsys" in sys.modules


def test_unknown_name_gets_a_hint_and_the_listing():
    with pytest.raises(UnknownName) as caught:
        NAMES.get("fractoin")
    assert caught.value.message == "unknown thing 'fractoin'"
    assert caught.value.fix == "Did you mean fraction? See the list."


def test_a_name_like_no_other_gets_only_the_listing():
    with pytest.raises(UnknownName) as caught:
        NAMES.get("zzz")
    assert caught.value.fix == "See the list."
