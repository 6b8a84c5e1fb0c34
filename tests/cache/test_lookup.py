"""Matching of keys: all 32 bytes count, the first shard serves, others' shards are taken in."""

from __future__ import annotations

import os
import time

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cache.codecs.dense import DenseCodec
from harness.cache.keys import text_keys
from harness.cache.lookup import Lookup
from harness.cache.store import SpaceFolder
from tests.helpers.cache_embedders import Recorder


def folder_at(path) -> SpaceFolder:
    (path / "shards").mkdir(parents=True)
    return SpaceFolder(path)


def write(folder: SpaceFolder, texts: list[str], value: float = 0.0) -> None:
    vectors = np.array([[len(text), value] for text in texts], dtype=np.float32)
    folder.write_shard(text_keys(texts), np.array([len(t) for t in texts]), vectors, DenseCodec())


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.text(max_size=4), min_size=1, max_size=8, unique=True), max_size=4),
    st.lists(st.text(max_size=4), max_size=12, unique=True),
)
def test_against_a_plain_dictionary(tmp_path_factory, shards, wanted) -> None:
    folder = folder_at(tmp_path_factory.mktemp("space") / "space")
    plain: dict[str, int] = {}
    for number, texts in enumerate(shards):
        write(folder, texts, number)
        for text in texts:
            plain.setdefault(text, number)
    lookup = Lookup(folder, text_keys(wanted), Recorder())
    assert list(lookup.stored) == [text in plain for text in wanted]
    assert list(lookup.tokens) == [len(text) if text in plain else -1 for text in wanted]
    got = {}
    lookup.load(
        np.arange(len(wanted)),
        lambda rows, vectors: got.update(
            {wanted[row]: tuple(v) for row, v in zip(rows, vectors, strict=True)}
        ),
    )
    assert got == {text: (len(text), plain[text]) for text in wanted if text in plain}


def test_keys_that_share_their_beginning_are_kept_apart(tmp_path) -> None:
    folder = folder_at(tmp_path / "space")
    stored = text_keys(["a", "b"]).copy()
    folder.write_shard(stored, np.ones(2, int), np.ones((2, 3), np.float32), DenseCodec())
    near = stored.copy()
    near[:, 31] ^= 1
    assert not Lookup(folder, near, Recorder()).stored.any()
    assert Lookup(folder, stored, Recorder()).stored.all()


def test_a_new_shard_is_taken_in_at_once(tmp_path) -> None:
    folder = folder_at(tmp_path / "space")
    write(folder, ["a"])
    tick = time.time_ns()
    os.utime(folder.shards_folder, ns=(tick, tick))
    lookup = Lookup(folder, text_keys(["a", "b", "c"]), Recorder())
    for text in "bc":
        write(folder, [text])
        os.utime(folder.shards_folder, ns=(tick, tick))  # as within one tick of a coarse clock
        lookup.refresh()
    assert lookup.stored.all()


def test_a_space_without_shards(tmp_path) -> None:
    lookup = Lookup(SpaceFolder(tmp_path / "none"), text_keys(["a"]), Recorder())
    assert not lookup.stored.any()
    lookup.load(np.arange(1), lambda rows, vectors: None)
