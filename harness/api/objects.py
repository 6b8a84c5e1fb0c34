"""Live objects as models: anything with `encode`, a function, or a retriever with `search`.

An object has no card, so the caller says what it is (`name`) and which one (`version`). With both,
its vectors are kept in the embedding cache like those of any model. Without a version nothing is
cached: the same name could be another model tomorrow. The entry says so.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from harness.api.probes import PROBES, ProbeKey, recorded_probe
from harness.core.errors import BadInput, ModelError
from harness.core.protocols import Reporter
from harness.core.types import (
    Json,
    PromptFields,
    Ranking,
    RetrievalResult,
    Role,
    Run,
    Task,
    VectorKind,
    VectorSpace,
)

if TYPE_CHECKING:
    from harness.core.types import FloatMatrix, IntVector

OTHER_KINDS: Mapping[str, str] = {
    "ColBERT": "a late-interaction model of PyLate; sentence-transformers' MultiVectorEncoder "
    "loads the same folder and is searched by MaxSim",
    "CrossEncoder": "a cross-encoder, which scores pairs and encodes no single text",
}
"""Class name -> why its objects are no dense embedders; subclasses count."""

UNKNOWN_FACTS = (
    "tokens", "read_tokens", "encoded_tokens", "tokens_per_second", "truncated", "truncation_rate",
)  # fmt: skip
"""Facts about encoding that take a tokenizer."""

BACKEND = "object"
TEXTS_PER_CALL = 512
"""Texts that are given to an object's `encode` at once, unless the caller says otherwise."""


@runtime_checkable
class HasSearch(Protocol):
    """A retriever of the user's: it knows its documents and ranks them for queries."""

    def search(self, queries: list[str], k: int) -> Sequence[Any]:
        """Return, per query, `{document id: score}` or pairs of document id and score."""


@dataclass(frozen=True, slots=True)
class ObjectOptions:
    """What the caller says of an object.

    `name` heads its rows, `version` tells one state of it from another (empty: unknown). `texts`
    is how many texts one call of `encode` gets. `probes` is the folder in which the vectors of a
    version are recorded, so that a changed model under an old version is noticed.
    """

    name: str
    version: str
    probes: Path
    texts: int = TEXTS_PER_CALL


def check_kind(model: object) -> None:
    """Raise `BadInput` for a live model that is not a dense embedder."""
    for kind in type(model).__mro__:
        if kind.__name__ in OTHER_KINDS:
            fix = "Give an object with search(queries, k), or score its run: rebench.score(...)."
            if kind.__name__ == "CrossEncoder":
                fix = 'Let it order a run: rebench.rerank("bm25", model, "stdlib").'
            raise BadInput(f"{type(model).__name__} is {OTHER_KINDS[kind.__name__]}", fix=fix)


def default_name(model: object) -> str:
    """Return what an object is called if nobody says: its function's or class's name."""
    return str(getattr(model, "__name__", "") or type(model).__name__)


