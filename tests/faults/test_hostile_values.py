"""Numbers and paths that nothing can work with, given to every option that takes one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

from harness.cli.app import app
from harness.cli.bounded import LARGEST, BoundedCommand
from harness.core.errors import BadInput
from tests.helpers.command_run import runner
from tests.helpers.measured_store import make_task, measure, store_at

HUGE = "9" * 20
LONG = "n" * 300
KINDS = {"number": r"(?i)\bint\b|\bfloat\b|intrange|floatrange", "path": r"(?i)\bpath\b"}
"""How old and new releases of typer call the type of a parameter."""
FULL = int(os.environ.get("REBENCH_FAULTS", "2")) > 2


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield every command with the words that call it."""
    for name in group.commands:
        command = group.get_command(None, name)
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


COMMANDS = dict(commands(typer.main.get_command(app)))


@dataclass(frozen=True)
class Case:
    """An option of a command, and the words that the command requires besides."""

    command: str
    option: str
    required: tuple[str, ...]

    def run(self, value: str) -> None:
        """Run the command with the option; raises what the command line would print."""
        given = f"{self.option}={value}" if self.option.startswith("--") else self.option + value
        COMMANDS[self.command].main(
            [*self.required, given], prog_name="rebench", standalone_mode=False
        )


def cases(kind: str) -> list[Case]:
    """Return each option of a kind, once for each group of commands."""
    found: dict[tuple[str, str], Case] = {}
    for words, command in COMMANDS.items():
        required: list[str] = []
        for param in command.params:
            if param.required:
                option = (param.opts[0],) if param.opts[0].startswith("-") else ()
                required += [*option, {"layout": "trec", "stage": "generate"}.get(param.name, "x")]
        for param in command.params:
            told = str(getattr(param, "type_descriptor", "")) or repr(getattr(param, "type", ""))
            if param.opts[0].startswith("-") and re.search(KINDS[kind], told):
                group = words.partition(" ")[0]
                case = Case(words, param.opts[0], tuple(required))
                found.setdefault((group, param.opts[0]), case)
    return list(found.values())


REFUSED = (BadInput, typer.BadParameter)
NUMBERS, PATHS = cases("number"), cases("path")
LARGE = [HUGE, str(LARGEST + 1), f"-{HUGE}", "-1"]
PATH_NAMES = [LONG, "名" * 100, f"{LONG}/x", f"x/{LONG}.md", "d/" * 2100]


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_command_looks_at_its_numbers_and_paths() -> None:
    assert all(isinstance(command, BoundedCommand) for command in COMMANDS.values())
    numbers = {case.option for case in NUMBERS}
    assert {"-k", "--depth", "--seed", "--changes", "--timeout", "--fold"} <= numbers
    assert {"--output", "--results", "--cache", "--data"} <= {case.option for case in PATHS}


@pytest.mark.parametrize("value", LARGE if FULL else LARGE[:1] + LARGE[-1:])
def test_a_number_that_is_too_large_or_below_nothing(tmp_path: Path, value: str) -> None:
    for case in NUMBERS:
        with pytest.raises(REFUSED) as caught:
            case.run(value)
        # An option's own bounds are typer's to name.
        assert case.option in str(caught.value) or caught.type is typer.BadParameter, case
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", ["nan", "inf", "1e999"])
def test_a_number_that_is_not_finite(value: str) -> None:
    for case in NUMBERS:
        if case.option in ("--timeout", "--max-cost", "--price-prompt", "--blend", "--older-than"):
            with pytest.raises(REFUSED):
                case.run(value)


@pytest.mark.parametrize("value", PATH_NAMES if FULL else PATH_NAMES[:2])
def test_a_path_that_is_too_long(tmp_path: Path, value: str) -> None:
    for case in PATHS:
        with pytest.raises(BadInput, match="cannot name a file"):
            case.run(value)
    assert list(tmp_path.iterdir()) == []


def test_outputs_go_through_links_into_pipes_or_are_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = runner(capsys, monkeypatch, tmp_path)
    measure(store_at(tmp_path), "bm25", make_task(), [1, 2, 3, 4, None, 5, 6, 7])
    (tmp_path / "real.md").write_text("old")
    (tmp_path / "link.md").symlink_to("real.md")
    (tmp_path / "file").write_text("kept")
    os.mkfifo(tmp_path / "pipe")
    assert run("leaderboard", "--format", "markdown", "-o", "link.md").code == 0
    assert (tmp_path / "link.md").is_symlink()
    assert "bm25" in (tmp_path / "real.md").read_text()
    assert run("leaderboard", "-o", "/dev/null").code == 0
    for words in (("report", "bm25"), ("export", "--format", "trec")):
        for name in ("file", "pipe", "/dev/null"):
            done = run(*words, "-o", name)
            assert done.code == 2, (words, name, done.err)
            assert "Traceback" not in done.err
    assert (tmp_path / "file").read_text() == "kept"
    assert (tmp_path / "pipe").is_fifo()
    assert Path("/dev/null").is_char_device()
