"""Run one model through each backend that can run it, and compare the vectors."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from harness.core.errors import BadInput, MissingExtra, ModelError, OutOfMemory
from harness.core.types import Role

if TYPE_CHECKING:
    from harness.core.protocols import Embedder
    from harness.core.settings import Settings
    from harness.core.types import FloatMatrix, IntVector
    from models.spec import LoadOptions, ModelSpec

LOCAL = ("sentence-transformers", "vllm")
"""Backends that run the same weights; a model of another backend has only its own."""

AGREE = 0.999
"""Least cosine between two backends' vectors of a text (ours): float32 gives 0.9999999, bfloat16
some 0.9999; a wrong pooling, padding side, instruction or end token gives less than 0.99."""

_LONG = " ".join(
    f"Entry {at} says what to do when the pump of line {at} stops." for at in range(60)
)
TEXTS: tuple[tuple[Role, tuple[str, ...]], ...] = (
    ("query", ("why?", "Our nightly job reads a log while it is being written and loses lines.")),
    ("document", ("Tide.", "A lock is held by one thread at a time; others wait for it.", _LONG)),
)
"""Few, of very different lengths: padding and its side show when they share a batch."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What one backend made of the texts.

    `cosine` is the least to the first backend that worked, `alone` the least between a text's
    vector in a batch and by itself; both `None` where there is nothing to compare.
    """

    backend: str
    state: str
    dtype: str = ""
    dimension: int | None = None
    cosine: float | None = None
    alone: float | None = None
    seconds: float | None = None


def check_model(name: str, settings: Settings, load: LoadOptions) -> list[Checked]:
    """Return one row a backend; those that are not installed or cannot run the model say so.

    `load.backend` names one alone. Raises `UnknownName` for the model, and `BadInput` for one
    without vectors.
    """
    from models.registry import resolve_model

    card = resolve_model(name, load, settings.models).card
    if card.backend in ("bm25", "sparse"):
        raise BadInput(
            f"model {name!r} has no dense vectors", fix="Name an embedder: --model minilm"
        )
    backends = LOCAL if card.backend in LOCAL and not load.backend else (card.backend,)
    rows: list[Checked] = []
    first: FloatMatrix | None = None
    for backend in backends:
        spec = resolve_model(name, replace(load, backend=backend), settings.models)
        row, vectors = _checked(spec, first)
        first = vectors if first is None else first
        rows.append(row)
    return rows


def refuse_disagreement(name: str, rows: list[Checked]) -> None:
    """Raise `ModelError` where no backend works, or two of them do not give the same vectors."""
    working = [row for row in rows if row.dimension is not None]
    if not working:
        raise ModelError(
            f"no backend can run {name!r}", fix="The table says why, backend by backend."
        )
    for row in working:
        if row.dimension != working[0].dimension:
            raise ModelError(
                f"{row.backend} gives {name!r} vectors of {row.dimension} components, not "
                f"{working[0].dimension} as {working[0].backend}",
                fix="Look at what comes after the pooling: rebench models NAME",
            )
        for what, value in (("the first backend", row.cosine), ("a text by itself", row.alone)):
            if value is not None and not value >= AGREE:
                raise ModelError(
                    f"{row.backend} gives {name!r} another vector than {what}: cosine {value:.4f}",
                    fix="Look at pooling, instruction, lengths and dtype: rebench models NAME",
                )


def rows_json(rows: list[Checked]) -> list[dict[str, Any]]:
    """Return the rows as JSON objects."""
    return [asdict(row) for row in rows]


def _checked(spec: ModelSpec, first: FloatMatrix | None) -> tuple[Checked, FloatMatrix | None]:
    """Run one backend and return its row and its vectors `[texts, d]` (`None`: it failed)."""
    from harness.core.protocols import Closing
    from models.registry import make_embedder

    card = spec.card
    start = time.perf_counter()
    try:
        embedder = make_embedder(spec)
        try:
            together, alone = _vectors(embedder)
        finally:
            if isinstance(embedder, Closing):
                embedder.close()
    except (BadInput, MissingExtra, ModelError) as error:
        return Checked(card.backend, f"{error.message}. {error.fix}"), None
    except OutOfMemory as error:
        return Checked(card.backend, f"out of memory: {error}"), None
    same = first if first is not None and first.shape == together.shape else None
    row = Checked(
        backend=card.backend,
        state="works" if first is None or same is not None else "other dimension",
        dtype=str(embedder.identity.get("dtype", "")),
        dimension=int(together.shape[1]),
        cosine=None if same is None else _least_cosine(together, same),
        alone=_least_cosine(together, alone),
        seconds=round(time.perf_counter() - start, 2),
    )
    return row, together


def _vectors(embedder: Embedder) -> tuple[FloatMatrix, FloatMatrix]:
    """Return the texts' vectors, float32 `[texts, d]`: encoded together, and one at a time."""
    import numpy as np

    from harness.data.stdlib.task import STDLIB

    together, alone = [], []
    for role, texts in TEXTS:
        instruction = embedder.instruction(role, STDLIB.wording)
        together.append(_rows(embedder, texts, role, instruction))
        alone += [_rows(embedder, (text,), role, instruction) for text in texts]
    return np.concatenate(together), np.concatenate(alone)


@dataclass(frozen=True, slots=True)
class _Texts:
    texts: tuple[str, ...]
    counts: IntVector


def _rows(embedder: Embedder, texts: tuple[str, ...], role: Role, instruction: str) -> FloatMatrix:
    """Return checked vectors, as an evaluation would take them."""
    from harness.cache.codecs.dense import DenseCodec

    vectors = embedder.encode(texts, role=role, instruction=instruction)
    counts = embedder.token_counts(texts, role, instruction)
    space = embedder.space(role, instruction)
    DenseCodec().check(vectors, _Texts(texts, counts), space, embedder.name)
    return vectors


def _least_cosine(one: FloatMatrix, other: FloatMatrix) -> float:
    """Return the least cosine between rows of the same number; NaN where a vector is all zero."""
    import numpy as np

    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return float((np.einsum("nd,nd->n", one, other) / norms).min())
