"""The head of a table of published rows, as results/published has them."""

from __future__ import annotations

import json
from collections.abc import Sequence


def published_head(tasks: Sequence[str]) -> str:
    """Return the head of a table whose rows have a percentage for each of some BRIGHT tasks."""
    return f"""
scale = 100
group = "bright"
metric = "ndcg@10"
query_set = "original"
source = "a paper"
date = "2026-04-22"
protocol = "as printed"
gold = "current"
tasks = {json.dumps(tasks)}
"""
