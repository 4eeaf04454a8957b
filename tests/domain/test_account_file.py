"""A file of allocations, line by line: what is read, and what is told of what cannot be."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.account_file import SHAPE, read_allocations
from domain.account_table import ACCOUNT_FILE_BYTES_MAX
from domain.allocation import AccountType, Share
from domain.budget_file_problem import Problem
from domain.errors import Refusal
from domain.hierarchy import NodePath
from tests.domain.specs import CHECKOUT, SEARCH

HEAD = "account,type,product,percent,from,note\n"
ID, OTHER = "100000000001", "001234567890"
GOOD = f"{ID},Production,Retail/Digital/Web/Checkout,,,\n"


def problems(text: str | bytes) -> list[Problem]:
    data = text if isinstance(text, bytes) else text.encode()
    return read_allocations(data).problems.kept


def shares(**percents: str) -> tuple[Share, ...]:
    return tuple(
        Share(product=NodePath(("Retail", "Digital", "Web", name)), percent=Decimal(percent))
        for name, percent in percents.items()
    )


def test_the_lines_of_an_account_and_a_day_are_one_allocation() -> None:
    rows, found = read_allocations(
        (
            "\ufeff" + HEAD + f"{ID},Production,Retail/Digital/Web/Search,39.5%,2026-05-01,new split\n\n"
            f"{OTHER},pre production,Retail/Digital/Web/Checkout,,,\r\n"
            f'"{ID}",PRODUCTION,"Retail/Digital/Web/Checkout",60.5,2026-05-01,new split\n'
            f"{ID},Sandbox,Retail/Digital/Web/Checkout,100 %,2026-07-01,\n"
        ).encode()
    )
    assert found.kept == []
    assert [(row.row, row.account_id, row.account_type) for row in rows] == [
        (2, ID, AccountType.PRODUCTION),
        (4, OTHER, AccountType.PRE_PRODUCTION),
        (6, ID, AccountType.SANDBOX),
    ]
    assert [row.shares for row in rows] == [
        shares(Checkout="60.5", Search="39.5"),
        shares(Checkout="100"),
        shares(Checkout="100"),
    ]
    assert [row.effective_on for row in rows] == [date(2026, 5, 1), None, date(2026, 7, 1)]
    assert [row.note for row in rows] == ["new split", "", ""]


def test_columns_may_stand_in_any_order_and_three_are_enough() -> None:
    rows, found = read_allocations(f"Product,ACCOUNT,type\nRetail/Digital/Web/Checkout,{ID},shared\n".encode())
    assert found.kept == []
    assert [(row.account_id, row.account_type, row.shares) for row in rows] == [
        (ID, AccountType.SHARED, shares(Checkout="100"))
    ]


def test_percentages_are_exact() -> None:
    text = "".join(
        f"{ID},Shared,Retail/Digital/Web/{name},{percent},,\n"
        for name, percent in (("A", "33.3333"), ("B", "33.3333%"), ("C", "33.3334"))
    )
    (row,) = read_allocations((HEAD + text).encode()).rows
    assert [share.percent for share in row.shares] == [Decimal("33.3333"), Decimal("33.3333"), Decimal("33.3334")]


TEXT_COLUMN = "format the column as text in the spreadsheet, and write all 12 digits, such as 001234567890"
PERCENT = "write a number such as 60 or 33.3333, with at most 4 decimals"
PATH = "write its path, such as Retail/Digital/Web/Checkout, with / inside a name as %2F"
PRODUCT = "Retail/Digital/Web/Checkout"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            f"1234567890,Shared,{PRODUCT},,,",
            "account: '1234567890' has 10 digits and not 12; a spreadsheet may have dropped zeros in front: "
            f"{TEXT_COLUMN}.",
        ),
        (f"1234567890123,Shared,{PRODUCT},,,", f"account: '1234567890123' has 13 digits and not 12: {TEXT_COLUMN}."),
        (
            f"1.23457E+11,Shared,{PRODUCT},,,",
            f"account: '1.23457E+11' is in scientific notation, which has lost digits: {TEXT_COLUMN}.",
        ),
        (
            f"1000-0000-0001,Shared,{PRODUCT},,,",
            "account: '1000-0000-0001' is not an account id: write the 12 digits of the account, and nothing else.",
        ),
        (
            f"١٠٠٠٠٠٠٠٠٠٠١,Shared,{PRODUCT},,,",
            "account: '١٠٠٠٠٠٠٠٠٠٠١' is not an account id: write the 12 digits of the account, and nothing else.",
        ),
        (f",Shared,{PRODUCT},,,", "account: '' is missing: write the 12 digits of the account, and nothing else."),
        (
            f"{OTHER},Prod,{PRODUCT},,,",
            "type: 'Prod' is not a type of account: "
            "write one of Production, Pre-Production, Shared, Development, Sandbox.",
        ),
        (f"{OTHER},Shared,Retail/Web,,,", f"product: 'Retail/Web' has 2 of the 4 names in a product's path: {PATH}."),
        (
            f"{OTHER},Shared,Retail//Web/Checkout,,,",
            "product: 'Retail//Web/Checkout' is not a path of the hierarchy: "
            f"E2 needs a name, without blanks around it: {PATH}.",
        ),
        (f"{OTHER},Shared,,,,", f"product: '' is missing: {PATH}."),
        (
            f'{OTHER},Shared,{PRODUCT},"33,5",,',
            "percent: '33,5' has a comma: write 33.5, with a point before decimals.",
        ),
        (f"{OTHER},Shared,{PRODUCT},33.33333,,", f"percent: '33.33333' has 5 decimals: {PERCENT}."),
        (f"{OTHER},Shared,{PRODUCT},half,,", f"percent: 'half' is not a percentage: {PERCENT}."),
        (f"{OTHER},Shared,{PRODUCT},-5,,", f"percent: '-5' is not a percentage: {PERCENT}."),
        (f"{OTHER},Shared,{PRODUCT},1e2,,", f"percent: '1e2' is not a percentage: {PERCENT}."),
        (
            f"{OTHER},Shared,{PRODUCT},0,,",
            "percent: '0' is not above 0 and at most 100: leave out a product that has no share.",
        ),
        (
            f"{OTHER},Shared,{PRODUCT},100.0001,,",
            "percent: '100.0001' is not above 0 and at most 100: leave out a product that has no share.",
        ),
        (
            f"{OTHER},Shared,{PRODUCT},60,,",
            "percent: '60' is not the whole account: leave it empty, or add lines for other products: "
            "the percentages of an account's lines add up to exactly 100.",
        ),
        (
            f"{OTHER},Shared,{PRODUCT},,01.05.2026,",
            "from: '01.05.2026' is not a day: write it as YYYY-MM-DD, such as 2026-05-01, or leave the cell empty.",
        ),
        (
            f"{OTHER},Shared,{PRODUCT},,2026-02-30,",
            "from: '2026-02-30' is not a day: write it as YYYY-MM-DD, such as 2026-05-01, or leave the cell empty.",
        ),
        (
            f"{OTHER},Shared,{PRODUCT},,1999-12-31,",
            "from: '1999-12-31' is not a day: write it as YYYY-MM-DD, such as 2026-05-01, or leave the cell empty.",
        ),
        (
            f"{OTHER},Shared,{PRODUCT},,,a\x07b",
            "note: 'a\\x07b' cannot be a note: a text must not hold control characters: remove them: "
            "write it as plain text.",
        ),
        (
            f"{ID},Shared,{PRODUCT},,,",
            "type: 'Shared' is another type than in row 2: give an account one type.",
        ),
    ],
)
def test_a_bad_line_is_told_in_a_sentence(line: str, told: str) -> None:
    assert str(problems(f"{HEAD}{GOOD}{line}\n")[0]) == f"Row 3, {told}"


def test_lines_that_contradict_or_repeat_one_another_are_told() -> None:
    lines = (
        f"{ID},Shared,{PRODUCT},50,,one\n"
        f"{ID},Shared,{PRODUCT},50,,two\n"
        f"{OTHER},Shared,{PRODUCT},50,,\n"
        f"{OTHER},Shared,Retail/Digital/Web/Search,,,\n"
    )
    assert [(found.row, found.column, found.problem) for found in problems(HEAD + lines)] == [
        (3, "note", "is another note than in row 2"),
        (3, "product", "has a share in row 2 already"),
        (5, "percent", "is missing, and the account has several lines"),
    ]


@pytest.mark.parametrize(
    ("percents", "problem"),
    [
        (("60", "39.9999"), "is what the 2 lines of this account add up to"),
        (("60", "40.0001"), "is what the 2 lines of this account add up to"),
        (("0.6", "0.4"), "is what this account adds up to"),
    ],
)
def test_shares_that_are_no_whole_are_told_with_what_they_add_up_to(percents: tuple[str, str], problem: str) -> None:
    lines = "".join(f"{ID},Shared,Retail/Digital/Web/P{n},{percent},,\n" for n, percent in enumerate(percents))
    (found,) = problems(HEAD + lines)
    assert (found.row, found.column, found.problem) == (2, "percent", problem)
    assert Decimal(found.value) == sum(map(Decimal, percents))


def test_every_cell_of_a_bad_line_is_told() -> None:
    found = problems(HEAD + "12,x,y,z,w,\n")
    assert [problem.column for problem in found] == ["account", "from", "type", "product", "percent"]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "The file is empty"),
        (b"PK\x03\x04", "The file is a workbook or an archive and not CSV"),
        (b"\xff\xfea\x00", "The file is UTF-16"),
        (b"account,type\n", "Row 1 lacks product"),
        (b"account,type,product,share\n", "Row 1, column D: 'share' is not a column of a file of allocations"),
        (b"account,type,product,Account\n", "Row 1, column D: 'Account' is in column A already"),
        (b"account,type,product,\n", "Row 1, column D: '' has no name"),
        (b"account,type,product\n\n,,\n", "The file has nothing below its header"),
        (b"account,type,product\n\xff,,\n", "Row 2 is not UTF-8 at byte 21 of the file (0xFF)"),
        (b"account,type,product\na,b\n", "Row 2 has 2 cells, and the header has 3"),
        (b"x" * (ACCOUNT_FILE_BYTES_MAX + 1), "The file has 10,000,001 bytes; at most 10,000,000 are allowed"),
    ],
)
def test_a_file_that_is_none_is_told(data: bytes, told: str) -> None:
    read = read_allocations(data)
    assert read.rows == ()
    assert str(read.problems.kept[0]).startswith(told)


def test_a_file_has_so_many_allocations_and_not_one_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("domain.account_file.ROWS_MAX", 2)
    full = HEAD + GOOD + f"{OTHER},Shared,{PRODUCT},50,,\n{OTHER},Shared,Retail/Digital/Web/Search,50,,\n"
    assert len(read_allocations(full.encode()).rows) == 2
    (found,) = problems(full + f"{ID},Shared,{PRODUCT},,2026-05-01,\nbad\n")
    assert (found.row, found.problem) == (5, "is one more than 2 allocations, the most in one file")


def test_a_file_has_so_many_lines_and_not_one_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("domain.account_table.LINES_MAX", 2)
    full = HEAD + GOOD + f"\n{OTHER},Shared,{PRODUCT},,,\n"
    assert problems(full) == []
    (found,) = problems(full + "bad\n")
    assert (found.row, found.problem) == (5, "is one more than 2 lines, the most in one file")


def test_an_account_is_split_over_so_many_products_and_not_one_more() -> None:
    def split(count: int) -> str:
        last = 100 - (count - 1) * Decimal("0.5")
        percents = ["0.5"] * (count - 1) + [str(last)]
        return HEAD + "".join(f"{ID},Shared,Retail/Digital/Web/P{n},{p},,\n" for n, p in enumerate(percents))

    assert problems(split(100)) == []
    (found,) = problems(split(101))
    assert str(found) == "Row 2 is split over 101 products: at most 100 may share an account."


def test_the_first_thousand_problems_are_kept_and_all_are_counted() -> None:
    found = read_allocations((HEAD + "x,Shared,Retail/Digital/Web/Checkout,,,\n" * 1_500).encode()).problems
    assert (len(found.kept), found.count) == (1_000, 1_500)


cells = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=12),
    st.sampled_from([ID, OTHER, "Shared", "sandbox", PRODUCT, str(SEARCH), "50", "100", "2026-05-01", '"', "x,y", ""]),
)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_told(data: bytes) -> None:
    rows, found = read_allocations(data)
    assert rows or found.count


@given(st.lists(st.lists(cells, min_size=3, max_size=6), max_size=6), st.permutations(SHAPE.columns))
def test_what_is_read_is_whole_or_told(lines: list[list[str]], columns: list[str]) -> None:
    text = "\n".join([",".join(columns), *(",".join(line) for line in lines)])
    rows, found = read_allocations(text.encode())
    assert rows or found.count
    for row in rows:
        assert sum(share.percent for share in row.shares) == 100
        assert len(row.account_id) == 12
        assert list(row.shares) == sorted(row.shares, key=lambda share: share.product)


@given(st.lists(st.integers(1, 500_000), min_size=1, max_size=5))
def test_shares_are_taken_exactly_when_they_are_a_whole(parts: list[int]) -> None:
    """The same rule as the decision's: nothing is rounded on the way."""
    percents = [Decimal(part).scaleb(-4) for part in parts]
    percents.append(100 - sum(percents, Decimal(0)))
    lines = "".join(f"{ID},Shared,Retail/Digital/Web/P{n},{p},,\n" for n, p in enumerate(percents))
    rows, found = read_allocations((HEAD + lines).encode())
    if percents[-1] <= 0:
        assert found.count
    else:
        assert [share.percent for share in rows[0].shares] == percents


def test_the_decision_takes_the_shares_that_are_read() -> None:
    from domain.allocation import checked_shares

    (row,) = read_allocations((HEAD + GOOD).encode()).rows
    assert checked_shares(row.shares) == row.shares == (Share(product=CHECKOUT, percent=Decimal(100)),)
    with pytest.raises(Refusal):  # the control
        checked_shares((*row.shares, Share(product=SEARCH, percent=Decimal("0.0001"))))
