"""What a page's comments stand for: `<!-- fill: NAME -->` and `<!-- needs: hub -->`.

On a code host both are invisible; the site shows what they stand for, made when it is built.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

FILL = re.compile(r"^<!-- fill: ([a-z-]+) -->$", re.MULTILINE)
NEEDS = re.compile(r"^<!-- needs: ([a-z, ]+) -->$", re.MULTILINE)
SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#:\s]+)\.md\)")
WORDS = {
    "hub": "models or data of the hub",
    "gpu": "a GPU",
    "server": "a server",
    "minutes": "a minute or more on a CPU",
}
"""What each word of a `needs` comment is called in the site."""


def setup(app: Any) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("source-read", _fill)
    return {"version": "1", "parallel_read_safe": True}


def _fill(app: Any, page: str, source: list[str]) -> None:
    text = source[0]

    def filled(match: re.Match[str]) -> str:
        if match[1] == "toctree":
            return toctrees(text, app.env.found_docs, page)
        return _generator(match[1])()

    source[0] = NEEDS.sub(lambda match: label(match[1]), FILL.sub(filled, text))


def _generator(name: str) -> Callable[[], str]:
    """Return the function that writes a part of a page; heavy imports happen here only."""
    import commands
    import signatures
    import tables

    return {
        "commands": commands.reference,
        "file-kinds": tables.file_kinds,
        "flags": tables.flags,
        "signatures": signatures.reference,
    }[name]


def label(needs: str) -> str:
    """Return the small line above a block that a bare machine cannot run."""
    names = " and ".join(WORDS[word.strip()] for word in needs.split(","))
    return f'<p class="needs">needs {names}</p>\n'


def toctrees(text: str, pages: set[str], page: str) -> str:
    """Return hidden tables of contents: the pages that each section of a page links, in order."""
    parts = SECTION.split(text)
    sections = [("", parts[0]), *zip(parts[1::2], parts[2::2], strict=True)]
    folder = PurePosixPath(page).parent
    result = []
    for title, body in sections:
        linked = [_joined(folder, target) for target in LINK.findall(body)]
        own = [f"/{each}" for each in dict.fromkeys(linked) if each in pages and each != page]
        if own:
            caption = f":caption: {title}\n" if title and page == "docs/index" else ""
            lines = "\n".join(own)
            result.append(f"```{{toctree}}\n:hidden:\n:titlesonly:\n{caption}\n{lines}\n```\n")
    return "\n".join(result)


def _joined(folder: PurePosixPath, target: str) -> str:
    """Return the page that a relative link names."""
    parts: list[str] = list(folder.parts)
    for part in target.split("/"):
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)
