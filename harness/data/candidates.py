"""Fixed candidate lists of a task, as a run that a reranker can take."""

from __future__ import annotations

from harness.core.errors import BadInput, UnknownName
from harness.core.types import Ranking, Run, Task


def candidate_run(task: Task, name: str = "") -> Run:
    """Return one of a task's candidate lists as a run over its judged queries.

    A list's order is its ranking: documents of a list of n score n, n - 1, …, 1. What a query
    excludes is left out. `name` may be left out where the task has one list only. Raises
    `BadInput` for a task without lists, or several and no name, and `UnknownName`.
    """
    import numpy as np

    lists = task.candidates
    if not lists:
        raise BadInput(
            f"task {task.name!r} has no candidate lists",
            fix="Give a run to rerank: a measured system or a run file.",
        )
    listing = f"Its lists: {', '.join(lists)}."
    if not name and len(lists) > 1:
        raise BadInput(f"task {task.name!r} has {len(lists)} candidate lists", fix=listing)
    chosen = lists.get(name or next(iter(lists)))
    if chosen is None:
        raise UnknownName("candidate list", name, lists, listing=listing)
    rankings = {}
    for qid in task.qrels:
        left_out = task.excluded.get(qid, frozenset())
        documents = tuple(doc for doc in chosen.get(qid, ()) if doc not in left_out)
        if documents:
            scores = np.arange(len(documents), 0, -1, dtype=np.float32)
            rankings[qid] = Ranking(documents, scores)
    return Run(rankings)
