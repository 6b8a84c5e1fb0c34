"""Every code block of the README and the pages is run, or says what it needs and is parsed."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from harness.cli.main import main
from tests.helpers.documents import (
    README,
    ROOT,
    CodeBlock,
    ShownCommand,
    code_blocks,
    commands,
    documents,
    parse_arguments,
    runnable,
)
from tests.helpers.small_task import write_beir, write_run

DONE: set[str] = set()
"""Commands that were run in the folder of all pages: a second time tells nothing new."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which all pages are run, the README first."""
    made = tmp_path_factory.mktemp("pages")
    write_beir(made / "my-task")
    write_run(made / "my-run.trec")
    DONE.clear()
    return made


@pytest.fixture(autouse=True)
def _places(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("REBENCH_CACHE", str(folder / "cache"))
    monkeypatch.setenv("REBENCH_RESULTS", str(folder / "results"))


def run_command(shown: ShownCommand, monkeypatch, capsys) -> None:
    """Run a command of ours in this process; it ends well and prints what is shown."""
    if shown.arguments[0] != "rebench" or (shown.command in DONE and not shown.output):
        return  # of `make`, `pip` and `source`, what they name is checked
    monkeypatch.setattr(sys, "argv", shown.arguments)
    capsys.readouterr()
    code = None
    try:
        main()
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    assert code == 0, f"{shown.command}: {captured.err}"
    fresh = tuple(line.rstrip() for line in captured.out.strip().splitlines())
    assert not any(shown.output) or shown.output == fresh, f"{shown.command}: run `make readme`"
    DONE.add(shown.command)


def run_block(block: CodeBlock, names: dict[str, object], monkeypatch, capsys) -> None:
    """Run one block as a reader would: files are written, Python shares its names by page."""
    if block.file:
        Path(block.file).write_text(block.text, encoding="utf-8")
    if block.language == "console":
        for shown in commands(block):
            run_command(shown, monkeypatch, capsys)
    elif block.language == "python" and not block.file:
        exec(compile(block.text, str(block), "exec"), names)


def test_no_page_holds_the_marks_of_a_merge():
    for page in (*documents(), ROOT / "CHANGELOG.md"):
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"^(<{7} |>{7} |={7}$)", text, re.MULTILINE), page


@pytest.mark.parametrize("page", documents(), ids=lambda page: page.stem)
def test_blocks_of_a_page(page, monkeypatch, capsys):
    names: dict[str, object] = {}
    for block in runnable(page):
        run_block(block, names, monkeypatch, capsys)


def test_the_readme_shows_commands_with_their_output():
    shown = [each for block in code_blocks(README) if block.language == "console"
             for each in commands(block)]  # fmt: skip
    assert sum(bool(each.output) for each in shown) >= 4


def test_commands_of_the_readme_cover_the_command_tree():
    from harness.cli.app import COMMANDS

    named = set(re.findall(r"rebench ([a-z]+)", README.read_text(encoding="utf-8")))
    assert {each.name for each in COMMANDS} <= named


@pytest.mark.parametrize(
    "words", [["eval", "--no-such-option"], ["nothing"], ["remix", "run", "--wrong", "x"]]
)
def test_what_the_program_does_not_know_is_seen(words):
    with pytest.raises(AssertionError, match=r"No such|no such|[Uu]nknown"):
        parse_arguments(words)


def test_links_lead_to_files_and_headings():
    """As a code host resolves them: the site's own links are checked when it is built."""
    from tests.helpers.doc_links import broken_links

    tree = [*documents(), ROOT / "remixer/examples/README.md", *(ROOT / "docs").rglob("*.md")]
    assert [fault for page in dict.fromkeys(tree) for fault in broken_links(page)] == []


def test_messages_of_troubleshooting_are_messages_of_the_program():
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    parts = re.findall(r"^\| `([^`]+)` \|", page, re.M)
    folders = ("harness", "models", "remixer", "redapter", "results")
    paths = [path for name in folders for path in (ROOT / name).rglob("*.py")]
    code = "\n".join(path.read_text(encoding="utf-8") for path in paths)
    code = re.sub(r'"\s*\n\s*f?"', "", code)  # a text that is written over several lines
    unknown = [each for each in parts if each not in code and not each.startswith("unknown ")]
    assert len(parts) > 12
    assert unknown == []


def test_every_page_of_the_folder_is_in_the_index():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    missing = [
        page.name
        for page in (ROOT / "docs").glob("*.md")
        if page.name != "index.md" and f"]({page.name})" not in index
    ]
    assert missing == []
