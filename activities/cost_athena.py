"""The aggregation of a report by Athena, for reports that are too large to be read by one machine.

    footers of all parts ─► columns, lines, bytes that a reading costs
    a table of the report's folder, for the time of the import; every query names the files of the manifest
      ├─ UNLOAD of the detail's groups, as Parquet, brought here   ┐
      └─ the control's groups, read page by page, by a second query ┘─► named, checked and compared as local groups are

What comes of it is the same `Aggregate`, with the same rows; so whatever is done with it does not depend on the engine.
That no file was left out is known from the lines that the footers tell.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from activities import cost_athena_sql as sql
from activities.athena import Athena, AthenaPlace, Ran
from activities.athena_output import cleared, unloaded
from activities.athena_tables import registered
from activities.cost_adding import Adding
from activities.cost_aggregate import Aggregate, connect, engine_errors, finished
from activities.cost_bucket import Bucket
from activities.cost_columns import ColumnError
from activities.cost_damage import bad_line, damaged
from activities.cost_fetching import Accepted, Room
from activities.cost_files import S3_SCHEME, Report
from activities.cost_footers import Footer, read_footers
from activities.cost_grouping import METRICS, SPLIT
from activities.cost_manifest import Manifest
from activities.cost_money import TRUE_UP, UPFRONT
from activities.cost_source import Source, find_source
from domain.errors import BadInput, Unavailable
from domain.report_format import ReportFormat

ENGINE = "Athena"
READINGS = 2
"""Of a report: for its detail, and for its control totals."""
BYTES_PER_GB = 1_000_000_000
CONTROL_ROWS_MAX = 100_000
UNLOADED_MAX = 20
"""Times that one run of an import may unload the same parts."""
TABLE_NAME_CHARS = 24
SCAN_SETTING = "ALLOT_COST_ATHENA_SCAN_GB_MAX"


class AthenaLimits(NamedTuple):
    place: AthenaPlace
    scan_bytes_max: int
    """Of one import."""


class Alike(NamedTuple):
    """Parts with the same columns."""

    source: Source
    footers: list[Footer]


@contextmanager
def aggregated_by_athena(
    bucket: Bucket,
    accepted: Accepted,
    scratch: Path,
    memory_mb: int,
    report: Report,
    limits: AthenaLimits,
    room: Room,
    run: str,
) -> Iterator[Aggregate]:
    """`run` tells one attempt at the whole import from another; within it a query is paid for once.

    Raises DamagedReport, naming the part, the line item and what is wrong with it.
    """
    alike = _alike(read_footers(bucket, accepted.parts, report), accepted.manifest.format)
    _require_scan(alike, limits)
    connection = connect(scratch, memory_mb)
    try:
        with engine_errors(memory_mb):
            adding = Adding(connection, accepted.manifest.format, scratch, report)
            athena, manifest = Athena(limits.place, report), accepted.manifest
            reading = _Reading(athena, limits.place, manifest, connection, adding, scratch, report, room)
            for number, group in enumerate(alike):
                reading.add(group, sha256(f"{manifest.content_hash}/{run}/{number}".encode()).hexdigest())
            adding.finish()
            control = finished(connection)
        lines = sum(footer.lines for group in alike for footer in group.footers)
        if control.lines != lines:
            raise damaged(f"Of {lines:,} lines of the report Athena has read {control.lines:,}", "NotReconciled")
        yield Aggregate(connection, control, memory_mb, ENGINE, reading.scanned_bytes)
    finally:
        connection.close()


class _Reading:
    """Adds the groups of all parts."""

    def __init__(
        self,
        athena: Athena,
        place: AthenaPlace,
        manifest: Manifest,
        connection: duckdb.DuckDBPyConnection,
        adding: Adding,
        scratch: Path,
        report: Report,
        room: Room,
    ) -> None:
        self._athena, self._place, self._manifest = athena, place, manifest
        self._connection, self._adding = connection, adding
        self._scratch, self._report, self._room = scratch, report, room
        self.scanned_bytes = 0

    def add(self, group: Alike, token: str) -> None:
        name = f"allot_{token[:TABLE_NAME_CHARS]}"
        location = _folder([footer.part.pin.address for footer in group.footers])
        with registered(self._place.database, name, location, sql.table_columns(group.source)):
            table = f'"{self._place.database}"."{name}"'
            for number, chunk in enumerate(sql.chunks(group.footers)):
                self._add_chunk(table, Alike(group.source, chunk), f"{token}/{number}")

    def _add_chunk(self, table: str, group: Alike, token: str) -> None:
        addresses = [footer.part.pin.address for footer in group.footers]
        prefix, source = f"{self._place.output}/unloaded/{token}/", group.source
        with cleared(prefix):
            self._add_detail(table, group, token, prefix)
        ran = self._run(
            lambda _: sql.control_query(table, source, addresses), f"{token}/control", "control totals on Athena"
        )
        self._connection.register("control_groups", self._control_groups(ran, source))
        self._adding.add_control("SELECT * FROM control_groups", source)
        self._connection.unregister("control_groups")
        if self._adding.has_bad():
            raise self._explained(table, group, token)

    def _add_detail(self, table: str, group: Alike, token: str, prefix: str) -> None:
        """Whole, by the number of its lines. What an earlier attempt of this run has unloaded may have been taken away
        since, or in part; then it is asked for again."""
        addresses = [footer.part.pin.address for footer in group.footers]
        expected, first = sum(footer.lines for footer in group.footers), 0

        def query(number: int) -> str:
            return sql.detail_query(table, group.source, addresses, f"{prefix}{number}/")

        before = lines = 0
        while first < UNLOADED_MAX:
            ran = self._run(query, f"{token}/detail", "adding up on Athena", first)
            self._connection.begin()
            before, lines = lines, self._add_unloaded(f"{prefix}{ran.number}/", group.source)
            if lines == expected:
                self._connection.commit()
                return
            self._connection.rollback()
            if not ran.at_once or lines == before != 0:  # it is all that Athena finds
                break
            first = ran.number + 1
        raise damaged(f"Of {expected:,} lines of the report Athena has read {lines:,}", "NotReconciled")

    def _add_unloaded(self, place: str, source: Source) -> int:
        """How many lines the groups are of."""
        lines = 0
        with unloaded(place, self._manifest, self._scratch, self._report, self._room) as files:
            for file in files:
                groups = _groups_in(file.path)
                ((count,),) = self._connection.execute(f"SELECT sum(lines) FROM ({groups}) AS groups").fetchall()  # noqa: S608 - ours
                self._adding.add_detail(groups, source)
                file.path.unlink()
                lines += int(count)
        return lines

    def _run(self, query: sql.Query, token: str, step: str, first: int = 0) -> Ran:
        ran = self._athena.run(query, token, step, first)
        self.scanned_bytes += ran.scanned_bytes
        return ran

    def _control_groups(self, ran: Ran, source: Source) -> pa.Table:
        schema = _control_schema(source)
        rows: list[tuple[str | None, ...]] = []
        for row in self._athena.rows(ran, sql.control_result(source)):
            if len(rows) == CONTROL_ROWS_MAX:
                raise damaged(f"The report has more than {CONTROL_ROWS_MAX:,} kinds of lines and invoices", "BadPart")
            rows.append(row)
        columns = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
        try:
            arrays = [_column(values, field) for values, field in zip(columns, schema, strict=True)]
        except (ValueError, ArithmeticError, pa.ArrowException):
            raise Unavailable(
                "Athena answered with control totals that are no numbers: it will be tried again.", code="AthenaAnswer"
            ) from None
        return pa.table(arrays, schema=schema)

    def _explained(self, table: str, group: Alike, token: str) -> Exception:
        source = group.source
        parts: dict[str, str] = {footer.part.pin.address: footer.part.name for footer in group.footers}
        ran = self._run(
            lambda _: sql.explain_query(table, source, list(parts)), f"{token}/explain", "looking for the bad line"
        )
        for address, problem, line_item, value in self._athena.rows(ran, sql.EXPLAINED):
            check = sql.checks(source)[int(problem or 0)]
            name = parts.get(address or "", address or "?")
            return bad_line(name, source.headers[check.column.name], line_item, value, check.complaint)
        return damaged("A line of the report is bad; set ALLOT_COST_ENGINE to duckdb to be told which one", "BadLine")


def _alike(footers: Sequence[Footer], report_format: ReportFormat) -> list[Alike]:
    sources = [_source(footer, report_format) for footer in footers]
    report_columns = frozenset(name for source in sources for name in source.places)
    found: dict[tuple[object, ...], Alike] = {}
    for footer, source in zip(footers, sources, strict=True):
        known = sql.as_athena_has_it(source, report_columns)
        shape = (*known.types.items(), *known.headers.items())
        found.setdefault(shape, Alike(known, [])).footers.append(footer)
    return list(found.values())


def _source(footer: Footer, report_format: ReportFormat) -> Source:
    try:
        source = find_source(report_format, footer.header)
    except ColumnError as error:
        raise damaged(f"The part {footer.part.name} cannot be imported: {error}", "BadPart") from None
    if not sql.is_readable(source):
        raise BadInput(
            f"The part {footer.part.name} has types of columns that Athena reads in another way: set ALLOT_COST_ENGINE "
            "to duckdb.",
            code="NotForAthena",
        )
    return source


def _require_scan(alike: Sequence[Alike], limits: AthenaLimits) -> None:
    """Before anything is paid for: at most every column that is read, each time."""
    estimate = READINGS * sum(
        footer.bytes_of.get(group.source.headers[name], 0)
        for group in alike
        for footer in group.footers
        for name in group.source.places
    )
    if estimate > limits.scan_bytes_max:
        raise BadInput(
            f"Athena would scan up to {estimate / BYTES_PER_GB:,.1f} GB for this report, and {SCAN_SETTING} allows "
            f"{limits.scan_bytes_max / BYTES_PER_GB:,.1f}: raise it, or set ALLOT_COST_ENGINE to duckdb.",
            code="ScanLimit",
        )


def _folder(addresses: Sequence[str]) -> str:
    """The one that all of them lie in or below."""
    paths = [posixpath.dirname(address.removeprefix(S3_SCHEME)) for address in addresses]
    return S3_SCHEME + posixpath.commonpath(paths)


def _groups_in(path: Path) -> str:
    place = str(path).replace("'", "''")
    return f"SELECT * FROM read_parquet('{place}', hive_partitioning = false)"  # noqa: S608 - our own path


def _control_schema(source: Source) -> pa.Schema:
    money = [pa.field(name, pa.decimal128(38, 12)) for name in (*METRICS, UPFRONT, TRUE_UP)]
    keys = sql.control_result(source)[: -len(money) - len(sql.COUNTS)]
    texts = [pa.field(name, pa.bool_() if name == SPLIT else pa.string()) for name in keys]
    return pa.schema([*texts, *money, *(pa.field(name, pa.int64()) for name in sql.COUNTS)])


def _column(values: Sequence[str | None], field: pa.Field[Any]) -> Any:
    if pa.types.is_boolean(field.type):
        return pa.array([value == "true" for value in values], field.type)
    if pa.types.is_decimal(field.type):
        return pa.array([None if value is None else Decimal(value) for value in values], field.type)
    if pa.types.is_integer(field.type):
        return pa.array([int(value or 0) for value in values], field.type)
    return pa.array(values, field.type)
