"""The header of a budget file: what is said of a wrong one."""

from __future__ import annotations

import pytest

from domain.budget_file import parse_budget
from domain.budget_file_problem import InvalidBudget
from domain.decision import Organization
from domain.process import LoadTerms

MONTHS = Organization().calendar.months(2026)
MONTH_NAMES = ",".join(map(str, MONTHS))
LEVELS = "Business Unit,Department,Portfolio,Product"
TERMS = LoadTerms(customer="Acme", fiscal_year=2026, is_new=True, effective_on="2026-01-01", is_override=False)
CHECKOUT = "Retail,Digital,Web,Checkout"
COLUMNS = "columns are Annual, the months written YYYY-MM, Estimated, Code and Owner"
TOO_SHORT = "row 1 is the header, with the labels of E1 to E4 and at least Annual or the 12 months"


@pytest.mark.parametrize(
    ("header", "problems"),
    [
        ("\n", [f"Row 1 is empty: {TOO_SHORT}."]),
        ("Product,Annual", [f"Row 1 has 2 columns: {TOO_SHORT}."]),
        (LEVELS, [f"Row 1 has 4 columns: {TOO_SHORT}."]),
        (LEVELS.replace(",", ";") + ";Annual", ["Row 1 is separated by semicolons: save the file as CSV with commas."]),
        (LEVELS.replace(",", "\t") + "\tAnnual", ["Row 1 is separated by tabs: save the file as CSV with commas."]),
        (
            "Unit,,Portfolio,Product,Annual",
            [
                "Row 1, column B: '' needs a name, without blanks around it: "
                "write the label of E2, at most 100 characters, such as Department."
            ],
        ),
        (
            f"Unit,{'D' * 101},Portfolio,Product,Annual",
            [
                f"Row 1, column B: '{'D' * 99}…' has a name of 101 characters; at most 100 are allowed: "
                "write the label of E2, at most 100 characters, such as Department."
            ],
        ),
        (
            "Unit,Department,unit,Product,Annual",
            ["Row 1, column C: 'unit' is the label of E1 already: give each level a label of its own."],
        ),
        (
            "Unit,Department,Product,Annual,2026-01",
            [
                "Row 1, column D: 'Annual' stands where the label of E4 belongs: "
                "the first four columns are the levels E1 to E4.",
                "Row 1 has 1 of 12 months; missing: 2026-02, 2026-03, 2026-04, 2026-05, 2026-06, 2026-07, 2026-08, "
                "2026-09, 2026-10, 2026-11, 2026-12: give all months of the year, or none.",
            ],
        ),
        (f"{LEVELS},Annual,Comment", [f"Row 1, column F: 'Comment' is not a column of a budget file: {COLUMNS}."]),
        (f"{LEVELS},Annual,Jan-26", [f"Row 1, column F: 'Jan-26' is not a column of a budget file: {COLUMNS}."]),
        (f"{LEVELS},Annual,", [f"Row 1, column F: '' has no name: {COLUMNS}."]),
        (f"{LEVELS},Annual,ANNUAL", ["Row 1, column F: 'ANNUAL' is in column E already: keep one of the two columns."]),
        (
            f"{LEVELS},{MONTH_NAMES},2027-01",
            ["Row 1, column Q: '2027-01' is not a month of fiscal year 2026: its months are 2026-01 to 2026-12."],
        ),
        (
            f"{LEVELS},{MONTH_NAMES.replace('2026-12', '2026-11')}",
            [
                "Row 1, column P: '2026-11' is in column O already: keep one of the two columns.",
                "Row 1 has 11 of 12 months; missing: 2026-12: give all months of the year, or none.",
            ],
        ),
        (f"{LEVELS},Owner", ["Row 1 has no column Annual: add Annual, or all 12 months of the year."]),
        (
            f'{LEVELS},An"nual',
            [
                "Row 1 has a stray quote in column E: put a cell that holds a quote, comma or line break in quotes, "
                'and write a quote in it twice, as in "5"" disk".'
            ],
        ),
    ],
)
def test_a_wrong_header(header: str, problems: list[str]) -> None:
    parsed = parse_budget(f"{header}\n{CHECKOUT},1\n".encode(), TERMS, Organization())
    assert isinstance(parsed, InvalidBudget)
    assert [str(problem) for problem in parsed.problems] == problems
