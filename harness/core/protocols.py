"""What the harness asks of retrievers, embedders and progress displays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

from harness.core.types import (
    Json,
    PromptFields,
    RetrievalResult,
    Role,
    Task,
    TokenVectors,
    Usage,
    VectorSpace,
)

if TYPE_CHECKING:
    from harness.core.types import FloatMatrix, FloatVector, IntVector, SparseRows

V_co = TypeVar("V_co", covariant=True)


class Advance(Protocol):
    """Moves one progress bar on."""

    def __call__(self, done: int = 1, /, *, tokens: int = 0) -> None:
        """Report `done` more units (and `tokens` more tokens) as finished."""


class Reporter(Protocol):
    """Where long work tells how far it is; the command line owns the real one."""

    def bar(self, label: str, total: int, unit: str) -> AbstractContextManager[Advance]:
        """Open a progress bar of `total` units; leaving the context closes it."""

    def note(self, message: str) -> None:
        """Say something in passing."""

    def warn(self, message: str) -> None:
        """Say something the user should look at."""


class VectorEncoder(Protocol[V_co]):
    """Turns texts into vectors of the kind that its spaces name.

    Nothing but `encode` and `token_counts` may load weights.
    """

    @property
    def name(self) -> str:
        """Return the name the entry carries."""

    @property
    def identity(self) -> Mapping[str, Json]:
        """Return what makes this model's results its own (card, revision, backend, dtype …)."""

    @property
    def batch_tokens(self) -> int:
        """Return the tokens one `encode` call should hold, padding included; 0: any number."""

    def instruction(self, role: Role, prompt_fields: PromptFields) -> str:
        """Return the text put before every input of that role in a task so worded."""

    def space(self, role: Role, instruction: str) -> VectorSpace:
        """Return the space that vectors of that role and instruction live in."""

    def token_counts(self, texts: Sequence[str], role: Role, instruction: str) -> IntVector:
        """Return the tokens of each text before truncation, instruction included: int64 `[n]`."""

    def encode(self, texts: Sequence[str], *, role: Role, instruction: str) -> V_co:
        """Return the vectors of one batch; raises `OutOfMemory` when it does not fit."""


class Embedder(VectorEncoder["FloatMatrix"], Protocol):
    """Turns texts into dense vectors."""

    def encode(self, texts: Sequence[str], *, role: Role, instruction: str) -> FloatMatrix:
        """Return float32 `[n, d]` for one batch; raises `OutOfMemory` when it does not fit."""


class SparseEmbedder(VectorEncoder["SparseRows"], Protocol):
    """Turns texts into weights of a vocabulary's terms."""

    def encode(self, texts: Sequence[str], *, role: Role, instruction: str) -> SparseRows:
        """Return canonical CSR float32 `[n, vocabulary]`; raises `OutOfMemory`."""

    @property
    def similarity(self) -> str:
        """Return `cosine`, or empty for the inner product."""

    def max_active(self, role: Role) -> int:
        """Return the heaviest terms that count of a text of that role; 0: all."""

    def terms(self, columns: Sequence[int]) -> list[str]:
        """Return the terms that stand for these components; may load the tokenizer."""


class MultiVectorEncoding(VectorEncoder["TokenVectors"], Protocol):
    """Turns texts into a vector for each token, for late interaction."""

    def encode(self, texts: Sequence[str], *, role: Role, instruction: str) -> TokenVectors:
        """Return the token vectors of one batch; raises `OutOfMemory`."""

    @property
    def similarity(self) -> str:
        """Return `maxsim` or `meanmaxsim`."""

    @property
    def storage(self) -> str:
        """Return what documents' vectors are rounded to: float32, bfloat16 or int8."""


@runtime_checkable
class BilledEmbedder(Protocol):
    """An embedder that somebody else runs, and bills."""

    @property
    def usage(self) -> Usage:
        """Return what was asked and billed since this object was made."""


@runtime_checkable
class RunsHere(Protocol):
    """An embedder that knows what this machine does for it."""

    @property
    def machine_facts(self) -> Mapping[str, Json]:
        """Return what was measured of the machine for it, empty before weights are loaded."""

    @property
    def machine_note(self) -> str:
        """Return what the user should know of it; empty: nothing."""


@runtime_checkable
class Scoring(Protocol):
    """An embedder that says how a query and a document are scored."""

    @property
    def similarity(self) -> str:
        """Return `euclidean` or `manhattan` (the negative distance); else the inner product."""


@runtime_checkable
class Closing(Protocol):
    """A retriever or embedder that holds a model, an engine or connections until it is closed."""

    def close(self) -> None:
        """Free them; later use may load them again."""


class Retriever(Protocol):
    """Ranks a task's documents for its queries."""

    @property
    def name(self) -> str:
        """Return the name the entry carries."""

    def identity(self, task: Task) -> Mapping[str, Json]:
        """Return all that changes the run on this task, without loading weights."""

    def search(self, task: Task, k: int, reporter: Reporter) -> RetrievalResult:
        """Return each query's best `k` documents, excluded ones masked before the cut."""


class PairScorer(Protocol):
    """Scores a query and a passage together; only `scores` may load weights.

    Its scores are kept under `identity`, and no pair is scored twice.
    """

    @property
    def name(self) -> str:
        """Return the name that the entry carries."""

    @property
    def identity(self) -> Mapping[str, Json]:
        """Return all that changes a score."""

    def scores(self, pairs: Sequence[tuple[str, str]]) -> FloatVector:
        """Return a score for each (query, passage), higher is better: float32 `[n]`."""
