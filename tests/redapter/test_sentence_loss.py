"""The loss class in somebody else's script: columns, gradient caching, the library's Trainer."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from harness.core.errors import BadInput
from redapter.options import LossOptions
from tests.helpers.tiny_backbones import make_backbone

ROWS = {
    "anchor": ["why sort list", "how open file", "parse date", "lock thread"],
    "reasoning_anchor": ["sort because list", "open because read", "time json date", "queue lock"],
    "positive": ["sort a list", "open file read", "parse date time", "thread lock"],
    "negative_1": ["socket", "json text", "queue of thread", "alpha"],
    "negative_2": ["beta gamma", "delta write to file", "the query", "gamma"],
}
READY = LossOptions(warmup_steps=0)


@pytest.fixture(scope="module")
def backbone(tmp_path_factory) -> Path:
    return make_backbone(tmp_path_factory.mktemp("tiny") / "bert", "bert")


def model_of(folder: Path):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    transformer = Transformer(str(folder))
    return SentenceTransformer(modules=[transformer, Pooling(32, "mean")], device="cpu")


def features_of(model, columns) -> list[dict]:
    return [model.preprocess(ROWS[column]) for column in columns]


def run(folder: Path, options: LossOptions, columns=tuple(ROWS), mini_batch_size=0, labels=None):
    from redapter.sentence_loss import RedapterLoss

    model = model_of(folder)
    loss = RedapterLoss(model, options, mini_batch_size=mini_batch_size)
    value = loss(features_of(model, columns), labels)
    value.backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return value.detach(), gradients, loss


@pytest.mark.parametrize(
    ("options", "columns"),
    [
        (READY, tuple(ROWS)),
        (LossOptions(), tuple(ROWS)),
        (LossOptions(kind="infonce"), ("anchor", "positive", "negative_1", "negative_2")),
        (LossOptions(kind="shuffled", warmup_steps=0), ("anchor", "reasoning_anchor", "positive")),
        (LossOptions(kind="static", warmup_steps=0), ("anchor", "positive")),
    ],
    ids=["redapter", "warm-up", "infonce", "shuffled", "static"],
)
@pytest.mark.parametrize("mini_batch_size", [1, 3, 32])
def test_cached_and_plain_agree(backbone, options, columns, mini_batch_size):
    labels = torch.tensor([1.0, 2.0, 3.0, 4.0])
    plain, gradients, _ = run(backbone, options, columns, labels=labels)
    cached, cached_gradients, _ = run(backbone, options, columns, mini_batch_size, labels)
    torch.testing.assert_close(cached, plain, rtol=1e-5, atol=1e-6)
    assert gradients.keys() == cached_gradients.keys()
    assert sum(float(grad.abs().sum()) for grad in gradients.values()) > 0
    for name, grad in gradients.items():
        torch.testing.assert_close(cached_gradients[name], grad, rtol=1e-4, atol=1e-5)


def test_the_value_is_the_formula_on_the_models_own_embeddings(backbone):
    value, _, loss = run(backbone, READY)
    model = model_of(backbone)
    unit = {
        column: torch.nn.functional.normalize(
            model.encode(texts, convert_to_tensor=True).double(), dim=-1
        )
        for column, texts in ROWS.items()
    }
    passages = torch.cat([unit[c] for c in ("positive", "negative_1", "negative_2")])
    target = torch.arange(4)

    def losses(queries: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(
            queries @ passages.T / 0.02, target, reduction="none"
        )

    plain, reasoning = losses(unit["anchor"]), losses(unit["reasoning_anchor"])
    ratio = (plain / (reasoning + 1e-6)).clamp(max=5)
    expected = (ratio / ratio.sum() * plain).sum()
    torch.testing.assert_close(value.double(), expected, rtol=1e-4, atol=1e-4)
    assert loss.last is not None
    torch.testing.assert_close(loss.last.losses.double(), plain, rtol=1e-4, atol=1e-4)


def test_infonce_is_the_librarys_ranking_loss(backbone):
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    columns = ("anchor", "positive", "negative_1", "negative_2")
    value, gradients, _ = run(backbone, LossOptions(kind="infonce"), columns)
    model = model_of(backbone)
    reference = MultipleNegativesRankingLoss(model, scale=50.0)
    expected = reference(features_of(model, columns), None)
    expected.backward()
    torch.testing.assert_close(value, expected.detach(), rtol=1e-5, atol=1e-5)
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(gradients[name], parameter.grad, rtol=1e-4, atol=1e-5)


def test_warm_up_counts_forward_passes_with_gradient(backbone):
    from redapter.sentence_loss import RedapterLoss

    model = model_of(backbone)
    loss = RedapterLoss(model, LossOptions(warmup_steps=2))
    seen = []
    for _ in range(3):
        loss(features_of(model, ROWS))
        seen.append(loss.last.weights.std().item() < 1e-9)
        with torch.no_grad():
            loss(features_of(model, ROWS))
    assert seen == [True, True, False]
    loss.start_at(1)
    assert loss.step == 1


@pytest.mark.parametrize("mini_batch_size", [0, 3])
def test_the_warm_up_embeds_no_reasoning_and_its_numbers_are_the_same(backbone, mini_batch_size):
    from redapter.sentence_loss import RedapterLoss

    passes: dict[str, int] = {}
    firsts: list[int] = []
    results = {}
    for kind, columns in (
        ("redapter", tuple(ROWS)),
        ("infonce", tuple(c for c in ROWS if c != "reasoning_anchor")),
    ):
        model = model_of(backbone)
        passes[kind] = 0
        model[0].register_forward_hook(
            lambda *_, kind=kind: passes.update({kind: passes[kind] + 1})
        )
        loss = RedapterLoss(
            model, LossOptions(kind=kind, warmup_steps=1), mini_batch_size=mini_batch_size
        )
        value = loss(features_of(model, columns))
        value.backward()
        results[kind] = (
            value.detach(),
            loss.last.weights,
            model[0].model.embeddings.word_embeddings.weight.grad,
        )
        assert loss.last.reasoning_losses is None
        firsts.append(passes[kind])
        loss(features_of(model, columns))
        assert (loss.last.reasoning_losses is not None) == (kind == "redapter")
    for ours, theirs in zip(results["redapter"], results["infonce"], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    assert firsts[0] == firsts[1]
    assert passes["redapter"] > passes["infonce"]  # the step after the warm-up


def test_reasoning_changes_no_dropout_mask_of_queries_and_passages(backbone):
    from redapter.sentence_loss import RedapterLoss

    losses = {}
    for kind in ("redapter", "infonce"):
        model = model_of(backbone)
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.3
        model.train()
        loss = RedapterLoss(model, LossOptions(kind=kind, warmup_steps=0))
        columns = [c for c in ROWS if kind == "redapter" or c != "reasoning_anchor"]
        torch.manual_seed(4)
        losses[kind] = []
        for _ in range(2):
            loss(features_of(model, columns))
            losses[kind].append(loss.last.losses)
    assert not torch.equal(losses["infonce"][0], losses["infonce"][1])  # dropout is on
    for ours, theirs in zip(losses["redapter"], losses["infonce"], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_missing_columns_are_named(backbone):
    with pytest.raises(BadInput, match="reasoning_anchor"):
        run(backbone, READY, ("anchor", "positive"))


@pytest.mark.parametrize("mini_batch_size", [0, 2])
def test_it_trains_under_the_librarys_trainer(backbone, tmp_path, mini_batch_size):
    from datasets import Dataset
    from sentence_transformers import SentenceTransformerTrainer
    from sentence_transformers.sentence_transformer.training_args import (
        SentenceTransformerTrainingArguments,
    )

    from redapter.sentence_loss import RedapterLoss

    model = model_of(backbone)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    loss = RedapterLoss(model, READY, mini_batch_size=mini_batch_size)
    args = SentenceTransformerTrainingArguments(
        output_dir=str(tmp_path),
        max_steps=3,
        per_device_train_batch_size=2,
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
        dataloader_drop_last=True,
    )
    trainer = SentenceTransformerTrainer(
        model=model, args=args, train_dataset=Dataset.from_dict(ROWS), loss=loss
    )
    trainer.train()
    assert loss.step == 3
    assert any(not torch.equal(before[name], p) for name, p in model.named_parameters())
