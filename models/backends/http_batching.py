"""Batch texts into requests, send them concurrently, and reassemble vectors in input order."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.core.errors import ModelError
from harness.core.http import Answer, Failure, HttpClient, Trouble
from harness.core.types import Json, Usage
from models.backends.http_options import HttpOptions
from models.backends.http_reply import Reply, read_reply

if TYPE_CHECKING:
    from harness.core.types import FloatMatrix

UNREADABLE_ATTEMPTS = 3
"""Tries for a complete reply that is not JSON: a gateway's error page may pass, a wrong URL not."""

_ADVICE = {
    Trouble.UNREACHED: "Check that it runs and that base_url is right; raise options.timeout "
    "({timeout:g} s) if it is only slow. What is finished is kept.",
    Trouble.PASSING: "Try later, or lower options.concurrency. What is finished is kept.",
    Trouble.REFUSED: "If texts are too long, set options.tokenizer and the card's lengths; if a "
    "field is unknown to the server, remove it from the card's options.",
    Trouble.KEY: "Check the key in the environment variable {variable}.",
    Trouble.CREDIT: "The account has no credit left; add some.",
    Trouble.REPLY: "Check base_url: it must end before /embeddings.",
    Trouble.STOPPED: "Fix what the other request reports.",
}
"""What to do about each kind of trouble; the rest is a wrong address."""


@dataclass(frozen=True, slots=True)
class _TextRange:
    """Texts `start` to `stop` of a batch, sent as one request."""

    start: int
    stop: int

    @property
    def size(self) -> int:
        return self.stop - self.start

    def halves(self) -> list[_TextRange]:
        middle = (self.start + self.stop) // 2
        return [_TextRange(self.start, middle), _TextRange(middle, self.stop)]


