"""Whole runs on tiny backbones: train, export, reload, evaluate; two stages; errors."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.core.errors import BadInput, ModelError, StoreError
from harness.core.progress import SilentReporter
from models.card import read_card
from redapter.checkpoints import MARKER
from redapter.config import LoraConfig, ModelConfig
from redapter.encoder import build_encoder
from redapter.export import Lineage, card_text, export_model
from redapter.steplog import read_log
from redapter.train import check_device, train
from tests.helpers.tiny_backbones import make_backbone
from tests.helpers.train_cases import small_recipe, write_training_rows

TEXTS = ["sort list", "open the file to read", "date", "thread lock queue socket json"]
LINEAGE = Lineage("d" * 64, "c" * 64, "sha256:parent", 3)
TARGETS = {
    "bert": ("query", "key", "value", "dense"),
    "qwen3": LoraConfig().targets,
    "llama": LoraConfig().targets,
}


class Recorder(SilentReporter):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, message: str) -> None:
        self.said.append(message)

    warn = note


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("backbones")
    made = {kind: make_backbone(root / kind, kind) for kind in ("bert", "qwen3", "llama")}
    write_training_rows(root / "rows.jsonl")
    return {**made, "rows": root / "rows.jsonl"}


@pytest.fixture(scope="module")
def finished(folders, tmp_path_factory):
    """One finished run of the small recipe: (recipe, output folder, result)."""
    recipe = small_recipe(folders["bert"], folders["rows"])
    output = tmp_path_factory.mktemp("finished") / "run"
    return recipe, output, train(recipe, output, SilentReporter())


@pytest.mark.parametrize("kind", ["bert", "qwen3", "llama"])
def test_train_save_reload_evaluate(folders, tmp_path, kind):
    from sentence_transformers import SentenceTransformer

    from harness.core.settings import load_settings
    from harness.data.registry import TaskOptions, load_task
    from harness.evaluate import EvalConfig, evaluate
    from harness.loading import retriever
    from results.store import ResultStore
    from tests.helpers.small_task import write_beir

    causal = kind != "bert"
    recipe = small_recipe(
        folders[kind],
        folders["rows"],
        model={"pooling": "last" if causal else "mean", "readout": "[SEP]" if causal else ""},
        lora={"rank": 4, "targets": list(TARGETS[kind])},
        train={"max_steps": 3},
    )
    done = train(recipe, tmp_path / "run", SilentReporter())
    assert not list(done.model.glob("*adapter*"))
    model = SentenceTransformer(str(done.model), device="cpu")
    vectors = model.encode(TEXTS)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    base = build_encoder(recipe.model, LoraConfig(rank=0), device="cpu").model.encode(TEXTS)
    assert not np.allclose(vectors, base, atol=1e-4)
    settings = load_settings(tmp_path, os.environ)
    store = ResultStore(settings.results_dir)
    task = load_task(
        str(write_beir(tmp_path / "tides")), TaskOptions(with_corpus=True), SilentReporter()
    )
    found = evaluate(
        retriever(str(done.model), settings),
        task,
        store,
        EvalConfig(k=10, force=False, command=("rebench", "eval")),
        SilentReporter(),
    )
    assert 0 <= found.entry.metrics["ndcg@10"] <= 1


@pytest.mark.parametrize("kind", ["bert", "qwen3", "llama"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_embeddings_after_reload_equal_those_before(folders, tmp_path, kind, dtype):
    from sentence_transformers import SentenceTransformer

    recipe = small_recipe(folders[kind], folders["rows"], card={"dtype": "float32"})
    config = ModelConfig(
        base=str(folders[kind]),
        pooling="mean" if kind == "bert" else "last",
        dtype=dtype,
        readout="" if kind == "bert" else "[SEP]",
        padding_side="left" if kind != "bert" else "",
    )
    lora = LoraConfig(rank=4, targets=TARGETS[kind])
    encoder = build_encoder(config, lora, device="cpu")
    torch.manual_seed(5)
    with torch.no_grad():
        for name, parameter in encoder.model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.05)
    with_adapters = encoder.model.encode(TEXTS)
    untouched = build_encoder(config, LoraConfig(rank=0), device="cpu").model.encode(TEXTS)
    assert np.abs(with_adapters - untouched).max() > 1e-3
    folder = export_model(encoder, replace(recipe, model=config), LINEAGE, tmp_path / "model")
    merged = encoder.model.encode(TEXTS)
    reloaded = SentenceTransformer(str(folder), device="cpu").encode(TEXTS)
    np.testing.assert_array_equal(reloaded, merged)
    np.testing.assert_allclose(
        reloaded, with_adapters.astype(np.float32), atol=2e-6 if dtype == "float32" else 2e-2
    )
    assert SentenceTransformer(str(folder), device="cpu").tokenizer("sort")["input_ids"][-1] == 3


def test_adapters_are_merged_in_float32(folders, tmp_path):
    """Merged in bfloat16, small updates would be rounded away before they are stored."""
    from safetensors.torch import load_file

    config = ModelConfig(base=str(folders["qwen3"]), dtype="bfloat16")
    encoder = build_encoder(config, LoraConfig(rank=4, targets=("q_proj",)), device="cpu")
    parts = dict(encoder.model.named_parameters())
    stem = "0.model.layers.0.self_attn.q_proj"
    torch.manual_seed(5)
    with torch.no_grad():
        parts[f"{stem}.lora_B.default.weight"].normal_(std=1e-4)
    update = parts[f"{stem}.lora_B.default.weight"] @ parts[f"{stem}.lora_A.default.weight"]
    expected = parts[f"{stem}.base_layer.weight"].float() + update.float() * (64 / 4)
    recipe = small_recipe(folders["qwen3"], folders["rows"], card={"dtype": "float32"})
    folder = export_model(encoder, replace(recipe, model=config), LINEAGE, tmp_path / "model")
    merged = load_file(folder / "model.safetensors")["layers.0.self_attn.q_proj.weight"]
    torch.testing.assert_close(merged, expected.detach(), rtol=1e-6, atol=1e-8)


def test_the_card_is_one_that_models_reads(finished):
    _, _, done = finished
    card = read_card(done.model / "rebench-card.toml")
    assert (card.name, card.backend, card.pooling) == ("tiny", "sentence-transformers", "mean")
    assert card.parameters > 1000
    assert card.dimension == 32
    assert set(card.sources) == {"training", "base", "parent", "data", "config"}
    assert card.sources["parent"].startswith("sha256:")


def test_card_text_is_toml_for_any_text():
    values = {"name": 'a "quoted"\n\x7f\\ ü 😀', "n": 3, "ok": True, "l": ["x", "y"],
              "sources": {"k": "v\t"}}  # fmt: skip
    assert tomllib.loads(card_text(values)) == values


def test_every_step_is_logged(finished):
    _, output, done = finished
    lines = read_log(output / "log.jsonl")
    assert [line["step"] for line in lines] == list(range(1, 9))
    assert done.steps == 8
    wanted = {
        "loss", "ess", "learning_rate", "tokens_per_s", "memory_gib", "task", "epoch", "grad_norm",
        "plain_loss",
    }  # fmt: skip
    of_reasoning = {"ri_mean", "ri_q10", "ri_q50", "ri_q90", "reasoning_loss"}
    assert all(wanted <= line.keys() for line in lines)
    assert [of_reasoning <= line.keys() for line in lines] == [False] * 2 + [True] * 6
    assert not of_reasoning & lines[1].keys()
    assert {line["task"] for line in lines} == {"task-0", "task-1"}
    assert [line["epoch"] for line in lines] == [0] * 4 + [1] * 4
    assert all(line["ess"] == pytest.approx(4.0) for line in lines[:2])
    assert all(line["ess"] < 3.999 for line in lines[2:])


def test_tensorboard_has_the_same_numbers(finished):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    _, output, _ = finished
    events = EventAccumulator(str(output / "tensorboard"))
    events.Reload()
    lines = read_log(output / "log.jsonl")
    for key in ("ri_mean", "ess", "tokens_per_s", "plain_loss"):
        shown = events.Scalars(f"train/{key}")
        logged = [line for line in lines if key in line]
        assert [event.step for event in shown] == [line["step"] for line in logged]
        assert [event.value for event in shown] == pytest.approx([line[key] for line in logged])


def test_the_report_has_its_figures(finished):
    _, output, done = finished
    text = done.report.read_text()
    assert "# Training of tiny" in text
    assert "| seed | 42 |" in text
    for name in ("loss", "intensity", "weights"):
        assert f"(figures/{name}.png)" in text
        assert (output / "figures" / f"{name}.png").read_bytes()[:4] == b"\x89PNG"


def test_a_run_is_repeatable_and_its_seed_counts(finished, folders, tmp_path):
    recipe, _, done = finished
    again = train(recipe, tmp_path / "again", SilentReporter())
    weights = (done.model / "model.safetensors").read_bytes()
    assert (again.model / "model.safetensors").read_bytes() == weights
    other = replace(recipe, train=replace(recipe.train, seed=7))
    different = train(other, tmp_path / "other", SilentReporter())
    assert (different.model / "model.safetensors").read_bytes() != weights


def test_lora_starts_from_the_runs_seed(folders, tmp_path):
    made = []
    for seed, name in ((1, "a"), (1, "b"), (2, "c")):
        torch.manual_seed(torch.seed() % 1000)
        recipe = small_recipe(
            folders["bert"],
            folders["rows"],
            lora={"rank": 2, "targets": ["query"]},
            train={"max_steps": 3, "seed": seed},
        )
        done = train(recipe, tmp_path / name, SilentReporter())
        made.append((done.model / "model.safetensors").read_bytes())
    assert made[0] == made[1] != made[2]


def test_training_pulls_positives_up(folders, tmp_path):
    from sentence_transformers import SentenceTransformer

    rows = write_training_rows(tmp_path / "rows.jsonl", rows=48, tasks=1, seed=3)
    recipe = small_recipe(
        folders["bert"],
        rows,
        train={"epochs": 6, "learning_rate": 3e-3},
        batch={"size": 8},
    )
    done = train(recipe, tmp_path / "run", SilentReporter())
    held_out = [json.loads(line) for line in
                write_training_rows(tmp_path / "new.jsonl", rows=60, seed=99).open()]  # fmt: skip

    def right(model) -> float:
        queries = model.encode([row["query"] for row in held_out])
        passages = model.encode([row["pos"][0] for row in held_out])
        return float(((queries @ passages.T).argmax(axis=1) == np.arange(60)).mean())

    before = build_encoder(recipe.model, LoraConfig(rank=0), device="cpu").model
    trained = SentenceTransformer(str(done.model), device="cpu")
    assert right(trained) > right(before) + 0.1


@pytest.mark.parametrize("kind", ["infonce", "shuffled", "static"])
def test_every_kind_of_loss_trains(folders, tmp_path, kind):
    recipe = small_recipe(
        folders["bert"], folders["rows"], loss={"kind": kind, "warmup_steps": 0},
        train={"max_steps": 2}, batch={"mini_batch": 3},
    )  # fmt: skip
    done = train(recipe, tmp_path / "run", SilentReporter())
    lines = read_log(tmp_path / "run" / "log.jsonl")
    assert ("ri_mean" in lines[0]) == (kind == "shuffled")
    assert (lines[0]["ess"] < 3.999) == (kind != "infonce")
    assert done.model.is_dir()


@pytest.mark.parametrize("mini_batch", [0, 3])
def test_bfloat16_trains(folders, tmp_path, mini_batch):
    recipe = small_recipe(
        folders["qwen3"],
        folders["rows"],
        model={"dtype": "bfloat16", "pooling": "last", "gradient_checkpointing": True},
        lora={"rank": 2},
        train={"max_steps": 3, "bf16": True},
        batch={"mini_batch": mini_batch},
        card={"dtype": "bfloat16"},
    )
    done = train(recipe, tmp_path / "run", SilentReporter())
    card = read_card(done.model / "rebench-card.toml")
    assert card.dtype == "bfloat16"
    assert read_log(tmp_path / "run" / "log.jsonl")[-1]["grad_norm"] > 0


def test_two_stages(folders, tmp_path):
    other = write_training_rows(tmp_path / "ms.jsonl", rows=8, tasks=1, seed=4)
    recipe = small_recipe(
        folders["qwen3"],
        folders["rows"],
        model={"pooling": "last", "readout": "[SEP]"},
        lora={"rank": 2},
        first_stage={
            "data": {"path": str(other)},
            "loss": {"kind": "infonce"},
            "train": {"epochs": 1},
        },
    )
    done = train(recipe, tmp_path / "run", SilentReporter())
    first = read_card(tmp_path / "run" / "first-stage" / "model" / "rebench-card.toml")
    second = read_card(done.model / "rebench-card.toml")
    assert first.name == "tiny-first-stage"
    assert "loss infonce, 2 steps" in first.sources["training"]
    assert "loss redapter, 8 steps" in second.sources["training"]
    assert first.sources["parent"] != second.sources["parent"]
    again = train(recipe, tmp_path / "run", SilentReporter(), resume=True)
    assert again.reused


def test_a_finished_run_is_reused_and_guarded(finished):
    recipe, output, done = finished
    before = (done.model / "model.safetensors").stat().st_mtime_ns
    assert train(recipe, output, SilentReporter(), resume=True).reused
    assert (done.model / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(BadInput, match="holds a run already"):
        train(recipe, output, SilentReporter())
    changed = replace(recipe, loss=replace(recipe.loss, kappa=2.0))
    with pytest.raises(BadInput, match=r"config\.loss\.kappa: 5\.0 -> 2\.0"):
        train(changed, output, SilentReporter(), resume=True)


def test_other_data_or_weights_under_the_same_name_are_noticed(folders, tmp_path):
    base = Path(shutil.copytree(folders["bert"], tmp_path / "base"))
    rows = write_training_rows(tmp_path / "rows.jsonl")
    recipe = small_recipe(base, rows, train={"max_steps": 1})
    train(recipe, tmp_path / "run", SilentReporter())
    write_training_rows(rows, seed=5)
    with pytest.raises(BadInput, match=r"data: '\w+' -> "):
        train(recipe, tmp_path / "run", SilentReporter(), resume=True)
    write_training_rows(rows)
    make_backbone(base, "llama")
    with pytest.raises(BadInput, match="parent: 'sha256:"):
        train(recipe, tmp_path / "run", SilentReporter(), resume=True)


def poison(folder: Path) -> None:
    """Make the vector of the word `poison` not a number."""
    from safetensors.torch import load_file, save_file

    from tests.helpers.tiny_backbones import WORDS

    tensors = load_file(folder / "model.safetensors")
    tensors["embeddings.word_embeddings.weight"][4 + WORDS.index("poison")] = float("nan")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def test_a_loss_that_is_no_number_stops_there_and_keeps_the_last_good(folders, tmp_path):
    base = Path(shutil.copytree(folders["bert"], tmp_path / "base"))
    rows = write_training_rows(tmp_path / "rows.jsonl", rows=16, tasks=1)
    lines = [json.loads(line) for line in rows.open()]
    recipe = small_recipe(
        base,
        rows,
        lora={"rank": 2, "targets": ["query"]},
        train={"save_steps": 1, "epochs": 3},
    )
    from redapter.batches import plan_run
    from redapter.data import load_examples

    examples = load_examples(recipe.data, recipe.batch, "redapter").examples
    steps = plan_run(examples, recipe.batch, seed=42, epochs=3, max_steps=0).steps
    victim = steps[2].rows[1]
    lines[victim]["query"] = "poison"
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines))
    poison(base)
    with pytest.raises(ModelError) as error:
        train(recipe, tmp_path / "run", SilentReporter())
    assert "loss of step 3 is not a number (1 of 4 rows" in error.value.message
    assert f"rows.jsonl, line {victim + 1}" in error.value.message
    assert "checkpoint-2" in error.value.fix
    kept = sorted(path.name for path in (tmp_path / "run").glob("checkpoint-*"))
    assert kept == ["checkpoint-1", "checkpoint-2"]
    assert (tmp_path / "run" / "checkpoint-2" / MARKER).is_file()


def test_weights_that_are_no_numbers_are_not_saved(folders, tmp_path, monkeypatch):
    from redapter import trainer

    real = trainer.StepBar.on_step_end

    def ruin(self, args, state, control, **kwargs):
        real(self, args, state, control, **kwargs)
        if state.global_step == 2:
            with torch.no_grad():
                next(iter(self.trainer.model.parameters())).fill_(float("inf"))

    monkeypatch.setattr(trainer.StepBar, "on_step_end", ruin)
    recipe = small_recipe(folders["bert"], folders["rows"], train={"save_steps": 1})
    with pytest.raises(ModelError, match=r"not finite.*\n.*--resume"):
        train(recipe, tmp_path / "run", SilentReporter())
    assert [p.name for p in (tmp_path / "run").glob("checkpoint-*")] == ["checkpoint-1"]


def test_no_room_for_a_checkpoint(folders, tmp_path, monkeypatch):
    """A file system of 1.2 MB holds three checkpoints of this model, and no fourth."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("mounting a small file system needs root")
    command = [mount, "-t", "tmpfs", "-o", "size=1200k", "tmpfs", str(disk)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system is not allowed here")
    recipe = small_recipe(
        folders["bert"], folders["rows"], train={"save_steps": 1, "save_limit": 9}
    )
    try:
        with pytest.raises(StoreError) as error:
            train(recipe, disk / "run", SilentReporter())
        left = sorted((disk / "run").glob("checkpoint-*"))
        assert all((path / MARKER).is_file() for path in left)
        assert 1 <= len(left) <= 4
        assert f"{left[-1].name} is kept" in error.value.fix
        assert "--resume" in error.value.fix
        shutil.rmtree(left[0])
        shutil.rmtree(left[1])
        with pytest.raises(StoreError):
            train(recipe, disk / "run", SilentReporter(), resume=True)
        assert len(list((disk / "run").glob("checkpoint-*"))) == len(left)
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_devices_that_are_not_there(folders, monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    recipe = small_recipe(folders["bert"], folders["rows"])
    gpu = replace(recipe.train, device="cuda")
    with pytest.raises(BadInput, match=r"needs a CUDA device.*\n.*train\.device=cpu"):
        train(replace(recipe, train=gpu), tmp_path / "run", SilentReporter())
    assert not (tmp_path / "run").exists()


def test_deepspeed_files(folders, tmp_path):
    recipe = small_recipe(folders["bert"], folders["rows"]).train
    with pytest.raises(BadInput, match="no DeepSpeed file"):
        check_device(replace(recipe, deepspeed=str(tmp_path / "absent.json")))
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(BadInput, match="no JSON object"):
        check_device(replace(recipe, deepspeed=str(tmp_path / "list.json")))
    (tmp_path / "zero.json").write_text('{"zero_optimization": {"stage": 1}}')
    try:
        import deepspeed  # noqa: F401
    except ImportError:
        with pytest.raises(BadInput, match="pip install deepspeed"):
            check_device(replace(recipe, deepspeed=str(tmp_path / "zero.json")))


def test_what_the_data_lacks_is_said(folders, tmp_path):
    rows = write_training_rows(tmp_path / "rows.jsonl", rows=9, tasks=1)
    recipe = small_recipe(folders["bert"], rows, batch={"group_size": 9}, train={"max_steps": 1})
    reporter = Recorder()
    train(recipe, tmp_path / "run", reporter)
    assert any("9 of 9 rows hold fewer negatives" in line for line in reporter.said)
    assert any("1 of task-0" in line for line in reporter.said)
