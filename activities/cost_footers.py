"""What Parquet parts say of themselves at their ends, read from S3 without the rest: columns, types, lines, sizes."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from activities.contracts import Progress
from activities.cost_bucket import Bucket
from activities.cost_fetching import PinnedPart
from activities.cost_files import Report
from activities.cost_manifest import COLUMNS_MAX, damaged
from activities.cost_source import TEXT, TEXT_MAP, Header

FIRST_BYTES = 65_536
"""Holds the footer of a usual part; a longer one is asked for again."""
FOOTER_BYTES_MAX = 64_000_000
AT_ONCE_MAX = 8
_MAGIC = b"PAR1"
_LENGTH_BYTES = 4
_END_BYTES = _LENGTH_BYTES + len(_MAGIC)


class Footer(NamedTuple):
    part: PinnedPart
    header: Header
    lines: int
    bytes_of: dict[str, int]
    """Compressed bytes of each column: what reading it costs where that is paid by the byte."""


def read_footers(bucket: Bucket, parts: Sequence[PinnedPart], report: Report) -> list[Footer]:
    """In the order of the parts. Raises DamagedReport, naming the part."""
    with ThreadPoolExecutor(AT_ONCE_MAX, thread_name_prefix="cost-footer") as pool:
        looks = [pool.submit(_footer, bucket, part) for part in parts]
        try:
            found = []
            for number, look in enumerate(looks):
                report(Progress(step="reading columns", done=number, whole=len(looks)))
                found.append(look.result())
            return found
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _footer(bucket: Bucket, part: PinnedPart) -> Footer:
    end = bucket.tail(part.pin, min(FIRST_BYTES, part.pin.size)) if part.pin.size else b""
    if not end.endswith(_MAGIC) or len(end) < _END_BYTES:
        raise damaged(f"The part {part.name} is not Parquet: it does not end like that", "BadPart")
    length = int.from_bytes(end[-_END_BYTES : -len(_MAGIC)], "little") + _END_BYTES
    if length > min(part.pin.size, FOOTER_BYTES_MAX):
        raise _unreadable(part)
    if length > len(end):
        end = bucket.tail(part.pin, length)
    try:
        metadata = pq.read_metadata(pa.BufferReader(end[-length:]))
        schema = metadata.schema.to_arrow_schema()
    except (pa.ArrowException, OSError):
        raise _unreadable(part) from None
    if not 0 < len(schema.names) <= COLUMNS_MAX:
        raise damaged(
            f"The part {part.name} has {len(schema.names):,} columns; 1 to {COLUMNS_MAX:,} can be read", "BadPart"
        )
    header = Header(tuple(schema.names), tuple(map(type_name, schema.types)))
    return Footer(part, header, metadata.num_rows, _bytes_of(metadata))


def _bytes_of(metadata: pq.FileMetaData) -> dict[str, int]:
    found: dict[str, int] = {}
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            name = column.path_in_schema.partition(".")[0]
            found[name] = found.get(name, 0) + column.total_compressed_size
    return found


def type_name(type_: pa.DataType) -> str:
    """As DuckDB calls it; its own name where a report has no use for it."""
    if pa.types.is_timestamp(type_):
        return "TIMESTAMP WITH TIME ZONE" if type_.tz else "TIMESTAMP"
    if pa.types.is_decimal(type_):
        return f"DECIMAL({type_.precision},{type_.scale})"
    if pa.types.is_map(type_) and pa.types.is_string(type_.key_type) and pa.types.is_string(type_.item_type):
        return TEXT_MAP
    if pa.types.is_string(type_) or pa.types.is_large_string(type_):
        return TEXT
    return _NAMES.get(type_, str(type_).upper())


_NAMES = {
    pa.float64(): "DOUBLE",
    pa.float32(): "FLOAT",
    pa.int8(): "TINYINT",
    pa.int16(): "SMALLINT",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.date32(): "DATE",
}


def _unreadable(part: PinnedPart) -> Exception:
    return damaged(f"The part {part.name} cannot be read: it is truncated, or its Parquet is damaged", "BadPart")
