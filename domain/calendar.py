"""Months and fiscal years. Pure date arithmetic: nobody here knows what day it is."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Self

from pydantic import Field

from domain.model import TextValue

MONTHS_OF_YEAR = 12
YEAR_MIN, YEAR_MAX = 2000, 2199
FISCAL_YEAR_MIN, FISCAL_YEAR_MAX = YEAR_MIN + 1, YEAR_MAX - 1
"""A fiscal year may begin in the year before the one it is named after, and its neighbours are asked for, too."""
Day = Annotated[date, Field(ge=date(YEAR_MIN, 1, 1), le=date(YEAR_MAX, 12, 31))]
"""A day whose month exists here."""
_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])", re.ASCII)
_SUNDAY = 6
DAYS_OF_WEEK = 7


@dataclass(frozen=True, slots=True, order=True)
class Month(TextValue):
    """A calendar month, written `2026-05`. AWS bills by calendar months in UTC."""

    year: int
    month: int

    def __post_init__(self) -> None:
        if not (YEAR_MIN <= self.year <= YEAR_MAX and 1 <= self.month <= MONTHS_OF_YEAR):
            raise ValueError(f"{self.year}-{self.month} is not a month from {YEAR_MIN} to {YEAR_MAX}")

    @classmethod
    def parse(cls, text: str) -> Self:
        if not (match := _MONTH.fullmatch(text)):
            raise ValueError("a month is written YYYY-MM, such as 2026-05")
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def of(cls, day: date) -> Self:
        return cls(day.year, day.month)

    @property
    def first_day(self) -> date:
        return date(self.year, self.month, 1)

    def plus(self, months: int) -> Month:
        count = self.year * MONTHS_OF_YEAR + self.month - 1 + months
        return Month(count // MONTHS_OF_YEAR, count % MONTHS_OF_YEAR + 1)

    @property
    def last_day(self) -> date:
        return self.first_day.replace(day=monthrange(self.year, self.month)[1])

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"


@dataclass(frozen=True, slots=True)
class FiscalCalendar:
    """Twelve months from a configurable first one; a fiscal year is named by the year it ends in."""

    first_month: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.first_month <= MONTHS_OF_YEAR:
            raise ValueError("the first month of a fiscal year is 1 to 12")

    def first_month_of(self, fiscal_year: int) -> Month:
        return Month(fiscal_year if self.first_month == 1 else fiscal_year - 1, self.first_month)

    def months(self, fiscal_year: int) -> tuple[Month, ...]:
        """The twelve months, in order."""
        first = self.first_month_of(fiscal_year)
        return tuple(first.plus(n) for n in range(MONTHS_OF_YEAR))

    def fiscal_year_of(self, month: Month) -> int:
        return month.year if self.first_month == 1 or month.month < self.first_month else month.year + 1


def starts_spend_period(day: date) -> bool:
    """Whether a month or a business week (Sunday to Saturday, cut at month ends) starts on that day."""
    return day.day == 1 or day.weekday() == _SUNDAY


def spend_period_of(day: date) -> date:
    """The first day of the business week that the day is in."""
    return max(day.replace(day=1), day - timedelta(days=(day.weekday() - _SUNDAY) % DAYS_OF_WEEK))


def next_spend_period(day: date) -> date:
    """The first day on or after that one on which a month or a business week starts."""
    while not starts_spend_period(day):
        day += timedelta(days=1)
    return day


def days(first: date, last: date) -> Iterator[date]:
    """Each day from first to last, both included."""
    for n in range((last - first).days + 1):
        yield first + timedelta(days=n)
