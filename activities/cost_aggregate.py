"""Adds up the line items of a report, in exact decimals and bounded memory, in two grains.

    lines ──► detail    account × service × charge type × resource × usage type × operation × day    (cost mart)
      │          └────► account rows    account × service × charge type × day                        (PostgreSQL)
      └─────► control   charge type × payer × currency × kind of bill × invoice

Control totals are added up apart, straight from the lines, and both grains are compared with them to the last digit.
Every line counts exactly or stops the import:

- a cost is a decimal number, scientific notation allowed, rounded once to 12 decimals
- a blank service is counted under "unclassified", and so is every charge type that is not in the closed table
- a line's day is the UTC date on which its usage starts. Fees and taxes may start in another month: such a line keeps
  its date and belongs to the billing period of its report, as on the invoice
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import duckdb
import pyarrow as pa

from activities.cost_adding import Adding
from activities.cost_batches import batches_of
from activities.cost_control import Control, control_of, require_equal, totals_of
from activities.cost_damage import damaged
from activities.cost_files import Report
from activities.cost_grouping import METRICS
from activities.cost_lines import TOO_MUCH, Part
from activities.cost_readers import SAFE_SETTINGS
from activities.cost_slices import DETAIL_ROWS_PER_MB, RESOURCES_ROWS_PER_MB, slices_of
from activities.cost_watch import watched
from domain.errors import BadInput, Unavailable
from domain.report_format import ReportFormat
from domain.resource_key import RESOURCE_KEY_SQL

THREADS_MAX = 4
ROWS_MAX = 20_000_000
"""Account rows of one report version."""
BATCH_ROWS = 20_000
KEEPING_SHARE = 0.85
"""Of the memory for adding up, for the engine while the result is written: the writers need the rest."""

_SUMS = ", ".join(f"CAST(sum({metric}) AS DECIMAL(38, 12)) AS {metric}" for metric in METRICS)
_ACCOUNT_ROWS = f"""
CREATE TABLE account_rows AS
SELECT account AS account_id, service, charge_type, day AS usage_date, {_SUMS} FROM detail GROUP BY ALL
"""  # noqa: S608 - ours
_ORDER = "account_id, usage_date, service, charge_type"
# Lines of CSV as PostgreSQL reads them. Texts are quoted, so that none is taken for NULL; they have no line breaks. The
# engine writes them several times as fast as anything in Python.
_ACCOUNT_LINES = f"""
SELECT account_id || ',"' || replace(service, '"', '""') || '","' || charge_type || '",' || usage_date
    || {" || ".join(f"',' || {metric}" for metric in METRICS)} || chr(10) AS line
FROM account_rows ORDER BY {_ORDER}
"""  # noqa: S608 - ours
# Rows of several batches, and of texts that differ in blanks only, are put together here.
_DETAIL = f"""
SELECT account AS account_id, service, charge_type, {RESOURCE_KEY_SQL} AS resource, resource_id, usage_type, operation,
    day AS usage_date, {_SUMS}
FROM detail WHERE {{slice}} GROUP BY ALL
ORDER BY account_id, resource, usage_date, service, charge_type, usage_type, operation, resource_id
"""  # noqa: S608 - ours
# A resource has the service that it costs most in, and the tags that it had last.
_RESOURCES = f"""
WITH service AS (
    SELECT account, {RESOURCE_KEY_SQL} AS resource, service, abs(sum(unblended)) AS cost
    FROM detail WHERE {{slice}} GROUP BY ALL
),
resource AS (
    SELECT account, resource, max({{{{'cost': cost, 'service': service}}}}).service AS service FROM service GROUP BY ALL
),
tagged AS (
    SELECT account, resource, max({{{{'last_day': last_day, 'tags': tags}}}}).tags AS tags
    FROM tags WHERE tags <> '' GROUP BY ALL
)
SELECT account AS account_id, resource, service,
    coalesce(json_extract_string(nullif(tags, ''), '$.Name'), '') AS name, coalesce(tags, '') AS tags
FROM resource LEFT JOIN tagged USING (account, resource) ORDER BY account_id, resource
"""  # noqa: S608 - ours
_CLAIMED = f"""
WITH keyed AS (SELECT *, {RESOURCE_KEY_SQL} AS resource FROM detail SEMI JOIN claimed ON account = account_id),
day AS (
    SELECT account AS account_id, resource, day AS usage_date, {_SUMS}
    FROM keyed SEMI JOIN claimed ON account = claimed.account_id AND keyed.resource = claimed.resource GROUP BY ALL
)
SELECT account_id || ',"' || replace(resource, '"', '""') || '",' || usage_date
    || {" || ".join(f"',' || {metric}" for metric in METRICS)} || chr(10) AS line
