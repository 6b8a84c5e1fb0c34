"""The numbers of a comparison against scipy, statsmodels and arithmetic by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from harness.compare.comparison import Comparison, compare
from harness.compare.differences import ComparisonSettings
from harness.compare.selection import EntryFilter, select_named
from harness.compare.task_context import TaskContextLoader
from harness.core.errors import BadInput, UnknownName
from harness.core.progress import SilentReporter
from harness.data.folds import fold_of
from harness.data.local_tasks import DataLocations
from harness.data.registry import group_members
from harness.derived import EntryReader
from harness.metrics.names import parse_metric
from harness.metrics.score import score
from results.store import ResultStore
from tests.helpers.measured_store import gains, make_task, measure, some_ranks, store_at

SIZES = {"biology": 7, "pony": 5}
RANKS = {
    (model, task): some_ranks(size, seed=10 * at + size, best=best)
    for at, (model, best) in enumerate((("a", 1), ("b", 3), ("c", 2)))
    for task, size in SIZES.items()
}
GROUPS = {"bright": group_members("bright")}


def fill(store: ResultStore, models: str = "ab", sizes: dict[str, int] = SIZES) -> None:
    """Measure models on tasks."""
    for model in models:
        for task, size in sizes.items():
            ranks = RANKS.get((model, task), [])
            if len(ranks) != size:
                ranks = some_ranks(size, seed=ord(model) + size)
            measure(store, model, make_task(task, size), ranks)


def compared(
    store: ResultStore,
    names: str = "ab",
    plan: ComparisonSettings | None = None,
    tasks: tuple[str, ...] = (),
) -> Comparison:
    """Compare models named by single letters."""
    entries = store.entries().entries
    selection = select_named(entries, list(names), EntryFilter(GROUPS, tasks))
    library = TaskContextLoader(store, entries, DataLocations(), SilentReporter())
    return compare(selection, "", plan or ComparisonSettings(), library)


def values(model: str, task: str) -> np.ndarray:
    """Return a model's values on a task, by hand."""
    return gains(RANKS[model, task])


def exact_p(a: np.ndarray, b: np.ndarray, weights: np.ndarray) -> float:
    """Return scipy's p of the weighted mean difference over all sign patterns."""
    return float(
        stats.permutation_test(
            (a, b),
            lambda x, y: float(np.sum((x - y) * weights)),
            permutation_type="samples",
            n_resamples=np.inf,
            vectorized=False,
        ).pvalue
    )


