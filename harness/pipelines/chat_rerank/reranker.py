"""A chat model as a reranker of lists: every call journaled, agreement of the samples told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from harness.core.errors import BadInput
from harness.core.protocols import Reporter
from harness.core.types import Json
from harness.pipelines.chat_rerank.agreement import agreement
from harness.pipelines.chat_rerank.asking import (
    SIDE_BY_SIDE_WORDS,
    Asking,
    ChatSettings,
    ChatTools,
    sampling_json,
)
from harness.pipelines.chat_rerank.strategies import SIDE_BY_SIDE, STRATEGIES
from harness.pipelines.chat_rerank.wording import Wording
from harness.pipelines.rerank_ports import CandidateList, ListScores
from models.chat.dispatch import Dispatcher
from models.chat.journal import Journal
from models.chat.protocol import Sampling

if TYPE_CHECKING:
    from harness.core.types import FloatVector
    from harness.pipelines.chat_rerank.agreement import Repeats


@dataclass(frozen=True, slots=True)
class ChatReranker:
    """A `ListScorer` that asks a chat model.

    `method` is a key of `STRATEGIES`. Replies are kept in `tools.journal`: a killed run asks for
    none of them again. Raises `BadInput` for several samples at temperature 0, which would be the
    same sample several times; groups may be scored again, since they are shuffled.
    """

    name: str
    method: str
    wording: Wording
    sampling: Sampling
    tools: ChatTools
    settings: ChatSettings = field(default_factory=ChatSettings)

    def __post_init__(self) -> None:
        """Check that samples differ."""
        if self.settings.samples > 1 and not self.sampling.temperature and not self._shuffled:
            raise BadInput(
                f"--samples is {self.settings.samples} at temperature 0, where all are the same",
                fix="Pass --temperature 0.6 or so, or --samples 1.",
            )

    @property
    def _asked(self) -> ChatSettings:
        """The settings, with how much is read of each document."""
        own = self.settings
        words = own.words or (SIDE_BY_SIDE_WORDS if self.side_by_side else 0)
        return replace(own, words=words)

    @property
    def _shuffled(self) -> bool:
        return self.method == "chat-groups"

    @property
    def side_by_side(self) -> bool:
        """Tell whether documents are read together."""
        return self.method in SIDE_BY_SIDE

    @property
    def identity(self) -> Mapping[str, Json]:
        """The model's name, the wording's hash, how replies are drawn, and how many."""
        settings = self._asked
        said: dict[str, Json] = {
            "model": self.tools.model.name,
            "backend": self.method,
            "prompt": self.wording.version,
            "highest": self.wording.highest,
            "sampling": sampling_json(self.sampling),
            "samples": settings.samples,
            "words": settings.words,
            "seed": settings.seed,
            "attempts": self.tools.limits.attempts,
        }
        if self.side_by_side:
            said["window"] = settings.window
        if self.method == "chat-listwise":
            said |= {"step": settings.stride, "passes": settings.passes}
        return said

    def score_lists(self, lists: Sequence[CandidateList], reporter: Reporter) -> ListScores:
        """Return the mean score of each text over the samples, and what asking took.

        A text without any score stands below all others of its list, in the old order. Raises
        `BudgetReached` with every reply kept, and `ModelError` for too many replies of no use.
        """
        with Journal(self.tools.journal) as journal:
            asking = Asking(
                Dispatcher(
                    self.tools.model, journal, reporter, self.tools.budget, self.tools.limits
                ),
                self.wording,
                self.sampling,
                self._asked,
            )
            found = STRATEGIES[self.method](asking, lists, f"{self.name}: reranking")
        without = sum(int(np.isnan(each).all(axis=0).sum()) for each in found)
        facts: dict[str, Json] = {**asking.facts(), "documents_without_score": without}
        alike = agreement(found)
        if alike:
            facts["agreement"] = alike
        return ListScores(tuple(map(_means, found)), facts)


def _means(scores: Repeats) -> FloatVector:
    """Return the mean over samples, float32 `[texts]`; those without a score below the others."""
    known = np.isfinite(scores)
    sums = np.where(known, scores, 0.0).sum(axis=0)
    counts = known.sum(axis=0)
    means = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)
    low = means[counts > 0].min(initial=0.0)
    below = np.flatnonzero(counts == 0)
    means[below] = low - 1.0 - np.arange(len(below))
    return np.asarray(means, dtype=np.float32)
