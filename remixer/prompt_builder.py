"""Build the request of each stage: prompt, sampling and seed, from documents and queries."""

from __future__ import annotations

from dataclasses import dataclass, replace

from models.chat.protocol import ChatRequest, Sampling, user_request
from remixer.prompt_files import fill, prompt_text, version
from remixer.rows import SourceRow
from remixer.task_profiles import TaskProfile

DOMAIN_FILTER = Sampling(temperature=0.0, top_p=1.0, max_tokens=8, choices=("Yes", "No"))
"""Ours. The released code asks the same question with its client's defaults: temperature 1.0, top-p
0.6, 8,192 tokens (llm.py)."""

GENERATE = Sampling(temperature=1.0, top_p=0.6, max_tokens=8192)
"""ReasonEmbed's data_synthesis at 1efe855, llm.py."""

REASON = Sampling(temperature=0.7, top_p=0.95, max_tokens=1024)
"""Ours: how the authors made reasoning queries is not public."""

ANNOTATE = Sampling(
    temperature=0.7,
    top_p=0.95,
    max_tokens=2048,
    top_k=40,
    pattern=r"[\s\S]*<score>[1-5]</score>\s*",
)
"""ReasonEmbed's data_synthesis/3-label; the pattern is ours, for engines that can hold to one."""


@dataclass(frozen=True, slots=True)
class PromptBuilder:
    """Builds the requests of a run from what they share: task profile, model names, seed.

    The n-th further try of a request that got an unusable reply is asked with seed + n.
    `max_reply_tokens` lowers each stage's limit to what a small context leaves (0: as it is).
    """

    profile: TaskProfile
    model: str
    annotator: str
    seed: int = 42
    max_reply_tokens: int = 0

    def domain_filter(self, document: str, attempt: int = 0) -> ChatRequest:
        """Return the question whether a document fits the domain."""
        values = {"domain": self.profile.domain, "document": document}
        text = fill(prompt_text("domain_filter"), values)
        return user_request(self.model, text, self.sampling(DOMAIN_FILTER), self.seed + attempt)

    def generate(self, source: SourceRow, document: str, attempt: int = 0) -> ChatRequest:
        """Return the request for a query written from a document under its conditions."""
        values = {
            "write": self.profile.write,
            "document_kind": self.profile.document,
            "query_kind": self.profile.query,
            "document": document,
            "length": source.length,
            "education": source.education,
        }
        text = fill(prompt_text("generate"), values)
        return user_request(self.model, text, self.sampling(GENERATE), self.seed + attempt)

    def reason(self, query: str, attempt: int = 0) -> ChatRequest:
        """Return the request for a query's reasoning; the source document is not shown."""
        values = {
            "query_kind": self.profile.query,
            "query": query,
            "document_kind": self.profile.document,
            "documents": self.profile.documents,
        }
        text = fill(prompt_text("reason"), values)
        return user_request(self.model, text, self.sampling(REASON), self.seed + attempt)

    def annotate(self, query: str, document: str, attempt: int = 0) -> ChatRequest:
        """Return the request to judge a document for a query."""
        values = {
            "query_kind": self.profile.query,
            "document_kind": self.profile.document,
            "relevance": self.profile.relevance,
            "query": query,
            "document": document,
        }
        text = fill(prompt_text("annotate"), values)
        return user_request(self.annotator, text, self.sampling(ANNOTATE), self.seed + attempt)

    def sampling(self, released: Sampling) -> Sampling:
        """Return a stage's settings, its replies no longer than this run allows."""
        limit = self.max_reply_tokens
        return replace(released, max_tokens=min(released.max_tokens, limit)) if limit else released

    def versions(self) -> dict[str, str]:
        """Return stage -> hash of all the wording it asks with."""
        return {
            stage: version(prompt_text(stage), self.profile.version)
            for stage in ("domain_filter", "generate", "reason", "annotate")
        }
