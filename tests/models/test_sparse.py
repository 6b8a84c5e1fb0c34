"""The sparse backend against sentence-transformers' SparseEncoder and the formula itself."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rebench
from harness.core.errors import BadInput, ModelError
from harness.core.progress import SilentReporter
from harness.core.settings import Settings
from harness.core.types import Corpus, Query
from harness.loading import RunOptions, retriever
from harness.retrieval.dense import DenseRetriever
from harness.retrieval.sparse import SparseRetriever
from models.registry import (
    described_card,
    make_embedder,
    make_sparse_embedder,
    resolve_model,
    settle_backend,
)
from models.spec import LoadOptions
from tests.helpers.cache_embedders import Recorder
from tests.helpers.remix_corpus import make_task

torch = pytest.importorskip("torch")
sentence_transformers = pytest.importorskip("sentence_transformers")

TEXTS = [
    "the tides follow the moon", "", "why does a magnet point north?", "[MASK] yeast, ünïcödé 漢",
    "copper wire carries a spark " * 8,
]  # fmt: skip
QUERIES = ["how do tides work", "what makes bread rise?", ""]
CLOSE = 1e-4
"""Sums of float32 by another library, in another order."""


def encoder(folder: Path):
    return sentence_transformers.SparseEncoder(str(folder), device="cpu")


def sparse(folder: Path, **options):
    """Return the embedder of a folder as `eval --model FOLDER` makes it."""
    load = LoadOptions(**{"device": "cpu", **options})
    return make_sparse_embedder(settle_backend(resolve_model(str(folder), load, {}), load))


def theirs(folder: Path, texts: list[str], role: str, **options) -> np.ndarray:
    encode = getattr(encoder(folder), f"encode_{role}")
    return encode(texts, convert_to_sparse_tensor=False, **options).numpy()


def same(folder: Path, **options) -> None:
    """Both roles' vectors are those of sentence-transformers, zeros exactly zero."""
    embedder = sparse(folder, **options)
    for role, texts in (("query", QUERIES), ("document", TEXTS)):
        instruction = embedder.instruction(role, make_task().prompt_fields)
        rows = embedder.encode(texts, role=role, instruction=instruction)
        right = theirs(folder, texts, role)
        assert rows.has_canonical_format
        assert rows.toarray() == pytest.approx(right, abs=CLOSE)
        assert rows.nnz == pytest.approx(np.count_nonzero(right), abs=3)


@pytest.fixture(scope="session")
def saved(splade: Path, tmp_path_factory) -> Path:
    """Return SPLADE-tiny as sentence-transformers saves a SparseEncoder."""
    folder = tmp_path_factory.mktemp("saved") / "splade"
    encoder(splade).save_pretrained(str(folder))
    return folder


@pytest.fixture(scope="session")
def inference_free(splade: Path, tmp_path_factory) -> Path:
    """Return a router: queries by a table of weights, documents by SPLADE-tiny."""
    from sentence_transformers.base.modules import Router
    from sentence_transformers.sparse_encoder.modules import SparseStaticEmbedding

    model = encoder(splade)
    weights = torch.rand(30522, generator=torch.Generator().manual_seed(3)) + 0.1
    table = SparseStaticEmbedding(model.tokenizer, weights)
    router = Router.for_query_document([table], list(model.children()))
    made = sentence_transformers.SparseEncoder(modules=[router], device="cpu")
    folder = tmp_path_factory.mktemp("router") / "router"
    made.save_pretrained(str(folder))
    return folder


def changed(source: Path, target: Path, name: str, **values: object) -> Path:
    folder = Path(shutil.copytree(source, target))
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    return folder


def test_weights_are_the_formula_on_the_file_read_by_hand(splade: Path) -> None:
    from safetensors.torch import load_file
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    network = AutoModelForMaskedLM.from_pretrained(splade).eval()
    raw = load_file(splade / "model.safetensors")
    state = network.state_dict()
    norms = [key for key in raw if key.endswith(("LayerNorm.gamma", "LayerNorm.beta"))]
    assert len(norms) == 12
    for key in norms:  # names of 2018, which a loader that does not know them leaves at 1 and 0
        now = key.replace("gamma", "weight").replace("beta", "bias")
        assert torch.equal(state[now], raw[key])
        assert not torch.equal(raw[key], torch.full_like(raw[key], float(key.endswith("gamma"))))
    tokens = AutoTokenizer.from_pretrained(splade)(
        TEXTS, padding=True, truncation=True, return_tensors="pt"
    )
    with torch.inference_mode():
        logits = network(**tokens).logits * tokens["attention_mask"].unsqueeze(-1)
    right = torch.log1p(torch.relu(logits)).max(dim=1).values.numpy()
    rows = sparse(splade, backend="sparse").encode(TEXTS, role="document", instruction="")
    assert rows.toarray() == pytest.approx(right, abs=CLOSE)


