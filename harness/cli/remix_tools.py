"""What `rebench remix` works with, made from its flags: the task, the model, the retriever."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import BadInput

if TYPE_CHECKING:
    from harness.core.protocols import Reporter, Retriever
    from harness.core.settings import Settings
    from harness.core.types import Task
    from models.chat.protocol import ChatModel
    from remixer.stages.scorers import CandidateScorer
    from remixer.task_profiles import TaskProfile


_LLM_FIX = "Give --llm http://HOST:PORT/v1, --llm vllm:MODEL or --llm replay:FILE."


@dataclass(frozen=True, slots=True)
class SourceFlags:
    """Which documents: a named task, or a folder; `documents` names a file of ids to keep."""

    task: str | None
    corpus: Path | None
    documents: Path | None
    kind: str | None
    domain: str
    data: Path | None


@dataclass(frozen=True, slots=True)
class ModelFlags:
    """Which language model, and how it is asked."""

    llm: str | None
    model: str
    concurrency: int
    dialect: str
    tolerant: bool


def task_and_profile(
    flags: SourceFlags, settings: Settings, reporter: Reporter
) -> tuple[Task, TaskProfile]:
    """Return the task with its documents, and its profile.

    Raises `BadInput` unless exactly one of a task and a folder is named, and what reading raises.
    """
    from harness.data.registry import TaskOptions, load_task, resolve_tasks
    from remixer.corpus import folder_task, only_documents
    from remixer.task_profiles import load_profile, profile_name

    if (flags.task is None) == (flags.corpus is None):
        raise BadInput(
            f"--task is {flags.task!r} and --corpus is {flags.corpus!r}", fix="Give one of them."
        )
    if flags.corpus is not None:
        task = folder_task(flags.corpus, reporter)
    else:
        names = resolve_tasks(flags.task or "")
        if len(names) > 1:
            raise BadInput(
                f"--task {flags.task!r} is {len(names)} tasks: {', '.join(names)}",
                fix="Name one; a run's folder holds one task.",
            )
        task = load_task(names[0], TaskOptions(data_dir=settings.data_dir), reporter)
    if flags.documents is not None:
        task = only_documents(task, flags.documents)
    kind = load_profile(flags.kind or profile_name(task.name), task.prompt_fields, flags.domain)
    return task, kind


def chat_model(flags: ModelFlags, environment: Mapping[str, str] = os.environ) -> ChatModel | None:
    """Return the language model that a spec names, nothing loaded yet (`None` without a spec).

    Raises `BadInput` for a spec that cannot be read or lacks its model's name.
    """
    if flags.llm is None:
        return None
    if flags.llm.startswith(("http://", "https://")):
        from harness.core.secrets import key_from
        from models.chat.http import KEY_VARIABLES, ChatServerOptions, HttpChat

        if not flags.model:
            raise BadInput(
                f"no model is named for {flags.llm}",
                fix="Give --llm-model NAME, as the server knows it.",
            )
        key = key_from(environment, KEY_VARIABLES)
        options = ChatServerOptions(concurrency=flags.concurrency, dialect=flags.dialect)
        return HttpChat(flags.llm, flags.model, options, key)
    scheme, _, rest = flags.llm.partition(":")
    if scheme == "replay" and rest:
        from models.chat.replay import ReplayModel

        return ReplayModel(Path(rest), flags.model, tolerant=flags.tolerant)
    if scheme == "vllm" and rest:
        from models.chat.vllm import VllmChat

        return VllmChat(rest, flags.model or rest)
    raise BadInput(f"--llm {flags.llm!r} names no model", fix=_LLM_FIX)


def retriever_for(name: str, settings: Settings) -> Retriever:
    """Return the retriever that mines: any name that `rebench eval --model` takes."""
    from harness.loading import retriever

    return retriever(name, settings)


def scorer_for(annotator: str, embedder: str, settings: Settings) -> CandidateScorer | None:
    """Return the cheap scorer that `--annotator` names (`None`: the language model judges).

    Raises `BadInput` for an unknown name, or for `embedding` with a retriever that embeds nothing.
    """
    from remixer.stages.scorers import (
        CROSS_ENCODER,
        CrossEncoderScorer,
        EmbeddingScorer,
        LexicalScorer,
    )

    if annotator == "llm":
        return None
    if annotator == "lexical":
        return LexicalScorer()
    if annotator.startswith(CROSS_ENCODER):
        return CrossEncoderScorer(annotator.removeprefix(CROSS_ENCODER))
    if annotator != "embedding":
        raise BadInput(
            f"--annotator {annotator!r}",
            fix=f"Give llm, lexical, embedding or {CROSS_ENCODER}MODEL.",
        )
    from harness.retrieval import DenseRetriever

    dense = retriever_for(embedder, settings)
    if not isinstance(dense, DenseRetriever):
        raise BadInput(
            f"--annotator embedding needs an embedder, and {embedder!r} is none",
            fix="Name one with --embedder; `rebench models` lists them.",
        )
    return EmbeddingScorer(dense.embedder, dense.store)
