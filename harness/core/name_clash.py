"""Modules of the user that hide rebench's: found by their place, without running any of them.

The packages of rebench are called `harness`, `models`, `remixer`, `redapter` and `results`, as are
modules in many research folders. Python takes the first that it finds, so a folder with its own
`models.py` may hide ours. This file uses the standard library only: `rebench.py` loads it by its
path, since `harness` itself may be hidden.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

PACKAGES = ("harness", "models", "remixer", "redapter", "results")
ROOT = Path(__file__).resolve().parent.parent.parent
"""The folder that holds the packages."""


@dataclass(frozen=True)
class NameClash:
    """A package of rebench that Python would find somewhere else: under `path`."""

    package: str
    path: str

    def __str__(self) -> str:
        """Return the one sentence that names the clash."""
        return (
            f"{self.path} hides the package {self.package!r} of rebench: rename it, or run from "
            "another folder"
        )


def name_clash(packages: Sequence[str] = PACKAGES, root: Path = ROOT) -> NameClash | None:
    """Return the first package that a fresh process, such as a worker, would not find in `root`.

    A module that was imported under such a name counts too. Nothing is imported.
    """
    for package in packages:
        loaded = sys.modules.get(package)
        for spec in (getattr(loaded, "__spec__", None), _fresh_spec(package)):
            place = _place(spec)
            bound = loaded is not None and spec is not None and spec.origin is None
            if place is not None and place != (root / package).resolve() and not bound:
                return NameClash(package, str(place))
    return None


def hidden_from_workers() -> NameClash | None:
    """Return the first package that a spawned worker would not find, folders of data included."""
    for package in PACKAGES:
        place = _place(_fresh_spec(package))
        if place is not None and place != (ROOT / package).resolve():
            return NameClash(package, str(place))
    return None


def bind_packages(packages: Sequence[str] = PACKAGES, root: Path = ROOT) -> None:
    """Make this process find our packages behind folders of their names that hold no package.

    A folder `results` or `models` of data is no module of anybody's, and hides ours only in an
    editable installation. Packages of the user's are left alone.
    """
    for package in packages:
        spec = _fresh_spec(package)
        if package in sys.modules or spec is None or spec.origin is not None:
            continue  # loaded, absent, or a real module: `name_clash` tells whose
        ours = spec_from_file_location(package, root / package / "__init__.py")
        if ours is not None and ours.loader is not None:
            module = module_from_spec(ours)
            sys.modules[package] = module
            ours.loader.exec_module(module)


def _fresh_spec(package: str) -> ModuleSpec | None:
    """Return what `importlib.util.find_spec` would find if nothing were imported yet."""
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        spec: ModuleSpec | None = find(package, None) if find is not None else None
        if spec is not None:
            return spec
    return None


def _place(spec: ModuleSpec | None) -> Path | None:
    """Return the folder of a package, or the file of a module."""
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))).resolve()
    return Path(spec.origin).resolve() if spec.origin else None
