"""A cache that cannot be written: what is finished is kept, and the error says what to do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cache import store as writer_module
from harness.cache.keys import text_keys
from harness.cache.lookup import Lookup
from harness.cache.store import EmbeddingStore
from harness.core.errors import StoreError
from tests.helpers.cache_embedders import Asleep, Recorder, Watched, encode_texts, some_texts

TEXTS = some_texts(300, longest=20)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tiny_disk(tmp_path: Path):
    """Mount 200 KB of memory, or skip where that is not allowed."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("mounting a small file system needs root")
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"mounting a small file system is not allowed here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_stops_and_keeps(tiny_disk: Path, monkeypatch) -> None:
    monkeypatch.setattr(writer_module, "FLUSH_BYTES", 40_000)
    store, embedder = EmbeddingStore(tiny_disk), Watched()
    with pytest.raises(StoreError, match=r"No space left.*of 300 texts are encoded and kept\n"):
        encode_texts(embedder, TEXTS, "document", "", store, Recorder())
    check_kept(store, tiny_disk)


def check_kept(store: EmbeddingStore, folder: Path) -> None:
    """Every text that had a whole shard is served without the model; no half file is left."""
    (space,) = store.spaces()
    reporter = Recorder()
    lookup = Lookup(space, text_keys(TEXTS), reporter)
    kept = [text for text, there in zip(TEXTS, lookup.stored, strict=True) if there]
    assert 0 < len(kept) < 300
    encoded = encode_texts(Asleep(), kept, "document", "", store, reporter)
    assert encoded.reused == len(kept)
    assert reporter.warnings == []
    assert list(folder.rglob("*.part")) == []


LIMITED = """
import resource, sys
from pathlib import Path
from tests.helpers.cache_embedders import Recorder, Watched, some_texts
from harness.cache import store as writer
from tests.helpers.cache_embedders import encode_texts
from harness.cache.store import EmbeddingStore
from harness.core.errors import StoreError

watched = Watched()
watched.encode(["to have all loaded"], role="document", instruction="")
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
writer.FLUSH_BYTES = 40_000
real = writer.ShardWriter.add

def add(self, batch, vectors):
    if self.kept > 100:
        writer.FLUSH_BYTES = 150_000  # the next shard is larger than a file may be
    real(self, batch, vectors)

writer.ShardWriter.add = add
try:
    encode_texts(
        watched, some_texts(300, longest=20), "document", "", EmbeddingStore(Path(sys.argv[1])),
        Recorder(),
    )
except StoreError as error:
    print(error)
"""


def test_a_limit_on_file_size_stops_and_keeps(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert "File too large" in done.stdout
    assert "of 300 texts are encoded and kept" in done.stdout
    assert "REBENCH_CACHE" in done.stdout.splitlines()[-1]
    check_kept(EmbeddingStore(tmp_path), tmp_path)


def no_writing(monkeypatch) -> None:
    """Make writes fail as on a read-only file system (root may write where modes forbid it)."""
    import errno

    from harness.cache import store as store_module
    from harness.core import files as files_module

    def refuse(path, data):
        error = OSError(errno.EROFS, os.strerror(errno.EROFS))
        raise StoreError(f"cannot write {path}: {error.strerror}", fix="Choose another.")

    monkeypatch.setattr(store_module, "write_atomic", refuse)
    monkeypatch.setattr(files_module, "write_atomic", refuse)


def test_a_read_only_cache_serves_and_refuses_before_the_model_loads(tmp_path, monkeypatch) -> None:
    store = EmbeddingStore(tmp_path)
    encode_texts(Watched(), TEXTS[:20], "document", "", store, Recorder())
    no_writing(monkeypatch)
    warm = encode_texts(Asleep(), TEXTS[:20], "document", "", store, Recorder())
    assert warm.reused == 20
    (folder,) = store.spaces()
    folder.record_use("stdlib", "wordllama", 20)  # says nothing, and is left out
    assert folder.uses() == []
    with pytest.raises(StoreError, match=r"Read-only.*20 of 21 texts") as stop:
        encode_texts(Asleep(), TEXTS[:21], "document", "", store, Recorder())
    assert "REBENCH_CACHE" in stop.value.fix


def test_a_file_in_the_cache_folders_place(tmp_path: Path) -> None:
    (tmp_path / "embeddings").write_text("not a folder")
    with pytest.raises(StoreError, match="embeddings"):
        encode_texts(Asleep(), TEXTS, "document", "", EmbeddingStore(tmp_path), Recorder())
    assert json.dumps(EmbeddingStore(tmp_path / "none").spaces()) == "[]"
