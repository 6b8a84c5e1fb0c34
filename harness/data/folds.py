"""Folds: which fifth of a task's queries a query belongs to, the same everywhere and for good.

What is chosen by looking at scores (weights, depths, prompts) is chosen on some folds and reported
on another. BRIGHT has no official split; docs/protocol.md writes this one down.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TypeVar

from harness.core.errors import BadInput

FOLDS = 5
FOLDS_VERSION = 1
"""Raised if the assignment ever changes; entries that were tuned hold it."""

T = TypeVar("T")


def fold_of(task: str, query_id: str) -> int:
    """Return a query's fold, 0 to 4: SHA-256 of task, NUL and query id (UTF-8), modulo 5.

    The digest is read as one big-endian number. Ids of queries are unique within a task only.
    """
    digest = hashlib.sha256(f"{task}\0{query_id}".encode("utf-8", "surrogatepass"))
    return int(digest.hexdigest(), 16) % FOLDS


def check_fold(fold: int) -> int:
    """Return a fold's number as it is; raises `BadInput` outside 0 to 4."""
    if not 0 <= fold < FOLDS:
        raise BadInput(f"fold {fold} does not exist", fix=f"Folds are numbered 0 to {FOLDS - 1}.")
    return fold


def only_fold(values: Mapping[str, T], task: str, fold: int) -> dict[str, T]:
    """Return a task's values by query id, cut to the queries of one fold."""
    return {qid: value for qid, value in values.items() if fold_of(task, qid) == fold}
