"""The embedded corpus: what is in it, that it never wavers, and that collecting it is harmless."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.core.errors import DataUnavailable
from harness.core.types import Corpus
from harness.data import docstring_corpus
from harness.data.stdlib.modules import EXCLUDED, SUBMODULES, public_modules
from harness.data.stdlib.task import build_corpus

ROOT = Path(__file__).resolve().parents[2]
MODULES = frozenset(public_modules())
PROBE = """
import json, sys, threading
sys.path.append(sys.argv[1])
from harness.data.docstrings import collect_documents
from harness.data.stdlib.modules import library
documents = collect_documents(library())
print(json.dumps({
    "documents": documents, "modules": sorted(sys.modules), "threads": threading.active_count(),
}))
"""


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    """Return the running interpreter's corpus."""
    return build_corpus()


@pytest.fixture(scope="module")
def texts(corpus: Corpus) -> dict[str, str]:
    """Return id -> text of the running interpreter's corpus."""
    return dict(zip(corpus.ids, corpus.texts, strict=True))


def probe(python: str, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Collect in another process and report what it did there."""
    return subprocess.run(
        [python, "-B", *options, "-c", PROBE, str(ROOT)],
        capture_output=True, text=True, check=True, env={**os.environ, **environment},
    )  # fmt: skip


def test_has_the_expected_size(corpus: Corpus):
    assert 4000 <= len(corpus) <= 5500


def test_ids_are_sorted_and_unique(corpus: Corpus):
    assert list(corpus.ids) == sorted(set(corpus.ids))


def test_text_is_id_blank_line_docstring(texts: dict[str, str]):
    import heapq

    assert texts["heapq.merge"] == f"heapq.merge\n\n{inspect.cleandoc(heapq.merge.__doc__ or '')}"
    for name, text in texts.items():
        head, blank, body = text.partition("\n\n")
        assert (head, blank) == (name, "\n\n")
        assert body.strip()


@pytest.mark.parametrize(
    "name",
    [
        "itertools", "itertools.groupby", "itertools.chain.from_iterable", "builtins.str.partition",
        "builtins.open", "builtins.KeyError", "os.path", "os.path.commonpath",
        "collections.OrderedDict.move_to_end", "collections.abc.Mapping", "random.shuffle",
        "random.SystemRandom", "io.IOBase.readline", "multiprocessing.Process",
        "multiprocessing.Process.join", "multiprocessing.Queue", "pathlib.Path.read_text",
        "pathlib.PurePath.with_suffix", "socket.socket.recv_into", "datetime.date.isoformat",
        "hmac.compare_digest", "xml.parsers.expat.ParserCreate", "typing.Protocol",
        "concurrent.futures.Executor.submit", "unittest.mock.patch", "string.Template",
        "threading.Lock", "logging.Logger.addFilter", "argparse.ArgumentParser.add_argument",
    ],
)  # fmt: skip
def test_documents(texts: dict[str, str], name: str):
    assert name in texts


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("posixpath.join", "os.path.join is its public name"),
        ("io.open", "builtins.open is the same object"),
        ("builtins.IOError", "builtins.OSError is the same object"),
        ("random.Random.shuffle", "random.shuffle is that method"),
        ("socket.SocketType", "the C half of socket.socket"),
        ("string.digits", "a constant, documented by its class"),
        ("os.environ", "an instance, documented by its class"),
        ("builtins.True", "an instance, documented by its class"),
        ("os.stat_result.index", "inherited from tuple"),
        ("collections.OrderedDict.get", "inherited from dict"),
        ("logging.StreamHandler.acquire", "inherited from logging.Handler"),
        ("concurrent.futures.ThreadPoolExecutor.submit", "repeats Executor.submit"),
        ("inspect.ArgInfo.args", "a named tuple's field"),
        ("builtins.str.__add__", "private"),
        ("json.decoder.scanstring", "not in __all__"),
        ("hmac._warnings", "private"),
        ("selectors.Mapping", "imported from elsewhere"),
        ("json.encoder.c_make_encoder", "another name of a private object"),
    ],
)
def test_leaves_out(texts: dict[str, str], name: str, why: str):
    assert name not in texts, why


def test_every_document_is_where_it_says(texts: dict[str, str]):
    lost = []
    for name in texts:
        parts = name.split(".")
        depth = max(n for n in range(1, len(parts) + 1) if ".".join(parts[:n]) in MODULES)
        value: object = __import__("importlib").import_module(".".join(parts[:depth]))
        try:
            for part in parts[depth:]:
                owner = value
                value = inspect.getattr_static(owner, part, None) or getattr(owner, part)
        except AttributeError:
            lost.append(name)
    assert lost == []


def test_no_private_excluded_or_foreign_name(corpus: Corpus):
    parts = [name.split(".") for name in corpus.ids]
    assert not [name for name in parts if any(part.startswith("_") for part in name)]
    assert {name[0] for name in parts} <= sys.stdlib_module_names - EXCLUDED


def test_tables_name_real_modules():
    listed = set(SUBMODULES)
    assert len(listed) == len(SUBMODULES)
    assert {name.partition(".")[0] for name in listed} <= sys.stdlib_module_names
    assert not EXCLUDED & set(public_modules())


def test_no_memory_address(texts: dict[str, str]):
    # builtins.chr and builtins.hex show hexadecimal examples
    held = {name for name, text in texts.items() if re.search(r" at 0x[0-9a-f]{6,}", text)}
    assert held == set()


def test_same_corpus_whatever_the_hash_seed(texts: dict[str, str]):
    seen = [json.loads(probe(sys.executable, PYTHONHASHSEED=seed).stdout) for seed in ("1", "2")]
    assert seen[0]["documents"] == seen[1]["documents"]
    assert list(seen[0]["documents"]) == list(seen[1]["documents"]) == list(texts)


def test_same_corpus_whatever_this_process_patched(corpus: Corpus):
    import logging

    with pytest.MonkeyPatch.context() as patch:  # pytest itself needs them to report a failure
        patch.setattr(inspect, "getfile", test_no_memory_address)
        patch.setattr(logging.Logger, "warning_once", test_no_memory_address, raising=False)
        patch.setenv("PYTHONOPTIMIZE", "2")
        again = build_corpus()
    assert again == corpus


def test_collecting_is_harmless():
    done = probe(sys.executable, "-W", "error")
    seen = json.loads(done.stdout)  # so nothing else was printed
    assert done.stderr == ""
    assert seen["threads"] == 1
    roots = {name.partition(".")[0] for name in seen["modules"]}
    assert not roots & {"antigravity", "this", "tkinter", "turtle", "turtledemo", "idlelib", "test"}


def test_this_process_imports_nothing_for_it():
    script = (
        "import sys; from harness.data.stdlib.task import build_corpus; "
        "build_corpus(); print('doctest' in sys.modules, 'sqlite3' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.split() == ["False", "False"]


def test_says_what_to_do_when_the_interpreter_cannot_run(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(DataUnavailable, match="nonexistent") as caught:
        build_corpus()
    assert "CPython 3.11" in caught.value.fix


def test_passes_on_what_the_other_process_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(docstring_corpus, "_SCRIPT", "raise SystemExit('no such luck')")
    with pytest.raises(DataUnavailable, match=r"documentation: no such luck\n") as caught:
        build_corpus()
    assert "non-zero" not in caught.value.message
