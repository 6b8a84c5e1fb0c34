"""The static page as text: one file, nothing fetched, data that cannot become markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.leaderboard.columns import parse_columns
from harness.leaderboard.html_page import PageOptions, embedded_json, to_html
from harness.render.colour_scale import contrast
from tests.helpers.sample_board import EVIL, EVIL_NOTE, sample


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    board, values = sample(tmp_path_factory.mktemp("store"))
    options = PageOptions("2026-11-22T20:00", {"biology": {"q0": EVIL_NOTE}})
    return to_html([board], [values], parse_columns(None), options)


class Reader(HTMLParser):
    """Collects tags with attributes, and what stands in scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, Any]]] = []
        self.inside: dict[str, list[str]] = {"script": [], "style": []}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        self.tags.append((f"/{tag}", {}))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] in self.inside:
            self.inside[self.tags[-1][0]].append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    return reader


def data_of(page: str) -> Any:
    return json.loads(
        re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)[1]
    )


def test_nothing_is_fetched_from_anywhere(page: str):
    tags = read(page).tags
    addresses = [
        value for _, found in tags for key, value in found.items() if key in ("src", "href")
    ]
    assert set(addresses) <= {"data:,", "#main", "#/"}
    assert not re.search(
        r"@import|url\(|https?://|fetch\(|XMLHttpRequest", page.partition('id="data"')[0]
    )


def test_evil_texts_become_no_tags(page: str):
    assert [tag for tag, _ in read(page).tags].count("script") == 2
    assert "img" not in [tag for tag, _ in read(page).tags]
    assert EVIL not in page
    assert "<img" not in page


def test_data_reads_back_as_it_was(page: str):
    board = data_of(page)["boards"][0]
    assert EVIL in [row["name"] for row in board["rows"]]
    assert EVIL_NOTE in [row["source"] for row in board["rows"]]
    assert board["texts"]["biology"][0] == EVIL_NOTE
    assert data_of(page)["made"] == "2026-11-22T20:00"


def test_the_policy_lets_exactly_this_script_and_style_run(page: str):
    reader = read(page)
    (policy,) = [found["content"] for tag, found in reader.tags if "http-equiv" in found]
    style = "".join(reader.inside["style"])
    script = reader.inside["script"][-1]
    for kind, text in (("style", style), ("script", script)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


def test_the_page_makes_no_markup_from_texts(page: str):
    script = read(page).inside["script"][-1]
    for forbidden in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "Function(",
    ):
        assert forbidden not in script


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON_VALUES)
def test_embedded_json_holds_no_markup_and_loses_nothing(value: Any):
    text = embedded_json(value)
    assert not re.search("[<>&\u2028\u2029]", text)
    text.encode("utf-8")
    assert json.loads(text) == value


def test_a_lone_surrogate_does_not_stop_the_page():
    text = embedded_json({"name": "a\ud800b"})
    assert json.loads(text.encode("utf-8")) == {"name": "a\ud800b"}


def test_per_query_values_stand_in_the_order_of_the_ids(page: str):
    board = data_of(page)["boards"][0]
    (row,) = [each for each in board["rows"] if each["name"] == EVIL]
    assert board["queries"]["pony"] == [f"q{at}" for at in range(6)]
    assert row["queries"]["pony"] == [9000, 8000, 7000, 9500, 8500, 8000]


def test_published_rows_have_no_interval_on_the_page(page: str):
    for row in data_of(page)["boards"][0]["rows"]:
        assert (
            ("interval" in row["cells"]) == ("group" in row["cells"]) == (row["kind"] == "measured")
        )


def test_colours_of_texts_contrast_in_both_themes():
    from importlib.resources import files

    css = files("harness.leaderboard").joinpath("html", "board.css").read_text(encoding="utf-8")
    for block in re.findall(r":root[^{]*\{([^}]*--page[^}]*)\}", css):
        colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
        for text in ("text", "quiet", "accent", "imported"):
            for ground in ("page", "raised"):
                assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
        assert contrast(colours["on-measured"], colours["measured"]) >= 4.5
