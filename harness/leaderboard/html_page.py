"""The leaderboard as one static HTML file that works from disk, with no network and no server."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from importlib.resources import files

from harness.core.distribution import installed_version
from harness.core.types import Json
from harness.leaderboard.columns import Column
from harness.leaderboard.cost import NOTE, cost_figure, costed_rows
from harness.leaderboard.html_data import Texts, page_data
from harness.leaderboard.html_pairs import BoardPairs
from harness.leaderboard.profile import profile_figure, profile_note
from harness.leaderboard.rank import QueryValues
from harness.leaderboard.rows import Board
from harness.leaderboard.wording import board_title
from harness.metrics.names import label, parse_metric
from harness.render.colour_scale import Shade, dark_ramp, light_ramp

SCRIPTS = ("table.js", "address.js", "entry.js", "pair.js", "board.js")
"""In the order in which they are joined; they share one closed scope."""

_PLACE = re.compile(r"@@([a-z]+)@@")


@dataclass(frozen=True, slots=True)
class PageOptions:
    """What else the page says.

    `made` is when (empty: now), `texts` the queries' texts if at hand, `pairs` what each board's
    rows differ by, in the order of the boards (empty: no pair can be picked).
    """

    made: str = ""
    texts: Texts = field(default_factory=dict)
    pairs: Sequence[BoardPairs] = ()


def to_html(
    boards: Sequence[Board],
    values: Sequence[QueryValues],
    columns: Sequence[Column],
    options: PageOptions | None = None,
) -> str:
    """Return the whole page; `values[i]` are the per-query values of `boards[i]`.

    All that comes from entries reaches the page as data in a JSON block and is shown as text by
    the script. The page's own policy lets no other script run and nothing be fetched.
    """
    told = options or PageOptions()
    data = {
        **page_data(boards, values, columns, told.texts, told.pairs),
        "made": told.made or datetime.now(UTC).isoformat(timespec="minutes"),
        "version": installed_version(),
    }
    style = f"{_asset('board.css')}\n{_heat_rules()}"
    script = "(function () {\n'use strict';\n" + "\n".join(map(_asset, SCRIPTS)) + "\n})();"
    return _filled(
        _asset("template.html"),
        {
            "policy": _policy(style, script),
            "style": style,
            "script": script,
            "data": embedded_json(data),
            "figures": "".join(map(_figures, boards)),
        },
    )


def _figures(board: Board) -> str:
    """Return a board's figures: its profile by level, and quality against cost."""
    found = []
    if board.profiles:
        drawn = profile_figure(board, board.profiles)
        found.append(_figure(drawn, f"{board_title(board)}: by wording", profile_note(board)))
    costs = cost_figure(costed_rows(board), label(parse_metric(board.metric)))
    if costs is not None:
        found.append(_figure(costs, f"{board_title(board)}: quality and cost", NOTE))
    return "".join(found)


def _figure(drawn: Mapping[str, bytes], title: str, note: str) -> str:
    """Return a figure that carries its picture."""
    picture = base64.b64encode(drawn["svg"]).decode("ascii")
    return (
        f'<figure class="profile"><img src="data:image/svg+xml;base64,{picture}" '
        f'alt="{escape(title)}">'
        f"<figcaption>{escape(title)}. {escape(note)}</figcaption></figure>\n"
    )


def embedded_json(value: Json) -> str:
    """Return JSON that can stand inside a script element: nothing in it ends or opens a tag."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    # Lone surrogates cannot be written as UTF-8; JSON can name them.
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _filled(template: str, parts: Mapping[str, str]) -> str:
    """Fill the template's places in one pass, so that no part is searched for places."""
    return _PLACE.sub(lambda match: parts[match[1]], template)


def _asset(name: str) -> str:
    """Return a file that ships beside this module."""
    return files("harness.leaderboard").joinpath("html", name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """Return a content security policy that allows this style and this script only."""
    return (
        f"default-src 'none'; style-src 'sha256-{_digest(style)}'; "
        f"script-src 'sha256-{_digest(script)}'; img-src data:; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    """Return the base64 SHA-256 of a text, as policies name it."""
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def _heat_rules() -> str:
    """Return the style rules of the colour ramps, light and dark."""
    return "\n".join((*_ramp("", light_ramp()), *_ramp(":root[data-theme=dark] ", dark_ramp())))


def _ramp(prefix: str, shades: Sequence[Shade]) -> list[str]:
    """Return one rule per step."""
    return [
        f"{prefix}.heat .h{at} {{ background: {shade.background}; color: {shade.text}; }}"
        for at, shade in enumerate(shades)
    ]
