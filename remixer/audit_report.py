"""What an audit found: rows for a table, JSON, and a report in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.core.types import Json
from remixer.audit import Audit
from remixer.audit_labels import SPREADS
from remixer.audit_measures import SECTIONS, Measure
from remixer.audit_references import EXCLUDED, GOLD, QUERY
from remixer.audit_tally import ALL, Broken, Count
from remixer.card import markdown_table

_QUANTILES = (("least", 0.0), ("median", 0.5), ("95 %", 0.95), ("most", 1.0))
_SCORES = (("positive_score", "positive"), ("negative_score", "negative"))
_DEFINITIONS = (
    "Texts are equal when their words are (case and punctuation aside), near-equal when the "
    "Jaccard similarity of their runs of three words is 0.7 or more: MinHash finds the candidates, "
    "the similarity is computed exactly. A long run is eight words."
)


def columns(audit: Audit) -> tuple[str, ...]:
    """Return the columns of the tables: all rows, and each task where there are several."""
    tasks = tuple(audit.tally.tasks)
    return (ALL, *tasks) if len(tasks) > 1 else (ALL,)


def measure_rows(audit: Audit, names: Sequence[str], *, told: bool = True) -> list[dict[str, str]]:
    """Return a row per measure that anything was looked at for, a column per name."""
    rows = []
    for measure in audit.measures:
        counts = {name: audit.tally.get(measure.name, name) for name in names}
        if any(count.of for count in counts.values()) and (told or measure.limit is not None):
            cells = {name: _cell(count, measure) for name, count in counts.items()}
            rows.append({"measure": measure.name, "limit": _limit(measure), **cells})
    return rows


def broken_lines(audit: Audit) -> list[str]:
    """Return a line per limit that is passed, with the value and the first rows."""
    return [_broken_line(broken) for broken in audit.broken]


def audit_json(audit: Audit) -> dict[str, Json]:
    """Return all that an audit found; shares are unrounded."""
    names = (ALL, *audit.tally.tasks)
    return {
        "files": list(audit.files),
        "rows": audit.rows,
        "passages": audit.passages,
        "tasks": dict(audit.tally.tasks),
        "seed": audit.sampling.seed,
        "embedder": audit.embedder,
        "measures": {
            measure.name: {
                "section": measure.section,
                "counts": measure.counts,
                "limit": measure.limit,
                "why": measure.why,
                "found": {name: _count_json(audit.tally.get(measure.name, name)) for name in names},
            }
            for measure in audit.measures
        },
        "sizes": {
            what: {
                name: {str(value): spread.counts[value] for value in sorted(spread.counts)}
                for name, spread in by_task.items()
            }
            for what, by_task in audit.tally.spreads.items()
        },
        "ranked": {
            name: {"rows": each.rows, "documents": each.documents, "corpus": each.at_hand}
            for name, each in audit.ranked.items()
        },
        "benchmarks": _benchmark_rows(audit),
        "broken": [
            {"measure": each.measure.name, "task": each.task, "share": each.count.share,
             "limit": each.measure.limit, "rows": [str(place) for place in each.count.places]}
            for each in audit.broken
        ],
    }  # fmt: skip


def render_audit(audit: Audit, notes: Sequence[str] = ()) -> str:
    """Return the report: the same file, tasks and settings give the same text."""
    parts = [
        f"# Audit of {', '.join(audit.files)}",
        *notes,
        markdown_table(("what", "value"), _facts(audit)),
        "## Limits passed",
        "\n".join(f"- {line}" for line in broken_lines(audit)) or "None.",
        *_sections(audit),
        "## Sizes",
        markdown_table(("task", "what", *(name for name, _ in _QUANTILES), "mean"), _sizes(audit)),
        *_scores(audit),
        *_benchmarks(audit),
        "## What is counted",
        _DEFINITIONS,
        markdown_table(
            ("measure", "counts", "limit", "why"),
            [(each.name, each.counts, _limit(each), each.why) for each in audit.measures],
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _facts(audit: Audit) -> list[tuple[str, str]]:
    """Return what was audited, and against what."""
    against = [
        each.name + ("" if each.documents else " (without its documents)")
        for each in audit.benchmarks
    ]
    facts = [
        ("rows", f"{audit.rows:,}"),
        ("distinct passages", f"{audit.passages:,}"),
        ("held against", ", ".join(against) or "no task"),
        ("seed", str(audit.sampling.seed)),
        ("embedder", audit.embedder or "none"),
    ]
    for name, each in audit.ranked.items():
        ground = "of its corpus and the sample" if each.at_hand else "of the file alone"
        facts.append((f"sample of {name}",
                      f"{each.rows:,} rows, among {each.documents:,} texts {ground}"))  # fmt: skip
    return facts


def _sections(audit: Audit) -> Iterator[str]:
    """Yield a heading and a table for each section."""
    names = columns(audit)
    shown = {row["measure"]: row for row in measure_rows(audit, names)}
    for section in SECTIONS:
        rows = [
            tuple(shown[each.name].values())
            for each in audit.measures
            if each.section == section and each.name in shown
        ]
        if rows:
            yield f"## {section.capitalize()}"
            yield markdown_table(("measure", "limit", *names), rows)


def _sizes(audit: Audit) -> list[tuple[str, ...]]:
    """Return quantiles of all that has a size, per task."""
    rows = []
    for task in columns(audit):
        for what, label in SPREADS:
            spread = audit.tally.spreads[what].get(task)
            if spread is not None and spread.counts:
                values = [f"{spread.quantile(share):,}" for _, share in _QUANTILES]
                rows.append((task, label, *values, f"{spread.mean:,.1f}"))
    return rows


def _scores(audit: Audit) -> Iterator[str]:
    """Yield a table of how often each score was given, where there are scores."""
    rows = []
    for task in columns(audit):
        for what, label in _SCORES:
            spread = audit.tally.spreads[what].get(task)
            if spread is not None and spread.counts:
                given = ", ".join(f"{score}: {n:,}" for score, n in sorted(spread.counts.items()))
                rows.append((task, label, given))
    if rows:
        yield "## Scores"
        yield markdown_table(("task", "passages", "score: times"), rows)


def _benchmark_rows(audit: Audit) -> list[dict[str, Json]]:
    """Return, per benchmark, how many of its texts were met, equal or near-equal."""
    rows: list[dict[str, Json]] = []
    for each in audit.benchmarks:

        def met(part: str, kind: str, name: str = each.name) -> int:
            return len(audit.met.get((name, part, kind), ()))

        rows.append(
            {
                "benchmark": each.name,
                "documents": each.documents,
                "queries": each.queries,
                "met as a query": met("query", QUERY),
                "gold": len(each.gold),
                "met as a positive": met("positive", GOLD),
                "met as a negative": met("negative", GOLD),
                "excluded": len(each.excluded),
                "excluded met as a positive": met("positive", EXCLUDED),
            }
        )
    return rows


def _benchmarks(audit: Audit) -> Iterator[str]:
    """Yield a table of benchmarks, where there are any."""
    rows = _benchmark_rows(audit)
    if rows:
        yield "## Texts of the benchmark that were met"
        yield markdown_table(
            tuple(rows[0]),
            [
                tuple(f"{v:,}" if isinstance(v, int) else str(v) for v in row.values())
                for row in rows
            ],
        )


def _count_json(count: Count) -> dict[str, Json]:
    """Return a count as JSON."""
    return {
        "hits": count.hits,
        "of": count.of,
        "share": count.share,
        "rows": [str(place) for place in count.places],
    }


def _cell(count: Count, measure: Measure) -> str:
    """Return `hits of n (share)`, marked where the limit is passed."""
    share = count.share
    if share is None:
        return "–"
    passed = measure.limit is not None and share > measure.limit
    return f"{count.hits:,} of {count.of:,} ({_percent(share)}){' !' if passed else ''}"


def _limit(measure: Measure) -> str:
    """Return a limit as text."""
    return "–" if measure.limit is None else _percent(measure.limit)


def _percent(share: float) -> str:
    """Return a share in percent: a decimal, unless none is needed."""
    return f"{100 * share:.1f} %".replace(".0 %", " %")


def _broken_line(broken: Broken) -> str:
    """Return which limit is passed, by what, and where first."""
    count, limit = broken.count, broken.measure.limit or 0.0
    where = ", ".join(str(place) for place in count.places)
    share = _percent(count.share or 0.0)
    task = "" if broken.task == ALL else f" in {broken.task}"
    return f"{broken.measure.name}{task}: {share} > {_percent(limit)} ({where})"
