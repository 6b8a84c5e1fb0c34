"""`rebench doctor --model`: real backends on a small model, and what it says when they fail."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from harness.backend_check import Checked, _least_cosine, refuse_disagreement
from harness.core.errors import ModelError, OutOfMemory


def test_a_static_model_has_one_backend(rebench):
    (row,) = rebench("doctor", "--model", "wordllama", "--json").json
    assert (row["backend"], row["state"], row["dimension"]) == ("static", "works", 256)
    assert row["cosine"] is None
    assert row["alone"] == pytest.approx(1, abs=1e-6)


@pytest.mark.torch
def test_a_backend_that_is_absent_is_named_and_the_other_runs(rebench, monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    rows = rebench("doctor", "--model", "minilm", "--json").json
    assert [row["backend"] for row in rows] == ["sentence-transformers", "vllm"]
    assert (rows[0]["state"], rows[0]["dtype"], rows[0]["dimension"]) == ("works", "float32", 384)
    assert rows[0]["alone"] == pytest.approx(1, abs=1e-5)
    assert "pip install 'rebench-retrieval[vllm]'" in rows[1]["state"]
    assert rows[1]["dimension"] is None


@pytest.mark.torch
def test_nothing_that_works_is_an_error(rebench, monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    done = rebench("doctor", "-m", "minilm", "--backend", "vllm")
    assert done.code == 2
    assert "no backend can run 'minilm'" in done.err
    told = rebench("doctor", "-m", "bm25").err
    assert told.startswith("error: model 'bm25' has no dense vectors")
    assert "Did you mean minilm" in rebench("doctor", "-m", "minilmm").err


def test_a_model_that_does_not_fit_is_no_bug(rebench, monkeypatch):
    def full(embedder: object) -> None:
        raise OutOfMemory("tried to allocate 20.00 GiB")

    monkeypatch.setattr("harness.backend_check._vectors", full)
    done = rebench("doctor", "-m", "wordllama", "--json")
    assert done.code == 2
    assert "no backend can run 'wordllama'" in done.err
    assert done.json[0]["state"] == "out of memory: tried to allocate 20.00 GiB"


def row(backend: str, cosine: float | None, alone: float | None) -> Checked:
    return Checked(backend, "works", "float32", 3, cosine, alone, 0.1)


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([row("a", None, 0.9), row("b", 1.0, 1.0)], "a gives 'm' another vector than a text by"),
        ([row("a", None, 1.0), row("b", 0.99, 1.0)], "b gives 'm' another vector than the first"),
        ([row("a", None, float("nan"))], "cosine nan"),
        ([row("a", None, 1.0), replace(row("b", None, 1.0), dimension=5)], "b gives .* 5 .* not 3"),
    ],
)
def test_vectors_that_differ_are_an_error(rows, complaint: str):
    with pytest.raises(ModelError, match=complaint):
        refuse_disagreement("m", rows)


def test_vectors_that_agree_are_none():
    refuse_disagreement("m", [row("a", None, 0.9995), row("b", 0.9999, None)])


def test_the_least_cosine_is_that_of_the_worst_row():
    one = np.array([[1, 0], [3, 4]], dtype=np.float32)
    other = np.array([[2, 0], [4, 3]], dtype=np.float32)
    assert _least_cosine(one, other) == pytest.approx(0.96)
    assert np.isnan(_least_cosine(one, np.zeros_like(other)))
