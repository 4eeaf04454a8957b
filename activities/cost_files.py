"""Where cost reports lie: a local folder, or a bucket in S3 (`cost_bucket`). Reads manifests, pins parts, brings them.

What is pinned is one state of a file: what was accepted is also what is read, or the reading fails.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from threading import Event
from typing import NamedTuple, Protocol

from activities.contracts import Progress
from activities.cost_manifest import MANIFEST_BYTES_MAX, Address, current_manifests, damaged, is_pointer
from domain.errors import BadInput, Unavailable

OBJECTS_LISTED_MAX = 1_000_000
"""Files or objects looked at below a source; a report of ten years with every assembly kept has under 100,000."""
PART_BYTES_MAX = 50_000_000_000

S3_SCHEME = "s3://"

Report = Callable[[Progress], None]
"""Is told how far the work has come. May raise, to stop it."""


Count = Callable[[int], None]
"""Is told how many files were looked at, now and then; may raise likewise."""
COUNTED_EVERY = 1_000


def uncounted(_: int) -> None:
    """For those who do not ask."""


class Pin(NamedTuple):
    """A file as it was when it was looked at."""

    address: Address
    size: int
    """Bytes."""
    tag: str
    """Another one whenever the file is written anew: an ETag, or inode and time of a local file."""
    version_id: str = ""
    """In a bucket that keeps versions; what it names stays as it is."""
    changed_at: float = 0.0
    """Seconds since 1970."""


class Files(Protocol):
    """What is asked of a place, by addresses in it. All but `manifests` may be called by several threads at once."""

    copies: bool
    """Whether `fetch` takes room on this machine."""

    def manifests(self, count: Count = uncounted) -> list[Address]:
        """Of all billing periods, in order. Counts the files that it looks at."""

    def below(self, folder: Address) -> Iterator[Address]:
        """All files below a folder of the place, without its slash; none where there is no such folder."""

    def read(self, address: Address) -> bytes:
        """A small file; at most one byte more than a manifest may have."""

    def pin(self, address: Address) -> Pin | None:
        """As it is now; None where there is no such file."""

    def fetch(self, pin: Pin, target: Path, count: Callable[[int], None], stop: Event) -> None:
        """Brings what was pinned here, and counts bytes as they come; ends early, by any error, once it is to stop.
        Raises Unavailable `PartChanged` where it is not that any more."""


class Folder:
    """A local folder and all below it."""

    copies = False

    def __init__(self, source: str) -> None:
        # Resolved, because the names of the folders above tell what a manifest is.
        self._root = Path(source).expanduser().resolve()

    def manifests(self, count: Count = uncounted) -> list[Address]:
        if not self._root.is_dir():
            raise BadInput(
                f"There is no folder {self._root}: name the one that holds the cost report.", code="NoSource"
            )
        return current_manifests(filter(is_pointer, counted(self.below(Address(str(self._root))), count)))

    def below(self, folder: Address) -> Iterator[Address]:
        looked_at = 0
        for parent, _, names in os.walk(folder):
            looked_at += len(names)
            require_few(looked_at, folder)
            yield from (Address(f"{parent}/{name}") for name in names)

    def read(self, address: Address) -> bytes:
        try:
            with Path(address).open("rb") as file:
                return file.read(MANIFEST_BYTES_MAX + 1)
        except FileNotFoundError:
            raise no_manifest(address) from None

    def pin(self, address: Address) -> Pin | None:
        path = Path(address)
        if not path.is_file():
            return None
        status = path.stat()
        tag = f"{status.st_dev} {status.st_ino} {status.st_size} {status.st_mtime_ns}"
        return Pin(address, status.st_size, tag, changed_at=status.st_mtime)

    def fetch(self, pin: Pin, target: Path, count: Callable[[int], None], stop: Event) -> None:
        """By a link: a copy would cost as much as the reading. That it stayed as it was is asked after the reading."""
        if self.pin(pin.address) != pin:
            raise part_changed(pin.address)
        target.symlink_to(pin.address)
        count(pin.size)


def counted(addresses: Iterable[Address], count: Count) -> Iterator[Address]:
    """A place with very many files takes minutes to list."""
    for number, address in enumerate(addresses):
        if number % COUNTED_EVERY == 0:
            count(number)
        yield address


def require_few(looked_at: int, source: str) -> None:
    if looked_at > OBJECTS_LISTED_MAX:
        raise BadInput(
            f"There are more than {OBJECTS_LISTED_MAX:,} files below {source}: name the folder of one report.",
            code="SourceTooLarge",
        )


def no_manifest(address: Address) -> Exception:
    return damaged(f"There is no manifest {address}", "BadManifest")


def part_changed(address: str) -> Unavailable:
    """The next try begins with the manifest: where that is another one by now, this version is past."""
    return Unavailable(
        f"{address} changed while the report was read; nothing was imported, and the whole report is read anew.",
        code="PartChanged",
    )
