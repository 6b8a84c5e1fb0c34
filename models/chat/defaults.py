"""Defaults of asking chat models, once: the classes and the command line take them from here."""

from __future__ import annotations

CONCURRENCY = 64
"""Requests in flight at once (ReasonEmbed's data_synthesis at 1efe855 uses 64 threads)."""

TIMEOUT = 60.0
"""Seconds to wait for a whole reply (same source, llm.py)."""

ATTEMPTS = 3
"""Tries at a request whose reply is unusable, each with another seed (our choice)."""

UNUSABLE_SHARE = 0.5
"""A larger share of questions without a usable reply stops a stage (our choice)."""

UNANSWERED_SHARE = 0.02
"""A larger share of requests that were given up stops a run (our choice)."""

DIALECTS = ("vllm", "sglang", "openai")
"""Whose names the settings beyond OpenAI's standard are sent under; `openai` sends none of them."""

KEY_VARIABLES = ("REBENCH_LLM_KEY", "OPENAI_API_KEY")
"""Where the key of a chat server is looked for, in this order."""
