"""Counting and cutting texts before they are sent, against the tokenizers themselves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.core.errors import BadInput, DataUnavailable, MissingExtra
from models.backends.server_tokens import (
    EstimatedTokens,
    FileTokens,
    ServerTokenizer,
    TiktokenTokens,
    open_tokens,
)

PIECES = ["a", "b", "ab", "abc", "c", "ca", " ", "ä", "€", "🙂", "<|endoftext|>", "\n"]
texts = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)


@pytest.fixture(scope="module")
def byte_pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small byte-level BPE that merges, so that a beginning may split in another way."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, initial_alphabet=alphabet, special_tokens=["<s>"], show_progress=False
    )
    tokenizer.train_from_iterator(["abc abc abca cab ab ä€ ä€ 🙂🙂"] * 20, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 0)]
    )
    folder = tmp_path_factory.mktemp("bpe")
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture
def tiktoken_tokens(monkeypatch: pytest.MonkeyPatch) -> TiktokenTokens:
    """OpenAI's package with a vocabulary of single bytes and a few pairs, as none is here."""
    tiktoken = pytest.importorskip("tiktoken")
    ranks = {bytes([value]): value for value in range(256)}
    ranks |= {b"ab": 256, b"abc": 257, b" a": 258}
    encoding = tiktoken.Encoding(
        name="small",
        pat_str=r"\s?\S+|\s",
        mergeable_ranks=ranks,
        special_tokens={"<|endoftext|>": 300},
    )
    monkeypatch.setattr(tiktoken, "get_encoding", lambda name: encoding)
    return TiktokenTokens("small")


Opened = Callable[[], ServerTokenizer]


def check_cut(tokens: ServerTokenizer, text: str, limit: int) -> None:
    """What is left begins the text, fits, and could not be longer."""
    cut = tokens.cut(text, limit)
    assert text.startswith(cut)
    assert tokens.count([cut]) <= [limit]
    if tokens.count([text]) <= [limit]:
        assert cut == text
    else:
        assert tokens.count([text])[0] > limit


@given(text=texts, limit=st.integers(2, 20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_files_tokenizer_cuts_to_what_fits(byte_pairs: Path, text: str, limit: int) -> None:
    check_cut(FileTokens(str(byte_pairs)), text, limit)


@given(text=texts, limit=st.integers(1, 20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_tiktoken_cuts_to_what_fits(tiktoken_tokens: TiktokenTokens, text: str, limit: int) -> None:
    check_cut(tiktoken_tokens, text, limit)


def test_counts_are_the_tokenizers_own(byte_pairs: Path) -> None:
    from tokenizers import Tokenizer

    own = Tokenizer.from_file(str(byte_pairs / "tokenizer.json"))
    some = ["", "abc abca", "ä€🙂", "<|endoftext|>"]
    assert FileTokens(str(byte_pairs)).count(some) == [len(own.encode(text).ids) for text in some]


def test_a_special_tokens_name_in_a_text_is_only_text(tiktoken_tokens: TiktokenTokens) -> None:
    assert tiktoken_tokens.count(["<|endoftext|>", "abc"]) == [13, 1]
    assert tiktoken_tokens.cut("<|endoftext|>", 3) == "<|e"
    assert tiktoken_tokens.identity == "tiktoken:small"


def test_a_character_is_never_cut_in_two(tiktoken_tokens: TiktokenTokens) -> None:
    assert tiktoken_tokens.cut("a€b", 3) == "a"


def test_a_beginning_that_splits_into_more_tokens_is_cut_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`abc!` is one word of two tokens here; without its `!` it is three words."""
    tiktoken = pytest.importorskip("tiktoken")
    ranks = {bytes([value]): value for value in range(256)} | {b"ab": 256, b"abc": 257}
    encoding = tiktoken.Encoding(
        name="odd", pat_str=r"[a-z]+!|.", mergeable_ranks=ranks, special_tokens={}
    )
    monkeypatch.setattr(tiktoken, "get_encoding", lambda name: encoding)
    tokens = TiktokenTokens("odd")
    assert tokens.count(["abc!", "abc"]) == [2, 3]
    assert tokens.cut("abc!", 1) == "a"


def test_the_estimate_stays_above_what_english_needs() -> None:
    estimate = EstimatedTokens()
    assert estimate.count(["", "abc", "abcd", "äöü"]) == [0, 1, 2, 2]
    assert estimate.cut("abc" * 100, 1) == "abc" * 100
    assert estimate.identity == "server"


def test_which_tokenizer_a_name_stands_for(tmp_path: Path) -> None:
    assert isinstance(open_tokens(""), EstimatedTokens)
    assert isinstance(open_tokens("tiktoken:cl100k_base"), TiktokenTokens)
    assert open_tokens("org/model").identity == "org/model"
    with pytest.raises(DataUnavailable, match=r"no tokenizer\.json"):
        _ = open_tokens(str(tmp_path)).identity


def test_the_file_is_the_identity(byte_pairs: Path, tmp_path: Path) -> None:
    text = (byte_pairs / "tokenizer.json").read_text()
    for name in ("one", "two", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tokenizer.json").write_text(text + (" " if name == "other" else ""))
    one, two, other = (
        FileTokens(str(tmp_path / name)).identity for name in ("one", "two", "other")
    )
    assert one == two != other


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(DataUnavailable, match="cannot be loaded") as caught:
        FileTokens(str(tmp_path)).count(["a"])
    assert str(tmp_path) in caught.value.message


def test_an_unknown_encoding_lists_the_known() -> None:
    pytest.importorskip("tiktoken")
    with pytest.raises(BadInput, match="no encoding 'cl1000k'") as caught:
        TiktokenTokens("cl1000k").count(["a"])
    assert "cl100k_base" in caught.value.fix


def test_an_encoding_that_cannot_be_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    tiktoken = pytest.importorskip("tiktoken")

    def unreachable(name: str) -> Any:
        raise ConnectionError("no route")

    monkeypatch.setattr(tiktoken, "get_encoding", unreachable)
    with pytest.raises(DataUnavailable, match="no route") as caught:
        TiktokenTokens("cl100k_base").count(["a"])
    assert "TIKTOKEN_CACHE_DIR" in caught.value.fix


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tiktoken", None)
    with pytest.raises(MissingExtra, match=r"rebench-retrieval\[api\]"):
        TiktokenTokens("cl100k_base").count(["a"])
