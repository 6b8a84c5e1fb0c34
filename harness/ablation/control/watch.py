"""Trainings watched step by step: reasoning intensity and weight of every row that is drawn."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.ablation.control.world import HOPS
from harness.core.errors import BadInput
from harness.core.progress import SilentReporter
from harness.core.training_row import read_rows
from harness.stats.bootstrap import Interval
from harness.stats.samples import Values

if TYPE_CHECKING:
    from redapter.config import RunConfig
    from redapter.head import TextVectors
    from redapter.loss import StepLoss

LEVEL = 0.95
RESAMPLES = 2_000
_AT_ONCE = 100
_SEED = 42


@dataclass(frozen=True, slots=True)
class WatchedTraining:
    """Every draw of the weighted steps: `row`, its `hops`, `intensity` and `weight`, all `[n]`.

    `intensity` is L_q / (L_q' + 1e-6), not capped; `weight` is a share of the step times the
    queries in it, so 1 where all queries count alike.
    """

    row: Values
    hops: Values
    intensity: Values
    weight: Values
    kappa: float

    @property
    def capped(self) -> Values:
        """Return the intensities as the weights read them."""
        return np.minimum(self.intensity, self.kappa) if self.kappa else self.intensity


def watch_training(recipe: RunConfig, vectors: TextVectors) -> WatchedTraining:
    """Train a head by a recipe once more, and keep what its steps saw after the warm-up.

    The recipe's rows carry `conditions.hops`. Raises what training raises.
    """
    from redapter.batches import plan_run
    from redapter.checkpoints import TrainingFolder
    from redapter.collate import DrawnRows
    from redapter.data import load_examples
    from redapter.head import train_head
    from redapter.weights import reasoning_intensity

    train = recipe.train
    examples = load_examples(recipe.data, recipe.batch, recipe.loss.kind).examples
    hops = [int(str(row.conditions.get("hops", 0))) for row in read_rows(Path(recipe.data.path))]
    if len(hops) != len(examples) or not all(hops):
        raise BadInput(f"rows of {recipe.data.path} have no hops", fix="Watch a control's rows.")
    plan = plan_run(
        examples, recipe.batch, seed=train.seed, epochs=train.epochs, max_steps=train.max_steps
    )
    drawn: list[tuple[Sequence[int], Values, Values]] = []

    def observe(number: int, rows: Sequence[int], step: StepLoss) -> None:
        if number >= recipe.loss.warmup_steps and step.reasoning_losses is not None:
            raw = reasoning_intensity(step.losses, step.reasoning_losses, 0.0)
            drawn.append((rows, raw.numpy(), step.weights.numpy() * len(rows)))

    with tempfile.TemporaryDirectory() as folder:
        where = TrainingFolder(Path(folder))
        steps = DrawnRows(examples, plan.steps, train.seed)
        train_head(recipe, steps, vectors, where, SilentReporter(), observe)
    row = np.array([at for rows, _, _ in drawn for at in rows])
    return WatchedTraining(
        row=row,
        hops=np.array(hops)[row],
        intensity=np.concatenate([each for _, each, _ in drawn]).astype(np.float64),
        weight=np.concatenate([each for _, _, each in drawn]).astype(np.float64),
        kappa=recipe.loss.kappa,
    )


def watch_untrained(recipe: RunConfig, vectors: TextVectors) -> WatchedTraining:
    """Return the intensities that the encoder gives before any training, each row drawn once."""
    return watch_training(
        replace(
            recipe,
            loss=replace(recipe.loss, kind="redapter", warmup_steps=0),
            train=replace(
                recipe.train, epochs=1, max_steps=0, learning_rate=0.0, scheduler="constant"
            ),
        ),
        vectors,
    )


@dataclass(frozen=True, slots=True)
class IntensityByHops:
    """Intensity against true hops: means and shares at the cap by hops, and a rank correlation.

    Rows are averaged over their draws first. `correlation` is Spearman's over the rows, of
    intensities with the cap; `uncapped` that without it; intervals by resampling rows.
    """

    means: Mapping[int, float]
    at_cap: Mapping[int, float]
    correlation: Estimate
    uncapped: Estimate
    rows: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its interval."""

    value: float
    interval: Interval


def intensity_by_hops(watched: Sequence[WatchedTraining]) -> IntensityByHops:
    """Return how intensity goes with hops, over the draws of one training or several."""
    row = np.concatenate([each.row for each in watched])
    capped = np.concatenate([each.capped for each in watched])
    kappa = watched[0].kappa
    rows, place = np.unique(row, return_inverse=True)
    hops = np.empty(len(rows))
    hops[place] = np.concatenate([each.hops for each in watched])
    counts = np.bincount(place)
    mean_capped = np.bincount(place, capped) / counts
    # A median would need a loop over rows; the logarithm keeps one huge ratio from being the mean.
    raw = np.log(np.concatenate([each.intensity for each in watched]) + 1e-12)
    mean_raw = np.bincount(place, raw) / counts
    full = np.bincount(place, (capped >= kappa) if kappa else np.zeros(len(capped))) / counts
    return IntensityByHops(
        means={each: float(mean_capped[hops == each].mean()) for each in HOPS},
        at_cap={each: float(full[hops == each].mean()) for each in HOPS},
        correlation=rank_correlation(mean_capped, hops),
        uncapped=rank_correlation(mean_raw, hops),
        rows=len(rows),
    )


def rank_correlation(one: Values, other: Values) -> Estimate:
    """Return Spearman's correlation with a percentile interval over resampled pairs."""
    rng = np.random.default_rng(_SEED)
    count = len(one)
    values = []
    for _ in range(RESAMPLES // _AT_ONCE):
        rows = rng.integers(0, count, (_AT_ONCE, count))
        values.append(_correlations(one[rows], other[rows]))
    low, high = np.quantile(np.concatenate(values), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    (value,) = _correlations(one[None], other[None])
    return Estimate(float(value), Interval(float(low), float(high), LEVEL))


def _correlations(one: Values, other: Values) -> Values:
    """Return the rank correlation of each row of two arrays `[r, n]`."""
    from scipy.stats import rankdata

    ranks = [rankdata(each, axis=1) - (each.shape[1] + 1) / 2 for each in (one, other)]
    squares = [(each**2).sum(axis=1) for each in ranks]
    correlations: Values = (ranks[0] * ranks[1]).sum(axis=1) / np.sqrt(squares[0] * squares[1])
    return correlations


def weight_by_hops(watched: Sequence[WatchedTraining]) -> dict[int, Estimate]:
    """Return the mean weight of each number of hops (1: all alike), t intervals over trainings."""
    from scipy.stats import t

    estimates = {}
    for hops in HOPS:
        means = np.array([each.weight[each.hops == hops].mean() for each in watched])
        count = len(means)
        reach = 0.0
        if count > 1:
            error = float(means.std(ddof=1)) / count**0.5
            reach = float(t.ppf((1 + LEVEL) / 2, count - 1)) * error
        value = float(means.mean())
        estimates[hops] = Estimate(value, Interval(value - reach, value + reach, LEVEL))
    return estimates
