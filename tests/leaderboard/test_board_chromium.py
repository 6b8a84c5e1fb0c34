"""The static page in a real browser, opened from disk."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

import rebench
from harness.api.board_pairs import board_pairs
from harness.leaderboard.build import Sources, build_boards
from harness.leaderboard.columns import parse_columns
from harness.leaderboard.html_page import PageOptions, to_html
from harness.leaderboard.html_pairs import BoardPairs
from harness.leaderboard.rank import QueryValues
from harness.render.numbers import p_value, signed, signed_interval
from results.store import ResultStore
from tests.helpers.chromium import Chromium, find_chromium
from tests.helpers.sample_board import EVIL, EVIL_NOTE, MEMBERS, PUBLISHED, sample

COMPONENT = "!'()*~"
"""What JavaScript's encodeURIComponent leaves as it is, beside what `quote` does."""
HELPERS = """
window.boom = () => { window.boomed = true; };
window.every = (selector, from) => [...(from || document).querySelectorAll(selector)];
window.named = (selector, text) => every(selector).find((e) => e.textContent === text);
window.texts = (selector, from) => every(selector, from).map((e) => e.textContent);
window.type = (selector, text, event) => {
  const element = document.querySelector(selector);
  element.value = text;
  element.dispatchEvent(new Event(event));
};
window.turned = (act) => new Promise((done) => {
  window.addEventListener('hashchange', () => done(null), { once: true });
  act();
});
null
"""
NAMES = "texts('tbody th a')"


def entry(row: str) -> str:
    """Return the address of a row of the first board."""
    return f"#/entry/bright.original/{quote(row, safe=COMPONENT)}"


def pair(one: str, other: str) -> str:
    """Return the address of two rows of the first board."""
    return f"#/pair/bright.original/{quote(one, safe=COMPONENT)}/{quote(other, safe=COMPONENT)}"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    program = find_chromium()
    if program is None:
        absent = "no Chromium is installed (Debian: apt-get install chromium)"
        if os.environ.get("CI") == "true":
            pytest.fail(absent)  # a check that CI skips is none
        pytest.skip(absent)
    found = Chromium(program, tmp_path_factory.mktemp("profile"))
    yield found
    found.close()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ResultStore:
    return ResultStore(tmp_path_factory.mktemp("measured"))


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, store: ResultStore) -> str:
    folder = tmp_path_factory.mktemp("page")
    board, values = sample(store.root)
    gpt4 = replace(PUBLISHED, query_set="gpt4", model="rewriter")
    (other,) = build_boards(Sources((), (gpt4,), (), MEMBERS, {}))
    texts = {"biology": {"q0": EVIL_NOTE}}
    pairs = (board_pairs(board, values), BoardPairs())
    options = PageOptions("2026-11-22T20:00", texts, pairs)
    nothing = QueryValues({}, {})
    text = to_html([board, other], [values, nothing], parse_columns(None), options)
    (folder / "board.html").write_text(text, encoding="utf-8")
    return (folder / "board.html").as_uri()


@pytest.fixture
def page(browser: Chromium, address: str) -> Iterator[Chromium]:
    """Open the boards afresh; afterwards nothing may stand on the console, and no script ran."""
    browser.problems.clear()
    visit(browser, address)
    yield browser
    assert browser.run("window.boomed === undefined && !document.querySelector('img, main script')")
    assert browser.problems == []


def visit(page: Chromium, address: str, *size: int, dark: bool = False) -> None:
    """Open an address afresh, with a few words for what tests look for."""
    page.open(address, *size, dark=dark)
    page.run(HELPERS)


def click(page: Chromium, selector: str) -> None:
    page.run(f"document.querySelector({json.dumps(selector)}).click()")


def head(page: Chromium, text: str) -> str:
    """Return the state of a head of the first table, as assistive technology reads it."""
    return page.run(f"named('thead th', {json.dumps(text)}).getAttribute('aria-sort')")


def press_head(page: Chromium, text: str) -> None:
    page.run(f"named('thead button', {json.dumps(text)}).click()")


def test_rows_stand_as_ranked_and_evil_names_are_text(page: Chromium):
    assert page.run(NAMES) == ["poster", EVIL, "bm25", "org/dense", "bm25", "rewriter"]


def test_columns_sort_both_ways_and_say_so(page: Chromium):
    assert head(page, "Bio") is None
    press_head(page, "Bio")
    assert page.run(NAMES)[:5] == [EVIL, "org/dense", "bm25", "bm25", "poster"]
    assert head(page, "Bio") == "descending"
    press_head(page, "Bio")
    assert page.run(NAMES)[:5] == ["bm25", "bm25", "org/dense", EVIL, "poster"]  # none comes last
    assert head(page, "Bio") == "ascending"
    press_head(page, "model")
    assert page.run(NAMES)[-2:] == ["poster", "rewriter"]
    assert (head(page, "Bio"), head(page, "model")) == (None, "ascending")


