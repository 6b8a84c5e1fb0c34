"""The loss against a float64 loop and finite differences; masks, bfloat16, degenerate batches."""

from __future__ import annotations

import math

import pytest
import torch

from redapter.loss import StepEmbeddings, false_negatives, info_nce, step_loss
from redapter.options import LossOptions

READY = LossOptions(warmup_steps=0)


def random_step(queries=4, negatives=3, width=6, *, seed=0, dtype=torch.float64) -> StepEmbeddings:
    maker = torch.Generator().manual_seed(seed)
    draw = lambda rows: torch.randn(rows, width, generator=maker, dtype=torch.float64).to(dtype)  # noqa: E731
    return StepEmbeddings(draw(queries), draw(queries * (1 + negatives)), draw(queries))


def loop_losses(queries, passages, temperature, masked=None) -> list[float]:
    """Return the InfoNCE loss of each query, its positive in the row of its number."""
    out = []
    for i, query in enumerate(queries.tolist()):
        scores = []
        for j, passage in enumerate(passages.tolist()):
            dot = sum(a * b for a, b in zip(query, passage, strict=True))
            cosine = dot / math.hypot(*query) / math.hypot(*passage)
            keep = masked is None or not masked[i][j]
            scores.append(cosine / temperature if keep else -math.inf)
        top = max(scores)
        total = math.fsum(math.exp(score - top) for score in scores)
        out.append(top + math.log(total) - scores[i])
    return out


def test_losses_weights_and_value_against_a_loop():
    local = random_step()
    found = step_loss(local, READY, step=0, seed=1)
    plain = loop_losses(local.queries, local.passages, 0.02)
    reasoning = loop_losses(local.reasoning, local.passages, 0.02)
    ratios = [min(a / (b + 1e-6), 5.0) for a, b in zip(plain, reasoning, strict=True)]
    weights = [ratio / sum(ratios) for ratio in ratios]
    assert found.losses.tolist() == pytest.approx(plain, rel=1e-9)
    assert found.reasoning_losses.tolist() == pytest.approx(reasoning, rel=1e-9)
    assert found.weights.tolist() == pytest.approx(weights, rel=1e-9)
    assert float(found.value) == pytest.approx(
        sum(w * loss for w, loss in zip(weights, plain, strict=True)), rel=1e-9
    )


def test_before_the_warm_up_ends_it_is_torchs_own_cross_entropy():
    local = random_step()
    found = step_loss(local, LossOptions(warmup_steps=1), step=0, seed=1)
    unit = torch.nn.functional.normalize
    scores = unit(local.queries) @ unit(local.passages).T / 0.02
    expected = torch.nn.functional.cross_entropy(scores, torch.arange(4))
    assert float(found.value) == pytest.approx(float(expected), rel=1e-12)


def test_gradients_by_finite_differences_with_the_weights_held_still():
    """The weights must carry no gradient: differences are taken with them frozen."""
    local = random_step(3, 2, 4)
    options = LossOptions(warmup_steps=0, temperature=0.5)
    leaves = [local.queries.requires_grad_(), local.passages.requires_grad_()]
    found = step_loss(local, options, step=0, seed=1)
    found.value.backward()
    weights = found.weights

    def value() -> float:
        losses = info_nce(local.queries, local.passages, torch.arange(3), 0.5)
        return float((weights * losses).sum().detach())

    step = 1e-6
    for leaf in leaves:
        for index in range(leaf.numel()):
            flat = leaf.data.view(-1)
            flat[index] += step
            up = value()
            flat[index] -= 2 * step
            down = value()
            flat[index] += step
            assert float(leaf.grad.view(-1)[index]) == pytest.approx(
                (up - down) / (2 * step), rel=1e-5, abs=1e-7
            )


def test_gradients_agree_with_torchs_checker():
    local = random_step(3, 2, 4)
    inputs = (local.queries.requires_grad_(), local.passages.requires_grad_())
    assert torch.autograd.gradcheck(
        lambda q, p: info_nce(q, p, torch.arange(3), 0.5), inputs, eps=1e-6
    )


