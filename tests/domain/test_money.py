"""Money is exact, keeps its currency, and nothing is lost when it is split."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from domain.errors import BadInput
from domain.money import (
    AMOUNT_DIGITS_MAX,
    KNOWN_CURRENCIES,
    Amount,
    Currency,
    Money,
    decimals_of,
    decimals_used,
    exact,
    figure,
    fits_currency,
    plain,
    split,
    total,
)

finite = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=6)
percents = st.lists(st.decimals(min_value=0, max_value=100, places=4), min_size=1, max_size=20).filter(any)


@given(amount=finite, weights=percents, decimals=st.sampled_from([0, 2, 3, 4]))
def test_shares_add_up_to_the_whole_exactly(amount: Decimal, weights: list[Decimal], decimals: int) -> None:
    assert total(split(amount, weights, decimals)) == amount


@given(
    units=st.integers(-(10**12), 10**12), weights=percents, decimals=st.sampled_from([0, 2, 3]), shift=st.integers(0, 3)
)
def test_each_share_is_within_one_minor_unit_of_its_fair_part(
    units: int, weights: list[Decimal], decimals: int, shift: int
) -> None:
    amount, unit = Decimal(units).scaleb(-decimals), Decimal(1).scaleb(-decimals)
    weights = [weight.scaleb(-shift) for weight in weights]  # only their proportion counts
    for share, weight in zip(split(amount, weights, decimals), weights, strict=True):
        assert abs(share - amount * weight / sum(weights)) < unit
        assert decimals_used(share) <= decimals


@given(amount=finite, weights=percents)
def test_a_negative_amount_splits_like_its_opposite(amount: Decimal, weights: list[Decimal]) -> None:
    assert split(-amount, weights, 2) == tuple(-share for share in split(amount, weights, 2))


def test_leftover_cents_go_to_the_largest_remainders_and_ties_to_the_first() -> None:
    thirds = [Decimal("33.3333"), Decimal("33.3333"), Decimal("33.3334")]
    assert split(Decimal("100.00"), thirds, 2) == (Decimal("33.33"), Decimal("33.33"), Decimal("33.34"))
    assert split(Decimal("0.02"), [Decimal(1)] * 3, 2) == (Decimal("0.01"), Decimal("0.01"), Decimal("0.00"))
    assert split(Decimal(100), [Decimal(1)] * 3, 0) == (Decimal(34), Decimal(33), Decimal(33))


def test_what_is_finer_than_a_cent_goes_to_the_heaviest_share() -> None:
    shares = split(Decimal("10.000000007"), [Decimal(40), Decimal(60)], 2)
    assert shares == (Decimal("4.00"), Decimal("6.000000007"))


@pytest.mark.parametrize("weights", [[], [Decimal(0)], [Decimal(-1), Decimal(2)]])
def test_weights_that_split_nothing_are_refused(weights: list[Decimal]) -> None:
    with pytest.raises(ValueError, match=r"^a split needs weights of zero or more, and one above zero$"):
        split(Decimal(1), weights, 2)


@given(a=finite, b=finite)
def test_addition_and_subtraction_are_exact(a: Decimal, b: Decimal) -> None:
    assert (Money(a, "USD") + Money(b, "USD") - Money(b, "USD")).amount == a


def test_currencies_are_never_mixed() -> None:
    dollar, yen = Money(Decimal(1), "USD"), Money(Decimal(1), "JPY")
    for mix in (lambda: dollar + yen, lambda: dollar - yen, lambda: dollar < yen, lambda: dollar <= yen):
        with pytest.raises(BadInput, match="convert one of them first"):
            mix()
    assert dollar != yen


def test_money_shows_its_currency_and_every_digit() -> None:
    assert str(Money(Decimal("1234567.5"), "USD")) == "USD 1,234,567.50"
    assert str(Money(Decimal(-1234), "JPY")) == "JPY -1,234"
    assert figure(Decimal("1339.699999992"), "USD") == "1,339.699999992"
    assert figure(Decimal("1E+3"), "KWD") == "1,000.000"


def test_currencies_have_the_decimals_of_iso_4217() -> None:
    assert [decimals_of(code) for code in ("USD", "EUR", "JPY", "KWD", "CLF", "ISK")] == [2, 2, 0, 3, 4, 0]
    assert len(KNOWN_CURRENCIES) > 150
    assert fits_currency(Decimal("1.50000"), "USD")
    assert not fits_currency(Decimal("1.501"), "USD")
    assert not fits_currency(Decimal("0.1"), "JPY")


@pytest.mark.parametrize(
    "wrong", [1.5, True, None, "1,5", "NaN", "Infinity", "", "1" * (AMOUNT_DIGITS_MAX + 1), "1E+39"]
)
def test_what_is_not_exactly_a_decimal_is_refused(wrong: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Amount).validate_python(wrong)


def test_an_amount_travels_as_plain_text() -> None:
    amount = TypeAdapter(Amount)
    assert amount.dump_json(amount.validate_json('"1E+3"')) == b'"1000"'
    assert plain(exact("1.81E-8")) == "0.0000000181"
    assert exact("9" * AMOUNT_DIGITS_MAX) == Decimal("9" * AMOUNT_DIGITS_MAX)
    with pytest.raises(ValidationError):
        amount.validate_json("1.5")  # a JSON number is a float


@pytest.mark.parametrize(("zero", "text"), [("-0", "0"), ("-0.00", "0.00"), (Decimal("-0"), "0")])
def test_zero_has_no_sign(zero: object, text: str) -> None:
    assert plain(exact(zero)) == text


def test_an_unknown_currency_is_named() -> None:
    with pytest.raises(ValidationError, match="'XXX' is not an ISO 4217 currency code in use"):
        TypeAdapter(Currency).validate_python("XXX")
    with pytest.raises(ValueError, match="'usd' is not"):
        Money(Decimal(1), "usd")
    with pytest.raises(TypeError, match=r"^money needs a finite Decimal$"):
        Money(Decimal("NaN"), "USD")


def test_money_is_compared_by_its_amount() -> None:
    one, same, two = (Money(Decimal(text), "USD") for text in ("1", "1.00", "2"))
    assert one < two
    assert one <= same
    assert one <= two
    assert not two <= one
    assert not one < same


def test_money_is_split_in_its_currencys_minor_units() -> None:
    thirds = [Decimal(1)] * 3
    assert Money(Decimal(1), "USD").split(thirds) == tuple(Money(Decimal(n), "USD") for n in ("0.34", "0.33", "0.33"))
    assert Money(Decimal(4), "JPY").split(thirds) == tuple(Money(Decimal(n), "JPY") for n in (2, 1, 1))


def test_the_heaviest_share_is_the_first_of_those_that_weigh_most_wherever_it_stands() -> None:
    for weights, wanted in (((60, 40), (6, 4)), ((20, 60, 20), (2, 6, 2)), ((40, 40, 20), (4, 4, 2))):
        shares = split(Decimal("10.000000007"), [Decimal(weight) for weight in weights], 2)
        heaviest = weights.index(max(weights))
        fine = [Decimal("0.000000007") if n == heaviest else Decimal(0) for n in range(len(weights))]
        assert shares == tuple(Decimal(share) + rest for share, rest in zip(wanted, fine, strict=True))


def test_the_longest_amounts_are_split_to_the_last_digit() -> None:
    """They have more digits than a decimal context keeps unless it is told to."""
    amount, third = Decimal("123456789012345678901234567890123456.78"), Decimal(1).scaleb(-37) * 3
    shares = split(amount, [third] * 3, 2)
    assert total(shares) == amount
    assert shares == (Decimal("41152263004115226300411522630041152.26"),) * 3
    weights = [Decimal("12345678901234567890123456789.000000001"), Decimal("12345678901234567890123456789.000000002")]
    assert split(Decimal("0.01"), weights, 2) == (Decimal("0.00"), Decimal("0.01"))


def test_an_amount_that_is_none_is_told_in_words() -> None:
    for wrong, told in (
        (1.5, "an amount must be text such as '1234.50' or a whole number, never a float"),
        ("1,5", "an amount must be a decimal number such as 1234.50"),
        ("NaN", "an amount must be finite"),
        ("1" * 39, "an amount has at most 38 digits"),
    ):
        with pytest.raises(ValueError, match=f"^{re.escape(told)}$"):
            exact(wrong)
