"""How a budget file's amounts and problems are shown: in its currency, and with the cell or row that they are of."""

from __future__ import annotations

from decimal import Decimal

from domain.budget_file import ParsedBudget, parse_budget, parse_records
from domain.budget_file_csv import RECORD_CHARS_MAX, Record
from domain.budget_file_problem import VALUE_CHARS_MAX, Fault, InvalidBudget
from domain.calendar import FiscalCalendar
from domain.decision import Organization
from domain.process import LoadTerms
from tests.domain.specs import MONTHS

MONTH_NAMES = ",".join(map(str, MONTHS))
LEVELS = "Business Unit,Department,Portfolio,Product"
TERMS = LoadTerms(customer="Acme", fiscal_year=2026, is_new=True, effective_on="2026-01-01", is_override=False)
CHECKOUT = "Retail,Digital,Web,Checkout"


def read(text: str, currency: str = "USD") -> ParsedBudget | InvalidBudget:
    return parse_budget(text.encode(), TERMS, Organization(currency, FiscalCalendar(1)))


def test_months_have_the_decimals_of_their_currency() -> None:
    def months(each: str, currency: str) -> ParsedBudget | InvalidBudget:
        row = ",".join([each] * 12)
        return read(f"{LEVELS},{MONTH_NAMES}\n{CHECKOUT},{row}\n", currency)

    dinars = months("0.125", "KWD")
    assert isinstance(dinars, ParsedBudget)
    assert dinars.total == Decimal("1.500")
    euros = months("€5", "EUR")
    assert isinstance(euros, ParsedBudget)
    yen = months("10.50", "JPY")
    assert isinstance(yen, InvalidBudget)
    assert str(yen.problems[0]) == ("Row 2, 2026-01: '10.50' has 2 decimals, and JPY has none: write a whole number.")
    assert yen.count == 12


def test_a_sum_that_is_wrong_is_told_in_the_budgets_currency() -> None:
    row = ",".join(["0.125"] * 12)
    parsed = read(f"{LEVELS},{MONTH_NAMES},Annual\n{CHECKOUT},{row},2\n", "KWD")
    assert isinstance(parsed, InvalidBudget)
    assert str(parsed.problems[0]) == (
        "Row 2, Annual: '2' is 0.500 more than the months, which add up to 1.500: correct Annual or the months."
    )


def test_a_problem_of_a_whole_row_or_file_shows_no_cell_and_the_row_as_it_is() -> None:
    def places(text: str) -> list[tuple[int, str, str]]:
        parsed = read(text)
        assert isinstance(parsed, InvalidBudget)
        return [(problem.row, problem.column, problem.value) for problem in parsed.problems]

    assert places("") == [(0, "", "")]
    assert places("Product,Annual\n") == [(1, "", "")]
    assert places(f'{LEVELS},An"nual\n') == [(1, "", "")]
    assert places(f"{LEVELS},Owner\n") == [(1, "", "")]
    assert places(f"{LEVELS},2026-01\n") == [(1, "", "")]
    assert places(f'{LEVELS},Annual\n{CHECKOUT},1,"2,3"\na,b,c,5" disk,1\n') == [
        (2, "", f"{CHECKOUT},1,2,3"),
        (3, "", 'a,b,c,5" disk,1'),
    ]


def test_a_value_is_shown_whole_as_long_as_it_fits() -> None:
    for length, shown in ((VALUE_CHARS_MAX, "x" * VALUE_CHARS_MAX), (VALUE_CHARS_MAX + 1, "x" * 99 + "…")):
        parsed = read(f"{LEVELS},Annual\n{CHECKOUT},{'x' * length}\n")
        assert isinstance(parsed, InvalidBudget)
        assert parsed.problems[0].value == shown


def test_only_blanks_are_no_amount() -> None:
    blank, wrong = ",".join(["  "] * 12), {"X": "is not an amount", "\t": "is not an amount"}
    parsed = read(f"{LEVELS},Annual,{MONTH_NAMES}\n{CHECKOUT},5,{blank}\n")
    assert isinstance(parsed, ParsedBudget)
    assert (parsed.rows[0].proposal, parsed.rows[0].owner, parsed.rows[0].code) == ({}, "", "")
    for cell, problem in wrong.items():
        parsed = read(f"{LEVELS},Annual,{MONTH_NAMES}\n{CHECKOUT},5,{','.join([cell] * 12)}\n")
        assert isinstance(parsed, InvalidBudget)
        assert [found.problem for found in parsed.problems] == [problem] * 12
        parsed = read(f"{LEVELS},Annual,{MONTH_NAMES}\n{CHECKOUT},{cell},{','.join('1' * 12)}\n")
        assert isinstance(parsed, InvalidBudget)
        assert [(found.column, found.problem) for found in parsed.problems] == [("Annual", problem)]


def test_a_record_over_many_lines_is_as_short_as_one_on_a_single_line() -> None:
    def told(lines: int) -> list[str]:
        parsed = read(f'{LEVELS},Annual,Code\n{CHECKOUT},1,"' + "x" * 99 + ("\n" + "x" * 99) * (lines - 1) + '"\n')
        assert isinstance(parsed, InvalidBudget)
        return [problem.problem for problem in parsed.problems]

    assert told(RECORD_CHARS_MAX // 100 - 10) == ["is not a product code"]
    assert told(RECORD_CHARS_MAX // 100 + 10)[0] == "has a quote in column F that is not closed"


def test_a_cell_that_holds_no_text_is_told_with_its_column() -> None:
    """As a workbook may have them: each under its name, and in the header under its letter."""
    error = Fault("is an error of a formula", "write a number")

    def places(*found: Record) -> list[str]:
        parsed = parse_records(iter(found), len(found), TERMS, Organization())
        assert isinstance(parsed, InvalidBudget)
        return [str(problem) for problem in parsed.problems]

    header = [*LEVELS.split(","), "Owner", "Annual"]
    row = [*CHECKOUT.split(","), "#N/A", "#REF!"]
    assert places(Record(1, header), Record(2, row, wrong=((4, error), (5, error)))) == [
        "Row 2, Owner: '#N/A' is an error of a formula: write a number.",
        "Row 2, Annual: '#REF!' is an error of a formula: write a number.",
    ]
    assert places(Record(1, [*header[:5], "#N/A"], wrong=((5, error),)), Record(2, row)) == [
        "Row 1, column F: '#N/A' is an error of a formula: write a number.",
    ]
