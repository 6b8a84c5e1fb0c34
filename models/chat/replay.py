"""Replies from a file: a journal of an earlier run, or replies written by other means."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.core.errors import BadInput, ModelError
from models.chat.journal import read_records, reply_of
from models.chat.protocol import ChatReply, ChatRequest, Replies

_SHOWN = 160


class ReplayModel:
    """A `ChatModel` whose replies are those of a journal, plain or `.gz`; it asks nobody.

    A request that the file does not answer raises `ModelError` naming it; with `tolerant` it
    counts as unanswered. `model` is the name requests go out under; without it, the file's own,
    which must then be the only one. Replies are held in memory. Raises `BadInput` for a file that
    is absent, empty or no journal.
    """

    def __init__(self, path: Path, model: str = "", *, tolerant: bool = False) -> None:
        self.path = path
        self.tolerant = tolerant
        self._replies: dict[str, ChatReply] = {}
        names: set[str] = set()
        for _, record in read_records(path):
            reply = reply_of(record)
            self._replies.setdefault(reply.key, reply)
            names.add(record.get("request", {}).get("model", ""))
        if not self._replies:
            raise BadInput(f"{path} holds no reply", fix="Give the journal.jsonl of a run.")
        if not model and len(names) > 1:
            raise BadInput(
                f"{path} holds replies of {', '.join(sorted(names))}",
                fix="Say which to replay with --llm-model.",
            )
        self._name = model or names.pop()

    @property
    def name(self) -> str:
        """Return the name of the model whose replies these are."""
        return self._name

    def replies(self, requests: Iterator[tuple[str, ChatRequest]]) -> Replies:
        """Yield the file's reply to each request, at once and in order."""
        for key, request in requests:
            reply = self._replies.get(key)
            if reply is not None:
                yield reply
                continue
            start = " ".join(request.messages[-1].content[:_SHOWN].split())
            if not self.tolerant:
                raise ModelError(
                    f"{self.path} has no reply to request {key[:16]}… of model "
                    f"{request.model!r}, which begins: {start}",
                    fix="Use the documents, seed, prompts and models that the file was made "
                    "with, or count such requests as unanswered with --replay-tolerant.",
                )
            yield ChatReply(key=key, text="", error=f"the replay file has no reply to {key[:16]}…")
