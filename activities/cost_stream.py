"""CSV read by Arrow while it is unpacked: faster than by DuckDB, and without a file of the text.

Arrow takes what DuckDB refuses, such as a quote in the wrong place. So a text is proved to have one reading only
(`cost_quotes`), and what is not proved, or not to Arrow's liking, is left to DuckDB, which knows what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import BinaryIO

import pyarrow as pa
from pyarrow import csv

from activities.cost_lines import Part
from activities.cost_quotes import Quotes
from activities.cost_readers import Readable
from activities.cost_unpack import opened, read_some
from domain.errors import AllotError

BLOCK_BYTES = 1 << 20
"""Turned into columns at once; a line that is longer is left to DuckDB."""


class Stream:
    """Lines of parts that are alike. `reader` has the columns of `Readable.places`, as texts, and can be read once."""

    def __init__(self, each: Readable) -> None:
        self.failure: AllotError | None = None
        """Why reading broke off, where that is known; whoever reads is told in other words."""
        self._texts: list[_Text] = []
        self._each = each
        self._reading = self._batches()
        self.reader = pa.RecordBatchReader.from_batches(
            pa.schema([(place, pa.string()) for place in each.places]), self._reading
        )

    def close(self) -> None:
        """Ends what Arrow reads, too. Its files and threads would stay: the two hold each other, unseen by Python."""
        for text in self._texts:
            text.close()
        self._reading.close()

    def _batches(self) -> Generator[pa.RecordBatch]:
        try:
            for part in self._each.parts:
                with opened(part) as file:
                    yield from self._of(part, file)
        except AllotError as error:
            self.failure = error
            raise

    def _of(self, part: Part, file: BinaryIO) -> Iterator[pa.RecordBatch]:
        text = _Text(part, file)
        self._texts.append(text)
        try:
            yield from csv.open_csv(
                text,  # type: ignore[arg-type]  # anything that can be read from, says Arrow's documentation
                csv.ReadOptions(
                    use_threads=False, block_size=BLOCK_BYTES, column_names=list(self._each.all_places), skip_rows=1
                ),
                csv.ParseOptions(newlines_in_values=True),
                csv.ConvertOptions(
                    include_columns=list(self._each.places),
                    column_types=dict.fromkeys(self._each.places, pa.string()),
                    # As DuckDB does: an empty value is none, in quotes or not.
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=True,
                    null_values=[""],
                ),
            )
            text.require_end()
        finally:
            text.close()


class _Text:
    """What Arrow reads from, in a thread of its own, and maybe still when nobody wants it any more."""

    def __init__(self, part: Part, file: BinaryIO) -> None:
        self.closed = False
        self._part = part
        self._file = file
        self._quotes = Quotes()
        self._bytes = 0
        self._lock = Lock()

    def read(self, size: int) -> bytes:
        with self._lock:
            if self.closed:
                return b""
            block = read_some(self._file, self._part.name, size, self._bytes)
            self._bytes += len(block)
            if block:
                self._quotes.take(block)
            else:
                self._quotes.finish()
            return block

    def require_end(self) -> None:
        """That all of it was read, and so the checksum was compared."""
        if self.read(1):
            raise AssertionError(f"Arrow has not read all of {self._part.name}")

    def close(self) -> None:
        """Waits for a reading that is under way."""
        with self._lock:
            self.closed = True


@contextmanager
def streamed(each: Readable) -> Iterator[Stream]:
    """To be read while the block lasts."""
    stream = Stream(each)
    try:
        yield stream
    finally:
        stream.close()
