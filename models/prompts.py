"""Instructions: a card's template filled with a task's words."""

from __future__ import annotations

import string

from harness.core.errors import BadInput
from harness.core.types import Role, Wording
from models.card import ModelCard


def template_values(wording: Wording) -> dict[str, str]:
    """Return what a template may name, filled in for one task: the one list of fields.

    `a_query_kind` carries its article (`an Earth Science post`). `topic`, `paragraphs` and
    `paragraph` are the words of BRIGHT's prompts for bge and instructor (xlang-ai/BRIGHT
    af2edba, configs/): the slug before `post`, else the kind's first word; and passages by
    another name.
    """
    kind, noun = wording.query_kind, wording.query_noun
    paragraphs = "paragraphs" if wording.document_noun == "passages" else wording.document_noun
    return {
        "slug": wording.slug,
        "name": wording.name,
        "query_kind": kind,
        "a_query_kind": with_article(kind),
        "slug_kind": wording.slug_kind or kind,
        "query_noun": noun,
        "document_noun": wording.document_noun,
        "topic": wording.slug if noun == "post" else kind.removesuffix(noun).strip() or kind,
        "paragraphs": paragraphs,
        "paragraph": paragraphs.removesuffix("s"),
    }


def with_article(noun: str) -> str:
    """Return the noun phrase with `a` or `an` before it, by its first letter."""
    return f"an {noun}" if noun[:1].lower() in "aeiou" else f"a {noun}"


def render(card: ModelCard, role: Role, wording: Wording) -> str:
    """Return the text that goes before each input of `role`.

    Raises `BadInput` for a template that names an unknown field or is malformed.
    """
    template = card.query_instruction if role == "query" else card.document_instruction
    if not template:
        return ""
    values = template_values(wording)
    try:
        return string.Formatter().vformat(template, (), values)
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        raise BadInput(
            f"the {role} instruction of model {card.name!r} cannot be filled in: {error!r}",
            fix=f"Templates may name {', '.join('{' + name + '}' for name in values)}.",
        ) from error
