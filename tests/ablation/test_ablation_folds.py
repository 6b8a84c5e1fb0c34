"""Queries held out by fold: nothing of a fold leaks into its training, and heads are measured."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from harness.ablation.execute import Workspace
from harness.ablation.folds import WITH_SOURCE, WRITTEN, WrittenFolds, WrittenQueries, WrittenQuery
from harness.ablation.head import CachedVectors, HeadRetriever, read_head
from harness.ablation.plan import preview
from harness.ablation.ports import Dependencies, TrainingData
from harness.ablation.redapter import RedapterTrainer
from harness.ablation.report import write_report
from harness.ablation.results import result_json
from harness.ablation.run import run_ablation
from harness.ablation.spec import AblationSpec, Folds, ReferenceModel, Variant
from harness.core.errors import BadInput
from harness.core.progress import SilentReporter
from harness.core.settings import load_settings
from harness.core.training_row import TrainingRow, read_rows, write_rows
from harness.core.types import Corpus, PromptFields
from harness.data.local_tasks import DataLocations
from harness.loading import retriever
from redapter.train import train
from results.store import ResultStore
from tests.helpers.tiny_backbones import make_backbone, make_encoder
from tests.helpers.train_cases import PLAIN

FIELDS = PromptFields("words", "Words", "words post", "post", "passages")
FOLDS, SOURCES = 3, 13
RECIPE = """
name = "tiny"
[model]
base = {base!r}
pooling = "mean"
train = "head"
[lora]
rank = 0
[loss]
warmup_steps = 2
[data]
query_format = "{{query}}"
max_query_length = 128
max_passage_length = 128
max_reasoning_length = 128
[batch]
size = 4
group_size = 2
[train]
device = "cpu"
epochs = 3
learning_rate = 1e-2
"""


def make_written() -> WrittenQueries:
    """Return 13 queries over 40 documents of random words, four judged documents each."""
    rng = np.random.default_rng(5)
    texts = tuple(" ".join(rng.choice(PLAIN, 6)) for _ in range(40))
    ids = tuple(f"d{at}" for at in range(40))
    queries = []
    for at in range(SOURCES):
        judged = {ids[int(each)]: int(rng.integers(1, 6)) for each in rng.choice(40, 4)}
        judged[ids[13 + at]] = 4
        words = " ".join(texts[13 + at].split()[:3])
        queries.append(WrittenQuery(f"q{at}", words, ids[at], judged))
    return WrittenQueries(tuple(queries), Corpus(ids, texts), FIELDS, ("a", "b"))


def write_written_rows(path: Path, written: WrittenQueries) -> TrainingData:
    """Write a row per query; every other query's source is among its passages."""
    text_of = dict(zip(written.corpus.ids, written.corpus.texts, strict=True))
    sources = [query.source for query in written.queries]
    rows = []
    for at, query in enumerate(written.queries):
        others = [text_of[source] for source in sources if source != query.source]
        rows.append(
            TrainingRow(
                query=query.text,
                reasoning_query=f"{query.text} because",
                pos=(text_of[f"d{13 + at}"], others[0]),
                neg=(*others[1:], text_of["d39"]),
                pos_scores=(5.0, 3.0),
                neg_scores=(1.0,) * (SOURCES - 1),
                source_id=query.source,
                task="words",
            )
        )
    write_rows(path, iter(rows))
    return TrainingData(path, "hash")


@pytest.fixture
def folds(tmp_path) -> WrittenFolds:
    return WrittenFolds(make_written(), FOLDS, tmp_path)


def test_every_query_is_held_out_once_with_its_gold(folds):
    seen: list[str] = []
    for fold in range(1, FOLDS + 1):
        without, with_source = folds.tasks(fold)
        assert (without.name, with_source.name) == (WRITTEN, WITH_SOURCE)
        seen += [query.id for query in with_source.queries]
        for query in with_source.queries:
            (own,) = [each for each in folds.written.queries if each.id == query.id]
            positives = {d for d, r in own.judged.items() if r >= 3 and d != own.source}
            assert set(without.qrels[query.id]) == positives
            assert without.excluded[query.id] == {own.source}
            assert set(with_source.qrels[query.id]) == {*positives, own.source}
            assert query.id not in with_source.excluded
    assert sorted(seen) == sorted(query.id for query in folds.written.queries)
    assert len(folds.tasks(0)[1].queries) == SOURCES


def test_no_source_of_a_fold_is_a_passage_in_its_training(folds, tmp_path):
    data = write_written_rows(tmp_path / "rows.jsonl", folds.written)
    text_of = dict(zip(folds.written.corpus.ids, folds.written.corpus.texts, strict=True))
    whole = {row.source_id for row in read_rows(data.path)}
    for fold in range(1, FOLDS + 1):
        held = {source for source, number in folds.fold_of().items() if number == fold}
        rows = list(read_rows(folds.training_data(data, fold).path))
        assert {row.source_id for row in rows} == whole - held
        passages = {text for row in rows for text in (*row.pos, *row.neg)}
        assert not passages & {text_of[source] for source in held}
        assert all(len(row.pos) == len(row.pos_scores) for row in rows)
        assert all(len(row.neg) == len(row.neg_scores) for row in rows)
        assert any(len(row.neg) < SOURCES - 1 for row in rows)  # something had to be taken out
    assert folds.training_data(data, 0) is data


