"""The hub: files fetched from a stand-in on this machine, and a hub out of reach."""

import hashlib
import http.server
import io
import json
import os
import socket
import subprocess
import sys
import threading
import urllib.parse
from pathlib import Path

import pytest

from harness.data.bright_tasks import REVISION

ROOT = Path(__file__).resolve().parents[2]
ROW = {
    "query": "why?", "reasoning": "r", "id": "0", "excluded_ids": ["N/A"],
    "gold_ids_long": ["l"], "gold_ids": ["a/1 x.txt"], "gold_answer": "x",
}  # fmt: skip


def parquet_bytes(rows):
    import pyarrow
    from pyarrow import parquet

    buffer = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


class StandIn(http.server.BaseHTTPRequestHandler):
    """As much of the hub as loading one file of a data set asks for."""

    protocol_version = "HTTP/1.1"
    files: dict[str, bytes] = {}  # noqa: RUF012 - filled by the fixture
    fetched: list[str] = []  # noqa: RUF012

    def log_message(self, *_):
        """Stay quiet."""

    def answer(self, body, code=200, **headers):
        self.send_response(code)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        path = urllib.parse.unquote(urllib.parse.urlparse(self.path).path)
        _, _, name = path.partition(f"/datasets/xlangai/BRIGHT/resolve/{REVISION}/")
        if name in self.files:
            if self.command == "GET":
                self.fetched.append(name)
            body = self.files[name]
            etag = f'"{hashlib.sha1(body).hexdigest()}"'
            self.answer(body, ETag=etag, X_Repo_Commit=REVISION)
        elif name:
            self.answer(b"", 404, X_Error_Code="EntryNotFound", X_Repo_Commit=REVISION)
        elif path.startswith("/api/datasets/xlangai/BRIGHT/tree/"):
            folder = path.partition(REVISION)[2].strip("/")
            entries = [
                {"type": "file", "path": name, "size": len(body), "oid": "0"}
                for name, body in self.files.items()
                if name.rpartition("/")[0] == folder
            ]
            if not folder:
                folders = {name.partition("/")[0] for name in self.files if "/" in name}
                entries += [
                    {"type": "directory", "path": f, "oid": "0", "size": 0} for f in folders
                ]
            self.answer(json.dumps(entries).encode(), Content_Type="application/json")
        elif path.startswith("/api/datasets/xlangai/BRIGHT"):
            siblings = [{"rfilename": name} for name in self.files]
            info = {"id": "xlangai/BRIGHT", "sha": REVISION, "siblings": siblings, "tags": []}
            self.answer(json.dumps(info).encode(), Content_Type="application/json")
        else:
            self.answer(b"{}", 404)

    do_HEAD = do_GET  # noqa: N815


@pytest.fixture
def hub():
    """Serve two configurations of two splits; yields the server."""
    StandIn.files = {
        "README.md": b"---\nlicense: cc-by-4.0\n---\n",
        "examples/biology-00000-of-00001.parquet": parquet_bytes([ROW]),
        "examples/pony-00000-of-00001.parquet": parquet_bytes([ROW]),
        "documents/biology-00000-of-00001.parquet": parquet_bytes(
            [{"id": "a/1 x.txt", "content": "hello"}, {"id": "b", "content": ""}]
        ),
        "documents/pony-00000-of-00001.parquet": parquet_bytes([{"id": "b", "content": ""}]),
    }
    StandIn.fetched = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), StandIn)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


PROGRAM = """
import os, sys
from harness.core import hub
from harness.core.progress import SilentReporter
from harness.data.bright import load_bright
hub.TIMEOUT = float(os.environ.get("TIMEOUT", hub.TIMEOUT))
task = load_bright("biology", data_dir=None, query_set="original", with_corpus=True,
                   reporter=SilentReporter())
print(task.revision, task.queries[0].text, dict(task.qrels), task.corpus, "datasets" in sys.modules)
"""


def run_program(tmp_path, endpoint, **more):
    """Load biology in a process of its own, since the hub's client reads its settings once."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HF_")},
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(tmp_path / "hub-home"),
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        **more,
    }
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_one_split_is_fetched_once_at_the_pinned_revision(hub, tmp_path):
    endpoint = f"http://127.0.0.1:{hub.server_port}"
    first = run_program(tmp_path, endpoint)
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith(f"{REVISION} why? {{'0': {{'a/1 x.txt': 1}}}}")
    assert first.stdout.endswith("texts=('hello', '')) False\n")
    assert sorted(name for name in StandIn.fetched if name != "README.md") == [
        "documents/biology-00000-of-00001.parquet",
        "examples/biology-00000-of-00001.parquet",
    ]
    hub.shutdown()
    hub.server_close()
    again = run_program(tmp_path, endpoint)  # the hub is gone; its cache is enough
    assert again.stdout == first.stdout, again.stderr


def test_a_hub_out_of_reach_gives_one_message_with_both_ways_out(tmp_path):
    done = run_program(tmp_path, "http://127.0.0.1:9")
    last = done.stderr.splitlines()[-2:]
    assert "is not on this machine and the hub cannot be reached (ConnectError" in last[0]
    assert "HF_ENDPOINT" in last[1]
    assert "--data DIR or REBENCH_DATA" in last[1]
    assert "DIR/<config>/<split>.parquet" in last[1]


def test_offline_mode_is_believed(tmp_path):
    done = run_program(tmp_path, "http://127.0.0.1:9", HF_HUB_OFFLINE="1")
    assert "HF_HUB_OFFLINE is set" in done.stderr


def test_a_file_that_the_hub_does_not_have(hub, tmp_path):
    del StandIn.files["documents/biology-00000-of-00001.parquet"]
    done = run_program(tmp_path, f"http://127.0.0.1:{hub.server_port}")
    assert "the hub has no dataset 'xlangai/BRIGHT'" in done.stderr
    assert "or not that file of it" in done.stderr


def test_a_server_that_never_answers_is_given_up(tmp_path):
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        done = run_program(tmp_path, f"http://127.0.0.1:{mute.getsockname()[1]}", TIMEOUT="0.2")
    assert "cannot be reached (ReadTimeout" in done.stderr