def test_as_sentence_transformers_weighs(saved: Path, inference_free: Path) -> None:
    same(saved)
    same(inference_free)


@pytest.mark.parametrize(
    "pooling",
    [{"activation_function": "log1p_relu"}, {"pooling_strategy": "sum"}],
    ids=lambda value: next(iter(value.values())),
)
def test_other_poolings(saved: Path, tmp_path: Path, pooling: dict[str, str]) -> None:
    same(changed(saved, tmp_path / "model", "1_SpladePooling/config.json", **pooling))


def test_a_sparse_autoencoder(splade: Path, tmp_path: Path) -> None:
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from sentence_transformers.sparse_encoder.modules import SparseAutoEncoder

    torch.manual_seed(4)
    parts = [Transformer(str(splade)), Pooling(128, "mean"), SparseAutoEncoder(128, 512, k=32)]
    sentence_transformers.SparseEncoder(modules=parts, device="cpu").save_pretrained(
        str(tmp_path / "csr")
    )
    same(tmp_path / "csr")


def test_prompts_and_lengths_of_the_folder_are_followed(saved: Path, tmp_path: Path) -> None:
    prompts = {"query": "find {this}: ", "document": ""}
    folder = changed(
        saved, tmp_path / "model", "config_sentence_transformers.json", prompts=prompts
    )
    same(folder)
    short = sparse(folder, max_length=8)
    long = "copper wire carries a spark from the engine to the lamp"
    rows = short.encode([long, "copper wire carries a spark from"], role="document", instruction="")
    assert rows.toarray()[0] == pytest.approx(rows.toarray()[1], abs=CLOSE)
    assert short.token_counts([long], "document", "").tolist() == [13]


def test_batches_change_nothing_and_an_inference_free_query_may_be_empty(
    inference_free: Path,
) -> None:
    embedder = sparse(inference_free)
    assert embedder.token_counts(QUERIES, "query", "").tolist() == [4, 5, 0]
    alone = [embedder.encode([text], role="query", instruction="").toarray() for text in QUERIES]
    together = embedder.encode(QUERIES, role="query", instruction="").toarray()
    assert np.array_equal(np.concatenate(alone), together)
    assert not together[2].any()
    columns = np.flatnonzero(together[0]).tolist()
    assert set(embedder.terms(columns)) == {"how", "do", "tides", "work"}


def notes(queries: list[str]):
    """Return a small task that excludes its best document for the first query."""
    task = make_task(documents=30, words=12)
    texts = (*task.corpus.texts[:25], *TEXTS)
    asked = tuple(Query(f"q{at}", text) for at, text in enumerate(queries))
    return replace(
        task,
        queries=asked,
        qrels={query.id: {"d0001": 1} for query in asked},
        excluded={"q0": frozenset({"d0025"})},
        corpus=Corpus(task.corpus.ids, texts),
    )


def settings_in(folder: Path) -> Settings:
    return Settings(folder / "cache", folder / "results", folder / "data", {})


def found(folder: Path, tmp_path: Path, task, **options):
    settings = settings_in(tmp_path)
    made = retriever(str(folder), settings, RunOptions(LoadOptions(device="cpu", **options)))
    assert isinstance(made, SparseRetriever)
    reporter = Recorder()
    return made, made.search(task, 10, reporter), reporter


def test_ranked_as_sentence_transformers_ranks(saved: Path, tmp_path: Path) -> None:
    task = notes(QUERIES[:2])
    _, result, _ = found(saved, tmp_path, task)
    model = encoder(saved)
    scores = model.similarity(
        model.encode_query(QUERIES[:2]), model.encode_document(list(task.corpus.texts))
    )
    for row, query in enumerate(task.queries):
        ranking = result.run.rankings[query.id]
        excluded = task.excluded.get(query.id, frozenset())
        pairs = zip(scores[row].tolist(), task.corpus.ids, strict=True)
        right = sorted((pair for pair in pairs if pair[1] not in excluded), reverse=True)[:10]
        assert ranking.doc_ids == tuple(key for _, key in right)
        assert ranking.scores == pytest.approx([score for score, _ in right], rel=1e-4)
    assert result.facts["active"]["document"]["mean"] > 20


