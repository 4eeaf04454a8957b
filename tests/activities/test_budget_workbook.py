"""Workbooks are read as CSV is, and what a cell only seems to say is refused."""

from __future__ import annotations

import io
import re
import resource
import time
import zipfile
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
from defusedxml.common import EntitiesForbidden
from openpyxl.styles import Alignment
from openpyxl.xml.functions import fromstring, iterparse

from activities import budget_archive, budget_sheet
from activities.budget_workbook import is_workbook, parse_workbook
from domain.budget_file import ParsedBudget, parse_budget
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


def test_a_workbook_says_what_the_same_csv_says() -> None:
    months = [f"2026-{month:02}" for month in range(1, 13)]
    amounts = [n + 0.25 for n in range(12)]
    data = workbook(
        [*CHECKOUT, 69, *amounts, 70.5, "C-1", "ann@example.com"],
        [*SEARCH, "$1,234.50", *[None] * 12, None, None, None],
        header=[*LABELS, "Annual", *months, "Estimated", "Code", "Owner"],
    )
    csv = (
        f"{','.join(LABELS)},Annual,{','.join(months)},Estimated,Code,Owner\n"
        f"{','.join(CHECKOUT)},69,{','.join(map(str, amounts))},70.5,C-1,ann@example.com\n"
        f'{",".join(SEARCH)},"$1,234.50",{"," * 11},,,\n'
    )
    assert is_workbook(data)
    assert good(data) == parse_budget(csv.encode(), TERMS, Organization())


def test_openpyxl_reads_through_defusedxml() -> None:
    assert openpyxl.DEFUSEDXML
    bomb = b'<!DOCTYPE x [<!ENTITY a "a"><!ENTITY b "&a;&a;">]><x>&b;</x>'
    with pytest.raises(EntitiesForbidden):
        fromstring(bomb)
    with pytest.raises(EntitiesForbidden):
        list(iterparse(io.BytesIO(bomb)))


@pytest.mark.parametrize(
    ("value", "form", "amount"),
    [
        (1234.5, "", "1234.5"),
        (1234.5, "0.00", "1234.5"),
        (1234.5, "#,##0", "1234.5"),
        (0.1, "", "0.1"),
        (0, "", "0"),
        (-0.0, "", "0"),
        (1e6, "0.00E+00", "1000000"),
        (999_999_999_999.99, "", "999999999999.99"),
        (1234.5, '"$"#,##0.00', "1234.5"),
        (1234.5, "[$USD] #,##0.00", "1234.5"),
        (1234.5, "[$$-409]#,##0.00;[Red]([$$-409]#,##0.00)", "1234.5"),
        (1234.5, '_("$"* #,##0.00_)', "1234.5"),
        ("1,234.50", "", "1234.50"),
    ],
)
def test_an_amount_is_the_shortest_decimal_that_the_number_stands_for(value: Any, form: str, amount: str) -> None:
    (row,) = good(workbook([*CHECKOUT, value], change=cell("E2", form=form))).rows
    assert str(row.annual) == amount


@pytest.mark.parametrize(
    ("value", "form", "problem"),
    [
        (1.005, "", "'1.005' has 3 decimals, and USD has 2"),
        (-5, "", "'-5' is below zero"),
        (0.5, "0%", "'0.5' is shown as a percentage"),
        (1234.5, "[$€-407] #,##0.00", "'€1234.5' is in EUR, but this budget is in USD"),
        (1234.5, '#,##0.00 "GBP"', "'GBP1234.5' is in GBP, but this budget is in USD"),
        (1234.5, "[$kr-41D] #,##0.00", "'kr1234.5' is not an amount"),
        (46023, "yyyy-mm-dd", "'46023' is a date or a time"),
        (date(2026, 1, 1), "", "'46023' is a date or a time"),
        (True, "", "'TRUE' is a truth value"),
        ("#DIV/0!", "", "'#DIV/0!' is an error"),
        ("=E3*2", "", "'' is a formula that was never calculated"),
        ("(50)", "", "'(50)' is below zero"),
        ("_x000D_5", "", "'_x000D_5' holds a character that cannot be seen"),
    ],
)
def test_an_amount_that_may_mean_something_else_is_refused(value: Any, form: str, problem: str) -> None:
    (found,) = bad(workbook([*CHECKOUT, value], change=cell("E2", form=form)))
    assert found.startswith(f"Row 2, Annual: {problem}: ")


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"0.30000000000000004", "'0.30000000000000004' has more than 15 digits"),
        (b"12345678901234567", "'12345678901234568' has more than 15 digits"),
        (b"1e999", "'1e999' is not a number"),
        (b"NaN", "'NaN' is not a number"),
    ],
)
def test_a_number_with_the_noise_of_arithmetic_is_refused(raw: bytes, problem: str) -> None:
    data = with_part(workbook([*CHECKOUT, 5]), SHEET, lambda xml: xml.replace(FIVE, FIVE.replace(b"5<", raw + b"<")))
    (found,) = bad(data)
    assert found.startswith(f"Row 2, Annual: {problem}: ")


