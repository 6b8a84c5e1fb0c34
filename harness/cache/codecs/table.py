"""The kinds of vectors that the store knows: one line each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.cache.codecs.codec import Codec
from harness.cache.codecs.dense import DenseCodec
from harness.cache.codecs.multi_vector import MultiVectorCodec
from harness.cache.codecs.sparse import SparseCodec
from harness.core.types import VectorKind

CODECS: Mapping[VectorKind, Codec[Any]] = {
    codec.kind: codec for codec in (DenseCodec(), SparseCodec(), MultiVectorCodec())
}
"""Kind of a space -> how its vectors are checked, joined, written and read."""
