"""Changes one operator or constant of the code at a time: a test must fail, or none looks there.

    python -m tests.faults.mutants --mutants 200 --jobs 2 [PACKAGE ...]

Each mutant runs in a copy of the project, against the tests that cover its file. What survives is
printed with its line and its difference; docs/reliability.md lists those that are equivalent.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

from tests.helpers.writing_calls import PACKAGES, ROOT

STATS = ("paired", "crossed", "effect", "reference", "samples")
COVERED: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "metrics": {
        "harness/metrics/score.py": ("tests/metrics/test_metrics_score.py", "tests/reference"),
        "harness/metrics/names.py": ("tests/metrics/test_metrics_names.py",),
        "harness/metrics/aspects.py": ("tests/metrics/test_aspects.py",),
        "harness/metrics/headroom.py": ("tests/metrics/test_headroom.py",),
        "harness/metrics/judged.py": ("tests/metrics/test_judged.py",),
    },
    "search": {
        "harness/search/top_k.py": ("tests/search/test_topk.py", "tests/search/test_best_rows.py"),
        "harness/search/dense.py": ("tests/search/test_dense.py",),
        "harness/search/bm25.py": ("tests/search/test_bm25.py",),
        "harness/search/sparse.py": ("tests/search/test_sparse.py",),
    },
    "stats": {
        "harness/stats/holm.py": ("tests/stats/test_stats_holm.py",),
        "harness/stats/bootstrap.py": ("tests/stats/test_stats_bootstrap.py",),
        **{
            f"harness/stats/{name}.py": tuple(f"tests/stats/test_stats_{each}.py" for each in STATS)
            for name in ("paired", "crossed", "effect", "stratified", "ranks", "samples")
        },
    },
    "weights": {
        "redapter/weights.py": (
            "tests/redapter/test_redapter_weights.py", "tests/redapter/test_redapter_loss.py",
        ),
    },
    "format": {
        "remixer/stages/format.py": (
            "tests/remixer/test_remix_format.py", "tests/remixer/test_remix_conditions.py",
        ),
    },
}  # fmt: skip
"""Package -> file -> the tests that cover it."""

TIMEOUT = 180.0
"""Seconds after which a mutant counts as killed: it does not end."""
SWAPS: Mapping[type, tuple[type, ...]] = {
    ast.Add: (ast.Sub,), ast.Sub: (ast.Add,), ast.Mult: (ast.Div,), ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,), ast.Mod: (ast.Mult,), ast.Pow: (ast.Mult,),
    ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.Lt), ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,), ast.And: (ast.Or,),
    ast.Or: (ast.And,),
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """A file's source with one change, on `line`."""

    file: str
    line: int
    before: str
    after: str
    source: str
    tests: tuple[str, ...]


def sites(tree: ast.AST) -> list[tuple[int, int]]:
    """Return (place of a node in `ast.walk`, number of the change) of all changes of a module."""
    quiet = _unchanged(tree)
    return [
        (at, number)
        for at, node in enumerate(ast.walk(tree))
        if id(node) not in quiet
        for number in range(len(_changes(node)))
    ]


def _unchanged(tree: ast.AST) -> set[int]:
    """Return the nodes whose change no test can see: types, and what error messages say."""
    quiet: set[int] = set()
    for node in ast.walk(tree):
        roots: list[ast.AST | None] = []
        if isinstance(node, ast.AnnAssign | ast.arg):
            roots.append(node.annotation)
        elif isinstance(node, ast.FunctionDef):
            roots.append(node.returns)
        elif isinstance(node, ast.Raise | ast.JoinedStr):
            roots.append(node)
        for root in roots:
            quiet |= {id(each) for each in ast.walk(root)} if root is not None else set()
    return quiet


def _changes(node: ast.AST) -> list[ast.AST]:
    """Return what a node may be replaced by."""
    found: list[ast.AST] = []
    if isinstance(node, ast.BinOp | ast.BoolOp):
        for other in SWAPS.get(type(node.op), ()):
            found.append(copy.copy(node))
            found[-1].op = other()
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        for other in SWAPS.get(type(node.ops[0]), ()):
            found.append(copy.copy(node))
            found[-1].ops = [other()]
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        found.append(node.operand)
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        found.append(ast.Constant(not node.value))
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        found.append(ast.Constant(node.value + 1))
    return found


def mutants(package: str, count: int, seed: int) -> Iterator[Mutant]:
    """Yield so many changes of a package, drawn without replacement, the same for a seed."""
    drawn = []
    for file in COVERED[package]:
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        drawn += [(file, *site) for site in sites(tree)]
    random.Random(f"{seed} {package}").shuffle(drawn)
    for file, at, number in drawn[:count]:
        yield _mutant(file, at, number, COVERED[package][file])


def _mutant(file: str, at: int, number: int, tests: tuple[str, ...]) -> Mutant:
    source = (ROOT / file).read_text(encoding="utf-8")
    nodes = list(ast.walk(ast.parse(source)))
    node = nodes[at]
    before, after = ast.get_source_segment(source, node) or "", ast.unparse(_changes(node)[number])
    lines = source.splitlines(keepends=True)
    start = sum(map(len, lines[: node.lineno - 1])) + _column(lines, node.lineno, node.col_offset)
    changed = source[:start] + f"({after})" + source[start + len(before) :]
    return Mutant(file, node.lineno, before, after, changed, tests)


def _column(lines: Sequence[str], line: int, offset: int) -> int:
    """Return the column in characters: `ast` counts bytes."""
    return len(lines[line - 1].encode()[:offset].decode())


def survives(mutant: Mutant, folder: Path) -> bool:
    """Tell whether the tests of a mutant pass in a copy of the project."""
    path = folder / mutant.file
    sound = path.read_text(encoding="utf-8")
    path.write_text(mutant.source, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *mutant.tests]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, timeout=TIMEOUT, check=False,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return False
    finally:
        path.write_text(sound, encoding="utf-8")
    return done.returncode == 0


def copied_project(place: Path) -> Path:
    """Copy what the tests need: the packages, the tests and the settings."""
    for name in (*PACKAGES, "tests"):
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "rebench.py", "README.md"):
        shutil.copy(ROOT / name, place / name)
    return place


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what survives of each package; return 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("packages", nargs="*", help=f"of {', '.join(COVERED)} (all)")
    parser.add_argument("--mutants", type=int, default=200, help="of each package")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--minutes", type=float, default=60.0, help="nothing is begun after that")
    given = parser.parse_args(arguments)
    end = time.monotonic() + 60 * given.minutes
    packages = given.packages or list(COVERED)
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(given.jobs) as pool:
        free: Queue[Path] = Queue()
        for job in range(given.jobs):
            free.put(copied_project(Path(name, str(job))))

        def tried(mutant: Mutant) -> bool | None:
            if time.monotonic() > end:
                return None
            folder = free.get()
            try:
                return survives(mutant, folder)
            finally:
                free.put(folder)

        for package in packages:
            chosen = list(mutants(package, given.mutants, given.seed))
            outcomes = list(pool.map(tried, chosen))
            left = [each for each, alive in zip(chosen, outcomes, strict=True) if alive]
            run = sum(each is not None for each in outcomes)
            print(f"{package}: {run} of {len(chosen)} mutants run, {len(left)} survive", flush=True)
            for mutant in left:
                print(f"  {mutant.file}:{mutant.line}\n    - {mutant.before}\n    + {mutant.after}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
