"""How often an ablation's test finds a difference where there is none: simulated levels.

Run: python benchmarks/ablation_level.py [--runs N] [-o FILE.md]

Values of a query are a part of the query's, one of the variant and query, one of the seed and
variant, and the rest, all normal; no variant is better than another. What is varied is how much of
a difference's variance comes from seeds. Counted is how often p is at most 0.05: of one comparison,
and, after Holm's correction, of any comparison with the baseline. `both` is the mixed model's p
alone, `own seeds` the same without pooling; `counts` is the p that the report shows.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from harness.stats.crossed import crossed_test, pooled_seeds
from harness.stats.holm import holm

DEFAULT_OUTPUT = Path(__file__).resolve().parent / "results" / "ablation_level.md"
QUERIES = 186
ALPHA = 0.05
SHARES = (0.0, 0.2, 0.5, 0.8, 0.95)
"""Of the variance of a mean difference: what comes from seeds."""
KINDS = ("own seeds", "both", "counts")


def differences(
    rng: np.random.Generator, sides: int, seeds: int, share: float
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return values `[sides, seeds, queries]` with that share of a difference's variance."""
    by_query = rng.normal(size=(sides, 1, QUERIES))
    rest = rng.normal(size=(sides, seeds, QUERIES))
    queries_part = (1.0 + 1.0 / seeds) / QUERIES
    spread = np.sqrt(share / (1 - share) * queries_part * seeds)
    return by_query + rest + spread * rng.normal(size=(sides, seeds, 1))


def levels(sides: int, seeds: int, share: float, runs: int) -> dict[str, tuple[float, float]]:
    """Return, for each kind of p, how often one comparison and how often any is found."""
    rng = np.random.default_rng([sides, seeds, round(100 * share)])
    found: dict[str, list[list[float]]] = {kind: [] for kind in KINDS}
    for _ in range(runs):
        values = differences(rng, sides, seeds, share)
        parts = pooled_seeds(values.mean(axis=2))
        pooled = None if parts is None else parts[0]
        rows: dict[str, list[float]] = {kind: [] for kind in KINDS}
        for other in values[1:]:
            gap = other - values[0]
            plain = crossed_test(gap, rng, permutations=1)
            test = crossed_test(gap, rng, pooled=pooled, permutations=999)
            rows["own seeds"].append(plain.p_mixed or 0.0)
            rows["both"].append(test.p_mixed or 0.0)
            rows["counts"].append(test.p)
        for kind in KINDS:
            found[kind].append(rows[kind])
    return {
        kind: (
            float(np.mean([row[0] <= ALPHA for row in rows])),
            float(np.mean([bool((holm(row) <= ALPHA).any()) for row in rows])),
        )
        for kind, rows in found.items()
    }


def main() -> None:
    """Simulate and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("-o", "--output", type=Path, default=DEFAULT_OUTPUT)
    options = parser.parse_args()
    heads = [f"{kind}: {what}" for kind in KINDS for what in ("one", "any")]
    lines = [
        "# False positives of an ablation's tests, in % where 5 are meant",
        "",
        f"{options.runs:,} simulated ablations a line, {QUERIES} queries, no variant better than "
        "another. one: a single comparison at p ≤ 0.05; any: at least one of all comparisons with "
        "the baseline, after Holm's correction. The standard error of a line's 5 % is "
        f"{100 * (0.05 * 0.95 / options.runs) ** 0.5:.1f} points.",
        "",
        "`own seeds`: the mixed model with each comparison's own seeds; `both`: with the seeds' "
        "scatter pooled over variants; `counts`: the largest p of `both`, over queries, and over "
        "seeds, which is what a report counts.",
        "",
        f"| variants | seeds | variance from seeds | {' | '.join(heads)} |",
        "|--:|--:|--:|" + "--:|" * len(heads),
    ]
    for sides, seeds in ((2, 3), (3, 3), (4, 3), (3, 2), (3, 5)):
        for share in SHARES:
            found = levels(sides, seeds, share, options.runs)
            cells = [f"{100 * value:.1f}" for kind in KINDS for value in found[kind]]
            lines.append(f"| {sides} | {seeds} | {100 * share:.0f} % | {' | '.join(cells)} |")
            print(lines[-1], flush=True)
    lines += ["", "Made by `python benchmarks/ablation_level.py`."]
    options.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
