"""A budget file is read whole, or answered with all that is wrong with it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from domain import budget_file
from domain.budget import ROWS_MAX, BudgetRow
from domain.budget_file import ParsedBudget, is_email, parse_budget
from domain.budget_file_csv import RECORD_CHARS_MAX
from domain.budget_file_problem import PROBLEMS_KEPT_MAX, VALUE_CHARS_MAX, InvalidBudget, column_letter
from domain.calendar import FiscalCalendar
from domain.decision import Organization
from domain.hierarchy import NodePath
from domain.process import LoadTerms

ORGANIZATION = Organization("USD", FiscalCalendar(1))
MONTHS = ORGANIZATION.calendar.months(2026)
MONTH_NAMES = ",".join(map(str, MONTHS))
LABELS = ("Business Unit", "Department", "Portfolio", "Product")
LEVELS = ",".join(LABELS)
TERMS = LoadTerms(customer="Acme", fiscal_year=2026, is_new=True, effective_on="2026-01-01", is_override=False)
CHECKOUT = "Retail,Digital,Web,Checkout"
SEARCH = "Retail,Digital,Web,Search"


def read(text: str | bytes, organization: Organization = ORGANIZATION) -> ParsedBudget | InvalidBudget:
    return parse_budget(text.encode() if isinstance(text, str) else text, TERMS, organization)


def good(text: str | bytes, organization: Organization = ORGANIZATION) -> ParsedBudget:
    parsed = read(text, organization)
    assert isinstance(parsed, ParsedBudget), parsed
    return parsed


def bad(text: str | bytes) -> list[str]:
    """The problems, in words."""
    parsed = read(text)
    assert isinstance(parsed, InvalidBudget)
    assert parsed.count == len(parsed.problems)
    return [str(problem) for problem in parsed.problems]


def test_a_file_with_all_columns_is_read() -> None:
    each = ",".join(["100.00"] * 12)
    parsed = good(
        f"{LEVELS},Annual,{MONTH_NAMES},Estimated,Code,Owner\r\n"
        f'{CHECKOUT},"1,200.00",{each},1100,CHK-1,ann@example.com\r\n'
        f"{SEARCH},$500,{',' * 11},,,\r\n"
    )
    assert parsed == ParsedBudget(
        LABELS,
        (
            BudgetRow(
                product=NodePath.parse("Retail/Digital/Web/Checkout"),
                annual=Decimal("1200.00"),
                estimated=Decimal(1100),
                code="CHK-1",
                owner="ann@example.com",
                proposal=dict.fromkeys(MONTHS, Decimal("100.00")),
            ),
            BudgetRow(product=NodePath.parse("Retail/Digital/Web/Search"), annual=Decimal(500)),
        ),
        Decimal("1700.00"),
    )


def test_what_is_read_would_pass_the_models_own_checks() -> None:
    for row in good(f"{LEVELS},Annual,Code,Owner\n{CHECKOUT},5,C,a@b.io\n").rows:
        assert BudgetRow.model_validate(row.model_dump()) == row
        assert BudgetRow.model_validate_json(row.model_dump_json()) == row


def test_twelve_months_make_the_annual_amount_unnecessary() -> None:
    months = ",".join(str(month) for month in range(1, 13))
    for text in (
        f"{LEVELS},{MONTH_NAMES}\n{CHECKOUT},{months}\n",
        f"{LEVELS},{MONTH_NAMES},Annual\n{CHECKOUT},{months},\n",
    ):
        (row,) = good(text).rows
        assert row.annual == 78
        assert row.proposal[MONTHS[11]] == 12


def test_columns_are_found_by_name_in_any_order_and_case() -> None:
    text = f"{LEVELS}, OWNER ,code,ESTIMATED,annual\n{CHECKOUT},a@example.com,X,1,2\n"
    (row,) = good(text).rows
    assert (row.owner, row.code, str(row.estimated), str(row.annual)) == ("a@example.com", "X", "1", "2")


def test_the_months_are_those_of_the_fiscal_year() -> None:
    organization = Organization("USD", FiscalCalendar(7))
    months = organization.calendar.months(2026)
    (row,) = good(f"{LEVELS},{','.join(map(str, months))}\n{CHECKOUT},{','.join('1' * 12)}\n", organization).rows
    assert list(row.proposal) == list(months)
    assert str(months[0]) == "2025-07"


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [True, False])
def test_mark_and_line_ends_do_not_matter(mark: bytes, end: str, last: bool) -> None:
    lines = [f"{LEVELS},Annual", f"{CHECKOUT},1", '"Retail","Digital","Web","Käse, ""fein""",2']
    parsed = good(mark + (end.join(lines) + end * last).encode())
    assert parsed.labels == LABELS
    assert [row.product.name for row in parsed.rows] == ["Checkout", 'Käse, "fein"']


