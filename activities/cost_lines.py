"""The line items of a report as DuckDB reads them: columns by name, every value as text, and what makes a line bad.

Text is turned into figures by one statement (`cost_aggregate`), and a line that cannot be turned exactly is found again
and named here.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import duckdb

from activities.cost_manifest import (
    ACCOUNT,
    CHARGE_TYPE,
    COLUMNS_MAX,
    COST,
    CURRENCY,
    PAYER,
    SERVICE,
    START,
    damaged,
    find_column,
    shown,
)
from domain.calendar import YEAR_MAX, YEAR_MIN
from domain.errors import DamagedReport
from domain.money import AMOUNT_DIGITS_MAX, COST_DECIMALS

LINE_ITEM = "identity/LineItemId"
"""Not needed to add up, and no key; where it is there, it helps a person to find a line."""

HEADER_BYTES_MAX = 4_000_000
LINE_BYTES_MAX = 1_000_000
READ_BUFFER_BYTES = 4_000_000
"""DuckDB's own would be 32 MB for each thread; these are as fast, and fit into the smallest memory setting."""
SERVICE_CHARS_MAX = 200
CHARGE_TYPE_CHARS_MAX = 100

COST_TYPE = f"DECIMAL({AMOUNT_DIGITS_MAX}, {COST_DECIMALS})"
COST_SQL = f"TRY_CAST(cost AS {COST_TYPE})"
DAY_SQL = "CAST(TRY_CAST(start AS TIMESTAMP) AS DATE)"

_COLUMN_OF = {
    "account": ACCOUNT,
    "service": SERVICE,
    "charge_type": CHARGE_TYPE,
    "start": START,
    "cost": COST,
    "currency": CURRENCY,
    "payer": PAYER,
}
"""Names in our statements, and in the report."""

_NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?"
_EXPONENT = "coalesce(TRY_CAST(nullif(split_part(lower(cost), 'e', 2), '') AS INTEGER), 0)"
# A cast rounds without a word, so decimals are counted in the text. The short ones, which are nearly all, cannot have
# too many: a point and 18 decimals are 19 characters.
_DECIMALS = f"length(split_part(split_part(lower(cost), 'e', 1), '.', 2)) - {_EXPONENT}"
_EXACT = (
    f"CASE WHEN length(cost) <= {COST_DECIMALS + 1} AND NOT contains(lower(cost), 'e') THEN true "
    f"ELSE {_DECIMALS} <= {COST_DECIMALS} END"
)
# DuckDB ignores the offset of a time, so only UTC may come in.
_UTC = (
    "(ends_with(start, 'Z') OR ends_with(start, '+00:00') OR length(start) <= 19) "
    f"AND year({DAY_SQL}) BETWEEN {YEAR_MIN} AND {YEAR_MAX}"
)


class Check(NamedTuple):
    """What must hold of every line, in SQL, and what is said where it does not (NULL is no)."""

    column: str
    holds: str
    complaint: str


def _plain_text(column: str, chars_max: int) -> Check:
    # Control characters, NUL above all, cannot be stored or would not be seen.
    holds = f"regexp_full_match(coalesce({column}, ''), '[^\\x00-\\x1f]{{0,{chars_max}}}')"
    return Check(column, holds, f"is not a text of at most {chars_max} printable characters")


CHECKS = (
    Check("cost", f"regexp_full_match(cost, '{_NUMBER}')", "is not a number"),
    Check("cost", _EXACT, f"has more than {COST_DECIMALS} decimals"),
    Check(
        "cost", f"{COST_SQL} IS NOT NULL", f"has more than {AMOUNT_DIGITS_MAX - COST_DECIMALS} digits before the point"
    ),
    Check("start", _UTC, "is not a time in UTC, such as 2026-06-01T00:00:00Z"),
    Check("account", r"regexp_full_match(account, '[0-9]{12}')", "is not an account id of 12 digits"),
    Check("payer", r"regexp_full_match(payer, '[0-9]{12}')", "is not an account id of 12 digits"),
    Check("currency", r"regexp_full_match(currency, '[A-Z]{3}')", "is not a currency code such as USD"),
    _plain_text("service", SERVICE_CHARS_MAX),
    _plain_text("charge_type", CHARGE_TYPE_CHARS_MAX),
)
IS_BAD_SQL = " OR ".join(f"({check.holds}) IS NOT TRUE" for check in CHECKS)


@dataclass(frozen=True, slots=True)
class Part:
    """A file of a report, on this machine."""

    name: str
    """Its key, for messages."""
    path: Path


