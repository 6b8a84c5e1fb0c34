"""Long texts tokenised in pieces: the tokens and vectors of the whole, in bounded memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.backends.pieces import PieceTokenizer
from models.backends.server_tokens import FileTokens
from tests.helpers import tiny

pytest.importorskip("tokenizers")
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, trainers

WORDS = st.sampled_from(
    [*tiny.WORDS, "Ärger", "水の心", "1999", "x1", "don't", "🌊", "\u0301", "</s>"]
)
GAPS = st.sampled_from([" ", " ", " ", "  ", "\n", "\t", ". ", "", "\u00a0", " \n ", "\u2581"])
TEXTS = st.lists(st.tuples(WORDS, GAPS), max_size=60).map(
    lambda parts: "".join(word + gap for word, gap in parts)
)


def trained(normalizer, words, model=None, more: Sequence[str] = ()) -> Tokenizer:
    """Return a small BPE tokenizer of some make, trained on the tests' words."""
    tokenizer = Tokenizer(model or models.BPE(byte_fallback=True, unk_token="<unk>"))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    if words is not None:
        tokenizer.pre_tokenizer = words
    trainer = trainers.BpeTrainer(
        vocab_size=400 + len(more), special_tokens=["<unk>", "</s>", *more], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    # Word by word, so that no token reaches across a space unless its maker lets it.
    tokenizer.train_from_iterator([*tiny.WORDS, *(" " + word for word in tiny.WORDS)], trainer)
    return tokenizer


def sentencepiece() -> Tokenizer:
    """Return a tokenizer made as Llama 2's: a space before every text, no words."""
    mark = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    return trained(mark, None, more=[f"<0x{byte:02X}>" for byte in range(256)])


MAKES = {
    "llama 2": sentencepiece,
    "byte level": lambda: trained(None, pre_tokenizers.ByteLevel(add_prefix_space=False)),
    "byte level, prefixed": lambda: trained(None, pre_tokenizers.ByteLevel(add_prefix_space=True)),
    "metaspace": lambda: trained(normalizers.NFKC(), pre_tokenizers.Metaspace()),
    "white space": lambda: trained(normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()),
}


@pytest.fixture(scope="module", params=MAKES)
def make(request: pytest.FixtureRequest) -> str:
    return request.param


_MADE: dict[str, tuple[PieceTokenizer, PieceTokenizer]] = {}


def both(make: str) -> tuple[PieceTokenizer, PieceTokenizer]:
    """Return a tokenizer that cuts after 7 characters, and one that never cuts."""
    if make not in _MADE:
        whole = PieceTokenizer(MAKES[make](), 10**9)
        _MADE[make] = PieceTokenizer(MAKES[make](), 7), whole
    return _MADE[make]


@settings(max_examples=60, deadline=None)
@given(text=TEXTS)
def test_pieces_have_the_tokens_of_the_whole(make: str, text: str):
    pieces, whole = both(make)
    np.testing.assert_array_equal(next(pieces.ids([text])), next(whole.ids([text])))


def test_each_make_is_really_cut(make: str):
    pieces, _ = both(make)
    assert len(list(pieces._pieces("moss grow on stone and the river " * 3))) > 8


def test_a_tokenizer_whose_tokens_hold_spaces_is_never_cut():
    tokenizer = Tokenizer(models.BPE({"a": 0, " ": 1, "b": 2, "a ": 3, "a b": 4},
                                     [("a", " "), ("a ", "b")]))  # fmt: skip
    pieces = PieceTokenizer(tokenizer, 2)
    assert [piece.text for piece in pieces._pieces("a b a b a b")] == ["a b a b a b"]
    added = MAKES["white space"]()
    added.add_tokens([AddedToken("moss grow", normalized=False)])
    assert len(list(PieceTokenizer(added, 2)._pieces("why does moss grow"))) == 1


@pytest.mark.parametrize("kind", ["qwen3", "llama", "bert"])
def test_tokenizers_of_models_agree(kind: str, request: pytest.FixtureRequest):
    folder = request.getfixturevalue(kind)
    text = "why does moss  grow\non stone, and the 12 rivers? " * 40
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    whole = next(PieceTokenizer(tokenizer, 10**9).ids([text], "a proof: "))
    np.testing.assert_array_equal(
        next(PieceTokenizer(tokenizer, 50).ids([text], "a proof: ")), whole
    )
    tokens = FileTokens(str(folder))
    cut = tokens.cut(text, 100)
    tokens._pieces._piece = 50
    assert tokens.cut(text, 100) == cut
    assert tokens.count([text])[0] == len(tokens._tokenizer.encode(text).ids)


@pytest.fixture(scope="module")
def wordllama():
    """Return our table, cutting often, and the package's own model."""
    package = pytest.importorskip("wordllama")
    from models.backends.static_tables import CONFIG, WordLlamaTable

    table = WordLlamaTable(256)
    table._pieces._piece = 40
    theirs = package.WordLlama.load(
        config=CONFIG, cache_dir=table._folder, dim=256, disable_download=True
    )
    return table, theirs


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(TEXTS, min_size=1, max_size=4))
def test_wordllama_is_the_packages_bit_by_bit(wordllama, texts: list[str]):
    table, theirs = wordllama
    expected = theirs.embed(texts, norm=False, batch_size=len(texts))
    np.testing.assert_array_equal(table.means(texts, 0), expected)
    encoded = theirs.tokenizer.encode_batch(texts, add_special_tokens=False)
    assert table.counts(texts).tolist() == [sum(each.attention_mask) for each in encoded]


