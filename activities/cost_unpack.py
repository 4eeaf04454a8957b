"""Packed parts of a report made ready for the engine, some at a time: unpacked to plain CSV, and proved to be sound.

DuckDB reads plain CSV with all processors and packed CSV with one, so parts are unpacked first, by `isal`, which is
several times as fast as zlib and checks length and checksum (DuckDB checks neither). While one batch is read, the next
one is unpacked; two batches of text are on the disk at once, and no more.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import replace
from gzip import BadGzipFile
from pathlib import Path
from threading import Event

from isal.igzip import IGzipFile
from isal.igzip_lib import IsalError

from activities.contracts import Progress
from activities.cost_files import Report
from activities.cost_lines import Part
from activities.cost_manifest import damaged
from domain.errors import Unavailable

BATCH_PACKED_BYTES = 16_000_000
"""Small parts are read together up to here, because each statement has its price; about 200 MB when unpacked."""
BATCH_PARTS_MAX = 64
PART_TEXT_BYTES_MAX = 1_000_000_000_000
"""Bytes of a part when unpacked: a limit to what a small file can be blown up to."""
FREE_BYTES_MIN = 500_000_000
"""Left on the disk for everybody else."""
UNPACKED_AT_ONCE_BYTES = 1 << 20
REPORT_INTERVAL_S = 1.0


@contextmanager
def unpacked(parts: Iterable[Part], folder: Path, report: Report) -> Iterator[Iterator[list[Part]]]:
    """Batches of parts as plain CSV, in order. The files of a batch are gone once the next one is asked for.

    Parts are asked for one by one, from another thread, so they may still be on their way here. Raises DamagedReport,
    naming the part, where one is truncated or altered.
    """
    stop = Event()
    with ThreadPoolExecutor(1, thread_name_prefix="cost-unpack") as pool:
        try:
            yield _Batches(parts, folder, stop).handed_out(pool, report)
        finally:
            stop.set()  # where one is damaged or the work is cancelled, nobody waits for the rest


class _Batches:
    """The batches of one report, as they are made."""

    def __init__(self, parts: Iterable[Part], folder: Path, stop: Event) -> None:
        self._batches = batched_by_size(parts)
        self._folder = folder
        self._stop = stop
        self._parts = 0
        self._bytes = 0

    def handed_out(self, pool: ThreadPoolExecutor, report: Report) -> Iterator[list[Part]]:
        coming = pool.submit(copy_context().run, self._next)
        while ready := self._awaited(coming, report):
            coming = pool.submit(copy_context().run, self._next)
            yield ready
            for part in ready:
                part.path.unlink()

    def _awaited(self, coming: Future[list[Part]], report: Report) -> list[Part]:
        while wait([coming], REPORT_INTERVAL_S).not_done:
            report(Progress(step="unpacking", done=self._bytes, whole=self._bytes))
        return coming.result()

    def _next(self) -> list[Part]:
        """Empty after the last one."""
        ready = []
        for part in next(self._batches, ()):
            self._parts += 1
            target = self._folder / f"text-{self._parts:05d}.csv"
            unpack(part.path, target, part.name, self._count)
            remove_copy(part, self._folder)
            ready.append(replace(part, path=target))
        return ready

    def _count(self, more: int) -> None:
        self._bytes += more
        if self._stop.is_set():
            raise _StoppedError


class _StoppedError(Exception):
    """Ends work whose result is not wanted any more; it never leaves this module."""


def remove_copy(part: Part, scratch: Path) -> None:
    """Removes what was brought into the scratch folder, a link included; a file that lies elsewhere stays."""
    if part.path.parent == scratch:
        part.path.unlink(missing_ok=True)


def batched_by_size(parts: Iterable[Part]) -> Iterator[list[Part]]:
    """Neighbours together until they reach a limit of bytes or of parts."""
    batch: list[Part] = []
    size = 0
    for part in parts:
        batch.append(part)
        size += part.path.stat().st_size
        if size >= BATCH_PACKED_BYTES or len(batch) == BATCH_PARTS_MAX:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def unpack(packed: Path, target: Path, name: str, count: Callable[[int], None]) -> None:
    """Raises DamagedReport where the part is truncated or altered, Unavailable where the disk is full."""
    if not packed.stat().st_size:
        raise damaged(f"The part {name} is empty", "BadPart")
    try:
        # isal has no types.
        with packed.open("rb") as raw, IGzipFile(fileobj=raw) as file, target.open("wb") as text:  # type: ignore[no-untyped-call]
            whole = 0
            while content := file.read(UNPACKED_AT_ONCE_BYTES):
                whole += len(content)
                _require_room(name, whole, len(content), target.parent)
                text.write(content)
                count(len(content))
    except EOFError:
        raise damaged(f"The part {name} is truncated: its gzip stream has no end", "BadPart") from None
    except (BadGzipFile, IsalError) as error:  # type: ignore[misc]  # nor of its error
        raise damaged(f"The part {name} is not sound gzip ({error})", "BadPart") from None
    except OSError as error:
        raise Unavailable(f"The part {name} cannot be unpacked to {target.parent} ({error.strerror}).") from error


def _require_room(name: str, whole: int, more: int, folder: Path) -> None:
    if whole > PART_TEXT_BYTES_MAX:
        raise damaged(f"The part {name} unpacks to more than {PART_TEXT_BYTES_MAX:,} bytes", "BadPart")
    if shutil.disk_usage(folder).free - more < FREE_BYTES_MIN:
        raise Unavailable(
            f"There is no room in {folder} to unpack the part {name}: free some, or set TMPDIR to a larger disk."
        )
