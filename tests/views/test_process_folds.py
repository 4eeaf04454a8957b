"""Given events, then rows: the whole budget process, and the people in it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic_core import from_json

from domain.calendar import Month
from domain.decision import Persona
from domain.money import plain
from domain.schedule import Approved, RescheduleGranted, Schedule, ScheduleFact, awaited, evolve
from domain.waiting import Escalated, Reminded, Waiting
from domain.waiting import evolve as evolve_waiting
from tests.views.given import ANN, BOB, EVE, START, ListLog, approved, granted, line, loaded, registered, rejected
from tests.views.given import submitted as submit
from tests.views.given_process import (
    came_within,
    closed,
    deactivated,
    delegated,
    delegation_ended,
    denied,
    escalated,
    grant_withdrawn,
    granted_request,
    product_withdrawn,
    reactivated,
    reminded,
    reopened,
    requested,
    returned,
    revised,
    went_over,
    withdrawn,
    year_ended,
)
from tests.views.random_company import RandomCompany
from views.batch import BrokenLog
from views.projector import Projector

Ask = Callable[[str], list[tuple[Any, ...]]]
Fold = Callable[..., int]
CART, BOOKS = "Retail/Digital/Web/Cart", "Retail/Digital/Web/Books"
SCHEDULE = "SELECT state, version, turn, since, round, attached, returned, reason FROM schedules"
TASK = "SELECT kind, persona, node, version, detail, since, timed FROM tasks"
EVENTS = 4_000


def at(position: int) -> Any:
    return START + timedelta(seconds=position)


@pytest.fixture
def fold(log: ListLog, projector: Projector) -> Fold:
    def run(*events: Any) -> int:
        log.add(*events)
        return projector.catch_up()

    return run


def test_the_schedules_are_those_that_decisions_are_made_on(fold: Fold, rows: Ask, log: ListLog) -> None:
    """Against the domain's own fold, for every state that a random company gets into."""
    fold(*RandomCompany(11, products=150, accounts=2, import_every=EVENTS * 2).events(EVENTS))
    schedules: dict[str, Schedule] = {}
    waiting: dict[str, Waiting] = {}
    last: dict[str, Any] = {}
    for event in log.events:
        if isinstance(event.fact, ScheduleFact):
            schedules[event.stream] = evolve(schedules.get(event.stream, Schedule()), event.fact)
            last[event.stream] = event.fact
        elif isinstance(event.fact, Reminded | Escalated):
            waiting[event.fact.subject] = evolve_waiting(waiting.get(event.fact.subject, Waiting()), event.fact)
    columns = (
        "fiscal_year, product, state, version, turn, round, attached, over_budget_since IS NOT NULL, submitted::text, "
        "approved::text, submitted_by, submitted_for, reminders, escalated_at IS NOT NULL, trim_scale(planned)::text"
    )
    found = {f"schedule/{row[0]}/{row[1]}": row[2:] for row in rows(f"SELECT {columns} FROM schedules")}
    assert set(found) == set(schedules)
    assert len({schedule.state for schedule in schedules.values()}) >= 6
    for stream, schedule in schedules.items():
        told = waiting.get(stream, Waiting())
        row = found[stream]
        assert row[:6] == (
            schedule.state,
            schedule.version,
            schedule.turn,
            schedule.round,
            schedule.attached,
            schedule.over_budget,
        )
        assert from_json(row[6]) == _by_month(schedule.amounts)
        assert (from_json(row[7]) if row[7] else None) == (_by_month(schedule.approved) if schedule.approved else None)
        assert {person for person in row[8:10] if person} == schedule.submitters
        assert row[10:12] == (told.reminded(schedule.turn), told.escalated(schedule.turn)), stream
        assert Decimal(row[12]) == schedule.planned
    reasons = {f"schedule/{year}/{product}": reason for year, product, reason in rows(_REASONS)}
    for stream, schedule in schedules.items():
        if schedule.reason and not isinstance(last[stream], Approved | RescheduleGranted):
            assert reasons[stream] in (schedule.reason, "", "fine"), stream


_REASONS = "SELECT fiscal_year, product, reason FROM schedules"


