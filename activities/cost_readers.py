"""Files of a cost report as DuckDB reads them: what columns they have, and a query of the columns that are needed."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import duckdb

from activities.cost_columns import ColumnError
from activities.cost_manifest import COLUMNS_MAX, damaged
from activities.cost_source import TEXT, Header, Source, find_source
from domain.errors import DamagedReport
from domain.report_format import ReportFormat

HEADER_BYTES_MAX = 4_000_000
LINE_BYTES_MAX = 1_000_000
READ_BUFFER_BYTES = 4_000_000
"""DuckDB's own would be 32 MB for each thread; these are as fast, and fit into the smallest memory setting."""

SAFE_SETTINGS: dict[str, str] = {"disabled_optimizers": "statistics_propagation"}
"""For every connection that reads parts: what a Parquet file says of the range of its values is not believed.

DuckDB takes a column for constant whose smallest and largest value are the same, and so a NaN among ones, which writers
leave out of both, for a one.
"""

_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"


@cache
def _schemas() -> duckdb.DuckDBPyConnection:
    """An engine that looks at files and reads none. Made when it is first asked for, because it has threads."""
    return duckdb.connect(
        ":memory:", config={"threads": 1, "memory_limit": "100MB", "autoload_known_extensions": False, **SAFE_SETTINGS}
    )


@dataclass(frozen=True, slots=True)
class Part:
    """A file of a report, on this machine: CSV, as it came or unpacked, or Parquet."""

    name: str
    """Its key, for messages."""
    path: Path


class Shape(NamedTuple):
    """What files must have in common to be read together."""

    container: str
    """parquet, gzip or none (of compression)."""
    header: Header


class Readable(NamedTuple):
    """Parts that are alike, with a query of their raw lines (see `canonical_sql`)."""

    parts: tuple[Part, ...]
    container: str
    source: Source
    all_places: tuple[str, ...]
    """Names of all columns, as the table has them. In CSV they are names of our own: those of a report may differ in
    case only, which DuckDB does not tell apart."""
    table: str

    @property
    def places(self) -> tuple[str, ...]:
        """Names of the columns that are asked for."""
        source = self.source
        wanted = {*source.places.values(), *(tag.place for tag in source.tags)}
        wanted |= {source.tag_map} if source.tag_map is not None else set()
        return tuple(self.all_places[place] for place in sorted(wanted))

    @property
    def raw(self) -> str:
        names, source = self.all_places, self.source
        selected = [f"{names[place]} AS {name}" for name, place in source.places.items()]
        selected += [f"{names[tag.place]} AS tag_{number}" for number, tag in enumerate(source.tags)]
        if source.tag_map is not None:
            selected.append(f"{names[source.tag_map]} AS tag_map")
        return f"SELECT {', '.join(selected)} FROM {self.table}"  # noqa: S608 - names and paths are quoted


def readable(
    parts: Sequence[Part], report_format: ReportFormat, *, parallel: bool, columns: Iterable[str] = ()
) -> list[Readable]:
    """All parts, those together that are alike, which is nearly always all of them.

    Columns are those that further parts of the same report have, such as the manifest's.
    Raises DamagedReport for a part that cannot be opened, or lacks a column.
    """
    alike: dict[Shape, list[Part]] = {}
    for part in parts:
        alike.setdefault(_shape(part), []).append(part)
    sources = {shape: _source(report_format, shape, group[0]) for shape, group in alike.items()}
    of_report = frozenset(columns).union(*(source.report_columns for source in sources.values()))
    return [
        Readable(
            tuple(alike[shape]),
            shape.container,
            replace(source, report_columns=of_report),
            _all_places(shape),
            _read_parquet(alike[shape])
            if shape.container == "parquet"
            else _read_csv(alike[shape], len(shape.header.names), shape.container, parallel),
        )
        for shape, source in sources.items()
    ]