class EmbeddingRequests:
    """Sends texts within the limits of `options`; counts what the server billed."""

    def __init__(self, options: HttpOptions, client: HttpClient) -> None:
        self._options = options
        self._client = client
        self._server = f"the server at {options.host}"
        self._lock = threading.Lock()
        self._tokens = 0
        self._unreported = 0

    @property
    def usage(self) -> Usage:
        """Return requests, retries, tokens and price so far."""
        return Usage(
            requests=self._client.requests,
            retries=self._client.retries,
            tokens=self._tokens,
            unreported=self._unreported,
            price=self._options.price_per_million_tokens,
        )

    def embed(
        self, inputs: Sequence[str], counts: Sequence[int], fields: Mapping[str, Json]
    ) -> FloatMatrix:
        """Return float32 `[n, d]`, n of 1 or more, in the order of `inputs`, as the server scaled.

        `counts` are the inputs' tokens, by which requests are packed; `fields` are added to each
        request's body. Raises `ModelError`, and then sends nothing more.
        """
        self._client.open()
        batches = pack(counts, self._options.batch_size, self._options.request_tokens)
        vectors: dict[int, FloatMatrix] = {}
        stop = threading.Event()
        pool = ThreadPoolExecutor(min(self._options.concurrency, len(batches)))
        try:
            futures = {
                pool.submit(self._batch, inputs[batch], fields, stop): place
                for place, batch in enumerate(batches)
            }
            for future in as_completed(futures):
                vectors[futures[future]] = future.result()
        finally:
            # After a failure nobody waits for the replies that are still on their way.
            stop.set()
            pool.shutdown(wait=len(vectors) == len(batches), cancel_futures=True)
        return self._stacked([vectors[place] for place in range(len(batches))])

    def _batch(
        self, inputs: Sequence[str], fields: Mapping[str, Json], stop: threading.Event
    ) -> FloatMatrix:
        """Return the vectors of one batch; a part that the server refuses is halved.

        So a limit on texts or tokens that the card does not know costs requests, not the run, and
        the text that is at fault gets named. Both halves are tried before either is halved again:
        if one of them succeeds, the fault is in the other. `2 log2(n)` requests in a row without
        a success mean that the server fails whatever it is sent.
        """
        vectors: dict[int, FloatMatrix] = {}
        groups = [[_TextRange(0, len(inputs))]]
        allowed = max(4, 2 * math.ceil(math.log2(len(inputs))))
        in_a_row = 0
        while groups:
            failed: dict[_TextRange, Failure] = {}
            for part in groups.pop():
                outcome = self._send(inputs[part.start : part.stop], fields, stop, len(inputs))
                if isinstance(outcome, Failure):
                    in_a_row += outcome.tries
                    failed[part] = outcome
                    if not _may_be_too_much(outcome):
                        raise self._error(outcome)
                    if in_a_row > allowed and len(inputs) > 1:
                        raise self._error(outcome, requests=in_a_row)
                else:
                    vectors[part.start] = outcome.vectors
                    in_a_row = 0
            for part, failure in failed.items():
                # A 500 for everything sent so far says nothing about this one text.
                if part.size == 1 and failure.status == 500 and not vectors and len(inputs) > 1:
                    raise self._error(failure, requests=in_a_row)
                if part.size == 1:
                    raise self._error(failure, text=inputs[part.start])
            groups += [part.halves() for part in reversed(failed)]
        return self._stacked([vectors[start] for start in sorted(vectors)])

    def _send(
        self,
        inputs: Sequence[str],
        fields: Mapping[str, Json],
        stop: threading.Event,
        batch_size: int,
    ) -> Reply | Failure:
        """Return the reply to one request, or the last failure.

        A status of 500 is asked about twice for a whole batch and for a text alone, and once for
        what lies between: there the halves are the second try.
        """
        content = json.dumps({**fields, "input": list(inputs)}, ensure_ascii=False).encode()
        attempts = 0 if batch_size == 1 else 2 if len(inputs) in (1, batch_size) else 1

        def read(answer: Answer) -> Reply | Failure:
            try:
                payload = answer.json()
            except ValueError as error:
                reason = f"sent what is not JSON ({error}): {answer.text[:200]!r}"
                return Failure(Trouble.REPLY, reason, UNREADABLE_ATTEMPTS)
            return read_reply(payload, len(inputs), self._server)

        outcome = self._client.post(
            "embeddings",
            content,
            read,
            stop,
            attempts_of=lambda failure: attempts if failure.status == 500 else failure.attempts,
        )
        if isinstance(outcome, Reply):
            self._check_model(outcome.model)
            with self._lock:
                self._tokens += outcome.tokens or 0
                self._unreported += outcome.tokens is None
        return outcome

    def _error(self, failure: Failure, *, text: str = "", requests: int = 0) -> ModelError:
        """Return the error for a failure, with the text at fault or the requests in a row."""
        said = f"{self._server} {failure.reason}"
        if text:
            said += f" (for the text {text[:60]!r}, {len(text):,} characters)"
            return ModelError(said, fix=self._fix(Trouble.REFUSED))
        if requests:
            said = f"{said} ({requests} requests in a row, of ever fewer texts)"
        return ModelError(said, fix=self._fix(failure.trouble))

    def _fix(self, trouble: Trouble) -> str:
        options = self._options
        if trouble is Trouble.KEY and not options.api_key_env:
            return "Name the environment variable that holds the key in options.api_key_env."
        advice = _ADVICE.get(trouble, "Check base_url and the model's name.")
        return advice.format(timeout=options.timeout, variable=options.api_key_env)

    def _stacked(self, parts: Sequence[FloatMatrix]) -> FloatMatrix:
        """Return one matrix; raises `ModelError` if the vectors are not equally long."""
        import numpy as np

        lengths = sorted({part.shape[1] for part in parts})
        if len(lengths) > 1:
            raise ModelError(
                f"{self._server} returned vectors of {' and '.join(map(str, lengths))} components",
                fix="Two models answer under one name, or the server is being changed: fix it.",
            )
        return np.concatenate(parts)

    def _check_model(self, reported: str) -> None:
        """Raise `ModelError` if the server names another model than the vectors' space does."""
        wanted = self._options.reported_model or self._options.model
        if reported and not same_model(reported, wanted):
            raise ModelError(
                f"{self._server} says that it runs {reported!r}, not {wanted!r}",
                fix=f"If that is right, set options.reported_model = {reported!r} in the card; "
                "its vectors are then kept apart from any other model's.",
            )


def _may_be_too_much(failure: Failure) -> bool:
    """Return True if fewer texts might succeed where these failed."""
    return failure.trouble is Trouble.REFUSED or failure.status == 500


def pack(counts: Sequence[int], texts: int, tokens: int) -> list[slice]:
    """Return slices of at most `texts` texts and `tokens` tokens; a longer text has its own."""
    parts = []
    start = held = 0
    for place, count in enumerate(counts):
        if place > start and (place - start >= texts or held + count > tokens):
            parts.append(slice(start, place))
            start, held = place, 0
        held += count
    if counts:
        parts.append(slice(start, len(counts)))
    return parts


def same_model(one: str, other: str) -> bool:
    """Return True if two names are equal but for case, folder and `:latest`."""
    one, other = (name.lower().removesuffix(":latest").rstrip("/") for name in (one, other))
    return one == other or one.endswith(f"/{other}") or other.endswith(f"/{one}")
