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
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from activities.cost_adding import Adding
from activities.cost_batches import batches_of
from activities.cost_control import Control, control_of, require_equal, totals_of
from activities.cost_damage import damaged
from activities.cost_files import Report
from activities.cost_grouping import METRICS
from activities.cost_lines import Part
from activities.cost_watch import watched
from domain.errors import BadInput, Unavailable
from domain.report_format import ReportFormat

THREADS_MAX = 4
ROWS_MAX = 20_000_000
"""Account rows of one report version."""
BATCH_ROWS = 20_000

_SUMS = ", ".join(f"CAST(sum({metric}) AS DECIMAL(38, 12)) AS {metric}" for metric in METRICS)
_ACCOUNT_ROWS = f"""
CREATE TEMP TABLE account_rows AS
SELECT account AS account_id, service, charge_type, day AS usage_date, {_SUMS} FROM detail GROUP BY ALL
"""  # noqa: S608 - ours
_ACCOUNT_ROWS_IN_ORDER = "SELECT * FROM account_rows ORDER BY account_id, usage_date, service, charge_type"


class Aggregate:
    """A report that was added up. To be read while the block of `aggregated` lasts."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, control: Control, engine: str = "DuckDB", scanned_bytes: int = 0
    ) -> None:
        self._connection = connection
        self.control = control
        self.engine = engine
        self.scanned_bytes = scanned_bytes
        """What was paid for, where an engine is paid by the byte."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Account rows in order: account_id, service, charge_type, usage_date, and the metrics."""
        yield from self._connection.sql(_ACCOUNT_ROWS_IN_ORDER).to_arrow_reader(BATCH_ROWS)


@contextmanager
def aggregated(
    parts: Iterable[Part],
    scratch: Path,
    memory_mb: int,
    report: Report,
    report_format: ReportFormat = ReportFormat.CUR,
) -> Iterator[Aggregate]:
    """Parts may still be on their way: they are asked for one after the other, and removed from the scratch folder once
    they are read. Raises DamagedReport, naming the part, the line item and what is wrong with it."""
    connection = connect(scratch, memory_mb)
    try:
        with engine_errors(memory_mb):
            with watched(connection, report, "adding up"), batches_of(parts, scratch, report) as batches:
                adding = Adding(connection, report_format)
                for batch in batches:
                    adding.add(batch)
                control = finished(connection)
            yield Aggregate(connection, control)
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
    except duckdb.IOException as error:
        first_line = str(error).partition("\n")[0]
        raise Unavailable(f"The report could not be added up ({first_line}): it will be tried again.") from None
