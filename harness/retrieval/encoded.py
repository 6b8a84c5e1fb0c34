"""What retrievers over stored vectors share: spaces of a task, encoding, and facts about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeVar

from harness.cache.batches import EncodingInput
from harness.cache.encode import Encoded, encode_texts
from harness.cache.store import EmbeddingStore
from harness.cache.workers import Workers
from harness.core.errors import BadInput
from harness.core.hashing import space_fields
from harness.core.memory import Room
from harness.core.protocols import (
    BilledEmbedder,
    Closing,
    Reporter,
    RunsHere,
    VectorEncoder,
)
from harness.core.types import (
    ROLES,
    Corpus,
    Json,
    PromptFields,
    RetrievalResult,
    Role,
    Run,
    Task,
    Usage,
)

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class EncodedTask(Generic[V]):
    """A task and the vectors of its texts.

    `usage` is what a server billed for them (`None`: none did), `machine` what was measured of
    this machine for the model.
    """

    task: Task
    corpus: Corpus
    queries: Encoded[V]
    documents: Encoded[V]
    usage: Usage | None
    machine: Mapping[str, Json]

    @property
    def asked(self) -> list[tuple[str, frozenset[str]]]:
        """Return each query's id and the documents that must not be ranked for it."""
        excluded = self.task.excluded
        return [(query.id, excluded.get(query.id, frozenset())) for query in self.task.queries]

    def result(self, run: Run, seconds: float, facts: Mapping[str, Json]) -> RetrievalResult:
        """Return the run, its timings (`seconds`: of the search) and all facts."""
        billed: dict[str, Json] = {"usage": _billed(self.usage)} if self.usage else {}
        counts: dict[str, Json] = {
            "documents": encoding_facts(self.documents),
            "queries": encoding_facts(self.queries),
        }
        return RetrievalResult(
            run=run,
            timings={
                "encode_documents": self.documents.seconds,
                "encode_queries": self.queries.seconds,
                "search": seconds,
            },
            facts={**counts, **facts, **billed, **self.machine},
        )


class EncodedRetriever(Generic[V]):
    """Encodes a task's texts with one embedder; how they are searched is each kind's own.

    With a `store` each text is encoded once however many tasks hold it, and a task whose texts
    are all stored loads no model. `workers` spreads encoding over several devices, `room` says
    which dense vectors are mapped from a file.
    """

    def __init__(
        self,
        embedder: VectorEncoder[V],
        store: EmbeddingStore | None = None,
        workers: Workers | None = None,
        room: Room | None = None,
    ) -> None:
        self.room = room or Room()
        self._encoder = embedder
        self.store = store
        self.workers = workers
        self._noted = False
        self._inputs: dict[tuple[Role, PromptFields], EncodingInput] = {}

    @property
    def name(self) -> str:
        """Return the embedder's name."""
        return self._encoder.name

    def close(self) -> None:
        """End the processes of several devices, and let go of the model: the next may not fit."""
        if self.workers is not None:
            self.workers.close()
        if isinstance(self._encoder, Closing):
            self._encoder.close()

    def _identity(self, task: Task, search: Json) -> Mapping[str, Json]:
        """Return the model's identity, the two vector spaces it uses on a task, and the search."""
        spaces: dict[str, Json] = {
            role: space_fields(self._input(role, task).space) for role in ROLES
        }
        return {"model": self._encoder.identity, "spaces": spaces, "search": search}

    def _encode_task(self, task: Task, reporter: Reporter) -> EncodedTask[V]:
        """Return a task's corpus and the vectors of its texts; `BadInput` without documents."""
        if task.corpus is None:
            raise BadInput(f"task {task.name!r} was read without its documents", fix="Load them.")
        before = self._usage()
        # Queries first: they are few, and show within seconds whether the model works at all.
        queries = self._encode("query", tuple(query.text for query in task.queries), task, reporter)
        documents = self._encode("document", task.corpus.texts, task, reporter)
        after = self._usage()
        spent = after.since(before) if before is not None and after is not None else None
        return EncodedTask(task, task.corpus, queries, documents, spent, self._machine(reporter))

    def _machine(self, reporter: Reporter) -> Mapping[str, Json]:
        """Return what was measured of this machine; say once what speaks against its use."""
        if not isinstance(self._encoder, RunsHere):
            return {}
        note = self._encoder.machine_note
        if note and not self._noted:
            reporter.warn(note)
            self._noted = True
        return self._encoder.machine_facts

    def _usage(self) -> Usage | None:
        """Return what a server was asked and billed so far; `None` for a model that runs here."""
        return self._encoder.usage if isinstance(self._encoder, BilledEmbedder) else None

    def _input(self, role: Role, task: Task) -> EncodingInput:
        """Return a role's instruction and space on a task, worked out once for tasks alike."""
        key = (role, task.prompt_fields)
        if key not in self._inputs:
            instruction = self._encoder.instruction(role, task.prompt_fields)
            self._inputs[key] = EncodingInput.of(self._encoder, role, instruction)
        return self._inputs[key]

    def _encode(
        self, role: Role, texts: tuple[str, ...], task: Task, reporter: Reporter
    ) -> Encoded[V]:
        """Return the vectors of texts of one role under the task's instruction."""
        source = self._input(role, task)
        encoded = encode_texts(
            self._encoder, texts, source, self.store, reporter, self.workers, self.room
        )
        if self.store is not None:
            folder = self.store.space(source.space)
            folder.record_use(task.name, self._encoder.name, len(texts))
        return encoded


def _billed(usage: Usage) -> dict[str, Json]:
    """Return the usage of one task's texts; vectors that were stored before cost nothing now."""
    return {**asdict(usage), "cost": usage.cost}


def encoding_facts(encoded: Encoded[Any]) -> dict[str, Json]:
    """Return the counts worth keeping; rates are 0 where nothing was encoded.

    `tokens` are those of all texts before truncation, `read_tokens` after it, whether a text was
    encoded now or stored; `encoded_tokens` those that went through the model now. Rates are per
    second of encoding, loading of the weights included.
    """
    texts = encoded.texts
    rate = 1.0 / encoded.encode_seconds if encoded.encoded and encoded.encode_seconds > 0 else 0.0
    return {
        "texts": texts,
        "encoded": encoded.encoded,
        "reused": encoded.reused,
        "tokens": encoded.tokens,
        "read_tokens": encoded.read_tokens,
        "encoded_tokens": encoded.encoded_tokens,
        "truncated": encoded.truncated,
        "truncation_rate": encoded.truncated / texts if texts else 0.0,
        "texts_per_second": encoded.encoded * rate,
        "tokens_per_second": encoded.encoded_tokens * rate,
    }
