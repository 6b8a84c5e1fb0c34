"""Back-off, jitter and Retry-After, without a server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.retry import RetryPolicy, is_transient, retry_after

NOON = datetime(2031, 5, 4, 12, 0, 0, tzinfo=UTC)


def http_date(moment: datetime) -> str:
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def test_backoff_doubles_to_its_limit() -> None:
    policy = RetryPolicy(first_delay=1.0, longest_delay=60.0)
    delays = [policy.delay(failures, None, 0.0) for failures in range(1, 10)]
    assert delays == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_the_default_policy_waits_about_two_minutes_in_all() -> None:
    policy = RetryPolicy()
    total = sum(policy.delay(failures, None, 0.0) for failures in range(1, policy.attempts))
    assert 110 <= total <= 130


@given(
    failures=st.integers(1, 10_000),
    asked=st.none() | st.floats(0, 1e6),
    draw=st.floats(0, 1, exclude_max=True),
)
def test_delay_is_bounded_and_never_undercuts_the_server(
    failures: int, asked: float | None, draw: float
) -> None:
    policy = RetryPolicy()
    delay = policy.delay(failures, asked, draw)
    if asked:
        assert asked <= delay <= asked + policy.first_delay
    else:
        assert policy.first_delay / 2 <= delay <= policy.longest_delay


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": http_date(NOON + timedelta(seconds=90))}, 90.0),
        ({"retry-after": http_date(NOON - timedelta(hours=1))}, 0.0),
        ({"retry-after": "Sunday, 04-May-31 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Sun, 99 May 2031 12:00:00 GMT"}, None),
    ],
)
def test_retry_after_in_all_its_spellings(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOON.timestamp()) == seconds


def test_a_date_is_read_against_the_servers_own_clock() -> None:
    headers = {
        "retry-after": http_date(NOON + timedelta(seconds=20)),
        "date": http_date(NOON),
    }
    an_hour_fast = (NOON + timedelta(hours=1)).timestamp()
    assert retry_after(headers, an_hour_fast) == 20


@given(offset=st.integers(-12, 12), seconds=st.integers(0, 100_000))
def test_a_date_means_the_same_in_every_zone(offset: int, seconds: int) -> None:
    zone = timezone(timedelta(hours=offset))
    moment = (NOON + timedelta(seconds=seconds)).astimezone(zone)
    assert retry_after({"retry-after": format_datetime(moment)}, NOON.timestamp()) == seconds


def test_which_statuses_pass() -> None:
    transient = {code for code in range(400, 600) if is_transient(code)}
    assert {408, 409, 425, 429, 500, 502, 503, 504, 529} <= transient
    assert not transient & {400, 401, 402, 403, 404, 413, 422, 501, 505}
