"""The positive control: a world whose facts chain, trainings that are watched, and their page."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.ablation.control.files import control_folder, with_control, write_control
from harness.ablation.control.page import PAGE
from harness.ablation.control.watch import (
    intensity_by_hops,
    rank_correlation,
    watch_training,
    watch_untrained,
    weight_by_hops,
)
from harness.ablation.control.world import (
    FAMILIES,
    HOPS,
    TOWNS,
    ControlOptions,
    World,
    draw_questions,
    hops_of,
)
from harness.ablation.redapter import RedapterTrainer
from harness.ablation.spec import read_spec
from harness.core.errors import BadInput
from harness.core.progress import SilentReporter
from harness.core.training_row import TrainingRow, read_rows, write_rows
from harness.data.registry import TaskOptions, load_task
from harness.render.numbers import signed
from tests.helpers.tiny_backbones import make_encoder

SMALL = ControlOptions(rows=24, queries=5, seed=3)
ABLATION = """
name = "control"
base = {recipe!r}
tasks = []
seeds = [1, 2]
baseline = "infonce"
[reference]
model = {base!r}
[control]
rows = 24
queries = 5
seed = 3
[variants.infonce]
recipe.loss.kind = "infonce"
[variants.redapter]
[variants.shuffled]
recipe.loss.kind = "shuffled"
"""
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
size = 8
group_size = 2
row_sizes = false
[train]
device = "cpu"
epochs = 2
learning_rate = 1e-2
"""


@pytest.fixture(scope="module")
def world() -> World:
    return World(SMALL.seed)


def test_each_question_is_its_hops_away_from_the_one_document_that_answers(world):
    split = draw_questions(world, SMALL)
    texts = world.documents
    assert len(set(texts.values())) == len(texts)
    for each in (*split.training, *split.held_out):
        hops, start, topic = map(int, re.fullmatch(r"h(\d)-(\d+)-(\d+)", each.id).groups())
        family, town = (start if hops == 3 else None), start if hops == 2 else None
        if family is not None:
            town = family // FAMILIES
            assert texts[f"family-{family}"] == f"The {world.family(family)} family lives in " + (
                f"{world.town(town)}."
            )
            assert f"the {world.family(family)} family" in each.text
        region = start if town is None else town // TOWNS
        if town is not None:
            assert texts[f"town-{town}"] == (
                f"{world.town(town)} is a town in {world.region(region)}."
            )
        answer = texts[each.answer]
        assert each.answer == f"rule-{region}-{topic}"
        assert world.region(region) in answer
        assert (world.region(region) in each.text) == (hops == 1)
        assert world.region(region) in each.reasoning
        assert each.reasoning.count(". ") == hops - 1
        assert each.answer not in each.negatives
        assert len(each.negatives) == 4 + hops - 1
        assert hops_of(each.id) == each.hops == hops


def test_no_entity_is_asked_about_a_topic_in_training_and_when_measured(world):
    split = draw_questions(world, SMALL)
    assert not {each.id for each in split.training} & {each.id for each in split.held_out}
    for questions, count in ((split.training, 24), (split.held_out, 5)):
        assert [sum(each.hops == hops for each in questions) for hops in HOPS] == [count] * 3
    assert draw_questions(World(SMALL.seed), SMALL) == split
    assert draw_questions(World(4), replace(SMALL, seed=4)).held_out != split.held_out
    assert len(draw_questions(world, replace(SMALL, queries=479)).held_out) == 3 * 479
    with pytest.raises(BadInput, match="queries = 480"):
        replace(SMALL, queries=480)


def test_the_files_are_a_task_and_rows_and_the_same_each_time(world, tmp_path):
    write_control(SMALL, tmp_path / "a")
    write_control(SMALL, tmp_path / "b")
    one, other = (control_folder(SMALL, tmp_path / name) for name in "ab")
    files = [path.relative_to(one) for path in sorted(one.rglob("*")) if path.is_file()]
    assert len(files) == 5  # corpus, queries, judgements, rows, manifest
    assert all((one / path).read_bytes() == (other / path).read_bytes() for path in files)
    task = load_task(str(one / "control"), TaskOptions(None), SilentReporter())
    split = draw_questions(world, SMALL)
    assert task.qrels == {each.id: {each.answer: 1} for each in split.held_out}
    rows = list(read_rows(one / "rows.jsonl.gz"))
    assert [row.conditions["hops"] for row in rows] == [each.hops for each in split.training]
    assert control_folder(replace(SMALL, seed=9), tmp_path / "a") != one


def test_the_shipped_control_stands_among_the_tasks_and_as_the_data(tmp_path):
    spec = read_spec("redapter", "control")
    placed = with_control(spec, tmp_path)
    (task,) = placed.tasks
    assert Path(task).parent == Path(str(placed.data["path"])).parent
    plain = read_spec("redapter", "demo")
    assert with_control(plain, tmp_path) is plain


def embedded(texts, role):
    """Return unit vectors of 16 numbers that follow from each text alone."""
    seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) for text in texts]
    rows = np.stack([np.random.default_rng(seed).normal(size=16) for seed in seeds])
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def recipe(tmp_path):
    write_control(SMALL, tmp_path)
    (tmp_path / "recipe.toml").write_text(RECIPE.format(base="nowhere"))
    rows = control_folder(SMALL, tmp_path) / "rows.jsonl.gz"
    trainer = RedapterTrainer(str(tmp_path / "recipe.toml"))
    return trainer.recipe({"data": {"path": str(rows)}}, "here")


