"""The embedded tasks over the standard library: nothing to download, nothing to install."""

from __future__ import annotations

import platform

from harness.core.types import Corpus, PromptFields
from harness.data.docstring_corpus import as_corpus, collect_texts
from harness.data.embedded_task import EmbeddedGroup
from harness.data.situations import Collection

LEVELS = ("lexical", "paraphrase", "plain", "oblique")
"""Wordings from the least reasoning to the most: technical words in one line; two sentences that
do not name the object; the story with the words that the asker has in front of them; the story
without any technical word."""


def build_corpus() -> Corpus:
    """Document the public standard-library objects of the running interpreter.

    An id is the qualified public name, a text the id, a blank line and the cleaned docstring.
    Sorted by id; a fresh isolated interpreter collects it in under a second. Raises
    `DataUnavailable` when that interpreter cannot be run.
    """
    return as_corpus(collect_texts("harness.data.stdlib.modules"))


STDLIB = EmbeddedGroup(
    name="stdlib",
    collection=Collection("harness.data.stdlib", LEVELS, former_gold=True),
    gold="gold-2",
    wording=PromptFields(
        slug="stdlib",
        name="Python programming",
        query_kind="Python programming question",
        query_noun="question",
        document_noun="documentation entries",
    ),
    build_corpus=build_corpus,
    version=lambda: f"python-{platform.python_version()}",
    drops_missing=True,
    source="embedded: docstrings of the running Python",
    licence="PSF-2.0",
)