def test_empty_lines_are_passed_over_and_counted() -> None:
    text = f"{LEVELS},Annual\n\n{CHECKOUT},1\n,,,,\n  \n{SEARCH},x\n\n"
    assert bad(text) == ["Row 6, Annual: 'x' is not an amount: write a number such as 1234.50."]


def test_names_that_look_like_formulas_are_text() -> None:
    (row,) = good(f'{LEVELS},Annual\n=cmd,@sum,+1,"-1/2",1\n').rows
    assert row.product.parts == ("=cmd", "@sum", "+1", "-1/2")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "The file is empty: it needs a header and a row for each product."),
        (b"\xef\xbb\xbf", "The file is empty: it needs a header and a row for each product."),
        (b"\xef\xbb\xbf\r\n", "The file is empty: it needs a header and a row for each product."),
        (b"\xfe\xff\x00a", "The file is UTF-16: save it as CSV UTF-8."),
        (b"\r\n \r\n", "The file is empty: it needs a header and a row for each product."),
        (
            f"{LEVELS},Annual\r\n".encode(),
            "The file has no products below its header: it needs a row for each product.",
        ),
        (b"PK\x03\x04....", "The file is a workbook and not CSV: save it as CSV UTF-8."),
        (f"{LEVELS},Annual\n".encode("utf-16"), "The file is UTF-16: save it as CSV UTF-8."),
        (
            f"{LEVELS},Annual\n{CHECKOUT},1\nKäse,a,b,c,1\n".encode("latin-1"),
            "Row 3 is not UTF-8 at byte 81 of the file (0xE4): save the file as CSV UTF-8.",
        ),
        (
            b"\xef\xbb\xbf" + f"{LEVELS},Annual\n".encode() + b"ab\xff,a,b,c,1\n",
            "Row 2 is not UTF-8 at byte 55 of the file (0xFF): save the file as CSV UTF-8.",
        ),
    ],
)
def test_a_file_that_cannot_be_read_at_all(data: bytes, problem: str) -> None:
    assert bad(data) == [problem]


def test_the_byte_that_is_not_utf8_stands_where_the_message_says() -> None:
    data = f"{LEVELS},Annual\n{CHECKOUT},1\nKäse,a,b,c,1\n".encode("latin-1")
    assert data[81] == 0xE4


def test_a_file_over_100_mb_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert budget_file.FILE_BYTES_MAX == 100_000_000
    text = f"{LEVELS},Annual\n{CHECKOUT},1\n"
    monkeypatch.setattr(budget_file, "FILE_BYTES_MAX", len(text))
    assert good(text)
    monkeypatch.setattr(budget_file, "FILE_BYTES_MAX", len(text) - 1)
    assert bad(text) == [
        f"The file has {len(text)} bytes; at most {len(text) - 1} (100 MB) are allowed: "
        "check that it is a budget file, with one row a product."
    ]


