"""HTTP to a model server: one retry policy for POST and GET, and keys that no message shows."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from harness.core.errors import BadInput
from harness.core.retry import Clock, RetryPolicy, SystemClock, is_transient, retry_after
from harness.core.secrets import NO_KEY, Secret

if TYPE_CHECKING:
    import httpx2

CONNECT_TIMEOUT = 15.0
"""Seconds for a connection to open; a whole reply has `Endpoint.timeout`."""
UNREACHED_ATTEMPTS = 3
"""Tries while no connection has ever been made: the server is then probably not running."""
OUT_OF_CREDIT = ("insufficient_quota", "billing_hard_limit_reached", "credit_balance_too_low")
"""What an API calls an empty account; it comes as 429 and does not pass by waiting."""
SHOWN = 500
"""Characters of a server's own words that a message repeats."""

T = TypeVar("T")


class Trouble(Enum):
    """Why a request failed, as far as it decides what the caller can do about it.

    UNREACHED: no whole answer came. PASSING: another try may help. REFUSED: the server does not
    take this content. KEY, CREDIT, ADDRESS: no request at all will be answered. REPLY: an answer
    of status 200 that cannot be read. STOPPED: the caller gave up first.
    """

    UNREACHED = "unreached"
    PASSING = "passing"
    REFUSED = "refused"
    KEY = "key"
    CREDIT = "credit"
    ADDRESS = "address"
    OTHER = "other"
    REPLY = "reply"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server's address and how it is reached.

    `url` ends before the path that a request names; `timeout` is in seconds for a whole reply;
    `connections` are open at once; the key goes into `key_header`, as a bearer token if that is
    `Authorization`. Proxies come from the environment. Raises `BadInput` for a URL that is not
    plain http or https, or that holds a user, a password or a query.
    """

    url: str
    timeout: float = 60.0
    connections: int = 8
    key: Secret = NO_KEY
    key_header: str = "Authorization"

    def __post_init__(self) -> None:
        """Check the URL."""
        check_url(self.url, "the address of a server")

    @property
    def host(self) -> str:
        """Return host and path, without scheme."""
        return host_of(self.url)

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers of every request, the key among them."""
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.key:
            bearer = self.key_header.lower() == "authorization"
            headers[self.key_header] = f"Bearer {self.key.reveal()}" if bearer else (
                self.key.reveal()
            )  # fmt: skip
        return headers


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's answer, whatever its status; header names are in lower case.

    `text` and `message` never show the key, even if the server repeats it; nor does `json`,
    unless the key is too short to be one.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    key: Secret = NO_KEY

    @property
    def text(self) -> str:
        """Return the body as text, undecodable bytes as U+FFFD."""
        return self.key.redact(self.body.decode("utf-8", "replace"))

    @property
    def message(self) -> str:
        """Return the server's own words on an error, shortened."""
        try:
            said = _message(json.loads(self.body))
        except (ValueError, RecursionError):
            said = " ".join(self.body.decode("utf-8", "replace").split())
        return self.key.redact(said)[:SHOWN] or "no reason given"

    def json(self) -> Any:
        """Return the decoded body; raises `ValueError` if it is not JSON."""
        try:
            value = json.loads(self.body)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error
        return self.key.redact_json(value)


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that failed: the kind of trouble, and the reason in words.

    `attempts` is the number of tries that such a failure is worth (0: all that the policy
    allows), `tries` those that were made; `retry_after` the seconds that the server asks to wait;
    `status` is 0 if none came.
    """

    trouble: Trouble
    reason: str
    attempts: int = 1
    retry_after: float | None = None
    status: int = 0
    tries: int = 0


class HttpClient:
    """Posts to one endpoint from any number of threads; counts requests and retries.

    Nothing is opened before the first request. `draw` gives the jitter, uniform in [0, 1).
    """

    def __init__(
        self,
        endpoint: Endpoint,
        policy: RetryPolicy,
        clock: Clock | None = None,
        draw: Callable[[], float] | None = None,
    ) -> None:
        self.endpoint = endpoint
        self._policy = policy
        self._clock = clock or SystemClock()
        self._draw = draw or random.Random().random
        self._lock = threading.Lock()
        self._reached = False
        self.requests = 0
        self.retries = 0

    def open(self) -> None:
        """Open the connection pool, once and before threads share it.

        Raises `BadInput` for a proxy in the environment that cannot be used.
        """
        _ = self._http

    def close(self) -> None:
        """Close the connections."""
        if "_http" in self.__dict__:
            self._http.close()

    def post(
        self,
        path: str,
        content: bytes,
        read: Callable[[Answer], T | Failure],
        stop: threading.Event,
        *,
        attempts_of: Callable[[Failure], int] | None = None,
    ) -> T | Failure:
        """Return what `read` makes of the answer to a POST, repeated as the policy says.

        `read` gets answers of status 200 and returns its result, or a `Failure` with the tries it
        is worth. The last failure is returned, not raised; `stop` ends the waiting too. Some
        servers answer 500 to what will never pass: `attempts_of` may give a failure fewer tries.
        """
        return self._repeated(path, content, read, stop, attempts_of)

    def get(
        self, path: str, read: Callable[[Answer], T | Failure], stop: threading.Event
    ) -> T | Failure:
        """Return what `read` makes of the answer to a GET, repeated as a POST is."""
        return self._repeated(path, None, read, stop, None)

    def _repeated(
        self,
        path: str,
        content: bytes | None,
        read: Callable[[Answer], T | Failure],
        stop: threading.Event,
        attempts_of: Callable[[Failure], int] | None,
    ) -> T | Failure:
        """Send until an answer can be read, or the tries are used up; GET without content."""
        failures = 0
        while True:
            if stop.is_set():
                return Failure(Trouble.STOPPED, "the request was not sent: another one failed")
            outcome = self._once(path, content, read)
            if not isinstance(outcome, Failure):
                return outcome
            failures += 1
            if attempts_of is not None:
                outcome = replace(outcome, attempts=attempts_of(outcome))
            if failures >= min(outcome.attempts or self._policy.attempts, self._policy.attempts):
                return replace(outcome, tries=failures)
            asked = outcome.retry_after
            if asked is not None and asked > self._policy.longest_retry_after:
                reason = f"{outcome.reason}; it asks to wait {asked:,.0f} s"
                return replace(outcome, reason=reason, tries=failures)
            with self._lock:
                self.retries += 1
                draw = float(self._draw())
            self._clock.wait(self._policy.delay(failures, asked, draw), stop)

    def _once(
        self, path: str, content: bytes | None, read: Callable[[Answer], T | Failure]
    ) -> T | Failure:
        import httpx2

        self.open()
        with self._lock:
            self.requests += 1
        try:
            answer = self._exchange(path, content)
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            words = self.endpoint.key.redact(str(error))
            reason = f"{type(error).__name__}: {words}" if words else type(error).__name__
            attempts = 0 if self._reached else UNREACHED_ATTEMPTS
            return Failure(Trouble.UNREACHED, f"did not answer: {reason}", attempts)
        self._reached = True
        if answer.status == httpx2.codes.OK:
            return read(answer)
        return failure_of(answer, self._clock.now())

    def _exchange(self, path: str, content: bytes | None) -> Answer:
        """Send once and read the whole answer, within the endpoint's time."""
        import httpx2

        deadline = time.monotonic() + self.endpoint.timeout
        method = "GET" if content is None else "POST"
        with self._http.stream(method, path, content=content) as response:
            # The body has only what the headers left of the time.
            left = max(0.001, deadline - time.monotonic())
            response.request.extensions["timeout"]["read"] = left
            pieces = []
            for piece in response.iter_bytes():
                pieces.append(piece)
                # A server that sends a byte at a time would never time out by itself.
                if time.monotonic() > deadline:
                    raise httpx2.ReadTimeout("the whole reply took too long")
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, headers, b"".join(pieces), self.endpoint.key)

    @cached_property
    def _http(self) -> httpx2.Client:
        import httpx2

        endpoint = self.endpoint
        try:
            return httpx2.Client(
                base_url=endpoint.url,
                headers=endpoint.headers,
                timeout=httpx2.Timeout(
                    endpoint.timeout, connect=min(CONNECT_TIMEOUT, endpoint.timeout), pool=None
                ),
                limits=httpx2.Limits(max_connections=endpoint.connections),
            )
        except (ImportError, ValueError, httpx2.InvalidURL) as error:
            # No cause is chained: it may quote the proxy's password.
            raise BadInput(
                f"no connection to {endpoint.host} can be set up: "
                f"{endpoint.key.redact(str(error))}",
                fix="Check HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and SSL_CERT_FILE.",
            ) from None


