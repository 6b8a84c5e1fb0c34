"""Fixtures of the ReMixer tests: a chat server, a small corpus, a run's job."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.helpers.chat_server import ChatServer, chat_server


@pytest.fixture
def server() -> Iterator[ChatServer]:
    """Return a running chat server with no faults."""
    with chat_server() as running:
        yield running
