"""Business days: weekends, holidays, and clocks that are moved, against a slow count of each day."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from domain.business_days import (
    HOLIDAYS_IN_A_ROW_MAX,
    HOLIDAYS_MAX,
    PLAIN_WEEK,
    WAIT_DAYS_MAX,
    YEAR_GRACE_DAYS_MAX,
    BusinessCalendar,
)

BERLIN = BusinessCalendar(ZoneInfo("Europe/Berlin"))
NEW_YORK = BusinessCalendar(ZoneInfo("America/New_York"))
CAIRO = BusinessCalendar(ZoneInfo("Africa/Cairo"))
ASUNCION = BusinessCalendar(ZoneInfo("America/Asuncion"))
BEIRUT = BusinessCalendar(ZoneInfo("Asia/Beirut"))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def at(calendar: BusinessCalendar, text: str) -> datetime:
    """By the clock of the office."""
    return datetime.fromisoformat(text).replace(tzinfo=calendar.time_zone).astimezone(UTC)


def clock(calendar: BusinessCalendar, instant: datetime) -> str:
    return instant.astimezone(calendar.time_zone).strftime("%Y-%m-%d %H:%M")


WEEK = [
    ("2026-06-15 09:30", 1, "2026-06-16 09:30"),  # Monday to Tuesday
    ("2026-06-15 09:30", 4, "2026-06-19 09:30"),  # to Friday
    ("2026-06-15 09:30", 5, "2026-06-22 09:30"),  # over a weekend
    ("2026-06-19 23:59", 1, "2026-06-22 23:59"),
    ("2026-06-19 09:30", 6, "2026-06-29 09:30"),  # over two
    ("2026-06-15 09:30", 0, "2026-06-15 09:30"),
    ("2026-06-20 09:30", 0, "2026-06-22 00:00"),  # what starts at a weekend starts on Monday
    ("2026-06-20 09:30", 1, "2026-06-23 00:00"),
    ("2026-06-21 23:59", 2, "2026-06-24 00:00"),
    ("2028-02-28 12:00", 1, "2028-02-29 12:00"),  # a leap day
    ("2028-02-28 12:00", 2, "2028-03-01 12:00"),
    ("2026-02-27 12:00", 1, "2026-03-02 12:00"),
    ("2026-12-31 12:00", 1, "2027-01-01 12:00"),
]


@pytest.mark.parametrize(("start", "days", "end"), WEEK)
def test_mondays_to_fridays_count(start: str, days: int, end: str) -> None:
    assert PLAIN_WEEK.after(utc(start), days) == utc(end)


def test_the_answer_is_in_utc() -> None:
    assert BERLIN.after(at(BERLIN, "2026-06-15 09:30"), 1).tzinfo is UTC
    assert BERLIN.start_of(date(2026, 6, 15)).tzinfo is UTC


def test_holidays_do_not_count() -> None:
    easter = BusinessCalendar(holidays=frozenset({date(2026, 4, 3), date(2026, 4, 6)}))
    assert easter.after(utc("2026-04-02 10:00"), 1) == utc("2026-04-07 10:00")
    assert easter.after(utc("2026-04-03 10:00"), 1) == utc("2026-04-08 00:00")
    assert not easter.is_business_day(date(2026, 4, 3))
    assert easter.is_business_day(date(2026, 4, 7))


def test_a_holiday_at_a_weekend_changes_nothing() -> None:
    calendar = BusinessCalendar(holidays=frozenset({date(2026, 6, 20)}))
    assert calendar.after(utc("2026-06-19 10:00"), 1) == utc("2026-06-22 10:00")


def test_a_run_of_holidays_is_a_year_long_at_most() -> None:
    def off(days: int) -> BusinessCalendar:
        first = date(2026, 6, 16)  # a Tuesday
        return BusinessCalendar(holidays=frozenset(first + timedelta(days=n) for n in range(days)))

    monday = utc("2026-06-15 10:00")
    assert off(HOLIDAYS_IN_A_ROW_MAX - 1).after(monday, 1) == monday + timedelta(days=HOLIDAYS_IN_A_ROW_MAX)
    with pytest.raises(ValueError, match="there is no business day within 366 days after 2027-06-16"):
        off(HOLIDAYS_IN_A_ROW_MAX).after(monday, 1)


LIMITS = [
    ({"reminder_days": 1}, {"reminder_days": 0}, "a wait is 1 to 250 business days long"),
    ({"reminder_days": WAIT_DAYS_MAX}, {"reminder_days": WAIT_DAYS_MAX + 1}, "a wait is 1 to 250 business days long"),
    ({"escalation_days": 1}, {"escalation_days": 0}, "a wait is 1 to 250 business days long"),
    (
        {"escalation_days": WAIT_DAYS_MAX},
        {"escalation_days": WAIT_DAYS_MAX + 1},
        "a wait is 1 to 250 business days long",
    ),
    ({"year_grace_days": 0}, {"year_grace_days": -1}, "a fiscal year stays open for 0 to 36,500 days"),
    (
        {"year_grace_days": YEAR_GRACE_DAYS_MAX},
        {"year_grace_days": YEAR_GRACE_DAYS_MAX + 1},
        "a fiscal year stays open for 0 to 36,500 days",
    ),
]


@pytest.mark.parametrize(("good", "bad", "message"), LIMITS)
def test_waits_and_grace_have_limits(good: dict[str, int], bad: dict[str, int], message: str) -> None:
    (name,) = good
    assert getattr(BusinessCalendar(**good), name) == good[name]  # type: ignore[arg-type]  # whole numbers by name
    with pytest.raises(ValueError, match=message) as refused:
        BusinessCalendar(**bad)  # type: ignore[arg-type]
    assert str(refused.value) == message


def test_holidays_have_a_limit() -> None:
    def some(count: int) -> frozenset[date]:
        return frozenset(date(2026, 1, 1) + timedelta(days=3 * n) for n in range(count))

    assert len(BusinessCalendar(holidays=some(HOLIDAYS_MAX)).holidays) == HOLIDAYS_MAX
    with pytest.raises(ValueError, match="at most 2,000 holidays are kept"):
        BusinessCalendar(holidays=some(HOLIDAYS_MAX + 1))


def test_the_usual_waits() -> None:
    assert (PLAIN_WEEK.reminder_days, PLAIN_WEEK.escalation_days, PLAIN_WEEK.year_grace_days) == (2, 5, 0)
    assert (PLAIN_WEEK.time_zone, PLAIN_WEEK.holidays) == (UTC, frozenset())


# Clocks that are moved

MOVED = [
    # Over the change, the clock on the wall shows the same: 23 or 25 hours less or more than whole days.
    (BERLIN, "2026-03-27 09:30", 1, "2026-03-30 09:30", timedelta(days=3, hours=-1)),
    (BERLIN, "2026-10-23 09:30", 1, "2026-10-26 09:30", timedelta(days=3, hours=1)),
    (NEW_YORK, "2026-03-06 17:00", 1, "2026-03-09 17:00", timedelta(days=3, hours=-1)),
    (NEW_YORK, "2026-10-30 17:00", 1, "2026-11-02 17:00", timedelta(days=3, hours=1)),
    # Cairo moves its clock on a Friday at midnight, and back in the last hour of a Thursday.
    (CAIRO, "2026-04-23 09:00", 1, "2026-04-24 09:00", timedelta(hours=23)),
    (CAIRO, "2026-04-23 00:30", 1, "2026-04-24 01:30", timedelta(days=1)),  # 00:30 is left out
    (CAIRO, "2026-10-28 23:30", 1, "2026-10-29 23:30", timedelta(days=1)),  # the first 23:30 of two
    (CAIRO, "2026-10-28 23:30", 2, "2026-10-30 23:30", timedelta(days=2, hours=1)),
    (ASUNCION, "2023-09-29 09:00", 1, "2023-10-02 09:00", timedelta(days=3, hours=-1)),
    (ASUNCION, "2024-03-22 09:00", 1, "2024-03-25 09:00", timedelta(days=3, hours=1)),
    (BEIRUT, "2026-03-27 09:00", 1, "2026-03-30 09:00", timedelta(days=3, hours=-1)),
    (BEIRUT, "2026-10-23 09:00", 1, "2026-10-26 09:00", timedelta(days=3, hours=1)),
]


@pytest.mark.parametrize(("calendar", "start", "days", "end", "elapsed"), MOVED)
def test_clocks_that_are_moved(calendar: BusinessCalendar, start: str, days: int, end: str, elapsed: timedelta) -> None:
    begun = at(calendar, start)
    due = calendar.after(begun, days)
    assert (clock(calendar, due), due - begun) == (end, elapsed)


MIDNIGHTS = [
    (BERLIN, date(2026, 3, 29), "2026-03-28 23:00"),
    (BERLIN, date(2026, 3, 30), "2026-03-29 22:00"),
    (NEW_YORK, date(2026, 11, 1), "2026-11-01 04:00"),
    (NEW_YORK, date(2026, 11, 2), "2026-11-02 05:00"),
    # No midnight on these days: they begin an hour later by the clock, without a gap in time.
    (CAIRO, date(2026, 4, 24), "2026-04-23 22:00"),
    (ASUNCION, date(2023, 10, 1), "2023-10-01 04:00"),
    (BEIRUT, date(2026, 3, 29), "2026-03-28 22:00"),
]


@pytest.mark.parametrize(("calendar", "day", "instant"), MIDNIGHTS)
def test_a_day_begins_at_midnight_in_the_office(calendar: BusinessCalendar, day: date, instant: str) -> None:
    start = calendar.start_of(day)
    assert start == utc(instant)
    assert calendar.day_of(start) == day
    assert calendar.day_of(start - timedelta(microseconds=1)) == day - timedelta(days=1)


def test_the_day_is_that_of_the_office() -> None:
    assert NEW_YORK.day_of(utc("2026-07-01 03:59")) == date(2026, 6, 30)
    assert NEW_YORK.day_of(utc("2026-07-01 04:00")) == date(2026, 7, 1)
    auckland = BusinessCalendar(ZoneInfo("Pacific/Auckland"))
    assert auckland.after(utc("2026-06-18 20:00"), 1) == utc("2026-06-21 20:00")  # Friday there


def test_no_wait_at_all_ends_where_it_starts_even_in_an_hour_that_comes_twice() -> None:
    second = utc("2026-10-29 20:30") + timedelta(hours=1)
    assert clock(CAIRO, second) == clock(CAIRO, second - timedelta(hours=1)) == "2026-10-29 23:30"
    assert CAIRO.after(second, 0) == second


def test_time_between_is_counted_in_whole_days() -> None:
    start = utc("2026-06-15 09:30")
    assert PLAIN_WEEK.between(start, start) == 0
    assert PLAIN_WEEK.between(start, utc("2026-06-16 09:29")) == 0
    assert PLAIN_WEEK.between(start, utc("2026-06-16 09:30")) == 1
    assert PLAIN_WEEK.between(start, utc("2026-06-22 09:29")) == 4
    assert PLAIN_WEEK.between(start, utc("2026-06-22 09:30")) == 5
    saturday = utc("2026-06-20 12:00")
    assert PLAIN_WEEK.between(saturday, utc("2026-06-22 23:59")) == 0
    assert PLAIN_WEEK.between(saturday, utc("2026-06-23 00:00")) == 1


def test_nothing_is_between_a_time_and_an_earlier_one() -> None:
    assert PLAIN_WEEK.between(utc("2026-06-16 09:30"), utc("2026-06-01 09:30")) == 0


# Against a slow reference

CALENDARS = st.builds(
    BusinessCalendar,
    time_zone=st.sampled_from([UTC, *(c.time_zone for c in (BERLIN, NEW_YORK, CAIRO, ASUNCION, BEIRUT))]),
    holidays=st.frozensets(st.dates(date(2023, 1, 1), date(2028, 12, 31)), max_size=40).map(
        lambda days: days | {day + timedelta(days=n) for day in list(days)[:3] for n in range(9)}
    ),
)
INSTANTS = st.datetimes(datetime(2023, 1, 1), datetime(2028, 6, 30)).map(lambda when: when.replace(tzinfo=UTC))  # noqa: DTZ001 - Hypothesis wants them naive
# Around the moments at which some office moves its clock.
CHANGES = [at(calendar, start) for calendar, start, *_ in MOVED]
NEAR_A_CHANGE = st.builds(
    lambda change, minutes: change + timedelta(minutes=minutes),
    st.sampled_from(CHANGES),
    st.integers(-6 * 24 * 60, 6 * 24 * 60),
)


def slow_after(calendar: BusinessCalendar, start: datetime, days: int) -> datetime:
    """By walking through each day of the office, one after the other."""
    here = start.astimezone(calendar.time_zone)
    wall, day = here.replace(tzinfo=None).time(), here.date()
    if day.weekday() not in range(5) or day in calendar.holidays:
        wall, days = time(0, 0), days + 1  # the beginning of the next business day is the first to be reached
    elif days == 0:
        return start
    while days:
        day += timedelta(days=1)
        if day.weekday() in range(5) and day not in calendar.holidays:
            days -= 1
    # The first instant at which the clock shows that time or, where it is left out, the time an hour later.
    midnight = datetime.combine(day, time(12), tzinfo=calendar.time_zone).astimezone(UTC) - timedelta(hours=14)
    step = timedelta(minutes=30)
    offsets = [(midnight + n * step).astimezone(calendar.time_zone).utcoffset() for n in range(60)]
    naive = datetime.combine(day, wall)
    for offset in dict.fromkeys(offsets):
        assert offset is not None
        instant = (naive - offset).replace(tzinfo=UTC)
        if instant.astimezone(calendar.time_zone).replace(tzinfo=None) == naive:
            return instant
    first = offsets[0]
    assert first is not None
    return (naive - first).replace(tzinfo=UTC)


@settings(max_examples=400, deadline=None)
@given(CALENDARS, st.one_of(INSTANTS, NEAR_A_CHANGE), st.integers(0, 30))
def test_waits_end_where_a_slow_count_ends(calendar: BusinessCalendar, start: datetime, days: int) -> None:
    assert calendar.after(start, days) == slow_after(calendar, start, days)


@settings(max_examples=400, deadline=None)
@given(CALENDARS, st.one_of(INSTANTS, NEAR_A_CHANGE), st.integers(0, 30), st.integers(0, 10**9))
def test_after_and_between_answer_each_other(
    calendar: BusinessCalendar, start: datetime, days: int, microseconds: int
) -> None:
    due = calendar.after(start, days)
    assert start <= due < calendar.after(start, days + 1)
    assert calendar.between(start, due) == days
    later = due + timedelta(microseconds=microseconds)
    assume(later < calendar.after(start, days + 1))
    assert calendar.between(start, later) == days


@settings(max_examples=300, deadline=None)
@given(CALENDARS, st.one_of(INSTANTS, NEAR_A_CHANGE), st.one_of(INSTANTS, NEAR_A_CHANGE))
def test_between_is_the_highest_number_that_is_reached(
    calendar: BusinessCalendar, one: datetime, other: datetime
) -> None:
    start, end = sorted((one, other))
    assume(end - start < timedelta(days=200))
    counted = 0
    while slow_after(calendar, start, counted + 1) <= end:
        counted += 1
    assert calendar.between(start, end) == counted
