"""The environment record: true, JSON, light, and silent about people and hosts."""

from __future__ import annotations

import getpass
import json
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from results.environment import _commit, environment, package_versions

ROOT = Path(__file__).resolve().parents[2]


def commit_all(folder: Path) -> str:
    """Make a folder a repository with one commit of all it holds, and return the commit."""
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-C", str(folder)]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *command], check=True)
    done = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_holds_what_this_machine_has() -> None:
    found = environment()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["python"] == platform.python_version()
    assert found["cores"] == os.cpu_count()
    packages = found["packages"]
    assert isinstance(packages, dict)
    assert packages["numpy"] == metadata.version("numpy")


def test_memory_agrees_with_the_kernel() -> None:
    meminfo = Path("/proc/meminfo")
    if not meminfo.exists():
        pytest.skip("this system has no /proc/meminfo")
    kibibytes = int(meminfo.read_text().split()[1])
    assert environment()["memory_bytes"] == kibibytes * 1024


def test_names_no_person_host_or_folder() -> None:
    text = json.dumps(environment())
    words = set(text.replace('"', " ").replace(",", " ").split())
    assert platform.node() not in words
    assert getpass.getuser() not in words
    assert str(ROOT) not in text
    assert str(Path.home()) + "/" not in text


def test_packages_that_are_absent_are_left_out() -> None:
    assert package_versions(["numpy", "no-such-package-here"]) == {
        "numpy": metadata.version("numpy")
    }


def test_imports_nothing_heavy() -> None:
    code = (
        "import sys; from results.environment import environment; environment();"
        "print(sorted({'torch', 'numpy', 'scipy', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"


def test_commit_is_that_of_the_checkout(tmp_path: Path) -> None:
    """A copy of the package in a checkout of its own, at first clean, then with a change."""
    (tmp_path / "results").mkdir()
    (tmp_path / "pyproject.toml").write_text("")
    for name in ("__init__.py", "environment.py"):
        (tmp_path / "results" / name).write_text((ROOT / "results" / name).read_text())
    (tmp_path / "results" / "environment.py").open("a").write("\nPLACE = __file__\n")
    code = (
        "import json, sys; sys.path.insert(0, sys.argv[1]);"
        "import results.environment as e; assert e.PLACE.startswith(sys.argv[1]);"
        "found = e.environment(); print(json.dumps([found['commit'], found['modified']]))"
    )

    def ask() -> object:
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)],
            capture_output=True,
            text=True,
            check=True,
            cwd="/",
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        return json.loads(done.stdout)

    assert ask() == [None, None]
    head = commit_all(tmp_path)
    assert ask() == [head, False]
    (tmp_path / "pyproject.toml").write_text("# changed\n")
    assert ask() == [head, True]


def test_a_package_inside_somebody_elses_checkout_has_no_commit(tmp_path: Path) -> None:
    inside = tmp_path / "site-packages"
    inside.mkdir()
    (inside / "pyproject.toml").write_text("")
    commit_all(tmp_path)
    assert _commit(tmp_path) == (None, None)
    (tmp_path / "pyproject.toml").write_text("")
    assert _commit(tmp_path)[0] is not None
    assert _commit(inside) == (None, None)
