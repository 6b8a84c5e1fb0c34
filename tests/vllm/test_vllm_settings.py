"""Settings that change what vLLM reads out, and what happens when it cannot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.core.errors import BadInput, DataUnavailable, ModelError
from models.backends.vllm import VllmEmbedder
from models.spec import LoadOptions, make_spec
from tests.helpers import tiny
from tests.helpers.vllm_parity import ON_CPU, SAME, TEXTS, cosines, decoder_card, reference

pytestmark = pytest.mark.vllm


def test_no_text_needs_no_engine(qwen3_folder: Path) -> None:
    embedder = VllmEmbedder(make_spec(decoder_card(qwen3_folder), ON_CPU))
    assert embedder.encode([], role="query", instruction="").shape == (0, 0)
    assert "_engine" not in embedder.__dict__


@pytest.mark.parametrize(
    ("pooling", "options"),
    [
        ("mean", {}),
        ("last", {"bidirectional": True}),
        ("last", {"truncation_side": "left"}),
    ],
)
def test_other_ways_to_read_a_decoder(
    qwen3_folder: Path, pooling: str, options: dict[str, object]
) -> None:
    card = decoder_card(qwen3_folder, **options)
    told = LoadOptions(device="cpu", dtype="float32", pooling=pooling)
    embedder = VllmEmbedder(make_spec(card, told))
    vectors = embedder.encode(TEXTS, role="document", instruction="")
    embedder.close()
    plain = reference(decoder_card(qwen3_folder), TEXTS, "document")
    expected = reference(embedder.card, TEXTS, "document")
    assert cosines(vectors, expected).min() >= SAME
    assert cosines(vectors, plain).min() < SAME, "the setting must make a difference"


def test_a_bare_llama_and_an_end_token_of_our_own(tmp_path: Path) -> None:
    """Neither a list of modules nor the tokenizer says what to read out here."""
    card = decoder_card(tiny.llama(tmp_path), append_eos=True)
    told = LoadOptions(device="cpu", dtype="float32", pooling="last")
    embedder = VllmEmbedder(make_spec(card, told))
    vectors = embedder.encode(TEXTS, role="document", instruction="")
    embedder.close()
    assert cosines(vectors, reference(embedder.card, TEXTS, "document")).min() >= SAME
    assert embedder.token_counts(["123"], "document", "").tolist() == [5]  # begin, three, end


# What goes wrong --------------------------------------------------------------------------------


def test_weights_that_cannot_be_read(tmp_path: Path) -> None:
    folder = tiny.qwen3(tmp_path)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    embedder = VllmEmbedder(make_spec(decoder_card(folder), ON_CPU))
    with pytest.raises(DataUnavailable, match="cut short in its header") as caught:
        embedder.encode(["a"], role="query", instruction="")
    assert "Fetch model.safetensors again" in caught.value.fix


def test_an_unknown_engine_argument(qwen3_folder: Path) -> None:
    embedder = VllmEmbedder(make_spec(decoder_card(qwen3_folder, engine={"warp": 9}), ON_CPU))
    with pytest.raises(ModelError, match="warp"):
        embedder.encode(["a"], role="query", instruction="")


def test_a_mean_without_the_instruction_is_refused(qwen3_folder: Path) -> None:
    card = decoder_card(qwen3_folder, exclude_prompt=True)
    embedder = VllmEmbedder(make_spec(card, LoadOptions(device="cpu", pooling="mean")))
    with pytest.raises(BadInput, match="leaves the instruction out"):
        embedder.encode(["a"], role="query", instruction="q: ")


def test_after_close_a_new_engine_gives_the_same_vectors(qwen3_folder: Path) -> None:
    decoder = VllmEmbedder(make_spec(decoder_card(qwen3_folder), ON_CPU))
    before = decoder.encode(TEXTS[:4], role="document", instruction="")
    decoder.close()
    after = decoder.encode(TEXTS[:4], role="document", instruction="")
    decoder.close()
    np.testing.assert_allclose(before, after, atol=1e-6)
