"""The page `docs/bench.md`, made from the results alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.peers.measure import ROOT
from benchmarks.peers.table import COMPARISONS

RESULTS = ROOT / "benchmarks" / "results"
FILES = {"full": "bench.json", "quick": "bench-quick.json"}
TITLES = {"full": "Full sizes: `make bench`", "quick": "Small sizes: `make bench-quick`"}
HEAD = """# Beside every peer

Made by `make bench` and `make bench-quick` from `benchmarks/peers/table.py`: do not edit. Each run
is a process of its own with one thread, both sides in turn; imports, models and inputs are there
before the clock starts, unless the work is a whole process. Both sides' numbers are compared before
any time is told. A ratio is the peer's over rebench's, run by run: above 1 rebench needs less,
below 1 (**bold**) it needs more. Peak memory is the whole process', inputs and imports included.
"""
RATIOS = (("processor time", "processor_time"), ("wall time", "wall"), ("peak memory", "peak"))


def read_results(file: Path) -> dict[str, dict[str, Any]]:
    """Return the rows of a file by name; none if there is no file."""
    if not file.exists():
        return {}
    return {row["name"]: row for row in json.loads(file.read_text(encoding="utf-8"))}


def page(folder: Path = RESULTS) -> str:
    """Return the page: a section for each kind of results."""
    parts = [HEAD]
    for kind, name in FILES.items():
        parts.append(section(TITLES[kind], read_results(folder / name)))
    return "\n".join(parts)


def section(title: str, rows: dict[str, dict[str, Any]]) -> str:
    """Return a heading with its table; every comparison has a row, measured or not."""
    if not rows:
        return f"## {title}\n\nNot measured.\n"
    lines = [
        f"## {title}",
        "",
        "| work | peer | runs | processor s, rebench / peer "
        + "".join(f"| {name}: min, median, max " for name, _ in RATIOS)
        + "| MiB, rebench / peer | apart by (allowed) |",
        "|---|---|--:|--:|" + "--:|" * (len(RATIOS) + 2),
    ]
    lines += [row_text(each.name, rows.get(each.name)) for each in COMPARISONS]
    return "\n".join([*lines, "", *(machine_line(each) for each in machines(rows)), ""])


def row_text(name: str, row: dict[str, Any] | None) -> str:
    """Return one line: figures, or why there are none."""
    empty = " | " * (len(RATIOS) + 2) + "|"
    if row is None:
        return f"| {name} | | | not measured {empty}"
    start = f"| {row['work']} | {row['theirs']} | {row['runs']} "
    if "failed" in row:
        return f"{start}| {row['failed'].replace('|', '/')} {empty}"
    seconds, memory = row["processor_time"], row["peak"]
    return (
        f"{start}| {seconds['ours']:.3g} / {seconds['theirs']:.3g} "
        + "".join(f"| {ratio_text(row[key]['ratio'])} " for _, key in RATIOS)
        + f"| {memory['ours']:,.0f} / {memory['theirs']:,.0f} "
        f"| {row['agree']}: {row['gap']:.1e} ({row['tolerance']:g}) |"
    )


def ratio_text(ratio: list[float]) -> str:
    """Return min, median and max; bold where the median says that rebench needs more."""
    text = ", ".join(f"{value:.2f}" for value in ratio)
    return f"**{text}**" if ratio[1] < 1 else text


def machines(rows: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row of each day, machine and set of versions."""
    keys = ("date", "processor", "cores", "python", "versions")
    return list({json.dumps([row[key] for key in keys]): row for row in rows.values()}.values())


def machine_line(row: dict[str, Any]) -> str:
    """Return what rows were measured on."""
    versions = ", ".join(f"{name} {version}" for name, version in row["versions"].items())
    return (
        f"{row['date']}, {row['processor']}, {row['cores']} shared cores, "
        f"Python {row['python']}; {versions}.\n"
    )
