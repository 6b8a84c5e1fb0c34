"""`make readme`: run every command of README.md and put its output under it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.helpers.documents import README, ShownCommand, code_blocks, commands
from tests.helpers.small_task import write_beir, write_run

EVAL_COMMANDS = (
    "rebench eval --model bm25,wordllama --tasks embedded",
    "rebench leaderboard --measured --tasks embedded",
)


def output_of(shown: ShownCommand, folder: Path) -> str:
    """Return what a command prints on stdout, without trailing blanks."""
    program = Path(sys.executable).with_name("rebench")
    done = subprocess.run(
        [program, *shown.arguments[1:]],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "REBENCH_RESULTS": str(folder / "measured")},
    )
    return "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())


def filled(text: str, folder: Path) -> str:
    """Return the README with fresh output in each console block that shows any."""
    for block in code_blocks(README):
        if block.language != "console" or block.needs:
            continue
        lines = []
        for shown in commands(block):
            lines.append(f"$ {shown.command}")
            if shown.arguments[0] == "rebench":
                output = output_of(shown, folder)
                lines += [output] if any(shown.output) else []
            else:
                lines += shown.output
        text = text.replace(block.text, "\n".join(lines) + "\n")
    return text


def main() -> None:
    """Rewrite README.md in place."""
    text = README.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as name:
        outputs = [output_of(ShownCommand(each, ()), Path(name)) for each in EVAL_COMMANDS]
    text = re.sub(
        r"```text\n.*?```", lambda _: f"```text\n{outputs[-1]}\n```", text, count=1, flags=re.S
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_beir(folder / "my-task")
        write_run(folder / "my-run.trec")
        text = filled(text, folder)
    README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
