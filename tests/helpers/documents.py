"""The code blocks of documents: found, run, and, where a bare machine cannot run them, parsed."""

from __future__ import annotations

import ast
import inspect
import json
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
NEEDS = ("hub", "gpu", "server", "minutes")
"""What a block may need that the tests do not have; `<!-- needs: hub -->` above it says so."""
OUTPUT = "text"
"""The language of what is shown and not run: output, formulas, drawings."""


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """One code block: what marks it, and its text. `file` is where a test writes it."""

    document: Path
    line: int
    language: str
    text: str
    needs: tuple[str, ...] = ()
    file: str = ""

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"


@dataclass(frozen=True, slots=True)
class ShownCommand:
    """A command of a console block with the output printed under it."""

    command: str
    output: tuple[str, ...]

    @property
    def arguments(self) -> list[str]:
        """Return the words of the command, its comment left out."""
        return shlex.split(re.sub(r"\s+#\s.*$", "", self.command))


def documents() -> list[Path]:
    """Return the README and the pages whose blocks are checked: reports are output themselves."""
    return [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def code_blocks(document: Path) -> list[CodeBlock]:
    """Return the code blocks of a document in order; a comment marks the block after it."""
    blocks: list[CodeBlock] = []
    marks: dict[str, str] = {}
    for token in MarkdownIt().parse(document.read_text(encoding="utf-8")):
        if token.type == "html_block":
            marks |= dict(re.findall(r"<!-- (needs|file): (.+?) -->", token.content))
        elif token.type in ("fence", "code_block"):
            language = token.info.strip() if token.type == "fence" else "indented"
            needs = tuple(each.strip() for each in marks.get("needs", "").split(",") if each)
            line = (token.map or [0])[0] + 1
            blocks.append(
                CodeBlock(document, line, language, token.content, needs, marks.get("file", ""))
            )
            marks = {}
    return blocks


def commands(block: CodeBlock) -> list[ShownCommand]:
    """Return the `$ ` lines of a console block, lines that end in a backslash joined."""
    shown: list[ShownCommand] = []
    for line in block.text.replace("\\\n", " ").splitlines():
        if line.startswith("$ "):
            shown.append(ShownCommand(line[2:], ()))
        elif shown:
            last = shown[-1]
            shown[-1] = ShownCommand(last.command, (*last.output, line.rstrip()))
        else:
            raise AssertionError(f"{block}: a console block begins with a command: $ …")
    return shown


def check_command(shown: ShownCommand) -> None:
    """Fail if a command names a command, option, target or script that does not exist."""
    words = shown.arguments
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]  # a variable of the environment
    if words[0] == "torchrun":
        words = words[words.index("rebench") :]
    if words[0] == "rebench":
        parse_arguments(words[1:])
    elif words[0] == "make":
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        assert re.search(rf"^{re.escape(words[1])}:", makefile, re.M), shown.command
    elif words[0] == "python" and words[1] != "-m":
        assert (ROOT / words[1]).is_file(), f"no such script: {shown.command}"
    else:
        assert words[0] in ("pip", "source", "python", "git", "vllm", "cat"), shown.command


def parse_arguments(words: list[str]) -> None:
    """Parse a command line as the program does, and run nothing; fails with the parser's words."""
    from typer.main import get_command

    from harness.cli.app import app

    command: Any = get_command(app)
    context: Any = None
    name: str | None = "rebench"
    rest = list(words)
    try:
        while True:
            context = command.make_context(name, rest, parent=context)
            if not hasattr(command, "resolve_command"):
                return
            rest = [*context._protected_args, *context.args]
            name, command, rest = command.resolve_command(context, rest)
    except Exception as error:
        if getattr(error, "exit_code", None) == 0:
            return  # `--help` ends here
        message = error.format_message() if hasattr(error, "format_message") else repr(error)
        raise AssertionError(f"rebench {shlex.join(words)}: {message}") from error


def check_python(block: CodeBlock) -> None:
    """Fail if a block is no Python, or calls `rebench.NAME` with an argument that it lacks."""
    import rebench

    for node in ast.walk(ast.parse(block.text)):
        name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        if not isinstance(node, ast.Call) or not re.fullmatch(r"rebench(\.\w+)+", name):
            continue
        target: Any = rebench
        for part in name.split(".")[1:]:
            target = getattr(target, part)
        given = {each.arg: None for each in node.keywords if each.arg}
        try:
            inspect.signature(target).bind(*node.args, **given)
        except TypeError as error:
            raise AssertionError(f"{block}: {ast.unparse(node)}: {error}") from error


def check_data(block: CodeBlock) -> None:
    """Fail if a block of TOML, YAML or JSON is none, or has a key that its reader does not know."""
    if block.language == "toml":
        table = tomllib.loads(block.text)
        for name, values in table.get("models", {}).items():
            _read_card(name, values)
        if "backend" in table:
            _read_card("", table)
        if "pipelines" in table:
            _read_pipelines(block.text)
    elif block.language == "yaml":
        yaml.safe_load(block.text)
    elif block.language == "json":
        json.loads(block.text)
    elif block.language == "jsonl":
        for line in block.text.splitlines():
            json.loads(line)


def _read_card(name: str, values: dict[str, Any]) -> None:
    from models.backends.http_options import read_options
    from models.card import card_from_mapping

    card = card_from_mapping({"name": name, **values}, "the card")
    if card.backend == "http":
        read_options(card)


def _read_pipelines(text: str) -> None:
    import tempfile

    from harness.pipelines.staged.pipeline import read_pipelines

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pipeline.toml"
        path.write_text(text, encoding="utf-8")
        assert read_pipelines(path)


def runnable(document: Path) -> Iterator[CodeBlock]:
    """Yield the blocks that are to be run; those that need something else are checked first."""
    for block in code_blocks(document):
        assert block.language in CHECKS, f"{block}: no such kind of block: {block.language!r}"
        assert set(block.needs) <= set(NEEDS), f"{block}: needs {block.needs}"
        CHECKS[block.language](block)
        if not block.needs:
            yield block


def _check_console(block: CodeBlock) -> None:
    for shown in commands(block):
        check_command(shown)


def _check_indented(block: CodeBlock) -> None:
    """Fail for commands in an indented block, which says neither what it is nor what it needs."""
    odd = re.search(r"^(\$ |rebench |make |import |from )", block.text, re.M)
    assert odd is None, f"{block}: write commands in a fenced block, with `$ ` before each"


CHECKS: dict[str, Callable[[CodeBlock], None]] = {
    "console": _check_console,
    "python": check_python,
    "toml": check_data,
    "json": check_data,
    "yaml": check_data,
    "jsonl": check_data,
    OUTPUT: lambda block: None,
    "indented": _check_indented,
}
"""Language of a block -> what is checked of it, run or not."""
