"""What chat models are asked: prompt files, ours or a user's, made into requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.core.prompt_files import PromptFolder, fill, version
from models.chat.protocol import Message

TURN = "\n=== user ===\n"
"""A line that parts a prompt file into the system's message above it and the user's below."""

PLACEHOLDERS: Mapping[str, tuple[str, ...]] = {
    "yes_no": ("query", "document"),
    "score": ("query", "document"),
    "rubric": ("query", "document"),
    "listwise": ("query", "documents"),
    "groups": ("query", "documents"),
}
"""Prompt file -> what must stand in it; `{{count}}` and `{{highest}}` may."""


@dataclass(frozen=True, slots=True)
class RerankPrompts(PromptFolder):
    """The prompts of chat rerankers."""

    home: ClassVar[tuple[str, str]] = ("harness.pipelines.chat_rerank", "prompts")


@dataclass(frozen=True, slots=True)
class Wording:
    """One prompt file's text; `highest` is the top of the scale that it may speak of."""

    name: str
    text: str
    highest: int = 0

    @property
    def version(self) -> str:
        """Return the hash of the text: 12 hex digits."""
        return version(self.text)

    def messages(self, query: str, texts: Sequence[str]) -> tuple[Message, ...]:
        """Return the turns for a query and a document, or for documents numbered from 1.

        Raises `BadInput` for a placeholder that is unknown, and for one that is missing.
        """
        values = {"query": query, "count": str(len(texts)), "highest": str(self.highest)}
        if "document" in PLACEHOLDERS[self.name]:
            values["document"] = texts[0]
        else:
            values["documents"] = "\n\n".join(
                f"[{number}] {text}" for number, text in enumerate(texts, start=1)
            )
        system, parted, user = self.text.partition(TURN)
        needed = PLACEHOLDERS[self.name]
        if not parted:
            return (Message("user", fill(self.text, values, needed)),)
        return (
            Message("system", fill(system, values)),
            Message("user", fill(user, values, needed)),
        )
