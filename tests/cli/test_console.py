"""What a terminal of any width gets: whole words, and columns that fit or are named as left out."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys

import pytest

ROW = {"task": "biology", "mean": "43.49", "interval": "−12.15 to −1.11", "effect": "−0.23"}


def on_terminal(code: str, width: int) -> list[str]:
    """Return the lines that a piece of code prints on a terminal of this width."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(width), "TERM": "xterm", "NO_COLOR": "1"}
    with subprocess.Popen([sys.executable, "-c", code], stdout=theirs, env=environment) as child:
        os.close(theirs)
        told = b""
        try:
            while piece := os.read(ours, 4096):
                told += piece
        except OSError:  # the other end is closed
            pass
        finally:
            os.close(ours)
        assert child.wait() == 0
    return re.sub(r"\x1b\[[0-9;]*m", "", told.decode()).replace("\r\n", "\n").splitlines()


@pytest.mark.parametrize("width", [120, 80, 60, 40])
def test_no_number_is_cut_whatever_the_names_and_the_width(width: int) -> None:
    names = ("reasonembed-basic-llama-3.1-8b", "rader-gte-qwen2-7b")
    row = dict(ROW) | {names[0]: "31.34", names[1]: "43.49", "corrected p": "0.0001"}
    code = f"from harness.cli.console import print_aligned\nprint_aligned([{row}], ('effect',))"
    lines = on_terminal(code, width)
    told = [line for line in lines if row["interval"] in line]
    assert len(told) == 1
    for key, value in row.items():
        assert key in ("task", "effect") or value in told[0], key
    firsts = "".join(line[:7].rstrip() for line in lines)
    assert "task" in firsts
    assert "biology" in firsts


def test_prose_wraps_at_words_and_keeps_its_indent() -> None:
    code = (
        "from harness.cli.console import print_wrapped\nprint_wrapped('    ' + 'ab-cd words ' * 9)"
    )
    lines = on_terminal(code, 40)
    assert len(lines) > 2
    assert all(len(line) <= 40 for line in lines)
    assert [len(line) - len(line.lstrip()) for line in lines] == [4, *[6] * (len(lines) - 1)]
    assert " ".join(" ".join(lines).split()) == " ".join(["ab-cd words"] * 9)


def test_away_from_a_terminal_lines_stay_whole(capsys: pytest.CaptureFixture[str]) -> None:
    from harness.cli.console import print_wrapped

    print_wrapped("long " * 100)
    assert capsys.readouterr().out.count("\n") == 1


def test_the_list_of_models_names_what_has_no_room() -> None:
    code = "from harness.cli.listing import models\nmodels(None, False)"
    lines = on_terminal(code, 80)
    assert all(len(line) <= 80 for line in lines)
    assert any(line.startswith("reasonembed-basic-llama-3.1-8b ") for line in lines)
    assert any(line.startswith("note: no room for licence") for line in lines)
