"""Amounts as people write them in spreadsheets: understood, or refused with what would be right; never misread.

What can be read in two ways is refused. `1.500` is fifteen hundred in Berlin and one and a half in Boston, so more
decimals than the currency has are refused even where they are zeros; `1,234` is a thousand and more, except in a
currency with three or four decimals, where it may as well be a bit over one.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from domain.budget_file_problem import Fault
from domain.money import KNOWN_CURRENCIES, decimals_of

WHOLE_DIGITS_MAX = 18
"""Digits before the decimal point: 200,000 such amounts still add up exactly."""
THOUSANDS_DIGITS = 3

# `$` and `¥` are the signs of several currencies; alone they mean those that they mostly mean, and no other.
CURRENCY_OF_SIGN = {"$": "USD", "US$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR", "₩": "KRW"}

_PLAIN = re.compile(r"(0|[1-9]\d*)(?:\.(\d+))?", re.ASCII)
_GROUPED = re.compile(r"([1-9]\d{0,2}(?:,\d{3})+)(?:\.(\d+))?", re.ASCII)
_MARK = r"US\$|[$€£¥₹₩]|[A-Z]{3}"
_BEFORE = re.compile(rf"({_MARK})[ \u00a0]?(?=[\d(.,\-−])")
_AFTER = re.compile(rf"(?<=[\d)])[ \u00a0]?({_MARK})")
_SCIENTIFIC = re.compile(r"[\d.,]+[eE][+-]?\d+")
_FIGURES_ONLY = re.compile(r"[\d.,'’ \u00a0\u202f]*\d[\d.,'’ \u00a0\u202f]*", re.ASCII)
_MINUS = ("-", "−")
_EXAMPLE = "write a number such as 1234.50"

EMPTY = Fault("is empty", "write an amount such as 1234.50, or 0")
NO_AMOUNT = Fault("is not an amount", _EXAMPLE)


class _Bare(NamedTuple):
    """A cell without what may surround a number."""

    number: str
    marks: tuple[str, ...]
    negative: bool


def read_amount(text: str, currency: str) -> Decimal | Fault:
    """The amount in a cell, zero or more, with at most the currency's decimals."""
    return Decimal(text) if usual_form(currency).fullmatch(text) else _unusual(text.strip(" "), currency)


@lru_cache
def usual_form(currency: str) -> re.Pattern[str]:
    """Nearly all cells of a large file match this, and need no second look."""
    decimals = decimals_of(currency)
    fraction = rf"(?:\.\d{{1,{decimals}}})?" if decimals else ""
    return re.compile(rf"(?:0|[1-9]\d{{0,{WHOLE_DIGITS_MAX - 1}}}){fraction}", re.ASCII)


def _unusual(text: str, currency: str) -> Decimal | Fault:
    if not text:
        return EMPTY
    bare = _peeled(text)
    match = _PLAIN.fullmatch(bare.number) or _GROUPED.fullmatch(bare.number)
    if len(bare.marks) > 1 or (bare.marks and _currency(bare.marks[0]) is None):
        return NO_AMOUNT
    if match is None:
        return _not_an_amount(text, bare.number)
    if fault := _fault(bare, match[1], match[2] or "", currency):
        return fault
    return Decimal(bare.number.replace(",", ""))


def _fault(bare: _Bare, whole: str, fraction: str, currency: str) -> Fault | None:
    if bare.marks and (other := _currency(bare.marks[0])) != currency:
        return Fault(
            f"is in {other}, but this budget is in {currency}",
            f"convert it to {currency}; one file holds one currency, which need not be written",
        )
    if bare.negative:
        return Fault("is below zero", "a budget is zero or more")
    decimals = decimals_of(currency)
    if len(fraction) > decimals:
        allowed = f"write at most {decimals} decimals" if decimals else "write a whole number"
        found = "1 decimal" if len(fraction) == 1 else f"{len(fraction)} decimals"
        return Fault(f"has {found}, and {currency} has {decimals or 'none'}", allowed)
    if whole.count(",") == 1 and not fraction and decimals >= THOUSANDS_DIGITS:
        digits = whole.replace(",", "")
        return Fault(
            "can be read in two ways, with a comma for thousands or for decimals",
            f"write {digits} or {whole.replace(',', '.')}",
        )
    if len(whole.replace(",", "")) > WHOLE_DIGITS_MAX:
        return Fault(f"has more than {WHOLE_DIGITS_MAX} digits before the point", "check the amount")
    return None


def _peeled(text: str) -> _Bare:
    """Takes off parentheses, minus signs and currencies, in whatever order they surround the number."""
    marks: list[str] = []
    negative = False
    while True:
        if text.startswith("(") and text.endswith(")"):
            text, negative = text[1:-1].strip(" "), True
        elif text.startswith(_MINUS):
            text, negative = text[1:].lstrip(" "), True
        elif text.endswith(_MINUS) and len(text) > 1:
            text, negative = text[:-1].rstrip(" "), True
        elif match := _BEFORE.match(text):
            marks.append(match[1])
            text = text[match.end() :]
        elif (match := _AFTER.search(text)) and match.end() == len(text):
            marks.append(match[1])
            text = text[: match.start()]
        else:
            return _Bare(text, tuple(marks), negative)


def _currency(mark: str) -> str | None:
    return CURRENCY_OF_SIGN.get(mark) or (mark if mark in KNOWN_CURRENCIES else None)


def _not_an_amount(text: str, number: str) -> Fault:
    if _SCIENTIFIC.fullmatch(number):
        return Fault("is in scientific notation, which may have lost digits", "write all digits, such as 100000")
    if any(character.isdigit() and not character.isascii() for character in text):
        return Fault("is not written with the digits 0 to 9", _EXAMPLE)
    if re.fullmatch(r"0\d+(\.\d+)?", number, re.ASCII):
        return Fault("begins with a zero, like a code", _EXAMPLE)
    if _FIGURES_ONLY.fullmatch(number):
        return Fault(
            "can be read in more than one way",
            "write 1234.50, or 1,234.50 with commas between thousands and a point before decimals",
        )
    return NO_AMOUNT
