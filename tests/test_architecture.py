"""The arrows between packages, no circles, file length, no print, and a light `--help`."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.small_task import write_beir

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("harness", "models", "remixer", "redapter", "results")
MAX_LINES = 400
HEAVY = ("torch", "transformers", "numpy", "ranx", "matplotlib", "datasets")

LEVEL_2 = {
    "harness.data", "harness.cache", "harness.search", "harness.metrics", "harness.stats",
    "harness.render",
}  # fmt: skip
LEVEL_3 = {
    "harness.evaluate", "harness.retrieval", "harness.loading", "harness.backend_check",
    "harness.leaderboard", "harness.compare", "harness.interop", "harness.pipelines",
    "harness.bundles",
}  # fmt: skip
ALLOWED: dict[str, set[str]] = {
    "harness.core": set(),
    **{unit: {"harness.core"} for unit in LEVEL_2},
    "harness.render": {"harness.core", "harness.stats"},
    "models": {"harness.core"},
    "redapter": {"harness.core"},
    "results": {"harness.core"},
    "remixer": {
        "harness.core", "harness.data", "harness.search", "harness.cache", "harness.render",
        "models.chat",
    },
    "models.chat": {"harness.core"},
    "harness.retrieval": {"harness.core", "harness.cache", "harness.search"},
    "harness.loading": {
        "harness.core", "harness.cache", "harness.search", "harness.retrieval", "models",
    },
    "harness.backend_check": {
        "harness.core", "harness.cache", "harness.data", "harness.retrieval", "models",
    },
    "harness.evaluate": {"harness.core", *LEVEL_2, "harness.derived", "results"},
    "harness.derived": {"harness.core", "harness.data", "harness.metrics", "results"},
    "harness.leaderboard": {"harness.core", *LEVEL_2, "harness.derived", "results"},
    "harness.interop": {"harness.core", *LEVEL_2, "results"},
    "harness.compare": {"harness.core", *LEVEL_2, "harness.derived", "results"},
    # A bundle is scored again as an evaluation is verified.
    "harness.bundles": {"harness.core", *LEVEL_2, "harness.evaluate", "results"},
    # A pipeline chooses and checks its parts as a comparison does, and stores what it made as an
    # evaluation does; neither of the two knows of pipelines.
    "harness.pipelines": {
        "harness.core", *LEVEL_2, "harness.derived", "harness.compare", "harness.evaluate",
        "results", "models.chat",
    },
    "harness.reports": {"harness.core", *LEVEL_2, *LEVEL_3, "harness.derived", "results"},
    "harness.ablation": {
        "harness.core", *LEVEL_2, *LEVEL_3, "harness.reports", "results", "redapter", "remixer",
        "models.chat",
    },
    "harness.api": {
        "harness.core", *LEVEL_2, *LEVEL_3, "harness.derived", "harness.reports",
        "harness.ablation", "models", "models.chat", "remixer", "redapter", "results",
    },
    "harness.cli": {
        "harness.core", *LEVEL_2, *LEVEL_3, "harness.derived", "harness.reports",
        "harness.ablation", "harness.api", "models", "models.chat", "remixer", "redapter",
        "results",
    },
}  # fmt: skip
"""What each unit may import besides itself: design section 3, as data."""


def sources() -> list[Path]:
    """Return every source file of the five packages."""
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def module_name(path: Path) -> str:
    """Return the dotted name of a source file."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def unit_of(module: str) -> str:
    """Return the unit a module belongs to: `harness.X` or `models.chat`, else the package."""
    parts = module.split(".")
    pair = ".".join(parts[:2])
    return pair if parts[0] == "harness" or pair in ALLOWED else parts[0]


