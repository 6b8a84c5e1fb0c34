"""Relative links of Markdown files, resolved as a code host resolves them."""

from __future__ import annotations

import re
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token


def broken_links(page: Path) -> list[str]:
    """Return one line for each relative link of a page that leads to no file or no heading."""
    faults = []
    for target in _targets(MarkdownIt().parse(page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.is_file():
            faults.append(f"{page}: {target} leads to no file")
        elif anchor and file.suffix == ".md" and anchor not in _anchors(file):
            faults.append(f"{page}: {target} leads to no heading")
    return faults


def _targets(tokens: list[Token]) -> list[str]:
    targets = []
    for token in tokens:
        address = token.attrGet("href") or token.attrGet("src")
        if address:
            targets.append(str(address))
        targets += _targets(token.children or [])
    return targets


def _anchors(page: Path) -> set[str]:
    """Return the anchors that a code host makes of a page's headings."""
    tokens = MarkdownIt().parse(page.read_text(encoding="utf-8"))
    titles = [
        "".join(child.content for child in tokens[at + 1].children or [])
        for at, token in enumerate(tokens)
        if token.type == "heading_open"
    ]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
