"""Encoding through the store: each text once, equal vectors, nothing loaded when all is there."""

from __future__ import annotations

import numpy as np
import pytest

from harness.cache import store as writer_module
from harness.cache.codecs.dense import DenseCodec
from harness.cache.keys import text_keys
from harness.cache.store import EmbeddingStore
from harness.core.errors import ModelError
from models.backends.static import StaticEmbedder
from tests.helpers.cache_embedders import (
    Asleep,
    Bent,
    Cramped,
    Limited,
    Recorder,
    Watched,
    encode_texts,
    some_texts,
)


@pytest.fixture
def store(tmp_path) -> EmbeddingStore:
    return EmbeddingStore(tmp_path / "cache")


def run(embedder, texts, store, reporter=None, role="document"):
    return encode_texts(embedder, texts, role, "", store, reporter or Recorder())


def one_by_one(texts) -> np.ndarray:
    """Return the vectors by the plain way: one text a call, in order."""
    embedder = Watched()
    rows = [
        StaticEmbedder.encode(embedder, [text], role="document", instruction="") for text in texts
    ]
    return np.concatenate(rows)


@pytest.mark.parametrize("kept", [False, True], ids=["no store", "store"])
def test_rows_belong_to_their_texts(store, kept) -> None:
    texts = some_texts(60)
    texts = [*texts, "", *texts[10:40], "", "last"]
    encoded = run(Watched(), texts, store if kept else None)
    assert encoded.vectors.dtype == np.float32
    np.testing.assert_allclose(encoded.vectors, one_by_one(texts), atol=1e-6)
    assert not encoded.vectors[60].any()  # the empty text


def test_a_warm_run_touches_neither_model_nor_tokenizer(store) -> None:
    texts = some_texts(80)
    cold = run(Watched(), texts, store)
    warm = run(Asleep(), texts[::-1], store)
    assert (warm.encoded, warm.reused, warm.encoded_tokens) == (0, 80, 0)
    assert warm.tokens == cold.tokens
    assert np.array_equal(warm.vectors, cold.vectors[::-1])


def test_thirty_percent_duplicates_are_thirty_percent_fewer_texts(store) -> None:
    texts = some_texts(70)
    corpus = texts + texts[:30]
    embedder = Watched()
    encoded = run(embedder, corpus, store)
    assert sorted(embedder.seen) == sorted(texts)
    assert (encoded.encoded, len(encoded.vectors)) == (70, 100)
    assert np.array_equal(encoded.vectors[70:], encoded.vectors[:30])


def test_a_second_task_on_the_same_corpus_encodes_none(store) -> None:
    texts = some_texts(50)
    run(Watched(), texts, store)
    second = Watched()
    assert run(second, list(reversed(texts)), store).encoded == 0
    assert second.calls == []


def test_only_what_is_missing_of_a_batch_is_encoded_and_counted(store) -> None:
    texts = some_texts(40)
    run(Watched(), texts[::2], store)
    second = Watched()
    encoded = run(second, texts, store)
    assert sorted(second.seen) == sorted(second.counted) == sorted(texts[1::2])
    assert (encoded.encoded, encoded.reused) == (20, 20)
    np.testing.assert_allclose(encoded.vectors, one_by_one(texts), atol=1e-6)


def test_batches_are_the_same_whatever_is_stored_and_in_whatever_order(store, tmp_path) -> None:
    texts = some_texts(80, longest=6)  # many of equal length
    undisturbed = Watched(budget=64)
    run(undisturbed, texts, store)
    other = EmbeddingStore(tmp_path / "other")
    folder = other.space(undisturbed.space("document", ""))
    stored = undisturbed.calls[1::3]
    for call in stored:
        counts = Watched().token_counts(call, "document", "")
        vectors = np.ones((len(call), 256), np.float32)
        folder.write_shard(text_keys(call), counts, vectors, DenseCodec())
    resumed = Watched(budget=64)
    run(resumed, texts[::-1], other)
    rest = [call for call in undisturbed.calls if call not in stored]
    assert sorted(resumed.calls) == sorted(rest)
    assert len(stored) > 3


def test_tokens_and_truncation_are_known_without_the_tokenizer(store) -> None:
    texts = ["light", "light prism colour river stone", "", *some_texts(20)]
    counts = Watched().token_counts(texts, "document", "")
    for repeat in (texts, texts + texts):
        encoded = run(Limited(limit=6), repeat, store)
        assert encoded.tokens == counts.sum() * len(repeat) / len(texts)
        assert encoded.truncated == (counts > 6).sum() * len(repeat) / len(texts)
    assert run(Watched(), texts, store).truncated == 0


def test_encoded_tokens_are_those_the_model_saw(store) -> None:
    texts = some_texts(20)
    counts = Watched().token_counts(texts, "document", "")
    encoded = run(Limited(limit=6), texts + texts, store)
    assert encoded.encoded_tokens == np.minimum(counts, 6).sum()


def test_progress_is_told_in_texts_and_tokens(store) -> None:
    reporter, texts = Recorder(), some_texts(30)
    encoded = run(Watched(), texts + texts[:5], store, reporter)
    assert reporter.bars["encoding documents"] == [30, 30, encoded.encoded_tokens]
    run(Asleep(), texts, store, warm := Recorder())
    assert "encoding documents" not in warm.bars
    assert warm.bars["reading stored vectors"][:2] == [30, 30]


