"""Packed parts of a report unpacked, and proved to be sound.

By `isal`, which is several times as fast as zlib and checks length and checksum; DuckDB checks neither.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from gzip import BadGzipFile
from pathlib import Path
from typing import BinaryIO, cast

from isal.igzip import IGzipFile
from isal.igzip_lib import IsalError

from activities.cost_damage import damaged
from activities.cost_readers import Part, container_of
from domain.errors import Unavailable

PART_TEXT_BYTES_MAX = 1_000_000_000_000
"""Bytes of a part when unpacked: a limit to what a small file can be blown up to."""
FREE_BYTES_MIN = 500_000_000
"""Left on the disk for everybody else."""
UNPACKED_AT_ONCE_BYTES = 1 << 20


@contextmanager
def opened(part: Part) -> Iterator[BinaryIO]:
    """The text of a part of CSV, packed or not; to be read by `read_some`. Raises DamagedReport where it is empty."""
    if not part.path.stat().st_size:
        raise damaged(f"The part {part.name} is empty", "BadPart")
    is_packed = part.name.endswith(".gz") or container_of(part) == "gzip"
    with part.path.open("rb") as raw:
        # isal has no types.
        yield cast("BinaryIO", IGzipFile(fileobj=raw)) if is_packed else raw  # type: ignore[no-untyped-call]


def read_some(file: BinaryIO, name: str, size: int, before: int) -> bytes:
    """The next bytes of a text of which so many were read before; none at its end.

    Raises DamagedReport where the part is truncated or altered, Unavailable where it cannot be read at all.
    """
    try:
        content = file.read(size)
    except EOFError:
        raise damaged(f"The part {name} is truncated: its gzip stream has no end", "BadPart") from None
    except (BadGzipFile, IsalError) as error:  # type: ignore[misc]  # nor of its error
        raise damaged(f"The part {name} is not sound gzip ({error})", "BadPart") from None
    except OSError as error:
        raise Unavailable(f"The part {name} cannot be read ({error.strerror}).") from error
    if before + len(content) > PART_TEXT_BYTES_MAX:
        raise damaged(f"The part {name} unpacks to more than {PART_TEXT_BYTES_MAX:,} bytes", "BadPart")
    return content


def unpack(part: Part, target: Path, count: Callable[[int], None]) -> Part:
    """The part as a file of text. Raises DamagedReport where it is truncated or altered, Unavailable where the disk is
    full. Where `count` raises, which is told the bytes so far, no file is left."""
    try:
        with opened(part) as file, target.open("wb") as text:
            whole = 0
            while content := read_some(file, part.name, UNPACKED_AT_ONCE_BYTES, whole):
                whole += len(content)
                _require_room(part.name, len(content), target.parent)
                text.write(content)
                count(whole)
    except OSError as error:
        raise Unavailable(f"The part {part.name} cannot be unpacked to {target.parent} ({error.strerror}).") from error
    return Part(part.name, target)


def _require_room(name: str, more: int, folder: Path) -> None:
    if shutil.disk_usage(folder).free - more < FREE_BYTES_MIN:
        raise Unavailable(
            f"There is no room in {folder} to unpack the part {name}: free some, or set ALLOT_COST_SCRATCH to a "
            "folder on a larger disk."
        )