class ObjectModel(ABC):
    """An object that encodes, or a function from texts to vectors, of whatever kind they are.

    `encode_query` and `encode_document` go before `encode`. Raises `BadInput` for an object that
    has none of these, and `ModelError` for a version whose vectors are not those recorded.
    """

    kind: VectorKind = "dense"

    def __init__(self, model: object, options: ObjectOptions) -> None:
        check_kind(model)
        self._encoders: dict[Role, Callable[[list[str]], Any]] = {
            "query": _encoder(model, "encode_query"),
            "document": _encoder(model, "encode_document"),
        }
        self._class = f"{type(model).__module__}.{type(model).__qualname__}"
        self._options = options
        self._probes: dict[Role, str] = {}

    @property
    def name(self) -> str:
        """The caller's name for it."""
        return self._options.name

    @property
    def identity(self) -> Mapping[str, Json]:
        """Name, version, class, and hashes of the vectors of eight probe texts."""
        version = self._options.version
        return {
            "object": self._class,
            "name": self.name,
            "version": version or None,
            "cached": bool(version),
            "probes": {"query": self._probe("query"), "document": self._probe("document")},
        }

    @property
    def batch_tokens(self) -> int:
        """Padded tokens of one batch: a text counts as one, since nobody knows its tokens."""
        return self._options.texts

    def instruction(self, role: Role, prompt_fields: PromptFields) -> str:
        """Nothing is put before a text: the object does that itself, if at all."""
        return ""

    def space(self, role: Role, instruction: str) -> VectorSpace:
        """Return the space of one role, which holds the hash of the probes' vectors."""
        return VectorSpace(
            model=self.name,
            weights=self._options.version or "unknown",
            backend=BACKEND,
            pooling="own",
            normalize=False,
            role=role,
            instruction=instruction,
            max_length=0,
            dtype="float32",
            truncation_side="own",
            tokenizer="own",
            options={"object": self._class, "probe": self._probe(role)},
            kind=self.kind,
        )

    def token_counts(self, texts: Sequence[str], role: Role, instruction: str) -> IntVector:
        """Return zeros, int64 `[n]`: how the object cuts texts is not known."""
        import numpy as np

        return np.zeros(len(texts), dtype=np.int64)

    @abstractmethod
    def _probe_matrix(self, role: Role) -> FloatMatrix:
        """Return the probes' vectors as float32 `[8, d]`."""

    def _probe(self, role: Role) -> str:
        """Return the hash of the probes' vectors; those of a version are checked once."""
        if role not in self._probes:
            vectors = self._probe_matrix(role)
            version = self._options.version
            key = ProbeKey(self.name, version, role) if version else None
            self._probes[role] = recorded_probe(vectors, key, self._options.probes)
        return self._probes[role]


class ObjectEmbedder(ObjectModel):
    """An `Embedder` around an object whose vectors are dense."""

    def encode(self, texts: Sequence[str], *, role: Role, instruction: str) -> FloatMatrix:
        """Return float32 `[n, d]`; raises `ModelError` for anything but one vector a text."""
        return as_matrix(self._encoders[role](list(texts)), len(texts), self.name)

    def _probe_matrix(self, role: Role) -> FloatMatrix:
        return self.encode(PROBES, role=role, instruction="")


def _encoder(model: object, method: str) -> Callable[[list[str]], Any]:
    """Return what encodes the texts of one role."""
    encode = getattr(model, method, None) or getattr(model, "encode", None)
    if encode is None and callable(model):
        encode = model
    if not callable(encode):
        raise BadInput(
            f"a {type(model).__name__} is neither a model's name nor an object that encodes",
            fix="Give a name, a folder, a function of texts, or an object with encode(texts), "
            "encode_query and encode_document, or search(queries, k).",
        )
    checked: Callable[[list[str]], Any] = encode
    return checked


def as_matrix(vectors: Any, texts: int, name: str) -> FloatMatrix:
    """Return an array, tensor or list of vectors as float32 `[texts, d]`; raises `ModelError`."""
    import numpy as np

    if hasattr(vectors, "detach"):
        vectors = vectors.detach().float().cpu().numpy()
    if isinstance(vectors, list) and vectors and hasattr(vectors[0], "detach"):
        vectors = [row.detach().float().cpu().numpy() for row in vectors]
    try:
        matrix = np.asarray(vectors, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"{name!r} gave no array of numbers for {texts} texts: {error}",
            fix="encode(texts) must return one vector of the same length for each text.",
        ) from error
    if matrix.ndim != 2 or len(matrix) != texts or not matrix.shape[1]:
        raise ModelError(
            f"{name!r} gave an array of shape {matrix.shape} for {texts} texts",
            fix="encode(texts) must return one vector of the same length for each text.",
        )
    if not np.isfinite(matrix).all():
        raise ModelError(
            f"{name!r} gave a vector that is not finite",
            fix="Look for overflow in half precision, or for empty texts.",
        )
    return matrix


