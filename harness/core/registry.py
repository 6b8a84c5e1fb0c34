"""Names that are looked up as data and imported on use."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from harness.core.errors import UnknownName

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Registry(Generic[T]):
    """A table name -> `"module:attribute"`; nothing is imported before `get`.

    `kind` names what is registered in error messages; `listing` says where to see all names.
    """

    kind: str
    targets: Mapping[str, str]
    listing: str

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names in table order."""
        return iter(self.targets)

    def __contains__(self, name: object) -> bool:
        """Tell whether a name is registered."""
        return name in self.targets

    def get(self, name: str) -> T:
        """Import and return what `name` stands for; raises `UnknownName`."""
        target = self.targets.get(name)
        if target is None:
            raise UnknownName(self.kind, name, self.targets, listing=self.listing)
        module, _, attribute = target.partition(":")
        return cast(T, getattr(importlib.import_module(module), attribute))
