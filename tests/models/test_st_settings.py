"""Folders that differ in one setting, ranked as sentence-transformers itself ranks them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.core.errors import BadInput
from harness.core.progress import SilentReporter
from harness.core.types import Corpus, Query
from harness.retrieval.dense import DenseRetriever
from models.card import ModelCard
from models.registry import described_card, make_embedder, resolve_model, shipped_cards
from models.spec import LoadOptions
from models.st_settings import MODEL, MODULES, POOLING, SETTINGS, TRANSFORMER
from tests.helpers import tiny
from tests.helpers.remix_corpus import make_task

torch = pytest.importorskip("torch")
sentence_transformers = pytest.importorskip("sentence_transformers")

TEXTS = [text for text in tiny.TEXTS if text.strip()]
QUERIES = ["moss stone river", "tide", "why does the river {rise} at night?"]
SAVED = "sentence_transformers.sentence_transformer.modules"


def variant(source: Path, target: Path, *, drop: str = "", **settings: object) -> Path:
    """Copy a folder; keys are put over its settings, and a module may be dropped."""
    folder = Path(shutil.copytree(source, target))
    path = folder / MODEL
    before = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**before, **settings}))
    if drop:
        listed = json.loads((folder / "modules.json").read_text())
        kept = [module for module in listed if not module["type"].endswith(drop)]
        (folder / "modules.json").write_text(json.dumps(kept))
    return folder


def change(folder: Path, name: str, **values: object) -> Path:
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    return folder


def theirs(folder: Path) -> np.ndarray:
    model = sentence_transformers.SentenceTransformer(str(folder), device="cpu")
    queries, documents = model.encode_query(QUERIES), model.encode_document(TEXTS)
    return model.similarity(queries, documents).numpy()


def ours(folder: Path, **options: object) -> np.ndarray:
    task = make_task()
    ids = tuple(f"d{at:03}" for at in range(len(TEXTS)))
    queries = tuple(Query(f"q{at}", text) for at, text in enumerate(QUERIES))
    task = replace(task, corpus=Corpus(ids, tuple(TEXTS)), queries=queries, excluded={},
                   qrels={query.id: {ids[0]: 1} for query in queries})  # fmt: skip
    spec = resolve_model(str(folder), LoadOptions(device="cpu", **options), {})
    result = DenseRetriever(make_embedder(spec)).search(task, len(ids), SilentReporter())
    scores = np.zeros((len(QUERIES), len(ids)))
    for row, query in enumerate(queries):
        ranking = result.run.rankings[query.id]
        for key, score in zip(ranking.doc_ids, ranking.scores, strict=True):
            scores[row, ids.index(key)] = score
    return scores


PROMPTS = {"query": "Which plant {is} meant? ", "document": "About: ", "passage": "unused: "}
FOLDERS = {
    "as it is": {},
    "prompts": {"prompts": PROMPTS},
    "a query prompt": {"prompts": {"query": "Which plant? "}},
    "a passage prompt": {"prompts": {"passage": "Read: "}},
    "default prompt": {"prompts": {"x": "Find: "}, "default_prompt_name": "x"},
    "both prompts": {"prompts": {**PROMPTS, "x": "Find: "}, "default_prompt_name": "x"},
    "dot": {"similarity_fn_name": "dot"},
    "euclidean": {"similarity_fn_name": "euclidean"},
    "manhattan": {"similarity_fn_name": "manhattan"},
    "unscaled dot": {"similarity_fn_name": "dot", "drop": "Normalize"},
    "unscaled cosine": {"similarity_fn_name": "cosine", "drop": "Normalize"},
    "unscaled": {"drop": "Normalize"},
    "unscaled euclidean": {"similarity_fn_name": "euclidean", "drop": "Normalize"},
    "unscaled manhattan": {"similarity_fn_name": "manhattan", "drop": "Normalize"},
}


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_ranks_as_its_makers_meant(bert: Path, tmp_path: Path, name: str) -> None:
    folder = variant(bert, tmp_path / "model", **FOLDERS[name])
    np.testing.assert_allclose(ours(folder), theirs(folder), atol=2e-4)


@pytest.mark.parametrize("include", [True, False])
def test_a_mean_with_or_without_the_prompt(bert: Path, tmp_path: Path, include: bool) -> None:
    folder = variant(bert, tmp_path / "model", prompts=PROMPTS)
    change(folder, "1_Pooling/config.json", include_prompt=include)
    np.testing.assert_allclose(ours(folder), theirs(folder), atol=2e-5)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("sentence_bert_config.json", {"max_seq_length": 6}),
        ("sentence_bert_config.json", {"do_lower_case": True}),
        ("tokenizer_config.json", {"truncation_side": "left"}),
        ("1_Pooling/config.json", {"pooling_mode": "cls"}),
    ],
)
def test_lengths_case_side_and_pooling(
    bert: Path, tmp_path: Path, name: str, values: dict[str, object]
) -> None:
    folder = change(variant(bert, tmp_path / "model"), name, **values)
    if "truncation_side" in values:
        change(folder, "sentence_bert_config.json", max_seq_length=6)
    np.testing.assert_allclose(ours(folder), theirs(folder), atol=2e-5)


def test_a_dense_layer_is_run(bert: Path, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Dense

    model = SentenceTransformer(str(bert), device="cpu")
    torch.manual_seed(1)
    model.insert(2, Dense(128, 32)) if hasattr(model, "insert") else model.add_module(
        "3", Dense(128, 32)
    )
    model.save(str(tmp_path / "model"))
    folder = tmp_path / "model"
    np.testing.assert_allclose(ours(folder), theirs(folder), atol=2e-5)


def test_flags_win_over_the_folder(bert: Path, tmp_path: Path) -> None:
    folder = variant(bert, tmp_path / "model", drop="Normalize", prompts=PROMPTS)
    plain = variant(bert, tmp_path / "plain", drop="Normalize", similarity_fn_name="dot")
    given = {"query_instruction": "", "document_instruction": "", "similarity": "dot",
             "normalize": False}  # fmt: skip
    np.testing.assert_allclose(ours(folder, **given), theirs(plain), atol=2e-4)
    with pytest.raises(BadInput, match="--no-normalize"):
        ours(folder, similarity="cosine", normalize=False)


def test_a_card_says_where_its_settings_come_from(bert: Path, tmp_path: Path) -> None:
    folder = variant(bert, tmp_path / "model", prompts=PROMPTS)
    spec = resolve_model(str(folder), LoadOptions(device="cpu"), {})
    card = described_card(spec)
    assert card.query_instruction == "Which plant {{is}} meant? "
    assert "config_sentence_transformers.json" in card.sources["query_instruction"]
    identity = make_embedder(spec).identity
    assert identity["settings_from"] == dict(card.sources)
    assert (
        "settings_from"
        not in make_embedder(resolve_model(str(bert), LoadOptions(device="cpu"), {})).identity
    )


@pytest.mark.parametrize("kind", ["SparseEncoder", "CrossEncoder", "MultiVectorEncoder"])
def test_other_kinds_of_models_are_never_pooled(bert: Path, tmp_path: Path, kind: str) -> None:
    folder = variant(bert, tmp_path / "model", model_type=kind)
    with pytest.raises(BadInput, match=r"reranker|sparse encoder|late-interaction"):
        ours(folder)


@pytest.mark.parametrize(
    ("module", "said"),
    [("SpladePooling", "sparse"), ("LogitScore", "reranker"), ("Router", "Router"), ("New", "New")],
)
def test_modules_that_cannot_be_run_are_named(
    bert: Path, tmp_path: Path, module: str, said: str
) -> None:
    folder = variant(bert, tmp_path / "model")
    listed = json.loads((folder / "modules.json").read_text())
    listed.append({"idx": 9, "name": "9", "path": "", "type": f"sentence_transformers.{module}"})
    (folder / "modules.json").write_text(json.dumps(listed))
    with pytest.raises(BadInput, match=said):
        ours(folder)


def test_a_network_without_pooling_and_a_classifier_are_refused(bert: Path, tmp_path: Path) -> None:
    late = variant(bert, tmp_path / "late", drop="Pooling")
    with pytest.raises(BadInput, match="late-interaction"):
        ours(late)
    reranker = Path(shutil.copytree(bert, tmp_path / "reranker"))
    (reranker / "modules.json").unlink()
    change(reranker, "config.json", architectures=["BertForSequenceClassification"])
    with pytest.raises(BadInput, match="reranker"):
        ours(reranker)


REFUSED = [(key, setting) for key, setting in SETTINGS.items() if setting.only]


@pytest.mark.parametrize(("key", "setting"), REFUSED, ids=lambda value: str(value)[:60])
def test_a_setting_that_cannot_be_honoured_is_named(
    bert: Path, tmp_path: Path, key: tuple[str, str], setting: object
) -> None:
    file, name = key
    folder = variant(bert, tmp_path / "model")
    change(folder, file, **{name: {"text": {"padding": "max_length"}}})
    with pytest.raises(BadInput, match=f"{name} = "):
        ours(folder)


def test_every_key_and_module_of_sentence_transformers_has_a_row() -> None:
    from sentence_transformers.base.modules.transformer import Transformer
    from sentence_transformers.sentence_transformer import modules
    from sentence_transformers.sentence_transformer.modules import Pooling

    assert {(TRANSFORMER, key) for key in Transformer.config_keys} <= set(SETTINGS)
    assert {(POOLING, key) for key in Pooling.config_keys} <= set(SETTINGS)
    public = [name for name in vars(modules) if name[0].isupper()]
    public = [name for name in public if isinstance(getattr(modules, name), type)]
    assert set(public) - {"Module", "InputModule"} <= set(MODULES)


def test_a_hub_id_that_a_card_names_is_that_card() -> None:
    named: dict[str, list[ModelCard]] = {}
    for card in shipped_cards().values():
        named.setdefault(card.hub_id.lower(), []).append(card)
    for hub_id, cards in named.items():
        if hub_id.count("/") != 1:
            continue
        nothing = LoadOptions()
        if len(cards) > 1:
            with pytest.raises(BadInput, match="several cards"):
                resolve_model(cards[0].hub_id, nothing, {})
            continue
        assert resolve_model(cards[0].hub_id, nothing, {}).card == cards[0]
        at = resolve_model(f"{cards[0].hub_id}@{'a' * 40}", nothing, {}).card
        assert at == replace(cards[0], revision="a" * 40)


def test_any_other_hub_id_is_read_from_its_own_files() -> None:
    spec = resolve_model("org/model@v2", LoadOptions(), {})
    assert (spec.card.hub_id, spec.card.revision, spec.from_settings) == ("org/model", "v2", True)
    assert spec.card.options == {}
