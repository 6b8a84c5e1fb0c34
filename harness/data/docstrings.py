"""Collects the documentation of the public objects of a library.

Runs in a fresh interpreter (`harness.data.docstring_corpus` starts it), since packages patch each
other in place: transformers adds methods to `logging.Logger`, torch replaces `inspect.getfile`.
Imports nothing but the standard library and what it documents.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import json
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_DESCRIPTORS = (
    property,
    functools.cached_property,
    functools.partialmethod,
    types.DynamicClassAttribute,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
)


@dataclass(frozen=True, slots=True)
class Library:
    """What is documented: public modules, and whose objects are theirs alone.

    Some of `modules` may be missing from a given build (`sqlite3`, `lzma`); importing tells.
    `is_public_owner` tells whether objects that name a module as theirs belong to it alone:
    those of a private one (`_io`) belong to whoever exports them.
    """

    modules: tuple[str, ...]
    is_public_owner: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class _Place:
    """One public path to an object; `home` tells whether the object calls that path its own."""

    name: str
    value: object
    home: bool

    def rank(self) -> tuple[bool, bool, int, bool, int, str]:
        """Return the sort key by which the most public, shortest path comes first."""
        last = self.name.rpartition(".")[2]
        own_name = getattr(self.value, "__name__", last) == last
        depth = self.name.count(".")
        is_builtin = self.name.startswith("builtins.")
        return not is_builtin, not own_name, depth, not self.home, len(self.name), self.name


def main(library: Library) -> None:
    """Write the documents to standard output: one JSON object, id -> docstring, ASCII only."""
    sys.stdout.write(json.dumps(collect_documents(library)))


def collect_documents(library: Library) -> dict[str, str]:
    """Return qualified public name -> cleaned docstring, sorted by name.

    Modules, their public functions and classes, and the public methods and properties of those
    classes, each object once and only with a docstring of its own. Modules that cannot be
    imported are left out.
    """
    modules = _import_modules(library.modules)
    places = _distinct(
        _Place(f"{name}.{attribute}", value, _belongs(value, name, library))
        for name, module in modules.items()
        for attribute, value in _public_names(name, module, library)
    )
    classes = {place.name: place.value for place in places if isinstance(place.value, type)}
    public = set(classes.values())
    places = _distinct(
        [
            *places,
            *(
                member
                for name, cls in classes.items()
                for member in _members(name, cls, public, library)
            ),
        ]
    )
    texts = {name: _own_doc(module, public, library) for name, module in modules.items()}
    texts.update((place.name, _own_doc(place.value, public, library)) for place in places)
    return {name: texts[name] for name in sorted(texts) if texts[name]}


def _import_modules(names: tuple[str, ...]) -> dict[str, types.ModuleType]:
    """Import what can be imported of the public modules."""
    modules = {}
    for name in names:
        try:
            modules[name] = importlib.import_module(name)
        except ImportError:
            continue  # a build without the C library behind it (sqlite3, lzma, ssl, ...)
    return modules


def _public_names(
    name: str, module: types.ModuleType, library: Library
) -> Iterator[tuple[str, object]]:
    """Yield the public attributes of a module, submodules left out.

    Where `__all__` is missing, only what is defined there counts, since a plain import makes a
    name too. Lazy names are asked for only if `__all__` lists them: others may warn.
    """
    listed = getattr(module, "__all__", None)
    for attribute in tuple(vars(module) if listed is None else listed):
        value = getattr(module, attribute, None)
        if attribute.startswith("_") or isinstance(value, types.ModuleType):
            continue
        if isinstance(value, type) and _is_c_half(value, module):
            continue
        own = getattr(value, "__name__", "") == attribute and _belongs(value, name, library)
        if listed is not None or name == "builtins" or own:
            yield attribute, value


def _is_c_half(cls: type, module: types.ModuleType) -> bool:
    """Tell whether a module also has a subclass by that class's name (`socket.SocketType`)."""
    whole = vars(module).get(cls.__name__)
    return isinstance(whole, type) and whole is not cls and issubclass(whole, cls)


def _belongs(value: object, module: str, library: Library) -> bool:
    """Tell whether an object says that it was defined in `module`, or in a private part of it."""
    owner = getattr(value, "__module__", None)
    if not isinstance(owner, str):
        return False
    return owner == module or owner.startswith(f"{module}.") or not library.is_public_owner(owner)


def _members(name: str, cls: type, public: set[type], library: Library) -> Iterator[_Place]:
    """Yield a class's public methods and properties, with those of its hidden base classes.

    A base that is itself in the corpus keeps its own; one that no public path reaches
    (`_io._IOBase` behind `io.IOBase`) is documented by the first classes that derive from it.
    """
    shown = {above for base in cls.__mro__[1:] if base in public for above in base.__mro__}
    for base in cls.__mro__:
        if base is not cls and (base in shown or not _is_part(base, cls, library)):
            continue
        home = base is cls or base.__name__.lstrip("_") == cls.__name__
        for attribute, raw in vars(base).items():
            if attribute.startswith("_"):
                continue
            value = raw.__func__ if isinstance(raw, (staticmethod, classmethod)) else raw
            documents = inspect.isroutine(value) or isinstance(value, _DESCRIPTORS)
            if documents and not _repeats(attribute, value, base, public):
                yield _Place(f"{name}.{attribute}", value, home)


def _repeats(attribute: str, value: object, cls: type, public: set[type]) -> bool:
    """Tell whether a method of `cls` says of itself what a public base class already says."""
    inherited = (vars(base).get(attribute) for base in cls.__mro__[1:] if base in public)
    return any(
        above is not None and getattr(above, "__doc__", None) == value.__doc__
        for above in inherited
    )


def _distinct(places: Iterator[_Place] | list[_Place]) -> list[_Place]:
    """Keep the best-ranked place of each object, and one object per name."""
    best: dict[int, _Place] = {}
    for place in sorted(places, key=_Place.rank):
        best.setdefault(id(_underlying(place.value)), place)
    named: dict[str, _Place] = {}
    for place in best.values():
        named.setdefault(place.name, place)
    return list(named.values())


def _underlying(value: object) -> object:
    """Return the function behind a bound method, so that `random.shuffle` is one object."""
    if inspect.ismethod(value):
        return value.__func__
    if inspect.isbuiltin(value):
        owner = type(value.__self__)
        if owner not in (types.ModuleType, type, type(None)):
            return inspect.getattr_static(owner, value.__name__, value)
    return value


def _own_doc(value: object, public: set[type], library: Library) -> str:
    """Return an object's cleaned docstring, or `""` when it has none of its own."""
    doc = getattr(value, "__doc__", None)
    if isinstance(value, type):
        base = value.__base__
        if doc is None and base and base not in public:
            return _own_doc(base, public, library) if _is_part(base, value, library) else ""
    elif doc == type(value).__doc__:
        return ""
    return inspect.cleandoc(doc) if isinstance(doc, str) else ""


def _is_part(base: type, cls: type, library: Library) -> bool:
    """Tell whether a hidden base class was written for the module that shows `cls`."""
    root, own_root = (c.__module__.partition(".")[0] for c in (base, cls))
    return root == own_root or not library.is_public_owner(root)
