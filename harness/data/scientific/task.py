"""The embedded tasks over numpy and scipy: long documents, and what is installed anyway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from harness.core.types import Corpus, PromptFields
from harness.data.docstring_corpus import as_corpus, collect_texts
from harness.data.embedded_task import EmbeddedGroup
from harness.data.situations import Collection

LEVELS = ("paraphrase", "oblique")
"""Wordings in the words of the domain that do not name the object, and stories without them."""

PACKAGES = ("numpy", "scipy")

VARIES = "# may vary"
"""Ends a line of an example whose output is random, in SciPy at every import anew."""

LEAST = 300
"""Characters of a docstring; a shorter one is not a document."""


def build_corpus() -> Corpus:
    """Document the public objects of the installed numpy and scipy; see `documents_of`.

    An id is the qualified name, a text the id, a blank line and the docstring. Raises
    `DataUnavailable` when the interpreter that collects them cannot be run.
    """
    return as_corpus(documents_of(sorted({_folder(package) for package in PACKAGES})))


def documents_of(folders: Sequence[Path]) -> Mapping[str, str]:
    """Return name -> docstring of the public objects of the numpy and scipy in `folders`.

    One document an object, under its shortest public name, if its docstring has more than 300
    characters; of equal docstrings the one under the shortest name, the first of equally short
    ones, stays. Lines of random output are left out, so that equal versions give equal texts.
    """
    texts = collect_texts("harness.data.scientific.modules", folders)
    names: dict[str, str] = {}
    for name in sorted(texts, key=lambda name: (name.count("."), len(name), name)):
        text = "\n".join(x for x in texts[name].split("\n") if not x.rstrip().endswith(VARIES))
        if len(text) > LEAST:
            names.setdefault(text, name)
    return {name: text for text, name in names.items()}


def _folder(package: str) -> Path:
    """Return the folder that a package is imported from, without importing it."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(package)
    return Path(spec.origin).resolve().parents[1]


def _versions() -> str:
    """Return `numpy-2.4.6, scipy-1.17.1`."""
    return ", ".join(f"{package}-{version(package)}" for package in PACKAGES)


SCIENTIFIC = EmbeddedGroup(
    name="scientific",
    collection=Collection("harness.data.scientific", LEVELS),
    gold="gold-1",
    wording=PromptFields(
        slug="scientific",
        name="scientific computing",
        query_kind="scientific computing question",
        query_noun="question",
        document_noun="documentation entries",
    ),
    build_corpus=build_corpus,
    version=_versions,
    drops_missing=False,
    source="embedded: docstrings of the installed numpy and scipy",
    licence="BSD-3-Clause",
)