def imports_of(path: Path) -> set[str]:
    """Return the modules of ours that a file imports, lazily or not."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
    return {name for name in found if name.split(".")[0] in PACKAGES}


def forbidden(edges: dict[str, set[str]]) -> list[str]:
    """Return the arrows that the table does not allow."""
    return [
        f"{module} -> {target}"
        for module, targets in edges.items()
        for target in targets
        if unit_of(target) != unit_of(module) and unit_of(target) not in ALLOWED[unit_of(module)]
    ]


def edges() -> dict[str, set[str]]:
    """Return module -> imported modules, package roots left out."""
    return {module_name(path): imports_of(path) for path in sources() if path.name != "__init__.py"}


def test_arrows_point_down():
    assert forbidden(edges()) == []


def test_every_unit_has_its_arrows_written_down():
    units = {unit_of(module) for module in edges()}
    assert units <= set(ALLOWED)


def test_a_planted_arrow_is_found():
    planted = {"harness.search.x": {"models.registry"}, "models.y": {"harness.core.types"}}
    assert forbidden(planted) == ["harness.search.x -> models.registry"]


def test_there_is_no_circle():
    order = list(graphlib.TopologicalSorter(edges()).static_order())
    assert len(order) >= len(edges())


def test_a_planted_circle_is_found():
    with pytest.raises(graphlib.CycleError):
        list(graphlib.TopologicalSorter({"a": {"b"}, "b": {"a"}}).static_order())


def test_files_are_short():
    long = {
        module_name(path): lines
        for path in sources()
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > MAX_LINES
    }
    assert long == {}


def test_package_roots_hold_only_their_docstring():
    for path in sources():
        if path.name == "__init__.py":
            body = ast.parse(path.read_text(encoding="utf-8")).body
            assert [type(node) for node in body] == [ast.Expr], path


def functions(path: Path) -> list[ast.FunctionDef]:
    """Return every function of a file, those in classes and functions as well."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def unlike(annotation: ast.expr | None) -> int:
    """Return how many items a tuple of fixed length has if their types differ, else 0."""
    for node in ast.walk(annotation) if annotation is not None else ():
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "tuple":
            items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            kinds = [ast.unparse(item) for item in items]
            return len(kinds) if "..." not in kinds and len(set(kinds)) > 1 else 0
    return 0


def test_no_class_name_is_used_twice():
    places: dict[str, list[str]] = {}
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(module_name(path))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_no_parameter_is_an_anonymous_tuple_of_unlike_things():
    packed = [
        f"{module_name(path)}.{function.name}({argument.arg}: {ast.unparse(argument.annotation)})"
        for path in sources()
        for function in functions(path)
        for argument in (*function.args.args, *function.args.kwonlyargs)
        if argument.annotation is not None
        and ast.unparse(argument.annotation).startswith("tuple[")
        and unlike(argument.annotation)
    ]
    assert packed == []


def test_no_function_returns_three_unlike_things_without_a_name():
    packed = [
        f"{module_name(path)}.{function.name} -> {ast.unparse(function.returns)}"
        for path in sources()
        for function in functions(path)
        if function.returns is not None
        and ast.unparse(function.returns).startswith("tuple[")
        and unlike(function.returns) > 2
        # What is sorted by is compared item by item, and never taken apart.
        and not function.name.endswith(("key", "rank"))
    ]
    assert packed == []


def test_only_the_command_line_prints():
    printing = [
        module_name(path)
        for path in sources()
        if "cli" not in path.parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"
    ]
    assert printing == []


def imported(statements: str) -> set[str]:
    """Return the modules that a fresh interpreter holds after some statements."""
    probe = f"import sys\n{statements}\nprint('modules:', *sys.modules)\n"
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, cwd=ROOT, check=True
    )
    return set(done.stdout.rpartition("modules: ")[2].split())


def test_help_imports_nothing_heavy_and_no_command():
    run = "from harness.cli.app import app\napp({}, standalone_mode=False)"
    assert "harness.cli.evaluate" not in imported(run.format("['--help']"))
    modules = imported(run.format("['eval', '--help']"))
    assert "harness.cli.evaluate" in modules
    assert not modules & {*HEAVY, "harness.cli.remix", "harness.evaluate"}


def test_what_is_measured_already_is_told_without_numpy(tmp_path: Path):
    write_beir(tmp_path / "small")
    asked = ["eval", "--model", "bm25", "--tasks", str(tmp_path / "small")]
    asked += ["--results", str(tmp_path / "results")]
    run = f"from harness.cli.app import app\napp({asked}, standalone_mode=False)"
    assert "numpy" in imported(run)
    assert not imported(run) & {*HEAVY, "scipy"}


def test_the_library_is_imported_when_it_is_used():
    ours = {"harness.api", *HEAVY}
    assert not imported("import rebench") & ours
    assert imported("import rebench; rebench.evaluate") & ours == {"harness.api"}
