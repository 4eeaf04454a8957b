"""Parts of a report, a batch at a time, ready for the engine: CSV unpacked, Parquet as it is.

Batches bound the memory for adding up, and how much of a report is on the disk at once; and they let the next parts
arrive while one batch is read. What lies in the scratch folder is removed as soon as it has been read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from activities.cost_files import Report
from activities.cost_lines import Part
from activities.cost_readers import container_of
from activities.cost_unpack import remove_copy, unpacked

BATCH_BYTES = 50_000_000_000
"""Of Parquet that is read where it lies: all of it, nearly always; what is too much for the memory is taken apart."""
BATCH_COPIES_BYTES = 200_000_000
"""Of copies on this machine: less, so that the next ones may come."""


@contextmanager
def batches_of(parts: Iterable[Part], scratch: Path, report: Report) -> Iterator[Iterator[list[Part]]]:
    coming = iter(parts)
    first = next(coming, None)
    if first is None:
        yield iter(())
    elif container_of(first) == "gzip":
        with unpacked(chain((first,), coming), scratch, report) as batches:
            yield batches
    else:
        yield _as_they_are(chain((first,), coming), scratch)


def _as_they_are(parts: Iterable[Part], scratch: Path) -> Iterator[list[Part]]:
    batch: list[Part] = []
    size = 0.0
    for part in parts:
        batch.append(part)
        is_copy = part.path.parent == scratch and not part.path.is_symlink()
        size += part.path.stat().st_size / (BATCH_COPIES_BYTES if is_copy else BATCH_BYTES)
        if size >= 1:
            yield batch
            _remove(batch, scratch)
            batch, size = [], 0.0
    if batch:
        yield batch
        _remove(batch, scratch)


def _remove(batch: list[Part], scratch: Path) -> None:
    for part in batch:
        remove_copy(part, scratch)