def test_the_digits_that_excel_writes_are_read_as_those_that_were_typed() -> None:
    data = with_part(
        workbook([*CHECKOUT, 5]), SHEET, lambda xml: xml.replace(FIVE, FIVE.replace(b"5<", b"1234.5599999999999<"))
    )
    assert good(data).rows[0].annual == Decimal("1234.56")


def test_a_formula_counts_with_the_value_that_was_calculated_for_it() -> None:
    data = workbook([*CHECKOUT, 5])
    formula = with_part(
        data, SHEET, lambda xml: xml.replace(b'<c r="E2" t="n"><v>5</v>', b'<c r="E2"><f>2+3</f><v>5</v>')
    )
    assert b"<f>" in zipfile.ZipFile(io.BytesIO(formula)).read(SHEET)
    calculated = with_part(formula, "xl/workbook.xml", lambda xml: xml.replace(b'fullCalcOnLoad="1"', b""))
    assert good(calculated).rows[0].annual == 5
    # A program that cannot calculate writes 0 and asks for a calculation when the file is opened.
    assert bad(formula)[0].startswith("Row 2, Annual: '5' is a formula that was never calculated: open the file")


def test_a_currency_format_by_number_shows_each_countrys_own_sign() -> None:
    data = workbook([*CHECKOUT, 5], change=cell("E2", form=openpyxl.styles.numbers.BUILTIN_FORMATS[44]))
    assert good(data, Organization("EUR")).rows[0].annual == 5


@pytest.mark.parametrize(
    ("where", "value", "form", "text"),
    [("G2", 1001, "", "1001"), ("G2", 1001, "0", "1001"), ("D2", 2026, "", "2026")],
)
def test_whole_numbers_may_be_names_and_codes(where: str, value: Any, form: str, text: str) -> None:
    (row,) = good(workbook([*CHECKOUT, 1, None, None], change=cell(where, value, form))).rows
    assert text in (row.code, row.product.name)


@pytest.mark.parametrize(("value", "form"), [(123, "00000"), (1.5, ""), (1234, "#,##0")])
def test_a_number_that_looks_different_from_what_it_is_is_no_code(value: Any, form: str) -> None:
    (found,) = bad(workbook([*CHECKOUT, 1, None, None], change=cell("G2", value, form)))
    assert found.startswith(
        f"Row 2, Code: '{value}' is a number that may look different from what it is: format the cell"
    )


def test_months_in_the_header_may_have_become_dates() -> None:
    months = [date(2026, month, 1) for month in range(1, 13)]
    (row,) = good(workbook([*CHECKOUT, *[1] * 12], header=[*LABELS, *months])).rows
    assert row.annual == 12
    (found,) = bad(workbook([*CHECKOUT, 1], header=[*LABELS, date(2026, 1, 2)]))
    assert found.startswith("Row 1, column E: '46024' is a date or a time")


def test_rows_are_numbered_as_in_the_sheet_and_empty_ones_do_not_matter() -> None:
    def change(book: openpyxl.Workbook) -> None:
        assert book.active is not None
        book.active["D5"] = "Nothing else"
        book.active["E900"].alignment = Alignment(horizontal="left")  # styled cells without values
        book.active["ZZ3"].alignment = Alignment(horizontal="left")
        book.active["A901"] = "  "

    found = bad(workbook([*CHECKOUT, 1], change=change))
    assert [line.partition(":")[0] for line in found] == [
        "Row 5, Unit", "Row 5, Department", "Row 5, Portfolio", "Row 5, Annual",
    ]  # fmt: skip


def test_a_value_beside_the_table_is_refused() -> None:
    (found,) = bad(workbook([*CHECKOUT, 1], change=cell("K2", "note")))
    assert found.startswith("Row 2 has a value in column K, which has no name in row 1: name the column")