def test_a_limit_of_terms_encodes_nothing_anew_and_tells_its_effect(
    saved: Path, tmp_path: Path
) -> None:
    task = notes(QUERIES[:2])
    whole, _, _ = found(saved, tmp_path, task)
    limits = {"max_active_query": 4, "max_active_document": 16}
    cut, result, reporter = found(saved, tmp_path, task, **limits)
    (told,) = reporter.notes
    assert "2 queries cut to 4 terms keep" in told
    assert "of the first 10 documents" in told
    assert result.facts["documents"]["encoded"] == result.facts["queries"]["encoded"] == 0
    active = result.facts["active"]
    assert (active["query"]["mean_used"], active["query"]["texts_cut"]) == (4.0, 2)
    assert active["document"]["mean_used"] <= 16 < active["document"]["mean"]
    assert 0 < active["document"]["weight_kept"] < 1
    assert 0 < result.facts["recall_against_uncut"]["10"] <= 1
    assert cut.identity(task)["search"] == "exact, sparse, 4 terms a query, 16 terms a document"
    assert cut.identity(task)["spaces"] == whole.identity(task)["spaces"]
    model = encoder(saved)
    scores = model.similarity(
        model.encode_query(QUERIES[:2], max_active_dims=4),
        model.encode_document(list(task.corpus.texts), max_active_dims=16),
    )
    best = result.run.rankings["q1"]
    assert best.scores == pytest.approx(np.sort(scores[1].numpy())[::-1][:10], rel=1e-4)


def test_a_limit_of_the_model_s_own_is_followed(saved: Path, tmp_path: Path) -> None:
    name = "config_sentence_transformers.json"
    folder = changed(saved, tmp_path / "model", name, max_active_dims=8)
    _, result, _ = found(folder, tmp_path, notes(QUERIES[:1]))
    assert result.facts["active"]["document"]["mean_used"] <= 8
    assert sparse(folder, max_active_query=3).max_active("query") == 3


def test_cosine_is_followed_and_distances_are_not(saved: Path, tmp_path: Path) -> None:
    task = notes(QUERIES[:1])
    name = "config_sentence_transformers.json"
    folder = changed(saved, tmp_path / "cosine", name, similarity_fn_name="cosine")
    _, result, _ = found(folder, tmp_path, task)
    assert max(result.run.rankings["q0"].scores) <= 1.0001
    far = changed(saved, tmp_path / "far", name, similarity_fn_name="euclidean")
    with pytest.raises(BadInput, match="similarity_fn_name = 'euclidean'"):
        found(far, tmp_path, task)
    with pytest.raises(BadInput, match="not by manhattan distance"):
        found(saved, tmp_path, task, similarity="manhattan")


def test_texts_without_any_term_are_told(inference_free: Path, tmp_path: Path) -> None:
    _, result, reporter = found(inference_free, tmp_path, notes(QUERIES))
    ranking = result.run.rankings["q2"]
    assert ranking.scores.tolist() == [0.0] * 10
    assert list(ranking.doc_ids) == sorted(ranking.doc_ids, reverse=True)
    (warning,) = reporter.warnings
    assert "1 of 3 queries of notes have no term with a weight" in warning
    assert result.facts["active"]["query"]["none"] == 1


