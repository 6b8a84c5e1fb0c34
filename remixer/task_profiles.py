"""Task profiles: what a document is, what is written from it, and what counts as relevant."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.core.errors import BadInput, UnknownName
from harness.core.prompt_files import fill, version
from harness.core.types import PromptFields
from harness.data.stdlib.task import STDLIB
from remixer.prompt_files import OURS, PromptFiles

GENERAL = "general"
POST = "post"
KINDS = (
    POST, "stackoverflow", "leetcode", "pony", "aops", "theoremqa_questions",
    "theoremqa_theorems", "stdlib", GENERAL,
)  # fmt: skip
"""The kinds of the released code, one for the embedded task, and one for any other corpus; each has
its text in `prompts/kind-<name>.txt`. The released code has one text for the seven StackExchange
tasks and calls Stack Overflow's passages coding-related; here that is a text of its own."""

_POSTS = (
    "biology", "earth_science", "economics", "psychology", "robotics", "sustainable_living",
)  # fmt: skip
_DOMAINS = {
    **dict.fromkeys(("stackoverflow", "leetcode", "pony"), "Coding"),
    **dict.fromkeys(("aops", "theoremqa_questions", "theoremqa_theorems"), "Math"),
}
"""Domain that the filter asks about, if it is not the task's own name (released code)."""

GROUP_SIZES = {"leetcode": (2, 64), "pony": (64, 2), "stdlib": (4, 32)}
DEFAULT_GROUP_SIZE = (16, 8)
"""(passages a query, queries a device) by kind: ReasonEmbed's data_synthesis/4-process.py; that
of `stdlib` is ours, since ten written judgements a query leave few negatives."""

_SECTIONS = ("write", "query", "document", "documents", "relevance")
_HEADING = re.compile(r"^## (\w+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class TaskProfile:
    """The words of one kind of task, filled in for one task.

    `write` is the instruction to write a query from a document; `query` and `document` say what
    each is (`Biology post`, `passage`), `documents` is the plural; `relevance` says when a
    document is relevant; `domain` names the field. `version` is the hash of the kind's text.
    """

    name: str
    domain: str
    write: str
    query: str
    document: str
    documents: str
    relevance: str
    version: str


def profile_name(task: str) -> str:
    """Return the kind of a named task; an unknown task is of the general kind."""
    short = task.removesuffix("-long")
    if short in STDLIB.tasks:
        return STDLIB.name
    if short in _POSTS:
        return POST
    return short if short in KINDS else GENERAL


def load_profile(
    name: str, prompt_fields: PromptFields, domain: str = "", prompts: PromptFiles = OURS
) -> TaskProfile:
    """Return a kind's profile, filled in with a task's words; `domain` replaces the usual one.

    Raises `UnknownName` for an unknown kind, and `BadInput` for a text without its sections.
    """
    if name not in KINDS:
        raise UnknownName("task kind", name, KINDS, listing=f"Kinds: {', '.join(KINDS)}.")
    field = domain or _DOMAINS.get(prompt_fields.slug.removesuffix("-long"), prompt_fields.name)
    text = prompts.text(f"kind-{name}")
    sections = _sections(name, text)
    values = {"name": domain or prompt_fields.name}
    words = {key: fill(value, values) for key, value in sections.items()}
    return TaskProfile(name=name, domain=field, version=version(text), **words)


def group_size(kind: str) -> tuple[int, int]:
    """Return a kind's (train_group_size, batch_size)."""
    return GROUP_SIZES.get(kind, DEFAULT_GROUP_SIZE)


def _sections(name: str, text: str) -> dict[str, str]:
    """Return the parts of a kind's text by their headings; raises `BadInput` if one is absent."""
    parts = _HEADING.split(text)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    if sorted(sections) != sorted(_SECTIONS):
        raise BadInput(
            f"prompts/kind-{name}.txt has the sections {sorted(sections)}",
            fix=f"It must have {', '.join(_SECTIONS)}, each under a line '## name'.",
        )
    return {key: value.strip() for key, value in sections.items()}
