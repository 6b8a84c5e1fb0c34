"""Readers of settings, cards, recipes and prompts, and of rows of every kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.ablation.spec import read_spec
from harness.core.files import read_json, read_jsonl, read_toml
from harness.core.settings import load_settings
from harness.core.types import PromptFields
from harness.pipelines.staged.pipeline import check_pipeline, read_pipelines
from models.card import read_card
from models.rerankers.find import find_reranker
from redapter.config import BatchConfig, DataConfig
from redapter.config_file import read_config
from redapter.data import load_examples
from remixer.audit.reader import count_lines, read_audit_rows
from remixer.corpus import named_documents
from remixer.prompt_files import PromptFiles
from remixer.rows import LabelRow, MinedRow, QueryRow, SourceRow, read_stage
from remixer.task_profiles import load_profile
from remixer.written_replies import read_written
from tests.faults.fuzz_data_readers import EXAMPLE, SCORES
from tests.faults.fuzz_reader import Reader, copied, lines, one_of

# Settings, recipes and prompts ---------------------------------------------------------------

SETTINGS = """cache = "cache"
results = "results"
[models.mine]
backend = "http"
[models.mine.options]
base_url = "http://127.0.0.1:1/v1"
[pipelines.p]
stages = []
"""
CARD = """name = "mine"
backend = "sentence-transformers"
hub_id = "org/mine"
revision = "main"
pooling = "mean"
normalize = true
query_instruction = "Find {{noun}}: "
max_query_length = 512
languages = ["en"]
[options]
append_eos = true
[sources]
pooling = "a page"
"""
RERANKER = """kind = "reranker"
name = "mine"
method = "cross-encoder"
hub_id = "org/mine"
max_length = 512
"""


def _pipelines(root: Path) -> object:
    (path,) = root.iterdir()
    found = read_pipelines(path)
    for pipeline in found.values():
        check_pipeline(pipeline, str(path))
    return found


WORDS = PromptFields("biology", "Biology", "post", "passages", "passage")


def _prompts(root: Path) -> object:
    return load_profile("post", WORDS, prompts=PromptFiles(root))


TABLES = {
    "JSON": one_of(lambda root: read_json(root / "a.json"), {"a.json": json.dumps([SCORES, "é"])}),
    "JSON lines": one_of(
        lambda root: list(read_jsonl(root / "a.jsonl.gz")), {"a.jsonl.gz": lines(EXAMPLE, EXAMPLE)}
    ),
    "TOML": one_of(lambda root: read_toml(root / "a.toml"), {"a.toml": CARD}),
    "settings": one_of(lambda root: load_settings(root, {}), {"rebench.toml": SETTINGS}),
    "model card": one_of(lambda root: read_card(root / "card.toml"), {"card.toml": CARD}),
    "reranker card": one_of(
        lambda root: find_reranker(str(root / "card.toml")), {"card.toml": RERANKER}
    ),
    "pipelines": Reader(
        lambda root: copied(root, "harness.pipelines.staged", "recipes/bge-reasoner.toml"),
        _pipelines,
    ),
    "pipelines, another": Reader(
        lambda root: copied(root, "harness.pipelines.staged", "recipes/diver-v2.toml"), _pipelines
    ),
    "ablation": Reader(
        lambda root: copied(root, "harness.ablation", "presets/redapter-demo.toml"),
        lambda root: read_spec(str(root / "redapter-demo.toml")),
    ),
    "ablation of ReMixer": Reader(
        lambda root: copied(root, "harness.ablation", "presets/remixer-demo.toml"),
        lambda root: read_spec(str(root / "remixer-demo.toml")),
    ),
    "recipe": Reader(
        lambda root: copied(root, "redapter", "configs/demo.toml"),
        lambda root: read_config(str(root / "demo.toml")),
    ),
    "prompt": Reader(lambda root: copied(root, "remixer", "prompts/kind-post.txt"), _prompts),
    "override": one_of(
        lambda root: read_config("demo", [(root / "set").read_text("utf-8", "replace")]),
        {"set": "train.learning_rate = 1e-5"},
    ),
}

# Rows ----------------------------------------------------------------------------------------

ROW = {
    "query": "why", "pos": ["a"], "neg": ["b", "c"], "pos_scores": [5.0], "neg_scores": [1.0, 2.0],
    "prompt": "p", "reasoning_query": "because", "task": "biology", "pos_ids": ["d1"],
    "train_group_size": 3, "batch_size": 2, "conditions": {"length": "short"},
}  # fmt: skip
WRITTEN = [
    {"doc_id": "d1", "query": "why", "reasoning_query": "because"},
    {"doc_id": "d1", "candidate": "d2", "score": 3, "justification": "j"},
    {"doc_id": "d2", "judgements": [{"candidate": "d3", "score": 1, "justification": "j"}]},
]
STAGES = {
    SourceRow: {"doc_id": "d", "length": "l", "education": "e"},
    QueryRow: {"doc_id": "d", "length": "l", "education": "e", "query": "q", "model": "m",
               "prompt": "p", "reasoning_query": "r", "reasoning_model": "",
               "reasoning_prompt": ""},
    MinedRow: {"doc_id": "d", "candidates": ["a", "b"], "scores": [2.0, 1.5], "retriever": "bm25"},
    LabelRow: {"doc_id": "d", "candidates": ["a", "b"], "labels": [5, 0], "annotator": "m",
               "prompt": "p"},
}  # fmt: skip


def _stage(kind: Any) -> Reader:
    return one_of(lambda root: list(read_stage(root / "a.jsonl", kind)),
                  {"a.jsonl": lines(STAGES[kind], {**STAGES[kind], "doc_id": "e"})})  # fmt: skip


def _training(root: Path) -> object:
    data = DataConfig(path=str(root / "rows.jsonl"))
    return load_examples(data, BatchConfig(), "infonce")


def _audited(root: Path) -> object:
    path = root / "rows.jsonl"
    return count_lines(path), list(read_audit_rows([path], ["biology"]))


ROWS = {
    "training rows, plain": one_of(_training, {"rows.jsonl": lines(ROW, ROW)}),
    "audited rows": one_of(_audited, {"rows.jsonl": lines(ROW, ROW)}),
    "written replies": one_of(
        lambda root: read_written([root / "a.jsonl"]), {"a.jsonl": lines(*WRITTEN)}
    ),
    "named documents": one_of(lambda root: named_documents(root / "a.txt"), {"a.txt": "d1\nd2\n"}),
    **{f"{kind.__name__} rows": _stage(kind) for kind in STAGES},
}
