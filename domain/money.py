"""Money: exact decimals with a currency, never floats, never added across currencies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, PlainSerializer

from domain.errors import BadInput

DEFAULT_DECIMALS = 2
# ISO 4217: the currencies in use whose minor unit is not a hundredth.
DECIMALS_OF: dict[str, int] = {
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
    **dict.fromkeys("CLF UYW".split(), 4),
}
# ISO 4217: the currencies in use with hundredths.
_HUNDREDTHS = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP "
    "CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES "
    "KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK "
    "NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB "
    "TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG"
)
KNOWN_CURRENCIES = frozenset(DECIMALS_OF) | frozenset(_HUNDREDTHS.split())

AMOUNT_DIGITS_MAX = 38
"""Significant digits of an amount: those of the exact decimals in DuckDB and of our columns in PostgreSQL."""

COST_DECIMALS = 18
"""Decimals kept of a cost line. AWS documents up to 10; generated and marketplace lines have been seen with 16."""

# Wide enough that no sum or product of two amounts is ever rounded; an inexact result is a bug and not a figure.
EXACT = Context(prec=2 * AMOUNT_DIGITS_MAX + 4, rounding=ROUND_HALF_EVEN)


def known_currency(code: str) -> str:
    if code not in KNOWN_CURRENCIES:
        raise ValueError(f"{code!r} is not an ISO 4217 currency code in use, such as USD")
    return code


Currency = Annotated[str, AfterValidator(known_currency)]
"""An ISO 4217 code in a model."""


def decimals_of(currency: str) -> int:
    """How many decimals amounts in this currency have: USD 2, JPY 0, KWD 3."""
    return DECIMALS_OF.get(currency, DEFAULT_DECIMALS)


def plain(amount: Decimal) -> str:
    """As stored and sent: no exponent, all digits."""
    return format(amount, "f")


_READABLE = str | int | Decimal


def exact(value: Any) -> Decimal:
    """Reads an amount from text or a whole number; a float has already lost what was meant."""
    if isinstance(value, bool) or not isinstance(value, _READABLE):
        raise ValueError("an amount must be text such as '1234.50' or a whole number, never a float")
    try:
        amount = Decimal(value)
    except InvalidOperation:
        raise ValueError("an amount must be a decimal number such as 1234.50") from None
    if not amount.is_finite():
        raise ValueError("an amount must be finite")
    short = isinstance(value, str) and len(value) <= AMOUNT_DIGITS_MAX  # then its digits need not be counted
    if (not short and len(amount.as_tuple().digits) > AMOUNT_DIGITS_MAX) or abs(amount.adjusted()) > AMOUNT_DIGITS_MAX:
        raise ValueError(f"an amount has at most {AMOUNT_DIGITS_MAX} digits")
    return amount or amount.copy_abs()  # there is a zero with a minus sign, which people would be shown


Amount = Annotated[Decimal, BeforeValidator(exact), PlainSerializer(plain, return_type=str)]
"""A decimal in a model; its currency stands beside it."""


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An exact amount in one currency."""

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        amount: object = self.amount  # types are not checked at run time, and a float must never get in
        if not isinstance(amount, Decimal) or not amount.is_finite():
            raise TypeError("money needs a finite Decimal")
        known_currency(self.currency)

    def __add__(self, other: Money) -> Money:
        return Money(EXACT.add(self.amount, self._same(other).amount), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(EXACT.subtract(self.amount, self._same(other).amount), self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.amount < self._same(other).amount

    def __le__(self, other: Money) -> bool:
        return self.amount <= self._same(other).amount

    def __str__(self) -> str:
        """For people: `USD 1,234.50`, with at least the currency's decimals and all that are there."""
        return f"{self.currency} {figure(self.amount, self.currency)}"

    def split(self, weights: Sequence[Decimal]) -> tuple[Money, ...]:
        """Shares by weight that add up to the whole; see `split`."""
        return tuple(Money(share, self.currency) for share in split(self.amount, weights, decimals_of(self.currency)))

    def _same(self, other: Money) -> Money:
        if other.currency != self.currency:
            raise BadInput(f"{other} cannot be added to or compared with {self}: convert one of them first")
        return other


def figure(amount: Decimal, currency: str) -> str:
    """`1,234.50`: thousands by comma, at least the currency's decimals, and every digit that is not zero."""
    decimals = max(decimals_of(currency), decimals_used(amount))
    return f"{amount:,.{decimals}f}"


def decimals_used(amount: Decimal) -> int:
    """Decimals needed to write the amount without loss: 1.50 needs 1, 100 none."""
    exponent = amount.normalize(EXACT).as_tuple().exponent
    assert isinstance(exponent, int)  # amounts are finite
    return max(0, -exponent)


def fits_currency(amount: Decimal, currency: str) -> bool:
    """Whether the amount has no more decimals than the currency."""
    return decimals_used(amount) <= decimals_of(currency)


def total(amounts: Sequence[Decimal]) -> Decimal:
    """An exact sum; zero for none."""
    result = Decimal(0)
    for amount in amounts:
        result = EXACT.add(result, amount)
    return result


def split(amount: Decimal, weights: Sequence[Decimal], decimals: int) -> tuple[Decimal, ...]:
    """Splits in whole minor units by largest remainder, ties to the first; the shares add up to the amount exactly.

    What is finer than a minor unit (a cost line has more decimals than its currency) goes to the share with the
    largest weight, the first of them, so that every other share is a payable amount and no digit is lost.
    """
    if not weights or any(weight < 0 for weight in weights) or not any(weights):
        raise ValueError("a split needs weights of zero or more, and one above zero")
    unit = Decimal(1).scaleb(-decimals)
    whole = amount.quantize(unit, context=EXACT)
    units = int(whole.scaleb(decimals, context=EXACT))
    sign, units = (-1, -units) if units < 0 else (1, units)
    numerators = _as_integers(weights)
    parts = [divmod(units * numerator, sum(numerators)) for numerator in numerators]
    by_remainder = sorted(range(len(parts)), key=lambda n: (-parts[n][1], n))
    extra = set(by_remainder[: units - sum(part for part, _ in parts)])
    units_of = [sign * (part + (n in extra)) for n, (part, _) in enumerate(parts)]
    shares = [Decimal(share).scaleb(-decimals, context=EXACT) for share in units_of]
    heaviest = max(range(len(weights)), key=lambda n: (weights[n], -n))
    shares[heaviest] = EXACT.add(shares[heaviest], EXACT.subtract(amount, whole))
    return tuple(shares)


def _as_integers(weights: Sequence[Decimal]) -> list[int]:
    finest = max(decimals_used(weight) for weight in weights)
    return [int(weight.scaleb(finest, context=EXACT)) for weight in weights]