def test_the_untrained_intensities_are_those_computed_apart(recipe):
    watched = watch_untrained(recipe, embedded)
    assert sorted(watched.row) == list(range(72))  # each row once
    rows = list(read_rows(Path(recipe.data.path)))
    assert watched.hops.tolist() == [rows[int(at)].conditions["hops"] for at in watched.row]
    # The first step again: its eight rows in order, a positive and one drawn negative each.
    from redapter.batches import draw, plan_run
    from redapter.data import load_examples

    examples = load_examples(recipe.data, recipe.batch, "redapter").examples
    plan = plan_run(examples, recipe.batch, seed=recipe.train.seed, epochs=1, max_steps=0)
    drawn = [draw(examples[at], at, plan.steps[0], seed=recipe.train.seed)
             for at in plan.steps[0].rows]  # fmt: skip
    passages = embedded([text for place in (0, 1) for text in (d.passages[place] for d in drawn)],
                        "document").astype(np.float64)  # fmt: skip

    def losses(texts):
        scores = embedded(texts, "query").astype(np.float64) @ passages.T / 0.02
        own = scores[np.arange(8), np.arange(8)]
        return np.log(np.exp(scores - own[:, None]).sum(axis=1))

    plain, reasoned = losses([d.query for d in drawn]), losses([d.reasoning for d in drawn])
    expected = plain / (reasoned + 1e-6)
    assert watched.intensity[:8] == pytest.approx(expected, rel=1e-3)
    capped = np.minimum(expected, 5.0)
    assert watched.weight[:8] == pytest.approx(8 * capped / capped.sum(), rel=1e-3)


def test_watched_steps_come_after_the_warm_up_and_weights_average_to_one(recipe):
    watched = watch_training(recipe, embedded)
    assert len(watched.row) == (18 - 2) * 8
    assert watched.weight.reshape(-1, 8).mean(axis=1) == pytest.approx(np.ones(16), rel=1e-5)
    moved = weight_by_hops([watched, watched])
    for hops in HOPS:
        assert moved[hops].value == pytest.approx(watched.weight[watched.hops == hops].mean())
    seen = intensity_by_hops([watched, watched])
    assert seen.rows == len(np.unique(watched.row))
    for hops in HOPS:
        per_row = [watched.capped[watched.row == at].mean()
                   for at in np.unique(watched.row[watched.hops == hops])]  # fmt: skip
        assert seen.means[hops] == pytest.approx(np.mean(per_row))


def test_rows_without_hops_cannot_be_watched(recipe, tmp_path):
    path = tmp_path / "plain.jsonl"
    write_rows(path, iter([TrainingRow("q", ("a",), ("b",), reasoning_query="r")] * 8))
    with pytest.raises(BadInput, match="have no hops"):
        watch_training(replace(recipe, data=replace(recipe.data, path=str(path))), embedded)


def test_the_rank_correlation_is_scipys_and_lies_in_its_interval():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(1)
    hops = rng.integers(1, 4, 300).astype(float)
    values = np.minimum(hops + rng.normal(size=300), 3.0)  # with ties at a cap
    estimate = rank_correlation(values, hops)
    assert estimate.value == pytest.approx(spearmanr(values, hops).statistic)
    assert estimate.interval.low < estimate.value < estimate.interval.high
    assert estimate.interval.high - estimate.interval.low < 0.3


def test_a_control_without_a_variant_that_weights_has_a_page_too(tmp_path):
    import rebench

    base = make_encoder(tmp_path)
    (tmp_path / "recipe.toml").write_text(RECIPE.format(base=str(base)))
    file = tmp_path / "control.toml"
    file.write_text(ABLATION.format(recipe=str(tmp_path / "recipe.toml"), base=str(base)))
    places = {"output": tmp_path / "out", "cache": tmp_path / "cache"}
    rebench.ablate(file, variants=["infonce"], seeds=[1], **places)
    page = (tmp_path / "out" / PAGE).read_text(encoding="utf-8")
    assert "| before training | 72 |" in page
    assert "| in training |" not in page
    assert "No variant weights its queries." in page
    with pytest.raises(BadInput, match='train = "head"'):
        rebench.ablate(file, settings=["model.train=backbone"], **places)


def test_a_control_is_run_to_its_page(tmp_path):
    import rebench

    base = make_encoder(tmp_path)
    (tmp_path / "recipe.toml").write_text(RECIPE.format(base=str(base)))
    file = tmp_path / "control.toml"
    file.write_text(ABLATION.format(recipe=str(tmp_path / "recipe.toml"), base=str(base)))
    done = rebench.ablate(
        file, output=tmp_path / "out", cache=tmp_path / "cache", results=tmp_path / "results",
        command=("rebench", "ablate"),
    )  # fmt: skip
    assert not (tmp_path / "results").exists()  # an invented task is none for a leaderboard
    page = (tmp_path / "out" / PAGE).read_text(encoding="utf-8")
    overall = next(
        each for each in done.ablation.table.differences if each.difference.a == "redapter"
        and each.difference.b == "infonce"
    )  # fmt: skip
    assert f"| redapter − infonce | {signed(overall.difference.delta)} (" in page
    assert page.count("| before training | 72 |") == 1
    assert "| shuffled | " in page
