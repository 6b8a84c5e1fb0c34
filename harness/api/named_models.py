"""Language models, miners and judges by the names that users give them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import BadInput
from models.chat.defaults import CONCURRENCY, KEY_VARIABLES, TIMEOUT

if TYPE_CHECKING:
    from harness.core.protocols import Retriever
    from harness.core.settings import Settings
    from models.backends.cross_encoder import CrossEncoderReranker
    from models.chat.protocol import ChatModel
    from remixer.stages.scorers import CandidateScorer

PAPER_EMBEDDER = "gte-qwen2-7b"
RELEASED_DTYPE = "float16"
RELEASED_INSTRUCTION = (
    "Instruct: Given {a_query_kind}, retrieve relevant {document_noun} that help answer the "
    "{query_noun}.\nQuery: "
)
"""How the released code mines: gte-Qwen2-7B-instruct in fp16, the instruction with the task's
pretty name and a full stop (data_synthesis at 1efe855, 2-mine_docs_for_bright)."""

_LLM_FIX = "Give it as http://HOST:PORT/v1, vllm:MODEL or replay:FILE."


@dataclass(frozen=True, slots=True)
class ChatFlags:
    """A language model and how it is asked; `option` is the option that names it."""

    llm: str | None = None
    model: str = ""
    dialect: str = "vllm"
    concurrency: int = CONCURRENCY
    timeout: float = TIMEOUT
    tolerant: bool = False
    option: str = "--llm"
    key_variables: tuple[str, ...] = KEY_VARIABLES


def chat_model(flags: ChatFlags, environment: Mapping[str, str] = os.environ) -> ChatModel | None:
    """Return the language model that a spec names, nothing loaded yet (`None` without a spec).

    Raises `BadInput` for a spec that cannot be read or lacks its model's name.
    """
    if flags.llm is None:
        return None
    if flags.llm.startswith(("http://", "https://")):
        return _http_chat(flags, environment)
    scheme, _, rest = flags.llm.partition(":")
    if scheme == "replay" and rest:
        from models.chat.replay import ReplayModel

        return ReplayModel(Path(rest), flags.model, tolerant=flags.tolerant)
    if scheme == "vllm" and rest:
        from models.chat.vllm import VllmChat

        return VllmChat(rest, flags.model or rest)
    raise BadInput(f"{flags.option} {flags.llm!r} names no model", fix=_LLM_FIX)


def _http_chat(flags: ChatFlags, environment: Mapping[str, str]) -> ChatModel:
    from harness.core.secrets import key_from
    from models.chat.http import ChatServerOptions, HttpChat

    if not flags.model:
        name = flags.option.replace("-llm", "-model") if flags.option != "--llm" else "--llm-model"
        raise BadInput(
            f"no model is named for {flags.llm}", fix=f"Give {name} NAME, as the server knows it."
        )
    key = key_from(environment, flags.key_variables)
    options = ChatServerOptions(
        concurrency=flags.concurrency, timeout=flags.timeout, dialect=flags.dialect
    )
    return HttpChat(str(flags.llm), flags.model, options, key)


def mining_retriever(
    name: str, settings: Settings, dtype: str = "", query_instruction: str | None = None
) -> Retriever:
    """Return the retriever that mines: any name that `rebench eval --model` takes.

    gte-qwen2-7b mines as released unless a dtype or an instruction is given: float16, and the
    instruction with the task's own name and a full stop.
    """
    from harness.loading import RunOptions, retriever
    from models.spec import LoadOptions

    as_released = name == PAPER_EMBEDDER
    load = LoadOptions(
        dtype=dtype or (RELEASED_DTYPE if as_released else ""),
        query_instruction=query_instruction
        if query_instruction is not None
        else (RELEASED_INSTRUCTION if as_released else None),
    )
    return retriever(name, settings, RunOptions(load=load))


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
        return CrossEncoderScorer(_pair_scorer(annotator.removeprefix(CROSS_ENCODER)))
    if annotator != "embedding":
        raise BadInput(
            f"--annotator {annotator!r}",
            fix=f"Give llm, lexical, embedding or {CROSS_ENCODER}MODEL.",
        )
    from harness.loading import retriever
    from harness.retrieval.dense import DenseRetriever

    dense = retriever(embedder, settings)
    if not isinstance(dense, DenseRetriever):
        raise BadInput(
            f"--annotator embedding needs an embedder, and {embedder!r} is none",
            fix="Name one with --embedder; `rebench models` lists them.",
        )
    return EmbeddingScorer(dense.embedder, dense.store)


def _pair_scorer(name: str) -> CrossEncoderReranker:
    """Return the reranker that `--annotator cross-encoder:NAME` names."""
    from harness.api.local_rerankers import local_reranker
    from models.rerankers.find import find_reranker

    if not name:
        raise BadInput(
            "--annotator cross-encoder: names no model",
            fix="Write it as cross-encoder:FOLDER or cross-encoder:ORG/NAME[@REVISION].",
        )
    return local_reranker(find_reranker(name))
