"""Closed months: who closes and opens them, and when."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from domain.business_days import BusinessCalendar
from domain.calendar import FiscalCalendar, Month
from domain.closing import ClosedMonths, CloseMonth, MonthClosed, MonthReopened, ReopenMonth, closing_stream
from domain.decision import Event, Organization, Stream
from domain.errors import Forbidden
from tests.domain.schedule_given import HEAD, closed, refused, reopened
from tests.domain.specs import ADMIN, LEAD, OWNER, SYSTEM_ACTOR, command_id, decide, fold

MAY = Month(2026, 5)
JUNE = Month(2026, 6)
STREAM = closing_stream(2026)


def close(month: Month = MAY, note: str = "") -> CloseMonth:
    return CloseMonth(command_id=command_id(), actor="x", month=month, note=note)


def reopen(month: Month = MAY, reason: str = "late invoice") -> ReopenMonth:
    return ReopenMonth(command_id=command_id(), actor="x", month=month, reason=reason)


def months_closed(given: list[Event]) -> ClosedMonths:
    found: ClosedMonths = fold(given, [STREAM])[STREAM]
    return found


def test_finance_closes_a_month_that_has_ended() -> None:
    decision = decide(close(note="invoiced"), ADMIN)
    assert decision.events == [Event(STREAM, MonthClosed(fiscal_year=2026, month=MAY, note="invoiced"))]
    assert decision.message == "2026-05 is closed."
    assert decision.authority.policies == ("month-close",)


def test_a_month_ends_with_its_last_day_in_the_office() -> None:
    """On Kiritimati, July begins fourteen hours before it does in UTC."""
    office = Organization("USD", business=BusinessCalendar(ZoneInfo("Pacific/Kiritimati")))
    last = datetime(2026, 6, 30, 9, 59, tzinfo=UTC)
    refusal = refused(close(JUNE), ADMIN, [], now=last, organization=office)
    assert (refusal.code, refusal.message) == (
        "MonthOpen",
        "2026-06 has not ended yet: close it after 2026-06-30.",
    )
    assert decide(close(JUNE), ADMIN, now=last.replace(hour=10, minute=0), organization=office).events


def test_closing_twice_changes_nothing() -> None:
    again = decide(close(), ADMIN, closed(MAY))
    assert (again.events, again.message) == ((), "2026-05 is closed already; nothing changed.")


def test_a_closed_month_is_opened_again_with_a_reason() -> None:
    decision = decide(reopen(), ADMIN, closed(MAY))
    assert decision.events == [Event(STREAM, MonthReopened(fiscal_year=2026, month=MAY, reason="late invoice"))]
    assert decision.message == "2026-05 is open again."
    assert decision.authority.policies == ("month-close",)
    assert decide(close(), ADMIN, [*closed(MAY), reopened(MAY)]).events


def test_opening_what_is_open_changes_nothing() -> None:
    for given in ([], closed(JUNE), [*closed(MAY), reopened(MAY)]):
        answer = decide(reopen(), ADMIN, given)
        assert (answer.events, answer.message) == ((), "2026-05 is not closed; nothing changed.")


def test_months_are_closed_one_by_one() -> None:
    assert months_closed(closed(MAY, JUNE)) == {MAY, JUNE}
    assert months_closed([*closed(MAY, JUNE), reopened(MAY)]) == {JUNE}


def test_only_finance_and_allot_itself_close_months() -> None:
    for command in (close(), reopen()):
        given = closed(MAY) if command.kind == "closing.ReopenMonth" else []
        assert decide(command, SYSTEM_ACTOR, given).events
        for other in (OWNER, LEAD, HEAD):
            refusal = refused(command, other, given)
            assert isinstance(refusal, Forbidden)
            assert (
                refusal.message
                == "To close month on / one must be financial_admin there; ask a Financial Admin " + ("for a grant.")
            )


@pytest.mark.parametrize(("first_month", "year"), [(1, 2026), (5, 2027), (6, 2026)])
def test_a_month_belongs_to_its_fiscal_year(first_month: int, year: int) -> None:
    organization = Organization("USD", FiscalCalendar(first_month))
    (event,) = decide(close(), ADMIN, organization=organization).events
    assert event.stream == closing_stream(year) == Stream("closing", str(year))
    assert isinstance(event.fact, MonthClosed)
    assert event.fact.fiscal_year == year


def test_a_refusal_is_shown_with_the_month() -> None:
    assert close().subject == reopen().subject == Stream("closing", "2026-05")