def test_a_head_sorts_by_keyboard(page: Chromium):
    page.run("named('thead button', 'mean').focus()")
    page.press("Enter", 13)
    assert head(page, "mean") == "descending"
    page.press("Enter", 13)
    assert head(page, "mean") == "ascending"
    assert page.run("document.activeElement.textContent") == "mean"


def type_into(page: Chromium, selector: str, text: str, event: str) -> None:
    page.run(f"type({json.dumps(selector)}, {json.dumps(text)}, {json.dumps(event)})")


def test_text_kind_group_and_query_set_filter(page: Chromium):
    type_into(page, "#search", "BM25", "input")
    assert page.run(NAMES) == ["bm25", "bm25"]
    type_into(page, "#search", "bm25 lexical", "input")
    assert page.run(NAMES) == ["bm25", "bm25"]  # the published row is told by its card as well
    type_into(page, "#search", "", "input")
    click(page, "[name=kind-published]")
    assert page.run(NAMES) == [EVIL, "org/dense", "bm25"]
    click(page, "[name=kind-measured]")
    assert page.run(NAMES) == ["org/dense"]
    assert "1 row on 1 board" in page.run("document.getElementById('said').textContent")
    click(page, "[name=kind-imported]")
    assert page.run("document.getElementById('boards').textContent") == "No row fits these filters."
    for kind in ("published", "measured", "imported"):
        click(page, f"[name=kind-{kind}]")
    type_into(page, "#query-set", "gpt4", "change")
    assert page.run(NAMES) == ["rewriter"]
    type_into(page, "#group", "bright", "change")
    assert page.run(NAMES) == ["rewriter"]


def test_sorting_outlives_filtering(page: Chromium):
    press_head(page, "Bio")
    type_into(page, "#search", "e", "input")
    assert page.run(NAMES)[0] == EVIL
    assert head(page, "Bio") == "descending"


def test_columns_are_picked(page: Chromium):
    heads = "texts('thead button', every('table')[0])"
    assert "licence" not in page.run(heads)
    click(page, "[name=column-licence]")
    assert "licence" in page.run(heads)
    click(page, "[name=column-scores]")
    assert not {"Bio", "Pony"} & set(page.run(heads))
    assert EVIL_NOTE.split()[0] in page.run("document.querySelector('main').textContent")


def test_tips_tell_intervals_and_provenance(page: Chromium):
    page.move("td.mean[data-tip]:not([data-tip*='no interval'])")
    shown = page.run(
        "(() => { const e = document.getElementById('tip'); return [e.hidden, e.textContent]; })()"
    )
    assert shown[0] is False
    assert "95 % interval" in shown[1]
    page.run("document.querySelector('tbody th a').focus()")
    assert EVIL_NOTE[:20] in page.run("document.getElementById('tip').textContent")
    page.press("Escape", 27)
    assert page.run("document.getElementById('tip').hidden")


def test_colours_are_explained_and_can_be_switched_off(page: Chromium):
    legend = "every('#legend').map((e) => [e.hidden, e.textContent])[0]"
    assert page.run(legend) == [False, "by task: lowesthighest"]
    colour = "getComputedStyle(every('td.h10')[0]).backgroundColor"
    assert page.run(colour) not in ("rgba(0, 0, 0, 0)", "transparent")
    click(page, "[name=heat]")
    assert page.run(colour) == "rgba(0, 0, 0, 0)"
    assert page.run(legend)[0] is True


def test_an_entry_has_a_page_with_all_that_is_known(page: Chromium):
    page.run(f"turned(() => named('tbody th a', {json.dumps(EVIL)}).click())")
    text = page.run("document.querySelector('article').textContent")
    for told in (
        EVIL,
        EVIL_NOTE,
        "rank group",
        "index",
        "9",
        "a processor",
    ):
        assert told in text
    assert page.run("document.activeElement.tagName") == "H2"
    assert page.run("document.title").startswith(EVIL)
    queries = "every('section').at(-1)"
    rows = page.run(f"texts('tbody tr', {queries})")
    assert len(rows) == 6
    assert EVIL_NOTE in rows[0]
    type_into(page, "#task-of-queries", "pony", "change")
    assert page.run(f"{queries}.querySelectorAll('thead th').length") == 4  # no texts of this task
    page.run(f"{queries}.querySelectorAll('thead button')[3].click()")
    gaps = page.run(f"texts('tbody td:last-child', {queries}).map(Number)")
    assert gaps == [25, 32.5, 35, 40, 40, 42.5]  # half the gap to the other measured row
    page.run("turned(() => history.back())")
    assert page.run(NAMES)[0] == "poster"


