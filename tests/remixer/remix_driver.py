"""A whole run as a process of its own, to be killed: `remix_driver.py FOLDER URL`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]

from chat_server import http_chat
from remix_corpus import make_config, make_kind, make_task, make_tools

from remixer.conditions import SelectConfig
from remixer.pipeline import STAGES, run_stages

if __name__ == "__main__":
    task = make_task(60)
    config = make_config(select=SelectConfig(min_characters=20, limit=40), clean=True)
    chat = http_chat(sys.argv[2], timeout=5.0)
    run_stages(STAGES, task, make_kind(task), Path(sys.argv[1]), config, make_tools(chat))
