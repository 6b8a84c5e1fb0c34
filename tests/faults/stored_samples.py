"""Samples of what is measured and kept: entries, vectors, scores, stages of pipelines, journals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from harness.cache.batches import EncodingInput
from harness.cache.encode import encode_texts
from harness.cache.maintain import verify_store
from harness.cache.store import EmbeddingStore
from harness.core.types import Ranking, Run, TokenVectors, VectorKind, VectorSpace
from harness.pipelines.score_store import ScoreStore
from harness.pipelines.staged.outputs import StageOutput, StageOutputs
from models.chat.journal import Journal
from models.chat.protocol import ChatReply, Sampling, user_request
from results.imported import ImportedRow, OriginalFile, imported_path, load_imported, save_imported
from results.judgements import judgements_path, load_judgements
from results.schema import to_json
from results.store import ENTRY, ResultStore
from tests.faults.sample import Parts, Reading, Sample, guarded, without_named_lines
from tests.helpers.cache_embedders import Recorder
from tests.helpers.measured_store import make_task, measure

# Entries -------------------------------------------------------------------------------------

TASK = make_task("biology", 6)


def _measured(root: Path) -> ResultStore:
    store = ResultStore(root)
    measure(store, "bm25", TASK, [1, 2, 3, 4, 5, None])
    return store


def _entry_file(name: str) -> Callable[[Path], Path]:
    def write(root: Path) -> Path:
        store = _measured(root)
        (entry,) = store.entries().entries
        names = {"run": entry.files.run, "per_query": entry.files.per_query, "entry": ENTRY}
        return store.folder(entry) / names[name]

    return write


def _entry_json(root: Path) -> Reading:
    loaded = ResultStore(root).entries()
    names = {"files": None, "checksum": None}  # another save has other files
    parts = {each.model: {**to_json(each), **names} for each in loaded.entries}
    return Reading(parts, [str(each) for each in loaded.problems])


def _of_entry(read: Callable[[ResultStore, Any], Any]) -> Callable[[Path], Reading]:
    def reading(root: Path) -> Reading:
        store = ResultStore(root)
        return guarded(lambda: {"it": read(store, store.entries().entries[0])})

    return reading


def _again(root: Path, said: list[str]) -> None:
    _measured(root)


def _judgements(root: Path) -> Path:
    (entry,) = _measured(root).entries().entries
    return judgements_path(root, entry.task.fingerprint)


def _read_judgements(root: Path) -> Reading:
    (entry,) = ResultStore(root).entries().entries
    return guarded(lambda: {"qrels": load_judgements(root, entry.task.fingerprint).qrels})


ROW = ImportedRow(
    "m", "r" * 40, "mteb", "bright", "original", "current", "ndcg@10",
    {"biology": {"ndcg@10": 0.25}}, "d" * 40, "as printed", "2026-01-02",
    (OriginalFile("m/biology.json", '{"score": 25.0}'),), "2026-02-03",
)  # fmt: skip


def _read_imported(root: Path) -> Reading:
    loaded = load_imported(root)
    return Reading({each.model: each for each in loaded.rows}, [str(e) for e in loaded.problems])


# The cache -----------------------------------------------------------------------------------

TEXTS = [f"text {at}" for at in range(12)]


class Numbered:
    """An embedder of one kind of vector, which follow from the texts' lengths and letters."""

    name = "numbered"
    batch_tokens = 64

    def __init__(self, kind: VectorKind) -> None:
        self.kind: VectorKind = kind
        self.identity = {"model": "numbered", "kind": kind}

    def instruction(self, role: str, prompt_fields: object) -> str:
        return ""

    def space(self, role: str, instruction: str) -> VectorSpace:
        return VectorSpace(
            "numbered", "w", "made", "mean", False, role, instruction, 0, "float32", "right", "t",
            kind=self.kind,
        )  # fmt: skip

    def token_counts(self, texts, role, instruction):
        return np.array([len(text) for text in texts], dtype=np.int64)

    def encode(self, texts, *, role, instruction):
        rows = [[len(text), text.count("1"), sum(text.encode()) / 7, 0.0] for text in texts]
        dense = np.array(rows, dtype=np.float32)
        if self.kind == "multi-vector":
            return TokenVectors(dense, np.arange(len(texts) + 1))
        return csr_array(dense) if self.kind == "sparse" else dense


def _encode(root: Path, kind: VectorKind) -> Reading:
    reporter, embedder = Recorder(), Numbered(kind)
    store = EmbeddingStore(root)
    source = EncodingInput.of(embedder, "document", "")

    def parts() -> Parts:
        vectors = encode_texts(embedder, TEXTS, source, store, reporter).vectors
        rows = vectors.values if isinstance(vectors, TokenVectors) else vectors
        rows = rows.toarray() if kind == "sparse" else rows
        store.space(source.space).record_use("biology", "numbered", len(TEXTS))
        return dict(zip(TEXTS, rows.tolist(), strict=True))

    reading = guarded(parts)
    return Reading(reading.parts, reading.said + reporter.warnings)


def _shard(kind: VectorKind) -> Callable[[Path], Path]:
    def write(root: Path) -> Path:
        _encode(root, kind)
        (space,) = EmbeddingStore(root).spaces()
        (path,) = space.shard_paths()
        return path

    return write


def _cache_verify(root: Path, said: list[str]) -> None:
    verify_store(EmbeddingStore(root), Recorder(), repair=True)


def _beside_shards(name: str) -> Callable[[Path], Path]:
    def write(root: Path) -> Path:
        _encode(root, "dense")
        (space,) = EmbeddingStore(root).spaces()
        return space.folder / name

    return write


