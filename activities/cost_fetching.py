"""The parts of a delivery: all of them there, pinned, and brought here one after the other while others are read.

    accept ─► every part that the manifest names is there, in its size, and pinned as it is
    fetched ─► a few parts at once into a bounded folder; the reader removes each when it is done with it
    require_unchanged ─► after the reading, the parts are still what was pinned

Nothing is brought here while a part is missing.
"""

from __future__ import annotations

import re
import shutil
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from threading import Event
from typing import NamedTuple

from activities.contracts import Progress
from activities.cost_damage import bad_manifest
from activities.cost_files import PART_BYTES_MAX, Files, Pin, Report, part_changed
from activities.cost_lines import Part
from activities.cost_manifest import Address, Manifest, damaged, part_address, shown
from activities.cost_settled import of_before, require_not_updating, shown_time
from domain.errors import BadInput, DamagedReport, Unavailable

LOOKS_AT_ONCE_MAX = 8
"""Questions about single parts; a delivery has 2,000 parts at most."""
PARTS_NAMED_MAX = 10
"""In the message about those that are missing."""
PARTS_AHEAD_MAX = 4
"""Parts under way, or here and not asked for yet."""
SCRATCH_MB = 4_096
BYTES_PER_MB = 1_000_000
DISK_RESERVE_BYTES = 256_000_000
"""Left free for others, when parts are brought here."""
REPORT_INTERVAL_S = 1.0
SCRATCH_SETTING = "ALLOT_COST_SCRATCH_MB"

_SUFFIX = re.compile(r"(?:\.[A-Za-z0-9]{1,10}){1,2}$")


class PinnedPart(NamedTuple):
    name: str
    """Its key."""
    pin: Pin


class Accepted(NamedTuple):
    """A delivery that is here whole."""

    manifest: Manifest
    parts: tuple[PinnedPart, ...]
    """In the manifest's order."""

    @property
    def size(self) -> int:
        return sum(part.pin.size for part in self.parts)


class Room(NamedTuple):
    """How far downloads may run ahead of the reading."""

    bytes_max: int = SCRATCH_MB * BYTES_PER_MB
    """Of parts on disk at once: under way, waiting, and being read."""
    parts_ahead: int = PARTS_AHEAD_MAX


ROOM = Room()


def accept(files: Files, manifest: Manifest, report: Report) -> Accepted:
    """Pins all parts. Raises DamagedReport `MissingPart`, which names the parts that are not there, or not whole."""
    addresses = [part_address(manifest.address, key) for key in manifest.keys]
    if len(set(addresses)) < len(addresses):  # by other names: what comes before its own folder differs
        raise bad_manifest(manifest.address, "it names a part twice, whose cost would count twice")
    pins = _pinned(files, addresses, report, "looking for parts")
    sizes: Sequence[int] = getattr(manifest, "sizes", ()) or ()
    require_not_updating(files, manifest)
    stale = of_before(files, manifest, [pin for pin in pins if pin])
    problems = []
    for number, (key, address, pin) in enumerate(zip(manifest.keys, addresses, pins, strict=True)):
        if pin is None:
            problems.append(f"{shown(key)} (as {address})")
        elif sizes and pin.size != sizes[number]:
            problems.append(f"{shown(key)} ({pin.size:,} bytes of {sizes[number]:,})")
        elif pin in stale:
            problems.append(f"{shown(key)} (as of {shown_time(pin.changed_at)}, of the delivery before)")
    if problems:
        raise _missing(manifest, problems)
    parts = tuple(PinnedPart(key, pin) for key, pin in zip(manifest.keys, pins, strict=True) if pin)
    for part in parts:
        if part.pin.size > PART_BYTES_MAX:
            raise damaged(
                f"The part {part.name} has {part.pin.size:,} bytes, and at most {PART_BYTES_MAX:,} are read", "BadPart"
            )
    return Accepted(manifest, parts)


def fetched(files: Files, accepted: Accepted, folder: Path, report: Report, room: Room = ROOM) -> Generator[Part]:
    """Part after part, in the manifest's order, each as it was delivered (packed, or Parquet) in the folder.

    While one is read the next ones are under way. **The reader removes a part's file once it is done with it**; only
    then there is room for more, and a reader who keeps more than there is room for gets BadInput `NoRoom`. Close the
    iterator (`contextlib.closing`) to end early: then, and on any error, downloads end and all files are removed.
    Raises Unavailable where a part is not any more what was accepted, or the disk is too full.
    """
    _require_disk(files, accepted, folder, room)
    fetching = _Fetching(files, accepted, folder, report, room)
    try:
        yield from fetching.parts()
    except BaseException:  # GeneratorExit, too: nobody reads on
        fetching.end()
        raise
    fetching.shut()


def require_unchanged(files: Files, accepted: Accepted, report: Report) -> None:
    """After the reading. Raises Unavailable `PartChanged`."""
    # What a version id names does not change; but a part that has been overwritten belongs to the next delivery.
    now = _pinned(files, [part.pin.address for part in accepted.parts], report, "looking again")
    for part, pin in zip(accepted.parts, now, strict=True):
        if pin != part.pin:
            raise part_changed(part.pin.address)


