"""Metrics by name: one table of families from which every spelling of a metric is derived."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.core.errors import UnknownName

_CUT = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of metric in its four spellings.

    `name` is ours, `measure` trec_eval's, `bright_key` the one in BRIGHT's `results.json`
    (facts of its `retrievers.py`: `NDCG@k MAP@k Recall@k P@k MRR`), `label` the one in prose.
    `cut` tells whether the metric looks at the first k documents only and so needs a cutoff.
    One that is `derived` is not trec_eval's: it is computed by `harness.metrics.headroom` or
    `.judged`, from the stored run when somebody asks, and has the one spelling. One of `aspects` is
    computed by `harness.metrics.aspects`, for tasks that have some. One that is not `stored` is
    trec_eval's, and computed when somebody asks.
    """

    name: str
    measure: str
    bright_key: str
    label: str
    cut: bool
    derived: bool = False
    aspects: bool = False
    stored: bool = True


FAMILIES = (
    Family("ndcg", "ndcg_cut", "NDCG", "nDCG", cut=True),
    Family("map", "map_cut", "MAP", "MAP", cut=True),
    Family("recall", "recall", "Recall", "Recall", cut=True),
    Family("p", "P", "P", "P", cut=True),
    Family("mrr", "recip_rank", "MRR", "MRR", cut=False),
    Family("bpref", "bpref", "bpref", "bpref", cut=False, stored=False),
    Family("judged", "judged", "judged", "judged", cut=True, derived=True),
    Family("ceiling", "ceiling", "ceiling", "ceiling", cut=True, derived=True),
    Family("alpha-ndcg", "alpha-ndcg", "alpha-ndcg", "alpha-nDCG", cut=True, aspects=True),
    Family(
        "aspect-recall", "aspect-recall", "aspect-recall", "aspect-recall", cut=True, aspects=True
    ),
)
OFFICIAL_CUTOFFS = (1, 5, 10, 25, 50, 100)
_BY_NAME = {family.name: family for family in FAMILIES}


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric, such as nDCG over the first 10 documents; `str()` is its one name.

    `cutoff` is 1 to 999,999,999 documents, or `None` for a metric over the whole ranking.
    Raises `UnknownName` for a family or cutoff that does not exist.
    """

    name: str
    cutoff: int | None = None

    def __post_init__(self) -> None:
        """Check the name, and that a cutoff stands where one belongs."""
        family = _BY_NAME.get(self.name)
        has_cutoff = self.cutoff is not None
        if family is None or family.cut != has_cutoff:
            raise _unknown(str(self))
        if has_cutoff and not _CUT.fullmatch(str(self.cutoff)):
            raise _unknown(str(self))

    def __str__(self) -> str:
        """Return `ndcg@10`, or `mrr` where there is no cutoff."""
        return self.name if self.cutoff is None else f"{self.name}@{self.cutoff}"


def parse_metric(text: str) -> Metric:
    """Return the metric that a text names; `str()` of it is the text in lower case.

    BRIGHT's keys (`NDCG@10`, `MRR`) differ from ours in case only and are read too.
    Raises `UnknownName` for another family, a cutoff that is missing, misplaced, not positive
    or written with leading zeros.
    """
    name, at, cutoff = text.lower().partition("@")
    if at and not _CUT.fullmatch(cutoff):
        raise _unknown(text)
    return Metric(name, int(cutoff) if at else None)


def is_metric(text: str) -> bool:
    """Tell whether a text names a metric."""
    try:
        parse_metric(text)
    except UnknownName:
        return False
    return True


def is_derived(metric: Metric) -> bool:
    """Tell whether a metric is not trec_eval's and so never stored with an entry."""
    return _BY_NAME[metric.name].derived


def needs_aspects(metric: Metric) -> bool:
    """Tell whether a metric is defined only where a task has aspects."""
    return _BY_NAME[metric.name].aspects


def is_trec_evals(metric: Metric) -> bool:
    """Tell whether trec_eval computes a metric."""
    return not is_derived(metric) and not needs_aspects(metric)


def measure_key(metric: Metric) -> str:
    """Return trec_eval's name of a metric's values, such as `ndcg_cut_10` or `recip_rank`."""
    return _spelled(_BY_NAME[metric.name].measure, "_", metric)


def bright_key(metric: Metric) -> str:
    """Return the key in BRIGHT's `results.json`, such as `NDCG@10` or `MRR`."""
    return _spelled(_BY_NAME[metric.name].bright_key, "@", metric)


def label(metric: Metric) -> str:
    """Return the name for table heads and prose, such as `nDCG@10`."""
    return _spelled(_BY_NAME[metric.name].label, "@", metric)


def _spelled(stem: str, joint: str, metric: Metric) -> str:
    """Join a stem and the cutoff, where there is one."""
    return stem if metric.cutoff is None else f"{stem}{joint}{metric.cutoff}"


def _unknown(text: str) -> UnknownName:
    """Return the error for a text that names no metric."""
    forms = ", ".join(f"{family.name}@K" if family.cut else family.name for family in FAMILIES)
    known = (str(metric) for metric in OFFICIAL)
    return UnknownName("metric", text, known, listing=f"Metrics are {forms}, with K from 1.")


OFFICIAL = tuple(
    Metric(family.name, cutoff)
    for family in FAMILIES
    if family.stored and not family.derived and not family.aspects
    for cutoff in (OFFICIAL_CUTOFFS if family.cut else (None,))
)
"""BRIGHT's 25 measures: nDCG, MAP, recall and P at six cutoffs each, and MRR."""

ASPECT_METRICS = tuple(
    Metric(family.name, cutoff) for family in FAMILIES if family.aspects for cutoff in (10, 25)
)
"""What is stored beside BRIGHT's measures for a task with aspects: BRIGHT-Pro reports 25."""
