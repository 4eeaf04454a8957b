"""Folders for what is brought here, which are always removed: at the end, and after a kill by the next start.

Beside each folder stands a file that its process holds locked while it lives. What nobody holds was left by a process
that was killed.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from domain.errors import Unavailable

PREFIX, LOCK_SUFFIX = "allot-cost-", ".lock"


@contextmanager
def scratch_folder(root: Path | None = None) -> Iterator[Path]:
    """An empty folder below the root, which only this user may look into."""
    base = root or Path(tempfile.gettempdir())
    try:
        base.mkdir(parents=True, exist_ok=True)
        folder, held = _made(base)
    except OSError as error:
        raise Unavailable(f"Nothing can be written below {base} ({error.strerror}): set ALLOT_COST_SCRATCH.") from None
    try:
        yield folder
    finally:
        _remove(folder)
        os.close(held)


def remove_leftovers(root: Path | None = None) -> int:
    """Of processes that are no more; how many folders."""
    count = 0
    for lock in (root or Path(tempfile.gettempdir())).glob(f"{PREFIX}*{LOCK_SUFFIX}"):
        if (held := _locked(lock)) is not None:
            _remove(lock.with_suffix(""))
            os.close(held)
            count += 1
    return count


def _made(base: Path) -> tuple[Path, int]:
    """The lock first: a folder without one would be nobody's."""
    while True:
        folder = base / f"{PREFIX}{uuid4().hex}"
        lock = folder.with_suffix(LOCK_SUFFIX)
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        held = _locked(lock)
        if held is None:
            continue  # a process that starts right now took it for a leftover
        folder.mkdir(mode=0o700)
        return folder, held


def _locked(lock: Path) -> int | None:
    """The lock's descriptor; None where somebody else holds it, it is gone, or it is another user's."""
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if lock.stat().st_ino == os.fstat(descriptor).st_ino:
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


def _remove(folder: Path) -> None:
    """The lock last, for where this ends half-way."""
    shutil.rmtree(folder, ignore_errors=True)
    if not folder.exists():
        folder.with_suffix(LOCK_SUFFIX).unlink(missing_ok=True)
