"""A per-query file as values: of all metrics, or of one at a fraction of the work."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from harness.core.errors import BadInput, StoreError
from harness.core.files import parse_json
from results.strict_object import is_finite_number

PerQuery: TypeAlias = Mapping[str, Mapping[str, float]]
"""Metric -> query id -> value."""

AGAIN = "Measure again with --force."
_DECODER = json.JSONDecoder()


def damaged(path: Path, problem: str) -> StoreError:
    """Return the error for a stored file that cannot be what was saved."""
    return StoreError(f"{path}: {problem}", fix=AGAIN)


def parsed(text: str, path: Path) -> Any:
    """Return a JSON text's value; absurd nesting and digits are faults like any other."""
    try:
        # Numbers are checked by who reads them, with the metric and the query in the message.
        return parse_json(text, str(path), finite=False)
    except BadInput as error:
        raise StoreError(error.message, fix=AGAIN) from error


def all_metrics(text: str, path: Path) -> PerQuery:
    """Return the values of every metric; raises `StoreError`."""
    return checked_metrics(parsed(text, path), path)


def checked_metrics(value: Any, path: Path) -> PerQuery:
    """Return a JSON value that maps metric to query to number; raises `StoreError`."""
    if not isinstance(value, dict) or not all(isinstance(row, dict) for row in value.values()):
        raise damaged(path, "should map each metric to an object of queries")
    for metric, row in value.items():
        _check_numbers(metric, row, path)
    values: PerQuery = value
    return values


def one_metric(text: str, metric: str, path: Path) -> Mapping[str, float]:
    """Return the values of one metric, leaving the others unread; raises `StoreError`.

    In compact JSON a comma or brace right before a quoted name is outside of any text, where a
    quote would have to be escaped: so the name is a key, and its object starts right behind it.
    """
    key = f"{json.dumps(metric)}:{{"
    at = 0 if text.startswith("{" + key) else text.find("," + key)
    if at < 0:  # written otherwise, or not there
        found = all_metrics(text, path).get(metric)
        if found is None:
            raise damaged(path, f"has no values of {metric}")
        return found
    try:
        row: dict[str, float] = _DECODER.raw_decode(text, at + len(key))[0]
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"not JSON ({error})") from error
    _check_numbers(metric, row, path)
    return row


def _check_numbers(metric: str, row: Mapping[str, Any], path: Path) -> None:
    """Raise for a value that is no finite number; the usual case takes no step of ours a value."""
    if set(map(type, row.values())) <= {float} and all(map(math.isfinite, row.values())):
        return
    for query, number in row.items():
        if not is_finite_number(number):
            raise damaged(path, f"key {metric}.{query} is no number: {number!r}")