def test_wordllama_takes_half_a_surrogate_pair(wordllama):
    table, _ = wordllama
    np.testing.assert_array_equal(table.means(["x\udcffy"], 0), table.means(["x\ufffdy"], 0))


@pytest.mark.parametrize("weighted", [False, True])
def test_a_long_text_of_model2vec_has_the_packages_vector(
    model2vec, tmp_path, monkeypatch, weighted
):
    from models.backends import static_tables
    from models.registry import resolve_model
    from models.spec import LoadOptions

    table = static_tables.Model2VecTable(resolve_model(str(model2vec), LoadOptions(), {}).card, "")
    text = "moss unseen stone tide river " * 50
    if weighted:
        size = len(table._model.tokens)
        table._model.weights = np.linspace(0.5, 1.5, size).astype(np.float32)
        table._model.token_mapping = np.arange(size)[::-1].copy()
    expected = table.means([text, "moss"], 0)
    monkeypatch.setattr(static_tables, "PIECE_CHARACTERS", 100)
    monkeypatch.setattr(static_tables, "ROWS_AT_ONCE", 7)
    np.testing.assert_array_equal(table.means([text, "moss"], 0), expected)
    assert not table.means(["unseen " * 50], 0).any()


UNBROKEN = {
    "Chinese": "水の心臓為何苔蘚生長於石上河流變化無常",
    "kana": "こけはなぜいしのうえにはえるのでしょうか",
    "Hangul": "이끼는왜돌위에서자라는가강은왜변하는가",
    "base64": "Qm9vdHN0cmFwIGlzIGEgcmVzYW1wbGluZyBtZXRob2Q",
    "letters": "mosszqxjwvkgrowqzjxstonewvzkriverjqx",
    "one letter": "a",
    "digits": "3141592653589793238462643383279502884197",
}


@settings(max_examples=40, deadline=None)
@given(
    parts=st.lists(
        st.sampled_from([*UNBROKEN.values(), "</s>", "moss", "ｱ", "e\u0301", "\u3099"]),
        min_size=4,
        max_size=30,
    )
)
def test_unbroken_text_has_the_tokens_of_the_whole(make: str, parts: list[str]):
    pieces, whole = both(make)
    text = "".join(parts)
    np.testing.assert_array_equal(next(pieces.ids([text])), next(whole.ids([text])))


@pytest.mark.parametrize("kind", ["qwen3", "llama", "bert"])
def test_unbroken_text_of_models_agrees(kind: str, request: pytest.FixtureRequest):
    folder = request.getfixturevalue(kind)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    whole, cut = PieceTokenizer(tokenizer, 10**9), PieceTokenizer(tokenizer, 30)
    for name, text in UNBROKEN.items():
        expected = next(whole.ids([text * 30]))
        np.testing.assert_array_equal(next(cut.ids([text * 30])), expected, name)
    if kind != "llama":  # this tiny one's patterns are none that the rules know
        assert len(list(cut._pieces(UNBROKEN["Chinese"] * 30))) > 8


@pytest.mark.parametrize(
    ("make", "name"),
    [("llama 2", "Chinese"), ("llama 2", "base64"), ("llama 2", "digits"),
     ("byte level", "Chinese"), ("byte level", "letters")],
)  # fmt: skip
def test_unbroken_text_is_really_cut(make: str, name: str):
    pieces, _ = both(make)
    assert len(list(pieces._pieces(UNBROKEN[name] * 20))) > 8


def test_a_word_beyond_wordpieces_limit_is_one_unknown_token():
    from models.backends.unbroken import shortened_words

    tokenizer = MAKES["white space"]()
    table = {"[UNK]": 0, "moss": 1, "a": 2, "##a": 3}
    tokenizer.model = models.WordPiece(table, unk_token="[UNK]", max_input_chars_per_word=100)
    text = "moss " + "a" * 5000 + " moss"
    expected = tokenizer.encode(text, add_special_tokens=False).ids
    assert next(PieceTokenizer(tokenizer).ids([text])).tolist() == expected == [1, 0, 1]
    assert len(shortened_words(tokenizer)(text)) < 1100


def test_wordllama_takes_unbroken_text_bit_by_bit(wordllama):
    table, theirs = wordllama
    texts = [text * 40 for text in UNBROKEN.values()]
    expected = theirs.embed(texts, norm=False, batch_size=len(texts))
    np.testing.assert_array_equal(table.means(texts, 0), expected)
    assert len(list(table._pieces._pieces(UNBROKEN["Chinese"] * 40))) > 8


LONG = """
from models.backends.static_tables import WordLlamaTable
def peak():
    line = next(l for l in open("/proc/self/status") if l.startswith("VmHWM"))
    return int(line.split()[1]) // 1024
table = WordLlamaTable(256)
table.means(["moss"], 0)
before = peak()
import sys
texts = [text * (500_000 // len(text)) for text in sys.argv[1:]]
table.counts([*texts, "short"])
table.means([*texts, "short"], 0)
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_long_documents_take_little_memory():
    pytest.importorskip("wordllama")
    texts = ("why does moss grow on stone and river ", UNBROKEN["Chinese"])
    done = subprocess.run(
        [sys.executable, "-c", LONG, *texts], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 100  # MiB; whole and padded, a million letters took 2,900
