"""Instructions: a card's template filled with a task's words."""

from __future__ import annotations

import string

from harness.core.errors import BadInput
from harness.core.types import PromptFields, Role
from models.card import ModelCard


def template_values(prompt_fields: PromptFields) -> dict[str, str]:
    """Return what a template may name, filled in for one task: the one list of fields.

    `a_query_kind` carries its article (`an Earth Science post`). `topic`, `paragraphs` and
    `paragraph` are the words of BRIGHT's prompts for bge and instructor (xlang-ai/BRIGHT
    af2edba, configs/): the slug before `post`, else the kind's first word; and passages by
    another name.
    """
    kind, noun = prompt_fields.query_kind, prompt_fields.query_noun
    paragraphs = (
        "paragraphs" if prompt_fields.document_noun == "passages" else prompt_fields.document_noun
    )
    return {
        "slug": prompt_fields.slug,
        "name": prompt_fields.name,
        "query_kind": kind,
        "a_query_kind": with_article(kind),
        "slug_kind": prompt_fields.slug_kind or kind,
        "query_noun": noun,
        "document_noun": prompt_fields.document_noun,
        "topic": prompt_fields.slug if noun == "post" else _without(kind, noun) or kind,
        "paragraphs": paragraphs,
        "paragraph": paragraphs.removesuffix("s"),
    }


def with_article(noun: str) -> str:
    """Return the noun phrase with `a` or `an` before it, by its first letter."""
    return f"an {noun}" if noun[:1].lower() in "aeiou" else f"a {noun}"


def _without(kind: str, noun: str) -> str:
    """Return a kind without the noun at its end, in whatever case: `Clinical` of a case."""
    return kind[: -len(noun)].strip() if kind.lower().endswith(noun.lower()) else kind


def escape_template(text: str) -> str:
    """Return a template that renders to the text as it is, braces included."""
    return text.replace("{", "{{").replace("}", "}}")


def render(card: ModelCard, role: Role, prompt_fields: PromptFields) -> str:
    """Return the text that goes before each input of `role`.

    Raises `BadInput` for a template that names an unknown field or is malformed.
    """
    template = card.query_instruction if role == "query" else card.document_instruction
    if not template:
        return ""
    values = template_values(prompt_fields)
    template = _reworded(template, prompt_fields)
    try:
        return string.Formatter().vformat(template, (), values)
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        raise BadInput(
            f"the {role} instruction of model {card.name!r} cannot be filled in: {error!r}",
            fix=f"Templates may name {', '.join('{' + name + '}' for name in values)}.",
        ) from error


def _reworded(template: str, prompt_fields: PromptFields) -> str:
    """Return a template in a task's own words for "relevant documents that help answer".

    R2MED's clinical tasks ask for "similar cases that help diagnose the case".
    """
    template = template.replace(
        "relevant {document_noun}", f"{prompt_fields.document_kind} {{document_noun}}"
    )
    return template.replace("help answer", f"help {prompt_fields.purpose}")