def lines_sql(parts: Sequence[Part], *, parallel: bool) -> str:
    """A query of all lines, as text. Raises DamagedReport for a missing column.

    Files with the same header are read together, which is nearly always all of them. In parallel, several threads read
    one file, and DuckDB proves that none has missed where a line begins; where texts are full of line breaks it cannot,
    and says so by NotImplementedException. One thread a file always can, but loses a last line with an open quote: who
    reads like that must count the lines (`count_lines`).
    """
    alike: dict[tuple[str, ...], list[Part]] = {}
    for part in parts:
        alike.setdefault(_header(part), []).append(part)
    return "\nUNION ALL ".join(_read_sql(header, parts_alike, parallel) for header, parts_alike in alike.items())


def explain(connection: duckdb.DuckDBPyConnection, parts: Sequence[Part], *, parallel: bool) -> None:
    """Raises DamagedReport for the first line, in some part, that cannot be read or is bad."""
    numbered = " ".join(f"WHEN ({check.holds}) IS NOT TRUE THEN {n}" for n, check in enumerate(CHECKS))
    columns = ", ".join(_COLUMN_OF)
    for part in parts:
        lines = lines_sql([part], parallel=parallel)
        query = (
            f"SELECT CASE {numbered} END AS problem, line_item, {columns} FROM ({lines}) "  # noqa: S608 - ours
            "WHERE problem IS NOT NULL LIMIT 1"
        )
        try:
            found = connection.execute(query).fetchone()
        except duckdb.InvalidInputException as error:
            raise _unreadable(part, str(error)) from None
        if found:
            check = CHECKS[found[0]]
            value = dict(zip(_COLUMN_OF, found[2:], strict=True))[check.column]
            where = f"The part {part.name} cannot be imported: {_COLUMN_OF[check.column]} of line item"
            what = f"{shown(found[1] or '')} is {shown(value or '')}, which {check.complaint}"
            raise damaged(f"{where} {what}", "BadLine")


def count_lines(part: Part) -> int:
    """Line items by another reader, slower than DuckDB by far. Raises DamagedReport for a quote that is left open."""
    csv.field_size_limit(LINE_BYTES_MAX)
    with gzip.open(part.path, "rt", encoding="utf-8-sig", newline="") as file:
        try:
            return sum(1 for values in csv.reader(file, strict=True) if values) - 1
        except (csv.Error, UnicodeDecodeError) as error:
            raise damaged(f"The part {part.name} cannot be read: {error}", "BadPart") from None


def _header(part: Part) -> tuple[str, ...]:
    with gzip.open(part.path) as file:
        beginning = file.read(HEADER_BYTES_MAX)
    line, end, _ = beginning.partition(b"\n")
    if not end and len(beginning) == HEADER_BYTES_MAX:
        raise damaged(f"The part {part.name} has a header of more than {HEADER_BYTES_MAX:,} bytes", "BadPart")
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise damaged(f"The part {part.name} is not UTF-8", "BadPart") from None
    names = tuple(next(csv.reader(io.StringIO(text.rstrip("\r"), newline="")), ()))
    if not 0 < len(names) <= COLUMNS_MAX:
        raise damaged(f"The part {part.name} has {len(names):,} columns; 1 to {COLUMNS_MAX:,} can be read", "BadPart")
    return names


def _read_sql(header: tuple[str, ...], parts: Sequence[Part], parallel: bool) -> str:
    names = list(header)
    try:
        selected = [f"c{find_column(names, column)} AS {ours}" for ours, column in _COLUMN_OF.items()]
    except LookupError as error:
        raise damaged(f"The part {parts[0].name} cannot be imported: {error}", "BadPart") from None
    selected.append(f"{_line_item(names)} AS line_item")
    # Columns get names of our own: those of a report may differ in case only, which DuckDB does not tell apart.
    columns = ", ".join(f"'c{place}': 'VARCHAR'" for place in range(len(names)))
    paths = ", ".join(_quoted(str(part.path)) for part in parts)
    return (
        f"SELECT {', '.join(selected)} FROM read_csv([{paths}], columns = {{{columns}}}, auto_detect = false, "  # noqa: S608 - quoted
        f"header = true, delim = ',', quote = '\"', escape = '\"', strict_mode = true, compression = 'gzip', "
        f"parallel = {parallel}, max_line_size = {LINE_BYTES_MAX}, buffer_size = {READ_BUFFER_BYTES})"
    )


def _line_item(names: list[str]) -> str:
    try:
        return f"c{find_column(names, LINE_ITEM)}"
    except LookupError:
        return "NULL"


def _unreadable(part: Part, message: str) -> DamagedReport:
    """Without the line itself, which the engine quotes: it may hold anything."""
    line = match[1] if (match := re.search(r"Error on Line: (\d+)", message)) else "?"
    reasons = re.search(
        r"Expected Number of Columns: \d+ Found: \d+|unterminated quote|Invalid unicode|Maximum line size", message
    )
    reason = reasons[0].lower() if reasons else "it does not follow the rules of CSV"
    return damaged(f"The part {part.name} cannot be read at line {line}: {reason}", "BadPart")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
