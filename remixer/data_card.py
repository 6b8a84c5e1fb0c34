"""The data card: what a training file holds and how it came to be, in Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harness.core.training_row import TrainingRow
from models.chat.dispatch import Budget
from models.chat.journal import TokenTotals
from remixer.run_folder import StageRecord
from remixer.stages.select import EDUCATION_LEVELS, LENGTH_CLASSES

_WIDTH = 100
_LAST = 600


@dataclass(slots=True)
class RowStatistics:
    """Counts over training rows, gathered while they pass by."""

    rows: int = 0
    positives: int = 0
    negatives: int = 0
    reasoned: int = 0
    words: Counter[int] = field(default_factory=Counter)
    conditions: Counter[tuple[str, str]] = field(default_factory=Counter)
    labels: Counter[int] = field(default_factory=Counter)
    tasks: Counter[str] = field(default_factory=Counter)

    def watch(self, rows: Iterable[TrainingRow]) -> Iterator[TrainingRow]:
        """Pass rows on and count them."""
        for row in rows:
            self.rows += 1
            self.positives += len(row.pos)
            self.negatives += len(row.neg)
            self.reasoned += bool(row.reasoning_query)
            self.words[min(len(row.query.split()) // _WIDTH * _WIDTH, _LAST)] += 1
            drawn = row.conditions.get("length"), row.conditions.get("education")
            self.conditions[(str(drawn[0]), str(drawn[1]))] += 1
            self.labels.update(int(score) for score in (*row.pos_scores, *row.neg_scores))
            self.tasks[row.task] += 1
            yield row


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What a card says beside the rows: the run, its stages, and what was spent."""

    run: Mapping[str, str]
    stages: Mapping[str, StageRecord]
    totals: TokenTotals
    budget: Budget


def render_card(statistics: RowStatistics, facts: CardFacts) -> str:
    """Return the data card; the same run gives the same text."""
    parts = [
        f"# Training data for {facts.run.get('task', 'a corpus')}",
        "Synthesised with ReMixer: a query is written from a source document, candidates are mined "
        "from the whole corpus with the source left out, and each candidate is judged.",
        markdown_table(("what", "value"), [(key, value) for key, value in facts.run.items()]),
        "## Rows by task",
        _rows_table(statistics),
        "## Stages",
        *_stage_tables(facts.stages),
        "## Length of queries",
        _length_table(statistics.words),
        "## Conditions",
        _condition_table(statistics.conditions),
        "## Labels",
        _label_table(statistics.labels),
        "## Cost",
        _cost_table(facts),
    ]
    return "\n\n".join(parts) + "\n"


def _rows_table(statistics: RowStatistics) -> str:
    """Return rows per task, and what the rows hold on average."""
    n = max(statistics.rows, 1)
    rows = [(task, f"{count:,}") for task, count in sorted(statistics.tasks.items())]
    rows += [
        ("all", f"{statistics.rows:,}"),
        ("with a reasoning query", f"{statistics.reasoned:,}"),
        ("positives a row", f"{statistics.positives / n:.2f}"),
        ("negatives a row", f"{statistics.negatives / n:.2f}"),
    ]
    return markdown_table(("task", "rows"), rows)


def _stage_tables(stages: Mapping[str, StageRecord]) -> Iterator[str]:
    """Yield, for each stage, its settings and counts."""
    for name, record in stages.items():
        settings = ", ".join(f"{key} {_shown(value)}" for key, value in record.settings.items())
        yield f"### {name}\n\nSettings: {settings}."
        yield markdown_table(
            ("count", "number"), [(key, f"{count:,}") for key, count in record.counts.items()]
        )


def _length_table(words: Counter[int]) -> str:
    """Return the histogram of query lengths in words."""
    total = max(words.total(), 1)
    rows = []
    for first in range(0, _LAST + 1, _WIDTH):
        name = f"{first} or more" if first == _LAST else f"{first} to {first + _WIDTH - 1}"
        share = words[first] / total
        rows.append((name, f"{words[first]:,}", "█" * round(40 * share)))
    return markdown_table(("words", "queries", ""), rows)


def _condition_table(conditions: Counter[tuple[str, str]]) -> str:
    """Return how often each pair of conditions was drawn; the released weights in the heads."""
    heads = ("length (weight)", *(f"{name} ({weight})" for name, weight in EDUCATION_LEVELS))
    rows = [
        (
            f"{length} ({weight})",
            *(f"{conditions[(length, level)]:,}" for level, _ in EDUCATION_LEVELS),
        )
        for length, weight in LENGTH_CLASSES
    ]
    return markdown_table(heads, rows)


def _label_table(labels: Counter[int]) -> str:
    """Return how often each label occurs in the rows."""
    total = max(labels.total(), 1)
    rows = [
        (str(label), f"{labels[label]:,}", f"{100 * labels[label] / total:.1f} %")
        for label in range(5, 0, -1)
    ]
    return markdown_table(("label", "documents", "share"), rows)


def _cost_table(facts: CardFacts) -> str:
    """Return what the journal of the run adds up to."""
    rows = [
        ("replies", f"{facts.totals.replies:,}"),
        ("prompt tokens", f"{facts.totals.prompt_tokens:,}"),
        ("reply tokens", f"{facts.totals.reply_tokens:,}"),
    ]
    if facts.budget.price_prompt or facts.budget.price_reply:
        rows.append(("cost", f"{facts.budget.cost(facts.totals):.4f}"))
    return markdown_table(("what", "number"), rows)


def _shown(value: object) -> str:
    """Return a setting's value for a sentence."""
    if isinstance(value, Mapping):
        return "(" + ", ".join(f"{key} {_shown(inner)}" for key, inner in value.items()) + ")"
    return str(value)


def markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines)
