"""The tables of a report: differences, slices, and the queries that changed most."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.compare.changes import Change
from harness.compare.comparison import Comparison
from harness.compare.differences import Difference
from harness.render import numbers
from harness.render.markdown import escape, table

SLICE_HEADS = {
    "domain": "Domain (means over tasks)",
    "level": "Wording (less of the answer in the words from one to the next)",
    "length": "Words of the original query (thirds of each task)",
    "intensity": "BM25 rank of the best gold document",
}
TEXT_WIDTH = 300
"""Characters of a query's text that are shown."""

SHOWN_GOLD = 3
"""Gold documents of a query that are named; more are counted."""


def difference_tables(found: Comparison) -> list[list[str]]:
    """Return a caption and a table per pair: a line per task, then the mean over tasks."""
    blocks = []
    for at, head in enumerate(found.headline):
        lines = [(task, found.by_task[task][at]) for task in found.tasks]
        if found.overall:
            lines.append((f"mean of {len(found.tasks)} tasks", found.overall[at]))
        blocks.append([f"**{escape(f'{head.a} {numbers.MINUS} {head.b}')}**"])
        heads = (
            "task", "queries", head.a, head.b, "difference",
            f"{numbers.percent(found.settings.level)} interval", "p", "corrected p",
            "won/tied/lost", "effect", "detectable",
        )  # fmt: skip
        blocks.append(table(heads, (_tested(name, each) for name, each in lines)))
    return blocks


def _tested(name: str, each: Difference) -> Sequence[str]:
    """Return the cells of one tested difference."""
    return (
        *_cells(name, each)[:6],
        numbers.p_value(each.p),
        numbers.p_value(each.p_corrected),
        numbers.win_tie_loss(each.counts),
        numbers.decimal(each.effect),
        numbers.points(each.detectable),
    )


def _cells(name: str, each: Difference) -> tuple[str, ...]:
    """Return the cells of one difference that is not tested."""
    return (
        name,
        f"{each.queries:,}",
        numbers.points(each.mean_a),
        numbers.points(each.mean_b),
        numbers.signed(each.delta),
        numbers.signed_interval(each.interval),
        numbers.win_tie_loss(each.counts),
    )


def slice_tables(found: Comparison) -> Iterator[list[str]]:
    """Yield a table per kind of slice and pair."""
    for kind, head in SLICE_HEADS.items():
        own = [each for each in found.slices if each.kind == kind]
        if not own:
            continue
        for at, pair in enumerate(found.headline):
            rows = [
                _cells(f"{each.name}{_words(each.words)}", each.differences[at]) for each in own
            ]
            heads = (
                head, "queries", pair.a, pair.b, "difference",
                f"{numbers.percent(found.settings.level)} interval", "won/tied/lost",
            )  # fmt: skip
            yield table(heads, rows)


def _words(median: float | None) -> str:
    """Return the median length of a third, if there is one."""
    return "" if median is None else f" (median {median:g} words)"


def changes_lists(found: Comparison, *, texts: bool) -> Iterator[list[str]]:
    """Yield, per pair, the largest gains and the largest losses; a check marks gold documents.

    Lists and not tables: ids of documents are long, and a table of them is as wide as all.
    """
    for pair in found.headline:
        own = [each for each in found.changes if (each.a, each.b) == (pair.a, pair.b)]
        for word, part in (
            ("gains", [each for each in own if each.delta > 0]),
            ("losses", [each for each in own if each.delta < 0]),
        ):
            if part:
                yield [f"**{escape(f'Largest {word} of {pair.a} over {pair.b}')}** (✓: gold)"]
                yield [line for each in part for line in _change(each, texts)]


def _change(each: Change, texts: bool) -> Iterator[str]:
    """Yield the lines of one change: what it is, the query, gold, and what each system found."""
    values = f"{numbers.points(each.value_a)} against {numbers.points(each.value_b)}"
    name = escape(f"{each.task} {each.query}")
    yield f"- **{name}**: {numbers.signed(each.delta)} ({values})"
    if texts and each.text:
        line = " ".join(each.text.split())
        line = line if len(line) <= TEXT_WIDTH else f"{line[: TEXT_WIDTH - 1]}…"
        yield f"  - query: {escape(line)}"
    gold = ", ".join(each.gold[:SHOWN_GOLD])
    more = f" and {len(each.gold) - SHOWN_GOLD} more" if len(each.gold) > SHOWN_GOLD else ""
    yield f"  - gold: {escape(gold + more) or numbers.DASH}"
    for system, terms in (each.terms or {}).items():
        yield f"  - {escape(f'{system} weighs: ' + ', '.join(terms))}"
    yield f"  - {escape(f'{each.a} first: {_marked(each.top_a, each.gold)}')}"
    yield f"  - {escape(f'{each.b} first: {_marked(each.top_b, each.gold)}')}"


def _marked(documents: Sequence[str], gold: Sequence[str]) -> str:
    """Return documents with a mark on the gold ones."""
    return ", ".join(f"{doc} ✓" if doc in gold else doc for doc in documents) or numbers.DASH
