"""The line items of a report, of any format, as canonical lines (`cost_canonical`), and what makes a line bad.

Text and doubles are turned into figures by one statement, and a line that cannot be turned is found again and named.
"""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NoReturn

import duckdb

from activities.cost_canonical import canonical_sql
from activities.cost_checks import Check, checks_of, money_sql
from activities.cost_columns import Kind
from activities.cost_damage import bad_line, damaged, shown
from activities.cost_dialect import DUCKDB
from activities.cost_readers import LINE_BYTES_MAX, Part, Readable, container_of, not_parquet, readable
from domain.cost_metric import COST_SCALE
from domain.errors import DamagedReport
from domain.money import AMOUNT_DIGITS_MAX, plain
from domain.report_format import ReportFormat

__all__ = ["TOO_MUCH", "Part", "count_lines", "explain", "explain_overflow", "lines_sql", "unreadable"]

TOO_MUCH = f"add up to more than {AMOUNT_DIGITS_MAX - COST_SCALE} digits before the point"


def lines_sql(
    parts: Sequence[Part], report_format: ReportFormat, *, parallel: bool, columns: Iterable[str] = ()
) -> str:
    """A query of all lines. Raises DamagedReport for a missing column.

    Where the parts are not all of the report, columns are those of the whole (`Manifest.columns`): what a line costs
    must not depend on the part it is in.

    In parallel, several threads read one CSV file, and DuckDB proves that none has missed where a line begins; where
    texts are full of line breaks it cannot, and says so by NotImplementedException. One thread a file always can, but
    loses a last line with an open quote: who reads like that must count the lines (`count_lines`).
    """
    alike = readable(parts, report_format, parallel=parallel, columns=columns)
    return "\nUNION ALL ".join(canonical_sql(each.raw, each.source) for each in alike)


def explain(
    connection: duckdb.DuckDBPyConnection, parts: Sequence[Part], report_format: ReportFormat, *, parallel: bool
) -> None:
    """Raises DamagedReport for the first line, in some part, that cannot be read or is bad."""
    for part in parts:
        for each in readable([part], report_format, parallel=parallel):
            _explain_part(connection, part, each)


def explain_overflow(
    connection: duckdb.DuckDBPyConnection, parts: Sequence[Part], report_format: ReportFormat, *, parallel: bool
) -> NoReturn:
    """Raises DamagedReport for the largest of costs that are too much together: each of them alone is a cost."""
    largest = [
        found
        for part in parts
        for each in readable([part], report_format, parallel=parallel)
        if (found := _largest(connection, part, each))
    ]
    if not largest:
        raise damaged(f"The costs of the report {TOO_MUCH}", "BadPart")
    cost, part_name, line_item = max(largest)
    raise damaged(
        f"The costs of the report {TOO_MUCH}. The largest, {plain(cost)}, is of line item {shown(line_item)} "
        f"in the part {part_name}",
        "BadPart",
    )


def _largest(connection: duckdb.DuckDBPyConnection, part: Part, each: Readable) -> tuple[Decimal, str, str] | None:
    money = [column.name for column in each.source.columns if column.kind is Kind.MONEY]
    costs = ", ".join(f"abs({money_sql(name, each.source.types[name], DUCKDB)})" for name in money)
    query = (
        f"SELECT greatest({costs}) AS cost, {_line_item(each)} AS line_item FROM ({each.raw}) "  # noqa: S608 - ours
        "WHERE cost IS NOT NULL ORDER BY cost DESC LIMIT 1"
    )
    found = connection.execute(query).fetchone()
    return (found[0], part.name, found[1] or "") if found else None


def count_lines(part: Part) -> int:
    """Line items of a CSV file by another reader, slower than DuckDB by far. Raises DamagedReport for a quote that is
    left open."""
    csv.field_size_limit(LINE_BYTES_MAX)
    opened = gzip.open if container_of(part) == "gzip" else open
    with opened(part.path, "rt", encoding="utf-8-sig", newline="") as file:
        try:
            return sum(1 for values in csv.reader(file, strict=True) if values) - 1
        except (csv.Error, UnicodeDecodeError) as error:
            raise damaged(f"The part {part.name} cannot be read: {error}", "BadPart") from None


def _explain_part(connection: duckdb.DuckDBPyConnection, part: Part, each: Readable) -> None:
    checks = checks_of(each.source, DUCKDB)
    numbered = " ".join(f"WHEN ({check.holds}) IS NOT TRUE THEN {n}" for n, check in enumerate(checks))
    values = ", ".join(f"CAST({column.name} AS VARCHAR) AS v_{n}" for n, column in enumerate(each.source.columns))
    query = (
        f"SELECT CASE {numbered} END AS problem, {_line_item(each)} AS line_item, {values} FROM ({each.raw}) "  # noqa: S608 - ours
        "WHERE problem IS NOT NULL LIMIT 1"
    )
    try:
        found = connection.execute(query).fetchone()
    except duckdb.InvalidInputException as error:
        if container_of(part) == "parquet":
            raise not_parquet(part) from None
        raise unreadable(part, str(error)) from None
    except (duckdb.OutOfMemoryException, duckdb.InterruptException):
        raise
    except duckdb.Error:
        if container_of(part) != "parquet":
            raise
        raise not_parquet(part) from None  # damaged pages are told by errors of every kind
    if found:
        check = checks[found[0]]
        value = dict(zip((column.name for column in each.source.columns), found[2:], strict=True))[check.column.name]
        raise _bad_line(part, check, each, found[1], value)


def _line_item(each: Readable) -> str:
    """What helps a person to find the line: FOCUS has no ids of lines, and names what was charged when."""
    if each.source.report_format.is_focus:
        names = [name for name in ("ResourceId", "ServiceName", "ChargePeriodStart") if name in each.source.places]
        return f"concat_ws(' ', {', '.join(names)})"
    return "identity_line_item_id" if "identity_line_item_id" in each.source.places else "NULL"


def _bad_line(part: Part, check: Check, each: Readable, line_item: str | None, value: str | None) -> DamagedReport:
    return bad_line(part.name, each.source.headers[check.column.name], line_item, value, check.complaint)


def unreadable(part: Part, message: str) -> DamagedReport:
    """CSV, by what the engine says of it, without the line itself, which the engine quotes: it may hold anything."""
    line = match[1] if (match := re.search(r"Error on Line: (\d+)", message)) else "?"
    reasons = re.search(
        r"Expected Number of Columns: \d+ Found: \d+|unterminated quote|Invalid unicode|Maximum line size", message
    )
    reason = reasons[0].lower() if reasons else "it does not follow the rules of CSV"
    return damaged(f"The part {part.name} cannot be read at line {line}: {reason}", "BadPart")
