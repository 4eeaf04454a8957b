"""Workbooks are read as CSV is, and what a cell only seems to say is refused."""

from __future__ import annotations

import io
import zipfile
from datetime import date
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
from defusedxml.common import EntitiesForbidden
from openpyxl.styles import Alignment
from openpyxl.xml.functions import fromstring, iterparse

from activities.budget_workbook import is_workbook
from domain.budget_file import parse_budget
from domain.decision import Organization
from tests.activities.workbooks import (
    CHECKOUT,
    FIVE,
    HEADER,
    LABELS,
    SEARCH,
    SHEET,
    STRINGS,
    TERMS,
    bad,
    cell,
    good,
    with_part,
    workbook,
)


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
