"""What reranking asks of a reranker: scores for pairs, or for lists that it reads as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

from harness.core.protocols import PairScorer, Reporter
from harness.core.types import Json

if TYPE_CHECKING:
    from harness.core.types import FloatVector, IntVector


@runtime_checkable
class TokenCounter(Protocol):
    """A `PairScorer` that can tell what it reads."""

    def token_counts(self, pairs: Sequence[tuple[str, str]]) -> IntVector:
        """Return the tokens that the model reads of each pair, after truncation: int64 `[n]`."""


@dataclass(frozen=True, slots=True)
class CandidateList:
    """One query and the texts of its candidates, in the order of the stage before."""

    query: str
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListScores:
    """Scores for lists, float32 `[texts]` each, and facts that the entry keeps.

    Of a language model, `facts` holds `calls`, `prompt_tokens` and `reply_tokens`, what was wrong
    with its replies, and how far its repeats agree.
    """

    scores: tuple[FloatVector, ...]
    facts: Mapping[str, Json] = field(default_factory=dict)


@runtime_checkable
class ListScorer(Protocol):
    """Scores the candidates of a query as a list.

    What it asks for is kept by itself (a journal), or not at all.
    """

    @property
    def name(self) -> str:
        """Return the name that the entry carries."""

    @property
    def identity(self) -> Mapping[str, Json]:
        """Return all that changes a score."""

    @property
    def side_by_side(self) -> bool:
        """Tell whether a text's score depends on the texts beside it."""

    def score_lists(self, lists: Sequence[CandidateList], reporter: Reporter) -> ListScores:
        """Return scores for the texts of each list, higher is better."""


Scorer: TypeAlias = PairScorer | ListScorer
"""`isinstance(scorer, ListScorer)` tells which of the two it is."""
