"""The command reference: what `--help` of every command says, from the Typer app."""

from __future__ import annotations

import inspect
from typing import Any

from typer.main import get_command


def reference() -> str:
    """Return a section for each command, subcommands after their group."""
    from harness.cli.app import app

    root = get_command(app)
    context = root.context_class(root, info_name="rebench")
    return "\n\n".join(_sections(root, context, level=2))


def _sections(group: Any, context: Any, level: int) -> list[str]:
    result = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        inner = command.context_class(command, info_name=name, parent=context)
        result.append(_section(command, inner, level))
        if hasattr(command, "list_commands"):
            result += _sections(command, inner, level + 1)
    return result


def _section(command: Any, context: Any, level: int) -> str:
    """Return heading, help, usage and options of one command."""
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    parts = [f"{'#' * level} {context.command_path}", inspect.cleandoc(command.help or "")]
    parts.append(f"```text\n{usage}\n```")
    for title, rows in _tables(command, context).items():
        table = "\n".join(f"| `{_cell(left)}` | {_cell(right)} |" for left, right in rows)
        parts.append(f"| {title} | |\n|---|---|\n{table}")
    return "\n\n".join(part for part in parts if part)


def _tables(command: Any, context: Any) -> dict[str, list[tuple[str, str]]]:
    """Return title -> (option, help) rows, by the sections that `--help` shows."""
    tables: dict[str, list[tuple[str, str]]] = {}
    for param in command.get_params(context):
        record = param.get_help_record(context)
        if record is None:
            continue
        argument = param.param_type_name == "argument"
        title = getattr(param, "rich_help_panel", None) or ("Arguments" if argument else "Options")
        tables.setdefault(title, []).append((record[0], _escaped(record[1])))
    return tables


def _cell(text: str) -> str:
    """Return text for a cell of a table: one line, no bar of its own."""
    return " ".join(text.split()).replace("|", "\\|")


def _escaped(text: str) -> str:
    """Return help with what Markdown would take for markup, outside of backticks, escaped."""
    pieces = text.split("`")
    for index in range(0, len(pieces), 2):
        for sign in "\\*_<>[]{}$":
            pieces[index] = pieces[index].replace(sign, f"\\{sign}")
    return "`".join(pieces)
