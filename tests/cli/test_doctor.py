"""`rebench doctor`: extras derived from the package's own metadata, and devices."""

from __future__ import annotations

import tomllib
from pathlib import Path

from harness.cli import doctor

PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


def test_every_extra_of_the_project_is_listed(rebench):
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    listed = {row["extra"] for row in rebench("doctor", "--json").json["extras"]}
    assert listed == set(project["optional-dependencies"])


def test_what_is_missing_comes_with_its_install_line(monkeypatch, rebench):
    installed = doctor._version
    monkeypatch.setattr(
        doctor, "_version", lambda name: None if name == "wordllama" else installed(name)
    )
    rows = {row["extra"]: row for row in rebench("doctor", "--json").json["extras"]}
    assert rows["static"]["missing"] == "wordllama"
    assert rows["static"]["install"] == "pip install 'rebench-retrieval[static]'"
    # dev asks for static by name, so it lacks the same package.
    assert "wordllama" in rows["dev"]["missing"]


def test_the_processor_is_always_a_device(rebench):
    assert rebench("doctor", "--json").json["devices"][0]["device"] == "cpu"
    assert "cpu" in rebench("doctor").out
