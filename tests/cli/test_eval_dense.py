"""`rebench eval` with dense models: the cache, FAISS indexes, devices and their options."""

from __future__ import annotations

from pathlib import Path

import pytest


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
