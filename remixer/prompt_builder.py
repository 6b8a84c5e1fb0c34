"""Build the request of each stage: prompt, sampling and seed, from documents and queries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.core.prompt_files import fill, version
from models.chat.protocol import ChatRequest, Sampling, user_request
from remixer.config import SEED
from remixer.prompt_files import OURS, STAGE_PROMPTS, PromptFiles
from remixer.rows import SourceRow
from remixer.sampling import StageSamplings
from remixer.task_profiles import TaskProfile


@dataclass(frozen=True, slots=True)
class PromptBuilder:
    """Builds the requests of a run from what they share: task profile, model names, seed.

    `model` writes queries and filters documents, `reasoner` (empty: `model`) writes reasonings,
    `annotator` judges. The n-th further try of a request that got an unusable reply is asked with
    seed + n.
    """

    profile: TaskProfile
    model: str
    annotator: str
    seed: int = SEED
    reasoner: str = ""
    samplings: StageSamplings = field(default_factory=StageSamplings)
    files: PromptFiles = OURS

    def domain_filter(self, document: str, attempt: int = 0) -> ChatRequest:
        """Return the question whether a document belongs to the domain."""
        values = {"domain": self.profile.domain, "document": document}
        return self._request("domain_filter", values, attempt)

    def generate(self, source: SourceRow, document: str, attempt: int = 0) -> ChatRequest:
        """Return the request for a query written from a document under its conditions."""
        values = {"document": document, "length": source.length, "education": source.education}
        return self._request("generate", values, attempt)

    def reason(self, query: str, attempt: int = 0) -> ChatRequest:
        """Return the request for a query's reasoning; the source document is not shown."""
        return self._request("reason", {"query": query}, attempt)

    def annotate(self, query: str, document: str, attempt: int = 0) -> ChatRequest:
        """Return the request to judge a document for a query."""
        return self._request("annotate", {"query": query, "document": document}, attempt)

    def model_of(self, stage: str) -> str:
        """Return the name of the model that a stage asks."""
        if stage == "annotate":
            return self.annotator
        return (self.reasoner or self.model) if stage == "reason" else self.model

    def sampling(self, stage: str) -> Sampling:
        """Return the sampling of a stage."""
        own: Sampling = getattr(self.samplings, stage)
        return own

    def versions(self) -> dict[str, str]:
        """Return stage -> hash of all the wording of its prompts."""
        return {
            stage: version(self.files.text(stage), self.profile.version) for stage in STAGE_PROMPTS
        }

    def _request(self, stage: str, values: Mapping[str, str], attempt: int) -> ChatRequest:
        template = self.files.text(stage)
        text = fill(template, {**self._words(), **values}, STAGE_PROMPTS[stage])
        return user_request(self.model_of(stage), text, self.sampling(stage), self.seed + attempt)

    def _words(self) -> dict[str, str]:
        """Return the placeholders that the task's profile fills, in any prompt."""
        return {
            "domain": self.profile.domain,
            "write": self.profile.write,
            "query_kind": self.profile.query,
            "document_kind": self.profile.document,
            "documents": self.profile.documents,
            "relevance": self.profile.relevance,
        }
