"""The first bill of an account: it bills, or it spends what belongs to nobody."""

from __future__ import annotations

from datetime import date

import pytest
from pydantic import ValidationError

from domain.account_facts import Occasion
from domain.calendar import Month
from domain.cost import period_stream
from domain.decision import Actor, Event
from domain.errors import Forbidden
from domain.first_bill import FIRST_LINES_MAX
from domain.waiting import Overdue
from tests.domain import accounts_given as given
from tests.domain.accounts_given import (
    ENGINEER,
    ID,
    OPEN,
    OTHER,
    by_allot,
    escalated,
    first_billed,
    first_bills,
    opened,
    refused,
)
from tests.domain.specs import ADMIN, OWNER, SYSTEM_ACTOR, decide

DAY = date(2026, 6, 12)
BILL = first_bills((ID, DAY))
SPENDING = escalated(1, Overdue.SPENDING)


def test_the_first_bill_of_an_allocated_account_is_recorded_once() -> None:
    decision = decide(BILL, SYSTEM_ACTOR, given.ALIGNED)
    assert decision.events == [first_billed(DAY)]
    assert decision.message == "1 account was billed for the first time."
    later = decide(first_bills((ID, date(2026, 6, 13))), SYSTEM_ACTOR, [*given.ALIGNED, *decision.events])
    assert (later.events, later.message) == ([], "0 accounts were billed for the first time.")


def test_months_may_be_imported_in_any_order() -> None:
    earlier = date(2026, 5, 2)
    facts = [*OPEN, *by_allot(BILL, OPEN)]
    decision = decide(first_bills((ID, earlier)), SYSTEM_ACTOR, facts)
    assert decision.events == [first_billed(earlier, billing_period="2026-06")]
    assert decision.message == "0 accounts were billed for the first time."
    assert given.account_of([*facts, *decision.events]).first_billed_on == earlier


def test_spend_without_an_allocation_escalates_what_is_open_at_once() -> None:
    events = by_allot(BILL, OPEN)
    assert events == [first_billed(DAY), SPENDING]
    assert by_allot(BILL, [*OPEN, *events]) == []


def test_what_was_escalated_already_is_not_escalated_again() -> None:
    assert by_allot(BILL, [*OPEN, escalated(1)]) == [first_billed(DAY)]


@pytest.mark.parametrize(
    ("facts", "occasion"),
    [
        ([given.vended(state="SUSPENDED")], 1),
        ([*OPEN, given.departed(5), given.ended(1, "departed")], 2),
        ([*OPEN, given.changed(5, "state", state="CLOSED"), given.ended()], 2),
        ([*OPEN, escalated(1), given.departed(5), given.ended(1, "departed")], 2),
    ],
)
def test_spend_of_an_account_that_nobody_is_asked_about_opens_an_occasion(facts: list[Event], occasion: int) -> None:
    assert by_allot(BILL, facts) == [
        first_billed(DAY),
        opened(occasion, Occasion.SPENDING),
        escalated(occasion, Overdue.SPENDING),
    ]


def test_an_account_that_organizations_never_showed_is_no_error() -> None:
    events = by_allot(BILL, [])
    assert events == [first_billed(DAY), opened(1, Occasion.SPENDING), SPENDING]
    assert given.account_of(events).spends_unallocated


def test_an_account_whose_remap_is_asked_about_is_not_escalated() -> None:
    assert by_allot(BILL, [*given.ALIGNED, opened(2, Occasion.MOVED)]) == [first_billed(DAY)]


def test_the_accounts_of_a_report_are_looked_at_one_by_one() -> None:
    decision = decide(first_bills((ID, DAY), (OTHER, DAY), (OTHER, DAY)), SYSTEM_ACTOR, given.ALIGNED)
    assert decision.events == [
        first_billed(DAY),
        first_billed(DAY, account_id=OTHER),
        opened(1, Occasion.SPENDING, account_id=OTHER),
        escalated(1, Overdue.SPENDING, account_id=OTHER),
    ]
    assert decision.message == "2 accounts were billed for the first time."


@pytest.mark.parametrize("who", [ADMIN, ENGINEER, OWNER])
def test_only_allot_itself_records_first_bills(who: Actor) -> None:
    refusal = refused(BILL, who, OPEN)
    assert isinstance(refusal, Forbidden)
    assert (refusal.code, refusal.message) == (
        "SystemOnly",
        "Only Allot itself records what a cost report has shown first.",
    )


def test_five_hundred_accounts_are_recorded_at_once_at_most() -> None:
    assert FIRST_LINES_MAX == 500
    assert len(first_bills(*[(ID, DAY)] * FIRST_LINES_MAX).accounts) == FIRST_LINES_MAX
    for number in (0, FIRST_LINES_MAX + 1):
        with pytest.raises(ValidationError, match="accounts"):
            first_bills(*[(ID, DAY)] * number)


def test_first_bills_are_about_their_period() -> None:
    assert BILL.subject == period_stream(Month(2026, 6))
