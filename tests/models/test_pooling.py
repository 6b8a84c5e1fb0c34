"""Pooling against written-out loops, with padding on either side."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from models.backends.pooling import pool  # noqa: E402


def by_loop(hidden, mask, mode, prompt):
    """Return what each pooling means, one text at a time."""
    rows = []
    for vectors, real in zip(hidden, mask, strict=True):
        tokens = [vector for vector, one in zip(vectors, real, strict=True) if one]
        if mode == "cls":
            rows.append(tokens[0])
        elif mode == "last":
            rows.append(tokens[-1])
        else:
            behind = tokens[prompt:] or tokens
            rows.append(sum(behind) / len(behind))
    return np.array(rows)


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=5),
    left=st.booleans(),
    mode=st.sampled_from(["mean", "cls", "last"]),
    prompt=st.integers(0, 4),
    seed=st.integers(0, 99),
)
def test_pooling_is_what_a_loop_gives(lengths, left, mode, prompt, seed):
    width = max(lengths) + 1
    mask = np.zeros((len(lengths), width), dtype=np.int64)
    for row, length in enumerate(lengths):
        mask[row, -length:] = 1 if left else mask[row, -length:]
        if not left:
            mask[row, :length] = 1
    hidden = np.random.default_rng(seed).normal(size=(len(lengths), width, 6))
    found = pool(torch.tensor(hidden), torch.tensor(mask), mode, prompt)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), by_loop(hidden, mask, mode, prompt), atol=1e-6)


def test_half_precision_is_summed_in_single():
    hidden = torch.full((1, 4096, 1), 1.0, dtype=torch.bfloat16)
    hidden[0, ::2] = 1.0078125  # the next bfloat16: a running bfloat16 sum would stop growing
    found = pool(hidden, torch.ones(1, 4096, dtype=torch.int64), "mean")
    assert float(found) == pytest.approx(1.00390625, abs=1e-7)


def test_another_pooling_is_refused():
    with pytest.raises(ValueError, match="max"):
        pool(torch.zeros(1, 1, 1), torch.ones(1, 1), "max")
