"""The shard's format: what goes in comes out, and no damaged byte ever does."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from harness.cache.codecs.dense import DenseCodec
from harness.cache.keys import text_keys
from harness.cache.shard import (
    ALIGN,
    SCHEMA,
    DamagedShard,
    NewerShard,
    read_head,
    read_vectors,
    shard_bytes,
)
from tests.helpers.shard_versions import as_version

DENSE = DenseCodec()
SPACE = "0123456789abcdef0123456789abcdef"


def sample(rows: int = 7, dimension: int = 5) -> bytes:
    rng = np.random.default_rng(3)
    return shard_bytes(
        SPACE,
        text_keys([f"text {row}" for row in range(rows)]),
        np.arange(rows, dtype=np.int64),
        rng.standard_normal((rows, dimension)).astype(np.float32),
        DENSE,
    )


def read_whole(path: Path):
    head = read_head(path)
    return head, read_vectors(head)


@settings(max_examples=150, deadline=None)
@given(
    bits=hnp.arrays(np.uint32, st.tuples(st.integers(1, 9), st.integers(1, 9))),
    low=st.sampled_from([0xFFFFFFFF, 0xFFFF0000]),
    data=st.data(),
)
def test_any_bits_come_back(tmp_path_factory, bits, low, data) -> None:
    # Any bit pattern, NaNs and denormals too: storage must not change one bit of it.
    vectors = (bits & np.uint32(low)).view(np.float32)
    counts = data.draw(hnp.arrays(np.int64, len(bits), elements=st.integers(0, 2**40)))
    keys = text_keys(data.draw(st.lists(st.text(), min_size=len(bits), max_size=len(bits))))
    path = tmp_path_factory.mktemp("shards") / "a.shard"
    path.write_bytes(shard_bytes(SPACE, keys, counts, vectors, DENSE))
    head, back = read_whole(path)
    assert head.space == SPACE
    assert back.dtype == np.float32
    assert np.array_equal(back.view(np.uint32), vectors.view(np.uint32))
    assert np.array_equal(head.keys, keys)
    assert np.array_equal(head.tokens, counts)


@given(hnp.arrays(np.float16, (4, 6), elements=st.floats(width=16)))
def test_half_precision_comes_back(values) -> None:
    vectors = values.astype(np.float32)
    data = shard_bytes(SPACE, text_keys("abcd"), np.zeros(4, np.int64), vectors, DENSE)
    assert len(data) % ALIGN == 4 * 6 * 2 % ALIGN  # two bytes a number


@pytest.mark.parametrize(
    ("make", "storage", "item"),
    [
        (lambda v: v, "float32", 4),
        (lambda v: (v.view(np.uint32) & 0xFFFF0000).astype(np.uint32).view(np.float32),
         "bfloat16", 2),
        (lambda v: v.astype(np.float16).astype(np.float32), "float16", 2),
    ],
    ids=["float32", "bfloat16", "float16"],
)  # fmt: skip
def test_the_narrowest_lossless_type_is_used(tmp_path: Path, make, storage, item) -> None:
    vectors = make(np.random.default_rng(1).standard_normal((64, 32)).astype(np.float32))
    path = tmp_path / "a.shard"
    keys = text_keys([str(i) for i in range(64)])
    path.write_bytes(shard_bytes(SPACE, keys, np.ones(64, np.int64), vectors, DENSE))
    head, back = read_whole(path)
    assert (head.layout.storage, head.vector_bytes) == (storage, 64 * 32 * item)
    assert np.array_equal(back, vectors)


def test_one_value_out_of_range_keeps_float32() -> None:
    vectors = np.zeros((50, 8), np.float32)
    vectors[49, 7] = np.float32(1 / 3)
    keys = text_keys([str(i) for i in range(50)])
    data = shard_bytes(SPACE, keys, np.ones(50, int), vectors, DENSE)
    assert b'"storage":"float32"' in data


def test_vectors_are_aligned_for_mapping(tmp_path: Path) -> None:
    for rows in range(1, 12):
        path = tmp_path / f"{rows}.shard"
        path.write_bytes(sample(rows))
        head = read_head(path)
        assert head.vectors_at % ALIGN == 0
        mapped = np.memmap(path, "<f4", "r", head.vectors_at, (rows, head.layout.dimension))
        assert np.array_equal(mapped, read_vectors(head))


def test_a_flip_in_any_byte_is_found(tmp_path: Path) -> None:
    whole = sample()
    path = tmp_path / "a.shard"
    served = []
    bits = random.Random(5)
    for place in range(len(whole)):  # header, keys, counts, padding, vectors: every byte
        flipped = bytearray(whole)
        flipped[place] ^= 1 << bits.randrange(8)
        path.write_bytes(flipped)
        try:
            read_whole(path)
        except DamagedShard:
            continue
        served.append(place)
    assert served == []


def test_every_cut_is_found(tmp_path: Path) -> None:
    whole = sample(2, 3)
    path = tmp_path / "a.shard"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(DamagedShard):
            read_whole(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(DamagedShard):
        read_whole(path)


def test_a_cut_is_found_without_reading_vectors(tmp_path: Path) -> None:
    path = tmp_path / "a.shard"
    path.write_bytes(sample()[:-1])
    with pytest.raises(DamagedShard, match="should have"):
        read_head(path)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_any_other_file_is_no_shard(tmp_path_factory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("shards") / "a.shard"
    path.write_bytes(data)
    with pytest.raises(DamagedShard):
        read_head(path)


def test_a_newer_schema_is_told_from_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.shard"
    path.write_bytes(as_version(sample(), DENSE.schema))
    read_whole(path)  # the helper itself is right
    path.write_bytes(as_version(sample(), SCHEMA + 1))
    told = rf"schema {SCHEMA + 1}; this rebench reads up to {SCHEMA}\nUpgrade"
    with pytest.raises(NewerShard, match=told):
        read_head(path)


@pytest.mark.parametrize(("keys", "counts", "rows"), [(0, 0, 0), (2, 1, 2), (2, 2, 3)])
def test_parts_of_different_length_are_refused(keys: int, counts: int, rows: int) -> None:
    vectors = np.ones((rows, 2), "f4")
    with pytest.raises(ValueError, match="keys"):
        shard_bytes(SPACE, text_keys(["x"] * keys), np.ones(counts, int), vectors, DENSE)
