"""Many texts to one endpoint: packed into requests, sent at once, put together in order."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING

from harness.core.errors import ModelError
from harness.core.types import Json, Usage
from models.http_client import EmbeddingsClient, RequestRefused
from models.http_options import HttpOptions
from models.http_reply import read_reply

if TYPE_CHECKING:
    from harness.core.types import FloatMatrix


class EmbeddingRequests:
    """Sends texts within the limits of `options`; counts what the server billed.

    `dimension` is the length vectors must have (0: any).
    """

    def __init__(self, options: HttpOptions, client: EmbeddingsClient, dimension: int) -> None:
        self._options = options
        self._client = client
        self._dimension = dimension
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
        """Return float32 `[n, d]` in the order of `inputs`, as the server scaled them.

        `counts` are the inputs' tokens, by which requests are packed; `fields` are added to each
        request's body. Raises `ModelError`, and then sends nothing more.
        """
        import numpy as np

        if not inputs:
            return np.zeros((0, self._dimension), dtype=np.float32)
        self._client.open()
        parts = pack(counts, self._options.batch_size, self._options.request_tokens)
        found: dict[int, FloatMatrix] = {}
        stop = threading.Event()
        pool = ThreadPoolExecutor(min(self._options.concurrency, len(parts)))
        try:
            futures = {
                pool.submit(self._send, inputs[part], fields, stop): place
                for place, part in enumerate(parts)
            }
            for future in as_completed(futures):
                found[futures[future]] = future.result()
        finally:
            # After a failure nobody waits for the replies that are still on their way.
            stop.set()
            pool.shutdown(wait=len(found) == len(parts), cancel_futures=True)
        return self._stacked([found[place] for place in range(len(parts))])

    def _send(
        self, inputs: Sequence[str], fields: Mapping[str, Json], stop: threading.Event
    ) -> FloatMatrix:
        """Return the vectors of one request; a refused one is halved until one text is left.

        So a limit on texts or tokens that the card does not know costs requests, not the run, and
        the text that is at fault gets named.
        """
        try:
            payload = self._client.post({**fields, "input": list(inputs)}, stop)
        except RequestRefused as refused:
            if len(inputs) == 1:
                raise ModelError(
                    f"{refused.message} (for the text {inputs[0][:60]!r}, "
                    f"{len(inputs[0]):,} characters)",
                    fix=refused.fix,
                ) from refused
            half = len(inputs) // 2
            halves = (inputs[:half], inputs[half:])
            return self._stacked([self._send(part, fields, stop) for part in halves])
        reply = read_reply(payload, len(inputs), self._client.server)
        self._check_model(reply.model)
        with self._lock:
            self._tokens += reply.tokens or 0
            self._unreported += reply.tokens is None
        return reply.vectors

    def _stacked(self, parts: Sequence[FloatMatrix]) -> FloatMatrix:
        """Return one matrix; raises `ModelError` where lengths differ, or are not as expected."""
        import numpy as np

        lengths = {part.shape[1] for part in parts}
        if len(lengths) > 1 or (self._dimension and lengths != {self._dimension}):
            shown = " and ".join(map(str, sorted(lengths)))
            expected = self._dimension or "one length"
            raise ModelError(
                f"{self._client.server} returned vectors of {shown} components; {expected} was "
                "expected",
                fix="Correct dimension or options.dimensions in the model's card, or the server.",
            )
        return np.concatenate(parts)

    def _check_model(self, reported: str) -> None:
        """Raise `ModelError` where the server names another model than the vectors' space does."""
        wanted = self._options.reported_model or self._options.model
        if reported and not same_model(reported, wanted):
            raise ModelError(
                f"{self._client.server} says that it runs {reported!r}, not {wanted!r}",
                fix=f"If that is right, set options.reported_model = {reported!r} in the card; "
                "its vectors are then kept apart from any other model's.",
            )


def pack(counts: Sequence[int], texts: int, tokens: int) -> list[slice]:
    """Return runs of at most `texts` texts and `tokens` tokens; a longer text has its own."""
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
    """Tell whether two names are of one model: equal but for case, folder and `:latest`."""
    one, other = (name.lower().removesuffix(":latest").rstrip("/") for name in (one, other))
    return one == other or one.endswith(f"/{other}") or other.endswith(f"/{one}")
