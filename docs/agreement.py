"""Print how far the judges of an embedded group agreed; `GROUP/audit/` holds what each one said.

python docs/agreement.py stdlib
"""

from __future__ import annotations

import gzip
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
DATA = DOCS.parent / "harness" / "data"
LEVELS = ("lexical", "paraphrase", "plain", "oblique")
GRADES = (0, 1, 2)


@dataclass(frozen=True)
class Area:
    """Counts of the first judgement in one area: two lists, their overlap, what was kept."""

    queries: int
    writer: int
    both: int
    blind: int
    final: int


def main(group: str) -> None:
    """Print the tables of a group's page, with a line of heading before each."""
    audit = DOCS / group / "audit"
    tables = {
        "stdlib": (
            ("Gold 1: the writer against a blind judge", gold_1(audit)),
            ("Gold 2: the blind judge against gold 1", gold_2(audit)),
            ("Gold 2: a second judge", second_judge(group)),
            ("A judge who never saw the project", solver(audit)),
        ),
        "scientific": (
            ("The writers against the blind judges", writers(audit)),
            ("A second judge", second_judge(group)),
        ),
    }
    for title, lines in tables[group]:
        print(f"**{title}**\n")
        print("\n".join(lines), end="\n\n")


def situations(group: str) -> list[dict[str, Any]]:
    """Return the situations that ship with a group."""
    return [row for path in sorted((DATA / group / "situations").glob("*")) for row in rows(path)]


def judged(group: str) -> dict[str, list[str]]:
    """Return situation -> every document that was judged for it."""
    with gzip.open(DATA / group / "judged.tsv.gz", "rt", encoding="utf-8") as lines:
        pairs = (line.rstrip("\n").split("\t") for line in lines)
        return {qid: names.split(" ") for qid, names in pairs}


