"""Batches of a report's parts: they bound the memory for adding up, and let the next parts come meanwhile.

What lies in the scratch folder is removed as soon as it has been read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from activities.cost_lines import Part
from activities.cost_readers import container_of

BATCH_BYTES = 50_000_000_000
"""Of Parquet that is read where it lies: all of it, nearly always; what is too much for the memory is taken apart."""
BATCH_COPIES_BYTES = 80_000_000
"""Of copies on this machine: less, so that the next ones may come."""
BATCH_PACKED_BYTES = 64_000_000
"""Of packed CSV, which becomes ten times as much. Small parts are read together: each statement has its price."""
BATCH_PACKED_PARTS_MAX = 64


def batches_of(parts: Iterable[Part], scratch: Path) -> Iterator[list[Part]]:
    """Neighbours together; parts may still be on their way, and are asked for one by one."""
    batch: list[Part] = []
    size = 0.0
    for part in parts:
        batch.append(part)
        size += _share(part, scratch)
        if size >= 1:
            yield batch
            _remove(batch, scratch)
            batch, size = [], 0.0
    if batch:
        yield batch
        _remove(batch, scratch)


def _share(part: Part, scratch: Path) -> float:
    """Of a batch."""
    size = part.path.stat().st_size
    if container_of(part) == "gzip":
        return max(size / BATCH_PACKED_BYTES, 1 / BATCH_PACKED_PARTS_MAX)
    is_copy = part.path.parent == scratch and not part.path.is_symlink()
    return size / (BATCH_COPIES_BYTES if is_copy else BATCH_BYTES)


def _remove(batch: list[Part], scratch: Path) -> None:
    """What was brought into the scratch folder, a link included; a file that lies elsewhere stays."""
    for part in batch:
        if part.path.parent == scratch:
            part.path.unlink(missing_ok=True)
