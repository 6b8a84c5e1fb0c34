"""The exact question each stage asks: prompt, sampling and seed, from documents and queries."""

from __future__ import annotations

from dataclasses import dataclass, replace

from models.chat.protocol import ChatRequest, Sampling, user_request
from remixer.kinds import Kind
from remixer.prompt_texts import fill, prompt_text, version
from remixer.rows import SourceRow

CLEAN = Sampling(temperature=0.0, top_p=1.0, max_tokens=8, choices=("Yes", "No"))
"""Ours: the released code asks the same question with settings it does not state."""

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
class Asking:
    """What all requests of a run share: the kind of task, the models' names, the seed.

    The n-th further try of a request that got an unusable reply is asked with seed + n.
    `max_reply_tokens` lowers each stage's limit to what a small context leaves (0: as it is).
    """

    kind: Kind
    model: str
    annotator: str
    seed: int = 42
    max_reply_tokens: int = 0

    def clean(self, document: str, attempt: int = 0) -> ChatRequest:
        """Return the question whether a document fits the domain."""
        values = {"domain": self.kind.domain, "document": document}
        text = fill(prompt_text("clean"), values)
        return user_request(self.model, text, self.sampling(CLEAN), self.seed + attempt)

    def generate(self, source: SourceRow, document: str, attempt: int = 0) -> ChatRequest:
        """Return the request for a query written from a document under its conditions."""
        values = {
            "write": self.kind.write,
            "document_kind": self.kind.document,
            "query_kind": self.kind.query,
            "document": document,
            "length": source.length,
            "education": source.education,
        }
        text = fill(prompt_text("generate"), values)
        return user_request(self.model, text, self.sampling(GENERATE), self.seed + attempt)

    def reason(self, query: str, attempt: int = 0) -> ChatRequest:
        """Return the request for a query's reasoning; the source document is not shown."""
        values = {
            "query_kind": self.kind.query,
            "query": query,
            "document_kind": self.kind.document,
            "documents": self.kind.documents,
        }
        text = fill(prompt_text("reason"), values)
        return user_request(self.model, text, self.sampling(REASON), self.seed + attempt)

    def annotate(self, query: str, document: str, attempt: int = 0) -> ChatRequest:
        """Return the request to judge a document for a query."""
        values = {
            "query_kind": self.kind.query,
            "document_kind": self.kind.document,
            "relevance": self.kind.relevance,
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
            stage: version(prompt_text(stage), self.kind.version)
            for stage in ("clean", "generate", "reason", "annotate")
        }
