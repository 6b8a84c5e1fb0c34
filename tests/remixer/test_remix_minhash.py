"""MinHash: its estimate against exact Jaccard, and the near-duplicates that the bands find."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from remixer.near_duplicates.minhash import (
    BANDS,
    NEAR,
    ROWS,
    LshIndex,
    jaccard,
    make_hasher,
    self_candidates,
)
from remixer.near_duplicates.shingles import shingle

WORDS = [f"word{number}" for number in range(5000)]


def random_texts(rng: np.random.Generator, n: int, size: int = 120) -> list[str]:
    return [" ".join(rng.choice(WORDS, size)) for _ in range(n)]


def edited(text: str, changes: int, rng: np.random.Generator) -> str:
    """Return a text with so many of its words replaced."""
    words = text.split()
    for at in rng.choice(len(words), changes, replace=False):
        words[at] = f"other{rng.integers(10**6)}"
    return " ".join(words)


def exact(first: str, second: str) -> float:
    """Return the Jaccard similarity of two texts' three-word runs."""
    sets = [{tuple(words[at : at + 3]) for at in range(len(words) - 2)}
            for words in (first.split(), second.split())]  # fmt: skip
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 60))
def test_the_estimate_is_near_the_exact_similarity(seed: int, changes: int):
    rng = np.random.default_rng(seed)
    text = random_texts(rng, 1)[0]
    other = edited(text, changes, rng)
    shingled = shingle([text, other])
    truth = exact(text, other)
    assert jaccard(shingled.shingles_of(0), shingled.shingles_of(1)) == truth
    signatures = make_hasher(seed).signatures(shingled)
    estimate = float(np.mean(signatures[0] == signatures[1]))
    deviation = np.sqrt(truth * (1 - truth) / (BANDS * ROWS))
    assert abs(estimate - truth) <= 5.5 * deviation + 1e-9


def test_the_estimate_has_no_bias():
    rng = np.random.default_rng(4)
    text = random_texts(rng, 1, 200)[0]
    other = edited(text, 20, rng)
    truth = exact(text, other)
    shingled = shingle([text, other])
    estimates = []
    for seed in range(200):
        signatures = make_hasher(seed).signatures(shingled)
        estimates.append(np.mean(signatures[0] == signatures[1]))
    deviation = np.sqrt(truth * (1 - truth) / (BANDS * ROWS * 200))
    assert abs(np.mean(estimates) - truth) < 4 * deviation
    # Permutations that hung together would scatter the estimates more widely than this.
    assert np.std(estimates) < 1.2 * np.sqrt(truth * (1 - truth) / (BANDS * ROWS))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32))
def test_the_index_finds_planted_near_duplicates(seed: int):
    rng = np.random.default_rng(seed)
    texts = random_texts(rng, 60)
    planted = [edited(text, int(rng.integers(0, 6)), rng) for text in texts]
    shingled, others = shingle(texts), shingle(planted)
    hasher = make_hasher(seed)
    left, right = LshIndex(hasher.bands(shingled)).candidates(hasher.bands(others))
    found = set(zip(left.tolist(), right.tolist(), strict=True))
    near = {(at, at) for at in range(60) if exact(texts[at], planted[at]) >= NEAR + 0.05}
    assert len(near) > 30
    assert near <= found
    assert len(found) < 100


def test_the_index_is_the_brute_force_comparison_of_bands():
    rng = np.random.default_rng(2)
    bands = rng.integers(0, 9, (70, BANDS), dtype=np.uint32)
    asked = rng.integers(0, 9, (30, BANDS), dtype=np.uint32)
    left, right = LshIndex(bands).candidates(asked)
    expected = [
        (one, other) for one in range(30) for other in range(70)
        if any(a == b != 0 for a, b in zip(asked[one], bands[other], strict=True))
    ]  # fmt: skip
    assert list(zip(left.tolist(), right.tolist(), strict=True)) == expected
    few = bands[:40]
    earlier, later = self_candidates(few)
    assert list(zip(earlier.tolist(), later.tolist(), strict=True)) == [
        (one, other) for one in range(40) for other in range(one + 1, 40)
        if any(a == b != 0 for a, b in zip(few[one], few[other], strict=True))
    ]  # fmt: skip


def test_a_crowded_bucket_stays_linear():
    bands = np.ones((1000, BANDS), dtype=np.uint32)
    earlier, later = self_candidates(bands)
    assert len(earlier) == 2 * 999 - 1
    assert set(later.tolist()) == set(range(1, 1000))


def test_texts_without_words_are_no_candidates():
    shingled = shingle(["", "∀", "a b c"])
    bands = make_hasher(1).bands(shingled)
    assert not bands[:2].any()
    assert bands[2].all()
    assert LshIndex(bands).candidates(bands)[0].tolist() == [2]
    assert self_candidates(bands[:0])[0].tolist() == []
    assert jaccard(shingled.shingles_of(0), shingled.shingles_of(1)) == 0.0


def test_a_seed_gives_the_same_permutations():
    shingled = shingle(["one two three four"])
    assert (make_hasher(3).bands(shingled) == make_hasher(3).bands(shingled)).all()
    assert (make_hasher(3).bands(shingled) != make_hasher(4).bands(shingled)).any()