class _Fetching:
    """Downloads under way, and what of them is on disk."""

    def __init__(self, files: Files, accepted: Accepted, folder: Path, report: Report, room: Room) -> None:
        self._files, self._folder, self._report, self._room = files, folder, report, room
        self._waiting = deque(enumerate(accepted.parts))
        self._under_way: deque[tuple[Part, Future[None]]] = deque()
        self._on_disk: dict[Path, int] = {}
        """Bytes of each part that is under way or here."""
        self._came = [0] * len(accepted.parts)
        self._whole = accepted.size
        self._stop = Event()
        self._pool = ThreadPoolExecutor(max(1, room.parts_ahead), thread_name_prefix="cost-part")

    def parts(self) -> Iterator[Part]:
        while self._waiting or self._under_way:
            self._begin()
            part, future = self._under_way.popleft()
            while wait([future], REPORT_INTERVAL_S).not_done:
                self._tell()
            future.result()
            self._begin()  # so that the next ones are under way while this one is read
            self._tell()
            yield part

    def shut(self) -> None:
        self._pool.shutdown()

    def end(self) -> None:
        self._stop.set()
        self._pool.shutdown(cancel_futures=True)
        for path in self._on_disk:
            path.unlink(missing_ok=True)

    def _begin(self) -> None:
        """As many as there is room for, in order."""
        while self._waiting and len(self._under_way) < self._room.parts_ahead:
            number, part = self._waiting[0]
            size = part.pin.size if self._files.copies else 0
            if self._taken() + size > self._room.bytes_max:
                break
            self._waiting.popleft()
            here = Part(part.name, self._folder / f"part-{number:05d}{_suffix(part.name)}")
            self._on_disk[here.path] = size
            self._under_way.append((here, self._pool.submit(self._fetch, number, part.pin, here.path)))
        if not self._under_way and self._waiting:
            raise self._no_room()

    def _fetch(self, number: int, pin: Pin, target: Path) -> None:
        def count(more: int) -> None:
            self._came[number] += more  # by several threads; a lost addition only makes progress look slower

        if self._stop.is_set():
            return
        self._files.fetch(pin, target, count, self._stop)
        self._came[number] = pin.size

    def _taken(self) -> int:
        """Bytes of what is here; what its reader has removed is forgotten."""
        under_way = {part.path for part, _ in self._under_way}
        for path in list(self._on_disk):
            if path not in under_way and not path.is_symlink() and not path.exists():
                del self._on_disk[path]
        return sum(self._on_disk.values())

    def _no_room(self) -> BadInput:
        _, part = self._waiting[0]
        mb = -(-(self._taken() + part.pin.size) // BYTES_PER_MB)
        return BadInput(
            f"There is no room for the part {part.name}: the parts of the report that are read together need {mb:,} MB "
            f"on disk, and {SCRATCH_SETTING} allows {self._room.bytes_max // BYTES_PER_MB:,}. Raise it.",
            code="NoRoom",
        )

    def _tell(self) -> None:
        self._report(Progress(step="downloading", done=sum(self._came), whole=self._whole))


def _pinned(files: Files, addresses: Sequence[Address], report: Report, step: str) -> list[Pin | None]:
    with ThreadPoolExecutor(LOOKS_AT_ONCE_MAX, thread_name_prefix="cost-look") as pool:
        looks = [pool.submit(files.pin, address) for address in addresses]
        try:
            found = []
            for number, look in enumerate(looks):
                report(Progress(step=step, done=number, whole=len(looks)))
                while wait([look], REPORT_INTERVAL_S).not_done:
                    report(Progress(step=step, done=number, whole=len(looks)))
                found.append(look.result())
            return found
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _missing(manifest: Manifest, problems: Sequence[str]) -> DamagedReport:
    named = "; ".join(problems[:PARTS_NAMED_MAX])
    more = f"; and {len(problems) - PARTS_NAMED_MAX:,} more" if len(problems) > PARTS_NAMED_MAX else ""
    count = "a part" if len(problems) == 1 else f"{len(problems):,} parts"
    which = "is" if len(problems) == 1 else "are"
    return damaged(
        f"The manifest {manifest.address} names {count} which {which} not there, or not whole: {named}{more}",
        "MissingPart",
    )


def _require_disk(files: Files, accepted: Accepted, folder: Path, room: Room) -> None:
    if not files.copies:
        return
    needed = min(accepted.size, room.bytes_max) + DISK_RESERVE_BYTES
    if (free := shutil.disk_usage(folder).free) < needed:
        raise Unavailable(
            f"The disk of {folder} has {free // BYTES_PER_MB:,} MB free, and the report needs "
            f"{needed // BYTES_PER_MB:,} MB there: make room, or lower {SCRATCH_SETTING}. It will be tried again.",
            code="DiskFull",
        )


def _suffix(key: str) -> str:
    """What tells the kind of a file, such as .csv.gz or .snappy.parquet."""
    found = _SUFFIX.search(key)
    return found[0] if found else ""
