"""Every card that ships: readable, sourced, and its templates fill in for every task."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

from harness.core.errors import BadInput, UnknownName
from harness.data.registry import task_wordings
from models.card import ModelCard, card_from_mapping, card_json, read_card
from models.prompts import render, template_values
from models.registry import EMBEDDERS, find_card, shipped_cards
from models.spec import make_spec

CARDS = shipped_cards()
WORDINGS = task_wordings()
NOT_A_FACT = {"name", "title", "backend", "family", "sources"}
REQUIRED = [
    "reasonembed-qwen3-8b", "reasonembed-qwen3-4b", "reasonembed-llama-3.1-8b",
    "reasonembed-basic-qwen3-8b", "reasonembed-basic-qwen3-4b",
    "reasonembed-basic-llama-3.1-8b", "qwen3-embedding-0.6b", "qwen3-embedding-4b",
    "qwen3-embedding-8b", "gte-qwen1.5-7b", "gte-qwen2-7b", "e5-mistral-7b", "sfr-mistral",
    "gritlm-7b", "reasonir-8b", "rader-gte-qwen2-7b", "diver-retriever-0.6b",
    "diver-retriever-1.7b", "diver-retriever-4b", "diver-retriever-4b-1020",
    "llama-nv-embed-reasoning-3b", "inf-retriever-v1", "inf-retriever-v1-1.5b",
    "bge-large-en-v1.5", "bge-m3", "all-mpnet-base-v2", "minilm", "instructor-l",
    "instructor-xl", "contriever", "multilingual-e5-small", "potion-base-8m",
    "potion-multilingual-128m", "openai-3-large", "voyage", "cohere", "gemini", "bm25",
    "bm25-bow", "wordllama", "splade-v3", "splade-cocondenser", "opensearch-doc-v3-distill",
    "granite-30m-sparse", "reason-moderncolbert", "gte-moderncolbert", "lateon",
    "answerai-colbert-small", "jina-colbert-v2",
]  # fmt: skip


def stated(card: ModelCard) -> set[str]:
    """Return the fields in which a card says something about its model."""
    found = {
        each.name
        for each in fields(card)
        if each.name not in NOT_A_FACT and getattr(card, each.name) not in (None, "", 0, (), {})
    }
    if card.licence == "unknown":
        found.discard("licence")
    if card.normalize:
        found.discard("normalize")
    else:
        found.add("normalize")
    return found


def test_the_models_that_must_be_there_are():
    assert set(REQUIRED) <= set(CARDS)


@pytest.mark.parametrize("name", CARDS)
def test_every_stated_fact_has_its_source(name: str):
    card = CARDS[name]
    assert stated(card) - set(card.sources) == set()
    assert all(source.strip() for source in card.sources.values())


@pytest.mark.parametrize("name", CARDS)
def test_names_are_lower_case_and_backends_exist(name: str):
    card = CARDS[name]
    assert name == card.name == name.lower()
    assert card.backend in ("bm25", "sparse", "late") or card.backend in EMBEDDERS
    assert card.title


@pytest.mark.parametrize("name", CARDS)
def test_a_revision_is_a_commit_or_owned_to_be_none(name: str):
    card = CARDS[name]
    if card.hub_id and not re.fullmatch(r"[0-9a-f]{40}", card.revision):
        assert re.search(r"no commit|inside the PyPI package", card.sources["revision"])


@pytest.mark.parametrize("name", CARDS)
def test_every_template_fills_in_for_every_task(name: str):
    for task, wording in WORDINGS.items():
        for role in ("query", "document"):
            text = render(CARDS[name], role, wording)
            assert "{" not in text, task
            assert "  " not in text, task


@pytest.mark.parametrize(
    ("name", "task", "role", "wanted"),
    [
        ("reasonembed-qwen3-8b", "earth_science", "query", "Instruct: Given an Earth Science post, "
         "retrieve relevant passages that help answer the post.\nQuery: "),
        ("reasonembed-qwen3-8b", "leetcode", "query", "Instruct: Given a Coding problem, retrieve "
         "relevant examples that help answer the problem.\nQuery: "),
        ("qwen3-embedding-8b", "biology", "query", "Instruct: Given a Biology post, retrieve "
         "relevant passages that help answer the post.\nQuery:"),
        ("e5-mistral-7b", "sustainable_living", "query", "Instruct: Given a sustainable_living "
         "post, retrieve relevant passages that help answer the post\nQuery: "),
        ("gritlm-7b", "leetcode", "query", "<|user|>\nGiven a coding problem, retrieve relevant "
         "examples that help answer the problem\n<|embed|>\n"),
        ("gritlm-7b", "pony-long", "query", "<|user|>\nGiven a pony question, retrieve relevant "
         "documents that help answer the question\n<|embed|>\n"),
        ("gritlm-7b", "biology", "document", "<|embed|>\n"),
        ("bge-large-en-v1.5", "leetcode", "query", "Represent this Coding problem for searching "
         "relevant examples: "),
        ("bge-large-en-v1.5", "earth_science", "query", "Represent this earth_science post for "
         "searching relevant passages: "),
        ("bge-large-en-v1.5", "theoremqa_theorems", "query", "Represent this Math problem for "
         "searching relevant theorems: "),
        ("instructor-l", "biology", "query", "Represent the biology post for retrieving relevant "
         "paragraphs: "),
        ("instructor-l", "biology", "document", "Represent the biology paragraph for retrieval: "),
        ("instructor-l", "biology-long", "document", "Represent the biology document for "
         "retrieval: "),
        ("instructor-xl", "pony", "document", "Represent the Pony paragraph for retrieval: "),
        ("instructor-l", "leetcode", "document", "Represent the Coding example for retrieval: "),
        ("instructor-l", "theoremqa_theorems", "query", "Represent the Math problem for retrieving "
         "relevant theorems: "),
    ],
)  # fmt: skip
def test_instructions_are_their_authors(name: str, task: str, role: str, wanted: str):
    assert render(CARDS[name], role, WORDINGS[task]) == wanted


def test_lengths_on_bright_are_the_official_ones():
    lengths = {name: (card.max_query_length, card.max_document_length) for name, card in
               CARDS.items()}  # fmt: skip
    assert lengths["gritlm-7b"] == (256, 2048)
    assert lengths["e5-mistral-7b"] == (4096, 4096)
    assert lengths["reasonembed-qwen3-8b"] == (8192, 8192)
    assert lengths["minilm"] == (256, 256)


def test_an_unknown_field_in_a_template_is_told_with_the_known_ones():
    card = ModelCard(name="x", backend="static", query_instruction="{tusk}: ")
    with pytest.raises(BadInput, match="tusk") as caught:
        render(card, "query", WORDINGS["biology"])
    for field in template_values(WORDINGS["biology"]):
        assert "{" + field + "}" in caught.value.fix


@pytest.mark.parametrize("template", ["{", "{0}", "{name.x}", "{name!q}"])
def test_a_malformed_template_is_a_users_error(template: str):
    card = ModelCard(name="x", backend="static", query_instruction=template)
    with pytest.raises(BadInput):
        render(card, "query", WORDINGS["biology"])


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"name": "x"}, "backend is missing"),
        ({"backend": "static"}, "name is missing"),
        ({"name": "x", "backend": "static", "poling": "mean"}, "unknown key 'poling'"),
        ({"name": "x", "backend": "torch"}, "backend = 'torch'"),
        ({"name": "x", "backend": "static", "pooling": "max"}, "pooling = 'max'"),
        ({"name": "x", "backend": "static", "max_query_length": -1}, "max_query_length = -1"),
        ({"name": "x", "backend": "static", "max_query_length": True}, "max_query_length"),
        ({"name": "x", "backend": "static", "dtype": "int8"}, "dtype = 'int8'"),
    ],
)
def test_a_table_that_is_no_card_is_refused(table: dict, told: str):
    with pytest.raises(BadInput, match=told):
        card_from_mapping(table, "here")


def test_a_card_file_that_is_not_toml_or_absent_is_told(tmp_path):
    with pytest.raises(BadInput, match="no model card"):
        read_card(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("name = ")
    with pytest.raises(BadInput, match="not TOML"):
        read_card(tmp_path / "bad.toml")


def test_a_card_survives_its_own_table():
    card = CARDS["gritlm-7b"]
    table = {key: value for key, value in card_json(card).items() if value is not None}
    assert card_from_mapping(table, "here") == card


def test_an_unknown_model_is_answered_with_near_names():
    with pytest.raises(UnknownName, match="Did you mean minilm"):
        find_card("minlm")


def test_empty_load_options_change_nothing():

    for card in CARDS.values():
        assert make_spec(card).card == card
