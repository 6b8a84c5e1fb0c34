"""A hub on this machine: enough of its HTTP interface to be asked and downloaded from."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest

COMMIT = "c0ffee" + "0" * 34
OLDER = "c0ffee1" + "0" * 33
"""The two commits of every repository; only the first has files."""


@contextmanager
def serve(folder: Path, repository: str, kind: str = "model") -> Iterator[tuple[str, list[str]]]:
    """Serve a folder as `repository` at one commit; yields the address and what was asked."""
    asked: list[str] = []
    api = f"/api/{kind}s/{repository}"
    resolve = f"/{repository}/resolve/{COMMIT}/"
    if kind == "dataset":
        resolve = f"/datasets{resolve}"
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }

    class Hub(BaseHTTPRequestHandler):
        """Answers for one repository."""

        def log_message(self, *arguments: object) -> None:
            """Keep quiet."""

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            path = unquote(self.path.split("?")[0])
            asked.append(path)
            if path.startswith(f"{api}/commits/"):
                listed = [
                    {"id": commit, "authors": [], "date": "2026-01-01T00:00:00.000Z",
                     "title": "", "message": ""}
                    for commit in (COMMIT, OLDER)
                ]  # fmt: skip
                return self._json(listed, body)
            if path.startswith(f"{api}/tree/"):
                tree = [
                    {"type": "file", "path": name, "size": len(data), "oid": _oid(data)}
                    for name, data in files.items()
                ]
                return self._json(tree, body)
            known = path == api or path in {f"{api}/revision/{r}" for r in ("main", COMMIT)}
            if known:
                siblings = [{"rfilename": name} for name in files]
                info = {"id": repository, "sha": COMMIT, "siblings": siblings, "tags": []}
                return self._json(info, body)
            name = path.removeprefix(resolve)
            if name in files:
                return self._send(files[name], "application/octet-stream", body)
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None

        def _json(self, value: object, body: bool) -> None:
            self._send(json.dumps(value).encode(), "application/json", body)

        def _send(self, data: bytes, kind: str, body: bool) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("ETag", f'"{_oid(data)}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            if body:
                self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def use(monkeypatch: pytest.MonkeyPatch, address: str, cache: Path) -> None:
    """Make the hub's client in this process ask an address, and keep files in a folder."""
    from huggingface_hub import constants

    template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))


def _oid(data: bytes) -> str:
    """Return a name for some content, as git has them: 40 hex digits."""
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()