QUOTES = 'put a cell that holds a quote, comma or line break in quotes, and write a quote in it twice, as in "5"" disk"'
NAME = "write a name of at most 100 characters on one line"


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ("Retail,Digital,,Checkout,1,,", "Row 2, Portfolio: '' is missing: each product needs a name for E3."),
        ("Retail,Digital,  ,Checkout,1,,", "Row 2, Portfolio: '  ' is missing: each product needs a name for E3."),
        (
            "Retail,Digital, Web,Checkout,1,,",
            f"Row 2, Portfolio: ' Web' needs a name, without blanks around it: {NAME}.",
        ),
        (
            'Retail,Digital,"W\neb",Checkout,1,,',
            f"Row 2, Portfolio: 'W\\neb' has a control character or line break in its name: {NAME}.",
        ),
        (
            f"{CHECKOUT},1,,\n{SEARCH},2,,\n{CHECKOUT},3,,",
            "Row 4, Product: 'Retail/Digital/Web/Checkout' is the product of row 2 already: give each product one row.",
        ),
        (f"{CHECKOUT},(50),,", "Row 2, Annual: '(50)' is below zero: a budget is zero or more."),
        (f"{CHECKOUT},-0.01,,", "Row 2, Annual: '-0.01' is below zero: a budget is zero or more."),
        (f"{CHECKOUT},lots,,", "Row 2, Annual: 'lots' is not an amount: write a number such as 1234.50."),
        (f"{CHECKOUT},,,", "Row 2, Annual: '' is empty: write an amount such as 1234.50, or 0."),
        (
            f"{CHECKOUT},1.005,,",
            "Row 2, Annual: '1.005' has 3 decimals, and USD has 2: write at most 2 decimals.",
        ),
        (
            f'{CHECKOUT},"€1,234.50",,',
            "Row 2, Annual: '€1,234.50' is in EUR, but this budget is in USD: "
            "convert it to USD; one file holds one currency, which need not be written.",
        ),
        (
            f'{CHECKOUT},"1.234,50",,',
            "Row 2, Annual: '1.234,50' can be read in more than one way: "
            "write 1234.50, or 1,234.50 with commas between thousands and a point before decimals.",
        ),
        (
            f"{CHECKOUT},1,,ann.example.com",
            "Row 2, Owner: 'ann.example.com' is not an e-mail address: "
            "write one such as ann@example.com, or leave the cell empty.",
        ),
        (
            f"{CHECKOUT},1, X,",
            "Row 2, Code: ' X' is not a product code: "
            "write at most 100 characters on one line, without blanks around them.",
        ),
        (
            f"{CHECKOUT},1,X,\n{SEARCH},1,X,",
            "Row 3, Code: 'X' is the code of row 2 already: give each product a code of its own, or none.",
        ),
        (
            f"{CHECKOUT},1,234.50,,",
            "Row 2 has 8 cells, and the header has 7: "
            "fill in or remove cells, and put a cell that holds a comma in quotes.",
        ),
        (
            f"{CHECKOUT},1",
            "Row 2 has 5 cells, and the header has 7: "
            "fill in or remove cells, and put a cell that holds a comma in quotes.",
        ),
        (f'Retail,Digital,Web,5" disk,1,,\n{SEARCH},1,,', f"Row 2 has a stray quote in column D: {QUOTES}."),
        (f'Retail,Digital,Web,"5" disk",1,,\n{SEARCH},1,,', f"Row 2 has a stray quote in column D: {QUOTES}."),
        ('Retail,Digital,Web,the "5" disk,1,,', f"Row 2 has a stray quote in column D: {QUOTES}."),
        (f'{CHECKOUT},1,,"open', f"Row 2 has a quote in column G that is not closed: {QUOTES}."),
        (
            f"{CHECKOUT},1,,\r{SEARCH},1,,",
            "Row 2 holds a carriage return that ends no line: end lines with LF or CRLF.",
        ),
        (
            f"{CHECKOUT},1,{'x' * RECORD_CHARS_MAX},",
            "Row 2 is longer than 100,000 characters: check whether lines end with LF or CRLF.",
        ),
    ],
)
def test_a_wrong_row(rows: str, problem: str) -> None:
    assert bad(f"{LEVELS},Annual,Code,Owner\n{rows}\n") == [problem]


@pytest.mark.parametrize(
    ("annual", "last", "problem"),
    [
        (
            "1,200.00",
            "100.01",
            "Row 2, Annual: '1,200.00' is 0.01 less than the months, which add up to 1,200.01: "
            "correct Annual or the months.",
        ),
        (
            "1,300.00",
            "100.00",
            "Row 2, Annual: '1,300.00' is 100.00 more than the months, which add up to 1,200.00: "
            "correct Annual or the months.",
        ),
        ("1,200.00", "", "Row 2, 2026-12: '' is empty: write an amount such as 1234.50, or 0."),
        ("1,200.00", "-100", "Row 2, 2026-12: '-100' is below zero: a budget is zero or more."),
        ("", "", "Row 2, 2026-12: '' is empty: write an amount such as 1234.50, or 0."),
    ],
)
def test_wrong_months(annual: str, last: str, problem: str) -> None:
    months = ",".join(["100.00"] * 11 + [last])
    assert bad(f'{LEVELS},Annual,{MONTH_NAMES}\n{CHECKOUT},"{annual}",{months}\n') == [problem]


