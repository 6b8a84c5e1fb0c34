"""The hub: fetched through `datasets` from a stand-in on this machine, and out of reach."""

import hashlib
import http.server
import io
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from pathlib import Path

import pytest

from harness.core.errors import DataUnavailable
from harness.core.progress import SilentReporter
from harness.data import bright_hub
from harness.data.bright import load_bright
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
import sys
from harness.core.progress import SilentReporter
from harness.data.bright import load_bright
task = load_bright("biology", data_dir=None, query_set="original", with_corpus=True,
                   reporter=SilentReporter())
print(task.revision, task.queries[0].text, dict(task.qrels), task.corpus, "datasets" in sys.modules)
"""


def run_program(tmp_path, endpoint):
    """Load biology in a process of its own, since the hub's client reads its settings once."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HF_")},
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(tmp_path / "hub-home"),
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
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
    assert first.stdout.endswith("texts=('hello', '')) True\n")
    assert sorted(name for name in StandIn.fetched if name != "README.md") == [
        "documents/biology-00000-of-00001.parquet",
        "examples/biology-00000-of-00001.parquet",
    ]
    hub.shutdown()
    hub.server_close()
    again = run_program(tmp_path, endpoint)  # the hub is gone; its cache is enough
    assert again.stdout == first.stdout.replace("True\n", "False\n"), again.stderr


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def load():
    return load_bright(
        "psychology",
        data_dir=None,
        query_set="original",
        with_corpus=True,
        reporter=SilentReporter(),
    )


def test_a_hub_out_of_reach_gives_one_message_with_both_ways_out(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(bright_hub, "_cached", lambda config, split: None)
    with pytest.raises(DataUnavailable) as caught:
        load()
    assert "refused" in caught.value.message
    assert "HF_ENDPOINT" in caught.value.fix
    assert "--data DIR or REBENCH_DATA" in caught.value.fix
    assert "DIR/<config>/<split>.parquet" in caught.value.fix


def test_offline_mode_is_believed(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(bright_hub, "_cached", lambda config, split: None)
    monkeypatch.setattr(bright_hub, "unreachable", lambda url: pytest.fail("asked the hub"))
    with pytest.raises(DataUnavailable, match="HF_HUB_OFFLINE"):
        load()


def test_an_error_answer_is_no_reachable_hub(hub, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    base = f"http://127.0.0.1:{hub.server_port}"
    assert "404" in bright_hub.unreachable(f"{base}/elsewhere")
    path = f"datasets/xlangai/BRIGHT/resolve/{REVISION}/README.md"
    assert bright_hub.unreachable(f"{base}/{path}") is None


def test_a_server_that_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr(bright_hub, "ANSWER_SECONDS", 0.05)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        reason = bright_hub.unreachable(f"http://127.0.0.1:{mute.getsockname()[1]}/")
    assert "timed out" in reason


def test_a_name_that_never_resolves_is_given_up(monkeypatch):
    monkeypatch.setattr(bright_hub, "PROBE_SECONDS", 0.05)
    monkeypatch.setattr(bright_hub, "_ask", lambda url: time.sleep(1))
    assert "no answer in" in bright_hub.unreachable("http://hub.invalid/")


def test_an_untrusted_certificate_is_left_to_the_hubs_own_client(monkeypatch):
    monkeypatch.setattr(bright_hub, "_ask", lambda url: bright_hub._UNTRUSTED)
    monkeypatch.setattr(bright_hub, "_ask_client", lambda url: "it answers 403")
    assert bright_hub.unreachable("https://hub.invalid/") == "it answers 403"


def test_the_whole_probe_stays_under_ten_seconds():
    waits = (bright_hub.PROBE_SECONDS, bright_hub.ANSWER_SECONDS + 2 * bright_hub.CLIENT_SECONDS)
    assert max(waits) < 10
