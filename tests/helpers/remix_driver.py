"""A whole run as a process of its own, to be killed; arguments: FOLDER URL."""

from __future__ import annotations

import sys
from pathlib import Path

from remixer.pipeline import STAGES, run_stages
from remixer.stages.select import SelectConfig
from tests.helpers.chat_server import http_chat
from tests.helpers.remix_corpus import make_config, make_kind, make_task, make_tools

if __name__ == "__main__":
    task = make_task(60)
    config = make_config(select=SelectConfig(min_characters=20, limit=40), domain_filter=True)
    chat = http_chat(sys.argv[2], timeout=5.0)
    run_stages(STAGES, task, make_kind(task), Path(sys.argv[1]), config, make_tools(chat))