def _by_month(amounts: Any) -> dict[str, str]:
    return {str(month): plain(amount) for month, amount in amounts.items()}


def test_whose_turn_it_is_is_what_the_domain_says(fold: Fold, rows: Ask, log: ListLog) -> None:
    company = RandomCompany(12, products=150, accounts=2, import_every=EVENTS * 2)
    fold(*company.events(EVENTS))
    schedules: dict[tuple[int, Any], Schedule] = {}
    for event in log.events:
        if isinstance(event.fact, ScheduleFact):
            key = event.fact.fiscal_year, event.fact.product
            schedules[key] = evolve(schedules.get(key, Schedule()), event.fact)
    gone = set(rows("SELECT fiscal_year, product FROM budget_lines WHERE withdrawn"))
    never = {(year, product) for year, product in rows("SELECT fiscal_year, product FROM budget_lines")} - gone
    expected = {(year, product): ("product_owner", product) for year, product in never}
    for (year, product), schedule in schedules.items():
        expected.pop((year, str(product)), None)
        turn = awaited(schedule, product)
        if turn and not ((year, str(product)) in gone and schedule.approved is None):
            expected[year, str(product)] = (turn[0].value, str(turn[1]))
    found = rows("SELECT fiscal_year, subject, persona, node FROM tasks WHERE fiscal_year > 0")
    assert {row[:2]: row[2:] for row in found} == expected
    assert gone
    assert len(expected) > 30


def test_a_new_turn_begins_with_the_state_and_not_with_every_fact(fold: Fold, rows: Ask) -> None:
    fold(line(CART, "100"), submit(CART, "1"), approved(CART), requested(CART, 2, reason="why"))
    assert rows(SCHEDULE) == [("RESCHEDULE_REQUESTED", 3, 3, at(4), 2, False, False, "why")]
    fold(went_over(CART))
    assert rows(SCHEDULE) == [("RESCHEDULE_REQUESTED", 4, 3, at(4), 2, False, False, "why")]
    assert rows("SELECT version, since, kind FROM tasks") == [(4, at(4), "decide_reschedule")]
    fold(granted_request(CART, note="go on"))
    assert rows(SCHEDULE) == [("RESCHEDULING", 5, 5, at(6), 2, False, False, "go on")]
    fold(withdrawn(CART))
    assert rows(SCHEDULE) == [("APPROVED", 6, 6, at(7), 2, False, False, "go on")]


def test_reminders_and_escalation_belong_to_their_turn(fold: Fold, rows: Ask) -> None:
    told = (
        "SELECT s.reminders, escalated_at, t.reminders, t.escalated, version "
        "FROM schedules s JOIN tasks t USING (version)"
    )
    fold(line(CART, "100"), submit(CART, "1"), reminded(CART, 1), reminded(CART, 1, 2), escalated(CART, 1))
    assert rows(told) == [(2, at(5), 2, True, 1)]
    fold(rejected(CART, "no"), reminded(CART, 1, 3), escalated(CART, 1))  # too late: that turn is over
    assert rows(told) == [(0, None, 0, False, 2)]
    with pytest.raises(BrokenLog, match=r"waiting\.Reminded at log position 9: there is no schedule"):
        fold(reminded(BOOKS, 1))


def test_an_attached_schedule_is_planned_by_the_decision_that_grants(fold: Fold, rows: Ask) -> None:
    fold(line(CART, "1000"), submit(CART, "1"), approved(CART), requested(CART, 2, "2", by=EVE, on_behalf_of=ANN))
    planned = "SELECT trim_scale(planned)::text, approved FROM rollup WHERE path = '/'"
    assert rows(planned) == [("12", 1)]
    assert rows("SELECT submitted_by, submitted_for, attached, note FROM schedules") == [(EVE, ANN, True, "")]
    assert rows("SELECT kind, not_by, detail FROM tasks") == [
        ("decide_reschedule", sorted([str(ANN), str(EVE)]), "a new plan")
    ]
    fold(granted_request(CART, version=3), approved(CART, version=3))
    assert rows(planned) == [("24", 1)]
    assert rows(TASK) == []