def _read_note(root: Path) -> Reading:
    (space,) = EmbeddingStore(root).spaces()
    found = verify_store(EmbeddingStore(root), Recorder(), repair=False).findings
    notes = {use["task"]: (use["model"], use["texts"]) for use in space.uses()}
    return Reading(notes, [f"{each.path} {each.problem}: cache verify --repair" for each in found])


def _repair_note(root: Path, said: list[str]) -> None:
    _cache_verify(root, said)
    _encode(root, "dense")


# Pipelines -----------------------------------------------------------------------------------

KEYS = [bytes([at]) * 32 for at in range(4)]
SCORES = [0.5, -1.25, 3.0, 7.5]


def _scores(root: Path) -> Path:
    store = ScoreStore(root, {"model": "m"})
    store.add(KEYS, SCORES)
    return next(store.folder.glob("*.npz"))


def _read_scores(root: Path) -> Reading:
    """Read, and compute what is missing, as a reranking does."""
    store = ScoreStore(root, {"model": "m"})
    stored = store.find(KEYS)
    said = [f"{path} is damaged" for path in store.damaged]
    missing = [at for at, score in enumerate(stored) if score is None]
    store.add([KEYS[at] for at in missing], [SCORES[at] for at in missing])
    return Reading({str(at): s for at, s in enumerate(stored) if s is not None}, said)


IDENTITY = {"kind": "retrieve", "model": "m"}
LISTS = {"m": Run({"q": Ranking(("a", "b"), np.array([2.0, 1.0], dtype=np.float32))})}


def _stage(name: str) -> Callable[[Path], Path]:
    def write(root: Path) -> Path:
        outputs = StageOutputs(root, Recorder())
        outputs.keep(IDENTITY, StageOutput("c", 1.5, LISTS))
        return outputs.folder(IDENTITY) / name

    return write


def _read_stage(root: Path) -> Reading:
    """Read, and run the stage again if its output is not there, as a pipeline does."""
    reporter = Recorder()
    outputs = StageOutputs(root, reporter)
    stored = outputs.find(IDENTITY)
    if stored is None:
        outputs.keep(IDENTITY, StageOutput("c", 1.5, LISTS))
        return Reading({}, reporter.warnings)
    ranking = stored.lists["m"].rankings["q"]
    parts = {"list": (ranking.doc_ids, ranking.scores.tolist()), "content": stored.content}
    return Reading(parts, reporter.warnings)


# Journals ------------------------------------------------------------------------------------

SAMPLING = Sampling(temperature=0.5, top_p=0.9, max_tokens=10)
ASKED = [user_request("m", f"question {at}?", SAMPLING, 1) for at in range(8)]


def _journal(root: Path, *, seal_bytes: int = 1 << 20) -> Path:
    path = root / "journal.jsonl"
    with Journal(path, seal_bytes) as journal:
        for at, request in enumerate(ASKED):
            if request.key not in journal:
                journal.append(request, ChatReply(request.key, f"answer {at}", "stop", 3, 4))
    return path


def _sealed(name: str) -> Callable[[Path], Path]:
    def write(root: Path) -> Path:
        _journal(root, seal_bytes=1000)
        return root / name

    return write


def _read_journal(root: Path) -> Reading:
    def parts() -> Parts:
        with Journal(root / "journal.jsonl") as journal:
            kept = [request.key for request in ASKED if request.key in journal]
            return {key: journal.read(key) for key in kept}

    return guarded(parts)


def _repair_journal(root: Path, said: list[str]) -> None:
    without_named_lines(root / "journal.jsonl", said)
    _journal(root)


def _repair_segment(root: Path, said: list[str]) -> None:
    (root / "journal-000001.jsonl.gz").unlink()
    (root / "journal-000001.idx").unlink()
    _journal(root)


SAMPLES: Mapping[str, Sample] = {
    "entry": Sample(_entry_file("entry"), _entry_json, _again),
    "run of an entry": Sample(_entry_file("run"), _of_entry(ResultStore.run_text), _again),
    "per-query values of an entry": Sample(
        _entry_file("per_query"), _of_entry(ResultStore.per_query), _again
    ),
    "judgements": Sample(_judgements, _read_judgements, _again),
    "imported row": Sample(
        lambda root: save_imported(root, ROW),
        _read_imported,
        lambda root, said: (imported_path(root, ROW).unlink(), save_imported(root, ROW)),
    ),
    "shard of dense vectors": Sample(
        _shard("dense"), lambda root: _encode(root, "dense"), _cache_verify
    ),
    "shard of sparse vectors": Sample(
        _shard("sparse"), lambda root: _encode(root, "sparse"), _cache_verify
    ),
    "shard of token vectors": Sample(
        _shard("multi-vector"), lambda root: _encode(root, "multi-vector"), _cache_verify
    ),
    "vector space": Sample(
        _beside_shards("space.json"), lambda root: _encode(root, "dense"), _cache_verify
    ),
    "note of use": Sample(_beside_shards("served/biology.json"), _read_note, _repair_note),
    "scores of a reranker": Sample(_scores, _read_scores, lambda root, said: None),
    "stage output of a pipeline": Sample(
        _stage("list-0.trec.gz"), _read_stage, lambda root, said: None
    ),
    "stage manifest of a pipeline": Sample(
        _stage("stage.json"), _read_stage, lambda root, said: None
    ),
    "journal": Sample(_journal, _read_journal, _repair_journal, quiet_end=True),
    "journal segment": Sample(_sealed("journal-000001.jsonl.gz"), _read_journal, _repair_segment),
    "journal index": Sample(
        _sealed("journal-000001.idx"), _read_journal, lambda root, said: None, made_again=True
    ),
}
"""Kind of `FILE_KINDS` -> its sample."""
