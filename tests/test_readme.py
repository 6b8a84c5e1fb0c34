"""Every `$ rebench` line of the README is run, in order, and prints what stands under it."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

from harness.cli.main import main
from tests.helpers.small_task import write_beir, write_run

README = Path(__file__).resolve().parent.parent / "README.md"


def console_lines() -> list[tuple[str, list[str]]]:
    """Return (command, the output printed under it) of each console block, in order."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", README.read_text(encoding="utf-8"), re.S):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return found


def test_every_command_of_the_readme_works(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_beir(tmp_path / "my-task")
    write_run(tmp_path / "my-run.trec")
    commands = [each for each in console_lines() if each[0].startswith("rebench ")]
    assert len(commands) >= 8
    for command, shown in commands:
        monkeypatch.setattr(sys, "argv", shlex.split(command))
        capsys.readouterr()
        code = None
        try:
            main()
        except SystemExit as stop:
            code = stop.code
        captured = capsys.readouterr()
        assert code == 0, f"{command}: {captured.err}"
        fresh = [line.rstrip() for line in captured.out.strip().splitlines()]
        assert not shown or shown == fresh, f"{command}: run `make readme`"


def test_commands_of_the_readme_cover_the_command_tree():
    from harness.cli.app import COMMANDS

    named = set(re.findall(r"rebench ([a-z]+)", README.read_text(encoding="utf-8")))
    assert {each.name for each in COMMANDS} <= named


def test_the_two_make_targets_are_there():
    makefile = README.with_name("Makefile").read_text(encoding="utf-8")
    for command, _ in console_lines():
        if command.startswith("make "):
            assert re.search(rf"^{command.split()[1]}:", makefile, re.M), command
