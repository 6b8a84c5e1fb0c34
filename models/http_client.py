"""One POST to an embeddings endpoint, repeated until it succeeds or cannot."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.core.errors import MissingExtra, ModelError
from harness.core.types import Json
from models.http_options import HttpOptions
from models.http_retry import Clock, RetryPolicy, is_transient, retry_after

if TYPE_CHECKING:
    import numpy as np

CONNECT_TIMEOUT = 15.0
"""Seconds for a connection to open; replies have `HttpOptions.timeout`."""
UNREACHED_ATTEMPTS = 3
"""Tries while no connection has ever been made: the server is then probably not running."""
UNREADABLE_ATTEMPTS = 3
"""Tries for a complete reply that is not JSON: a gateway's error page may pass, a wrong URL not."""
OUT_OF_CREDIT = ("insufficient_quota", "billing_hard_limit_reached", "credit_balance_too_low")
"""What an API calls an empty account; it comes as 429 and does not pass by waiting."""


class RequestRefused(ModelError):
    """The server would not take these texts (400, 413, 422); fewer of them may do."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """One failed try: what to raise in the end, and whether and when another may help."""

    error: ModelError
    attempts: int = 1
    retry_after: float | None = None


class EmbeddingsClient:
    """Posts to one endpoint from any number of threads; counts requests and retries.

    `rng` draws the jitter. The API key is read from the environment at the first request and
    appears in no message.
    """

    def __init__(self, options: HttpOptions, clock: Clock, rng: np.random.Generator) -> None:
        self._options = options
        self._policy = RetryPolicy(attempts=options.attempts)
        self._clock = clock
        self._rng = rng
        self._lock = threading.Lock()
        self._reached = False
        self.requests = 0
        self.retries = 0

    @property
    def server(self) -> str:
        """Return what messages call the server."""
        return f"the server at {self._options.host}"

    def open(self) -> None:
        """Read the key and open the connection pool, once and before threads share them.

        Raises `ModelError` for a key that is absent, `MissingExtra` without the HTTP library.
        """
        _ = self._http

    def post(self, body: Mapping[str, Json], stop: threading.Event) -> Any:
        """Return the decoded JSON reply; transient failures are repeated as the policy says.

        Raises `RequestRefused` where the server takes exception to the texts, and `ModelError`
        for every other failure, or once `stop` is set.
        """
        content = json.dumps(body, ensure_ascii=False).encode()
        failures = 0
        while True:
            if stop.is_set():
                raise ModelError(
                    f"a request to {self.server} was not sent, as another one failed",
                    fix="Mend what that one says.",
                )
            outcome = self._once(content)
            if not isinstance(outcome, _Failure):
                return outcome
            failures += 1
            if failures >= min(outcome.attempts, self._policy.attempts):
                raise outcome.error
            self._wait(outcome, failures, stop)

    def close(self) -> None:
        """Close the connections."""
        if "_http" in self.__dict__:
            self._http.close()

    def _wait(self, failure: _Failure, failures: int, stop: threading.Event) -> None:
        """Sleep as the policy and the server say; raises where the server wants too long."""
        asked = failure.retry_after
        if asked is not None and asked > self._policy.longest_retry_after:
            raise ModelError(
                f"{failure.error.message}; it asks to wait {asked:,.0f} s",
                fix="Repeat the command after that; what is finished is kept.",
            )
        with self._lock:
            self.retries += 1
            draw = float(self._rng.random())
        self._clock.wait(self._policy.delay(failures, asked, draw), stop)

    def _once(self, content: bytes) -> Any:
        """Send the request once; return the decoded reply or a `_Failure`."""
        import httpx2

        http = self._http
        with self._lock:
            self.requests += 1
        try:
            response = http.post("embeddings", content=content)
        except httpx2.UnsupportedProtocol as error:
            raise ModelError(f"{self.server}: {error}", fix="Mend base_url.") from error
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            return self._unreached(error)
        self._reached = True
        if response.status_code == 200:
            try:
                return response.json()
            except ValueError as error:
                return _Failure(self._unreadable(response.text, error), UNREADABLE_ATTEMPTS)
        return self._refused(response.status_code, response.headers, response.text)

    def _unreached(self, error: Exception) -> _Failure:
        """Return the failure of a request that got no whole reply."""
        reason = str(error) or type(error).__name__
        known = ModelError(
            f"{self.server} did not answer: {self._redact(reason)}",
            fix="Check that it runs and that base_url is right; raise options.timeout "
            f"({self._options.timeout:g} s) if it is only slow. What is finished is kept.",
        )
        return _Failure(known, self._policy.attempts if self._reached else UNREACHED_ATTEMPTS)

    def _unreadable(self, text: str, error: ValueError) -> ModelError:
        """Return the error for a reply of status 200 that is not JSON."""
        return ModelError(
            f"{self.server} sent what is not JSON ({error}): {self._redact(text)[:200]!r}",
            fix="Check base_url: it must end before /embeddings.",
        )

    def _refused(self, status: int, headers: Mapping[str, str], text: str) -> _Failure:
        """Return the failure of a reply whose status is not 200."""
        said = f"{self.server} answered {status}: {self._redact(_message(text))}"
        if any(word in text for word in OUT_OF_CREDIT):
            return _Failure(ModelError(said, fix="The account has no credit left; add some."))
        if is_transient(status):
            error = ModelError(
                said, fix="Try later, or lower options.concurrency. What is finished is kept."
            )
            asked = retry_after(headers, self._clock.now())
            return _Failure(error, self._policy.attempts, asked)
        if status in (401, 403):
            return _Failure(ModelError(said, fix=self._key_advice()))
        if status in (400, 413, 422):
            return _Failure(
                RequestRefused(
                    said,
                    fix="If texts are too long, set options.tokenizer and the card's lengths; if "
                    "a field is unknown to the server, take it out of the card's options.",
                )
            )
        if 300 <= status < 400:
            said = f"{self.server} redirects to {headers.get('location', '?')}"
        return _Failure(ModelError(said, fix="Check base_url and the model's name."))

    def _key_advice(self) -> str:
        """Return what to do about a refused key, or its absence."""
        variable = self._options.api_key_env
        if variable:
            return f"Check the key in the environment variable {variable}."
        return "Name the environment variable that holds the key in options.api_key_env."

    def _redact(self, text: str) -> str:
        """Return the text without the API key, which some servers repeat."""
        return text.replace(self._key, "***") if self._key else text

    @cached_property
    def _key(self) -> str:
        """Return the key, empty where the card names none; raises `ModelError` if unusable."""
        variable = self._options.api_key_env
        if not variable:
            return ""
        key = os.environ.get(variable, "").strip()
        if not key:
            raise ModelError(
                f"model {self._options.model!r} needs an API key and the environment variable "
                f"{variable} is not set",
                fix=f"Run: export {variable}=…",
            )
        if not key.isascii() or not key.isprintable() or " " in key:
            raise ModelError(
                f"the API key in {variable} holds blanks or characters that no header can carry",
                fix=f"Set {variable} again, without quotes or line breaks inside.",
            )
        return key

    @cached_property
    def _http(self) -> Any:
        """Open the connection pool; raises `MissingExtra` without the HTTP library."""
        try:
            import httpx2
        except ImportError as error:
            raise MissingExtra("httpx2", "api") from error
        headers = {"Content-Type": "application/json"}
        if self._key:
            name = self._options.api_key_header
            bearer = name.lower() == "authorization"
            headers[name] = f"Bearer {self._key}" if bearer else self._key
        return httpx2.Client(
            base_url=self._options.base_url,
            headers=headers,
            timeout=httpx2.Timeout(self._options.timeout, connect=CONNECT_TIMEOUT, pool=None),
            limits=httpx2.Limits(max_connections=self._options.concurrency),
        )


def _message(text: str) -> str:
    """Return the message in an error reply (OpenAI's, TEI's or FastAPI's shape), or its start."""
    try:
        payload = json.loads(text)
    except ValueError:
        return text.strip()[:500] or "no reason given"
    inner = payload.get("error", payload) if isinstance(payload, dict) else payload
    if isinstance(inner, dict):
        inner = inner.get("message") or inner.get("detail") or inner.get("error") or inner
    return (inner if isinstance(inner, str) else json.dumps(inner))[:500]