def test_the_reasoning_query_gets_no_gradient():
    local = random_step()
    local.reasoning.requires_grad_()
    local.queries.requires_grad_()
    found = step_loss(local, READY, step=0, seed=1)
    found.value.backward()
    assert local.reasoning.grad is None
    assert local.queries.grad is not None
    assert not found.reasoning_losses.requires_grad


def test_a_zero_reasoning_loss_stays_finite():
    local = random_step(dtype=torch.float32)
    exact = StepEmbeddings(
        local.queries.requires_grad_(), local.passages, local.passages[:4].clone()
    )
    found = step_loss(exact, LossOptions(warmup_steps=0, temperature=1e-3, kappa=0), step=0, seed=1)
    found.value.backward()
    assert float(found.reasoning_losses.min()) == 0.0
    assert torch.isfinite(found.value)
    assert torch.isfinite(found.weights).all()
    assert torch.isfinite(local.queries.grad).all()


def test_a_solved_batch_has_uniform_weights_and_no_gradient():
    passages = torch.eye(8)
    local = StepEmbeddings(passages[:4].clone().requires_grad_(), passages, passages[:4])
    found = step_loss(local, LossOptions(warmup_steps=0, temperature=1e-3), step=0, seed=1)
    found.value.backward()
    assert found.losses.tolist() == [0.0] * 4
    assert found.weights.tolist() == [0.25] * 4
    assert torch.isfinite(local.queries.grad).all()


def test_bfloat16_embeddings_within_tolerance():
    """bf16 keeps 8 bits, so a cosine is off by about 2^-9 and a score by that over 0.02."""
    wide = random_step(16, 7, 64)
    narrow = StepEmbeddings(
        *(part.bfloat16() for part in (wide.queries, wide.passages, wide.reasoning))
    )
    exact = step_loss(wide, READY, step=0, seed=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = step_loss(narrow, READY, step=0, seed=1)
    assert rounded.value.dtype == torch.float32
    torch.testing.assert_close(rounded.losses.double(), exact.losses, rtol=0.02, atol=0.15)
    torch.testing.assert_close(rounded.weights.double(), exact.weights, rtol=0.1, atol=0.01)
    own = StepEmbeddings(
        *(part.double() for part in (narrow.queries, narrow.passages, narrow.reasoning))
    )
    same_input = step_loss(own, READY, step=0, seed=1)
    torch.testing.assert_close(rounded.losses.double(), same_input.losses, rtol=1e-4, atol=1e-4)


def test_other_positives_can_be_left_out():
    local = random_step()
    options = LossOptions(warmup_steps=0, mask_other_positives=True)
    masked = [[i != j and j < 4 for j in range(16)] for i in range(4)]
    found = step_loss(local, options, step=0, seed=1)
    expected = loop_losses(local.queries, local.passages, 0.02, masked)
    assert found.losses.tolist() == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_near_duplicates_of_the_own_positive_can_be_left_out():
    local = random_step()
    passages = local.passages.clone()
    passages[9] = passages[1] * 3
    masked = false_negatives(passages, torch.arange(4), LossOptions(mask_near_duplicates=1.0))
    assert masked.nonzero().tolist() == [[1, 9]]
    assert false_negatives(passages, torch.arange(4), LossOptions()) is None


def test_shuffling_is_seeded_by_run_and_step():
    local = random_step(16)
    options = LossOptions(kind="shuffled", warmup_steps=0)
    weights = [
        step_loss(local, options, step=step, seed=seed).weights.tolist()
        for step, seed in ((5, 1), (5, 1), (6, 1), (5, 2))
    ]
    assert weights[0] == weights[1]
    assert weights[0] != weights[2]
    assert weights[0] != weights[3]


def test_fewer_passages_than_queries_are_refused():
    local = StepEmbeddings(torch.randn(4, 3), torch.randn(3, 3))
    with pytest.raises(ValueError, match="4 queries but 3 passages"):
        step_loss(local, LossOptions(kind="infonce"), step=0, seed=1)