def test_more_folds_than_sources_are_refused(tmp_path):
    with pytest.raises(BadInput, match="13 sources for 14 folds"):
        WrittenFolds(make_written(), 14, tmp_path)


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    """Return a tiny encoder as a sentence-transformers folder, such as `eval --model` takes."""
    return make_encoder(tmp_path_factory.mktemp("backbone"))


@pytest.fixture(scope="module")
def ran(base, tmp_path_factory):
    """Run an ablation of two variants, two seeds and three folds; returns its parts."""
    folder = tmp_path_factory.mktemp("folds")
    (folder / "recipe.toml").write_text(RECIPE.format(base=str(base)))
    settings = load_settings(folder, os.environ, cache=folder / "cache")
    vectors = CachedVectors(lambda: retriever(str(base), settings), SilentReporter())
    written = make_written()
    rows = write_written_rows(folder / "rows.jsonl", written)

    class Provider:
        def check(self, options, where):
            pass

        def is_ready(self, options, recipe):
            return True

        def make(self, options, recipe, reporter):
            return rows

    spec = AblationSpec(
        name="folded",
        base=str(folder / "recipe.toml"),
        tasks=(),
        baseline="infonce",
        variants={
            "infonce": Variant(recipe={"loss": {"kind": "infonce"}}),
            "redapter": Variant(),
        },
        seeds=(1, 2),
        data={"path": str(rows.path)},
        reference=ReferenceModel(str(base)),
        folds=Folds(FOLDS, ("a", "b")),
    )
    needs = Dependencies(
        trainer=RedapterTrainer(spec.base, (), vectors),
        data=Provider(),
        retriever=lambda name, cache: retriever(name, settings),
        load_task=pytest.fail,
        reporter=SilentReporter(),
        head=lambda path: HeadRetriever(vectors, path),
        folds=lambda: WrittenFolds(written, FOLDS, folder),
        folds_ready=lambda: True,
    )
    workspace = Workspace(folder, ResultStore(folder / "results"), ("rebench", "ablate"))
    result = run_ablation(spec, needs, workspace, DataLocations(None, {}), "0")
    return spec, needs, folder, result, vectors


def test_each_seed_has_a_value_for_every_query(ran):
    _, _, _, result, _ = ran
    assert len(result.results) == 2 * 2 * FOLDS
    assert {each.run.fold for each in result.results} == {1, 2, 3}
    data = result_json(result)
    tasks = {each["task"]: each["queries"] for each in data["differences"]}
    assert tasks == {WRITTEN: SOURCES, WITH_SOURCE: SOURCES}
    assert data["tests"] == 6
    assert all(
        each["detectable_corrected"] > each["detectable"] > 0 for each in data["differences"]
    )


def test_a_runs_values_are_those_of_the_model_that_train_exports(ran, tmp_path):
    from harness.evaluate import EvalConfig, evaluate

    _, needs, folder, result, _ = ran
    run = next(each.run for each in result.results if each.run.variant == "redapter")
    done = train(run.recipe, tmp_path / "run", SilentReporter())
    head = read_head(run.folder(folder) / "head.safetensors")
    settings = load_settings(tmp_path, os.environ, cache=tmp_path / "cache")
    store = ResultStore(tmp_path / "results")
    for task in needs.folds().tasks(run.fold):
        exported = evaluate(
            retriever(str(done.model), settings), task, store, EvalConfig(), SilentReporter()
        )
        (own,) = [r for r in result.results if r.run.key == run.key]
        assert own.entries[task.name].metrics["ndcg@10"] == pytest.approx(
            exported.entry.metrics["ndcg@10"], abs=1e-9
        )
    assert np.abs(head - np.eye(len(head))).max() > 1e-3


def test_the_report_tells_the_share_at_the_cap_and_the_plan_what_is_detectable(ran):
    spec, needs, folder, result, _ = ran
    text = write_report(result, folder).read_text(encoding="utf-8")
    assert "weights at κ" in text
    assert f"On {WRITTEN}: redapter − infonce" in text
    planned = preview(spec, needs, folder)
    assert {each.state for each in planned.runs} == {"finished"}
    largest = max(each.difference.detectable for each in result.table.differences)
    assert planned.detectable == pytest.approx(largest)


def test_lengths_and_weights_that_are_not_the_references_are_refused(ran, tmp_path):
    _, needs, _, _, vectors = ran
    short = needs.trainer.recipe({"data": {"max_query_length": 64}}, "here")
    with pytest.raises(BadInput, match="is read at 128 tokens"):
        vectors.check(short)
    other = make_backbone(tmp_path / "other", "qwen3")
    with pytest.raises(BadInput, match="embed alike texts differently"):
        vectors.check(needs.trainer.recipe({"model": {"base": str(other)}}, "here"))


def test_folds_need_a_pool_and_two_of_them():
    for count, pool in ((1, ("a",)), (3, ()), (0, ("a",))):
        with pytest.raises(BadInput, match=r"folds\.count"):
            Folds(count, pool)
