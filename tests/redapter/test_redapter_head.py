"""Head training: the export is the layer on the frozen encoder, and the loss is the formula's."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
import torch

from harness.core.errors import BadInput, ModelError
from harness.core.progress import SilentReporter
from redapter.batches import draw, plan_run
from redapter.config_file import config_from_table, config_json, merged
from redapter.data import load_examples
from redapter.steplog import read_log
from redapter.train import train
from tests.helpers.ablation_cases import write_task
from tests.helpers.command_run import runner
from tests.helpers.tiny_backbones import make_backbone
from tests.helpers.train_cases import small_recipe, write_training_rows

TEXTS = ["sort a list", "open file read", "parse date time"]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    folder = tmp_path_factory.mktemp("head")
    return small_recipe(
        make_backbone(folder / "base", "bert"),
        write_training_rows(folder / "rows.jsonl", rows=16, tasks=1),
        model={"train": "head"},
        train={"epochs": 3, "learning_rate": 3e-3},
    )


@pytest.fixture(scope="module")
def trained(recipe, tmp_path_factory):
    return train(recipe, tmp_path_factory.mktemp("trained") / "run", SilentReporter())


def base_vectors(recipe, texts):
    from redapter.encoder import build_encoder

    encoder = build_encoder(recipe.model, recipe.lora, device="cpu")
    return encoder.model.encode(list(texts))


def test_the_export_is_the_layer_on_the_frozen_encoder_and_eval_takes_it(recipe, trained):
    from safetensors.torch import load_file
    from sentence_transformers import SentenceTransformer

    from harness.core.settings import load_settings
    from harness.loading import retriever

    weight = load_file(next(trained.model.glob("*Dense/model.safetensors")))["linear.weight"]
    moved = weight - torch.eye(len(weight))
    assert float(moved.abs().max()) > 1e-3
    expected = base_vectors(recipe, TEXTS) @ weight.numpy().T
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    reloaded = SentenceTransformer(str(trained.model), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(reloaded, expected, atol=1e-6)
    settings = load_settings(trained.model, os.environ)
    embedder = retriever(str(trained.model), settings).embedder
    vectors = embedder.encode(TEXTS, role="document", instruction="")
    np.testing.assert_allclose(vectors, expected, atol=1e-5)


def test_vectors_may_come_from_a_cache_and_have_any_length(recipe, trained, tmp_path):
    asked = []

    def scaled(texts, role):
        asked.append(role)
        lengths = np.random.default_rng(0).uniform(0.5, 2.0, (len(texts), 1))
        return base_vectors(recipe, texts) * lengths

    again = train(recipe, tmp_path / "run", SilentReporter(), vectors=scaled)
    assert asked == ["query", "reasoning", "document"]
    losses = [
        [line["loss"] for line in read_log(each.report.parent / "log.jsonl")]
        for each in (trained, again)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert len(losses[0]) == 12
    assert np.mean(losses[0][-3:]) < np.mean(losses[0][:3])


def test_the_first_weighted_step_is_the_formula_on_frozen_vectors(recipe, tmp_path):
    ready = config_from_table(merged(config_json(recipe), {"loss": {"warmup_steps": 0}}), "test")
    done = train(ready, tmp_path / "run", SilentReporter())
    line = read_log(done.report.parent / "log.jsonl")[0]
    rows = load_examples(ready.data, ready.batch, "redapter").examples
    step = plan_run(rows, ready.batch, seed=42, epochs=1, max_steps=1).steps[0]
    drawn = [draw(rows[row], row, step, seed=42) for row in step.rows]
    groups = list(zip(*(each.passages for each in drawn), strict=True))
    passages = base_vectors(ready, [text for group in groups for text in group])

    def losses(texts):
        scores = base_vectors(ready, texts) @ passages.T / 0.02
        return -scores[np.arange(4), np.arange(4)] + np.log(np.exp(scores).sum(axis=1))

    plain, reasoning = losses([d.query for d in drawn]), losses([d.reasoning for d in drawn])
    intensity = np.minimum(plain / (reasoning + 1e-6), 5)
    weights = intensity / intensity.sum()
    assert line["loss"] == pytest.approx(float((weights * plain).sum()), rel=1e-3)
    assert line["at_cap"] == pytest.approx(float((intensity >= 5).mean()))


def test_a_finished_run_is_reused_and_a_stopped_one_starts_again(recipe, tmp_path):
    def dying(texts, role):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "run", SilentReporter(), vectors=dying)
    done = train(recipe, tmp_path / "run", SilentReporter(), resume=True)
    before = {path: path.stat().st_mtime_ns for path in done.model.rglob("*")}
    assert train(recipe, tmp_path / "run", SilentReporter(), resume=True).reused
    assert {path: path.stat().st_mtime_ns for path in done.model.rglob("*")} == before


def test_a_loss_that_is_no_number_names_its_rows(recipe, tmp_path):
    def broken(texts, role):
        vectors = base_vectors(recipe, texts)
        if role == "query":
            vectors[0] = np.nan
        return vectors

    with pytest.raises(ModelError, match=r"is not a number: rows\.jsonl, line"):
        train(recipe, tmp_path / "run", SilentReporter(), vectors=broken)


@pytest.mark.parametrize(
    "changes",
    [{"lora": {"rank": 4}}, {"batch": {"mini_batch": 2}}, {"train": {"device": "cuda"}}],
)
def test_what_a_head_does_not_honour_is_refused(recipe, changes):
    with pytest.raises(BadInput, match=r'model\.train = "head"'):
        config_from_table(merged(config_json(recipe), changes), "here")


@pytest.mark.parametrize("scheduler", ["warmup-decay", "cosine"])
def test_schedules_are_followed(recipe, tmp_path, scheduler):
    changed = replace(recipe, train=replace(recipe.train, scheduler=scheduler, warmup_ratio=0.25))
    done = train(changed, tmp_path / "run", SilentReporter())
    rates = [line["learning_rate"] for line in read_log(done.report.parent / "log.jsonl")]
    assert rates[0] == 0
    assert max(rates) == pytest.approx(3e-3)
    assert rates[-1] < rates[6]


def test_the_command_eval_measures_the_exported_head(
    trained, tmp_path, capfd, monkeypatch: pytest.MonkeyPatch
):
    task = write_task(tmp_path / "words")
    done = runner(capfd, monkeypatch, tmp_path, "eval")(
        "--model", trained.model, "--tasks", task, "--json"
    )
    assert done.code == 0, done.err
    assert '"ndcg@10"' in done.out
