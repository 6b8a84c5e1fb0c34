"""Ablations as files: the shipped ones, cutting them down, comparisons, launch lines."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.ablation.control.files import with_control
from harness.ablation.curves import Curves, smoothed
from harness.ablation.figures import draw
from harness.ablation.plan import check_variants, pilot_detectable, run_recipe
from harness.ablation.redapter import RedapterTrainer, launch_command
from harness.ablation.spec import PilotVariance, read_spec, restrict, shipped
from harness.ablation.table import make_table
from harness.ablation.values import MeasuredValues
from harness.api.session import open_session
from harness.api.training import dependencies
from harness.compare.differences import QueryColumns
from redapter.config_file import read_config
from results.published import load_published

PAIR = ("redapter", "infonce")
ROOT = Path(__file__).resolve().parents[2]


def needs_of(spec, tmp_path):
    return dependencies(spec, open_session(results=tmp_path), tmp_path, ())


@pytest.mark.parametrize("name", sorted(shipped()))
def test_shipped_ablations_can_be_followed(name, tmp_path):
    first, _, preset = name.partition("-")
    spec = restrict(read_spec(first, preset), variants=["all"])
    recipes = check_variants(spec, needs_of(spec, tmp_path))
    assert recipes.keys() == spec.variants.keys()
    known = {row.model for row in load_published()}
    assert set(spec.published) <= known


def test_the_default_is_a_head_with_ten_seeds_and_five_folds(tmp_path):
    spec = restrict(read_spec("redapter"))
    assert list(spec.variants) == ["infonce", "redapter", "shuffled"]
    assert (len(spec.seeds), spec.fold_numbers) == (10, (0, 1, 2, 3, 4, 5))
    recipes = [
        run_recipe(recipe, spec, name, 2, 0)
        for name, recipe in check_variants(spec, needs_of(spec, tmp_path)).items()
    ]
    assert [each.loss.kind for each in recipes] == list(spec.variants)
    assert [each.name for each in recipes] == [f"redapter-demo-{v}-s2" for v in spec.variants]
    assert [each.train.seed for each in recipes] == [2, 2, 2]
    assert {each.model.train for each in recipes} == {"head"}
    assert len({each.batch for each in recipes}) == 1


def test_the_base_recipe_is_read_once(tmp_path, monkeypatch):
    from redapter import config_file

    read = []
    monkeypatch.setattr(
        config_file, "read_config", lambda *args: read.append(args) or read_config(*args)
    )
    trainer = RedapterTrainer("demo", ("loss.kappa=3.0",))
    recipes = [trainer.recipe({"loss": {"kind": kind}}, kind) for kind in ("infonce", "redapter")]
    assert [each.loss.kappa for each in recipes] == [3.0, 3.0]
    assert len(read) == 1


def test_cutting_keeps_the_baseline_and_what_can_still_be_compared():
    spec = read_spec("redapter")
    small = restrict(spec, variants=["kappa-2"], seeds=[4])
    assert list(small.variants) == ["infonce", "kappa-2"]
    assert small.seeds == (4,)
    assert small.pairs == (("infonce", "untrained"), ("kappa-2", "infonce"))


def sheet(*, seeds=(1, 2, 3)):
    rng = np.random.default_rng(0)
    columns = QueryColumns(("a",) * 10 + ("b",) * 20, tuple(f"q{at}" for at in range(30)))
    variants = {name: {seed: rng.random(30) for seed in seeds} for name in ("infonce", "redapter")}
    return MeasuredValues("ndcg@10", columns, variants, rng.random(30))


def small_spec():
    return restrict(read_spec("redapter", "demo-full"), variants=["redapter"], tasks=["a", "b"])


def test_several_tasks_are_compared_one_by_one_and_as_a_macro_mean():
    spec, values = small_spec(), sheet()
    table = make_table(spec, values, {"1": range(5), "2–10": range(5, 30)})
    own = [e for e in table.differences if (e.difference.a, e.difference.b) == PAIR]
    assert [(each.task, each.difference.queries) for each in own] == [
        ("a", 10),
        ("b", 20),
        ("", 30),
    ]
    deltas = [each.difference.delta for each in own]
    assert deltas[2] == pytest.approx((deltas[0] + deltas[1]) / 2)
    assert table.tests == len(table.differences) == 9
    assert [each.task for each in table.headline(spec)] == ["", "", ""]
    raw = [each.test.p for each in table.differences]
    corrected = [each.difference.p_corrected for each in table.differences]
    assert corrected == pytest.approx(holm_by_hand(raw))
    (first,) = [b for b in table.bins if (b.a, b.b, b.bin) == (*PAIR, "1")]
    rows = [values.rows(side, (1, 2, 3), "") for side in PAIR]
    gaps = rows[0] - rows[1]
    assert first.delta == pytest.approx(gaps[:, :5].mean())


def holm_by_hand(p):
    order = sorted(range(len(p)), key=lambda at: p[at])
    found, top = [0.0] * len(p), 0.0
    for rank, at in enumerate(order):
        top = max(top, min(1.0, (len(p) - rank) * p[at]))
        found[at] = top
    return found


def test_a_failed_seed_leaves_the_comparison_its_other_seeds():
    values = sheet()
    short = MeasuredValues(
        values.metric,
        values.columns,
        {**values.variants, "redapter": {s: values.variants["redapter"][s] for s in (1, 3)}},
        values.reference,
    )
    spec = small_spec()
    assert short.shared_seeds(*PAIR, spec) == (1, 3)
    assert short.shared_seeds("infonce", "untrained", spec) == (1, 2, 3)
    assert short.rows("redapter", (1, 3), "").shape == (2, 30)
    assert short.rows("redapter", (1, 3), "a").shape == (2, 10)
    table = make_table(spec, short, {})
    own = next(each for each in table.differences if each.difference.b == "infonce")
    assert list(own.by_seed) == [1, 3]


def test_every_figure_is_drawn_in_both_forms_and_repeats():
    spec, values = small_spec(), sheet()
    table = make_table(spec, values, {"1": range(5), "2–10": range(5, 30)})
    steps = np.arange(1.0, 25.0)
    log = np.random.default_rng(1).random((3, 24))
    keys = ("plain_loss", "ess_share", "ri_q10", "ri_q50", "ri_q90")
    curves = {
        "infonce": Curves(steps, dict.fromkeys(keys[:2], log)),
        "redapter": Curves(steps, dict.fromkeys(keys, log)),
    }
    drawn = draw(spec, table, "ndcg@10", curves)
    assert list(drawn) == ["deltas", "intensity", "losses", "weights"]
    for files in drawn.values():
        assert files["png"].startswith(b"\x89PNG")
        assert b"<svg" in files["svg"]
    again = draw(spec, table, "ndcg@10", curves)
    assert again == drawn
    assert list(draw(spec, table, "ndcg@10", {})) == ["deltas", "intensity"]


def test_smoothing_is_a_centred_mean_that_is_shorter_at_the_ends():
    values = np.array([[1.0, 2.0, 6.0, 3.0]])
    assert smoothed(values, 3)[0].tolist() == pytest.approx([1.5, 3.0, 11 / 3, 4.5])
    assert smoothed(values, 1).tolist() == values.tolist()


def test_steps_without_a_value_leave_a_gap_and_change_no_other(tmp_path):
    values = np.array([[np.nan, np.nan, 1.0, 3.0, 5.0]])
    assert smoothed(values, 3)[0].tolist() == pytest.approx(
        [np.nan, np.nan, 2.0, 3.0, 4.0], nan_ok=True
    )


def test_the_launch_line_of_several_gpus_carries_the_whole_recipe(tmp_path):
    changed = read_config("demo", ["loss.kappa=2.0", 'data.path="a b.jsonl"', "train.seed=7"])
    command = launch_command("demo", changed, tmp_path, 4)
    assert "--nproc-per-node=4" in command
    settings = [command[at + 1] for at, word in enumerate(command) if word == "--set"]
    assert read_config("demo", settings) == changed


@pytest.mark.parametrize(
    ("name", "preset"), [("redapter", "demo"), ("redapter", "control"), ("remixer", "demo")]
)
def test_a_plan_tells_what_the_design_can_see_by_the_report_of_the_example(name, preset, tmp_path):
    spec = restrict(read_spec(name, preset))
    if spec.control.rows:
        spec = with_control(spec, tmp_path)
    folder = ROOT / "docs" / "examples" / f"{name}-{preset}"
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    spec = replace(spec, seeds=tuple(report["seeds"]))
    assert spec.tests == report["tests"]
    largest = max(report["differences"], key=lambda each: each["detectable_corrected"])
    pilot, parts = spec.pilot, largest["variance"]
    assert (pilot.queries, pilot.seeds) == (largest["queries"], len(report["seeds"]))
    assert pilot.from_queries == pytest.approx(parts["queries"])
    assert pilot.from_seeds == pytest.approx(max(0.0, parts["seeds"]) + parts["rest"])
    seen = pilot_detectable(spec)
    assert seen == pytest.approx(largest["detectable_corrected"], rel=0.01)
    fewer = pilot_detectable(replace(spec, seeds=spec.seeds[:1]))
    assert fewer > seen
    assert pilot_detectable(replace(spec, pilot=PilotVariance())) is None