@dataclass(frozen=True, slots=True)
class ObjectRetriever:
    """A `Retriever` around an object with `search(queries, k)`.

    The object is asked for as many documents more as a query excludes; excluded ones are then
    dropped, so that no ranking is cut short. Equal scores are ranked by document id descending.
    """

    searcher: HasSearch
    options: ObjectOptions
    stamp: str = field(default_factory=lambda: str(time.time_ns()))

    @property
    def name(self) -> str:
        """The caller's name for it."""
        return self.options.name

    def identity(self, task: Task) -> Mapping[str, Json]:
        """Name, version and class; without a version no two objects are the same."""
        kind = type(self.searcher)
        version = self.options.version
        return {
            "model": {
                "object": f"{kind.__module__}.{kind.__qualname__}",
                "name": self.name,
                "version": version or None,
                **({} if version else {"evaluated": self.stamp}),
            },
            "search": BACKEND,
        }

    def search(self, task: Task, k: int, reporter: Reporter) -> RetrievalResult:
        """Rank the documents of every query; raises `ModelError` for unusable rankings."""
        most = max((len(ids) for ids in task.excluded.values()), default=0)
        texts = [query.text for query in task.queries]
        start = time.perf_counter()
        with reporter.bar("searching", len(texts), "queries") as advance:
            answers = list(self.searcher.search(texts, k + most))
            advance(len(texts))
        seconds = time.perf_counter() - start
        if len(answers) != len(texts):
            raise ModelError(
                f"{self.name!r} gave {len(answers)} rankings for {len(texts)} queries",
                fix="search(queries, k) must return one ranking for each query, in their order.",
            )
        known = None if task.corpus is None else frozenset(task.corpus.ids)
        rankings = {
            query.id: self._ranking(query.id, answer, task.excluded.get(query.id), known, k)
            for query, answer in zip(task.queries, answers, strict=True)
        }
        return RetrievalResult(Run(rankings), {"search": seconds}, {})

    def _ranking(
        self,
        qid: str,
        answer: Any,
        excluded: frozenset[str] | None,
        known: frozenset[str] | None,
        k: int,
    ) -> Ranking:
        """Return one query's best `k` documents, excluded ones left out."""
        import numpy as np

        try:
            pairs = list(answer.items() if isinstance(answer, Mapping) else answer)
            scored = {str(doc): float(np.float32(score)) for doc, score in pairs}
        except (TypeError, ValueError) as error:
            raise self._unusable(qid, f"no pairs of document id and score ({error})") from error
        if len(scored) != len(pairs):
            raise self._unusable(qid, "a document twice")
        if not all(map(math.isfinite, scored.values())):
            raise self._unusable(qid, "a score that is not finite")
        strangers = [doc for doc in scored if known is not None and doc not in known]
        if strangers:
            raise self._unusable(qid, f"{strangers[0]!r}, which the task does not have")
        kept = [pair for pair in scored.items() if pair[0] not in (excluded or ())]
        best = sorted(kept, key=lambda pair: (pair[1], pair[0]), reverse=True)[:k]
        scores = np.array([score for _, score in best], dtype=np.float32)
        return Ranking(tuple(doc for doc, _ in best), scores)

    def _unusable(self, qid: str, what: str) -> ModelError:
        return ModelError(
            f"{self.name!r} gave {what} for query {qid!r}",
            fix="search(queries, k) must return, per query, {document id: score} or such pairs.",
        )


def without_unknown_facts(result: RetrievalResult) -> RetrievalResult:
    """Return a result without what an object does not say: tokens and cuts."""
    facts: dict[str, Json] = {
        name: {key: each for key, each in value.items() if key not in UNKNOWN_FACTS}
        if isinstance(value, Mapping)
        else value
        for name, value in result.facts.items()
    }
    return RetrievalResult(result.run, result.timings, facts)
