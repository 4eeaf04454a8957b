"""Business days of the organization: Monday to Friday, less its holidays, in its own time zone.

Waiting is counted in them (product rules, section 4). All instants are UTC; days and wall clocks are the office's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

WAIT_DAYS_MAX = 250
"""Business days of a wait until a reminder or an escalation: about a year."""
HOLIDAYS_MAX = 2_000
HOLIDAYS_IN_A_ROW_MAX = 366
"""Days without a business day among them; an organization that never works could not be waited for."""
YEAR_GRACE_DAYS_MAX = 36_500
_SATURDAY = 5


@dataclass(frozen=True, slots=True)
class BusinessCalendar:
    """When the organization works, and how long it lets people wait."""

    time_zone: tzinfo = UTC
    holidays: frozenset[date] = frozenset()
    reminder_days: int = 2
    """Business days until somebody is reminded, and again after each so many."""
    escalation_days: int = 5
    """Business days until the level above gets the task, too."""
    year_grace_days: int = 0
    """Days after the end of a fiscal year in which its schedules can still be decided on."""

    def __post_init__(self) -> None:
        for days in (self.reminder_days, self.escalation_days):
            if not 1 <= days <= WAIT_DAYS_MAX:
                raise ValueError(f"a wait is 1 to {WAIT_DAYS_MAX} business days long")
        if not 0 <= self.year_grace_days <= YEAR_GRACE_DAYS_MAX:
            raise ValueError(f"a fiscal year stays open for 0 to {YEAR_GRACE_DAYS_MAX:,} days")
        if len(self.holidays) > HOLIDAYS_MAX:
            raise ValueError(f"at most {HOLIDAYS_MAX:,} holidays are kept")

    def day_of(self, instant: datetime) -> date:
        """The day in the office at that instant."""
        return instant.astimezone(self.time_zone).date()

    def is_business_day(self, day: date) -> bool:
        return day.weekday() < _SATURDAY and day not in self.holidays

    def start_of(self, day: date) -> datetime:
        """Midnight in the office, as UTC."""
        return self._instant(day, time.min)

    def after(self, start: datetime, business_days: int) -> datetime:
        """The instant after so many whole business days: at the same time of day as the start.

        What starts on a day off is counted from the beginning of the next business day. A time of day that is left out
        when clocks go forward is the same instant an hour later by the new clock; one that comes twice is the first.
        """
        local = start.astimezone(self.time_zone)
        day, clock = local.date(), local.time()
        if not self.is_business_day(day):
            day, clock = self._next_business_day(day), time.min
        elif business_days == 0:
            return start.astimezone(UTC)  # by the clock alone, the second of two hours would become the first
        for _ in range(business_days):
            day = self._next_business_day(day)
        return self._instant(day, clock)

    def between(self, start: datetime, end: datetime) -> int:
        """Whole business days from one instant to a later one: the highest number that `after` puts at or before it."""
        days = 0
        first, last = self.day_of(start), self.day_of(end)
        if last > first:
            days = sum(self.is_business_day(first + timedelta(n)) for n in range(1, (last - first).days + 1))
        while days and self.after(start, days) > end:
            days -= 1
        return days

    def _next_business_day(self, day: date) -> date:
        for _ in range(HOLIDAYS_IN_A_ROW_MAX):
            day += timedelta(days=1)
            if self.is_business_day(day):
                return day
        raise ValueError(f"there is no business day within {HOLIDAYS_IN_A_ROW_MAX} days after {day}")

    def _instant(self, day: date, clock: time) -> datetime:
        return datetime.combine(day, clock.replace(fold=0), tzinfo=self.time_zone).astimezone(UTC)


PLAIN_WEEK = BusinessCalendar()
"""Mondays to Fridays in UTC, without a holiday."""
