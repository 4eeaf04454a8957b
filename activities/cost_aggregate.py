"""Adds up the line items of a report: account × service × charge type × day, in exact decimals, in bounded memory.

One pass over the files gives two results that are added up apart from each other: the rows to be stored, and the
control totals by charge type with which the stored rows are compared. Every line counts exactly or stops the import:

- a cost is a decimal number, scientific notation allowed, rounded once to 12 decimals
- a blank service is counted under "unclassified", and so is every charge type that is not in the closed table
- a line's day is the UTC date on which its usage starts. Fees and taxes may start in another month: such a line keeps
  its date and belongs to the billing period of its report, as on the invoice
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from activities.cost_files import Report
from activities.cost_lines import Part, count_lines, explain, lines_sql
from activities.cost_manifest import damaged
from activities.cost_readers import SAFE_SETTINGS
from activities.cost_watch import watched
from domain.cost import CHARGE_TYPES_MAX
from domain.errors import BadInput, Unavailable
from domain.money import EXACT
from domain.report_format import ReportFormat

THREADS_MAX = 4
ROWS_MAX = 20_000_000
"""Rows of one report version, after adding up."""
BATCH_ROWS = 20_000

_ROWS = """
SELECT account AS account_id, service, charge_type, day AS usage_date, cost AS unblended
FROM sums WHERE is_row ORDER BY account, day
"""


@dataclass(frozen=True, slots=True)
class Control:
    """What the report adds up to, line by line."""

    lines: int
    rows: int
    totals: dict[str, Decimal]
    """By charge type."""
    currencies: tuple[str, ...]
    payers: tuple[str, ...]


class Aggregate:
    """A report that was added up."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, control: Control) -> None:
        self._connection = connection
        self.control = control

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Of account_id, service, charge_type, usage_date, unblended; by account and day, as they are asked for.

        To be read while the block of `aggregated` lasts.
        """
        yield from self._connection.sql(_ROWS).to_arrow_reader(BATCH_ROWS)


@contextmanager
def aggregated(
    parts: Sequence[Part],
    scratch: Path,
    memory_mb: int,
    report: Report,
    report_format: ReportFormat = ReportFormat.CUR,
) -> Iterator[Aggregate]:
    """Raises DamagedReport, naming the part, the line item and what is wrong with it."""
    connection = _connect(scratch, memory_mb)
    try:
        with _engine_errors(memory_mb):
            with watched(connection, report, "adding up"):
                _add_up(connection, parts, report_format)
            yield Aggregate(connection, _control(connection))
    finally:
        connection.close()


def _connect(scratch: Path, memory_mb: int) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(
        config={
            "memory_limit": f"{memory_mb}MB",
            "threads": min(THREADS_MAX, os.cpu_count() or 1),
            "temp_directory": str(scratch),  # where it goes beyond its memory
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,  # nothing is ever loaded from elsewhere
            "autoload_known_extensions": False,
            **SAFE_SETTINGS,
        }
    )


def _sums_sql(parts: Sequence[Part], report_format: ReportFormat, *, parallel: bool) -> str:
    return f"""
        CREATE TEMP TABLE sums AS
        SELECT
            grouping(account) = 0 AS is_row, account, service, charge_type, day, payer, currency,
            coalesce(sum(unblended) FILTER (NOT is_split), 0) AS cost,
            count(*) AS lines, count(*) FILTER (is_bad) AS bad
        FROM ({lines_sql(parts, report_format, parallel=parallel)})
        GROUP BY GROUPING SETS ((account, service, charge_type, day), (charge_type, payer, currency))
    """  # noqa: S608 - paths are quoted, the rest is ours


def _add_up(connection: duckdb.DuckDBPyConnection, parts: Sequence[Part], report_format: ReportFormat) -> None:
    try:
        _add_up_lines(connection, parts, report_format, parallel=True)
    except duckdb.NotImplementedException:  # line breaks within texts; see lines_sql
        _add_up_lines(connection, parts, report_format, parallel=False)
        read = _one(connection, "SELECT coalesce(sum(lines), 0) FROM sums WHERE is_row")
        if read != (there := sum(count_lines(part) for part in parts)):
            raise damaged(f"Of the {there:,} lines of the report only {read:,} could be read", "BadPart") from None


def _add_up_lines(
    connection: duckdb.DuckDBPyConnection, parts: Sequence[Part], report_format: ReportFormat, *, parallel: bool
) -> None:
    try:
        connection.execute(_sums_sql(parts, report_format, parallel=parallel))
    except (duckdb.InvalidInputException, duckdb.OutOfRangeException) as error:
        explain(connection, parts, report_format, parallel=parallel)
        first_line = str(error).partition("\n")[0]
        raise damaged(f"The report cannot be added up ({first_line})", "BadPart") from None
    if _one(connection, "SELECT coalesce(sum(bad), 0) FROM sums"):
        explain(connection, parts, report_format, parallel=parallel)
        raise AssertionError("a line was counted as bad, but none was found")


def _control(connection: duckdb.DuckDBPyConnection) -> Control:
    rows = int(_one(connection, "SELECT count(*) FROM sums WHERE is_row"))
    if rows > ROWS_MAX:
        raise damaged(f"The report adds up to {rows:,} rows; at most {ROWS_MAX:,} are stored", "BadPart")
    groups = connection.execute(
        "SELECT charge_type, payer, currency, cost, lines FROM sums WHERE NOT is_row"
    ).fetchall()
    totals: dict[str, Decimal] = {}
    for charge_type, _, _, cost, _ in groups:
        totals[charge_type] = EXACT.add(totals.get(charge_type, Decimal(0)), cost)
    if len(totals) > CHARGE_TYPES_MAX:
        raise damaged(f"The report has {len(totals)} charge types; at most {CHARGE_TYPES_MAX} are kept", "BadPart")
    return Control(
        lines=sum(lines for *_, lines in groups),
        rows=rows,
        totals=trimmed(totals),
        currencies=tuple(sorted({currency for _, _, currency, _, _ in groups})),
        payers=tuple(sorted({payer for _, payer, _, _, _ in groups})),
    )


def trimmed(totals: dict[str, Decimal]) -> dict[str, Decimal]:
    """In order, without the zeros at the end that stand for no digit of the report."""
    return {charge_type: cost.normalize(EXACT) for charge_type, cost in sorted(totals.items())}


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    found = connection.execute(query).fetchone()
    assert found is not None  # an aggregate always has a row
    return found[0]


@contextmanager
def _engine_errors(memory_mb: int) -> Iterator[None]:
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
