"""A group of commands of which only the one that is named is imported."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from harness.cli.bounded import BoundedCommand


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """A command of the tree: its name, where it is (`module:attribute`), and its line of help.

    The attribute is a function or, for a group of commands, a `Typer`; `cls` is the class of a
    single command.
    """

    name: str
    home: str
    help: str
    cls: type[TyperCommand] = BoundedCommand

    def load(self) -> Any:
        """Import the home and return its click command or group."""
        module, _, attribute = self.home.partition(":")
        target = getattr(import_module(module), attribute)
        if isinstance(target, typer.Typer):
            command: Any = get_group(target)
        else:
            single = typer.Typer(add_completion=False, rich_markup_mode=None)
            single.command(self.name, cls=self.cls, short_help=self.help)(target)
            command = get_command(single)
        command.name, command.short_help = self.name, self.help
        return command


class LazyGroup(TyperGroup):
    """Lists its commands by their entries, and imports one when it is to be run or asked for."""

    entries: tuple[CommandEntry, ...] = ()

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        # What is listed and suggested; `get_command` puts the real one in its place.
        for each in self.entries:
            self.commands[each.name] = TyperCommand(each.name, short_help=each.help)
        self._unloaded = {each.name: each for each in self.entries}

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command by its name, imported; `None` if there is none."""
        entry = self._unloaded.pop(cmd_name, None)
        if entry is not None:
            self.commands[cmd_name] = entry.load()
        return self.commands.get(cmd_name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the names and lines of help, for which nothing is imported."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.commands[name].short_help) for name in self.commands])