def test_merged_cells_are_refused() -> None:
    def change(book: openpyxl.Workbook) -> None:
        assert book.active is not None
        book.active.merge_cells("F2:F3")

    (found,) = bad(workbook([*CHECKOUT, 1], [*SEARCH, 1], change=change))
    assert found == "The file has merged cells (F2:F3): write each value into its own cell."


def test_exactly_one_sheet_may_be_visible() -> None:
    def hidden(book: openpyxl.Workbook) -> None:
        book.create_sheet("Notes").sheet_state = "hidden"

    def two(book: openpyxl.Workbook) -> None:
        book.create_sheet("Notes")

    assert good(workbook([*CHECKOUT, 1], change=hidden)).rows
    (found,) = bad(workbook([*CHECKOUT, 1], change=two))
    assert (
        found
        == "The file has 2 visible sheets ('Sheet', 'Notes'): keep one, the budget; hidden sheets are passed over."
    )


def test_the_second_sheet_is_read_where_the_first_is_hidden() -> None:
    def change(book: openpyxl.Workbook) -> None:
        assert book.active is not None
        book.active.sheet_state = "hidden"
        sheet = book.create_sheet("Budget")
        sheet.append(HEADER)
        sheet.append([*SEARCH, 7])
        book.active = 1

    (row,) = good(workbook([*CHECKOUT, 1], change=change)).rows
    assert (row.product.name, str(row.annual)) == ("Search", "7")


def test_shared_texts_with_several_fonts_are_whole_and_pronunciations_are_left_out() -> None:
    runs = b"<si><r><t>Check</t></r><r><rPr><b/></rPr><t>out</t></r><rPh sb='0' eb='1'><t>CHEKAUT</t></rPh></si>"
    data = with_part(workbook([*CHECKOUT, 1]), STRINGS, lambda xml: xml.replace(b"<si><t>Checkout</t></si>", runs))
    assert good(data).rows[0].product.name == "Checkout"


def test_a_wrong_dimension_neither_hides_rows_nor_makes_any() -> None:
    data = workbook([*CHECKOUT, 1], [*SEARCH, 2])
    for dimension in (b"A1:A1", b"A1:XFD1048576", b"nonsense"):
        changed = with_part(data, SHEET, lambda xml, d=dimension: xml.replace(b"A1:H3", d))  # type: ignore[misc]
        assert changed != data
        assert len(good(changed).rows) == 2


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda data: data[: len(data) // 2], "is a damaged workbook"),
        (lambda data: with_noise(data, SHEET), "is a damaged workbook"),
        (lambda data: b"PK\x03\x04....", "is a damaged workbook"),
        (lambda data: b"\xd0\xcf\x11\xe0....", "is an old Excel workbook (.xls), or one with a password"),
        (lambda data: with_part(data, SHEET, b"<worksheet"), "is a damaged workbook"),
        (lambda data: with_part(data, SHEET, b"<x/>"), "is a damaged workbook"),
        (lambda data: with_part(data, "xl/workbook.xml", b"<x/>"), "has no visible sheet"),
        (lambda data: with_part(data, STRINGS, b"<sst/>"), "is a damaged workbook"),
        (
            lambda data: with_part(data, SHEET, lambda xml: xml.replace(b'<row r="2"', b'<row r="1"')),
            "is a damaged workbook (its rows are out of order)",
        ),
        (
            lambda data: with_part(data, SHEET, lambda xml: xml.replace(b'r="E2"', b'r="A2"')),
            "is a damaged workbook (its cells are out of order)",
        ),
        (
            lambda data: with_part(data, "xl/workbook.xml", lambda xml: xml.replace(
                b"http://schemas.openxmlformats.org/spreadsheetml/2006/main", b"http://purl.oclc.org/ooxml/spreadsheetml/main"
            )),
            "is a workbook in the form 'Strict Open XML'",
        ),
        (
            lambda data: with_part(data, "[Content_Types].xml", lambda xml: xml.replace(
                b"spreadsheetml.sheet.main", b"sheet.macroEnabled.main"
            )),
            "is a workbook with macros",
        ),
    ],
)  # fmt: skip
def test_what_is_no_sound_workbook_is_told_in_one_line(change: Callable[[bytes], bytes], problem: str) -> None:
    (found,) = bad(change(workbook([*CHECKOUT, 1])))
    assert found.startswith(f"The file {problem}")


