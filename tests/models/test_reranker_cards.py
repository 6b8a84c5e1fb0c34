"""Every reranker card that ships: readable, sourced, and made to be run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.api.local_rerankers import how_to_run
from harness.api.named_rerankers import PROMPT_FILES, REPLY_TOKENS
from harness.core.errors import BadInput
from harness.pipelines.chat_rerank.wording import PLACEHOLDERS
from models.rerankers.card import CHAT_METHODS, YES_NO, RerankerCard, reranker_json
from models.rerankers.find import find_reranker
from models.rerankers.shipped import read_reranker, shipped_rerankers

CARDS = shipped_rerankers()
NOT_A_FACT = {"name", "method", "title", "family", "sources", "prompt"}
REQUIRED = [
    "qwen3-reranker-0.6b", "qwen3-reranker-4b", "qwen3-reranker-8b", "bge-reranker-v2-m3",
    "bge-reranker-v2.5-gemma2-lightweight", "retro-star-qwen3-8b", "reasonrank-7b",
    "reasonrank-32b", "rank1-7b", "rader-reranker-7b", "erank-4b", "jina-reranker-v3",
    "mxbai-rerank-base-v2",
]  # fmt: skip


def test_the_rerankers_that_must_be_there_are():
    assert set(REQUIRED) <= set(CARDS)
    assert set(PROMPT_FILES) == set(REPLY_TOKENS) == CHAT_METHODS


@pytest.mark.parametrize("name", CARDS)
def test_every_stated_fact_has_its_source(name: str):
    card = CARDS[name]
    assert name == card.name == name.lower()
    stated = set(reranker_json(card)) - NOT_A_FACT
    if card.licence == "unknown":
        stated.discard("licence")
    if card.sampling == type(card.sampling)():
        stated.discard("sampling")
    if not card.prompt:  # a wording of ours is no fact about somebody else's model
        assert stated - set(card.sources) == set()
    assert all(source.strip() for source in card.sources.values())
    assert how_to_run(card)
    if card.hub_id and not re.fullmatch(r"[0-9a-f]{40}", card.revision):
        assert "no commit" in card.sources["revision"]


@pytest.mark.parametrize("name", [name for name, card in CARDS.items() if card.method == YES_NO])
def test_the_template_is_what_libraries_render_of_it(name: str):
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    card = CARDS[name]
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(card.jinja)
    pair = [{"role": "query", "content": "why {query}?"}, {"role": "document", "content": "a\nb"}]
    assert template.render(messages=pair) == card.rendered("why {query}?", "a\nb")
    told = [{"role": "system", "content": "look"}, *pair]
    assert template.render(messages=told) == card.rendered("why {query}?", "a\nb", "look")


@pytest.mark.parametrize("name", [name for name, card in CARDS.items() if card.prompt])
def test_a_wording_of_ours_is_a_prompt_file(name: str):
    assert CARDS[name].prompt in PLACEHOLDERS


def test_cards_of_users_are_read_and_checked(tmp_path: Path):
    own = tmp_path / "mine.toml"
    own.write_text('kind = "reranker"\nname = "mine"\nmethod = "cross-encoder"\nfolder = "x"\n')
    assert find_reranker(str(own)) == RerankerCard("mine", "cross-encoder", folder="x")
    assert find_reranker("BAAI/bge-reranker-v2-m3@abc").revision == "abc"
    assert find_reranker("org/new@v1").hub_id == "org/new"
    for text, said in (
        ('name = "x"', "no reranker's card"),
        ('kind = "reranker"\nname = "x"\nmethod = "magic"', "method = 'magic'"),
        ('kind = "reranker"\nname = "x"\nmethd = "yes-no"', "unknown key 'methd'"),
    ):
        with pytest.raises(BadInput, match=said):
            read_reranker(text, "card.toml")
