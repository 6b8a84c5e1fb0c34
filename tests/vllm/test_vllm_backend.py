"""vLLM's vectors are those of sentence-transformers, on the same texts and settings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from models.backends.vllm import VllmEmbedder
from models.spec import make_spec
from tests.helpers.vllm_parity import (
    ON_CPU,
    SAME,
    TEXTS,
    cosines,
    decoder_card,
    minilm_card,
    reference,
)

pytestmark = pytest.mark.vllm


@pytest.fixture(scope="module")
def minilm(minilm_folder: Path) -> Iterator[VllmEmbedder]:
    embedder = VllmEmbedder(make_spec(minilm_card(minilm_folder), ON_CPU))
    yield embedder
    embedder.close()


@pytest.fixture(scope="module")
def decoder(qwen3_folder: Path) -> Iterator[VllmEmbedder]:
    embedder = VllmEmbedder(make_spec(decoder_card(qwen3_folder), ON_CPU))
    yield embedder
    embedder.close()


# MiniLM: an encoder, mean pooling ---------------------------------------------------------------


def test_minilm_equals_the_other_backend(minilm: VllmEmbedder, minilm_folder: Path) -> None:
    vectors = minilm.encode(TEXTS, role="document", instruction="")
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    expected = reference(minilm_card(minilm_folder), TEXTS, "document")
    assert cosines(vectors, expected).min() >= SAME


def test_minilm_equals_sentence_transformers_itself(
    minilm: VllmEmbedder, minilm_folder: Path
) -> None:
    from sentence_transformers import SentenceTransformer

    # The library strips white space around a text; the backends here take it as it is.
    texts = [text.strip() for text in TEXTS]
    expected = SentenceTransformer(str(minilm_folder), device="cpu").encode(texts)
    vectors = minilm.encode(texts, role="document", instruction="")
    assert cosines(vectors, np.asarray(expected)).min() >= SAME


def test_an_instruction_is_part_of_the_text(minilm: VllmEmbedder) -> None:
    texts = TEXTS[:3]
    told = minilm.encode(texts, role="query", instruction="query: ")
    written = minilm.encode([f"query: {text}" for text in texts], role="query", instruction="")
    bare = minilm.encode(texts, role="query", instruction="")
    assert cosines(told, written).min() >= SAME
    assert cosines(told, bare).max() < SAME


def test_a_text_does_not_depend_on_its_company(minilm: VllmEmbedder) -> None:
    together = minilm.encode(TEXTS, role="document", instruction="")
    alone = np.concatenate(
        [minilm.encode([text], role="document", instruction="") for text in TEXTS[:6]]
    )
    np.testing.assert_allclose(together[:6], alone, atol=1e-6)


# A tiny random decoder: last-token pooling ------------------------------------------------------


@pytest.mark.parametrize("role", ["query", "document"])
@pytest.mark.parametrize("instruction", ["", "find what answers this: "])
def test_decoder_equals_the_other_backend(
    decoder: VllmEmbedder, qwen3_folder: Path, role: str, instruction: str
) -> None:
    vectors = decoder.encode(TEXTS, role=role, instruction=instruction)
    expected = reference(decoder_card(qwen3_folder), TEXTS, role, instruction)
    assert cosines(vectors, expected).min() >= SAME


def test_decoder_equals_sentence_transformers_itself(
    decoder: VllmEmbedder, qwen3_folder: Path
) -> None:
    from sentence_transformers import SentenceTransformer

    texts = [text.strip()[:100] for text in TEXTS if text]
    expected = SentenceTransformer(str(qwen3_folder), device="cpu").encode(texts)
    vectors = decoder.encode(texts, role="document", instruction="")
    assert cosines(vectors, np.asarray(expected)).min() >= SAME


def test_what_is_beyond_the_limit_is_cut_and_the_end_token_stays(decoder: VllmEmbedder) -> None:
    """One digit is one token here, and one token of the limit is the end token."""
    text = "".join(str(place * 7 % 10) for place in range(300))
    cut = decoder.encode([text, text[:127]], role="document", instruction="")
    assert cosines(cut[:1], cut[1:])[0] >= SAME
    longer = decoder.encode([text[:126]], role="document", instruction="")
    assert cosines(cut[:1], longer)[0] < SAME
    assert decoder.token_counts([text], "document", "").tolist() == [301]
    query = decoder.encode([text, text[:63]], role="query", instruction="")
    assert cosines(query[:1], query[1:])[0] >= SAME
    assert cosines(query[:1], cut[:1])[0] < SAME


def test_doctor_finds_that_both_backends_agree(minilm_folder: Path, tmp_path: Path) -> None:
    from harness.backend_check import check_model, refuse_disagreement
    from harness.core.settings import load_settings
    from models.spec import LoadOptions

    load = LoadOptions(weights=str(minilm_folder), dtype="float32", device="cpu")
    rows = check_model("minilm", load_settings(tmp_path, {}), load)
    assert [(row.backend, row.state) for row in rows] == [
        ("sentence-transformers", "works"), ("vllm", "works"),
    ]  # fmt: skip
    assert rows[1].cosine is not None
    assert rows[1].cosine >= SAME
    refuse_disagreement("minilm", rows)
