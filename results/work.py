"""The work behind an entry, counted whole: what a store held counts like what was computed.

Seconds of two entries compare only if both computed everything. Tokens, pairs and calls always do,
so they are what quality is held against.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from harness.core.types import Json

if TYPE_CHECKING:
    from results.schema import Entry

WORK = "work"
"""The fact of an entry that is made of others (a pipeline, a fusion, a reranking)."""


@dataclass(frozen=True, slots=True)
class Work:
    """What answering a task's queries takes; `None` where it is not known.

    Documents are encoded once for a collection: `index_tokens`. For its queries, models read
    `query_tokens` (queries and rewrites that are encoded), `pair_tokens` of `pairs` of query and
    passage, and chat models `prompt_tokens` and `reply_tokens` in `calls`, replies of no use
    included. Tokens are counted after truncation. `cost` is money, by the prices that were given
    (`None`: none were, or not for everything that is charged). `kept` names what of it was read
    from a store when it was measured, so that its seconds say too little.
    """

    queries: int = 0
    index_tokens: int | None = 0
    query_tokens: int | None = 0
    pairs: int = 0
    pair_tokens: int | None = 0
    calls: int = 0
    prompt_tokens: int = 0
    reply_tokens: int = 0
    cost: float | None = None
    kept: tuple[str, ...] = ()

    @property
    def model_tokens(self) -> int | None:
        """Return all tokens that models read or write to answer the queries."""
        parts = (self.query_tokens, self.pair_tokens, self.prompt_tokens, self.reply_tokens)
        return _sum(parts)

    @property
    def tokens_per_query(self) -> float | None:
        """Return the mean of `model_tokens` over queries."""
        return _per(self.model_tokens, self.queries)

    @property
    def cost_per_thousand(self) -> float | None:
        """Return money for a thousand queries."""
        found = _per(self.cost, self.queries)
        return None if found is None else 1_000 * found

    @property
    def free(self) -> bool:
        """Tell whether nobody charges for any of it by the call: no chat model is asked."""
        return not self.calls

    @property
    def json(self) -> dict[str, Json]:
        """The work as an entry's facts hold it."""
        return {**asdict(self), "kept": list(self.kept)}


def together(parts: Iterable[Work]) -> Work:
    """Return the sum of parts: of one system on several tasks, or of stages without `queries`.

    Money is the sum of what is charged; it is not known if a chat model is among the parts that
    nobody gave a price for.
    """
    works = list(parts)
    charged = [each.cost for each in works if each.cost is not None or not each.free]
    known = [cost for cost in charged if cost is not None]
    return Work(
        queries=sum(each.queries for each in works),
        index_tokens=_sum(each.index_tokens for each in works),
        query_tokens=_sum(each.query_tokens for each in works),
        pairs=sum(each.pairs for each in works),
        pair_tokens=_sum(each.pair_tokens for each in works),
        calls=sum(each.calls for each in works),
        prompt_tokens=sum(each.prompt_tokens for each in works),
        reply_tokens=sum(each.reply_tokens for each in works),
        cost=math.fsum(known) if known and len(known) == len(charged) else None,
        kept=tuple(dict.fromkeys(name for each in works for name in each.kept)),
    )


def on_queries(parts: Iterable[Work | None], queries: int) -> Work | None:
    """Return the sum of parts that answer the same queries; `None` if one is not known."""
    works = list(parts)
    known = [each for each in works if each is not None]
    return replace(together(known), queries=queries) if len(known) == len(works) else None


def work_of(entry: Entry) -> Work | None:
    """Return the work behind an entry; `None` where its facts do not tell.

    That is so for run files, and for entries that earlier releases made of others.
    """
    stored = entry.facts.get(WORK)
    if isinstance(stored, Mapping):
        names = {each.name for each in fields(Work)}
        values: dict[str, Any] = {key: value for key, value in stored.items() if key in names}
        return Work(**{**values, "kept": tuple(values.get("kept") or ())})
    if "pipeline" in entry.identity:
        return None
    found = retrieval_work(entry.facts)
    return None if found is None else replace(found, queries=entry.task.n_queries)


def retrieval_work(facts: Mapping[str, Json]) -> Work | None:
    """Return the work of a search by its retriever's facts, of all versions of the queries."""
    versions = facts.get("versions")
    if isinstance(versions, list):
        found = [retrieval_work(each) if isinstance(each, Mapping) else None for each in versions]
        sums = on_queries(found, 0)
        first = found[0] if found else None
        if sums is None or first is None:
            return None
        # The documents are the same for each version: the first had them encoded, or found them.
        return replace(sums, index_tokens=first.index_tokens, kept=first.kept)
    documents, asked = facts.get("documents"), facts.get("queries")
    if isinstance(documents, int) and "terms" in facts:
        return Work()  # a lexical index: no model reads anything
    if not isinstance(documents, Mapping) or not isinstance(asked, Mapping):
        return None
    tokens, usage = _read_tokens(asked), facts.get("usage")
    price = _number(usage, "price") if isinstance(usage, Mapping) else 0.0
    return Work(
        index_tokens=_read_tokens(documents),
        query_tokens=tokens,
        cost=price * tokens / 1e6 if price and tokens is not None else None,
        kept=("vectors",) if _number(documents, "reused") + _number(asked, "reused") else (),
    )


def rerank_work(facts: Mapping[str, Json]) -> Work:
    """Return the work of a reranking by its facts, without the stage before."""
    if "prompt_tokens" in facts:
        return chat_work(facts)
    tokens, reused = facts.get("pair_tokens"), _number(facts, "pairs_reused")
    return Work(
        pairs=int(_number(facts, "pairs_scored") + reused),
        pair_tokens=tokens if isinstance(tokens, int) else None,
        kept=("scores",) if reused else (),
    )


def chat_work(facts: Mapping[str, Json]) -> Work:
    """Return the work of asking a chat model, and of the searches for what it reads."""
    searches = facts.get("searches")
    found = [
        retrieval_work(each) if isinstance(each, Mapping) else None
        for each in (searches if isinstance(searches, list) else [])
    ]
    return Work(
        # The documents of these searches are counted where their retriever searches first.
        query_tokens=_sum(None if each is None else each.query_tokens for each in found),
        calls=int(_number(facts, "calls")),
        prompt_tokens=int(_number(facts, "prompt_tokens")),
        reply_tokens=int(_number(facts, "reply_tokens")),
        cost=_number(facts, "cost") or None,
        kept=("replies",) if _number(facts, "calls_kept") else (),
    )


def _read_tokens(facts: Mapping[str, Json]) -> int | None:
    """Return the tokens that a model reads for all texts; earlier entries tell if none was cut."""
    read, tokens = facts.get("read_tokens"), facts.get("tokens")
    if isinstance(read, int):
        return read
    return tokens if isinstance(tokens, int) and facts.get("truncated") == 0 else None


def _number(values: Mapping[str, Json], key: str) -> float:
    found = values.get(key)
    return float(found) if isinstance(found, int | float) else 0.0


def _sum(values: Iterable[int | None]) -> int | None:
    """Return the sum, `None` if a part of it is not known."""
    total = 0
    for value in values:
        if value is None:
            return None
        total += value
    return total


def _per(value: float | None, count: int) -> float | None:
    return None if value is None or not count else value / count