def test_a_row_with_no_amount_at_all() -> None:
    assert bad(f"{LEVELS},{MONTH_NAMES}\n{CHECKOUT},{',' * 11}\n") == [
        "Row 2, 2026-01: '' is empty: write an amount such as 1234.50, or 0."
    ]


def test_all_that_is_wrong_with_a_row_is_said_at_once() -> None:
    assert [problem.split(":")[0] for problem in bad(f"{LEVELS},Annual,Estimated,Owner\n,,Web,Shop,x,-1,y\n")] == [
        "Row 2, Business Unit",
        "Row 2, Department",
        "Row 2, Annual",
        "Row 2, Estimated",
        "Row 2, Owner",
    ]


def test_after_a_stray_quote_the_rows_that_follow_are_checked_too() -> None:
    rows = ['a,b,c,5" disk,1', "a,b,c,d,x", 'a,b,c,"e ""f""",2', "a,b,c,g,y"]
    assert [problem.split(":")[0] for problem in bad("\n".join([f"{LEVELS},Annual", *rows]))] == [
        "Row 2 has a stray quote in column D",
        "Row 3, Annual",
        "Row 5, Annual",
    ]


def test_rows_are_numbered_as_in_a_spreadsheet() -> None:
    text = f'{LEVELS},Annual\na,b,c,"d\n\nd",1\n{SEARCH},x\n'
    assert [problem.split(",")[0] for problem in bad(text)] == ["Row 2", "Row 3"]


def test_the_first_thousand_problems_are_kept_and_all_are_counted() -> None:
    rows = "".join(f"a,b,c,{n},x\n" for n in range(PROBLEMS_KEPT_MAX + 5))
    parsed = read(f"{LEVELS},Annual\n{rows}")
    assert isinstance(parsed, InvalidBudget)
    assert (len(parsed.problems), parsed.count) == (1_000, 1_005)


def test_a_long_value_is_shown_in_part() -> None:
    parsed = read(f"{LEVELS},Annual\n{CHECKOUT},{'9x' * 5_000}\n")
    assert isinstance(parsed, InvalidBudget)
    assert len(parsed.problems[0].value) == VALUE_CHARS_MAX


@pytest.mark.parametrize("rows_max", [3, 2])
def test_a_file_has_at_most_so_many_products(rows_max: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ROWS_MAX == 200_000
    monkeypatch.setattr("domain.budget_file.ROWS_MAX", rows_max)
    text = f"{LEVELS},Annual\n\na,b,c,1,1\na,b,c,2,1\na,b,c,3,1\n"
    if rows_max == 3:
        assert len(good(text).rows) == 3
    else:
        assert bad(text) == [
            "Row 5 is one more than 2 products, the most in one file: "
            "check that it is a budget file, with one row a product."
        ]


def test_progress_is_told_in_rows_of_the_file() -> None:
    told: list[tuple[int, int]] = []
    rows = "".join(f"a,b,c,{n},1\n" for n in range(1_999))
    parse_budget(f"{LEVELS},Annual\n{rows}".encode(), TERMS, ORGANIZATION, lambda *progress: told.append(progress))
    assert told == [(500, 2_000), (1_000, 2_000), (1_500, 2_000), (2_000, 2_000), (2_000, 2_000)]


def test_addresses() -> None:
    assert all(map(is_email, ["ann@example.com", "a.b+c@x.example.org", "jürgen@müller.example"]))
    wrong = ["", "ann", "@example.com", "ann@", "ann@example", "a b@example.com", "a@b@example.com", "ann@example."]
    assert not any(map(is_email, [*wrong, "a" * 65 + "@example.com", "a@" + "b" * 320 + ".com", "ann\0@example.com"]))


def test_column_letters() -> None:
    assert [column_letter(index) for index in (0, 25, 26, 701, 702)] == ["A", "Z", "AA", "ZZ", "AAA"]
