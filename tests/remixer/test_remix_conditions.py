"""The drawn conditions: the released weights, the same on any machine, and the sample's rules."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, chisquare

from harness.core.types import Corpus
from remixer.stages.select import (
    EDUCATION_LEVELS,
    LENGTH_CLASSES,
    SelectConfig,
    draw_conditions,
    select_documents,
)

# Written down apart from the code: facts of the released constant.py.
LENGTHS = (1, 2, 3, 3, 2, 1)
LEVELS = (1, 2, 2)


def test_the_weights_are_the_released_ones():
    assert tuple(weight for _, weight in LENGTH_CLASSES) == LENGTHS
    assert tuple(weight for _, weight in EDUCATION_LEVELS) == LEVELS


@pytest.mark.parametrize("seed", [0, 1, 42, 2025])
def test_ten_thousand_draws_match_the_weights(seed: int):
    drawn = [draw_conditions(f"doc-{n}", seed) for n in range(10_000)]
    for attribute, choices, weights in (
        ("length", LENGTH_CLASSES, LENGTHS),
        ("education", EDUCATION_LEVELS, LEVELS),
    ):
        counts = Counter(getattr(each, attribute) for each in drawn)
        observed = [counts[name] for name, _ in choices]
        expected = [10_000 * weight / sum(weights) for weight in weights]
        assert chisquare(observed, expected).pvalue > 0.01
    pairs = Counter((each.length, each.education) for each in drawn)
    table = [[pairs[a, b] for b, _ in EDUCATION_LEVELS] for a, _ in LENGTH_CLASSES]
    assert chi2_contingency(table).pvalue > 0.01  # drawn independently


def test_another_process_draws_the_same():
    code = (
        "from remixer.stages.select import draw_conditions\n"
        "print([draw_conditions(f'doc-{n}', 42) for n in range(300)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={"PYTHONHASHSEED": "7"},
    )  # fmt: skip
    assert done.stdout.strip() == str([draw_conditions(f"doc-{n}", 42) for n in range(300)])


def test_some_draws_are_known():
    """From the released weights and SHA-256, worked out by hand of another program."""
    import hashlib

    for key in ("types.prepare_class", "é", "a b"):
        for purpose, choices, value in (
            ("length", LENGTH_CLASSES, draw_conditions(key, 42).length),
            ("education", EDUCATION_LEVELS, draw_conditions(key, 42).education),
        ):
            digest = hashlib.sha256(f"42\0{purpose}\0{key}".encode()).hexdigest()
            spread = [name for name, weight in choices for _ in range(weight)]
            assert value == spread[int(digest[:16], 16) * len(spread) // 2**64]
    drawn = draw_conditions("types.prepare_class", 42)
    assert (drawn.length, drawn.education) == ("200 to 300 words", "college")


lengths = st.lists(st.integers(0, 60), min_size=1, max_size=30)


@given(lengths, st.sets(st.integers(0, 29)), st.integers(1, 20), st.integers(0, 5))
def test_the_sample_keeps_its_rules(sizes, reserved, limit, seed):
    corpus = Corpus(tuple(f"d{n}" for n in range(len(sizes))), tuple("x" * n for n in sizes))
    names = {f"d{n}" for n in reserved}
    config = SelectConfig(min_characters=10, max_characters=40, limit=limit, seed=seed)
    chosen = select_documents(corpus, names, config)
    usable = [
        n for n, size in enumerate(sizes) if 10 <= size <= 40 and f"d{n}" not in names
    ]  # fmt: skip
    assert set(chosen.rows) <= set(usable)
    assert len(chosen.rows) == min(limit, len(usable))
    assert chosen.over_limit == len(usable) - len(chosen.rows)
    assert len(sizes) == (len(usable) + chosen.reserved + chosen.too_short + chosen.too_long)
    # A document more or less leaves the order of the others as it is.
    every = select_documents(corpus, names, SelectConfig(10, 40, 100, seed)).rows
    assert every[:limit] == chosen.rows
    if every:
        without = {*names, corpus.ids[every[0]]}
        assert select_documents(corpus, without, SelectConfig(10, 40, 100, seed)).rows == every[1:]