FROM day ORDER BY account_id, resource, usage_date
"""  # noqa: S608 - ours
_CLAIMED_SCHEMA = pa.schema({"account_id": pa.string(), "resource": pa.string()})


class Lines(NamedTuple):
    text: bytes
    rows: int


class Aggregate:
    """A report that was added up. To be read while the block of `aggregated` lasts."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        control: Control,
        memory_mb: int,
        engine: str = "DuckDB",
        scanned_bytes: int = 0,
    ) -> None:
        self._connection = connection
        self._memory_mb = int(memory_mb * KEEPING_SHARE)
        connection.execute(f"SET memory_limit = '{self._memory_mb}MB'")
        self.control = control
        self.engine = engine
        self.scanned_bytes = scanned_bytes
        """What was paid for, where an engine is paid by the byte."""

    def rows(self) -> Iterator[pa.RecordBatch]:
        """Account rows in order: account_id, service, charge_type, usage_date, and the metrics."""
        return self._read(f"SELECT * FROM account_rows ORDER BY {_ORDER}")  # noqa: S608 - ours

    def lines(self) -> Iterator[Lines]:
        """The same as lines of CSV."""
        return self._lines(_ACCOUNT_LINES)

    def detail(self) -> Iterator[pa.RecordBatch]:
        """The rows of the cost mart, in order."""
        return self._in_slices(_DETAIL, DETAIL_ROWS_PER_MB)

    def resources(self) -> Iterator[pa.RecordBatch]:
        """All resources, in order."""
        return self._in_slices(_RESOURCES, RESOURCES_ROWS_PER_MB)

    def claimed(self, resources: Iterable[tuple[str, str]]) -> Iterator[Lines]:
        """Of these resources, by account and key: lines of account_id, resource, usage_date, and the metrics."""
        pairs = [{"account_id": account_id, "resource": resource} for account_id, resource in resources]
        return self._lines(_CLAIMED, claimed=pa.Table.from_pylist(pairs, _CLAIMED_SCHEMA))

    def require_same(self, files: Sequence[Path]) -> None:
        """Raises DamagedReport where files of the cost mart add up to anything else than the report."""
        paths = ", ".join("'" + str(path).replace("'", "''") + "'" for path in files)
        kept = totals_of(self._connection, f"read_parquet([{paths}], hive_partitioning = false)")
        require_equal(self.control, kept, "The files for the cost mart")

    def _in_slices(self, query: str, rows_per_mb: int) -> Iterator[pa.RecordBatch]:
        for condition in slices_of(self._connection, rows_per_mb * self._memory_mb):
            yield from self._read(query.format(slice=condition))

    def _lines(self, query: str, **tables: pa.Table) -> Iterator[Lines]:
        for batch in self._read(query, **tables):
            texts: list[str] = batch.column(0).to_pylist()  # type: ignore[assignment]  # none is NULL
            yield Lines("".join(texts).encode(), batch.num_rows)

    def _read(self, query: str, **tables: pa.Table) -> Iterator[pa.RecordBatch]:
        with self._connection.cursor() as cursor:  # several may be read side by side
            for name, table in tables.items():
                cursor.register(name, table)
            yield from cursor.sql(query).to_arrow_reader(BATCH_ROWS)


@contextmanager
def aggregated(
    parts: Iterable[Part],
    scratch: Path,
    memory_mb: int,
    report: Report,
    report_format: ReportFormat = ReportFormat.CUR,
    columns: Iterable[str] = (),
) -> Iterator[Aggregate]:
    """Parts may still be on their way: they are asked for one after the other, and removed from the scratch folder once
    they are read. Raises DamagedReport, naming the part, the line item and what is wrong with it."""
    connection = connect(scratch, memory_mb)
    try:
        with engine_errors(memory_mb):
            with watched(connection, report, "adding up"):
                adding = Adding(connection, report_format, scratch, report, columns)
                for batch in batches_of(parts, scratch):
                    adding.add(batch)
                adding.finish()
                control = finished(connection)
            yield Aggregate(connection, control, memory_mb)
    finally:
        connection.close()


def connect(scratch: Path, memory_mb: int) -> duckdb.DuckDBPyConnection:
    """An engine of our own, which spills to the folder what goes beyond its memory."""
    return duckdb.connect(
        config={
            "memory_limit": f"{memory_mb}MB",
            "threads": min(THREADS_MAX, os.cpu_count() or 1),
            "temp_directory": str(scratch),
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,  # nothing is ever loaded from elsewhere
            "autoload_known_extensions": False,
            **SAFE_SETTINGS,
        }
    )


def finished(connection: duckdb.DuckDBPyConnection) -> Control:
    connection.execute(_ACCOUNT_ROWS)
    ((rows,),) = connection.execute("SELECT count(*) FROM account_rows").fetchall()
    if rows > ROWS_MAX:
        raise damaged(f"The report adds up to {rows:,} rows; at most {ROWS_MAX:,} are stored", "BadPart")
    control = control_of(connection, rows)
    require_equal(control, totals_of(connection, "account_rows"), "The rows by account and day")
    return control


@contextmanager
def engine_errors(memory_mb: int) -> Iterator[None]:
    try:
        yield
    except duckdb.OutOfMemoryException:
        raise BadInput(
            f"The report cannot be added up with {memory_mb} MB of memory: set ALLOT_COST_MEMORY_MB higher.",
            code="OutOfMemory",
        ) from None
    except duckdb.OutOfRangeException:
        raise damaged(f"The costs of the report {TOO_MUCH}", "BadPart") from None
    except duckdb.IOException as error:
        first_line = str(error).partition("\n")[0]
        raise Unavailable(f"The report could not be added up ({first_line}): it will be tried again.") from None
