"""Workbooks as people and attackers make them, for the tests of reading budgets from them."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from typing import Any

import openpyxl

from activities.budget_workbook import parse_workbook
from domain.budget_file import ParsedBudget
from domain.budget_file_problem import InvalidBudget
from domain.decision import Organization
from domain.process import LoadTerms

LABELS = ["Unit", "Department", "Portfolio", "Product"]
HEADER = [*LABELS, "Annual", "Estimated", "Code", "Owner"]
CHECKOUT = ["Retail", "Digital", "Web", "Checkout"]
SEARCH = ["Retail", "Digital", "Web", "Search"]
TERMS = LoadTerms(customer="Acme", fiscal_year=2026, is_new=True, effective_on="2026-01-01", is_override=False)
SHEET, STRINGS = "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml"
MAIN = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
FIVE = b't="n"><v>5</v>'
DEFAULT = Organization()
REFUSED_WITHIN_S = 5.0
MEMORY_MAX_KB = 300_000

type Change = Callable[[openpyxl.Workbook], None]


def workbook(*rows: list[Any], header: list[Any] = HEADER, change: Change | None = None) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (header, *rows):
        sheet.append(row)
    if change:
        change(book)
    out = io.BytesIO()
    book.save(out)
    return as_excel_writes_it(out.getvalue())


def as_excel_writes_it(data: bytes) -> bytes:
    """With texts in a table of their own; openpyxl writes them into their cells."""
    texts: list[bytes] = []

    def number(match: re.Match[bytes]) -> bytes:
        texts.append(match[1])
        return b't="s"><v>%d</v>' % (len(texts) - 1)

    data = with_part(data, SHEET, lambda xml: re.sub(rb't="inlineStr"><is>(.*?)</is>', number, xml))
    strings = b"".join(b"<si>%b</si>" % text for text in texts)
    kind = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    entry = b'<Override PartName="/xl/sharedStrings.xml" ContentType="%b"/></Types>' % kind
    data = with_part(data, STRINGS, b'<sst xmlns="%b">%b</sst>' % (MAIN, strings))
    return with_part(data, "[Content_Types].xml", lambda xml: xml.replace(b"</Types>", entry))


def cell(where: str, value: Any = None, form: str = "") -> Change:
    def change(book: openpyxl.Workbook) -> None:
        assert book.active is not None
        target = book.active[where]
        if value is not None:
            target.value = value
        if form:
            target.number_format = form

    return change


def with_part(data: bytes, name: str, content: bytes | Callable[[bytes], bytes]) -> bytes:
    """The same archive with one part changed or added."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            if info.filename != name:
                new.writestr(info, old.read(info))
        new.writestr(name, content(old.read(name)) if callable(content) else content)
    return out.getvalue()


def with_noise(data: bytes, name: str) -> bytes:
    """The same archive with some bytes of a part turned round."""
    start = zipfile.ZipFile(io.BytesIO(data)).getinfo(name).header_offset + 100
    return data[:start] + bytes(255 - byte for byte in data[start : start + 20]) + data[start + 20 :]


def read(data: bytes, organization: Organization = DEFAULT) -> ParsedBudget | InvalidBudget:
    return parse_workbook(data, TERMS, organization, lambda _done, _whole: None)


def good(data: bytes, organization: Organization = DEFAULT) -> ParsedBudget:
    parsed = read(data, organization)
    assert isinstance(parsed, ParsedBudget), parsed
    return parsed


def bad(data: bytes, organization: Organization = DEFAULT) -> list[str]:
    parsed = read(data, organization)
    assert isinstance(parsed, InvalidBudget)
    return [str(problem) for problem in parsed.problems]
