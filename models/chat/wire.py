"""One kept-open HTTP connection: a JSON body goes out, status, headers and bytes come back.

The standard library's client, on a thread per request under way: of the clients that
`benchmarks/remix_generate.py` compares, the one that takes the least processor time per call.
"""

from __future__ import annotations

import http.client
import ssl
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from urllib.parse import SplitResult, urlsplit

from harness.core.errors import BadInput

_PIECE = 1 << 16

CONNECTION_ERRORS = (OSError, http.client.HTTPException)
"""What a connection can fail with: refused, reset, timed out, half a reply, no HTTP at all."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's answer; `retry_after` is that header's text."""

    status: int
    body: bytes
    retry_after: str = ""


def parse_url(url: str) -> SplitResult:
    """Return a server's address taken apart; raises `BadInput` for one that cannot be used."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadInput(f"{url!r} is no address: {error}", fix=_FIX) from error
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise BadInput(f"{url!r} is no address of a server", fix=_FIX)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise BadInput(
            f"the address of {parts.hostname!r} carries a name, password, query or fragment",
            fix="Give scheme, host, port and path; the key goes into REBENCH_LLM_KEY.",
        )
    return parts


_FIX = "Give it as http://HOST:PORT/v1."


class Wire:
    """A connection that is opened when it is needed and again after it broke."""

    def __init__(self, url: SplitResult, headers: Mapping[str, str]) -> None:
        self.url = url
        self.headers = dict(headers)
        self._connection: http.client.HTTPConnection | None = None
        self._used = False

    def __enter__(self) -> Wire:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None
        self._used = False

    def post(self, path: str, body: bytes, timeout: float) -> Answer:
        """Send a body and return the answer, all within `timeout` seconds.

        A kept-open connection that the server has closed meanwhile is opened anew once. Raises
        one of `CONNECTION_ERRORS`; the connection is then closed.
        """
        deadline = time.monotonic() + timeout
        kept_open = self._used
        try:
            return self._post(path, body, deadline)
        except (http.client.RemoteDisconnected, ConnectionError):
            self.close()
            if not kept_open:
                raise
        except BaseException:
            self.close()
            raise
        try:
            return self._post(path, body, deadline)
        except BaseException:
            self.close()
            raise

    def _post(self, path: str, body: bytes, deadline: float) -> Answer:
        """Send a body over the connection as it is, and read the answer."""
        if self._connection is None:
            self._connection = _connection(self.url, _left(deadline))
        self._set_timeout(deadline)
        self._connection.request("POST", path, body, self.headers)
        self._set_timeout(deadline)
        response = self._connection.getresponse()
        pieces: list[bytes] = []
        # Piece by piece, or a server that drips a byte at a time would never time out.
        while piece := response.read1(_PIECE):
            pieces.append(piece)
            self._set_timeout(deadline)
        if response.length:
            raise http.client.IncompleteRead(b"".join(pieces), response.length)
        # Python 3.11 leaves a response open that `read1` has read to its last byte, and the next
        # request on the connection would then wait for it.
        response.close()
        self._used = not response.will_close
        retry_after = response.getheader("Retry-After") or ""
        if response.will_close:
            self.close()
        return Answer(response.status, b"".join(pieces), retry_after)

    def _set_timeout(self, deadline: float) -> None:
        """Give the socket what is left of the time."""
        left = _left(deadline)
        if self._connection is not None and self._connection.sock is not None:
            self._connection.sock.settimeout(left)


def _left(deadline: float) -> float:
    """Return the seconds left; raises `TimeoutError` when there are none."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the reply took too long")
    return left


def _connection(url: SplitResult, timeout: float) -> http.client.HTTPConnection:
    """Return a connection, through the proxy that the environment names for this host, if any."""
    host = url.hostname or ""
    proxy = "" if urllib.request.proxy_bypass(host) else _proxy(url.scheme)
    if not proxy:
        return _direct(url.scheme, host, url.port, timeout)
    via = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    tunnel = _direct(url.scheme, via.hostname or "", via.port, timeout)
    tunnel.set_tunnel(host, url.port)
    return tunnel


def _direct(scheme: str, host: str, port: int | None, timeout: float) -> http.client.HTTPConnection:
    """Return a connection that is not yet open, encrypted for `https`."""
    if scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=timeout)
    context = ssl.create_default_context()
    return http.client.HTTPSConnection(host, port, timeout=timeout, context=context)


def _proxy(scheme: str) -> str:
    """Return the proxy of the environment for a scheme, or an empty text."""
    return urllib.request.getproxies().get(scheme, "")
