"""All pairs of systems by randomisation test: `harness.stats` against ranx's Fisher test.

Run: python benchmarks/permutation_vs_ranx.py [--pairs N] [-o FILE.md]

30 systems x 1,384 queries (BRIGHT's number), 10,000 permutations each. rebench's time holds all
435 pairs and Holm's correction; ranx gets its compilation for free and is timed on the same pairs
(all of them unless `--pairs` says fewer, then scaled). rebench runs before and after ranx, and the
slower of all its rounds counts.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from importlib.metadata import version
from itertools import combinations
from pathlib import Path

import numpy as np

from harness.stats.holm import holm_pairs
from harness.stats.paired import sign_flip_pairs
from harness.stats.ranx_tests import fisher
from harness.stats.samples import Values

SYSTEMS = 30
QUERIES = 1_384
PERMUTATIONS = 10_000
ROUNDS = 5
DEFAULT_OUTPUT = Path(__file__).resolve().parent / "results" / "permutation_vs_ranx.md"


def make_values() -> Values:
    """Return nDCG-like values of 30 systems: shared query difficulty, many zeros, small gaps."""
    rng = np.random.default_rng(23)
    difficulty = rng.beta(0.6, 1.2, QUERIES)
    noise = rng.normal(0, 0.18, (SYSTEMS, QUERIES))
    quality = np.linspace(-0.03, 0.03, SYSTEMS)[:, None]
    return np.asarray(np.clip(difficulty + quality + noise, 0, 1), dtype=np.float64)


def rebench_round(values: Values) -> tuple[float, Values, Values]:
    """Return seconds, p-values and Holm's of all pairs."""
    start = time.perf_counter()
    p = sign_flip_pairs(values, np.random.default_rng(1), permutations=PERMUTATIONS)
    corrected = holm_pairs(p)
    return time.perf_counter() - start, p, corrected


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    total = SYSTEMS * (SYSTEMS - 1) // 2
    parser.add_argument("--pairs", type=int, default=total, help=f"of {total}, for ranx")
    parser.add_argument("-o", "--output", type=Path, default=DEFAULT_OUTPUT)
    options = parser.parse_args()

    values = make_values()
    every = list(combinations(range(SYSTEMS), 2))
    chosen = [every[at] for at in np.random.default_rng(2).permutation(total)[: options.pairs]]
    fisher(values[0], values[1], permutations=10)  # compiles

    seconds = [rebench_round(values)[0] for _ in range(ROUNDS)]
    start = time.perf_counter()
    theirs = np.array(
        [fisher(values[one], values[two], permutations=PERMUTATIONS) for one, two in chosen]
    )
    ranx_seconds = (time.perf_counter() - start) * total / len(chosen)
    rounds = [rebench_round(values) for _ in range(ROUNDS)]
    seconds += [found[0] for found in rounds]
    _, p, corrected = rounds[-1]

    ours = np.array([p[pair] for pair in chosen])
    middle = (ours + theirs) / 2
    inner = (middle > 0.002) & (middle < 0.998)  # beyond, counts are too few for a normal error
    error = np.sqrt(2 * middle * (1 - middle) / PERMUTATIONS)
    z = ((ours - theirs) / np.where(inner, error, 1.0))[inner]
    edge = float(np.abs(ours - theirs)[~inner].max(initial=0.0))
    counted = f"all {total}" if len(chosen) == total else f"{len(chosen)} of {total}, scaled"
    page = f"""# All pairs by randomisation test: rebench against ranx's Fisher

{SYSTEMS} systems x {QUERIES:,} queries, {total} pairs, {PERMUTATIONS:,} permutations each.

| | seconds |
|---|--:|
| ranx `fisher_randomization_test`, compiled beforehand, {counted} pairs | {ranx_seconds:.1f} |
| rebench, all pairs and Holm: fastest of {len(seconds)} rounds | {min(seconds):.3f} |
| rebench: median | {np.median(seconds):.3f} |
| rebench: slowest | {max(seconds):.3f} |
| ranx / slowest rebench round | {ranx_seconds / max(seconds):,.0f} x |

Same p within Monte-Carlo error: the difference over its standard error has root mean square
{np.sqrt(np.mean(z**2)):.2f} (1 is expected) and at most {np.abs(z).max():.2f}
over the {len(z)} of {len(chosen)} pairs with p from 0.002 to 0.998. The largest difference of two p
is {np.abs(ours - theirs).max():.4f} in all pairs, {edge:.4f} in the others.
p at most 0.05 in {np.count_nonzero(p[np.triu_indices(SYSTEMS, 1)] <= 0.05)} pairs, after Holm in \
{np.count_nonzero(corrected[np.triu_indices(SYSTEMS, 1)] <= 0.05)}.
Zeros among ranx's p: {np.count_nonzero(theirs == 0)}; rebench's smallest is {ours.min():.5f}.

{os.cpu_count()} CPU cores ({platform.machine()}), Python {platform.python_version()}, \
numpy {np.__version__}, ranx {version("ranx")}.
Made by `python benchmarks/permutation_vs_ranx.py`.
"""
    print(page)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
