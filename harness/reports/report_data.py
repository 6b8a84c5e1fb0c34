"""What a report is made of, as data: everything that its text and figures show is in here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from harness.compare.as_json import comparison_json, reproduction_json
from harness.compare.changes import TOP
from harness.compare.comparison import Comparison
from harness.compare.reproduce import Reproduction
from harness.leaderboard.cost import Costed, per_query, work_of_entries
from harness.leaderboard.measures import documents_per_second, hardware, truncation_rate
from harness.leaderboard.rows import NO_FACTS, ModelFacts
from harness.metrics.headroom import Lost
from results.systems import System


@dataclass(frozen=True, slots=True)
class SystemFacts:
    """What is known of a system besides its scores; `None` and empty where it is not known.

    `parameters` counts weights, `documents_per_second` covers all shown tasks, `truncation` is
    the share of documents cut at the length limit.
    """

    parameters: int | None
    documents_per_second: float | None
    truncation: float | None
    hardware: str
    trained_on_bright: bool | None


@dataclass(frozen=True, slots=True)
class Report:
    """One report: a comparison (of one system or more), and what goes with it.

    `facts` is by a system's label, `command` the command that made the report. `texts` tells
    whether texts of queries are shown. `lost` says by a system's label where its points went, if
    nDCG@10 is compared.
    """

    comparison: Comparison
    reproductions: tuple[Reproduction, ...]
    facts: Mapping[str, SystemFacts]
    command: tuple[str, ...]
    version: str
    texts: bool = False
    lost: Mapping[str, Lost] = field(default_factory=dict)

    @property
    def costs(self) -> tuple[Costed, ...]:
        """Each system with its mean and the work behind it, as far as its entries tell."""
        found = self.comparison
        last = "" if len(found.tasks) > 1 else found.tasks[0]
        means = {each.system: each for each in found.means if each.task == last}
        return tuple(
            Costed(
                system.label,
                means[system.label].mean,
                means[system.label].interval,
                work_of_entries([system.entries[task] for task in found.tasks]),
            )
            for system in found.systems
        )


def facts_of(system: System, models: Mapping[str, ModelFacts]) -> SystemFacts:
    """Return what the entries and the models' facts say of a system."""
    known = models.get(system.model, NO_FACTS)
    entries = tuple(system.entries.values())
    speed = documents_per_second(entries)
    return SystemFacts(
        parameters=known.parameters,
        documents_per_second=speed,
        truncation=truncation_rate(entries),
        # A run that came from elsewhere says nothing of the machine it was searched on.
        hardware=(hardware(entries) or "") if speed else "",
        trained_on_bright=known.trained_on_bright,
    )


def report_json(report: Report) -> dict[str, Any]:
    """Return the JSON object in which every number of the report's text stands."""
    found = report.comparison
    comparison = comparison_json(found)
    for change in comparison["changes"]:
        change["snippets"] = {}  # the text shows none, and documents may not be ours to pass on
        if not report.texts:
            change["text"] = ""
    first = found.systems[0].entries
    return {
        "rebench": report.version,
        "command": list(report.command),
        "scale": 100,
        "counts": {
            "systems": len(found.systems),
            "tasks": len(found.tasks),
            "queries": sum(entry.task.n_queries for entry in first.values()),
            "first_documents": TOP,
            "changes": [len(each.gold) for each in found.changes],
        },
        "facts": {name: asdict(each) for name, each in report.facts.items()},
        "comparison": comparison,
        "reproductions": [reproduction_json(each) for each in report.reproductions],
        "lost": {name: asdict(each) for name, each in report.lost.items()},
        "work": {
            each.name: {
                **each.work.json,
                "per_query": per_query(each.work),
                "per_thousand": each.work.cost_per_thousand,
            }
            for each in report.costs
            if each.work is not None
        },
    }
