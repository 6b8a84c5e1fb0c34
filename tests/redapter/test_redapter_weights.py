"""Weights against a written-out float64 loop; caps, warm-up, controls, degenerate batches."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.errors import BadInput
from redapter.options import LossOptions
from redapter.weights import (
    Evidence,
    effective_sample_size,
    normalized,
    reasoning_intensity,
    sample_weights,
)

LOSSES = st.lists(st.floats(0, 50, allow_nan=False), min_size=1, max_size=12)
PAIRS = LOSSES.flatmap(
    lambda plain: st.tuples(
        st.just(plain),
        st.lists(st.floats(0, 50, allow_nan=False), min_size=len(plain), max_size=len(plain)),
    )
)
READY = LossOptions(warmup_steps=0)


def evidence(plain, reasoning=None, *, step=0, difficulty=None, seed=7) -> Evidence:
    as_tensor = lambda values: None if values is None else torch.tensor(values, dtype=torch.float64)  # noqa: E731
    return Evidence(
        as_tensor(plain),
        as_tensor(reasoning),
        as_tensor(difficulty),
        step,
        torch.Generator().manual_seed(seed),
    )


def loop_weights(plain: list[float], reasoning: list[float], kappa: float) -> list[float]:
    """Return the weights as the formula reads, in Python floats."""
    raw = []
    for loss, with_reasoning in zip(plain, reasoning, strict=True):
        ratio = loss / (with_reasoning + 1e-6)
        if kappa:
            ratio = min(ratio, kappa)
        raw.append(max(ratio, 0.0))
    total = math.fsum(raw)
    return [value / total if total > 0 else 1 / len(raw) for value in raw]


@settings(max_examples=200, deadline=None)
@given(PAIRS, st.sampled_from([0.0, 2.0, 5.0, 10.0]))
def test_weights_are_the_formula(pair, kappa):
    plain, reasoning = pair
    weights = sample_weights(evidence(plain, reasoning), LossOptions(kappa=kappa, warmup_steps=0))
    expected = torch.tensor(loop_weights(plain, reasoning, kappa), dtype=torch.float64)
    torch.testing.assert_close(weights, expected, rtol=1e-9, atol=1e-12)
    assert torch.isfinite(weights).all()
    assert float(weights.sum()) == pytest.approx(1.0)


def test_kappa_caps_and_zero_means_no_cap():
    plain, reasoning = torch.tensor([8.0, 1.0]), torch.tensor([1.0, 1.0])
    assert reasoning_intensity(plain, reasoning, 5.0).tolist() == pytest.approx(
        [5.0, 1.0], rel=1e-4
    )
    assert reasoning_intensity(plain, reasoning, 0.0).tolist() == pytest.approx(
        [8.0, 1.0], rel=1e-4
    )


def test_equal_losses_give_uniform_weights():
    weights = sample_weights(evidence([2.0] * 4, [0.5] * 4), READY)
    assert weights.tolist() == [0.25] * 4


@pytest.mark.parametrize("plain", [[3.0, 1.0], [0.0, 0.0]])
def test_no_reasoning_loss_stays_finite(plain):
    weights = sample_weights(evidence(plain, [0.0, 0.0]), READY)
    assert torch.isfinite(weights).all()
    assert float(weights.sum()) == pytest.approx(1.0)


def test_weights_carry_no_gradient():
    plain = torch.tensor([1.0, 2.0], requires_grad=True)
    found = Evidence(plain, plain * 0.5, None, 0, torch.Generator())
    assert not sample_weights(found, READY).requires_grad
    assert not reasoning_intensity(plain, plain * 0.3, 5.0).requires_grad


def test_the_first_steps_are_the_plain_mean():
    options = LossOptions(warmup_steps=100)
    last_plain = sample_weights(evidence([3.0, 1.0], [1.0, 1.0], step=99), options)
    first_weighted = sample_weights(evidence([3.0, 1.0], [1.0, 1.0], step=100), options)
    assert last_plain.tolist() == [0.5, 0.5]
    assert first_weighted.tolist() == pytest.approx([0.75, 0.25], rel=1e-5)


def test_without_normalising_the_mean_of_intensity_times_loss():
    options = LossOptions(normalize=False, warmup_steps=0)
    weights = sample_weights(evidence([3.0, 1.0], [1.0, 1.0]), options)
    assert weights.tolist() == pytest.approx([1.5, 0.5], rel=1e-5)


def test_shuffled_weights_are_the_same_numbers_in_another_order():
    plain, reasoning = [float(i + 1) for i in range(20)], [1.0] * 20
    options = LossOptions(kind="shuffled", kappa=0, warmup_steps=0)
    real = sample_weights(evidence(plain, reasoning), LossOptions(kappa=0, warmup_steps=0))
    dealt = sample_weights(evidence(plain, reasoning), options)
    again = sample_weights(evidence(plain, reasoning), options)
    other = sample_weights(evidence(plain, reasoning, seed=8), options)
    assert sorted(dealt.tolist()) == pytest.approx(sorted(real.tolist()))
    assert dealt.tolist() != real.tolist()
    assert dealt.tolist() == again.tolist() != other.tolist()


def test_static_weights_follow_the_rows_difficulty():
    options = LossOptions(kind="static", warmup_steps=0)
    weights = sample_weights(evidence([1.0, 1.0], difficulty=[1.0, 3.0]), options)
    assert weights.tolist() == pytest.approx([0.25, 0.75])


@pytest.mark.parametrize("kind", ["redapter", "shuffled", "static"])
def test_missing_evidence_is_said(kind):
    with pytest.raises(ValueError, match="need"):
        sample_weights(evidence([1.0]), LossOptions(kind=kind, warmup_steps=0))


def test_effective_sample_size():
    assert float(effective_sample_size(torch.tensor([0.25] * 4))) == pytest.approx(4.0)
    assert float(effective_sample_size(torch.tensor([1.0, 0.0, 0.0]))) == pytest.approx(1.0)
    assert float(effective_sample_size(torch.tensor([2.0, 2.0]))) == pytest.approx(2.0)


def test_normalized_of_nothing_is_uniform():
    assert normalized(torch.zeros(5)).tolist() == pytest.approx([0.2] * 5)


@pytest.mark.parametrize(
    "bad",
    [
        {"kind": "redapters"},
        {"temperature": 0.0},
        {"kappa": -1.0},
        {"warmup_steps": -1},
        {"mask_near_duplicates": 1.5},
        {"temperature": float("nan")},
    ],
)
def test_options_out_of_range_are_refused(bad):
    with pytest.raises(BadInput):
        LossOptions(**bad)
