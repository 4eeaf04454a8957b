"""A file of expected accounts: what is read, and what is told of what cannot be."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.allocation import AccountType, Share
from domain.budget_file_problem import Problem
from domain.expected_account import ExpectedAccount
from domain.expected_file import ExpectedRow, read_expected
from tests.domain.specs import CHECKOUT, SEARCH

HEAD = "email,name,type,product,percent,note\n"
PRODUCT = "Retail/Digital/Web/Checkout"


def problems(text: str) -> list[Problem]:
    return read_expected(text.encode()).problems.kept


def test_accounts_are_told_by_their_address_or_their_name() -> None:
    rows, found = read_expected(
        (
            HEAD + f"aws+shop@example.com,shop,Production,{PRODUCT},60,for the shop\n"
            f",search-prod,shared,{PRODUCT},,\n"
            "AWS+shop@example.com,shop,Production,Retail/Digital/Web/Search,40,for the shop\n"
        ).encode()
    )
    assert found.kept == []
    assert rows == (
        ExpectedRow(
            2,
            ExpectedAccount(
                email="aws+shop@example.com",
                name="shop",
                account_type=AccountType.PRODUCTION,
                shares=(
                    Share(product=CHECKOUT, percent=Decimal(60)),
                    Share(product=SEARCH, percent=Decimal(40)),
                ),
                note="for the shop",
            ),
        ),
        ExpectedRow(
            3,
            ExpectedAccount(
                name="search-prod",
                account_type=AccountType.SHARED,
                shares=(Share(product=CHECKOUT, percent=Decimal(100)),),
            ),
        ),
    )


def test_accounts_with_addresses_may_have_one_and_the_same_name() -> None:
    text = HEAD + f"a@example.com,shop,Shared,{PRODUCT},,\nb@example.com,shop,Sandbox,{PRODUCT},,\n"
    rows, found = read_expected(text.encode())
    assert found.kept == []
    assert [row.account.key for row in rows] == ["email:a@example.com", "email:b@example.com"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            f"shop,,Shared,{PRODUCT},,",
            "email: 'shop' is not an e-mail address: write the one that the account is requested with.",
        ),
        (
            f",,Shared,{PRODUCT},,",
            "email: '' is missing, and so is the name: an account is recognised by one of them.",
        ),
        (
            f",{'x' * 51},Shared,{PRODUCT},,",
            f"name: '{'x' * 51}' has 51 characters: an account's name has at most 50.",
        ),
        (
            f",a\x07b,Shared,{PRODUCT},,",
            "name: 'a\\x07b' cannot be a name: a name must be on one line, without control characters: "
            "write the name that the account is requested with.",
        ),
        (
            f"one@example.com,two,Shared,{PRODUCT},,",
            "name: 'two' is another name than in row 2: write the same name in all lines of it.",
        ),
        (
            f"one@example.com,one,Sandbox,{PRODUCT},,",
            "type: 'Sandbox' is another type than in row 2: give an account one type.",
        ),
        (
            f"one@example.com,one,Shared,{PRODUCT},,x",
            "note: 'x' is another note than in row 2: write the same note in all lines of an account.",
        ),
        (
            f"ONE@example.com,one,Shared,{PRODUCT},,",
            f"product: '{PRODUCT}' has a share in row 2 already: leave one of the two lines out.",
        ),
    ],
)
def test_a_bad_line_is_told_in_a_sentence(line: str, told: str) -> None:
    found = problems(f"{HEAD}one@example.com,one,Shared,{PRODUCT},,\n{line}\n")
    assert str(found[0]) == f"Row 3, {told}"


def test_an_account_with_a_wrong_line_is_not_read_at_all() -> None:
    text = HEAD + f"a@example.com,,Shared,{PRODUCT},50,\na@example.com,,Shared,nowhere,50,\n"
    rows, found = read_expected(text.encode())
    assert rows == ()
    assert [(one.row, one.column) for one in found.kept] == [(3, "product")]


def test_a_file_lacks_no_column_that_is_needed() -> None:
    (found,) = problems(f"email,product\na@example.com,{PRODUCT}\n")
    assert str(found) == (
        "Row 1 lacks type: row 1 is the header: type, product and, as you like, email, name, percent, note."
    )


@pytest.mark.parametrize("column", ["email", "name"])
def test_a_file_may_have_addresses_or_names_alone(column: str) -> None:
    rows, found = read_expected(f"{column},type,product\nshop@example.com,Shared,{PRODUCT}\n".encode())
    assert found.count == 0
    assert [getattr(row.account, column) for row in rows] == ["shop@example.com"]
    (neither,) = problems(f"type,product\nShared,{PRODUCT}\n")
    assert "is missing, and so is the name" in str(neither)


def test_a_file_has_so_many_accounts_and_not_one_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("domain.expected_file.EXPECTED_MAX", 2)
    full = HEAD + "".join(f"p{n}@example.com,,Shared,{PRODUCT},,\n" for n in range(2))
    assert problems(full) == []
    (found,) = problems(full + f",more,Shared,{PRODUCT},,\nbad\n")
    assert (found.row, found.problem) == (4, "is one more than 2 accounts, the most in one file")


cells = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=12),
    st.sampled_from(
        ["a@b.io", "A@b.io", "shop", "Shared", "sandbox", PRODUCT, str(SEARCH), "50", "100", '"', "x,y", ""]
    ),
)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_told(data: bytes) -> None:
    rows, found = read_expected(data)
    assert rows or found.count


@given(st.lists(st.lists(cells, min_size=4, max_size=6), max_size=6))
def test_what_is_read_is_whole_and_named_once_or_told(lines: list[list[str]]) -> None:
    rows, found = read_expected((HEAD + "\n".join(",".join(line) for line in lines)).encode())
    assert rows or found.count
    keys = [row.account.key for row in rows]
    assert len(set(keys)) == len(keys)
    assert all(sum(share.percent for share in row.account.shares) == 100 for row in rows)
