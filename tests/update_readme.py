"""`make readme`: run every command of README.md and put its output under it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.helpers.small_task import write_beir, write_run

README = Path(__file__).resolve().parent.parent / "README.md"
EVAL_COMMANDS = (
    "rebench eval --model bm25,wordllama --tasks stdlib",
    "rebench leaderboard --measured",
)


def output_of(command: str, folder: Path) -> str:
    """Return what a command prints on stdout, without trailing blanks."""
    program = Path(sys.executable).with_name("rebench")
    done = subprocess.run(
        [program, *command.split()[1:]],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "REBENCH_RESULTS": str(folder / "measured")},
    )
    return "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())


def filled(text: str, folder: Path) -> str:
    """Return the README with fresh output in each console block that shows any."""

    def block(match: re.Match[str]) -> str:
        parts = re.split(r"^(?=\$ )", match[1], flags=re.M)
        lines = []
        for part in filter(None, parts):
            command, _, shown = part.partition("\n")
            lines.append(command)
            if command.startswith("$ rebench "):
                output = output_of(command[2:], folder)
                if shown.strip():
                    lines.append(output)
            elif shown.strip():
                lines.append(shown.rstrip())
        return "```console\n" + "\n".join(lines) + "\n```"

    return re.sub(r"```console\n(.*?)```", block, text, flags=re.S)


def main() -> None:
    """Rewrite README.md in place."""
    text = README.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shown = "\n\n".join(output_of(command, folder) for command in EVAL_COMMANDS)
        text = re.sub(
            r"```text\n.*?```", lambda _: f"```text\n{shown}\n```", text, count=1, flags=re.S
        )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_beir(folder / "my-task")
        write_run(folder / "my-run.trec")
        text = filled(text, folder)
    README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
