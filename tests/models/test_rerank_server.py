"""Rerankers behind a real server on the loopback interface, in each dialect, and its faults."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from harness.core.errors import BadInput, ModelError
from harness.core.secrets import Secret
from models.backends.rerank_server import ServerReranker

PAIRS = [(f"query {at % 3}", f"passage {'x' * at}") for at in range(100)]


def logit(query: str, passage: str) -> float:
    return len(passage) - 7.5 * len(query)


class Reranker(ThreadingHTTPServer):
    """Answers in every dialect, results in reverse; `fault` changes a reply before it goes."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: list[dict[str, Any]] = []
        self.fault = lambda reply: reply
        self.cosine = False
        self.model_id = "org/r"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Reranker

    def do_GET(self) -> None:
        assert self.path == "/info"
        self._send({"model_id": self.server.model_id})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append(body)
        query = body.get("query") or body.get("text_1")
        texts = body.get("documents") or body.get("texts") or body.get("text_2")
        scores = [
            1.0 if self.server.cosine and query == text else logit(query, text) for text in texts
        ]
        rows = [
            {"index": at, "relevance_score": score, "score": score}
            for at, score in enumerate(scores)
        ][::-1]
        replies = {
            "/v1/rerank": {"model": "org/r", "results": rows},
            "/v2/rerank": {"results": rows},
            "/score": {"model": "org/r", "data": rows},
            "/rerank": rows,
        }
        self._send(self.server.fault(replies[self.path]))

    def _send(self, reply: object) -> None:
        data = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Reranker]:
    found = Reranker()
    thread = threading.Thread(target=found.serve_forever, daemon=True)
    thread.start()
    yield found
    found.shutdown()
    found.server_close()
    thread.join()


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank", "/score", "/rerank"])
def test_scores_come_back_in_the_order_of_the_pairs(server: Reranker, path: str):
    scorer = ServerReranker(server.url + path, "org/r")
    found = scorer.scores(PAIRS)
    assert found.dtype == np.float32
    assert found.tolist() == [logit(*pair) for pair in PAIRS]
    asked = [body for body in server.bodies if len(body.get("texts", [0, 0])) > 1]
    assert asked
    assert all(body.get("use_activation", body.get("raw_scores")) is (path == "/rerank")
               for body in asked)  # fmt: skip
    assert scorer.identity["activation"] == "none"
    assert max(len(b.get("documents") or b.get("texts") or b["text_2"]) for b in asked) <= 32


def test_a_hosted_server_gets_no_field_it_does_not_know(server: Reranker):
    key = Secret("sk-long-enough-key")
    scorer = ServerReranker(f"{server.url}/v1/rerank", "org/r", key)
    assert scorer.scores(PAIRS[:2]).tolist() == [logit(*pair) for pair in PAIRS[:2]]
    assert all("use_activation" not in body for body in server.bodies)
    assert scorer.identity["activation"] == "the server's"
    assert "sk-long" not in repr(scorer.identity)


def test_a_server_that_compares_vectors_is_refused(server: Reranker):
    server.cosine = True
    with pytest.raises(ModelError, match="is no cross-encoder"):
        ServerReranker(f"{server.url}/score", "org/r").scores(PAIRS)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (lambda reply: {**reply, "model": "org/other"}, "answered as 'org/other'"),
        (lambda reply: {**reply, "results": reply["results"][1:]}, "scores for"),
        (lambda reply: {**reply, "results": [reply["results"][0]] * 2}, "scores for"),
        (lambda reply: {"results": [{"index": 0}]}, "cannot be read"),
        (lambda reply: [], "cannot be read"),
    ],
)
def test_a_reply_that_does_not_fit_is_refused(server: Reranker, fault, said: str):
    server.fault = fault
    with pytest.raises(ModelError, match=said):
        ServerReranker(f"{server.url}/v1/rerank", "org/r").scores(PAIRS[:4])


def test_addresses_are_checked():
    with pytest.raises(BadInput, match="no address of a reranker"):
        ServerReranker("http://localhost:1/v1/embeddings", "org/r")
    with pytest.raises(BadInput, match="none is given"):
        ServerReranker("http://localhost:1/v1/rerank", "")


def test_text_embeddings_inference_must_serve_the_named_model(server: Reranker):
    server.model_id = "org/other"
    with pytest.raises(ModelError, match="serves 'org/other', not 'org/r'"):
        ServerReranker(f"{server.url}/rerank", "org/r").scores(PAIRS[:2])
    with pytest.raises(BadInput, match="none is given"):
        ServerReranker(f"{server.url}/rerank", "")
