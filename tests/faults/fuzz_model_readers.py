"""Readers of models' folders, of what servers reply, and of what a killed process left."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

from harness.ablation.curves import read_curves
from harness.core.file_sets import write_file_set
from harness.core.http import Answer, failure_of
from harness.core.hub import HubRepository, resolve_revision
from harness.core.weight_files import check_weight_files
from models.backends.cross_encoder import check_cross_encoder
from models.backends.http_reply import read_reply
from models.backends.rerank_server import ServerReranker
from models.card import read_card
from models.chat.completion import read_completion
from models.chat.journal import Journal, read_records
from models.chat.protocol import ChatReply, Sampling, user_request
from models.chat.replay import ReplayModel
from models.folders import read_folder
from models.sparse_folders import folder_kind, read_sparse_folder
from models.weights import check_files, find_weights
from redapter.checkpoints import TrainingFolder
from redapter.steplog import read_log
from tests.faults.fuzz_reader import Reader, lines, one_of
from tests.faults.fuzz_table_readers import CARD

# Models and servers --------------------------------------------------------------------------

ST = "sentence_transformers.models."
DENSE = {
    "config.json": json.dumps({"model_type": "bert", "max_position_embeddings": 64,
                               "architectures": ["BertModel"]}),
    "tokenizer_config.json": json.dumps({"model_max_length": 64, "truncation_side": "left"}),
    "modules.json": json.dumps([
        {"idx": 0, "name": "0", "path": "", "type": f"{ST}Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": f"{ST}Pooling"},
    ]),
    "config_sentence_transformers.json": json.dumps(
        {"prompts": {"query": "q: "}, "default_prompt_name": None, "similarity_fn_name": "cosine"}
    ),
    "sentence_bert_config.json": json.dumps({"max_seq_length": 32, "do_lower_case": False}),
    "1_Pooling/config.json": json.dumps({"pooling_mode_mean_tokens": True, "include_prompt": True}),
}  # fmt: skip
SPARSE = {
    "config.json": json.dumps({"model_type": "bert", "architectures": ["BertForMaskedLM"]}),
    "modules.json": json.dumps([
        {"idx": 0, "name": "0", "path": "", "type": f"{ST}MLMTransformer"},
        {"idx": 1, "name": "1", "path": "1_SpladePooling", "type": f"{ST}SpladePooling"},
    ]),
    "config_sentence_transformers.json": json.dumps(
        {"model_type": "SparseEncoder", "prompts": {}, "max_active_dims": 64}
    ),
    "1_SpladePooling/config.json": json.dumps({"pooling_strategy": "max"}),
}  # fmt: skip
TENSORS = json.dumps({"a": {"dtype": "F32", "shape": [4, 4], "data_offsets": [0, 64]}}).encode()
INDEX = json.dumps({"metadata": {}, "weight_map": {"a": "model-1.safetensors"}})


def _folder(root: Path) -> object:
    return folder_kind(root), read_folder(root)


def _weights(root: Path) -> object:
    check_weight_files(root)
    check_files(root)
    return find_weights(read_card(root / "card.toml"), str(root)).identity


REQUEST = user_request("m", "why", Sampling(0.5, 1.0, 16), 1)
COMPLETION = {
    "id": "x", "model": "m", "usage": {"prompt_tokens": 3, "completion_tokens": 2},
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"content": "because"},
                 "logprobs": {"content": [{"token": "b", "logprob": -0.5, "top_logprobs": []}]}}],
}  # fmt: skip
EMBEDDINGS = {"model": "m", "usage": {"prompt_tokens": 3}, "data": [
    {"index": 0, "embedding": [0.5, 1.0]}, {"index": 1, "embedding": [1.0, 0.0]}]}  # fmt: skip
RERANKED = {"model": "m", "results": [{"index": 0, "relevance_score": 0.5},
                                      {"index": 1, "relevance_score": 0.25}]}  # fmt: skip


def _answer(root: Path, status: int = 200) -> Answer:
    return Answer(status, {}, (root / "body").read_bytes())


def _embedded(root: Path) -> object:
    try:
        payload = _answer(root).json()
    except ValueError:  # what its callers take for a reply that cannot be read
        return None
    return read_reply(payload, 2, "the server")


def _journal(root: Path) -> list[Path]:
    with Journal(root / "journal.jsonl") as journal:
        for key in ("a" * 64, "b" * 64):
            journal.append(REQUEST, ChatReply(key=key, text="because", finish="stop"))
    return [root / "journal.jsonl"]


def _replayed(root: Path) -> object:
    path = root / "journal.jsonl"
    return list(read_records(path)), ReplayModel(path).name


def _cut(root: Path) -> object:
    folder = TrainingFolder(root)
    folder.cut_log(2)
    run = SimpleNamespace(variant="infonce", folder=lambda place: place)
    result = SimpleNamespace(failed=False, run=run, record=SimpleNamespace(log="log.jsonl"))
    return read_log(folder.log), read_curves([result], root)


def _set_of_files(root: Path) -> list[Path]:
    write_file_set(root / "set.json", {"a.md": b"a", "b/c.md": b"c"})
    return [root / "set.json"]


def _commit(root: Path) -> object:
    with patch("huggingface_hub.constants.HF_HUB_CACHE", str(root)):
        return resolve_revision(HubRepository("a/b"), "main")


MODELS = {
    "step log of a killed training": one_of(_cut, {"log.jsonl": lines(
        {"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25}, {"step": 3, "loss": 0.125})}),
    "set of files, written again": Reader(
        _set_of_files, lambda root: write_file_set(root / "set.json", {"a.md": b"b"}), sealed=True
    ),
    "commit of a branch": one_of(_commit, {"models--a--b/refs/main": "c" * 40}),
    "folder: dense": one_of(_folder, DENSE),
    "folder: sparse": one_of(read_sparse_folder, SPARSE),
    "folder: cross-encoder": one_of(
        lambda root: check_cross_encoder(root, "m"),
        {"config.json": json.dumps({"architectures": ["BertForSequenceClassification"]}),
         "config_sentence_transformers.json": json.dumps({"model_type": "CrossEncoder"})},
    ),
    "folder: weights": one_of(
        _weights,
        {"model-1.safetensors": len(TENSORS).to_bytes(8, "little") + TENSORS + bytes(64),
         "model.safetensors.index.json": INDEX, "config.json": DENSE["config.json"],
         "tokenizer.json": "{}", "card.toml": CARD},
    ),
    "replayed journal": Reader(_journal, _replayed),
    "reply: embeddings": one_of(_embedded, {"body": json.dumps(EMBEDDINGS)}),
    "reply: chat": one_of(
        lambda root: read_completion("a" * 64, REQUEST, _answer(root)),
        {"body": json.dumps(COMPLETION)},
    ),
    "reply: reranker": one_of(
        lambda root: ServerReranker("http://127.0.0.1:1/v1/rerank", "m")._read(_answer(root), 2),
        {"body": json.dumps(RERANKED)},
    ),
    "reply: error": one_of(
        lambda root: failure_of(_answer(root, 400), 0.0),
        {"body": json.dumps({"error": {"message": "too long", "param": None, "code": 400}})},
    ),
}  # fmt: skip
