"""Objects read key by key, so that each fault is reported with its file and dotted key."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.core.errors import StoreError
from harness.core.types import Json


def is_finite_number(value: Any) -> bool:
    """Tell whether a JSON value is a number that a float can hold (true and false are not)."""
    try:
        return type(value) in (int, float) and math.isfinite(value)
    except OverflowError:
        return False


@dataclass(frozen=True, slots=True)
class StrictObject:
    """One JSON object under strict reading; every method raises `StoreError`.

    `where` names the file; `prefix` is the dotted path of this object in it (ends in a dot or is
    empty); `fix` says what to do about a fault. A key that nobody asked for is a fault as well:
    `finish` says so.
    """

    data: Mapping[str, Any]
    where: str
    prefix: str = ""
    fix: str = "The file is damaged or was edited by hand: measure again with --force."
    _read: set[str] = field(default_factory=set)

    def fault(self, key: str, problem: str) -> StoreError:
        """Return the error for one key, to be raised."""
        return StoreError(f"{self.where}: key {self.prefix + key!r} {problem}", fix=self.fix)

    def value(self, key: str) -> Any:
        """Return a key's value as it stands; the key must be there."""
        self._read.add(key)
        if key not in self.data:
            raise self.fault(key, "is missing")
        return self.data[key]

    def _typed(self, key: str, kind: type, name: str) -> Any:
        value = self.value(key)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.fault(key, f"should be {name}, found {type(value).__name__}")
        return value

    def text(self, key: str, *, empty: bool = False) -> str:
        """Return a text, which may be empty only where `empty` says so."""
        value: str = self._typed(key, str, "a text")
        if not value and not empty:
            raise self.fault(key, "is empty")
        return value

    def optional_text(self, key: str) -> str | None:
        """Return a non-empty text or null."""
        return None if self.value(key) is None else self.text(key)

    def choice(self, key: str, known: Iterable[str]) -> str:
        """Return a text that is one of the known ones."""
        value = self.text(key)
        names = tuple(known)
        if value not in names:
            raise self.fault(key, f"is {value!r}; known are {', '.join(names)}")
        return value

    def optional_truth(self, key: str) -> bool | None:
        """Return true or false, or `None` where the key is absent."""
        if key not in self.data:
            return None
        value: bool = self._typed(key, bool, "true or false")
        return value

    def integer(self, key: str, *, least: int = 0) -> int:
        """Return a whole number of at least `least`."""
        value: int = self._typed(key, int, "a whole number")
        if value < least:
            raise self.fault(key, f"is {value}, the least possible is {least}")
        return value

    def optional_integer(self, key: str, *, least: int = 0) -> int | None:
        """Return a whole number of at least `least`, or null."""
        return None if self.value(key) is None else self.integer(key, least=least)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts."""
        value: list[Any] = self._typed(key, list, "a list of texts")
        if not all(isinstance(item, str) for item in value):
            raise self.fault(key, "should hold texts only")
        return tuple(value)

    def numbers(self, key: str) -> dict[str, float]:
        """Return an object of finite numbers, as floats."""
        value: dict[str, Any] = self._typed(key, dict, "an object of numbers")
        for name, number in value.items():
            if not is_finite_number(number):
                raise self.fault(f"{key}.{name}", f"should be a finite number, found {number!r}")
        return {name: float(number) for name, number in value.items()}

    def json(self, key: str) -> dict[str, Json]:
        """Return an object of any JSON values."""
        value: dict[str, Json] = self._typed(key, dict, "an object")
        return value

    def object(self, key: str) -> StrictObject:
        """Return an object to be read strictly in its turn."""
        return StrictObject(self.json(key), self.where, f"{self.prefix}{key}.", self.fix)

    def finish(self, *but: str) -> None:
        """Refuse keys, save `but`, that were never read: rewriting the file would lose them."""
        for key in self.data:
            if key not in self._read and key not in but:
                raise self.fault(key, "is not known")