def test_a_denied_request_leaves_what_is_in_force(fold: Fold, rows: Ask) -> None:
    fold(line(CART, "1000"), submit(CART, "1"), approved(CART), requested(CART, 2, "2"), denied(CART, "not now"))
    assert rows(SCHEDULE) == [("APPROVED", 4, 4, at(5), 2, False, False, "not now")]
    assert rows("SELECT trim_scale(planned)::text, approved->>'2026-01' FROM schedules") == [("12", "1")]
    assert rows(TASK) == []


def test_a_returned_schedule_is_its_owners_task_with_the_reason(fold: Fold, rows: Ask) -> None:
    fold(line(CART, "100"), submit(CART, "1"), returned(CART, "The annual budget became 1.00 USD."))
    owner = ("revise_schedule", "product_owner", CART, 2, "The annual budget became 1.00 USD.", at(3), False)
    assert rows(TASK) == [owner]
    fold(submit(CART, "0"), withdrawn(CART))
    assert rows("SELECT kind, since FROM tasks") == [("submit_schedule", at(5))]  # taken back by its owner


def test_a_rejected_schedule_is_revised_and_then_submitted(fold: Fold, rows: Ask) -> None:
    fold(line(CART, "100"), submit(CART, "1", note="please"))
    assert rows(TASK) == [("approve_schedule", "portfolio_owner", "Retail/Digital/Web", 1, "please", at(2), True)]
    fold(rejected(CART, "too early"))
    assert rows(TASK) == [("revise_schedule", "product_owner", CART, 2, "too early", at(3), True)]
    fold(revised(CART))
    assert rows(TASK) == [("submit_schedule", "product_owner", CART, 3, "too early", at(4), False)]


def test_over_budget_is_a_task_until_it_fits_again(fold: Fold, rows: Ask) -> None:
    fold(line(CART, "100"), submit(CART, "1"), approved(CART), line(CART, "1"), went_over(CART))
    detail = "Planned 12.00 USD, which is over the annual budget of 1.00 USD."
    assert rows(TASK) == [("reschedule", "product_owner", CART, 3, detail, at(5), False)]
    assert rows("SELECT over_budget_since FROM schedules") == [(at(5),)]
    fold(requested(CART, 2), denied(CART, "not now"))  # and it is still over budget
    assert rows("SELECT kind, since FROM tasks") == [("reschedule", at(7))]
    fold(line(CART, "100"), came_within(CART))
    assert (rows(TASK), rows("SELECT over_budget_since FROM schedules")) == ([], [(None,)])


def test_a_fiscal_year_that_ended_leaves_no_open_round(fold: Fold, rows: Ask) -> None:
    fold(line(CART, "100"), submit(CART, "1"), year_ended(CART))
    fold(line(BOOKS, "100"), submit(BOOKS, "1"), approved(BOOKS), requested(BOOKS, 2), year_ended(BOOKS))
    assert rows("SELECT product, state FROM schedules ORDER BY 1") == [(BOOKS, "APPROVED"), (CART, "CLOSED")]
    assert rows(TASK) == []


def test_a_product_with_a_budget_waits_for_its_first_schedule(fold: Fold, rows: Ask) -> None:
    fold(line(CART, "100"), line(CART, "80"))
    assert rows(TASK) == [("submit_schedule", "product_owner", CART, 0, "", at(1), False)]
    assert rows("SELECT until FROM tasks") == [(date(2026, 12, 31),)]
    fold(product_withdrawn(CART))
    assert rows(TASK) == []
    fold(line(CART, "90"))
    assert rows("SELECT kind, since FROM tasks") == [("submit_schedule", at(4))]


def test_a_withdrawn_product_with_nothing_in_force_is_nobodys_task(fold: Fold, rows: Ask) -> None:
    fold(line(CART, "100"), submit(CART, "1"), rejected(CART, "no"), product_withdrawn(CART))
    assert rows(TASK) == []
    fold(line(CART, "70"))
    assert rows("SELECT kind, since FROM tasks") == [("revise_schedule", at(3))]