def test_out_of_memory_halves_the_batch_and_is_remembered(store) -> None:
    texts = some_texts(120, longest=12)
    embedder = Cramped(room=100, budget=2000)
    encoded = run(embedder, texts, store)
    np.testing.assert_allclose(encoded.vectors, one_by_one(texts), atol=1e-6)
    assert sorted(embedder.seen) == sorted(texts)  # nothing twice, nothing left out
    # 2,000 tokens halved until they fit 100: five refusals, and none after that.
    assert 1 <= embedder.refused <= 5


@pytest.mark.parametrize("budget", [0, 1], ids=["any number", "one at a time"])
def test_odd_budgets(store, budget) -> None:
    texts = some_texts(30)
    embedder = Watched(budget=budget)
    run(embedder, texts, store)
    assert len(embedder.calls) == (1 if budget == 0 else 30)


def test_a_text_that_fits_nowhere_is_named_by_its_length(store) -> None:
    texts = [*some_texts(10, longest=3), "stone " * 200]
    with pytest.raises(ModelError, match=r"a text of \d{3} tokens \(1,200 characters\)"):
        run(Cramped(room=100, budget=400), texts, store)


def spoil(value):
    def bend(texts, vectors):
        vectors = vectors.copy()
        vectors[-1, 0] = value
        return vectors

    return bend


@pytest.mark.parametrize(
    ("bend", "says"),
    [
        (spoil(np.nan), "1 of 10 vectors that are not finite"),
        (spoil(np.inf), "not finite"),
        (lambda texts, v: v[:-1], r"shape \(9, 256\) for 10 texts"),
        (lambda texts, v: v[0], "shape"),
        (lambda texts, v: v[:, :100], "100 components; its card says 256"),
        (lambda texts, v: v * np.float32(1.01), r"norm 1; 10 of 10 differ .* 1\.01"),
        (lambda texts, v: v * np.float32(0), "10 zero vectors for texts that have tokens"),
        (lambda texts, v: v.astype(np.float64), "float64"),
    ],
    ids=["NaN", "infinite", "too few", "one row", "narrow", "long", "zero", "double"],
)
def test_unusable_vectors_stop_the_run(store, bend, says) -> None:
    with pytest.raises(ModelError, match=says):
        run(Bent(bend, budget=0), some_texts(10), store)
    (folder,) = store.spaces()
    assert folder.shard_paths() == []


def test_what_was_finished_before_a_bad_vector_is_kept(store) -> None:
    texts = some_texts(60)

    def bend(batch, vectors):
        return vectors * np.float32("nan") if texts[33] in batch else vectors

    broken = Bent(bend)
    with pytest.raises(ModelError, match="not finite"):
        run(broken, texts, store)
    again = Watched()
    run(again, texts, store)
    finished = {text for call in broken.calls[:-1] for text in call}
    assert finished
    assert set(again.seen) == set(texts) - finished


def test_ctrl_c_keeps_what_is_finished(store) -> None:
    texts = some_texts(60)

    def bend(batch, vectors):
        if texts[33] in batch:
            raise KeyboardInterrupt
        return vectors

    stopped = Bent(bend)
    with pytest.raises(KeyboardInterrupt):
        run(stopped, texts, store)
    again = Watched()
    run(again, texts, store)
    assert len(again.seen) == 60 - sum(len(call) for call in stopped.calls[:-1]) < 60


def test_another_dimension_under_one_identity_is_an_error(store) -> None:
    class Unsaid(Bent):
        def space(self, role, instruction):
            from dataclasses import replace

            return replace(super().space(role, instruction), dimension=0, normalize=False)

    texts = some_texts(20)
    run(Unsaid(lambda _, v: v), texts[:10], store)
    with pytest.raises(ModelError, match=r"256 and 128 components"):
        run(Unsaid(lambda _, v: v[:, :128]), texts, store)


def test_shards_hold_whole_batches_and_are_cut_by_size(store, monkeypatch) -> None:
    monkeypatch.setattr(writer_module, "FLUSH_BYTES", 20 * 256 * 4)
    embedder = Watched()
    run(embedder, some_texts(100), store)
    (folder,) = store.spaces()
    from harness.cache.shard import read_head

    rows = [read_head(path).rows for path in folder.shard_paths()]
    assert sum(rows) == 100
    sizes = [len(call) for call in embedder.calls]
    ends = set(np.cumsum(sizes))
    assert set(np.cumsum(rows)) <= ends
    assert len(rows) > 2
    assert all(count < 20 + max(sizes) for count in rows)


def test_shards_are_cut_by_time(store, monkeypatch) -> None:
    monkeypatch.setattr(writer_module, "FLUSH_SECONDS", 0.0)
    embedder = Watched()
    run(embedder, some_texts(100), store)
    (folder,) = store.spaces()
    assert len(folder.shard_paths()) == len(embedder.calls)


def test_no_texts_is_said(store) -> None:
    with pytest.raises(ModelError, match="no text"):
        run(Watched(), [], store)


def test_bad_token_counts_are_refused(store) -> None:
    class Miscounting(Watched):
        def token_counts(self, texts, role, instruction):
            return super().token_counts(texts, role, instruction)[:-1]

    with pytest.raises(ModelError, match="counted the tokens of 9 texts"):
        run(Miscounting(), some_texts(9), store)
