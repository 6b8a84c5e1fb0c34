"""Finds every call in the packages that makes, fills or renames a file."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("harness", "models", "remixer", "redapter", "results")

WRITING_NAMES = frozenset({
    # ours
    "write_text", "write_atomic", "write_jsonl", "atomic_file", "open_writer", "write_manifest",
    "write_file_set", "write_document", "write_rows", "write_training", "checked_line",
    # others'
    "write_bytes", "save_file", "save", "savez", "savez_compressed", "tofile", "memmap",
    "open_memmap", "save_pretrained", "save_model", "write_table", "ParquetWriter", "to_parquet",
    "to_csv", "dump", "copyfile", "copy2", "copytree", "copyfileobj", "move", "rename", "renames",
    "symlink_to", "hardlink_to", "link", "symlink", "NamedTemporaryFile", "TemporaryFile",
    "mkstemp", "touch", "mknod", "mkfifo", "savefig", "SummaryWriter",
})  # fmt: skip
"""Called by these names, a function writes: a name that hides something harmless is listed too."""

_MODES = frozenset("wax+")


def writing_functions() -> dict[str, set[str]]:
    """Return `package.module:function` -> the names of the writing calls in it."""
    found: dict[str, set[str]] = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for place, call in _calls(tree, ""):
                name = _writes(call)
                if name:
                    found.setdefault(f"{module}:{place}", set()).add(name)
    return found


def _calls(node: ast.AST, place: str) -> Iterator[tuple[str, ast.Call]]:
    """Yield each call with the dotted name of the function or class that it stands in."""
    for child in ast.iter_child_nodes(node):
        inner = place
        if isinstance(child, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            inner = f"{place}.{child.name}" if place else child.name
        if isinstance(child, ast.Call):
            yield place, child
        yield from _calls(child, inner)


def _writes(call: ast.Call) -> str:
    """Return the name under which a call writes, empty for one that does not."""
    name = _name(call.func)
    if name == "open":
        return name if _opens_for_writing(call) else ""
    if name == "replace":  # Path.replace(target); texts and dataclasses take more, or names
        is_method = isinstance(call.func, ast.Attribute)
        return name if is_method and len(call.args) == 1 and not call.keywords else ""
    return name if name in WRITING_NAMES else ""


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _opens_for_writing(call: ast.Call) -> bool:
    """Tell whether `open(…)`, `path.open(…)` or `os.open(…)` may write; a computed mode may."""
    if isinstance(call.func, ast.Attribute) and _name(call.func.value) == "os":
        return any("O_RDONLY" not in ast.dump(each) for each in call.args[1:2])
    if isinstance(call.func, ast.Attribute) and _name(call.func.value) not in ("gzip", "io"):
        modes = call.args[:1]
    else:
        modes = call.args[1:2]
    modes = [*modes, *(each.value for each in call.keywords if each.arg == "mode")]
    return any(
        not isinstance(mode, ast.Constant) or bool(_MODES & set(str(mode.value))) for mode in modes
    )
