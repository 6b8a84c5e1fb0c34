"""Step logs of all runs as curves: one line a seed, cut to the steps that all seeds have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.ablation.execute import RunResult
from harness.core.checksums import LOG_FIX, read_checked_lines
from harness.stats.samples import Values

KEYS = (
    "loss",
    "plain_loss",
    "ri_q10",
    "ri_q25",
    "ri_q50",
    "ri_q75",
    "ri_q90",
    "ess_share",
    "at_cap",
)
"""What is drawn; `ess_share` is the weights' effective sample size over the queries of the step."""


@dataclass(frozen=True, slots=True)
class Curves:
    """One variant's logs: `steps` `[n]`, and each key's values `[seeds, n]`.

    A step that did not log a key holds NaN: there is no intensity before the warm-up is over.
    """

    steps: Values
    values: Mapping[str, Values]


def read_curves(results: Sequence[RunResult], root: Path) -> dict[str, Curves]:
    """Return each variant's curves, in the order of the runs; failed runs are left out.

    Raises `DamagedFile` for a damaged line of a log.
    """
    logs: dict[str, list[Sequence[Mapping[str, Any]]]] = {}
    for result in results:
        if not result.failed:
            path = result.run.folder(root) / result.record.log
            lines = read_checked_lines(path, fix=LOG_FIX)
            logs.setdefault(result.run.variant, []).append(lines)
    return {variant: _curves(lines) for variant, lines in logs.items() if all(lines)}


def _curves(logs: Sequence[Sequence[Mapping[str, Any]]]) -> Curves:
    """Return the curves of one variant."""
    length = min(map(len, logs))
    cut = [[_with_share(line) for line in log[:length]] for log in logs]
    keys = [key for key in KEYS if any(key in line for log in cut for line in log)]
    return Curves(
        steps=np.array([line["step"] for line in cut[0]], dtype=np.float64),
        values={
            key: np.array([[line.get(key, np.nan) for line in log] for log in cut]) for key in keys
        },
    )


def _with_share(line: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a line of the log with the effective sample size as a share of the step's queries."""
    if "ess" not in line or not line.get("queries"):
        return line
    return {**line, "ess_share": line["ess"] / line["queries"]}


def smoothed(values: Values, width: int) -> Values:
    """Return centred running means over up to `width` steps, along the last axis; NaN stays NaN."""
    half = max(0, width // 2)
    count = values.shape[-1]
    columns = []
    for at in range(count):
        window = values[..., max(0, at - half) : min(count, at + half + 1)]
        known = ~np.isnan(window)
        total, terms = np.where(known, window, 0.0).sum(axis=-1), known.sum(axis=-1)
        columns.append(
            np.where(known[..., at - max(0, at - half)], total / np.maximum(terms, 1), np.nan)
        )
    return np.stack(columns, axis=-1)