LAUGHS = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
OUTSIDE = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize("part", [SHEET, STRINGS, "xl/workbook.xml", "xl/styles.xml", "[Content_Types].xml"])
@pytest.mark.parametrize("doctype", [LAUGHS, OUTSIDE])
def test_entities_are_refused_in_every_part(part: str, doctype: bytes) -> None:
    def laughing(xml: bytes) -> bytes:
        start = xml.index(b"?>") + 2 if xml.startswith(b"<?xml") else 0
        return xml[:start] + doctype + xml[start:]

    (found,) = bad(with_part(workbook([*CHECKOUT, 1]), part, laughing))
    assert found.startswith(("The file declares a document type", "The file is a damaged workbook"))


def memory_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.parametrize("part", [SHEET, STRINGS, "xl/styles.xml", "xl/media/image1.png"])
def test_a_small_file_that_unpacks_to_gigabytes_is_refused_at_once(part: str) -> None:
    with zipfile.ZipFile(io.BytesIO(workbook([*CHECKOUT, 1]))) as old:
        parts = {name: old.read(name) for name in old.namelist() if name != part}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as new:
        for name, content in parts.items():
            new.writestr(name, content)
        with new.open(part, "w", force_zip64=True) as target:
            for _ in range(120):
                target.write(b" " * 1_000_000)
    data, before, started = out.getvalue(), memory_kb(), time.monotonic()
    assert len(data) < 200_000
    (found,) = bad(data)
    assert "unpacks from" in found
    assert time.monotonic() - started < REFUSED_WITHIN_S
    assert memory_kb() - before < MEMORY_MAX_KB


def test_gigabytes_that_are_declared_as_less_are_not_unpacked() -> None:
    data = bytearray(with_part(workbook([*CHECKOUT, 1]), SHEET, b"<worksheet>" + b" " * 50_000_000))
    real, small = (50_000_011).to_bytes(4, "little"), (1_000).to_bytes(4, "little")
    assert data.count(real) == 2  # in the file's own header and in the list at the end
    (found,) = bad(bytes(data.replace(real, small)))
    assert found.startswith("The file is a damaged workbook (BadZipFile)")


@pytest.mark.parametrize(
    ("module", "limit", "value", "problem"),
    [
        (budget_archive, "WORKBOOK_BYTES_MAX", 1_000, "bytes; a workbook may have 1,000"),
        (budget_archive, "MEMBERS_MAX", 3, "holds more than 3 files"),
        (budget_archive, "MEMBER_BYTES_MAX", 500, "unpacks from"),
        (budget_archive, "UNPACKED_BYTES_MAX", 5_000, "at most 5,000 are read"),
        (budget_archive, "PART_BYTES_MAX", 500, "at most 500 are read"),
        (budget_archive, "PART_TAGS_MAX", 5, "has more than 5 tags in its part"),
        (budget_sheet, "TAGS_MAX", 20, "has more than 20 tags in one part"),
        (budget_sheet, "STRINGS_MAX", 5, "has more than 5 different texts"),
        (budget_sheet, "TEXT_CHARS_MAX", 5, "has a cell with more than 5 characters"),
        (budget_sheet, "ROWS_MAX", 1, "its rows are out of order"),
        (budget_sheet, "COLUMNS_MAX", 4, "its cells are out of order"),
    ],
)
def test_each_limit_holds(monkeypatch: pytest.MonkeyPatch, module: Any, limit: str, value: int, problem: str) -> None:
    data = workbook([*CHECKOUT, 1])
    assert good(data)
    monkeypatch.setattr(module, limit, value)
    (found,) = bad(data)
    assert problem in found


def test_a_million_empty_rows_cost_little_memory() -> None:
    """Spreadsheets leave them behind when somebody formats a whole column."""
    rows = b"".join(b'<row r="%d" spans="1:5"><c r="A%d" s="0"/></row>' % (n, n) for n in range(3, 300_000))
    data = with_part(workbook([*CHECKOUT, 1]), SHEET, lambda xml: xml.replace(b"</sheetData>", rows + b"</sheetData>"))
    before = memory_kb()
    assert len(good(data).rows) == 1
    assert memory_kb() - before < MEMORY_MAX_KB


def test_the_total_is_exact() -> None:
    rows = [[*CHECKOUT[:3], f"Product {n}", 0.1] for n in range(30)]
    assert good(workbook(*rows)).total == Decimal("3.0")
