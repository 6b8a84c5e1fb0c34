"""`rebench eval` with dense models: the cache, FAISS indexes, devices and their options."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.backends.cpu_kernels import CpuSpeeds
from results.store import ResultStore


def evaluated(rebench, beir: Path, *arguments: object) -> dict:
    """Return the one JSON object of an evaluation of wordllama."""
    done = rebench("eval", "-m", "wordllama", "-t", beir, "--json", *arguments)
    assert done.code == 0, done.err
    return done.json[0]


def test_second_measurement_takes_every_vector_from_the_cache(rebench, beir: Path):
    cold = evaluated(rebench, beir)
    warm = evaluated(rebench, beir, "--force")
    # Six documents with five distinct texts, two queries.
    assert cold["facts"]["documents"]["encoded"] == 5
    assert warm["facts"]["documents"]["encoded"] == warm["facts"]["queries"]["encoded"] == 0
    assert warm["metrics"] == cold["metrics"]


def test_no_cache_keeps_nothing(rebench, beir: Path, tmp_path: Path):
    evaluated(rebench, beir, "--no-cache")
    assert not (tmp_path / "rebench-cache").exists()


def test_flat_index_is_exact_and_says_so(rebench, beir: Path):
    exact, flat = evaluated(rebench, beir), evaluated(rebench, beir, "--index", "Flat")
    assert flat["facts"]["recall_against_exact"] == {"10": 1.0, "100": 1.0}
    assert flat["metrics"] == exact["metrics"]
    assert flat["identity_hash"] != exact["identity_hash"]


def test_two_devices_give_what_one_gives(rebench, beir: Path, tmp_path: Path):
    one = evaluated(rebench, beir, "--cache", tmp_path / "one")
    two = evaluated(rebench, beir, "--cache", tmp_path / "two", "--device", "cpu,cpu", "--force")
    assert two["metrics"] == one["metrics"]
    assert two["facts"]["documents"]["encoded"] == 5


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--index", "Nonsense7"), "FAISS refuses the index 'Nonsense7'"),
        (("--dtype", "float16"), "float16"),
        (("--backend", "nonsense"), "nonsense"),
        (("--pooling", "max"), "pooling = 'max'"),
        (("--query-instruction", "{nobody}: "), "nobody"),
    ],
)
def test_bad_options_are_named(rebench, beir: Path, arguments: tuple[str, ...], complaint: str):
    done = rebench("eval", "-m", "wordllama", "-t", beir, *arguments)
    assert done.code == 2
    assert complaint in done.err


def test_cache_folder_that_cannot_be_written_is_named(rebench, beir: Path, tmp_path: Path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    done = rebench("eval", "-m", "wordllama", "-t", beir, "--cache", tmp_path / "file" / "below")
    assert done.code == 2
    assert str(tmp_path / "file") in done.err


def test_a_model_of_the_settings_file_is_evaluated(rebench, beir: Path, tmp_path: Path):
    (tmp_path / "rebench.toml").write_text(
        '[models.mine]\nbase = "wordllama"\nquery_instruction = "question: "\n', encoding="utf-8"
    )
    done = rebench("eval", "-m", "mine", "-t", beir, "--json")
    assert done.code == 0, done.err
    assert done.json[0]["model"] == "mine"
    assert "question: " in rebench("models", "mine").out


def test_a_served_model_has_no_devices_of_ours(rebench, beir: Path, tmp_path: Path):
    (tmp_path / "rebench.toml").write_text(
        '[models.served]\nbackend = "http"\noptions = {base_url = "http://127.0.0.1:9/v1"}\n',
        encoding="utf-8",
    )
    done = rebench("eval", "-m", "served", "-t", beir, "--device", "cuda:0,cuda:1")
    assert done.code == 2
    assert "'served' cannot follow --device cuda:0: the model runs on a server" in done.err


@pytest.mark.torch
def test_an_entry_says_what_was_measured_and_bfloat16_is_warned_of(
    rebench, beir: Path, tmp_path: Path, monkeypatch
):
    for module in ("cpu_linear", "local"):
        monkeypatch.setattr(
            f"models.backends.{module}.cpu_speeds", lambda: CpuSpeeds(60.0, 50.0, 40.0)
        )
    asked = ("eval", "--model", "minilm", "--tasks", beir, "--device", "cpu")
    done = rebench(*asked, "--dtype", "bfloat16")
    assert done.code == 0, done.err
    assert "slower on this processor than float32" in done.err
    assert "40 against 60 GFLOP/s" in done.err
    (entry,) = ResultStore(tmp_path / "rebench-results").entries().entries
    told = entry.facts["linear_layers"]
    assert told["gflops"] == {"torch": 60.0, "onednn": 50.0, "bfloat16": 40.0}
    assert entry.identity["model"]["dtype"] == "bfloat16"
    again = rebench(*asked, "--dtype", "auto")
    assert "slower" not in again.err
    entries = ResultStore(tmp_path / "rebench-results").entries().entries
    assert sorted(each.identity["model"]["dtype"] for each in entries) == ["bfloat16", "float32"]
