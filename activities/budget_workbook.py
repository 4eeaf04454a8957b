"""A budget file as a workbook (XLSX): the same records as of CSV, so that every check and message is shared.

openpyxl, which reads through defusedxml, says what the workbook is: its sheets, formats and dates. The sheet itself and
its texts are streamed (`budget_sheet`). What a cell shows is not always what it holds: where both differ in a way that
changes its meaning, the cell is refused.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple
from zipfile import ZipFile

from defusedxml.ElementTree import fromstring
from openpyxl import DEFUSEDXML, load_workbook
from openpyxl.cell.read_only import ReadOnlyCell
from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format
from openpyxl.utils.datetime import from_excel

from activities.budget_archive import (
    CONTENT_TYPES,
    OLE_START,
    ZIP_START,
    Archive,
    UnreadableWorkbook,
    damage_told,
    unreadable,
)
from activities.budget_sheet import Cell, Row, SharedStrings, Sheet
from domain.budget_file import ParsedBudget as ParsedBudget
from domain.budget_file import Report, parse_records
from domain.budget_file_amount import CURRENCY_OF_SIGN
from domain.budget_file_csv import Record
from domain.budget_file_header import CODE, OWNER
from domain.budget_file_problem import WHOLE_FILE, Fault, InvalidBudget, Problems, column_letter
from domain.decision import Organization
from domain.errors import Unavailable
from domain.hierarchy import PRODUCT_LEVEL
from domain.money import KNOWN_CURRENCIES
from domain.process import LoadTerms

SIGNIFICANT_DIGITS_MAX = 15
"""Digits that a spreadsheet keeps of a number; more are the noise of its arithmetic."""
HEADER_COLUMNS_MAX = 100
FORMATS_REMEMBERED_MAX = 1_000

_BOOK_TYPE, _SHEET_TYPE, _STRINGS_TYPE = ".sheet.main+xml", ".worksheet+xml", ".sharedStrings+xml"
_UNWANTED = {
    "macroenabled": ("is a workbook with macros", "save it as .xlsx, which has none"),
    "vbaproject": ("is a workbook with macros", "save it as .xlsx, which has none"),
    "chartsheet": ("has a sheet that is a chart", "save it with one sheet, the budget"),
}
_STUB = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData/></worksheet>'
_NO_STRINGS = b'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"/>'
_AS_TEXT = "format the cell as text and write what it should be"
_PLAIN_FORMATS = frozenset({"General", "0", "@"})
"""In which a number looks like what it is."""
_SYMBOL = re.compile(r"\[\$([^\]\-]*)[^\]]*\]")
_CODE_IN_FORMAT = re.compile(r"(?<![A-Za-z])[A-Z]{3}(?![A-Za-z])")
_USUAL = re.compile(r"(?:0|[1-9]\d*)(?:\.\d{1,2})?", re.ASCII)
_ESCAPED = re.compile(r"_x[0-9A-Fa-f]{4}_")

UNCALCULATED = Fault(
    "is a formula that was never calculated", "open the file in a spreadsheet program, which calculates it, and save it"
)


def is_workbook(data: bytes) -> bool:
    """Whether the bytes are meant to be one, good or not."""
    return data.startswith((ZIP_START, OLE_START))


def parse_workbook(
    data: bytes, terms: LoadTerms, organization: Organization, report: Report
) -> ParsedBudget | InvalidBudget:
    """All rows of its one visible sheet, or what is wrong with them."""
    problems = Problems()
    try:
        workbook = Workbook(data)
        return parse_records(workbook.records(), workbook.rows, terms, organization, report, problems)
    except UnreadableWorkbook as error:
        problems.add_to_file(error.fault)
        return problems.result()


class _Format(NamedTuple):
    """What a number format makes of a number."""

    plain: bool
    date: bool
    percent: bool
    mark: str
    """Currency sign or code; empty where it shows none."""


class Workbook:
    """A workbook that can be read. Raises UnreadableWorkbook."""

    def __init__(self, data: bytes) -> None:
        if not DEFUSEDXML:
            raise Unavailable("Workbooks are only read with defusedxml, which is missing here: install Allot again.")
        self._archive = Archive(data)
        kinds = _kinds(self._archive)
        self._styles = _opened(self._archive, kinds)
        visible = [sheet for sheet in self._styles.worksheets if sheet.sheet_state == "visible"]
        if len(visible) != 1:
            names = ", ".join(repr(sheet.title[:31]) for sheet in visible[:5])
            problem = f"has {len(visible)} visible sheets ({names})" if visible else "has no visible sheet"
            raise unreadable(problem, "keep one, the budget; hidden sheets are passed over")
        self._sheet = visible[0]
        self._member = self._sheet._worksheet_path
        self._stale = _to_be_calculated(self._archive, kinds)
        self._texts = _shared_strings(self._archive, kinds)
        self.rows = _count(self._archive, self._member, b"</row>")
        """Roughly, for progress."""
        self._format = lru_cache(FORMATS_REMEMBERED_MAX)(self._format_of)

    def records(self) -> Iterator[Record]:
        """Row 1 first; rows without a value are left out. Merged cells are told at the end."""
        sheet = Sheet()
        with self._archive.open(self._member) as stream:
            rows = sheet.rows(stream)
            first = next(rows, None)
            if first is None:
                raise unreadable("is empty", "it needs a header and a row for each product")
            header = self._header(first)
            yield header
            texts = _text_columns(header.cells)
            for row in rows:
                yield self._record(row, len(header.cells), texts)
        if sheet.merged_count:
            ranges = ", ".join(sheet.merged) + (" …" if sheet.merged_count > len(sheet.merged) else "")
            yield Record(
                WHOLE_FILE, [], Fault(f"has merged cells ({ranges[:60]})", "write each value into its own cell")
            )

    def _header(self, row: Row) -> Record:
        if row.number != 1:
            return Record(1, [""])
        width = row.cells[-1].column + 1
        if width > HEADER_COLUMNS_MAX:
            raise unreadable(f"has a header of {width:,} columns", "columns end with the last one that has a name")
        cells, wrong = [""] * width, []
        for cell in row.cells:
            found = self._month(cell) or self._text(cell, amount=False)
            cells[cell.column] = found[0]
            if found[1]:
                wrong.append((cell.column, found[1]))
        return Record(1, cells, wrong=tuple(wrong))

    def _record(self, row: Row, width: int, text_columns: frozenset[int]) -> Record:
        cells = [""] * width
        wrong = []
        for cell in row.cells:
            text, fault = self._text(cell, amount=cell.column not in text_columns)
            if cell.column >= width:
                if text.strip() or fault:
                    where = f"has a value in column {column_letter(cell.column)}, which has no name in row 1"
                    return Record(row.number, [], Fault(where, "name the column, or remove the value"), text)
                continue
            cells[cell.column] = text
            if fault:
                wrong.append((cell.column, fault))
        return Record(row.number, cells, wrong=tuple(wrong))

    def _text(self, cell: Cell, *, amount: bool) -> tuple[str, Fault | None]:
        """What the cell says, and why that cannot be taken."""
        if cell.formula and (self._stale or not cell.valued):
            return cell.text, UNCALCULATED
        match cell.type:
            case "n":
                return self._number(cell, amount)
            case "s":
                with damage_told():
                    return _checked(self._texts[int(cell.text)])
            case "str" | "inlineStr":
                return _checked(cell.text)
            case "b":
                return ("TRUE" if cell.text == "1" else "FALSE"), Fault("is a truth value", _AS_TEXT)
            case "e":
                return cell.text, Fault("is an error", "correct the formula or the value")
        return cell.text, Fault("is a date", _AS_TEXT)

    def _number(self, cell: Cell, amount: bool) -> tuple[str, Fault | None]:
        """Its shortest decimal form: numbers are binary there, and this is the one that was typed."""
        if amount and len(cell.text) <= SIGNIFICANT_DIGITS_MAX and _USUAL.fullmatch(cell.text):
            form = self._format(cell.style)
            if form.plain:  # nearly all of them: the text itself is the number
                return cell.text, None
        with damage_told():
            value = Decimal(repr(float(cell.text)))
        if not value.is_finite():
            return cell.text, Fault("is not a number", "write a number such as 1234.50")
        shown = format(abs(value) if value.is_zero() else value, "f").removesuffix(".0")
        if len(value.normalize().as_tuple().digits) > SIGNIFICANT_DIGITS_MAX:
            remedy = "round it where it is calculated, for instance with ROUND(…, 2)"
            return shown, Fault(f"has more than {SIGNIFICANT_DIGITS_MAX} digits", remedy)
        form = self._format(cell.style)
        if form.date:
            return shown, Fault("is a date or a time", _AS_TEXT)
        if form.percent:
            return shown, Fault("is shown as a percentage", "format the cell as a number")
        if amount:
            return f"{form.mark}{shown}", None
        if not form.plain or "." in shown:
            return shown, Fault("is a number that may look different from what it is", _AS_TEXT)
        return shown, None

    def _month(self, cell: Cell) -> tuple[str, Fault | None] | None:
        """`2026-01`, which spreadsheets turn into the first day of that month when it is typed; else None."""
        if cell.type != "n" or not self._format(cell.style).date:
            return None
        with damage_told():
            day = from_excel(float(cell.text), self._styles.epoch)
        if isinstance(day, datetime) and (day.day, day.time()) == (1, time()):
            return f"{day.year:04}-{day.month:02}", None
        return None

    def _format_of(self, style: int) -> _Format:
        with damage_told():
            text: str = ReadOnlyCell(self._sheet, 1, 1, None, "n", style).number_format
        section = text.split(";")[0]
        bare = re.sub(r'"[^"]*"|\\.|\[[^\]]*\]', "", section)
        return _Format(text in _PLAIN_FORMATS, is_date_format(text), "%" in bare, _currency_mark(text, section))


def _checked(text: str) -> tuple[str, Fault | None]:
    if _ESCAPED.search(text):
        return text, Fault("holds a character that cannot be seen", "write the text anew")
    return text, None


def _currency_mark(text: str, section: str) -> str:
    """The currency that a number format shows.

    None for formats by number: there every country's spreadsheet shows its own.
    """
    if text in BUILTIN_FORMATS.values():
        return ""
    if (symbol := _SYMBOL.search(section)) and symbol[1].strip():
        return symbol[1].strip()
    for sign in sorted(CURRENCY_OF_SIGN, key=len, reverse=True):
        if sign in _SYMBOL.sub("", section):
            return sign
    codes = [code for code in _CODE_IN_FORMAT.findall(_SYMBOL.sub("", section)) if code in KNOWN_CURRENCIES]
    return codes[0] if codes else ""


def _text_columns(header: Sequence[str]) -> frozenset[int]:
    named = {CODE.lower(), OWNER.lower()}
    found = (index for index, name in enumerate(header) if name.strip().lower() in named)
    return frozenset(range(PRODUCT_LEVEL)) | frozenset(found)


def _kinds(archive: Archive) -> dict[str, str]:
    """What each part of the workbook is, by name."""
    with damage_told():
        types = fromstring(archive.part(CONTENT_TYPES))
    for node in types.iter():
        for word, (problem, remedy) in _UNWANTED.items():
            if word in node.get("ContentType", "").lower():
                raise unreadable(problem, remedy)
    return {node.get("PartName", "").removeprefix("/"): node.get("ContentType", "") for node in types}


def _opened(archive: Archive, kinds: Mapping[str, str]) -> Any:
    """What openpyxl makes of the workbook without its large parts, for which empty ones stand."""
    small = io.BytesIO()
    with damage_told(), ZipFile(small, "w") as copy:
        for name in archive.members:
            kind = kinds.get(name, "")
            if kind.endswith(_SHEET_TYPE):
                copy.writestr(name, _STUB)
            elif kind.endswith(_STRINGS_TYPE):
                copy.writestr(name, _NO_STRINGS)
            elif name.startswith(("xl/workbook", "xl/styles", "xl/_rels/", "_rels/", CONTENT_TYPES)):
                copy.writestr(name, archive.part(name))
    with damage_told():
        return load_workbook(small, read_only=True, data_only=True, keep_links=False)


def _to_be_calculated(archive: Archive, kinds: Mapping[str, str]) -> bool:
    """Whether formulas are to be calculated when the file is opened: until then, their values mean nothing.

    openpyxl takes that for granted where a file says nothing of it.
    """
    for name, kind in kinds.items():
        if kind.endswith(_BOOK_TYPE):
            with damage_told():
                nodes = fromstring(archive.part(name)).iter()
            return any(node.get("fullCalcOnLoad") in ("1", "true") for node in nodes)
    return False


def _shared_strings(archive: Archive, kinds: Mapping[str, str]) -> list[str]:
    for name, kind in kinds.items():
        if kind.endswith(_STRINGS_TYPE):
            strings = SharedStrings()
            with archive.open(name) as stream:
                for _ in strings.feed(stream):
                    pass
            return strings.texts
    return []


def _count(archive: Archive, member: str, tag: bytes) -> int:
    """How often the tag stands in a part; one on the border of two pieces may be missed."""
    found = 0
    with damage_told(), archive.open(member) as stream:
        while chunk := stream.read(1_000_000):
            found += chunk.count(tag)
    return found
