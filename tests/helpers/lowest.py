"""The lowest numpy and scipy that pyproject.toml allows, in a folder of their own.

`python -m tests.helpers.lowest` puts them where the tests look; they do so themselves if need be.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".cache"
PACKAGES = ("numpy", "scipy")


def lowest_versions() -> dict[str, str]:
    """Return package -> the lowest version that the project takes (`numpy>=2.0`: 2.0)."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    bounds = (re.fullmatch(r"([\w-]+)>=([\d.]+).*", each) for each in project["dependencies"])
    versions = {bound[1]: bound[2] for bound in bounds if bound}
    return {package: versions[package] for package in PACKAGES}


def lowest_scientific(parent: Path = FOLDER) -> Path:
    """Return the folder to import them from, fetched once."""
    pins = [f"{package}=={version}" for package, version in lowest_versions().items()]
    folder = parent / "-".join(pins).replace("==", "-")
    if folder.is_dir():
        return folder
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent) as scratch:
        place = Path(scratch) / "packages"
        subprocess.run(
            [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install",
             "--no-deps", "--only-binary", ":all:", "--target", str(place), *pins],
            check=True,
        )  # fmt: skip
        try:
            place.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was first
                raise
    return folder


if __name__ == "__main__":
    print(lowest_scientific())
