"""What changes a vector changes its space; telling so loads nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import asdict, fields
from pathlib import Path

import pytest

from harness.core.hashing import space_fingerprint
from models.card import ModelCard, card_json
from models.registry import make_embedder, resolve_model
from models.spec import LoadOptions, make_spec
from tests.helpers import tiny

pytest.importorskip("torch")

ROOT = Path(__file__).resolve().parent.parent.parent
CHANGES = {
    "weights": lambda folder: {"weights": str(folder)},
    "dtype": lambda folder: {"dtype": "bfloat16"},
    "max_length": lambda folder: {"max_length": 9},
    "trust_remote_code": lambda folder: {"trust_remote_code": True},
    "pooling": lambda folder: {"pooling": "mean"},
    "normalize": lambda folder: {"normalize": False},
    "query_instruction": lambda folder: {"query_instruction": "find: "},
    "document_instruction": lambda folder: {"document_instruction": "keep: "},
    "max_query_length": lambda folder: {"max_query_length": 9},
    "max_document_length": lambda folder: {"max_document_length": 9},
    "truncation_side": lambda folder: {"truncation_side": "left"},
}
"""Field of LoadOptions -> a value that changes vectors."""
WITHOUT_EFFECT = {
    "max_active_query": "cuts sparse vectors when they are searched: see test_sparse",
    "max_active_document": "the same",
    "token_storage": "rounds token vectors: see test_late",
    "similarity": "how vectors are compared; whether they are scaled is a field of its own",
    "device": "where it runs changes rounding only; the number format is a field of its own",
    "batch_tokens": "how many texts share a batch",
    "backend": "chooses another class, whose spaces carry its name",
    "revision": "of a hub model: see test_a_revision_is_part_of_the_space",
}
CARD_CHANGES = {
    "hub_id": "other/model",
    "pooling": "cls",
    "normalize": False,
    "query_instruction": "find: ",
    "document_instruction": "keep: ",
    "max_query_length": 9,
    "max_document_length": 9,
    "dimension": 16,
    "options": {"append_eos": True},
}
CARD_WITHOUT_EFFECT = {
    "backend": "chooses another class",
    "revision": "of a hub model: see test_a_revision_is_part_of_the_space",
    "dtype": "on a CPU the default is float32",
    "similarity": "how vectors are compared; it is part of a retriever's identity",
    "title": "shown", "parameters": "shown", "licence": "shown", "languages": "shown",
    "family": "shown", "trained_on_bright": "shown", "sources": "shown",
}  # fmt: skip


def spaces(folder, **options):
    """Return the fingerprints of both roles' spaces, instructions rendered."""
    chosen = LoadOptions(**{"device": "cpu", **options})
    return fingerprints(resolve_model(str(folder), chosen, {}).card, chosen)


def fingerprints(card, options):
    embedder = make_embedder(make_spec(card, options))
    from harness.core.types import PromptFields

    words = PromptFields("s", "S", "S post", "post", "passages")
    found = [
        embedder.space(role, embedder.instruction(role, words)) for role in ("query", "document")
    ]
    return tuple(space_fingerprint(space) for space in found), embedder.identity


def test_every_load_option_is_known_here():
    assert {each.name for each in fields(LoadOptions)} == set(CHANGES) | set(WITHOUT_EFFECT)


def test_every_card_field_is_known_here():
    known = set(CARD_CHANGES) | set(CARD_WITHOUT_EFFECT) | {"name"}
    assert {each.name for each in fields(ModelCard)} == known


@pytest.mark.parametrize("field", CHANGES)
def test_a_load_option_that_changes_vectors_changes_the_space(field, qwen3, tmp_path):
    other = tiny.qwen3(tmp_path / "other", seed=1)
    before, identity = spaces(qwen3)
    after, other_identity = spaces(qwen3, **CHANGES[field](other))
    one_role = {"query_instruction", "max_query_length", "document_instruction",
                "max_document_length"}  # fmt: skip
    changed = [a != b for a, b in zip(before, after, strict=True)]
    assert any(changed) if field in one_role else all(changed)
    assert identity != other_identity


