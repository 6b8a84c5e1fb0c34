"""docs/redapter.md: its table of keys is that of the recipe, defaults included."""

from __future__ import annotations

import json
import re
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

from redapter.config import RunConfig

PAGE = Path(__file__).resolve().parents[2] / "docs" / "redapter.md"
ROW = re.compile(r"^\| `([a-z_.0-9]+)` \|(.*?)\|", re.MULTILINE)
SPELLED_OUT = {"lora.targets": "the seven projections"}


def keys(kind: type, prefix: str = "") -> dict[str, Any]:
    """Return dotted key -> default (`MISSING`: none) of a recipe's dataclass."""
    hints = get_type_hints(kind)
    result: dict[str, Any] = {}
    for each in fields(kind):  # type: ignore[arg-type]
        if is_dataclass(hints[each.name]):
            result |= keys(hints[each.name], f"{prefix}{each.name}.")
        else:
            made = each.default_factory is not MISSING
            result[prefix + each.name] = each.default_factory() if made else each.default
    return result


def written(value: Any) -> str:
    """Return a default as the table writes it; an empty one has to be filled in."""
    if value is MISSING:
        return ""
    plain = list(value) if isinstance(value, tuple) else value
    return f"`{json.dumps(plain)}`"


def test_every_key_of_a_recipe_is_in_the_table_with_its_default():
    _, _, section = PAGE.read_text(encoding="utf-8").partition("## Every key")
    table = dict(ROW.findall(section))
    expected = {key: SPELLED_OUT.get(key, written(value)) for key, value in keys(RunConfig).items()}
    expected["model.base"] = ""
    assert {key: value.strip() for key, value in table.items()} == expected
