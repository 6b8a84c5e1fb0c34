"""What an ablation would do: its runs, which are finished, and how long the rest may take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.ablation.plan import check_variants, data_options, plan_runs, recipe_of
from harness.ablation.records import known_seconds, read_record
from harness.ablation.spec import Spec
from harness.ablation.tools import Tools
from harness.core.errors import DataUnavailable


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """One run to be: `state` is `finished`, `begun`, `failed before` or `to do`.

    `rows`, `steps` and `key` are `None` while the data is not made.
    """

    variant: str
    seed: int
    state: str
    rows: int | None
    steps: int | None
    key: str | None


@dataclass(frozen=True, slots=True)
class Preview:
    """All runs, whether data is still to be made, and the seconds that are left.

    `seconds` is `None` where no run of this ablation has been measured on this machine yet.
    """

    runs: tuple[PlannedRow, ...]
    data_made: bool
    seconds: float | None
    needs: tuple[str, ...]


def preview(spec: Spec, tools: Tools, root: Path) -> Preview:
    """Return what would be done, without making, training or measuring anything.

    Raises `BadInput` for recipes and options that cannot be followed.
    """
    check_variants(spec, tools)
    made = all(
        not data_options(spec, variant)
        or tools.data.there(data_options(spec, variant), recipe_of(spec, name, 0, tools))
        for name, variant in spec.variants.items()
    )
    try:
        rows = _planned(spec, tools, root) if made else _unmade(spec)
    except DataUnavailable:  # rows on a hub that is out of reach: the plan holds all the same
        made, rows = False, _unmade(spec)
    left = sum(row.state != "finished" for row in rows)
    known = known_seconds(root)
    return Preview(rows, made, None if known is None else left * sum(known), spec.needs.facts)


def _planned(spec: Spec, tools: Tools, root: Path) -> tuple[PlannedRow, ...]:
    """Return the runs with their states; all data is there, so planning makes none."""
    rows = []
    for run in plan_runs(spec, tools):
        folder = run.folder(root)
        record = read_record(folder)
        state = "to do"
        if record is not None:
            state = "failed before" if record.failure else "finished"
        elif folder.is_dir():
            state = "begun"
        prepared = run.prepared
        rows.append(
            PlannedRow(run.variant, run.seed, state, prepared.rows, prepared.steps, run.key)
        )
    return tuple(rows)


def _unmade(spec: Spec) -> tuple[PlannedRow, ...]:
    """Return the runs while data is to be made: nothing more is known of them."""
    return tuple(
        PlannedRow(name, seed, "to do", None, None, None)
        for seed in spec.seeds
        for name in spec.variants
    )