def test_a_bare_masked_language_model_must_be_said_to_be_one(splade: Path, tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    told = r"so does any BERT(.|\n)*--backend sparse(.|\n)*--backend dense"
    with pytest.raises(BadInput, match=told):
        retriever(str(splade), settings)
    as_dense = retriever(str(splade), settings, RunOptions(LoadOptions(backend="dense")))
    assert isinstance(as_dense, DenseRetriever)
    assert as_dense.search(notes(QUERIES[:1]), 3, SilentReporter()).facts["dimension"] == 128
    as_sparse = retriever(str(splade), settings, RunOptions(LoadOptions(backend="sparse")))
    assert isinstance(as_sparse, SparseRetriever)


REFUSED = {
    "dense as sparse": ("bert", {"backend": "sparse"}, "Pooling.*none of which weighs terms"),
    "sparse as dense": ("saved", {"backend": "dense"}, "is a sparse encoder"),
    "sparse router as dense": ("inference_free", {"backend": "dense"}, "is a sparse encoder"),
    "pooling": ("saved", {"pooling": "mean"}, "cannot follow --pooling mean"),
    "normalize": ("saved", {"normalize": True}, "cannot follow --normalize"),
    "beyond positions": ("saved", {"max_length": 4096}, "has 512 positions"),
    "cut of a dense model": ("bert", {"max_active_query": 5}, "cannot follow --max-active-query 5"),
    "less than no terms": ("saved", {"max_active_query": -1}, "--max-active-query -1"),
    "sparse card in vllm": ("splade-cocondenser", {"backend": "vllm"}, "is a sparse encoder"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused(name: str, request, tmp_path: Path) -> None:
    model, options, told = REFUSED[name]
    model = model if "-" in model else str(request.getfixturevalue(model))
    settings = settings_in(tmp_path)
    how = RunOptions(LoadOptions(device="cpu", **options))
    with pytest.raises(BadInput, match=told):
        retriever(model, settings, how).search(notes(QUERIES[:1]), 3, SilentReporter())


def test_an_index_and_a_dense_use_are_refused(saved: Path, tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with pytest.raises(BadInput, match=r"searches dense\s+vectors"):
        retriever(str(saved), settings, RunOptions(index="HNSW32"))
    spec = settle_backend(resolve_model(str(saved), LoadOptions(), {}))
    with pytest.raises(BadInput, match="dense vectors are needed"):
        make_embedder(spec)


def test_a_network_without_the_head_is_refused(splade: Path, tmp_path: Path) -> None:
    folder = changed(splade, tmp_path / "plain", "config.json", architectures=["BertModel"])
    with pytest.raises(BadInput, match="without a masked language model's head"):
        sparse(folder, backend="sparse").space("document", "")


def test_the_card_of_a_folder_says_what_it_is(saved: Path, tmp_path: Path) -> None:
    prompts = {"query": "find: ", "document": ""}
    folder = changed(
        saved, tmp_path / "model", "config_sentence_transformers.json", prompts=prompts
    )
    card = described_card(resolve_model(str(folder), LoadOptions(), {}))
    assert (card.backend, card.normalize, card.query_instruction) == ("sparse", False, "find: ")


def test_a_live_object_goes_the_same_way(saved: Path, tmp_path: Path) -> None:
    task = notes(QUERIES[:2])
    _, right, _ = found(saved, tmp_path, task)
    model = encoder(saved)
    folders = {"cache": tmp_path / "objects", "results": tmp_path / "results"}
    folders["force"] = True
    for encoded in (30, 0):
        result = rebench.evaluate(model, task, name="mine", version="1", k=10, **folders)
        assert result.entries[0].facts["documents"]["encoded"] == encoded
        assert result.metrics["ndcg@10"] >= 0
        assert result.entries[0].facts["active"]["query"]["none"] == 0
    run = (tmp_path / "results").rglob("*.gz")
    assert any(run)
    assert right.facts["active"]["document"] == result.entries[0].facts["active"]["document"]
    model.similarity_fn_name = "euclidean"
    with pytest.raises(BadInput, match="euclidean distance"):
        rebench.evaluate(model, task, name="mine", version="2", **folders)


def test_an_object_that_gives_no_rows_is_refused(tmp_path: Path) -> None:
    class SparseEncoder:
        similarity_fn_name = "dot"

        def encode(self, texts):
            return torch.ones(3)

    with pytest.raises(ModelError, match="gave a Tensor for 1 texts"):
        rebench.evaluate(SparseEncoder(), notes(QUERIES[:1]), cache=tmp_path, results=tmp_path)


def test_compare_shows_the_terms_of_the_queries_that_changed(
    saved: Path, inference_free: Path, tmp_path: Path
) -> None:
    task = notes(QUERIES[:2])
    _, first, _ = found(saved, tmp_path, task)
    best = {qid: {ranking.doc_ids[0]: 1} for qid, ranking in first.run.rankings.items()}
    task = replace(task, qrels=best)
    folders = {"cache": tmp_path / "cache", "results": tmp_path / "results"}
    ones = [
        rebench.evaluate(encoder(folder), task, name=name, version="1", k=10, **folders)
        for name, folder in (("splade", saved), ("table", inference_free))
    ]
    terms = ones[0].entries[0].facts["query_terms"]["q0"]
    assert len(terms) == 10
    assert [weight for _, weight, _ in terms] == sorted((row[1] for row in terms), reverse=True)
    assert ["tides", False] in [[term, new] for term, _, new in terms]
    assert any(new for _, _, new in terms)
    compared = rebench.compare("splade", "table", results=tmp_path / "results")
    (change, *_) = compared.comparison.changes
    assert set(change.terms) == {"splade", "table"}
    assert any(term.startswith("+") for term in change.terms["splade"])
    assert not any(term.startswith("+") for term in change.terms["table"])