@pytest.mark.parametrize("field", CARD_CHANGES)
def test_a_card_field_that_changes_vectors_changes_the_space(field, qwen3):
    options = LoadOptions(device="cpu", weights=str(qwen3))
    base = {"name": "x", "backend": "sentence-transformers", "pooling": "last"}
    before, identity = fingerprints(ModelCard(**base), options)
    after, other_identity = fingerprints(ModelCard(**{**base, field: CARD_CHANGES[field]}), options)
    assert before != after
    assert identity != other_identity


@pytest.mark.parametrize(
    "option", ["append_eos", "bidirectional", "exclude_prompt", "truncation_side"]
)
def test_every_option_of_the_backend_changes_the_space(option, qwen3):
    options = LoadOptions(device="cpu", weights=str(qwen3))
    value = "left" if option == "truncation_side" else True
    base = {"name": "x", "backend": "sentence-transformers", "pooling": "last"}
    before, _ = fingerprints(ModelCard(**base), options)
    after, _ = fingerprints(ModelCard(**base, options={option: value}), options)
    assert all(a != b for a, b in zip(before, after, strict=True))


def test_what_only_changes_speed_keeps_the_space(qwen3):
    assert spaces(qwen3) == spaces(qwen3, batch_tokens=64)


def test_a_revision_is_part_of_the_space():
    first, second = "a" * 40, "b" * 40
    card = ModelCard(name="x", backend="sentence-transformers", hub_id="o/x", pooling="mean",
                     max_query_length=9, max_document_length=9)  # fmt: skip
    found = set()
    for revision in (first, second):
        options = LoadOptions(device="cpu", revision=revision)
        found.add(fingerprints(card, options)[0])
    assert len(found) == 2


def test_a_copy_elsewhere_is_the_same_model(qwen3, tmp_path):
    copy = shutil.copytree(qwen3, tmp_path / "copy")
    (copy / "README.md").write_text("notes")
    card = ModelCard(name="x", backend="sentence-transformers", pooling="last")
    before = fingerprints(card, LoadOptions(device="cpu", weights=str(qwen3)))
    assert before == fingerprints(card, LoadOptions(device="cpu", weights=str(copy)))


@pytest.mark.parametrize(
    "name", ["modules.json", "1_Pooling/config.json", "config.json", "tokenizer.json",
             "tokenizer_config.json", "model.safetensors"],
)  # fmt: skip
def test_any_file_that_is_loaded_is_part_of_the_space(name, qwen3, tmp_path):
    copy = shutil.copytree(qwen3, tmp_path / "copy")
    path = copy / name
    path.write_bytes(path.read_bytes() + b"\n")
    card = ModelCard(name="x", backend="sentence-transformers", pooling="last",
                     max_query_length=9, max_document_length=9)  # fmt: skip
    before = fingerprints(card, LoadOptions(device="cpu", weights=str(qwen3)))[0]
    assert before != fingerprints(card, LoadOptions(device="cpu", weights=str(copy)))[0]


def test_identity_holds_no_path_of_this_machine(qwen3):
    _, identity = spaces(qwen3)
    assert str(qwen3) not in str(identity)
    assert str(qwen3.parent) not in str(identity)


PROBE = """
import sys
from harness.core.types import PromptFields
from models.registry import make_embedder, resolve_model
from models.spec import LoadOptions
words = PromptFields("s", "S", "S post", "post", "passages")
for spec in sys.argv[1:]:
    options = LoadOptions()
    embedder = make_embedder(resolve_model(spec, options, {}))
    embedder.identity, embedder.batch_tokens
    for role in ("query", "document"):
        embedder.space(role, embedder.instruction(role, words))
print(sorted({"torch", "transformers", "tokenizers", "model2vec", "wordllama"} & set(sys.modules)))
"""


def test_telling_what_a_model_is_loads_nothing(qwen3, model2vec):
    specs = [str(qwen3), str(model2vec), "minilm", "wordllama", "e5-mistral-7b", "gritlm-7b"]
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *specs], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_a_card_has_one_fingerprint_and_any_field_changes_it():
    base = ModelCard(name="x", backend="static")
    seen = {base.fingerprint}
    for field, value in CARD_CHANGES.items():
        seen.add(ModelCard(**{**card_json(base), "languages": (), field: value}).fingerprint)
    assert len(seen) == len(CARD_CHANGES) + 1
    assert asdict(base)["name"] == "x"
