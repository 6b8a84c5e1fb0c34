"""The table of backends and flags: every pair is either honoured or refused by name."""

from __future__ import annotations

from dataclasses import fields

import pytest

from harness.core.errors import BadInput
from models.card import ModelCard
from models.flags import FIXED, HONOURED, KINDS, check_flags, flag_of, kind_of
from models.registry import find_card
from models.spec import LoadOptions, make_spec

VALUES = {
    "weights": "folder",
    "device": "cuda:1",
    "dtype": "bfloat16",
    "max_length": 5,
    "trust_remote_code": True,
    "revision": "v1",
    "pooling": "cls",
    "normalize": False,
    "similarity": "euclidean",
    "query_instruction": "q: ",
    "document_instruction": "d: ",
    "max_query_length": 6,
    "max_document_length": 7,
    "truncation_side": "left",
    "batch_tokens": 64,
    "max_active_query": 3,
    "max_active_document": 4,
    "token_storage": "int8",
}
CARDS = {
    "bm25": find_card("bm25"),
    "static/wordllama": find_card("wordllama"),
    "static/model2vec": find_card("potion-base-8m"),
    "sentence-transformers": find_card("minilm"),
    "sparse": find_card("granite-30m-sparse"),
    "late": ModelCard("x", "late", hub_id="org/x"),
    "vllm": ModelCard("x", "vllm", hub_id="org/x"),
    "http": ModelCard("x", "http", hub_id="org/x", options={"base_url": "http://host/v1"}),
}


def test_the_table_knows_every_flag_and_backend() -> None:
    assert {each.name for each in fields(LoadOptions)} == set(HONOURED) == {*VALUES, "backend"}
    assert {kind_of(card) for card in CARDS.values()} == set(KINDS) == set(CARDS)
    assert all(kinds <= set(KINDS) for kinds in HONOURED.values())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("field", VALUES)
def test_a_flag_is_followed_or_refused(kind: str, field: str) -> None:
    card, value = CARDS[kind], VALUES[field]
    options = LoadOptions(**{field: value})
    if kind in HONOURED[field] and not (field == "revision" and not card.hub_id):
        spec = make_spec(card, options)
        assert (spec.card, spec.runtime) != (make_spec(card).card, make_spec(card).runtime)
    else:
        with pytest.raises(BadInput) as caught:
            make_spec(card, options)
        assert flag_of(field, value) in caught.value.message
        assert flag_of(field).removesuffix("s") in caught.value.fix


@pytest.mark.parametrize(("kind", "field"), FIXED)
def test_naming_what_holds_anyway_is_no_error(kind: str, field: str) -> None:
    for value in FIXED[kind, field]:
        check_flags(CARDS[kind], {field: value})


def test_a_folder_has_no_revision() -> None:
    with pytest.raises(BadInput, match="no --revision v1"):
        make_spec(find_card("minilm"), LoadOptions(weights="folder", revision="v1"))
