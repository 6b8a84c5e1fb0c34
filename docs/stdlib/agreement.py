"""Print how far writer and blind judge of the stdlib task agreed."""

from __future__ import annotations

import json
from pathlib import Path

AUDIT = Path(__file__).parent / "audit"
HEAD = (
    "| area | queries | writer's gold | found blind | judged relevant | had by the writer | final |"
)


def counts(path: Path) -> tuple[int, int, int, int, int]:
    """Return queries, writer's gold, gold of both, blind relevant and final gold of one area."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    writer = sum(len(row["writer_gold"]) for row in rows)
    blind = sum(len(row["blind_relevant"]) for row in rows)
    both = sum(len(set(row["writer_gold"]) & set(row["blind_relevant"])) for row in rows)
    return len(rows), writer, both, blind, sum(len(row["final_gold"]) for row in rows)


def main() -> None:
    """Print one line per area and one for all."""
    print(HEAD)
    print("|---|--:|--:|--:|--:|--:|--:|")
    areas = {path.stem: counts(path) for path in sorted(AUDIT.glob("*.jsonl"))}
    areas["all"] = tuple(map(sum, zip(*areas.values(), strict=True)))  # type: ignore[assignment]
    for name, (queries, writer, both, blind, final) in areas.items():
        print(
            f"| {name} | {queries} | {writer} | {both} ({100 * both / writer:.1f} %) "
            f"| {blind} | {both} ({100 * both / blind:.1f} %) | {final} |"
        )


if __name__ == "__main__":
    main()
