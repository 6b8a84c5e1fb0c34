"""Text from elsewhere can steer neither a terminal, a Markdown page nor a spreadsheet."""

from __future__ import annotations

import csv
import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.render.csv_text import csv_text
from harness.render.markdown import escape, table
from harness.render.text import one_line, shortened, visible

EVIL = "a\x1b]0;title\x07b\x00c\x9bd\u202egnp.exe\x7f"


def test_control_characters_are_shown_as_escapes() -> None:
    assert visible(EVIL) == r"a\x1b]0;title\x07b\x00c\x9bd\u202egnp.exe\x7f"
    assert one_line("a\x1cb\nc\t d\u2028e\ud800") == r"a\x1cb c d e\ud800"
    assert escape(EVIL) == r"a\\x1b\]0;title\\x07b\\x00c\\x9bd\\u202egnp.exe\\x7f"


def test_ordinary_text_of_any_script_stays() -> None:
    for text in ("naïve − 3 · “x”", "می‌خواهم", "👩‍🔬 ✓", "日本語"):
        assert visible(text) == text == one_line(text)


@given(st.text())
def test_nothing_that_steers_is_left(text: str) -> None:
    for shown in (one_line(text), escape(text)):
        assert not any(
            unicodedata.category(each) in ("Cc", "Cf", "Cs", "Zl", "Zp")
            for each in shown
            if each not in "\u200c\u200d"
        )
    assert "\n" not in "".join(table(["a"], [[text]])[2:])


@given(st.text(st.characters(exclude_categories=("Cs", "Cc"))))
def test_csv_texts_read_back_and_start_no_formula(text: str) -> None:
    (_, (cell, number, empty)) = csv.reader(
        io.StringIO(csv_text(("x", "y", "z"), [(text, -0.1, None)]), newline="")
    )
    assert (number, empty) == ("-0.1", "")
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert cell in (text, f"'{text}")
    assert (cell == text) == (not text.startswith(("=", "+", "-", "@", "\t", "\r")))


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_formula_is_made_text(start: str) -> None:
    text = f"{start}HYPERLINK(0)"
    (_, (cell,)) = csv.reader(io.StringIO(csv_text(("x",), [(text,)]), newline=""))
    assert cell == f"'{text}"


def test_long_text_is_cut_on_one_line() -> None:
    assert shortened("a  b\nc", 5) == "a b c"
    assert shortened("abcdef", 5) == "abcd…"
