"""Render an audit: rows for a table, JSON, and a report in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.core.types import Json
from remixer.audit.contamination import EXCLUDED, GOLD, QUERY
from remixer.audit.labels import SPREADS
from remixer.audit.measures import ALL, SECTIONS, Count, LimitViolation, Measure
from remixer.audit.run import Audit
from remixer.data_card import markdown_table

_QUANTILES = (("least", 0.0), ("median", 0.5), ("95 %", 0.95), ("most", 1.0))
_SCORES = (("positive_score", "positive"), ("negative_score", "negative"))
_DEFINITIONS = (
    "Texts are equal if their words are (case and punctuation aside), and near-duplicates if the "
    "Jaccard similarity of their three-word shingles is 0.7 or more: MinHash finds candidates, and "
    "the similarity is computed exactly."
)


def columns(audit: Audit) -> tuple[str, ...]:
    """Return the columns of the tables: all rows, and each task if there are several."""
    tasks = tuple(audit.tally.tasks)
    return (ALL, *tasks) if len(tasks) > 1 else (ALL,)


def measure_rows(audit: Audit, names: Sequence[str]) -> list[dict[str, str]]:
    """Return a row for each measure that examined anything, with a column per name."""
    rows = []
    for measure in audit.measures:
        counts = {name: audit.tally.get(measure.name, name) for name in names}
        if any(count.of for count in counts.values()):
            cells = {name: _cell(count, measure) for name, count in counts.items()}
            rows.append({"measure": measure.name, "limit": _limit(measure), **cells})
    return rows


def violation_lines(audit: Audit) -> list[str]:
    """Return a line for each exceeded limit, with the value and the first rows."""
    return [_violation_line(violation) for violation in audit.violations]


def audit_json(audit: Audit) -> dict[str, Json]:
    """Return the whole audit; shares are not rounded."""
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
                "counts": measure.description,
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
            name: {"rows": each.rows, "documents": each.documents, "corpus": each.is_corpus}
            for name, each in audit.ranked.items()
        },
        "benchmarks": _benchmark_rows(audit),
        "broken": [
            {"measure": each.measure.name, "task": each.task, "share": each.count.share,
             "limit": each.measure.limit, "rows": [str(place) for place in each.count.locations]}
            for each in audit.violations
        ],
    }  # fmt: skip


def render_audit(audit: Audit, notes: Sequence[str] = ()) -> str:
    """Return the report: the same file, tasks and settings give the same text."""
    parts = [
        f"# Audit of {', '.join(audit.files)}",
        *notes,
        markdown_table(("what", "value"), _facts(audit)),
        "## Limits exceeded",
        "\n".join(f"- {line}" for line in violation_lines(audit)) or "None.",
        *_sections(audit),
        "## Sizes",
        markdown_table(("task", "what", *(name for name, _ in _QUANTILES), "mean"), _sizes(audit)),
        *_scores(audit),
        *_benchmarks(audit),
        "## What is counted",
        _DEFINITIONS,
        markdown_table(
            ("measure", "counts", "limit", "why"),
            [(each.name, each.description, _limit(each), each.why) for each in audit.measures],
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _facts(audit: Audit) -> list[tuple[str, str]]:
    """Return what was audited, and what it was compared with."""
    against = [
        each.name + ("" if each.documents else " (without its documents)")
        for each in audit.benchmarks
    ]
    facts = [
        ("rows", f"{audit.rows:,}"),
        ("distinct passages", f"{audit.passages:,}"),
        ("compared with", ", ".join(against) or "no task"),
        ("seed", str(audit.sampling.seed)),
        ("embedder", audit.embedder or "none"),
    ]
    for name, each in audit.ranked.items():
        pool = "of its corpus and the sample" if each.is_corpus else "of the file alone"
        facts.append((f"sample of {name}",
                      f"{each.rows:,} rows, among {each.documents:,} texts {pool}"))  # fmt: skip
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
    """Yield a table of how often each score was given, if there are scores."""
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
    """Return, for each benchmark, how many of its texts were found, near-duplicates included."""
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
    """Yield a table of benchmarks, if there are any."""
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
    return {
        "hits": count.hits,
        "of": count.of,
        "share": count.share,
        "rows": [str(place) for place in count.locations],
    }


def _cell(count: Count, measure: Measure) -> str:
    """Return `hits of n (share)`, marked `!` if the limit is exceeded."""
    share = count.share
    if share is None:
        return "–"
    exceeded = measure.limit is not None and share > measure.limit
    return f"{count.hits:,} of {count.of:,} ({_percent(share)}){' !' if exceeded else ''}"


def _limit(measure: Measure) -> str:
    """Return a limit as text."""
    return "–" if measure.limit is None else _percent(measure.limit)


def _percent(share: float) -> str:
    """Return a share in percent: a decimal, unless none is needed."""
    return f"{100 * share:.1f} %".replace(".0 %", " %")


def _violation_line(violation: LimitViolation) -> str:
    count, limit = violation.count, violation.measure.limit or 0.0
    where = ", ".join(str(place) for place in count.locations)
    share = _percent(count.share or 0.0)
    task = "" if violation.task == ALL else f" in {violation.task}"
    return f"{violation.measure.name}{task}: {share} > {_percent(limit)} ({where})"
