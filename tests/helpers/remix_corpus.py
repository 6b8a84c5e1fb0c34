"""A small corpus on which all stages can run, and what they run with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from harness.core.progress import SilentReporter
from harness.core.types import Corpus, PromptFields, Query, Task
from harness.search.bm25 import bm25
from models.chat.dispatch import FailureLimits
from models.chat.protocol import ChatModel
from remixer.config import RemixConfig
from remixer.context import RemixTools
from remixer.stages.mine import MineOptions
from remixer.stages.select import SelectConfig
from remixer.task_profiles import TaskProfile, load_profile

_WORDS = """lock queue thread night job machine wait deadlock order buffer signal socket timer
event process signal memory page cache disk index tree graph table column row key value text"""
WORDS = tuple(_WORDS.split())


def make_task(documents: int = 24, seed: int = 5, words: int = 60) -> Task:
    """Return a task of random documents; the first is gold, the second excluded."""
    rng = np.random.default_rng(seed)
    ids = tuple(f"d{row:04}" for row in range(documents))
    texts = tuple(" ".join(rng.choice(WORDS, words)) + f" {key}" for key in ids)
    return Task(
        name="notes",
        group="test",
        revision="1",
        query_set="original",
        queries=(Query("q", "what is a lock?"),),
        qrels={"q": {ids[0]: 1}} if documents else {},
        excluded={"q": frozenset(ids[1:2])},
        head_metric="ndcg@10",
        prompt_fields=PromptFields("notes", "Systems", "Systems question", "question", "passages"),
        corpus=Corpus(ids, texts),
    )


def make_kind(task: Task | None = None) -> TaskProfile:
    """Return the general kind for a task."""
    return load_profile("general", (task or make_task()).prompt_fields, "computing")


def make_config(**changes: object) -> RemixConfig:
    """Return a configuration of a small run: no domain filter, five candidates."""
    config = RemixConfig(
        select=SelectConfig(min_characters=20, limit=8),
        domain_filter=False,
        mine=MineOptions(depth=5),
    )
    return replace(config, **changes)


def make_tools(chat: ChatModel | None, **changes: object) -> RemixTools:
    """Return tools with BM25 mining and impatient tests."""
    tools = RemixTools(
        reporter=SilentReporter(), chat=chat, retriever=bm25(), limits=FailureLimits()
    )
    return replace(tools, **changes)


def contents(folder: Path, but: tuple[str, ...] = ()) -> dict[str, bytes]:
    """Return name -> bytes of a folder's files."""
    return {
        path.name: path.read_bytes()
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name not in but
    }
