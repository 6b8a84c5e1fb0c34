"""A parsed TOML table as a tree of frozen dataclasses: keys and types checked, did-you-mean."""

from __future__ import annotations

import contextlib
import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from harness.core.errors import BadInput
from harness.core.types import Json

Table = TypeVar("Table")
_JSON_NAMES = {"Json": Json, "Mapping": Mapping, "Sequence": Sequence}
"""What the type `Json` refers to; a dataclass's module need not import all of it."""


def dataclass_from_table(
    kind: type[Table], table: Mapping[str, Any], where: str, prefix: str = ""
) -> Table:
    """Return the dataclass that a table describes, tables within it likewise.

    Fields may be texts, finite numbers, truths, dataclasses, `tuple[X, ...]`, tuples of fixed
    length, mappings from text to one of these or to anything, and each of them `| None` (a file
    that means `None` leaves the key out). `prefix` is the dotted path of the table (ends in a dot
    or is empty). Raises `BadInput` naming `where` and the key: for one that is unknown (with the
    nearest known ones), missing or of the wrong type, and for what the dataclass itself refuses.
    """
    hints = {key: _certain(hint) for key, hint in get_type_hints(kind, None, _JSON_NAMES).items()}
    known = {each.name: each for each in fields(kind)}  # type: ignore[arg-type]
    for key in table:
        if key not in known:
            close = difflib.get_close_matches(key, known, n=2, cutoff=0.5)
            hint = f"Did you mean {' or '.join(prefix + name for name in close)}? " if close else ""
            raise BadInput(
                f"{where}: unknown key {prefix + key!r}",
                fix=f"{hint}Known keys: {', '.join(prefix + name for name in known)}.",
            )
    for key, each in known.items():
        required = each.default is MISSING and each.default_factory is MISSING
        if required and key not in table:
            raise BadInput(f"{where}: {prefix + key} is missing", fix=f'Add {key} = "…".')
    values = {key: _value(hints[key], value, where, prefix + key) for key, value in table.items()}
    try:
        return kind(**values)
    except BadInput as error:
        raise BadInput(f"{where}: {error.message}", fix=error.fix) from error


def _certain(hint: Any) -> Any:
    """Return the type of a field that may be `None`, which no file says; else the type itself."""
    if get_origin(hint) is not UnionType:
        return hint
    (certain,) = (each for each in get_args(hint) if each is not NoneType)
    return certain


def _value(hint: Any, value: Any, where: str, key: str) -> Any:
    """Return a TOML value as its field's type; raises `BadInput` for another type."""
    if is_dataclass(hint) and isinstance(hint, type):
        if isinstance(value, Mapping):
            return dataclass_from_table(hint, value, where, f"{key}.")
    elif hint is float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return _finite(value, where, key)
    elif hint in (int, str, bool):
        if type(value) is hint:
            return value
    elif get_origin(hint) is tuple:
        if isinstance(value, list | tuple):
            return _items(get_args(hint), value, where, key)
    elif isinstance(value, Mapping):
        return _named(get_args(hint)[1], value, where, key)
    wanted = hint.__name__ if isinstance(hint, type) else "table or list"
    raise BadInput(f"{where}: {key} = {value!r}", fix=f"It must be of type {wanted}.")


def _finite(value: float, where: str, key: str) -> float:
    """Return a number as a float; raises `BadInput` for infinities and NaN, which TOML has.

    An integer that no float can hold counts as infinite.
    """
    with contextlib.suppress(OverflowError):
        number = float(value)
        if math.isfinite(number):
            return number
    raise BadInput(f"{where}: {key} = {value}", fix="It must be a finite number.")


def _items(hints: tuple[Any, ...], values: Any, where: str, key: str) -> tuple[Any, ...]:
    """Return a list's items as a tuple of the given types (`X, ...` for any number of X)."""
    if hints[-1] is not Ellipsis and len(hints) != len(values):
        raise BadInput(f"{where}: {key} = {values!r}", fix=f"It must hold {len(hints)} items.")
    kinds = [hints[0]] * len(values) if hints[-1] is Ellipsis else hints
    return tuple(
        _value(kind, value, where, f"{key}[{at}]")
        for at, (kind, value) in enumerate(zip(kinds, values, strict=True))
    )


def _named(kind: Any, values: Mapping[str, Any], where: str, key: str) -> dict[str, Any]:
    """Return a table of names; each value is checked if its type is a dataclass or a plain one."""
    if not is_dataclass(kind) and kind not in (int, str, bool, float):
        return dict(values)
    return {name: _value(kind, value, where, f"{key}.{name}") for name, value in values.items()}