def rows(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def share(part: int, whole: int) -> str:
    """Return `9 of 10 (90.0 %)`."""
    return f"{part} of {whole} ({100 * part / whole:.1f} %)"


def writers(audit: Path) -> Iterator[str]:
    """Yield what the blind judges made of the writers' answers, and what was kept."""
    blind = {row["id"]: grades(row) for row in rows(audit / "blind.jsonl")}
    table: Counter[tuple[int, bool]] = Counter()
    for row in rows(audit / "writers.jsonl"):
        named = set(row["answers"])
        for name in named | blind[row["id"]].keys():
            table[blind[row["id"]].get(name, 0), name in named] += 1
    kept: Counter[int] = Counter()
    for row in situations("scientific"):
        kept.update({2: len(row["answers"]), 1: len(row["helps"])})
    yield "| blind grade | a writer's answer | not a writer's answer | kept |"
    yield "|---|--:|--:|--:|"
    for grade, name in ((2, "2, answers"), (1, "1, helps")):
        yield f"| {name} | {table[grade, True]} | {table[grade, False]} | {kept[grade]} |"
    yield f"| 0 | {table[0, True]} | – | – |"


def gold_1(audit: Path) -> Iterator[str]:
    """Yield the first judgement's table: one line per area and one for all."""
    yield "| area | queries | writer's gold | found blind | judged relevant | final |"
    yield "|---|--:|--:|--:|--:|--:|"
    areas = {path.stem: area(rows(path)) for path in sorted((audit / "gold-1").glob("*.jsonl"))}
    fields = ("queries", "writer", "both", "blind", "final")
    areas["all"] = Area(*(sum(getattr(each, f) for each in areas.values()) for f in fields))
    for name, each in areas.items():
        found = f"{each.both} ({100 * each.both / each.writer:.1f} %)"
        yield f"| {name} | {each.queries} | {each.writer} | {found} | {each.blind} | {each.final} |"


def area(of: Sequence[Mapping[str, Any]]) -> Area:
    """Return the counts of one area."""
    return Area(
        queries=len(of),
        writer=sum(len(row["writer_gold"]) for row in of),
        both=sum(len(set(row["writer_gold"]) & set(row["blind_relevant"])) for row in of),
        blind=sum(len(row["blind_relevant"]) for row in of),
        final=sum(len(row["final_gold"]) for row in of),
    )


def gold_2(audit: Path) -> Iterator[str]:
    """Yield what the blind judge made of gold 1's documents, and what was kept."""
    blind = {row["id"]: grades(row) for row in rows(audit / "blind.jsonl")}
    kept: Counter[int] = Counter()
    table: Counter[tuple[int, bool]] = Counter()
    for row in situations("stdlib"):
        named, first = blind[row["id"]], set(row["gold_1"])
        for name in first | named.keys():
            table[named.get(name, 0), name in first] += 1
        kept.update({2: len(row["answers"]), 1: len(row["helps"])})
    yield "| blind grade | in gold 1 | not in gold 1 | kept in gold 2 |"
    yield "|---|--:|--:|--:|"
    for grade, name in ((2, "2, answers"), (1, "1, helps")):
        yield f"| {name} | {table[grade, True]} | {table[grade, False]} | {kept[grade]} |"
    yield f"| 0 | {table[0, True]} | – | – |"


def grades(row: Mapping[str, Any]) -> dict[str, int]:
    """Return document -> grade of what a judge named among the candidates."""
    return {**dict.fromkeys(row["answers"], 2), **dict.fromkeys(row["helps"], 1)}


def second_judge(group: str) -> Iterator[str]:
    """Yield both judges' grades of one sample against each other, and kappa by grade.

    A row of the second judge names the documents of its sample, or it is all that was judged.
    """
    audit, pools = DOCS / group / "audit", judged(group)
    blind = {row["id"]: grades(row) for row in rows(audit / "blind.jsonl")}
    pairs: list[tuple[int, int]] = []
    for row in rows(audit / "second.jsonl"):
        other = grades(row)
        sample = row.get("documents", pools[row["id"]])
        pairs += [(blind[row["id"]].get(n, 0), other.get(n, 0)) for n in sample]
    counts = Counter(pairs)
    yield "| first judge | second: 2 | second: 1 | second: 0 |"
    yield "|---|--:|--:|--:|"
    for grade in reversed(GRADES):
        cells = " | ".join(f"{counts[grade, other]:,}" for other in reversed(GRADES))
        yield f"| {grade} | {cells} |"
    yield ""
    yield "| Cohen's kappa | pairs | kappa |"
    yield "|---|--:|--:|"
    for name, cut in (
        ("all three grades", lambda grade: grade),
        ("answers (2) against the rest", lambda grade: grade == 2),
        ("relevant (1 or 2) against 0", lambda grade: grade >= 1),
    ):
        yield f"| {name} | {len(pairs):,} | {kappa([(cut(a), cut(b)) for a, b in pairs]):.2f} |"


def kappa(pairs: Sequence[tuple[object, object]]) -> float:
    """Return Cohen's kappa: agreement beyond what the two judges' shares give by chance."""
    agreed = sum(a == b for a, b in pairs) / len(pairs)
    first, second = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    chance = sum(first[each] * second[each] for each in first) / len(pairs) ** 2
    return (agreed - chance) / (1 - chance)


def solver(audit: Path) -> Iterator[str]:
    """Yield the share of situations for which the solver named an answer, by level."""
    answers = {row["id"]: set(row["answers"]) for row in situations("stdlib")}
    asked = rows(audit / "solver.jsonl")
    yield "| level | first name is an answer | one of three is |"
    yield "|---|--:|--:|"
    for level in (*LEVELS, "all"):
        own = [row for row in asked if level in (row["level"], "all")]
        hits = [[right(name, answers[row["id"]]) for name in row["names"]] for row in own]
        first, several = sum(each[0] for each in hits), sum(map(any, hits))
        yield f"| {level} | {share(first, len(own))} | {share(several, len(own))} |"


def right(name: str, answers: set[str]) -> bool:
    """Tell whether a name is an answer; `str.join` is how people write `builtins.str.join`."""
    return name in answers or f"builtins.{name}" in answers


if __name__ == "__main__":
    main(sys.argv[1])