def failure_of(answer: Answer, now: float) -> Failure:
    """Return what an answer with a status other than 200 means; `now` in seconds since 1970."""
    status = answer.status
    said = f"answered {status}: {answer.message}"
    if any(word in answer.text for word in OUT_OF_CREDIT):
        return Failure(Trouble.CREDIT, said, status=status)
    if is_transient(status):
        return Failure(Trouble.PASSING, said, 0, retry_after(answer.headers, now), status)
    if 300 <= status < 400:
        target = answer.key.redact(answer.headers.get("location", "?"))[:SHOWN]
        return Failure(Trouble.ADDRESS, f"redirects to {target}", status=status)
    trouble = _TROUBLE.get(status, Trouble.OTHER)
    return Failure(trouble, said, status=status)


_TROUBLE = {
    400: Trouble.REFUSED, 413: Trouble.REFUSED, 422: Trouble.REFUSED,
    401: Trouble.KEY, 403: Trouble.KEY, 402: Trouble.CREDIT,
    404: Trouble.ADDRESS, 405: Trouble.ADDRESS, 410: Trouble.ADDRESS,
}  # fmt: skip
"""What a status says about the whole run, unless it passes by waiting (`is_transient`)."""


def check_url(url: str, where: str) -> None:
    """Raise `BadInput` unless `url` is plain http(s) with a host; no password is repeated."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadInput(f"{where}: {error}", fix=_URL_FIX) from None
    if parts.username or parts.password or parts.query or parts.fragment:
        raise BadInput(
            f"{where}: the URL of {parts.hostname!r} has a user, a password, a query or a fragment",
            fix="Give scheme, host, port and path; keys come from environment variables.",
        )
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise BadInput(f"{where}: {url!r} is not the URL of a server", fix=_URL_FIX)


_URL_FIX = "Write it as http://HOST:PORT/v1 or https://…"


def host_of(url: str) -> str:
    """Return host and path of a URL, without scheme."""
    parts = urlsplit(url)
    return f"{parts.netloc}{parts.path}".rstrip("/")


def _message(payload: Any) -> str:
    """Return the message in an error's body: OpenAI's, Google's, TEI's or FastAPI's shape."""
    if isinstance(payload, list) and payload and isinstance(payload[0], dict):
        payload = payload[0]  # Google wraps the error in a list
    inner = payload.get("error", payload) if isinstance(payload, dict) else payload
    if isinstance(inner, dict):
        inner = inner.get("message") or inner.get("detail") or inner.get("error") or inner
    return inner if isinstance(inner, str) else json.dumps(inner)