def test_means_counts_and_deltas_are_those_of_the_ranks(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    fill(store)
    found = compared(store)
    assert (found.tasks, found.metric) == (("biology", "pony"), "ndcg@10")
    macro = []
    for task in SIZES:
        (each,) = found.by_task[task]
        gap = values("a", task) - values("b", task)
        macro.append(gap.mean())
        assert each.mean_a == pytest.approx(values("a", task).mean(), abs=1e-12)
        assert each.delta == pytest.approx(gap.mean(), abs=1e-12)
        told = (each.counts.wins, each.counts.ties, each.counts.losses)
        assert told == ((gap > 0).sum(), (gap == 0).sum(), (gap < 0).sum())
        assert each.effect == pytest.approx(gap.mean() / gap.std(ddof=1))
    (overall,) = found.overall
    assert overall.delta == pytest.approx(np.mean(macro), abs=1e-12)
    assert overall.queries == 12
    variance = np.mean([(values("a", t) - values("b", t)).var(ddof=1) for t in SIZES])
    assert overall.effect == pytest.approx(np.mean(macro) / np.sqrt(variance))
    by_name = {(each.system, each.task): each.mean for each in found.means}
    assert by_name["a", ""] == pytest.approx(np.mean([values("a", t).mean() for t in SIZES]))


def test_permutation_p_are_scipys_and_stratified_overall(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    fill(store)
    found = compared(store)
    for task, size in SIZES.items():
        theirs = exact_p(values("a", task), values("b", task), np.full(size, 1 / size))
        assert found.by_task[task][0].p == pytest.approx(theirs, abs=1e-12)
    a, b = (np.concatenate([values(m, task) for task in SIZES]) for m in "ab")
    weights = np.concatenate([np.full(size, 1 / (2 * size)) for size in SIZES.values()])
    assert found.overall[0].p == pytest.approx(exact_p(a, b, weights), abs=1e-12)


@pytest.mark.parametrize("test", ["permutation", "student", "fisher"])
def test_holm_covers_everything_shown(tmp_path: Path, test: str) -> None:
    store = store_at(tmp_path)
    fill(store, "abc")
    found = compared(store, "abc", ComparisonSettings(test=test))
    shown = [each for task in found.tasks for each in found.by_task[task]] + list(found.overall)
    assert len(shown) == found.tests == 9
    theirs = multipletests([each.p for each in shown], method="holm")[1]
    assert [each.p_corrected for each in shown] == pytest.approx(list(theirs), abs=1e-12)


def test_student_is_scipys_by_task_and_stratified_overall(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    fill(store)
    found = compared(store, plan=ComparisonSettings(test="student"))
    for task in SIZES:
        theirs = stats.ttest_rel(values("a", task), values("b", task)).pvalue
        assert found.by_task[task][0].p == pytest.approx(theirs, rel=1e-9)
    gaps = [values("a", task) - values("b", task) for task in SIZES]
    error = np.sqrt(sum(gap.var(ddof=1) / len(gap) for gap in gaps)) / 2
    t = abs(np.mean([gap.mean() for gap in gaps])) / error
    assert found.overall[0].p == pytest.approx(2 * stats.t.sf(t, 12 - 2), rel=1e-9)


def test_tukey_is_corrected_over_tasks_and_has_no_overall_p(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    fill(store, "abc")
    found = compared(store, "abc", ComparisonSettings(test="tukey"))
    for task in SIZES:
        theirs = stats.tukey_hsd(*(values(m, task) for m in "abc")).pvalue
        for each, pair in zip(found.by_task[task], ((0, 1), (0, 2), (1, 2)), strict=True):
            assert each.p == pytest.approx(theirs[pair], rel=1e-6)
            assert each.p_corrected == pytest.approx(min(1.0, 2 * theirs[pair]), rel=1e-6)
    assert [each.p for each in found.overall] == [None] * 3
    assert any("stratified" in note for note in found.notes)


def test_smallest_detectable_difference_is_statsmodels(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    fill(store)
    (each,) = compared(store).by_task["biology"]
    gap = values("a", "biology") - values("b", "biology")
    effect = TTestPower().solve_power(nobs=len(gap), alpha=0.05, power=0.8)
    assert each.detectable == pytest.approx(effect * gap.std(ddof=1), rel=1e-4)


def test_intervals_are_scipys_bca(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    fill(store, sizes={"biology": 60})
    (each,) = compared(store).by_task["biology"]
    gap = gains(some_ranks(60, ord("a") + 60)) - gains(some_ranks(60, ord("b") + 60))
    theirs = stats.bootstrap((gap,), np.mean, n_resamples=20_000, rng=np.random.default_rng(1))
    assert each.interval is not None
    assert each.interval.low == pytest.approx(theirs.confidence_interval.low, abs=0.006)
    assert each.interval.high == pytest.approx(theirs.confidence_interval.high, abs=0.006)


def test_a_single_task_is_its_own_headline(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    fill(store)
    found = compared(store, tasks=("pony",))
    assert found.overall == ()
    assert found.headline == found.by_task["pony"]
    assert found.tests == 1
    assert found.headline[0].p == found.headline[0].p_corrected


def test_another_task_changes_no_number_of_this_one(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    fill(store, sizes={"biology": 40, "pony": 5})
    alone = compared(store, tasks=("biology",)).by_task["biology"][0]
    beside = compared(store).by_task["biology"][0]
    assert beside == replace(alone, p_corrected=beside.p_corrected)


@pytest.mark.parametrize("test", ["permutation", "student", "fisher", "tukey"])
def test_equal_systems_have_p_one_and_divide_by_nothing(tmp_path: Path, test: str) -> None:
    store = store_at(tmp_path)
    for model in "ab":
        for task, size in SIZES.items():
            measure(store, model, make_task(task, size), [1, 2, 3, 4, None, 6, 7][:size])
    found = compared(store, plan=ComparisonSettings(test=test))
    for each in (*found.by_task["biology"], *found.overall):
        assert each.p in (1.0, None)
        assert (each.delta, each.effect, each.detectable) == (0.0, 0.0, 0.0)
        assert each.interval is not None
        assert (each.interval.low, each.interval.high) == (0.0, 0.0)
    assert found.changes == ()


@pytest.mark.parametrize("test", ["permutation", "student", "fisher", "tukey"])
def test_a_single_query_says_nothing_of_its_spread(tmp_path: Path, test: str) -> None:
    store = store_at(tmp_path)
    measure(store, "a", make_task(queries=1), [1])
    measure(store, "b", make_task(queries=1), [None])
    (each,) = compared(store, plan=ComparisonSettings(test=test)).headline
    assert (each.delta, each.p) == (1.0, 1.0)
    assert (each.interval, each.effect, each.detectable) == (None, None, None)


def test_one_system_has_means_and_nothing_else(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    fill(store, "a")
    found = compared(store, "a")
    assert found.headline == ()
    assert len(found.means) == 3


def test_pairs_against_the_first_only(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    fill(store, "abc")
    found = compared(store, "cab", ComparisonSettings(pairs="first"))
    assert [(each.a, each.b) for each in found.overall] == [("c", "a"), ("c", "b")]
    assert found.tests == 6


def test_too_few_permutations_are_said(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    fill(store, sizes={"biology": 40, "pony": 40})
    assert any(
        "--permutations" in n
        for n in compared(store, plan=ComparisonSettings(permutations=19)).notes
    )
    assert not any("--permutations" in n for n in compared(store).notes)
    assert compared(store).permutations == 10_000


def test_bad_plans_and_metrics_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="permutaton"):
        ComparisonSettings(test="permutaton")
    with pytest.raises(BadInput, match="-3"):
        ComparisonSettings(permutations=-3)


def test_a_metric_that_is_not_stored_is_derived_from_the_run(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    fill(store)
    entries = store.entries().entries
    selection = select_named(entries, ["a", "b"], EntryFilter(GROUPS))
    library = TaskContextLoader(store, entries, DataLocations(), SilentReporter())
    found = compare(selection, "ndcg@7", ComparisonSettings(), library)
    reader = EntryReader(store)
    for mean in found.means:
        if mean.task:
            entry = next(s for s in selection.systems if s.label == mean.system).entries[mean.task]
            qrels = reader.judgements(entry).qrels
            fresh = score(reader.run(entry), qrels, (parse_metric("ndcg@7"),))
            assert mean.mean == pytest.approx(fresh.means["ndcg@7"])


def test_a_fold_cuts_every_number_to_its_queries(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    fill(store, sizes={"biology": 40, "pony": 40})
    entries = store.entries().entries
    selection = select_named(entries, ["a", "b"], EntryFilter(GROUPS))

    def on_fold(fold: int | None) -> Comparison:
        contexts = TaskContextLoader(store, entries, DataLocations(), SilentReporter(), fold)
        return compare(selection, "", ComparisonSettings(), contexts)

    whole, cut = on_fold(None), on_fold(2)
    assert cut.notes[0].startswith("only fold 2")
    assert cut.headline[0].queries < whole.headline[0].queries
    for mean in cut.means:
        if mean.task:
            entry = next(s for s in selection.systems if s.label == mean.system).entries[mean.task]
            own = [
                value
                for qid, value in store.values(entry, "ndcg@10").items()
                if fold_of(mean.task, qid) == 2
            ]
            assert mean.mean == pytest.approx(sum(own) / len(own))
    with pytest.raises(BadInput, match="fold 7"):
        on_fold(7)


def test_the_mean_over_wordings_is_one_of_situations(tmp_path: Path) -> None:
    """One situation in four wordings is one unit: its mean over them, tested once."""
    store, levels, size = store_at(tmp_path), group_members("stdlib"), 9
    ranks = {
        (model, task): some_ranks(size, seed=10 * at + place, best=1 + at)
        for at, model in enumerate("ab")
        for place, task in enumerate(levels)
    }
    for (model, task), own in ranks.items():
        measure(store, model, make_task(task, size), own)
    found = compared(store)
    (overall,) = found.overall
    a, b = (np.mean([gains(ranks[model, task]) for task in levels], axis=0) for model in "ab")
    assert overall.queries == size
    assert overall.delta == pytest.approx(float(np.mean(a - b)))
    assert overall.effect == pytest.approx(float(np.mean(a - b) / np.std(a - b, ddof=1)))
    spread = float(np.std(a - b, ddof=1))
    power = TTestPower().power(overall.detectable / spread, nobs=size, alpha=0.05)
    assert power == pytest.approx(0.8, abs=1e-6)
    assert [each.name for each in found.slices if each.kind == "level"] == [
        "lexical", "paraphrase", "plain", "oblique",
    ]  # fmt: skip
