"""Tokens: cut as transformers cuts, tokenised once, white space kept."""

from __future__ import annotations

import numpy as np
import pytest

from harness.core.errors import BadInput
from models.backends.tokens import Tokens, TokenSettings, load_tokenizer, padded
from tests.helpers import tiny

TEXTS = [*tiny.TEXTS, "", "  two  spaces ", "moss\n\nstone", "Ärger 水 🌊"]


@pytest.fixture(params=["qwen3", "llama", "bert"])
def folder(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("limit", [0, 5, 9, 48])
def test_ids_are_those_of_transformers(folder, side, limit):
    reference = load_tokenizer(folder, trust_remote_code=False)
    tokens = Tokens(load_tokenizer(folder, trust_remote_code=False), TokenSettings(side))
    reference.truncation_side = side
    cut = {"truncation": True, "max_length": limit} if limit else {"truncation": False}
    wanted = [ids or [tokens.padding_id] for ids in reference(TEXTS, **cut)["input_ids"]]
    assert [ids.tolist() for ids in tokens.take(TEXTS, "", limit)] == wanted
    full = reference(TEXTS, truncation=False)["input_ids"]
    assert tokens.counts(TEXTS, "", limit).tolist() == [max(1, len(ids)) for ids in full]


def test_the_instruction_stands_before_each_text(qwen3):
    tokens = Tokens(load_tokenizer(qwen3, trust_remote_code=False), TokenSettings())
    both = tokens.take(["moss"], "why does ", 0)[0]
    assert both.tolist() == tokens.take(["why does moss"], "", 0)[0].tolist()
    assert len(both) > len(tokens.take(["moss"], "", 0)[0])


def test_white_space_is_part_of_the_text(qwen3):
    tokens = Tokens(load_tokenizer(qwen3, trust_remote_code=False), TokenSettings())
    plain, spaced = tokens.take(["moss", " moss\n"], "", 0)
    assert plain.tolist() != spaced.tolist()


def test_what_was_counted_is_not_tokenised_again_until_it_is_forgotten(qwen3, monkeypatch):
    tokens = Tokens(load_tokenizer(qwen3, trust_remote_code=False), TokenSettings())
    texts = list(tiny.TEXTS)
    tokens.counts(texts, "q ", 9)
    seen = []
    inner = tokens._pieces
    original = inner._encode
    monkeypatch.setattr(inner, "_encode", lambda some: seen.extend(some) or original(some))
    kept = tokens.take(texts, "q ", 9)
    assert seen == []
    assert tokens.take(texts[:1], "q ", 5)[0].tolist() != kept[0].tolist()
    assert tokens.take(texts[:1], "r ", 9)[0].tolist() != kept[0].tolist()
    assert len(seen) == 2
    tokens.forget(texts[:2], "q ", 9)
    again = tokens.take(texts, "q ", 9)
    assert seen[2:] == ["q " + text for text in texts[:2]]
    assert [ids.tolist() for ids in again] == [ids.tolist() for ids in kept]


def test_the_memory_is_bounded(qwen3, monkeypatch):
    monkeypatch.setattr("models.backends.tokens.KEPT_TOKENS", 10)
    tokens = Tokens(load_tokenizer(qwen3, trust_remote_code=False), TokenSettings())
    counts = tokens.counts(list(tiny.TEXTS), "", 0)
    assert tokens._kept_tokens <= 10 < counts.sum()
    tokens.forget(list(tiny.TEXTS), "", 0)
    assert tokens._kept_tokens == 0
    assert not tokens._kept


def test_texts_are_tokenised_in_pieces(qwen3, monkeypatch):
    whole = Tokens(load_tokenizer(qwen3, trust_remote_code=False), TokenSettings())
    wanted = whole.counts(TEXTS, "", 0)
    monkeypatch.setattr("models.backends.pieces.CHARACTERS_AT_ONCE", 30)
    pieces = Tokens(load_tokenizer(qwen3, trust_remote_code=False), TokenSettings())
    calls = []
    inner = pieces._pieces
    original = inner._encode
    monkeypatch.setattr(inner, "_encode", lambda some: calls.append(len(some)) or original(some))
    assert pieces.counts(TEXTS, "", 0).tolist() == wanted.tolist()
    assert len(calls) > 3
    assert sum(calls) == len(TEXTS)


def test_an_end_token_is_added_where_asked_and_missing(qwen3, llama):
    for folder, added in ((llama, 1), (qwen3, 0)):
        tokenizer = load_tokenizer(folder, trust_remote_code=False)
        plain = Tokens(tokenizer, TokenSettings()).take(["moss"], "", 0)[0]
        with_end = Tokens(tokenizer, TokenSettings(append_eos=True))
        assert len(with_end.take(["moss"], "", 0)[0]) == len(plain) + added
        cut = with_end.take([tiny.TEXTS[4]], "", 6)[0]
        assert len(cut) == 6
        assert cut[-1] == tokenizer.eos_token_id


def test_letters_are_lowered_where_the_folder_says_so(qwen3):
    tokenizer = load_tokenizer(qwen3, trust_remote_code=False)
    lowered = Tokens(tokenizer, TokenSettings(lower_case=True))
    upper, lower = lowered.take(["MOSS", "moss"], "", 0)
    assert upper.tolist() == lower.tolist()


def test_half_a_surrogate_pair_does_not_stop_the_run(qwen3):
    tokens = Tokens(load_tokenizer(qwen3, trust_remote_code=False), TokenSettings())
    broken, replaced = tokens.take(["a \ud800 b", "a \ufffd b"], "", 0)
    assert broken.tolist() == replaced.tolist()


def test_a_text_without_any_token_still_goes_through_the_model(llama):
    from tokenizers import processors

    tokenizer = load_tokenizer(llama, trust_remote_code=False)
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(single="$A")
    tokens = Tokens(tokenizer, TokenSettings())
    assert tokens.take([""], "", 0)[0].tolist() == [tokenizer.pad_token_id]
    assert tokens.counts([""], "", 0).tolist() == [1]


def test_a_limit_without_room_for_text_is_refused(bert):
    tokens = Tokens(load_tokenizer(bert, trust_remote_code=False), TokenSettings())
    with pytest.raises(BadInput, match="limit of 2 tokens"):
        tokens.take(["moss"], "", 2)


def test_padding_stands_on_the_right():
    ids, mask = padded([np.array([5, 6, 7], np.int32), np.array([8], np.int32)], 9)
    assert ids.tolist() == [[5, 6, 7], [8, 9, 9]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]


def test_the_prompt_is_counted_with_what_stands_before_it(bert, llama):
    for folder, special in ((bert, 1), (llama, 1)):
        tokens = Tokens(load_tokenizer(folder, trust_remote_code=False), TokenSettings())
        words = len(tokens.take(["why does"], "", 0)[0]) - len(tokens.take([""], "", 0)[0])
        assert tokens.prompt_tokens("why does") == special + words
        assert tokens.prompt_tokens("") == 0