def test_what_remains_of_a_withdrawn_product_still_counts(fold: Fold, rows: Ask) -> None:
    fold(line(CART, "100"), submit(CART, "1"), approved(CART), line(BOOKS, "7"))
    top = "SELECT lines, approved, trim_scale(annual)::text, trim_scale(planned)::text FROM rollup WHERE path = '/'"
    assert rows(top) == [(2, 1, "107", "12")]
    fold(product_withdrawn(CART, "6"), went_over(CART, "6"))
    assert rows(top) == [(1, 0, "13", "12")]
    assert rows("SELECT withdrawn, trim_scale(annual)::text, effective_on FROM budget_lines ORDER BY product") == [
        (False, "7", date(2026, 1, 1)),
        (True, "6", date(2026, 7, 1)),
    ]
    assert rows("SELECT kind FROM tasks ORDER BY 1") == [("reschedule",), ("submit_schedule",)]
    fold(product_withdrawn(CART, "5"))  # withdrawn once more, with another remainder
    assert rows(top) == [(1, 0, "12", "12")]
    fold(line(CART, "50"))
    assert rows(top) == [(2, 1, "57", "12")]
    with pytest.raises(BrokenLog, match=r"budget_line\.Withdrawn at log position 9: there is no budget line"):
        fold(product_withdrawn("Retail/Digital/Web/Nothing"))


def test_an_approval_after_the_withdrawal_is_no_product_of_the_budget(fold: Fold, rows: Ask) -> None:
    fold(line(CART, "100"), submit(CART, "0"), product_withdrawn(CART), approved(CART))
    assert rows("SELECT lines, approved FROM rollup WHERE path = '/'") == [(0, 0)]


def test_each_load_of_a_year_is_kept(fold: Fold, rows: Ask) -> None:
    fold(loaded(2, "30"), loaded(1, "7", mode="override", added=1, changed=0, withdrawn=2))
    assert rows("SELECT loads, products FROM budget_books") == [(2, 3)]
    assert rows(
        "SELECT ordinal, mode, added, changed, withdrawn, loaded_by, loaded_at FROM budget_loads ORDER BY 1"
    ) == [
        (1, "new", 2, 0, 0, ANN, at(1)),
        (2, "override", 1, 0, 2, ANN, at(2)),
    ]


def test_closed_months_are_those_that_were_not_reopened(fold: Fold, rows: Ask) -> None:
    fold(closed("2026-01"), closed("2026-02", note="invoiced"), reopened("2026-01"))
    assert rows("SELECT fiscal_year, month, closed_by, closed_at, note FROM closed_months") == [
        (2026, str(Month(2026, 2)), ANN, at(2), "invoiced")
    ]


def test_people_come_and_go(fold: Fold, rows: Ask) -> None:
    fold(registered(ANN), granted(ANN, Persona.PRODUCT_OWNER, CART), granted(ANN, Persona.PRODUCT_OWNER, BOOKS))
    fold(grant_withdrawn(ANN, Persona.PRODUCT_OWNER, CART), deactivated(ANN))
    assert rows("SELECT node FROM grants") == [(BOOKS,)]
    assert rows("SELECT registered_at, deactivated_at FROM persons") == [(at(1), at(5))]
    fold(reactivated(ANN))
    assert rows("SELECT registered_at, deactivated_at FROM persons") == [(at(1), None)]
    with pytest.raises(BrokenLog, match="there is no person"):
        fold(deactivated(BOB))


def test_delegations_are_kept_after_their_end(fold: Fold, rows: Ask) -> None:
    first, last = date(2026, 3, 2), date(2026, 3, 6)
    fold(
        delegated(BOB, ANN, first, last, note="on leave"), delegated(BOB, EVE, first, last), delegation_ended(BOB, ANN)
    )
    fold(delegated(BOB, ANN, last, last))
    columns = "delegated_by, first_day, last_day, note, delegated_at, ended_at"
    assert rows(f"SELECT {columns} FROM delegations ORDER BY delegated_at") == [
        (ANN, first, last, "on leave", at(1), at(3)),
        (EVE, first, last, "", at(2), None),
        (ANN, last, last, "", at(4), None),
    ]
