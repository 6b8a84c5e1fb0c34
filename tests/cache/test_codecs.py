"""Every kind of vector: what goes into the store comes out, by the same code for all of them.

A new kind is a line in `SAMPLES` (how to make some) and one in `same` (how to compare them).
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.sparse import csr_array, issparse
from scipy.sparse import random as random_sparse

from harness.cache.batches import EncodingInput
from harness.cache.codecs.table import CODECS
from harness.cache.encode import encode_texts
from harness.cache.keys import distinct_texts, text_keys
from harness.cache.maintain import GcRule, collect_garbage, space_infos, verify_store
from harness.cache.shard import (
    SCHEMA,
    DamagedShard,
    NewerShard,
    read_head,
    read_vectors,
    shard_bytes,
)
from harness.cache.store import EmbeddingStore
from harness.core.errors import ModelError
from harness.core.hashing import space_fingerprint
from harness.core.progress import SilentReporter
from harness.core.rounding import rounded_to
from harness.core.types import ROUNDINGS, TokenVectors, VectorKind, VectorSpace
from tests.helpers.cache_embedders import Recorder, Watched, some_texts
from tests.helpers.shard_versions import as_version

SPACE = "0123456789abcdef0123456789abcdef"


def dense_vectors(rows: int, dimension: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, dimension)).astype(np.float32)


def sparse_vectors(rows: int, dimension: int, seed: int) -> csr_array:
    """Return rows of which the first has no term and the second has them all."""
    rng = np.random.default_rng(seed)
    made = random_sparse(rows, dimension, 0.4, "lil", np.float32, rng)
    made[0, :] = 0
    made[min(1, rows - 1), :] = 1 / 3
    return csr_array(made.tocsr())


def token_vectors(rows: int, dimension: int, seed: int) -> TokenVectors:
    """Return texts of which the first has no token and the others a few."""
    lengths = np.arange(rows) * 2 % 5
    starts = np.concatenate(([0], np.cumsum(lengths)))
    return TokenVectors(dense_vectors(int(starts[-1]), dimension, seed), starts)


def values_of(vectors: Any) -> np.ndarray:
    """Return the floats of vectors of any kind."""
    if isinstance(vectors, TokenVectors):
        return vectors.values
    return vectors.data if issparse(vectors) else vectors


SAMPLES: Mapping[VectorKind, Callable[[int, int, int], Any]] = {
    "dense": dense_vectors,
    "sparse": sparse_vectors,
    "multi-vector": token_vectors,
}
KINDS = pytest.mark.parametrize("kind", list(CODECS))


def same(one: Any, other: Any) -> bool:
    """Tell whether two sets of vectors are equal bit by bit."""
    if issparse(one):
        parts = ("data", "indices", "indptr")
        alike = all(np.array_equal(getattr(one, part), getattr(other, part)) for part in parts)
        return alike and one.shape == other.shape and one.dtype == other.dtype == np.float32
    if isinstance(one, TokenVectors):
        return np.array_equal(one.starts, other.starts) and same(one.values, other.values)
    return one.dtype == other.dtype and one.shape == other.shape and bool((one == other).all())


def sample(kind: VectorKind, rows: int = 6, dimension: int = 9) -> bytes:
    keys = text_keys([f"text {row}" for row in range(rows)])
    vectors = SAMPLES[kind](rows, dimension, 3)
    return shard_bytes(SPACE, keys, np.arange(rows), vectors, CODECS[kind])


def test_every_kind_has_its_line() -> None:
    assert set(CODECS) == set(SAMPLES) == set(get_args(VectorKind))
    schemas = [codec.schema for codec in CODECS.values()]
    assert sorted(set(schemas)) == schemas
    assert schemas[-1] == SCHEMA


def test_dense_files_and_spaces_are_those_of_the_first_version() -> None:
    # Hashes of what the version before other kinds wrote.
    vectors = np.arange(12, dtype=np.float32).reshape(3, 4) / np.float32(7)
    keys = text_keys(["a", "b", "c"])
    hashes = {
        "float32": "924e2c89aa36e7bbadd9d5bc2f10dd04f77d3fccd3b843a02d4133cb96f5c536",
        "bfloat16": "323a0c3ea6db4942b8c6c107865fa365ca0fbd053a1a8c516a367b78395b7ae2",
    }
    for written, values in zip(hashes.values(), (vectors, np.round(vectors * 7)), strict=True):
        whole = shard_bytes(SPACE, keys, np.array([1, 2, 3]), values, CODECS["dense"])
        assert hashlib.sha256(whole).hexdigest() == written
    space = VectorSpace(
        "m", "w", "b", "mean", True, "query", "i", 5, "float32", "right", "t", 7, {"a": 1}
    )
    assert space_fingerprint(space) == "af30957e053cf54b255e66445df26af7"
    assert space_fingerprint(replace(space, kind="sparse")) != space_fingerprint(space)


@KINDS
@pytest.mark.parametrize("dimension", [9, 70_000])
@pytest.mark.parametrize("bits", [32, 16])
def test_what_goes_in_comes_out(
    tmp_path: Path, kind: VectorKind, dimension: int, bits: int
) -> None:
    vectors = SAMPLES[kind](5, dimension, 7)
    if bits == 16:
        values = values_of(vectors)
        values[...] = values.astype(np.float16)
    path = tmp_path / "a.shard"
    keys = text_keys(list("abcde"))
    path.write_bytes(shard_bytes(SPACE, keys, np.arange(5), vectors, CODECS[kind]))
    head = read_head(path)
    assert (head.kind, head.rows, head.layout.dimension) == (kind, 5, dimension)
    assert head.layout.storage == ("float32" if bits == 32 else "float16")
    assert path.stat().st_size == head.vectors_at + head.vector_bytes
    assert same(vectors, read_vectors(head))
    assert same(vectors, read_vectors(head, np.empty(head.vector_bytes + 8, np.uint8)))


@KINDS
def test_a_flip_in_any_byte_and_every_cut_are_found(tmp_path: Path, kind: VectorKind) -> None:
    whole = sample(kind, 3, 4)
    path = tmp_path / "a.shard"
    rng = random.Random(2)
    flips = [bytearray(whole) for _ in whole]
    for place, flipped in enumerate(flips):
        flipped[place] ^= 1 << rng.randrange(8)
    cuts = [whole[:length] for length in range(len(whole))]
    served = 0
    for damaged in (*flips, *cuts, whole + b"\0"):
        path.write_bytes(damaged)
        try:
            read_vectors(read_head(path))
        except DamagedShard:
            continue
        served += 1
    assert served == 0


@KINDS
def test_an_older_reader_calls_a_newer_kind_newer(tmp_path: Path, kind: VectorKind) -> None:
    path = tmp_path / "a.shard"
    assert int.from_bytes(sample(kind)[8:12], "little") == CODECS[kind].schema
    path.write_bytes(as_version(sample(kind), SCHEMA + 1))
    with pytest.raises(NewerShard):
        read_head(path)


@KINDS
def test_rows_are_taken_joined_and_collected(kind: VectorKind) -> None:
    codec = CODECS[kind]
    texts = ["b", "a", "b", "c", "d", "a", "b"]
    distinct = distinct_texts(texts)
    vectors = SAMPLES[kind](4, 9, 5)
    assert codec.rows(vectors) == 4
    halves = [codec.take(vectors, np.array(rows)) for rows in ([2, 0], [3, 1])]
    assert same(codec.concatenate(halves), codec.take(vectors, np.array([2, 0, 3, 1])))
    collector = codec.collector(distinct, "m")
    collector.put(np.array([2, 0]), halves[0])
    assert collector.filled.tolist() == [True, False, True, False]
    with pytest.raises(ValueError, match="2 texts have no vector"):
        collector.finish()
    collector.put(np.array([3, 1]), halves[1])
    assert same(collector.finish(), codec.take(vectors, distinct.inverse))
    both = codec.collector(distinct, "m")
    both.put(np.array([0]), codec.take(vectors, np.array([0])))
    with pytest.raises(ModelError, match="9 and 8 components"):
        both.put(np.array([1]), SAMPLES[kind](1, 8, 1))


class Made(Watched):
    """Returns vectors of a kind that follow from the text alone."""

    def __init__(self, kind: VectorKind, budget: int = 64) -> None:
        super().__init__(budget=budget)
        self.kind = kind

    def space(self, role, instruction):
        space = super().space(role, instruction)
        return replace(space, kind=self.kind, normalize=False, dimension=0)

    def encode(self, texts, *, role, instruction):
        self.calls.append(list(texts))
        codec = CODECS[self.kind]
        rows = [SAMPLES[self.kind](3, 40, len(text)) for text in texts]
        return codec.concatenate([codec.take(each, np.array([2])) for each in rows])


@KINDS
def test_the_store_serves_shares_and_mends_every_kind(tmp_path: Path, kind: VectorKind) -> None:
    store = EmbeddingStore(tmp_path)
    texts = [*some_texts(40, 1), *some_texts(5, 1)]

    def encoded(model: Made, some: list[str], reporter=None):
        source = EncodingInput.of(model, "document", "")
        return encode_texts(model, some, source, store, reporter or SilentReporter())

    cold, warm, shared = Made(kind), Made(kind), Made(kind)
    right = encoded(cold, texts).vectors
    assert CODECS[kind].rows(right) == 45
    assert same(right, encode_texts(
        Made(kind, 10_000), texts, EncodingInput.of(cold, "document", ""), None, SilentReporter()
    ).vectors)  # fmt: skip
    assert same(encoded(warm, texts).vectors, right)
    assert warm.calls == []
    other = encoded(shared, [*some_texts(6, 2), *texts[:10]])
    assert (other.texts, other.encoded, other.reused) == (16, 6, 10)

    (info,) = space_infos(store)
    assert (info.kind, info.dimension, info.vectors) == (kind, 40, 46)
    assert verify_store(store, SilentReporter(), repair=False).findings == ()
    paths = store.spaces()[0].shard_paths()
    whole = bytearray(paths[0].read_bytes())
    whole[-1] ^= 1
    paths[0].write_bytes(whole)
    lost = read_head(paths[0]).rows
    reporter, again = Recorder(), Made(kind)
    assert same(encoded(again, texts, reporter).vectors, right)
    assert len(reporter.warnings) == 1
    assert len(again.seen) == lost
    (finding,) = verify_store(store, SilentReporter(), repair=True).findings
    assert (finding.path, finding.problem, finding.dropped) == (paths[0], "damaged", True)
    model = str(info.description["model"])
    assert len(collect_garbage(store, GcRule(model=model))) == 1
    assert store.spaces() == ()


def spoilt(change: str) -> tuple[csr_array, int]:
    """Return unusable sparse vectors of two texts, and the dimension their space names."""
    rows = sparse_vectors(2, 9, 1)
    if change == "not finite":
        rows.data[3] = np.inf
    elif change == "float64":
        rows = rows.astype(np.float64)
    elif change == "order":
        rows = csr_array((rows.data, rows.indices[::-1].copy(), rows.indptr), rows.shape)
    elif change == "count":
        rows = rows[:1]
    return rows, 12 if change == "vocabulary" else 9


UNUSABLE_TOKENS = {
    "not finite": "1 token vectors that are not finite, the first for 'two' \\(3 tokens\\)",
    "zeros": "nothing but zeros for the tokens of 1 texts, the first is 'two'",
    "norm": "should return vectors of norm 1; 1 of 3 differ",
    "float64": "token vectors of float64",
    "too few": "returned 2 token vectors of float32 for texts that have 3",
    "texts": "shape \\(1, 4\\) for 2 texts",
}


@pytest.mark.parametrize("change", UNUSABLE_TOKENS)
def test_unusable_token_vectors_are_refused(change: str) -> None:
    values, starts = np.eye(3, 4, dtype=np.float32), np.array([0, 0, 3])
    space = replace(Made("multi-vector").space("document", ""), normalize=True)
    batch = type("Batch", (), {"texts": ("one", "two"), "counts": np.array([0, 3])})()
    CODECS["multi-vector"].check(TokenVectors(values, starts), batch, space, "m")
    spoilt = values.copy()
    if change in ("not finite", "norm"):
        spoilt[1, 1] = np.nan if change == "not finite" else 1.1
    elif change == "zeros":
        spoilt[:] = 0
    elif change == "float64":
        spoilt = spoilt.astype(np.float64)
    elif change == "too few":
        spoilt = spoilt[:2]
    starts = np.array([0, 3]) if change == "texts" else starts
    with pytest.raises(ModelError, match=UNUSABLE_TOKENS[change]):
        CODECS["multi-vector"].check(TokenVectors(spoilt, starts), batch, space, "m")


@given(
    arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=9),
           elements=st.floats(-1e6, 1e6, width=32)),
    st.sampled_from(ROUNDINGS),
)  # fmt: skip
def test_rounded_vectors_are_near_and_stored_without_loss(values: np.ndarray, to: str) -> None:
    rounded = rounded_to(values, to)
    most = np.abs(values).max(axis=1, keepdims=True)
    step = {"float32": 0 * most, "bfloat16": np.abs(values) / 256, "int8": most / 254}[to]
    assert (np.abs(rounded - values) <= step * 1.001 + 1e-37).all()
    assert np.array_equal(rounded_to(rounded, to), rounded)
    codec = CODECS["multi-vector"]
    vectors = TokenVectors(rounded, np.array([0, 0, len(rounded)]))
    layout, body = codec.pack(vectors)
    assert len(body) == codec.body_bytes(layout)
    assert same(codec.unpack(np.frombuffer(body, np.uint8), layout), vectors)


@pytest.mark.parametrize("to", ROUNDINGS)
def test_a_shard_takes_the_room_of_its_rounding(to: str) -> None:
    vectors = TokenVectors(rounded_to(dense_vectors(50, 128, 4), to), np.array([0, 20, 50]))
    layout, body = CODECS["multi-vector"].pack(vectors)
    assert (layout.storage, len(body)) == (to, 8 + 50 * {"float32": 512, "bfloat16": 256,
                                                         "int8": 132}[to])  # fmt: skip


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("not finite", "not finite, the first for 'two' \\(1 tokens\\)"),
        ("float64", "returned float64 weights"),
        ("order", "terms out of order"),
        ("count", "shape \\(1, 9\\) for 2 texts"),
        ("vocabulary", "9 components; its card says 12"),
    ],
)
def test_unusable_sparse_vectors_are_refused(change: str, told: str) -> None:
    rows, dimension = spoilt(change)
    distinct = distinct_texts(["one", "two"])
    batch = type("Batch", (), {"texts": distinct.texts, "counts": np.array([1, 1])})()
    space = replace(Made("sparse").space("document", ""), dimension=dimension)
    with pytest.raises(ModelError, match=told):
        CODECS["sparse"].check(rows, batch, space, "m")
    CODECS["sparse"].check(sparse_vectors(2, 9, 1), batch, replace(space, dimension=9), "m")