def test_published_entries_have_pages_too(page: Chromium, address: str):
    visit(page, address + entry("published.poster"))
    text = page.run("document.querySelector('article').textContent")
    assert EVIL_NOTE in text
    assert "87.6, as printed by the source" in text
    assert "no values by task" in text
    assert "rank group" not in text
    for nothing in (
        entry("published.gone"),
        "#/entry/0/0",
        "#/pair/bright.original/a",
        "#/entry/%",
    ):
        visit(page, address + nothing)
        assert page.run(NAMES)[0] == "poster"


def test_dark_and_light_follow_the_system_and_the_button(page: Chromium, address: str):
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.run(ground)
    click(page, "#theme")
    dark = page.run(ground)
    assert light == "rgb(255, 255, 255)"
    assert dark != light
    page.run("localStorage.clear()")
    visit(page, address, dark=True)
    assert page.run(ground) == dark
    page.run("localStorage.clear()")


def test_two_rows_are_picked_and_the_page_of_the_pair_says_what_compare_says(
    page: Chromium, address: str, store: ResultStore
):
    click(page, "input.pick")
    assert "pick a second row" in page.run("document.getElementById('picked').textContent")
    page.run("every('input.pick')[1].click()")
    assert page.run("every('input.pick').length") == 2, "only measured rows are paired"
    told = rebench.compare(EVIL, "bm25", results=store.root).comparison
    (over,) = told.overall
    shown = page.run("document.querySelector('#picked p').textContent")
    assert signed(over.delta) in shown
    assert signed_interval(over.interval) in shown
    assert f"corrected p = {p_value(over.p_corrected)}" in shown
    page.run("turned(() => document.querySelector('#picked a').click())")
    assert page.run("location.hash") == pair(f"measured.{EVIL}", "measured.bm25")
    rows = page.run("every('tbody tr', every('section')[0]).map((e) => texts('th, td', e))")
    found = [told.overall[0], *(told.by_task[task][0] for task in MEMBERS["bright"])]
    assert [row[0] for row in rows] == ["all tasks", *MEMBERS["bright"]]
    for row, each in zip(rows, found, strict=True):
        assert row[3] == signed(each.delta)
        assert row[4] == signed_interval(each.interval)
        assert row[6] == p_value(each.p_corrected)
        assert row[8] == f"{each.counts.wins} / {each.counts.ties} / {each.counts.losses}"
    page.run("turned(() => named('a', 'the other way round').click())")
    assert page.run("document.querySelector('.verdict').textContent").startswith(
        signed(-over.delta)
    )
    assert len(page.run("texts('tbody tr', every('section').at(-1))")) == 6
    page.run("turned(() => history.go(-2))")
    assert not page.run("document.getElementById('picked').hidden"), "the pair is still picked"
    page.run("named('#picked button', 'Clear').click()")
    assert page.run("every('input.pick').filter((e) => e.checked).length") == 0


def test_filters_stand_in_the_address(page: Chromium, address: str):
    type_into(page, "#search", "bm25", "input")
    click(page, "[name=kind-published]")
    kept = page.run("location.hash")
    assert kept == "#/?find=bm25&rows=measured%2Cimported"
    before = page.run(NAMES)
    visit(page, address)
    assert page.run(NAMES) != before
    visit(page, address + kept)
    assert page.run(NAMES) == before
    assert page.run("document.getElementById('search').value") == "bm25"
    assert page.run("document.querySelector('[name=kind-published]').checked") is False


def test_a_row_is_compared_from_its_own_page(page: Chromium, address: str):
    visit(page, address + entry("measured.bm25"))
    assert page.run("texts('#compare-with option')") == ["choose", EVIL]
    page.run("turned(() => type('#compare-with', '0', 'change'))")
    assert page.run("location.hash") == pair("measured.bm25", f"measured.{EVIL}")


@pytest.mark.parametrize(
    "route",
    [
        "",
        entry(f"measured.{EVIL}"),
        entry("published.poster"),
        pair("measured.bm25", f"measured.{EVIL}"),
    ],
)
def test_a_phone_needs_no_sideways_scrolling(
    page: Chromium, address: str, route: str, tmp_path: Path
):
    visit(page, address + route, 360, 740)
    assert page.run("document.documentElement.scrollWidth") <= 360
    page.screenshot(tmp_path / "phone.png", whole=True)
    width, _ = struct.unpack(">II", (tmp_path / "phone.png").read_bytes()[16:24])
    assert width == 360
    if not route:
        page.run("document.querySelector('details').open = true")
        assert page.run("document.documentElement.scrollWidth") <= 360
