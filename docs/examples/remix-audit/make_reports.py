"""Make the example reports of this folder, and the table of its README.

    python docs/examples/remix-audit/make_reports.py WORK [theoremqa-mini]

WORK is an empty folder to work in; the second argument is a BEIR folder of that name (left out:
only the `stdlib` reports are made). Its queries are junk, written by the server in this file: words
of the document, three in five dropped and the rest shuffled. That is no query that anybody would
train on. It leans on its source's words more than any model's would, so it shows what the audit is
for: whether positives are texts that word matching finds.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PORT = 8077
SHOWN = (
    "source_is_positive", "positive_is_first", "positive_in_ten", "query_shares_shingle",
    "source_is_first", "negative_above_positives", "positive_equals_gold", "negative_equals_gold",
)  # fmt: skip
REPLAY = (
    "--task stdlib --documents remixer/examples/stdlib-documents.txt.gz "
    "--sources remixer/examples/stdlib-sources.txt "
    "--llm replay:remixer/examples/stdlib-replay.jsonl.gz --replay-tolerant --no-domain-filter "
    "--embedder bm25 --depth 10"
)
JUNK = (
    f"--corpus theoremqa-mini --llm http://127.0.0.1:{PORT}/v1 --llm-model junk "
    "--no-domain-filter --no-reason --limit 500"
)
WRITTEN = (
    "Queries, reasoning and judgements are replies written for this project "
    "(remixer/examples/README.md); candidates are BM25's first ten."
)
JUNKED = (
    "The queries are junk and not for training: for each of 500 documents, its words with three in "
    "five dropped and the rest shuffled, by the server in make_reports.py. They lean on their "
    "source's words more than any model's would."
)
KEPT = "The source document is left out of the candidates and is no positive, as ReMixer does it."
TRIVIAL = "Deliberately trivial: the source document is the only positive (`--include-source`)."


@dataclass(frozen=True, slots=True)
class Example:
    """One report: its name, how its training file is made, and what its head says."""

    name: str
    made_with: str
    task: str
    notes: tuple[str, ...]
    embedder: str = ""


def examples(with_folder: bool) -> list[Example]:
    """Return what to make."""
    found = [
        Example("stdlib", REPLAY, "stdlib", (WRITTEN, KEPT)),
        Example("stdlib-source-included", f"{REPLAY} --include-source", "stdlib",
                (WRITTEN, TRIVIAL)),
    ]  # fmt: skip
    ways = (
        ("bm25", "--embedder bm25 --annotator lexical",
         "Mined with BM25, labelled by BM25 (`--annotator lexical`): the first 12 of 100 "
         "candidates are positives."),
        ("minilm", "--embedder minilm --annotator embedding",
         "Mined with all-MiniLM-L6-v2, labelled by its similarity (`--annotator embedding`): the "
         "first 12 of 100 candidates are positives."),
    )  # fmt: skip
    for way, flags, how in ways if with_folder else ():
        embedder = "" if way == "bm25" else way
        made = f"{JUNK} {flags}"
        name = f"theoremqa-mini-{way}"
        found.append(Example(name, made, "theoremqa-mini", (JUNKED, how, KEPT), embedder))
        found.append(
            Example(f"{name}-source-included", f"{made} --include-source", "theoremqa-mini",
                    (JUNKED, how, TRIVIAL), embedder)
        )  # fmt: skip
    return found


def junk(prompt: str) -> str:
    """Return a document's words, three in five dropped and the rest shuffled."""
    document = re.findall(r"=== [^\n]* ===\n(.*)\n=== end of ", prompt, re.DOTALL)[0]
    drawn = sorted(
        (hashlib.sha256(f"{document}\0{at}".encode()).digest(), word)
        for at, word in enumerate(document.split())
    )
    kept = [word for digest, word in drawn if digest[-1] % 5 < 2]
    return " ".join(kept[:150])


class Handler(BaseHTTPRequestHandler):
    """An OpenAI-compatible server that knows one trick."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        """Answer a chat request."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        message = {"role": "assistant", "content": junk(body["messages"][-1]["content"])}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        reply = {"object": "chat.completion", "choices": [choice], "usage": usage}
        data = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def rebench(command: str, *more: str, folder: Path) -> str:
    """Run `rebench COMMAND` in a folder and return its output."""
    program = str(Path(sys.executable).parent / "rebench")
    done = subprocess.run(
        [program, *command.split(), *more], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout


def make(example: Example, work: Path) -> dict[str, str]:
    """Make a training file and its report; return its row of the table."""
    run = f"remix run {example.made_with} --out {example.name}"
    embedder = f" --embedder {example.embedder}" if example.embedder else ""
    audit = f"remix audit {example.name} --task {example.task}{embedder}"
    rebench(run, folder=work)
    head = [*example.notes, f"    rebench {run}\n    rebench {audit}"]
    notes = [part for note in head for part in ("--note", note)]
    report = HERE / f"{example.name}.md"
    found = json.loads(rebench(audit, "--json", "-o", str(report), *notes, folder=work))
    row = {"report": f"[{example.name}]({example.name}.md)", "rows": f"{found['rows']:,}"}
    for measure in SHOWN:
        share = found["measures"][measure]["found"]["all"]["share"]
        row[measure] = "–" if share is None else f"{100 * share:.1f} %"
    print(row, flush=True)
    return row


def main() -> None:
    """Make everything."""
    work = Path(sys.argv[1]).resolve()
    work.mkdir(parents=True, exist_ok=True)
    if not (work / "remixer").exists():
        (work / "remixer").symlink_to(ROOT / "remixer")
    folder = Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else None
    if folder is not None and not (work / folder.name).exists():
        (work / folder.name).symlink_to(folder)
    server = ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    rows = [make(example, work) for example in examples(folder is not None)]
    server.shutdown()
    heads = list(rows[0])
    table = [f"| {' | '.join(heads)} |", "|---|" + "--:|" * (len(heads) - 1)]
    table += [f"| {' | '.join(row.values())} |" for row in rows]
    print("\n".join(table))


if __name__ == "__main__":
    main()
