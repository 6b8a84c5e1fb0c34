"""Claims on batches: of several processes that encode the same texts at once, one takes each batch.

A claim is a hard link, named by the batch, to a file that its owner keeps locked. The system drops
the lock when the owner ends, however it ends, so a dead process holds nothing. Where the file
system has no links or locks there are no claims, and batches may be encoded twice.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from uuid import uuid4

CLAIM_SUFFIX = ".claim"
OWNER_SUFFIX = ".owner"


class BatchClaims:
    """The claims of this process in one folder; leaving the context gives them up."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._owner = folder / f"{uuid4().hex}{OWNER_SUFFIX}"
        self._lock = -1
        self._held: set[str] = set()
        self._works = True

    def __enter__(self) -> BatchClaims:
        """Do nothing yet: who finds everything stored leaves no trace."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give up what is held, and the file behind it."""
        self.release()
        if self._lock >= 0:
            with contextlib.suppress(OSError):
                self._owner.unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = -1

    def take(self, name: str) -> bool:
        """Return whether this process is to encode the batch: no living process has claimed it."""
        if name in self._held or not self._works:
            return True
        path = self._folder / f"{name}{CLAIM_SUFFIX}"
        try:
            self._open()
            for _ in range(2):
                with contextlib.suppress(FileExistsError):
                    os.link(self._owner, path)
                    self._held.add(name)
                    return True
                if is_held(path):
                    return False
                path.unlink(missing_ok=True)
        except (OSError, ImportError):
            self._works = False
        return True

    def free(self, name: str) -> bool:
        """Return whether nobody else has claimed the batch, without claiming it."""
        return name in self._held or not is_held(self._folder / f"{name}{CLAIM_SUFFIX}")

    def ignore(self) -> None:
        """Heed nobody's claims from now on: those who hold them do not come forward."""
        self._works = False

    def release(self) -> None:
        """Give up all claims: what was claimed is stored, or will not be."""
        for name in self._held:
            with contextlib.suppress(OSError):
                (self._folder / f"{name}{CLAIM_SUFFIX}").unlink(missing_ok=True)
        self._held.clear()

    def _open(self) -> None:
        """Make and lock the owner's file, and remove what dead owners left."""
        if self._lock >= 0:
            return
        import fcntl

        self._folder.mkdir(parents=True, exist_ok=True)
        for path in self._folder.iterdir():
            if path.suffix in (CLAIM_SUFFIX, OWNER_SUFFIX) and not is_held(path):
                path.unlink(missing_ok=True)
        self._lock = os.open(self._owner, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_held(path: Path) -> bool:
    """Return whether a living process holds the lock of a file; one that is gone is not held."""
    try:
        import fcntl

        probe = os.open(path, os.O_RDONLY)
    except (OSError, ImportError):
        return False
    try:
        fcntl.flock(probe, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(probe)
    return False
