"""Months and fiscal years."""

from __future__ import annotations

import itertools
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.calendar import FISCAL_YEAR_MAX, FISCAL_YEAR_MIN, FiscalCalendar, Month, days, starts_spend_period

months = st.builds(Month, st.integers(2001, 2198), st.integers(1, 12))
calendars = st.builds(FiscalCalendar, st.integers(1, 12))


@given(month=months)
def test_a_month_reads_back_from_its_text(month: Month) -> None:
    assert Month.parse(str(month)) == month


@pytest.mark.parametrize("text", ["2026-13", "2026-00", "26-01", "2026-1", "2026-01-01", " 2026-01", "２０２６-01", ""])
def test_other_text_is_not_a_month(text: str) -> None:
    with pytest.raises(ValueError, match=r"^a month is written YYYY-MM, such as 2026-05$"):
        Month.parse(text)


def test_years_far_away_are_not_months() -> None:
    with pytest.raises(ValueError, match="from 2000 to 2199"):
        Month(1999, 12)


@given(month=months, count=st.integers(-12, 12))
def test_adding_months_can_be_undone(month: Month, count: int) -> None:
    assert month.plus(count).plus(-count) == month


@given(month=months)
def test_the_last_day_is_the_day_before_the_next_month(month: Month) -> None:
    assert month.last_day + timedelta(days=1) == month.plus(1).first_day
    assert Month.of(month.last_day) == month


@given(calendar=calendars, year=st.integers(2002, 2197))
def test_a_fiscal_year_has_twelve_consecutive_months_and_is_named_by_its_last(
    calendar: FiscalCalendar, year: int
) -> None:
    found = calendar.months(year)
    assert len(found) == 12
    assert all(a.plus(1) == b for a, b in itertools.pairwise(found))
    assert found[-1].year == year
    assert all(calendar.fiscal_year_of(month) == year for month in found)


def test_a_fiscal_year_from_april_starts_in_the_year_before() -> None:
    assert [str(month) for month in FiscalCalendar(4).months(2026)][::11] == ["2025-04", "2026-03"]


def test_leap_years_have_their_day() -> None:
    assert Month(2028, 2).last_day == date(2028, 2, 29)
    assert len(list(days(Month(2028, 2).first_day, Month(2028, 2).last_day))) == 29


def test_spend_periods_start_on_the_first_and_on_sundays() -> None:
    starts = [day.day for day in days(date(2026, 5, 1), date(2026, 5, 31)) if starts_spend_period(day)]
    assert starts == [1, 3, 10, 17, 24, 31]


@pytest.mark.parametrize("first_month", range(1, 13))
@pytest.mark.parametrize("year", [FISCAL_YEAR_MIN, FISCAL_YEAR_MAX])
def test_the_first_and_last_fiscal_years_have_twelve_whole_months(first_month: int, year: int) -> None:
    found = FiscalCalendar(first_month).months(year)
    assert len(found) == 12
    assert found[0].first_day < found[-1].last_day


def test_the_very_last_month_has_a_last_day() -> None:
    assert Month(2199, 12).last_day == date(2199, 12, 31)


@pytest.mark.parametrize("first_month", [0, 13, -1])
def test_a_fiscal_year_begins_with_a_month(first_month: int) -> None:
    with pytest.raises(ValueError, match=r"^the first month of a fiscal year is 1 to 12$"):
        FiscalCalendar(first_month)
