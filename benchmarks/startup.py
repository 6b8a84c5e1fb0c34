"""What starting costs: help, a command's help, and an evaluation that is measured already.

Run: python benchmarks/startup.py [--runs 7] [-o FILE.md]

Each line is the least processor time of a process of its own, in seconds and as a multiple of an
interpreter that imports numpy and nothing else: a machine that does other work changes the former
more than the latter. The task is a folder of six documents, so that starting is all there is.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

BASE = ("-c", "import numpy")
EVAL = ("eval", "--model", "bm25", "--tasks", "./small")
COMMANDS = (
    ("-c", "pass"), BASE, ("-c", "import rebench"), ("--help",), ("eval", "--help"), EVAL,
    ("eval", "--model", "wordllama", "--tasks", "./small"),
)  # fmt: skip
DEFAULT_OUTPUT = Path(__file__).resolve().parent / "results" / "startup.md"


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("-o", type=Path, default=DEFAULT_OUTPUT)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_task(Path(folder) / "small")
        # One run of each beforehand: caches are filled, and the entries are measured.
        times = {
            each: [seconds(each, folder) for _ in range(options.runs + 1)] for each in COMMANDS
        }
    least = {each: min(values[1:]) for each, values in times.items()}
    rows = [
        f"| `{shown(each)}` | {least[each]:.2f} | {least[each] / least[BASE]:.1f} |"
        for each in COMMANDS
    ]
    text = (
        f"# Starting\n\n{platform.processor() or platform.machine()}, "
        f"Python {platform.python_version()}, least processor time of {options.runs} processes.\n\n"
        "| process | seconds | × `import numpy` |\n| --- | ---: | ---: |\n"
        + "\n".join(rows)
        + "\n\nMade by `python benchmarks/startup.py`.\n"
    )
    options.o.write_text(text, encoding="utf-8")
    sys.stdout.write(text)


def seconds(command: tuple[str, ...], folder: str) -> float:
    """Return the processor time of one process."""
    python = Path(sys.executable)
    program = str(python if command[0] == "-c" else python.with_name("rebench"))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [program, *command],
        cwd=folder,
        # Packages that an installer left uncompiled are compiled by the run beforehand.
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": ""},
        check=True,
        capture_output=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def shown(command: tuple[str, ...]) -> str:
    """Return a command as a user types it."""
    return " ".join(("python" if command[0] == "-c" else "rebench", *command))


def write_task(folder: Path) -> None:
    """Write six documents and two queries in BEIR's layout."""
    (folder / "qrels").mkdir(parents=True)
    documents = [{"_id": f"d{n}", "text": f"moss grows on stone {n}"} for n in range(6)]
    queries = [{"_id": f"q{n}", "text": f"where does moss grow {n}"} for n in range(2)]
    for name, rows in (("corpus", documents), ("queries", queries)):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    judged = "query-id\tcorpus-id\tscore\nq0\td0\t1\nq1\td1\t1\n"
    (folder / "qrels" / "test.tsv").write_text(judged, encoding="utf-8")


if __name__ == "__main__":
    main()
