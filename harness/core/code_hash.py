"""The version of a piece of code: a hash over all of ours that it imports, directly or not."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable
from importlib.util import find_spec
from pathlib import Path

from harness.core.hashing import sha256_parts

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def source_hash(modules: Iterable[str], packages: Collection[str], without: Collection[str]) -> str:
    """Return the hex SHA-256 over the modules' code and that of all they import.

    Followed are imports of `packages`, lazy ones too, except the modules in `without`. Comments,
    docstrings and layout do not count. Nothing is imported but the packages that hold them. Raises
    `ModuleNotFoundError` for a module that does not exist.
    """
    waiting, files = list(modules), dict[str, Path]()
    while waiting:
        name = waiting.pop()
        if name in files or name in without:
            continue
        files[name] = _file(name)
        waiting += _imports(files[name], packages)
    parts = (part for name in sorted(files) for part in (name, _code(files[name])))
    return sha256_parts(parts)


def _file(name: str) -> Path:
    """Return a module's source file."""
    found = find_spec(name)
    if found is None or found.origin is None:
        raise ModuleNotFoundError(f"no source of the module {name!r}", name=name)
    return Path(found.origin)


def _imports(path: Path, packages: Collection[str]) -> list[str]:
    """Return the modules of `packages` that a file imports, anywhere in it."""
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append(node.module)
            if _of(node.module, packages) and _file(node.module).name == "__init__.py":
                found += [f"{node.module}.{alias.name}" for alias in node.names]
    return [name for name in found if _of(name, packages)]


def _of(name: str, packages: Collection[str]) -> bool:
    """Tell whether a module is in one of the packages."""
    return name.partition(".")[0] in packages


def _code(path: Path) -> str:
    """Return a file's code without comments, docstrings and layout."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)