def container_of(part: Part) -> str:
    """By its first bytes. Raises DamagedReport for a file that is not what its name says."""
    with part.path.open("rb") as file:
        beginning = file.read(len(_PARQUET))
    if part.name.endswith(".parquet") and beginning != _PARQUET:
        raise damaged(f"The part {part.name} is not Parquet: it does not begin like that", "BadPart")
    if beginning == _PARQUET:
        return "parquet"
    return "gzip" if beginning.startswith(_GZIP) else "none"


def _source(report_format: ReportFormat, shape: Shape, part: Part) -> Source:
    try:
        return find_source(report_format, shape.header)
    except ColumnError as error:
        raise damaged(f"The part {part.name} cannot be imported: {error}", "BadPart") from None


def _shape(part: Part) -> Shape:
    container = container_of(part)
    header = _parquet_header(part) if container == "parquet" else _csv_header(part, container)
    if not 0 < len(header.names) <= COLUMNS_MAX:
        raise damaged(
            f"The part {part.name} has {len(header.names):,} columns; 1 to {COLUMNS_MAX:,} can be read", "BadPart"
        )
    return Shape(container, header)


def _csv_header(part: Part, container: str) -> Header:
    try:
        with gzip.open(part.path) if container == "gzip" else part.path.open("rb") as file:
            line = file.readline(HEADER_BYTES_MAX)
    except EOFError:
        raise damaged(f"The part {part.name} is truncated: its gzip stream has no end", "BadPart") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise damaged(f"The part {part.name} is not sound gzip ({error})", "BadPart") from None
    if len(line) == HEADER_BYTES_MAX:
        raise damaged(f"The part {part.name} has a header of more than {HEADER_BYTES_MAX:,} bytes", "BadPart")
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise damaged(f"The part {part.name} is not UTF-8", "BadPart") from None
    try:
        names = tuple(next(csv.reader(io.StringIO(text.rstrip("\r\n"), newline="")), ()))
    except csv.Error as error:
        raise damaged(f"The header of the part {part.name} cannot be read: {error}", "BadPart") from None
    return Header(names, (TEXT,) * len(names))


def _parquet_header(part: Part) -> Header:
    with _schemas().cursor() as connection:  # one engine for all parts: to open one takes longer than to read a schema
        try:
            found = connection.execute(f"DESCRIBE SELECT * FROM {_read_parquet([part])}").fetchall()  # noqa: S608
        except duckdb.Error:
            raise not_parquet(part) from None
    return Header(tuple(str(row[0]) for row in found), tuple(str(row[1]) for row in found))


def not_parquet(part: Part) -> DamagedReport:
    """The engine's own words quote the file's bytes, and name our copy of it."""
    return damaged(f"The part {part.name} cannot be read: it is truncated, or its Parquet is damaged", "BadPart")


def _all_places(shape: Shape) -> tuple[str, ...]:
    if shape.container == "parquet":
        return tuple(_identifier(name) for name in shape.header.names)
    return tuple(f"c{place}" for place in range(len(shape.header.names)))


def _read_csv(parts: Sequence[Part], columns: int, compression: str, parallel: bool) -> str:
    # A line with values beyond the last column is an error, unless all of them are empty.
    types = ", ".join(f"'c{place}': 'VARCHAR'" for place in range(columns))
    return (
        f"read_csv([{_paths(parts)}], columns = {{{types}}}, auto_detect = false, header = true, delim = ',', "
        f"quote = '\"', escape = '\"', strict_mode = true, compression = '{compression}', "
        f"parallel = {parallel}, max_line_size = {LINE_BYTES_MAX}, buffer_size = {READ_BUFFER_BYTES})"
    )


def _read_parquet(parts: Sequence[Part]) -> str:
    return f"read_parquet([{_paths(parts)}], hive_partitioning = false)"


def _paths(parts: Sequence[Part]) -> str:
    return ", ".join("'" + str(part.path).replace("'", "''") + "'" for part in parts)


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
