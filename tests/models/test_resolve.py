"""A model's name: the user's table, a card that ships, another package, a folder, a hub id."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.core.errors import BadInput, UnknownName
from models.registry import find_card, known_models, make_embedder, resolve_model
from models.spec import LoadOptions, make_spec

ROOT = Path(__file__).resolve().parent.parent.parent
NOTHING = LoadOptions()
CPU = LoadOptions(device="cpu")


def test_a_card_that_ships_is_found_by_name():
    assert resolve_model("bm25", NOTHING, {}).card == find_card("bm25")


def test_the_users_table_is_a_card_and_comes_first():
    tables = {"mine": {"hub_id": "org/model", "pooling": "cls"}, "bm25": {"hub_id": "org/bm25"}}
    card = resolve_model("mine", NOTHING, tables).card
    assert (card.name, card.backend) == ("mine", "sentence-transformers")
    assert (card.hub_id, card.pooling) == ("org/model", "cls")
    assert resolve_model("bm25", NOTHING, tables).card.hub_id == "org/bm25"


def test_the_users_table_can_start_from_another_card():
    tables = {
        "short": {"base": "e5-mistral-7b", "max_query_length": 32},
        "minilm": {"base": "minilm", "normalize": False},
        "shorter": {"base": "short", "max_document_length": 16},
    }
    short = resolve_model("short", NOTHING, tables).card
    e5 = find_card("e5-mistral-7b")
    assert (short.name, short.max_query_length) == ("short", 32)
    assert (short.hub_id, short.max_document_length) == (e5.hub_id, e5.max_document_length)
    assert resolve_model("minilm", NOTHING, tables).card.normalize is False
    both = resolve_model("shorter", NOTHING, tables).card
    assert (both.max_query_length, both.max_document_length) == (32, 16)


def test_tables_that_start_from_each_other_end():
    tables = {"a": {"base": "b"}, "b": {"base": "a"}}
    with pytest.raises(UnknownName):
        resolve_model("a", NOTHING, tables)


def test_a_table_that_is_no_card_is_told_with_its_place():
    with pytest.raises(BadInput, match=r"\[models.mine\].*'poling'"):
        resolve_model("mine", NOTHING, {"mine": {"poling": "cls"}})


def test_options_are_put_over_the_card():
    options = LoadOptions(
        backend="vllm", revision="abc", pooling="mean", normalize=False, query_instruction="",
        document_instruction="d: ", max_query_length=7, max_document_length=8,
        truncation_side="left",
    )  # fmt: skip
    card = resolve_model("gritlm-7b", options, {}).card
    assert (card.backend, card.revision, card.pooling) == ("vllm", "abc", "mean")
    assert (card.normalize, card.query_instruction, card.document_instruction) == (
        False, "", "d: ",
    )  # fmt: skip
    assert (card.max_query_length, card.max_document_length) == (7, 8)
    assert card.options["truncation_side"] == "left"
    assert card.options["exclude_prompt"] is True
    assert make_spec(card, options).card == card


def test_one_length_sets_both_and_the_narrower_flag_wins():
    card = resolve_model("minilm", LoadOptions(max_length=9, max_query_length=7), {}).card
    assert (card.max_query_length, card.max_document_length) == (7, 9)


@pytest.mark.parametrize(
    "options", [LoadOptions(pooling="max"), LoadOptions(backend="x"), LoadOptions(max_length=-1),
                LoadOptions(truncation_side="top")],
)  # fmt: skip
def test_options_that_no_card_could_have_are_refused(options):
    with pytest.raises(BadInput):
        resolve_model("minilm", options, {})


def test_a_plain_folder_is_a_model_by_its_folders_name(bert, tmp_path):
    card = resolve_model(str(bert), NOTHING, {}).card
    assert card.name == bert.name
    assert card.backend == "sentence-transformers"
    embedder = make_embedder(make_spec(card, CPU))
    space = embedder.space("query", "")
    assert (space.pooling, space.max_length, space.dtype) == ("mean", 48, "float32")


def test_a_static_folder_is_a_static_model(model2vec):
    card = resolve_model(str(model2vec), NOTHING, {}).card
    assert (card.backend, card.options["loader"]) == ("static", "model2vec")


@pytest.mark.parametrize("name", ["rebench-card.toml", "card.toml"])
def test_a_folder_can_bring_its_card(name, qwen3, tmp_path):
    import shutil

    folder = shutil.copytree(qwen3, tmp_path / "trained")
    (folder / name).write_text(
        'name = "mine"\nbackend = "sentence-transformers"\npooling = "last"\n'
        'query_instruction = "q: "\nmax_query_length = 12\n'
    )
    card = resolve_model(str(folder), NOTHING, {}).card
    assert (card.name, card.query_instruction, card.max_query_length) == ("mine", "q: ", 12)
    embedder = make_embedder(make_spec(card, CPU))
    assert embedder.encode(["moss"], role="query", instruction="").shape == (1, 128)


def test_a_folder_without_a_model_is_told(tmp_path):
    with pytest.raises(BadInput, match="holds no model"):
        resolve_model(str(tmp_path), NOTHING, {})


def test_a_hub_id_is_a_model():
    card = resolve_model("org/some-model", LoadOptions(revision="v1"), {}).card
    assert (card.name, card.hub_id, card.revision) == ("some-model", "org/some-model", "v1")


@pytest.mark.parametrize("spec", ["minlm", "a/b/c", "./nowhere/x", "/nowhere/x", "nothing"])
def test_anything_else_is_unknown_with_near_names(spec):
    with pytest.raises(UnknownName) as caught:
        resolve_model(spec, NOTHING, {"mine": {}})
    if spec == "minlm":
        assert caught.value.close[0] == "minilm"


DISTRIBUTION = {
    "theirs/__init__.py": 'TABLE = {"backend": "static", "hub_id": "org/theirs"}\n'
    'CARD = "cards/second.toml"\nWRONG = 7\n\n\ndef made():\n    return TABLE\n',
    "theirs/cards/second.toml": 'name = "second"\nbackend = "static"\nhub_id = "org/second"\n',
    "theirs-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n",
    "theirs-1.0.dist-info/entry_points.txt": "[rebench.models]\nfirst = theirs:TABLE\n"
    "second = theirs:CARD\nthird = theirs:made\nwrong = theirs:WRONG\n",
}
PROBE = """
from models.registry import known_models, resolve_model
from models.spec import LoadOptions
for name in ("first", "second", "third"):
    card = resolve_model(name, LoadOptions(pooling="mean"), {}).card
    print(card.name, card.hub_id, card.pooling)
print({"first", "second", "third"} <= set(known_models({})))
try:
    resolve_model("wrong", LoadOptions(), {})
except Exception as error:
    print(type(error).__name__, error)
"""


def test_another_package_offers_models_by_an_entry_point(tmp_path):
    for name, text in DISTRIBUTION.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{PROBE}"],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert lines[:4] == [
        "first org/theirs mean", "second org/second mean", "third org/theirs mean", "True",
    ], done.stderr  # fmt: skip
    assert lines[4].startswith("BadInput entry point theirs:WRONG gives a int")


def test_all_names_are_listed_once():
    names = known_models({"mine": {}, "minilm": {}})
    assert len(names) == len(set(names))
    assert {"mine", "minilm", "bm25"} <= set(names)
