"""A journal of a million simulated calls: its size, the time to resume from it, its peak memory.

    python benchmarks/chat_journal.py                  # 1,000,000 calls
    python benchmarks/chat_journal.py --calls 20000    # a quick look

The calls are those of `annotate`, most of a run by far: ReMixer's own prompt with a written query
and a document of the embedded task, and a judgement of about 250 words. Each number is from a
process of its own: one appends all replies, one opens the journal as a resumed run does and reads
the first 20,000 replies back in the order of their requests.
Written without forcing lines to the disk, so that the disk's own speed is not in the times.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from harness.core.progress import SilentReporter
from harness.data.registry import TaskOptions, load_task
from models.chat import journal as journal_module
from models.chat.journal import Journal, read_records
from models.chat.journal_segments import segment_files
from models.chat.protocol import ChatReply, ChatRequest
from remixer.prompt_builder import PromptBuilder
from remixer.task_profiles import load_profile

RESULTS = Path(__file__).parent / "results" / "chat_journal.md"
ROOT = Path(__file__).parent.parent
CALLS = 1_000_000
READS = 20_000
PER_QUERY = 100
WORDS = 250


def calls(count: int) -> Iterator[tuple[ChatRequest, ChatReply]]:
    """Yield requests and replies, query by query."""
    task = load_task("stdlib-oblique", TaskOptions(), SilentReporter())
    written = [
        record for _, record in read_records(ROOT / "remixer/examples/stdlib-replay.jsonl.gz")
    ]
    texts = {
        stage: [each["reply"]["text"] for each in written
                if each["request"]["about"]["stage"] == stage]
        for stage in ("generate", "annotate")
    }  # fmt: skip
    documents = [text[:5000] for text in task.corpus.texts if len(text) >= 200]
    prompts = PromptBuilder(load_profile("stdlib", task.prompt_fields), "writer", "judge")
    judgements = texts["annotate"]
    for number in range(count):
        query, candidate = divmod(number, PER_QUERY)
        # A seed of its own keeps the same query and document apart in another round.
        request = prompts.annotate(
            texts["generate"][query % len(texts["generate"])],
            documents[(query * 7919 + candidate) % len(documents)],
            attempt=query // len(texts["generate"]),
        )
        words: list[str] = []
        at = number
        while len(words) < WORDS:
            words += judgements[at % len(judgements)].split()
            at += 6113
        text = " ".join(words[:WORDS]) + " <score>3</score>"
        yield request, ChatReply(request.key, text, "stop", 900, 350)


def write(path: Path, count: int) -> dict[str, float]:
    """Append all replies."""
    raw = 0
    spent = 0.0
    with Journal(path) as journal:
        for request, reply in calls(count):
            started = time.perf_counter()
            if request.key not in journal:
                journal.append(request, reply)
            spent += time.perf_counter() - started
            raw += len(journal_module.record_line(request, reply)) if reply.key[0] == "0" else 0
        kept = len(journal)
    return {"seconds": spent, "replies": kept, "raw": raw * 16}


def resume(path: Path, reads: int) -> dict[str, float]:
    """Open the journal; read some replies back in the order of their requests."""
    started = time.perf_counter()
    with Journal(path) as journal:
        opened = time.perf_counter() - started
        memory = peak()
        spent = 0.0
        for request, reply in calls(reads):
            begun = time.perf_counter()
            found = journal.read(request.key)
            spent += time.perf_counter() - begun
            if found.key != reply.key:
                raise AssertionError(f"{found} is not the reply to {request.key}")
    return {"opened": opened, "memory": memory, "read": spent}


def peak() -> float:
    """Return this process' peak resident size in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def apart(step: str, path: Path, count: int) -> dict[str, float]:
    """Run a step in a process of its own."""
    command = [sys.executable, __file__, "--step", step, "--path", str(path), "--calls", str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def report(count: int, written: dict[str, float], opened: dict[str, float], size: int) -> str:
    """Return the result page."""
    raw, kept = written["raw"], int(written["replies"])
    rows = [
        ("replies kept", f"{kept:,}"),
        ("bytes of their lines, estimated from one in sixteen", f"{raw / 1e9:.2f} GB"),
        ("size on disk", f"{size / 1e9:.2f} GB ({size / kept:,.0f} bytes a reply, "
                         f"{raw / size:.1f} times smaller)"),
        ("appending a reply, sealing included", f"{1000 * written['seconds'] / kept:.3f} ms"),
        ("opening it to resume", f"{opened['opened']:.2f} s"),
        ("peak memory once open, with Python and NumPy", f"{opened['memory']:.0f} MiB"),
        ("peak memory of the writing process", f"{written['memory']:.0f} MiB"),
        (f"reading {min(READS, count):,} replies back in order",
         f"{1000 * opened['read'] / min(READS, count):.3f} ms each"),
    ]  # fmt: skip
    lines = [
        f"# A chat journal of {count:,} calls",
        "",
        "Calls of `annotate` as `benchmarks/chat_journal.py` makes them; "
        f"{os.cpu_count()} CPU cores ({platform.machine()}), Python {platform.python_version()}.",
        "",
        "| what | value |",
        "|---|--:|",
        *(f"| {name} | {value} |" for name, value in rows),
        "",
        f"Load average of the machine when this was made: {os.getloadavg()[0]:.1f}. "
        "Made by `python benchmarks/chat_journal.py`.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the steps, each in a process of its own, and write the result page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step == "write":
        journal_module.SYNC_SECONDS = float("inf")
        found = write(options.path, options.calls)
        print(json.dumps({**found, "memory": peak()}))
        return
    if options.step == "resume":
        print(json.dumps(resume(options.path, min(READS, options.calls))))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.jsonl"
        written = apart("write", path, options.calls)
        opened = apart("resume", path, options.calls)
        size = sum(each.stat().st_size for each in (path, *segment_files(path)))
        size += sum(each.stat().st_size for each in Path(folder).glob("*.idx"))
    page = report(options.calls, written, opened, size)
    print(page)
    if options.calls == CALLS:
        RESULTS.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
