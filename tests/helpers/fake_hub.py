"""A model hub on this machine: enough of its HTTP interface to be asked and downloaded from."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "c0ffee" + "0" * 34


@contextmanager
def serve(folder: Path, repository: str) -> Iterator[tuple[str, list[str]]]:
    """Serve a folder as `repository` at one commit; yields the address and what was asked."""
    asked: list[str] = []
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
            path = self.path.split("?")[0]
            asked.append(path)
            if path.startswith(f"/api/models/{repository}/revision/"):
                siblings = [{"rfilename": name} for name in files]
                return self._json({"id": repository, "sha": COMMIT, "siblings": siblings}, body)
            if path.startswith(f"/api/models/{repository}/tree/"):
                listed = [
                    {"type": "file", "path": name, "size": len(data), "oid": _oid(data)}
                    for name, data in files.items()
                ]
                return self._json(listed, body)
            name = path.removeprefix(f"/{repository}/resolve/{COMMIT}/")
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
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _oid(data: bytes) -> str:
    """Return a name for some content, as git has them: 40 hex digits."""
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()
