"""What time does to a schedule: reminders, escalation, the end of the fiscal year."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from domain.business_days import BusinessCalendar
from domain.calendar import FiscalCalendar
from domain.decision import Actor, Event, Organization, Persona
from domain.errors import Forbidden
from domain.hierarchy import NodePath
from domain.schedule_commands import year_ends_at
from domain.waiting import REMINDERS_MAX, Overdue, Waiting, waiting_stream
from tests.domain import schedule_given as given
from tests.domain.schedule_given import NOBODY, PORTFOLIO, STREAM, refused, schedule_of
from tests.domain.specs import ADMIN, CHECKOUT, LEAD, OWNER, SYSTEM_ACTOR, decide, fold

WAITS: list[tuple[list[Event], Persona, NodePath]] = [
    (given.PENDING, Persona.PORTFOLIO_OWNER, PORTFOLIO),
    (given.REJECTED, Persona.PRODUCT_OWNER, CHECKOUT),
    (given.REQUESTED, Persona.PORTFOLIO_OWNER, PORTFOLIO),
    (given.ATTACHED, Persona.PORTFOLIO_OWNER, PORTFOLIO),
    (given.RESCHEDULING, Persona.PRODUCT_OWNER, CHECKOUT),
    (given.PENDING_AGAIN, Persona.PORTFOLIO_OWNER, PORTFOLIO),
]
NOBODY_WAITS = [given.DRAFT, given.TAKEN_BACK, given.APPROVED, given.OVER_BUDGET, given.CLOSED]


def waiting_of(facts: list[Event]) -> Waiting:
    found: Waiting = fold(facts, [given.WAITING])[given.WAITING]
    return found


@pytest.mark.parametrize(("facts", "persona", "node"), WAITS)
def test_whoever_has_to_act_is_reminded(facts: list[Event], persona: Persona, node: NodePath) -> None:
    turn = schedule_of(facts).turn
    decision = decide(given.remind(turn), SYSTEM_ACTOR, facts)
    assert decision.events == [given.reminded(turn, 1, persona, node)]
    assert decision.message == "Reminded."
    again = decide(given.remind(turn, 2), SYSTEM_ACTOR, [*facts, *decision.events])
    assert again.events == [given.reminded(turn, 2, persona, node)]


@pytest.mark.parametrize(("facts", "persona", "node"), WAITS)
def test_what_waited_too_long_is_given_to_the_level_above(facts: list[Event], persona: Persona, node: NodePath) -> None:
    turn = schedule_of(facts).turn
    decision = decide(given.escalate(turn), SYSTEM_ACTOR, facts)
    assert decision.events == [given.escalated(turn, Overdue.WAITED_TOO_LONG, persona, node)]
    assert decision.message == "Escalated."
    again = decide(given.escalate(turn), SYSTEM_ACTOR, [*facts, *decision.events])
    assert (again.events, again.message) == ((), "There is nothing to escalate.")


@pytest.mark.parametrize("facts", NOBODY_WAITS)
def test_where_nobody_waits_nobody_is_reminded(facts: list[Event]) -> None:
    turn = schedule_of(facts).turn
    answer = decide(given.remind(turn), SYSTEM_ACTOR, facts)
    assert (answer.events, answer.message) == ((), "There is nobody to be reminded.")
    assert decide(given.escalate(turn), SYSTEM_ACTOR, facts).events == ()


def test_a_turn_that_is_over_waits_for_nobody() -> None:
    facts = [*given.PENDING, given.withdrawn(), given.submitted()]
    for turn in (1, 2, 4):
        assert decide(given.remind(turn), SYSTEM_ACTOR, facts).events == ()
        assert decide(given.escalate(turn), SYSTEM_ACTOR, facts).events == ()
    assert decide(given.remind(3), SYSTEM_ACTOR, facts).events


def test_each_reminder_is_recorded_once() -> None:
    facts = [*given.PENDING, given.reminded(1, 1), given.reminded(1, 2)]
    for count in (1, 2):
        assert decide(given.remind(1, count), SYSTEM_ACTOR, facts).events == ()
    assert decide(given.remind(1, 3), SYSTEM_ACTOR, facts).events


def test_there_are_400_reminders_in_one_turn_at_most() -> None:
    last = decide(given.remind(1, REMINDERS_MAX), SYSTEM_ACTOR, [*given.PENDING, given.reminded(1, REMINDERS_MAX - 1)])
    assert last.events == [given.reminded(1, REMINDERS_MAX)]
    facts = [*given.PENDING, *last.events]
    assert decide(given.remind(1, REMINDERS_MAX + 1), SYSTEM_ACTOR, facts).events == ()


def test_reminders_are_counted_anew_in_each_turn() -> None:
    facts = [*given.PENDING, given.reminded(1, 1), given.reminded(1, 2), given.withdrawn(), given.submitted()]
    assert waiting_of(facts).reminded(1) == 2
    assert waiting_of(facts).reminded(3) == 0
    assert decide(given.remind(3, 1), SYSTEM_ACTOR, facts).events
    assert waiting_of([*facts, given.reminded(3, 1)]).reminded(1) == 0


def test_an_escalation_is_of_its_turn() -> None:
    assert not waiting_of([]).escalated(0)
    escalated = waiting_of([given.escalated(4), given.reminded(4, 3)])
    assert escalated.escalated(4)
    assert not escalated.escalated(5)
    assert not escalated.escalated(0)
    assert escalated.reminded(4) == 3


def test_where_nobody_is_left_the_reason_says_so() -> None:
    nobody = Overdue.NOBODY_LEFT
    left = [*given.PENDING, given.removed("lead")]
    assert decide(given.escalate(1), SYSTEM_ACTOR, left).events == [given.escalated(1, nobody)]
    own = [given.DRAFT[0], given.appointed("both"), given.submitted(by="both")]
    assert decide(given.escalate(1), SYSTEM_ACTOR, own).events == [given.escalated(1, nobody)]


def test_the_owner_of_the_portfolio_does_not_matter_where_the_product_owner_has_to_act() -> None:
    facts = [*given.REJECTED, given.removed("lead")]
    decision = decide(given.escalate(2), SYSTEM_ACTOR, facts)
    assert decision.events == [given.escalated(2, Overdue.WAITED_TOO_LONG, Persona.PRODUCT_OWNER, CHECKOUT)]


def test_waiting_does_not_move_the_version_that_somebody_decides_on() -> None:
    facts = [*given.PENDING, given.reminded(1), given.escalated(1)]
    assert schedule_of(facts) == schedule_of(given.PENDING)
    assert str(waiting_stream(STREAM)) == "waiting/schedule/2026/Retail/Digital/Web/Checkout"


@pytest.mark.parametrize("who", [OWNER, LEAD, ADMIN, NOBODY])
def test_only_allot_itself_reminds_escalates_and_ends_a_year(who: Actor) -> None:
    for command in (given.remind(1), given.escalate(1), given.end_year()):
        refusal = refused(command, who, given.PENDING, now=AFTER)
        assert isinstance(refusal, Forbidden)
        assert refusal.code == "SystemOnly"
        assert refusal.message == "Only Allot itself reminds, escalates and ends a year."


# The end of the year

AFTER = datetime(2027, 1, 1, tzinfo=UTC)
BEFORE = AFTER - timedelta(microseconds=1)


@pytest.mark.parametrize("facts", [facts for facts, _, _ in WAITS])
def test_a_round_that_is_open_ends_with_its_year(facts: list[Event]) -> None:
    schedule = schedule_of(facts)
    decision = decide(given.end_year(), SYSTEM_ACTOR, facts, now=AFTER)
    assert decision.events == [given.year_ended(schedule.round, schedule.state)]
    assert decision.message == "Ended with the fiscal year 2026."
    early = decide(given.end_year(), SYSTEM_ACTOR, facts, now=BEFORE)
    assert (early.events, early.message) == ((), "No round is open, or the year has not ended.")
    assert decide(given.end_year(), SYSTEM_ACTOR, [*facts, *decision.events], now=AFTER).events == ()


@pytest.mark.parametrize("facts", NOBODY_WAITS)
def test_what_waits_for_nobody_ends_without_a_record(facts: list[Event]) -> None:
    assert decide(given.end_year(), SYSTEM_ACTOR, facts, now=AFTER).events == ()


def test_after_days_of_grace_a_year_is_over() -> None:
    grace = Organization("USD", business=BusinessCalendar(year_grace_days=10))
    assert year_ends_at(2026, grace) == datetime(2027, 1, 11, tzinfo=UTC)
    last_moment = datetime(2027, 1, 11, tzinfo=UTC) - timedelta(microseconds=1)
    assert decide(given.approve(1), LEAD, given.PENDING, now=last_moment, organization=grace).events
    assert decide(given.end_year(), SYSTEM_ACTOR, given.PENDING, now=last_moment, organization=grace).events == ()
    over = datetime(2027, 1, 11, tzinfo=UTC)
    assert refused(given.approve(1), LEAD, given.PENDING, now=over, organization=grace).message == (
        "The fiscal year 2026 was over by 2027-01-11: its schedules are not decided on any more."
    )
    assert decide(given.end_year(), SYSTEM_ACTOR, given.PENDING, now=over, organization=grace).events


def test_a_year_ends_at_midnight_in_the_office_after_its_last_month() -> None:
    berlin = BusinessCalendar(ZoneInfo("Europe/Berlin"))
    assert year_ends_at(2026, Organization(business=berlin)) == datetime(2026, 12, 31, 23, tzinfo=UTC)
    april = Organization(calendar=FiscalCalendar(4), business=berlin)
    assert year_ends_at(2026, april) == datetime(2026, 3, 31, 22, tzinfo=UTC)
    leap = Organization(calendar=FiscalCalendar(3))
    assert year_ends_at(2028, leap) == datetime(2028, 3, 1, tzinfo=UTC)
    assert year_ends_at(2027, leap) == datetime(2027, 3, 1, tzinfo=UTC)
