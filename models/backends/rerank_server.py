"""Rerankers behind a server: `/v1/rerank`, `/v2/rerank`, vLLM's `/score`, and TEI's `/rerank`."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.core.errors import BadInput, ModelError
from harness.core.http import Answer, Endpoint, Failure, HttpClient, Trouble, host_of
from harness.core.retry import RetryPolicy
from harness.core.secrets import NO_KEY, Secret
from harness.core.types import Json

if TYPE_CHECKING:
    from harness.core.types import FloatVector

BATCH = 32
"""Passages of one request."""
CONCURRENCY = 8
ATTEMPTS = 8
TIMEOUT = 120.0

PROBE = ("The tide follows the moon.", "Yeast makes dough rise.")
"""Texts that are scored against themselves: a server that gives 1 to both compares vectors."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one kind of server is asked and read.

    `body` makes a request of (model, query, passages), `rows` takes the list of results out of a
    reply, `score` names a result's number. `raw` tells that logits come back; otherwise what comes
    back went through the server's own activation.
    """

    name: str
    body: Callable[[str, str, Sequence[str]], dict[str, Json]]
    rows: Callable[[Any], Any]
    score: str
    raw: bool


def _results(reply: Any) -> Any:
    return reply["results"]


_VLLM_RERANK = Dialect(
    "vllm rerank",
    lambda model, query, passages: {
        "model": model, "query": query, "documents": list(passages),
        "top_n": len(passages), "use_activation": False,
    },
    _results, "relevance_score", raw=True,
)  # fmt: skip
_HOSTED_RERANK = Dialect(
    "hosted rerank",
    lambda model, query, passages: {
        "model": model, "query": query, "documents": list(passages), "top_n": len(passages),
    },
    _results, "relevance_score", raw=False,
)  # fmt: skip
_VLLM_SCORE = Dialect(
    "vllm score",
    lambda model, query, passages: {
        "model": model, "text_1": query, "text_2": list(passages), "use_activation": False,
    },
    lambda reply: reply["data"], "score", raw=True,
)  # fmt: skip
_TEI = Dialect(
    "tei rerank",
    lambda model, query, passages: {
        "query": query, "texts": list(passages), "raw_scores": True, "truncate": True,
    },
    lambda reply: reply, "score", raw=True,
)  # fmt: skip


def dialect_of(url: str, *, hosted: bool) -> Dialect:
    """Return how the server at a URL is spoken to; raises `BadInput` for another path.

    `/v1/rerank` and `/v2/rerank` are spoken by vLLM and, `hosted` (a key is sent), by Jina and
    Cohere, which apply an activation of their own and refuse fields they do not know.
    """
    path = url.rstrip("/")
    if path.endswith(("/v1/rerank", "/v2/rerank")):
        return _HOSTED_RERANK if hosted else _VLLM_RERANK
    if path.endswith("/score"):
        return _VLLM_SCORE
    if path.endswith("/rerank"):
        return _TEI
    raise BadInput(
        f"{host_of(url)} is no address of a reranker",
        fix="End it in /v1/rerank, /v2/rerank, /score (vLLM) or /rerank (TEI).",
    )


class ServerReranker:
    """Scores pairs through a server; each request holds one query and up to 32 passages.

    `model` is the name sent, and the one that the server must answer under; TEI, which is sent no
    name, must give it at `/info`. Raises `BadInput` for an address that is none.
    """

    def __init__(self, url: str, model: str, key: Secret = NO_KEY) -> None:
        head, _, last = url.rstrip("/").rpartition("/")
        self._dialect = dialect_of(url, hosted=bool(key))
        self._endpoint = Endpoint(head, TIMEOUT, CONCURRENCY, key)
        self._path = f"/{last}"
        if not model:
            raise BadInput(
                f"{host_of(url)} serves models by name, and none is given",
                fix="Name it with --server-model.",
            )
        self._model = model
        self.name = model.rpartition("/")[2]

    @property
    def identity(self) -> Mapping[str, Json]:
        """What changes a score, as far as a server lets itself be told."""
        return {
            "model": self._model,
            "server": self._endpoint.host + self._path,
            "backend": self._dialect.name,
            "activation": "none" if self._dialect.raw else "the server's",
        }

    def scores(self, pairs: Sequence[tuple[str, str]]) -> FloatVector:
        """Return the server's score of each (query, passage): float32 `[n]`.

        Raises `ModelError` for a failure that does not pass, a reply that does not fit, another
        model's name, and a server whose model is no cross-encoder.
        """
        _ = self._is_served, self._is_cross_encoder
        batches = list(_batches(pairs))
        found = np.empty(len(pairs), dtype=np.float32)
        stop = threading.Event()
        self._client.open()
        with ThreadPoolExecutor(CONCURRENCY) as pool:
            waiting = [pool.submit(self._ask, pairs, places, stop) for places in batches]
            try:
                for places, done in zip(batches, waiting, strict=True):
                    found[places] = done.result()
            except BaseException:
                stop.set()
                raise
        return found

    @cached_property
    def _is_served(self) -> bool:
        """True unless TEI, whose replies name no model, serves another one."""
        if self._dialect is _TEI:
            served = self._client.get("/info", _model_id, threading.Event())
            if isinstance(served, Failure):
                raise ModelError(
                    f"{self._endpoint.host}/info {served.reason}",
                    fix="Check the address: text-embeddings-inference says there what it serves.",
                )
            if served != self._model:
                raise ModelError(
                    f"{self._endpoint.host} serves {served!r}, not {self._model!r}",
                    fix=f"Pass --server-model {served}, or the address of the other server.",
                )
        return True

    @cached_property
    def _is_cross_encoder(self) -> bool:
        """True unless both probes score 1 with themselves, as the cosine of vectors does."""
        if self._dialect.raw and self._dialect is not _TEI:
            own = [self._ask([(text, text)], [0], threading.Event())[0] for text in PROBE]
            if all(abs(score - 1) < 1e-3 for score in own):
                raise ModelError(
                    f"{self._model!r} at {self._endpoint.host} gives a text the score 1 with "
                    "itself: it compares vectors and is no cross-encoder",
                    fix="Serve a reranker; an embedder is measured with `rebench eval --model`.",
                )
        return True

    @cached_property
    def _client(self) -> HttpClient:
        return HttpClient(self._endpoint, RetryPolicy(ATTEMPTS))

    def _ask(
        self, pairs: Sequence[tuple[str, str]], places: Sequence[int], stop: threading.Event
    ) -> list[float]:
        """Return the scores of pairs with one query, in their order."""
        passages = [pairs[at][1] for at in places]
        body = self._dialect.body(self._model, pairs[places[0]][0], passages)
        content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        outcome = self._client.post(
            self._path, content, lambda answer: self._read(answer, len(passages)), stop
        )
        if isinstance(outcome, Failure):
            raise ModelError(
                f"the reranker at {self._endpoint.host}{self._path} {outcome.reason}",
                fix="Check the address, the model's name and that the server runs; scores that "
                "came are kept.",
            )
        return outcome

    def _read(self, answer: Answer, count: int) -> list[float] | Failure:
        """Return the scores of a reply, put into the order of the passages by `index`."""
        try:
            reply = answer.json()
            rows = self._dialect.rows(reply)
            by_index = {int(row["index"]): float(row[self._dialect.score]) for row in rows}
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
            return Failure(Trouble.REPLY, f"sent a reply that cannot be read ({error!r})")
        named = reply.get("model") if isinstance(reply, dict) else None
        if isinstance(named, str) and named and named != self._model:
            return Failure(Trouble.OTHER, f"answered as {named!r}, not as {self._model!r}")
        if sorted(by_index) != list(range(count)) or len(rows) != count:
            return Failure(
                Trouble.REPLY, f"sent {len(rows)} scores for {count} passages, or wrong indices"
            )
        return [by_index[at] for at in range(count)]


def _model_id(answer: Answer) -> str | Failure:
    """Return the model that TEI says it serves."""
    try:
        return str(answer.json()["model_id"])
    except (ValueError, KeyError, TypeError) as error:
        return Failure(Trouble.REPLY, f"names no model ({error!r})")


def _batches(pairs: Sequence[tuple[str, str]]) -> list[list[int]]:
    """Return places of pairs, those of one query together, up to `BATCH` at once."""
    by_query: dict[str, list[int]] = {}
    for at, (query, _) in enumerate(pairs):
        by_query.setdefault(query, []).append(at)
    return [
        places[first : first + BATCH]
        for places in by_query.values()
        for first in range(0, len(places), BATCH)
    ]
