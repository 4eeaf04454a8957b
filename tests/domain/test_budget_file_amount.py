"""Amounts in the cells of a budget file: understood or refused, never misread."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.budget_file_amount import WHOLE_DIGITS_MAX, read_amount
from domain.budget_file_problem import Fault
from domain.money import decimals_of

EXAMPLE = "write a number such as 1234.50"
ONE_WAY = "write 1234.50, or 1,234.50 with commas between thousands and a point before decimals"
CONVERT = "convert it to USD; one file holds one currency, which need not be written"
ZERO_OR_MORE = "a budget is zero or more"


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0", "0"),
        ("0.05", "0.05"),
        ("1234.50", "1234.50"),
        ("1234.5", "1234.5"),
        (" 1234.50  ", "1234.50"),
        ("1,234.50", "1234.50"),
        ("1,234", "1234"),
        ("12,345,678.90", "12345678.90"),
        ("$1,234.50", "1234.50"),
        ("$ 1,234.50", "1234.50"),
        ("US$1,234.50", "1234.50"),
        ("USD 1,234.50", "1234.50"),
        ("USD1234", "1234"),
        ("1,234.50 USD", "1234.50"),
        ("9" * WHOLE_DIGITS_MAX + ".99", "9" * WHOLE_DIGITS_MAX + ".99"),
    ],
)
def test_is_understood(text: str, amount: str) -> None:
    assert read_amount(text, "USD") == Decimal(amount)


@pytest.mark.parametrize(
    ("text", "problem", "remedy"),
    [
        ("", "is empty", "write an amount such as 1234.50, or 0"),
        ("   ", "is empty", "write an amount such as 1234.50, or 0"),
        ("(50)", "is below zero", ZERO_OR_MORE),
        ("($50)", "is below zero", ZERO_OR_MORE),
        ("$(50.00)", "is below zero", ZERO_OR_MORE),
        ("-50", "is below zero", ZERO_OR_MORE),
        ("-$50", "is below zero", ZERO_OR_MORE),
        ("$-50", "is below zero", ZERO_OR_MORE),
        ("50-", "is below zero", ZERO_OR_MORE),
        ("−50", "is below zero", ZERO_OR_MORE),
        ("1.234", "has 3 decimals, and USD has 2", "write at most 2 decimals"),
        ("1.500", "has 3 decimals, and USD has 2", "write at most 2 decimals"),
        ("1.234,50", "can be read in more than one way", ONE_WAY),
        ("1234,50", "can be read in more than one way", ONE_WAY),
        ("12,34", "can be read in more than one way", ONE_WAY),
        ("1,23,456.00", "can be read in more than one way", ONE_WAY),
        ("1234,567", "can be read in more than one way", ONE_WAY),
        ("0,123", "can be read in more than one way", ONE_WAY),
        ("1 234.50", "can be read in more than one way", ONE_WAY),
        ("1'234.50", "can be read in more than one way", ONE_WAY),
        ("1.2.3", "can be read in more than one way", ONE_WAY),
        ("1e5", "is in scientific notation, which may have lost digits", "write all digits, such as 100000"),
        ("1.2E+05", "is in scientific notation, which may have lost digits", "write all digits, such as 100000"),
        ("１２３４", "is not written with the digits 0 to 9", EXAMPLE),
        ("٣٤", "is not written with the digits 0 to 9", EXAMPLE),
        ("007", "begins with a zero, like a code", EXAMPLE),
        ("NaN", "is not an amount", EXAMPLE),
        ("Infinity", "is not an amount", EXAMPLE),
        ("INF", "is not an amount", EXAMPLE),
        ("TBD", "is not an amount", EXAMPLE),
        ("+50", "is not an amount", EXAMPLE),
        ("50%", "is not an amount", EXAMPLE),
        ("1_000", "is not an amount", EXAMPLE),
        ("=1+1", "is not an amount", EXAMPLE),
        ("-", "is not an amount", EXAMPLE),
        ("$", "is not an amount", EXAMPLE),
        ("0x10", "is not an amount", EXAMPLE),
        ("$50$", "is not an amount", EXAMPLE),
        ("USD $50", "is not an amount", EXAMPLE),
        ("XXX 50", "is not an amount", EXAMPLE),
        ("€50", "is in EUR, but this budget is in USD", CONVERT),
        ("EUR 50", "is in EUR, but this budget is in USD", CONVERT),
        ("50 €", "is in EUR, but this budget is in USD", CONVERT),
        ("1,234.50 GBP", "is in GBP, but this budget is in USD", CONVERT),
        ("1" * (WHOLE_DIGITS_MAX + 1), "has more than 18 digits before the point", "check the amount"),
    ],
)
def test_is_refused(text: str, problem: str, remedy: str) -> None:
    assert read_amount(text, "USD") == Fault(problem, remedy)


def test_a_currency_without_decimals_takes_whole_numbers() -> None:
    assert read_amount("¥1,234", "JPY") == Decimal(1234)
    assert read_amount("1234.0", "JPY") == Fault("has 1 decimal, and JPY has none", "write a whole number")


def test_with_three_decimals_a_single_comma_can_mean_either() -> None:
    assert read_amount("1,234", "KWD") == Fault(
        "can be read in two ways, with a comma for thousands or for decimals", "write 1234 or 1.234"
    )
    assert read_amount("1,234.000", "KWD") == Decimal(1234)
    assert read_amount("1,234,567", "KWD") == Decimal(1234567)
    assert read_amount("1.234", "KWD") == Decimal("1.234")


def test_a_dollar_sign_means_the_dollar_of_the_united_states() -> None:
    assert isinstance(read_amount("$50", "CAD"), Fault)
    assert read_amount("CAD 50", "CAD") == Decimal(50)


@given(units=st.integers(0, 10**20 - 1), currency=st.sampled_from(["USD", "JPY", "KWD", "CLF"]))
def test_every_amount_that_we_write_is_read_as_it_was(units: int, currency: str) -> None:
    decimals = decimals_of(currency)
    amount = Decimal(units % 10 ** (WHOLE_DIGITS_MAX + decimals)).scaleb(-decimals)
    for text in (f"{amount:.{decimals}f}", f"{currency} {amount:.{decimals}f}"):
        assert read_amount(text, currency) == amount
    if decimals != 0 or amount < 1000:
        assert read_amount(f"{amount:,.{decimals}f}", currency) == amount


@given(st.text(alphabet="0123456789.,-+()$€ eENaUSD'", max_size=12))
def test_whatever_is_understood_is_what_its_digits_say(text: str) -> None:
    amount = read_amount(text, "USD")
    if isinstance(amount, Decimal):
        digits = "".join(character for character in text if character.isdigit())
        decimals = len(text.rpartition(".")[2].rstrip("USD $")) if "." in text else 0
        assert decimals <= 2
        assert amount == Decimal(int(digits)).scaleb(-decimals)


@pytest.mark.parametrize("text", ["(7)", "( 7 )", "-7", "- 7", "−7", "7-", "7 -", "$(7)", "-$7", "(USD 7)"])
def test_what_is_below_zero_is_told_so_however_it_is_written(text: str) -> None:
    assert read_amount(text, "USD") == Fault("is below zero", "a budget is zero or more")


@pytest.mark.parametrize("text", ["-", "()", "-\t7", "7\t-", "-X7", "7X-", "(X7)", "(\t7)"])
def test_what_only_stands_like_an_amount_is_none(text: str) -> None:
    fault = read_amount(text, "USD")
    assert isinstance(fault, Fault)
    assert fault.problem == "is not an amount"
