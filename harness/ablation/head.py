"""Head training in an ablation: vectors from the user's cache, runs measured without encoding."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.cache.batches import EncodingInput
from harness.cache.encode import encode_texts
from harness.core.checksums import DamagedFile
from harness.core.errors import BadInput, ModelError
from harness.core.file_sets import MANIFEST_SUFFIX, file_set_problems, write_file_set
from harness.core.hashing import sha256_file
from harness.core.protocols import Reporter, Retriever
from harness.core.types import Json, PromptFields, RetrievalResult, Role, Task
from harness.retrieval.dense import DenseRetriever
from harness.search.dense import search_dense

if TYPE_CHECKING:
    from harness.core.types import FloatMatrix
    from redapter.config import RunConfig
    from redapter.head import TextRole

HEAD_FILE = "head.safetensors"
TENSOR = "head"
SAME = 0.9999
"""Least cosine between a text's cached vector and the recipe's own encoder's."""

_PROBES = ("A probe of the encoder.", "Why does my loop never end?")
_NO_TASK = PromptFields("", "", "", "", "")


class CachedVectors:
    """A dense retriever's vectors by text: from the embedding cache, encoded if they are missing.

    Every text is looked up once and then kept in memory. `make` returns the retriever.
    """

    def __init__(self, make: Callable[[], Retriever], reporter: Reporter) -> None:
        self._make = make
        self._reporter = reporter
        self._retriever: DenseRetriever | None = None
        self._rows: dict[Role, dict[str, FloatMatrix]] = {"query": {}, "document": {}}
        self._checked: set[str] = set()

    @property
    def retriever(self) -> DenseRetriever:
        """Return the retriever whose vectors these are; raises `BadInput` if it embeds nothing."""
        if self._retriever is None:
            made = self._make()
            if not isinstance(made, DenseRetriever):
                raise BadInput(
                    f"a head is trained on vectors, and {made.name!r} makes none",
                    fix="Name a dense model as the reference: [reference] model = …",
                )
            self._retriever = made
        return self._retriever

    def matrix(self, texts: Sequence[str], role: Role) -> FloatMatrix:
        """Return float32 `[n, d]`, one row a text."""
        rows = self._rows[role]
        missing = list(dict.fromkeys(text for text in texts if text not in rows))
        if missing:
            dense = self.retriever
            instruction = dense.embedder.instruction(role, _NO_TASK)
            source = EncodingInput.of(dense.embedder, role, instruction)
            encoded = encode_texts(dense.embedder, missing, source, dense.store, self._reporter)
            rows.update(zip(missing, encoded.vectors, strict=True))
        return np.stack([rows[text] for text in texts])

    def __call__(self, texts: Sequence[str], role: TextRole) -> FloatMatrix:
        """Return the vectors of `redapter.head.TextVectors`; reasoning is read as a query."""
        return self.matrix(texts, "document" if role == "document" else "query")

    def check(self, recipe: RunConfig) -> None:
        """Raise `BadInput` unless the recipe's frozen encoder makes these vectors."""
        space = {
            role: self.retriever.embedder.space(role, self._instruction(role))
            for role in ("query", "document")
        }
        data = recipe.data
        for key, length, role in (
            ("max_query_length", data.max_query_length, "query"),
            ("max_reasoning_length", data.max_reasoning_length, "query"),
            ("max_passage_length", data.max_passage_length, "document"),
        ):
            if length != space[role].max_length:
                raise BadInput(
                    f"data.{key} = {length}, but {self.retriever.name} is read at "
                    f"{space[role].max_length} tokens",
                    fix=f"Set data.{key} = {space[role].max_length}.",
                )
        if recipe.model.base not in self._checked:
            self._probe(recipe)
            self._checked.add(recipe.model.base)

    def _instruction(self, role: Role) -> str:
        instruction = self.retriever.embedder.instruction(role, _NO_TASK)
        if instruction:
            raise BadInput(
                f"{self.retriever.name} puts an instruction before each {role}",
                fix="Train a head on a model without instructions.",
            )
        return instruction

    def _probe(self, recipe: RunConfig) -> None:
        from redapter.encoder import build_encoder

        encoder = build_encoder(recipe.model, recipe.lora, device="cpu")
        ours = np.asarray(encoder.model.encode(list(_PROBES), show_progress_bar=False))
        theirs = self.matrix(_PROBES, "document")
        norms = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
        if ours.shape != theirs.shape or ((ours * theirs).sum(axis=1) / norms).min() < SAME:
            raise BadInput(
                f"model.base = {recipe.model.base!r} and the reference {self.retriever.name!r} "
                "embed alike texts differently",
                fix="Let [reference] model and the recipe's model.base name the same weights.",
            )


