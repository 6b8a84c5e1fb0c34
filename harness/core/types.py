"""Plain immutable types that cross folder borders: queries, corpora, tasks, rankings, runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    FloatVector: TypeAlias = NDArray[np.float32]
    FloatMatrix: TypeAlias = NDArray[np.float32]
    IntVector: TypeAlias = NDArray[np.int64]
    SparseRows: TypeAlias = csr_array

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
Role: TypeAlias = Literal["query", "document"]
ROLES: tuple[Role, Role] = ("query", "document")
VectorKind: TypeAlias = Literal["dense", "sparse", "multi-vector"]
"""What a text becomes: one float vector, weights of a vocabulary's terms, or a vector a token."""
ROUNDINGS = ("float32", "bfloat16", "int8")
"""What token vectors may be rounded to; float32 rounds nothing."""
CandidateLists: TypeAlias = Mapping[str, Mapping[str, tuple[str, ...]]]
"""name of a list -> query id -> document ids, best first."""
Qrels: TypeAlias = Mapping[str, Mapping[str, int]]
"""query id -> document id -> relevance (1 or more is relevant; 0 and below is not)."""


@dataclass(frozen=True, slots=True, eq=False)
class TokenVectors:
    """The token vectors of n texts, for late interaction; a text may have none.

    `values` is float32 `[t, d]`, the tokens of all texts; those of text r are its rows from
    `starts[r]` to `starts[r + 1]` (int64 `[n + 1]`).
    """

    values: FloatMatrix
    starts: IntVector

    def __len__(self) -> int:
        """Return n."""
        return len(self.starts) - 1

    @property
    def lengths(self) -> IntVector:
        """Return the token vectors of each text, int64 `[n]`."""
        lengths: IntVector = self.starts[1:] - self.starts[:-1]
        return lengths

    def __getitem__(self, row: int) -> FloatMatrix:
        """Return the token vectors of one text, float32 `[its tokens, d]`."""
        matrix: FloatMatrix = self.values[self.starts[row] : self.starts[row + 1]]
        return matrix


@dataclass(frozen=True, slots=True)
class Query:
    """One query; `id` is unique within its task only (BRIGHT's collide across tasks)."""

    id: str
    text: str


@dataclass(frozen=True)  # no slots: `text_of` is cached in the instance
class Corpus:
    """Documents as two parallel tuples; texts may repeat and may be empty.

    Raises `ValueError` when the tuples differ in length.
    """

    ids: tuple[str, ...]
    texts: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check that ids and texts are parallel."""
        if len(self.ids) != len(self.texts):
            raise ValueError(f"{len(self.ids)} ids but {len(self.texts)} texts")

    def __len__(self) -> int:
        """Return the number of documents."""
        return len(self.ids)

    @cached_property
    def text_of(self) -> Mapping[str, str]:
        """Return document id -> text, built once."""
        return dict(zip(self.ids, self.texts, strict=True))


@dataclass(frozen=True, slots=True)
class PromptFields:
    """The words that a model's instruction is filled with for one task.

    `slug` is the name as BRIGHT spells its splits (`earth_science`), `name` the pretty one
    (`Earth Science`); `query_kind` is `Earth Science post`, `query_noun` is `post`,
    `document_noun` is `passages`; `slug_kind` is the kind as BRIGHT's own scripts fill it in
    (`earth_science post`; empty: the same as `query_kind`). `document_kind` and `purpose` are the
    words of "relevant passages that help answer the post" where a task's own differ.
    """

    slug: str
    name: str
    query_kind: str
    query_noun: str
    document_noun: str
    slug_kind: str = ""
    document_kind: str = "relevant"
    purpose: str = "answer"


@dataclass(frozen=True, slots=True)
class QueryAspects:
    """What one query's relevant documents are about, as BRIGHT-Pro annotates them.

    `of_document` maps a relevant document to its one aspect; `weights` maps an aspect to its share
    of the query's answer: above 0, and 1 over all aspects of the query, those without a relevant
    document included.
    """

    of_document: Mapping[str, str]
    weights: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Task:
    """One retrieval task with all that searching and scoring need.

    `qrels` holds every judged query (graded relevance kept); `excluded` names, per query, the
    documents that must never be ranked for it. `corpus` is `None` when only scoring is wanted.
    `corpus_key` is non-empty where the corpus depends on the machine (the stdlib task), and is
    then part of the fingerprint. `notes` are warnings worth keeping with a result. `candidates` are
    fixed lists for rerankers (`harness.data.candidates`); `aspects` are those of the queries that
    have any, by query id.
    """

    name: str
    group: str
    revision: str
    query_set: str
    queries: tuple[Query, ...]
    qrels: Qrels
    excluded: Mapping[str, frozenset[str]]
    head_metric: str
    prompt_fields: PromptFields
    corpus: Corpus | None = None
    corpus_key: str = ""
    notes: tuple[str, ...] = ()
    candidates: CandidateLists = field(default_factory=dict)
    aspects: Mapping[str, QueryAspects] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ranking:
    """The ranked documents of one query, best first.

    `scores` is float32 `[n]`, finite, non-increasing; equal scores stand by document id
    descending (code point order), as trec_eval ranks them.
    """

    doc_ids: tuple[str, ...]
    scores: FloatVector

    def __len__(self) -> int:
        """Return the number of ranked documents."""
        return len(self.doc_ids)


@dataclass(frozen=True, slots=True)
class Run:
    """Rankings by query id."""

    rankings: Mapping[str, Ranking]


@dataclass(frozen=True, slots=True)
class VectorSpace:
    """Everything that changes a vector; two spaces that differ in any field share nothing.

    `weights` is a hub revision or a content hash, `instruction` the text put before the input,
    `max_length` in tokens (0: no limit), `dimension` the number of components kept (0: all).
    `options` holds what only one backend has (input types, prompt tokens left out of pooling).
    `kind` says what a vector is; its components are a vocabulary's terms where it is sparse.
    """

    model: str
    weights: str
    backend: str
    pooling: str
    normalize: bool
    role: Role
    instruction: str
    max_length: int
    dtype: str
    truncation_side: str
    tokenizer: str
    dimension: int = 0
    options: Mapping[str, Json] = field(default_factory=dict)
    kind: VectorKind = "dense"


@dataclass(frozen=True, slots=True)
class Usage:
    """What was asked of a server, and what it billed.

    `requests` counts all tries, `retries` those after a failure; `tokens` are those the server
    billed, `unreported` the replies that did not say. `price` is per million tokens in the card's
    currency, 0 where the card knows none.
    """

    requests: int = 0
    retries: int = 0
    tokens: int = 0
    unreported: int = 0
    price: float = 0.0

    @property
    def cost(self) -> float | None:
        """Return the price of the tokens; `None` without a price, or where tokens are missing."""
        return self.tokens * self.price / 1e6 if self.price and not self.unreported else None

    def since(self, earlier: Usage) -> Usage:
        """Return what came after an earlier reading of the same counters."""
        return Usage(
            self.requests - earlier.requests,
            self.retries - earlier.retries,
            self.tokens - earlier.tokens,
            self.unreported - earlier.unreported,
            self.price,
        )


@dataclass(frozen=True, slots=True)
class RetrievalResult:
    """What a retriever returns: the run, seconds per phase, and facts worth keeping.

    `timings` maps a phase (`index`, `encode_documents`, `search`, …) to seconds; `facts` holds
    counts and rates (`documents`, `tokens`, `truncation_rate`, …).
    """

    run: Run
    timings: Mapping[str, float]
    facts: Mapping[str, Json]
