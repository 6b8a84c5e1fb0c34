"""The embedded task's gold: real, documented, and the same on every version and system."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache

import pytest
from typeshed_client import ModulePath, Resolver, get_search_context
from typeshed_client import parser as stub_parser
from typeshed_client.parser import ImportedName, NameInfo, OverloadedName
from typeshed_client.resolver import ImportedInfo

from harness.core.hashing import canonical_json, sha256_parts
from harness.data.situations import Situation, read_judged, read_situations
from harness.data.stdlib.task import STDLIB, build_corpus

VERSIONS = ((3, 11), (3, 12), (3, 13))
PLATFORMS = ("linux", "darwin", "win32")
SITUATIONS = read_situations(STDLIB.collection)
GOLD_1 = "77af68e2ff3328be18229381f8a19ea67e76f7f0a59d6b92baa8e3be0596b0f5"
"""What entries of the first release say of their judgements, after the interpreter."""


class Stubs:
    """Looks qualified names up in typeshed for one version and platform."""

    def __init__(self, version: tuple[int, int], platform: str) -> None:
        context = get_search_context(version=version, platform=platform, search_path=[])
        self.resolver = Resolver(context)

    def has(self, name: str) -> bool:
        """Tell whether a module, or an object in one, exists by that name."""
        parts = name.split(".")
        for cut in range(len(parts), 0, -1):
            module = ModulePath(tuple(parts[:cut]))
            if self.resolver.get_module(module).exists:
                return self._has_object(module, parts[cut:])
        return False

    def _has_object(self, module: ModulePath, path: list[str]) -> bool:
        """Walk from a module through classes to the object."""
        if not path:
            return True
        found = self._find(module, path[0])
        if found is None or len(path) == 1:
            return found is not None
        return len(path) == 2 and self._has_member(*found, path[1])

    def _find(self, module: ModulePath, name: str) -> tuple[ModulePath, NameInfo] | None:
        """Return a name's own module and definition, imports followed."""
        found = self.resolver.get_name(module, name)
        if isinstance(found, ImportedInfo):
            return found.source_module, found.info
        return (module, found) if isinstance(found, NameInfo) else None

    def _has_member(self, module: ModulePath, info: NameInfo, member: str) -> bool:
        """Tell whether a class or one of its bases defines a member."""
        if info.child_nodes and member in info.child_nodes:
            return True
        return any(
            self._has_member(*found, member)
            for base in bases(info)
            if (found := self._find(module, base)) is not None
        )


def bases(info: NameInfo) -> Iterator[str]:
    """Yield the plain names of what a class derives from, or an alias stands for."""
    nodes = info.ast.definitions if isinstance(info.ast, OverloadedName) else [info.ast]
    for node in nodes:
        if isinstance(node, ImportedName):
            continue
        above = node.bases if isinstance(node, ast.ClassDef) else [getattr(node, "value", None)]
        for base in above:
            plain = base.value if isinstance(base, ast.Subscript) else base
            if isinstance(plain, ast.Name):
                yield plain.id


@pytest.fixture(scope="module", autouse=True)
def _parse_once() -> Iterator[None]:
    """Share the syntax trees, which are the same for every version and platform."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stub_parser, "parse_stub_file", cache(stub_parser.parse_stub_file))
        yield


@cache
def stubs(version: tuple[int, int], platform: str) -> Stubs:
    """Return one look-up per version and platform."""
    return Stubs(version, platform)


def gold() -> list[str]:
    """Return the answers of either judgement, each once."""
    return sorted({name for each in SITUATIONS for name in (*each.answers, *each.gold_1)})


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("version", VERSIONS)
def test_gold_exists_on(version: tuple[int, int], platform: str):
    known = stubs(version, platform)
    assert [name for name in gold() if not known.has(name)] == []


@pytest.mark.parametrize(
    ("name", "version", "platform", "there"),
    [
        ("itertools.groupby", (3, 11), "linux", True),
        ("itertools.chain.from_iterable", (3, 11), "win32", True),
        ("itertools.batched", (3, 11), "linux", False),
        ("itertools.batched", (3, 12), "linux", True),
        ("os.path", (3, 13), "win32", True),
        ("os.path.commonpath", (3, 13), "win32", True),
        ("os.fork", (3, 13), "linux", True),
        ("os.fork", (3, 13), "win32", False),
        ("cgi.parse", (3, 12), "linux", True),
        ("cgi.parse", (3, 13), "linux", False),
        ("collections.OrderedDict.move_to_end", (3, 12), "darwin", True),
        ("collections.OrderedDict.move_to_start", (3, 12), "darwin", False),
        ("pathlib.PurePath.full_match", (3, 12), "linux", False),
        ("multiprocessing.Process.join", (3, 11), "darwin", True),
        ("io.BytesIO.detach", (3, 11), "darwin", True),
        ("concurrent.futures.Executor.submit", (3, 11), "linux", True),
        ("random.shuffle", (3, 11), "linux", True),
        ("unheard.of", (3, 11), "linux", False),
    ],
)
def test_the_look_up_tells_versions_and_systems_apart(
    name: str, version: tuple[int, int], platform: str, there: bool
):
    assert stubs(version, platform).has(name) is there


def test_gold_has_a_docstring_here():
    documented = set(build_corpus().ids)
    assert [name for name in gold() if name not in documented] == []


def test_gold_spreads_over_forty_modules():
    known = stubs((3, 11), "linux")
    modules = {module_of(name, known) for name in gold()}
    assert len(modules) >= 40


def module_of(name: str, known: Stubs) -> str:
    """Return the longest prefix of a qualified name that is a module."""
    parts = name.split(".")
    prefixes = (".".join(parts[:cut]) for cut in range(len(parts), 0, -1))
    return next(
        p for p in prefixes if known.resolver.get_module(ModulePath((*p.split("."),))).exists
    )


def test_gold_1_is_one_to_five_distinct_documents():
    assert [each.id for each in SITUATIONS if not gold_1_is_fine(each)] == []


def gold_1_is_fine(each: Situation) -> bool:
    """Tell whether a situation's first gold is 1 to 5 distinct names."""
    return 1 <= len(each.gold_1) <= 5 and len(set(each.gold_1)) == len(each.gold_1)


def test_no_document_has_two_grades_and_each_was_judged():
    judged = read_judged(STDLIB.collection)
    assert judged.keys() == {each.id for each in SITUATIONS}
    for each in SITUATIONS:
        names = (*each.answers, *each.helps)
        assert len(set(names)) == len(names), each.id
        assert set(names) <= set(judged[each.id]), each.id
        assert list(judged[each.id]) == sorted(set(judged[each.id])), each.id


def test_gold_1_reproduces_the_fingerprint_of_entries_that_stand_on_it():
    """Rebuilt from the package, the first judgements are those that older entries name."""
    judged = {each.id: dict.fromkeys(each.gold_1, 1) for each in SITUATIONS}
    digest = sha256_parts(["stdlib", "ndcg@10", canonical_json(judged)])
    assert digest == GOLD_1
