"""Everything that changes a vector gives a space of its own."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest
from scipy.sparse import csr_array

from harness.cache.store import SPACE_FILE, EmbeddingStore
from harness.core.errors import StoreError
from harness.core.hashing import space_fingerprint
from harness.core.types import VectorSpace
from tests.helpers.cache_embedders import Asleep, Recorder, Watched, encode_texts, some_texts

BASE = VectorSpace(
    model="hub/model",
    weights="a" * 40,
    backend="sentence-transformers",
    pooling="last",
    normalize=True,
    role="document",
    instruction="Represent: ",
    max_length=512,
    dtype="float32",
    truncation_side="right",
    tokenizer="t" * 40,
    dimension=256,
    options={"input_type": "passage", "nested": {"a": [1, 2]}},
)
OTHERS = {
    "model": ["hub/model2", ""],
    "weights": ["b" * 40],
    "backend": ["vllm"],
    "pooling": ["cls", "mean"],
    "normalize": [False],
    "role": ["query"],
    "instruction": ["Represent:", "", "Represent: \n"],
    "max_length": [511, 0],
    "dtype": ["bfloat16", "float16"],
    "truncation_side": ["left"],
    "tokenizer": ["u" * 40],
    "dimension": [0, 255],
    "kind": ["sparse", "multi-vector"],
    "options": [{"input_type": "passage", "nested": {"a": [2, 1]}},
                {"input_type": "query", "nested": {"a": [1, 2]}}, {}],
}  # fmt: skip


def test_every_field_is_part_of_the_identity() -> None:
    assert set(OTHERS) == {each.name for each in fields(VectorSpace)}
    variants = [BASE] + [
        replace(BASE, **{name: value}) for name, values in OTHERS.items() for value in values
    ]
    assert len({space_fingerprint(space) for space in variants}) == len(variants)


def test_order_of_options_is_not() -> None:
    turned = replace(BASE, options=dict(reversed(list(BASE.options.items()))))
    assert space_fingerprint(turned) == space_fingerprint(BASE)


@pytest.mark.parametrize("name", OTHERS)
def test_no_vector_crosses_from_one_space_to_another(tmp_path: Path, name: str) -> None:
    class Elsewhere(Watched):
        def space(self, role, instruction):
            return replace(super().space(role, instruction), **{name: OTHERS[name][0]})

        def encode(self, texts, *, role, instruction):
            vectors = super().encode(texts, role=role, instruction=instruction)
            return csr_array(vectors) if name == "kind" else vectors

    store, texts = EmbeddingStore(tmp_path), some_texts(5)
    encode_texts(Watched(), texts, "document", "", store, Recorder())
    again = encode_texts(Elsewhere(), texts, "document", "", store, Recorder())
    assert (again.encoded, again.reused) == (5, 0)


def test_a_query_never_gets_the_vector_of_an_equal_document(tmp_path: Path) -> None:
    store, embedder = EmbeddingStore(tmp_path), Watched()
    encode_texts(embedder, ["same text"], "document", "", store, Recorder())
    assert encode_texts(embedder, ["same text"], "query", "", store, Recorder()).encoded == 1


def test_space_json_is_readable_and_compared(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path)
    folder = store.space(BASE)
    path = folder.folder / SPACE_FILE
    assert json.loads(path.read_text())["space"]["instruction"] == "Represent: "
    assert store.space(BASE).folder == folder.folder
    path.write_text(path.read_text().replace('"max_length": 512', '"max_length": 513'))
    with pytest.raises(StoreError, match="does not have its checksum"):
        store.space(BASE)
    path.write_text("{")
    with pytest.raises(StoreError, match="cannot be read"):
        store.space(BASE)
    path.write_text('{"schema": 2, "space": {}}')
    with pytest.raises(StoreError, match="Upgrade"):
        store.space(BASE)


def test_a_mismatch_stops_the_run_before_the_model(tmp_path: Path) -> None:
    store, texts = EmbeddingStore(tmp_path), some_texts(3)
    encode_texts(Watched(), texts, "document", "", store, Recorder())
    (folder,) = store.spaces()
    (folder.folder / SPACE_FILE).write_text('{"schema": 1, "space": {"model": "x"}}')
    with pytest.raises(StoreError, match=r"space\.json"):
        encode_texts(Asleep(), texts, "document", "", store, Recorder())


def test_surrogates_and_line_breaks_in_an_instruction(tmp_path: Path) -> None:
    space = replace(BASE, instruction="a\r\n\ud800\x00é")
    store = EmbeddingStore(tmp_path)
    assert store.space(space).folder == store.space(space).folder