def write_head(path: Path, head: FloatMatrix) -> None:
    """Write a trained layer `[d, d]` whole, and its manifest after it; raises `StoreError`."""
    from safetensors.numpy import save

    files = {path.name: save({TENSOR: np.ascontiguousarray(head)})}
    write_file_set(path.with_suffix(MANIFEST_SUFFIX), files)


def read_head(path: Path) -> FloatMatrix:
    """Return a trained layer `[d, d]`, float32; raises `DamagedFile`."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    check_head(path)
    try:
        head: FloatMatrix = load_file(path)[TENSOR]
    except (SafetensorError, KeyError, OSError) as error:
        raise DamagedFile(f"{path} holds no trained layer: {error}", fix=_head_fix(path)) from error
    return head


def check_head(path: Path) -> None:
    """Raise `DamagedFile` for a trained layer that is not what was written, as far as is known.

    Earlier releases wrote none of what it is held against.
    """
    for problem in file_set_problems(path.with_suffix(MANIFEST_SUFFIX), fix=_head_fix(path)):
        raise problem


def _head_fix(path: Path) -> str:
    return f"Remove {path}: the next run of the ablation trains it again."


class HeadRetriever:
    """Ranks by the frozen encoder's vectors put through a trained layer; nothing is encoded."""

    def __init__(self, vectors: CachedVectors, path: Path) -> None:
        self._vectors = vectors
        self._path = path

    @property
    def name(self) -> str:
        """Return the name of the encoder."""
        return f"{self._vectors.retriever.name}-head"

    def identity(self, task: Task) -> Mapping[str, Json]:
        """Return the encoder's identity and the layer's hash; raises `DamagedFile`."""
        check_head(self._path)
        return {**self._vectors.retriever.identity(task), "head": sha256_file(self._path)}

    def search(self, task: Task, k: int, reporter: Reporter) -> RetrievalResult:
        """Search exactly, excluded documents masked; raises `ModelError` for a broken layer."""
        if task.corpus is None:
            raise BadInput(f"task {task.name!r} was read without its documents", fix="Load them.")
        start = time.perf_counter()
        head = read_head(self._path)
        queries = self._through(head, [query.text for query in task.queries], "query")
        documents = self._through(head, task.corpus.texts, "document")
        asked = [(query.id, task.excluded.get(query.id, frozenset())) for query in task.queries]
        run = search_dense(queries, documents, task.corpus.ids, asked, k)
        seconds = time.perf_counter() - start
        return RetrievalResult(
            run=run, timings={"search": seconds}, facts={"dimension": int(head.shape[0])}
        )

    def _through(self, head: FloatMatrix, texts: Sequence[str], role: Role) -> FloatMatrix:
        """Return unit vectors `[n, d]`."""
        vectors = self._vectors.matrix(texts, role) @ head.T
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not np.isfinite(norms).all() or not norms.all():
            raise ModelError(
                "the trained layer gives vectors that are not finite or zero",
                fix="Lower train.learning_rate.",
            )
        unit: FloatMatrix = np.ascontiguousarray(vectors / norms, dtype=np.float32)
        return unit
