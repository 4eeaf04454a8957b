"""How a budget file's amounts and problems are shown: in its currency, and with the cell or row that they are of."""

from __future__ import annotations

from decimal import Decimal

from domain.budget_file import ParsedBudget, parse_budget
from domain.budget_file_problem import VALUE_CHARS_MAX, InvalidBudget
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
