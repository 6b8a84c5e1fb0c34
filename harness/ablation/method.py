"""How an ablation's numbers came about, in sentences: statistics, runs, versions, notes."""

from __future__ import annotations

from pathlib import Path

from harness.ablation.results import AblationResult
from harness.ablation.table import LEVEL, POWER, SEED
from harness.render import numbers
from harness.stats.conventions import PERMUTATIONS


def method(ablation: AblationResult) -> list[str]:
    """Return the sentences of the report's last section."""
    spec = ablation.spec
    seeds = ", ".join(map(str, spec.seeds))
    first = ablation.first_done
    return [
        f"rebench {ablation.version}; training code {ablation.code[:16]}…; recipe "
        f"{Path(spec.base).name} with "
        "each variant's keys on top",
        f"Seeds {seeds}, the same for every variant: with equal data a seed draws the same batches "
        "and negatives in each, so differences are paired by seed as well as by query.",
        "Interval and p, both: two-way crossed random effects of seeds and queries on the "
        "differences (mean squares; parts below zero cut off), t with Satterthwaite's degrees of "
        f"freedom; {numbers.percent(LEVEL)} intervals. With several tasks: macro-mean, queries "
        "within tasks. What seeds do is pooled over all variants, which takes seeds to scatter "
        "alike in each.",
        "p, queries: signs flipped query by query of the difference averaged over seeds, "
        f"{4 * PERMUTATIONS:,} permutations, seed {SEED}: would other queries tell, given these "
        "very trainings? p, seeds: t over seeds with the pooled variance: would other seeds tell, "
        "given these very queries?",
        "The largest of the three p counts, and is what Holm corrects (simulated levels: "
        "docs/ablation.md).",
        f"detectable: the smallest true difference that the test of both sees "
        f"in {numbers.percent(POWER)} of cases, by the same variances, before correction",
        "variance of the mean: what part seeds, queries, and neither (the rest) have in it",
        *_hardware(first.entries),
        *ablation.notes,
    ]


def _hardware(entries: object) -> list[str]:
    """Return what the runs were measured on, as the entries say."""
    found = next(iter(entries.values()), None) if isinstance(entries, dict) else None
    if found is None:
        return []
    machine = found.environment
    return [
        f"Measured on {machine.get('cpu')}, {machine.get('usable_cores')} cores, "
        f"Python {machine.get('python')}"
    ]
