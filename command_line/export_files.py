"""Writes an export into a file, row by row: CSV, XLSX or Parquet. What a file takes in memory does not grow with it.

Amounts keep every digit. A number in a workbook is a binary float with about 15 of them, so there each amount of a cost
report stands twice: rounded to the currency for people who calculate with it, and whole, as text, beside it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from command_line.export_text import begins_formula, csv_text, one_line
from domain.errors import BadInput
from domain.export import ExportFormat
from domain.money import decimals_of, plain
from views.export_tables import Cell, Column, Kind, Row

XLSX_ROWS_MAX = 1_048_575
"""Rows of a worksheet below its header."""
XLSX_TEXT_CHARS_MAX = 32_767
"""Characters of a cell."""
XLSX_NUMBER_DIGITS = 15
"""Decimal digits that a number of a workbook holds for certain."""
PARQUET_GROUP_ROWS = 50_000
AMOUNT_TYPE = pa.decimal128(38, 18)
"""18 decimals: versions of reports that were imported before lines were rounded to 12 may have as many."""

type Batches = Iterable[Sequence[Row]]
type About = Mapping[str, str]
"""What the file is, by name, in the order in which people read it."""


def write(
    path: Path,
    about_path: Path,
    chosen: ExportFormat,
    columns: Sequence[Column],
    batches: Batches,
    currency: str,
    about: Callable[[], About],
) -> tuple[Path, ...]:
    """Writes a new file; `about` is asked once all rows are written. All files that it made, the main one first."""
    match chosen:
        case ExportFormat.CSV:
            return _write_csv(path, about_path, columns, batches, about)
        case ExportFormat.XLSX:
            return _write_xlsx(path, columns, batches, currency, about)
        case ExportFormat.PARQUET:
            return _write_parquet(path, columns, batches, about)


def check_rows(rows: int, chosen: ExportFormat) -> None:
    """Raises BadInput for more rows than the format has room for."""
    if chosen is ExportFormat.XLSX and rows > XLSX_ROWS_MAX:
        raise BadInput(
            f"The export has {rows:,} rows, and a worksheet has room for {XLSX_ROWS_MAX:,}: take --format csv or "
            "--format parquet, or less at a time (--period, --node, --account).",
            code="TooManyRows",
        )


def _write_csv(
    path: Path, beside: Path, columns: Sequence[Column], batches: Batches, about: Callable[[], About]
) -> tuple[Path, ...]:
    """UTF-8 without a mark in front, comma, CR LF (RFC 4180)."""
    with path.open("x", encoding="utf-8", newline="") as file:
        file.write(",".join(column.name for column in columns) + "\r\n")
        for rows in batches:
            file.writelines(",".join(map(_csv_cell, row)) + "\r\n" for row in rows)
    beside.write_text(json.dumps(about(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path, beside


def _csv_cell(cell: Cell) -> str:
    match cell:
        case str():
            return csv_text(cell) if cell else ""
        case Decimal():
            return plain(cell)
        case date():
            return cell.isoformat()
        case None:
            return ""
    return str(cell)


def _write_parquet(
    path: Path, columns: Sequence[Column], batches: Batches, about: Callable[[], About]
) -> tuple[Path, ...]:
    """Texts as they are: a column has a type here, so that nothing can be taken for something else."""
    schema = pa.schema([pa.field(column.name, _ARROW[column.kind]) for column in columns])
    with pq.ParquetWriter(path, schema, compression="zstd") as file:
        group: list[pa.RecordBatch] = []
        for rows in batches:
            group.append(_packed(rows, schema))
            if sum(batch.num_rows for batch in group) >= PARQUET_GROUP_ROWS:
                file.write_table(pa.Table.from_batches(group, schema))
                group = []
        if group:
            file.write_table(pa.Table.from_batches(group, schema))
        file.add_key_value_metadata({f"allot.{name}": value for name, value in about().items()})
    return (path,)


def _packed(rows: Sequence[Row], schema: pa.Schema) -> pa.RecordBatch:
    """A row group is collected in this form, which takes a tenth of the memory."""
    arrays = [pa.array(values, field.type) for values, field in zip(zip(*rows, strict=True), schema, strict=True)]
    return pa.record_batch(arrays, schema=schema)


_ARROW: Mapping[Kind, pa.DataType] = {
    Kind.TEXT: pa.string(),
    Kind.WHOLE: pa.int32(),
    Kind.DAY: pa.date32(),
    Kind.BUDGET: AMOUNT_TYPE,
    Kind.COST: AMOUNT_TYPE,
}


def _write_xlsx(
    path: Path, columns: Sequence[Column], batches: Batches, currency: str, about: Callable[[], About]
) -> tuple[Path, ...]:
    options = {
        "constant_memory": True,  # rows go to a file beside the workbook, which must not be where others can read
        "tmpdir": str(path.parent),
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "nan_inf_to_errors": False,
    }
    with xlsxwriter.Workbook(str(path), options) as book:
        sheet = _Sheet(book, "Export", currency)
        sheet.heading(columns)
        for rows in batches:
            for row in rows:
                sheet.add(columns, row)
        sheet.finish()
        _write_about(book, about(), currency)
    return (path,)


def _write_about(book: xlsxwriter.Workbook, about: About, currency: str) -> None:
    sheet = _Sheet(book, "About", currency)
    columns = (Column("name", "What", Kind.TEXT), Column("value", "Value", Kind.TEXT))
    sheet.heading(columns)
    for entry in about.items():
        sheet.add(columns, entry)


class _Sheet:
    """A worksheet that is written from its top to its bottom."""

    def __init__(self, book: xlsxwriter.Workbook, name: str, currency: str) -> None:
        self._sheet: Worksheet = book.add_worksheet(name)
        self._next = 0
        self._columns = 0
        self._decimals = decimals_of(currency)
        pattern = "#,##0" + ("." + "0" * self._decimals if self._decimals else "")
        self._bold = book.add_format({"bold": True})
        self._amount = book.add_format({"num_format": pattern})
        self._day = book.add_format({"num_format": "yyyy-mm-dd"})
        # A cell of text is no formula; with this mark it does not become one when somebody edits it, either.
        self._guarded = book.add_format({"quote_prefix": True})

    def heading(self, columns: Sequence[Column]) -> None:
        titles: list[str] = []
        for column in columns:
            titles += [column.title, f"{column.title} (exact)"] if column.kind is Kind.COST else [column.title]
        for place, title in enumerate(titles):
            self._text(place, title, self._bold)
        self._sheet.freeze_panes(1, 0)
        self._columns = len(titles)
        self._next = 1

    def add(self, columns: Sequence[Column], row: Sequence[Cell]) -> None:
        check_rows(self._next, ExportFormat.XLSX)
        place = 0
        for column, cell in zip(columns, row, strict=True):
            place += self._put(place, column, cell)
        self._next += 1

    def finish(self) -> None:
        self._sheet.autofilter(0, 0, max(self._next - 1, 0), self._columns - 1)

    def _put(self, place: int, column: Column, cell: Cell) -> int:
        """How many cells it took."""
        match cell:
            case str():
                self._text(place, cell)
            case Decimal():
                self._number(place, cell)
                if column.kind is Kind.COST:
                    self._text(place + 1, plain(cell), numeric=True)
            case date():
                self._sheet.write_datetime(self._next, place, datetime.combine(cell, time.min), self._day)
            case int():
                self._sheet.write_number(self._next, place, cell)
        return 2 if column.kind is Kind.COST else 1

    def _number(self, place: int, amount: Decimal) -> None:
        """As text where a number would not hold all digits that people are shown."""
        rounded = round(amount, self._decimals)
        if len(rounded.as_tuple().digits) > XLSX_NUMBER_DIGITS:
            self._text(place, plain(rounded), numeric=True)
        else:
            self._sheet.write_number(self._next, place, float(rounded), self._amount)

    def _text(self, place: int, text: str, form: Format | None = None, *, numeric: bool = False) -> None:
        if not text:
            return
        shown = one_line(text)
        if len(shown) > XLSX_TEXT_CHARS_MAX:
            raise BadInput(
                f"A text of {len(shown):,} characters does not fit into a cell, which holds {XLSX_TEXT_CHARS_MAX:,}: "
                "take --format csv or --format parquet.",
                code="TextTooLong",
            )
        guarded = self._guarded if begins_formula(text) and not numeric else None
        self._sheet.write_string(self._next, place, shown, form or guarded)
