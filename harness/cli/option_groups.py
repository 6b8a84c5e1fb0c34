"""Groups of options as dataclasses: a command takes groups, `--help` shows a section for each."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from copy import copy
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from typing import Annotated, Any, get_args, get_type_hints

from typer.models import ParameterInfo

from harness.cli.bounded import BoundedCommand


class GroupedCommand(BoundedCommand):
    """A command whose help lists options in sections, by the group that they belong to."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write a section for each group, in the order in which the groups first occur."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                title = getattr(param, "rich_help_panel", None) or "Options"
                sections.setdefault(title, []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


def flattened(function: Callable[..., None]) -> Callable[..., None]:
    """Return a command that takes the fields of its dataclass parameters as options.

    A field is annotated as an option is, `Annotated[type, typer.Option(…)]`; the first line of the
    dataclass's docstring is the title of its section. Field names must differ between groups.
    """
    hints = get_type_hints(function, include_extras=True)
    groups: dict[str, Any] = {}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(function).parameters.items():
        if is_dataclass(hints[name]):
            groups[name] = hints[name]
            parameters += _parameters(hints[name])
        else:
            kind = inspect.Parameter.KEYWORD_ONLY
            parameters.append(parameter.replace(annotation=hints[name], kind=kind))

    @wraps(function)
    def command(**values: Any) -> None:
        built = {
            name: group(**{field.name: values.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        function(**built, **values)

    # Options without a default come first: `inspect` wants that of positional ones only, typer
    # does not care.
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    del command.__wrapped__
    return command


def _parameters(group: Any) -> list[inspect.Parameter]:
    """Return a group's fields as keyword parameters of a command."""
    hints = get_type_hints(group, include_extras=True)
    title = str(inspect.getdoc(group)).splitlines()[0].rstrip(".")
    parameters = []
    for field in fields(group):
        kept, *extras = get_args(hints[field.name])
        infos = [copy(extra) for extra in extras if isinstance(extra, ParameterInfo)]
        for info in infos:
            info.rich_help_panel = title
        default = inspect.Parameter.empty if field.default is MISSING else field.default
        parameters.append(
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=default,
                annotation=Annotated[(kept, *infos)],
            )
        )
    return parameters
