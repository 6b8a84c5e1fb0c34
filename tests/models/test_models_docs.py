"""docs/models.md: its tables hold every field of a card, of an endpoint and of a reranker."""

from __future__ import annotations

import json
import re
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

import pytest

from models.backends.http_options import HttpOptions
from models.card import ModelCard
from models.prompts import template_values
from models.rerankers.card import RerankerCard, RerankerSampling

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `([a-z_.0-9]+)` \|(.*?)\|", re.MULTILINE)


def rows(section: str) -> dict[str, str]:
    """Return field -> default of the table under a heading."""
    _, _, rest = PAGE.partition(f"{section}\n")
    body = re.split(r"^#", rest, maxsplit=1, flags=re.MULTILINE)[0]
    return {key: value.strip() for key, value in ROW.findall(body)}


def written(field: Field[Any]) -> str:
    """Return a default as the table writes it; none, and one that is unknown, stay empty."""
    made = field.default_factory is not MISSING
    value = field.default_factory() if made else field.default  # type: ignore[misc]
    if value is MISSING or value is None:
        return ""
    if isinstance(value, RerankerSampling):
        return "`{}`"
    return f"`{json.dumps(list(value) if isinstance(value, tuple) else value)}`"


def expected(kind: Any, prefix: str = "") -> dict[str, str]:
    return {prefix + each.name: written(each) for each in fields(kind)}


@pytest.mark.parametrize(
    ("section", "table"),
    [
        ("### Every field", expected(ModelCard)),
        ("### HTTP", expected(HttpOptions)),
        (
            "## A reranker's card",
            {**expected(RerankerCard), **expected(RerankerSampling, "sampling.")},
        ),
    ],
)
def test_every_field_is_in_the_table_with_its_default(section, table):
    assert rows(section) == table


def test_every_field_of_a_template_is_named():
    from harness.data.bright_tasks import TASKS

    task = next(iter(TASKS.values()))
    named = set(re.findall(r"`\{([a-z_]+)\}`", PAGE.partition("### Instructions")[2]))
    assert set(template_values(task.prompt_fields)) <= named
