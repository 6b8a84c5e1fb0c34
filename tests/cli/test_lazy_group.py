"""The command tree: entries without their modules, and modules that are what entries say."""

from __future__ import annotations

from typing import Any

import pytest
from typer.main import get_command

from harness.cli.app import COMMANDS, app


@pytest.fixture
def group() -> Any:
    return get_command(app)


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)
def test_an_entry_is_a_command_with_help(group: Any, entry: Any) -> None:
    command = group.get_command(None, entry.name)
    assert (command.name, command.short_help) == (entry.name, entry.help)
    assert command.help
    assert group.get_command(None, entry.name) is command


def test_all_commands_are_listed_and_a_wrong_name_is_none(group: Any) -> None:
    assert group.list_commands(None) == [entry.name for entry in COMMANDS]
    assert group.get_command(None, "evaluate") is None


def test_help_lists_every_command_and_a_misspelt_one_gets_its_neighbour(rebench: Any) -> None:
    shown = rebench("--help").out
    assert all(entry.name in shown and entry.help.split()[0] in shown for entry in COMMANDS)
    assert "No such command 'evla'. Did you mean 'eval'?" in rebench("evla").err
