"""Evaluation during a real, tiny training, by both trainers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rebench
from tests.helpers.small_task import write_beir

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


class Letters(torch.nn.Module):
    """A model of a few weights: letter counts, scaled."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(8))
        self.modes: list[bool] = []

    def forward(self, counts: Any = None, labels: Any = None) -> dict[str, Any]:
        scores = (counts * self.scale).sum(dim=1)
        return {"loss": ((scores - labels) ** 2).mean(), "logits": scores}

    def embed(self, texts: list[str]) -> Any:
        self.modes.append(self.training)
        counts = np.array([[t.count(c) for c in "aeioustr"] for t in texts], dtype=np.float32)
        return torch.tensor(counts) * self.scale


def trained(folder: Path, callback: Any) -> Any:
    torch.manual_seed(0)
    rows = [{"counts": torch.rand(8), "labels": torch.tensor(1.0)} for _ in range(8)]
    arguments = transformers.TrainingArguments(
        str(folder), max_steps=4, per_device_train_batch_size=2, report_to=[], use_cpu=True,
        disable_tqdm=True, save_strategy="no", seed=1,
    )  # fmt: skip
    trainer = transformers.Trainer(
        Letters(), arguments, train_dataset=rows, callbacks=[callback] if callback else []
    )
    trainer.train()
    return trainer


def test_every_n_steps_of_a_transformers_trainer(tmp_path: Path) -> None:
    tides = write_beir(tmp_path / "tides")
    callback = rebench.EvaluationCallback(
        tides, every_steps=2, encode=lambda model, texts: model.embed(texts), name="letters"
    )
    trainer = trained(tmp_path / "out", callback)
    assert [each["step"] for each in callback.history] == [2, 4]
    logged = [each for each in trainer.state.log_history if "rebench_tides_ndcg@10" in each]
    assert [each["step"] for each in logged] == [2, 4]
    assert set(trainer.model.modes) == {False}
    assert trainer.model.training
    assert not list(tmp_path.rglob("entry.json"))
    plain = trained(tmp_path / "plain", None)
    assert torch.equal(plain.model.scale, trainer.model.scale)


def test_entries_are_stored_if_asked_for(tmp_path: Path) -> None:
    tides = write_beir(tmp_path / "tides")
    callback = rebench.EvaluationCallback(
        tides, every_steps=4, encode=lambda model, texts: model.embed(texts), name="letters",
        record=True, results=tmp_path / "kept",
    )  # fmt: skip
    trained(tmp_path / "out", callback)
    assert len(list((tmp_path / "kept").rglob("entry.json"))) == 1


def test_a_model_without_encode_needs_a_function(tmp_path: Path) -> None:
    callback = rebench.EvaluationCallback(write_beir(tmp_path / "tides"), every_steps=1)
    with pytest.raises(rebench.RebenchError, match="has no encode"):
        trained(tmp_path / "out", callback)
    with pytest.raises(rebench.RebenchError, match="every_steps is 0"):
        rebench.EvaluationCallback(every_steps=0)
