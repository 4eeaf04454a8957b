"""Twelve amounts that fit: when they are submitted, attached to a request, and approved; closed months stay."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial

import pytest
from pydantic import ValidationError

from domain.calendar import FiscalCalendar, Month
from domain.closing import closing_stream
from domain.decision import NOTE_CHARS_MAX, Command, Event, Organization
from domain.schedule import RescheduleRequested, Submitted
from domain.schedule_commands import MONTHS_SHOWN_MAX
from tests.domain import schedule_given as given
from tests.domain.schedule_given import refused, schedule_of
from tests.domain.specs import LEAD, MONTHS, OWNER, actor, amounts, decide, line, person

type Amounts = Mapping[Month, Decimal]

IN_MARCH = datetime(2026, 3, 31, 12, tzinfo=UTC)


def test_the_owner_submits_twelve_months_that_fit() -> None:
    decision = decide(given.submit(note="flat"), OWNER, given.OPEN)
    assert decision.events == [given.submitted(note="flat")]


def test_amounts_are_kept_in_the_order_of_the_months() -> None:
    backwards = dict(reversed(amounts().items()))
    for command, before in ((given.submit(backwards), given.OPEN), (given.request(backwards), given.APPROVED)):
        (event,) = decide(command, OWNER, before).events
        assert isinstance(event.fact, Submitted | RescheduleRequested)
        assert list(event.fact.amounts) == list(MONTHS)


def both(months: Amounts) -> list[tuple[Command, list[Event]]]:
    """The two commands that hold a schedule; the same rules are for both."""
    return [(given.submit(months), given.OPEN), (given.request(months), given.APPROVED)]


def test_equal_to_the_annual_budget_is_fine_and_one_cent_over_is_not() -> None:
    for command, before in both(amounts()):
        assert decide(command, OWNER, before).events
    for command, before in both(amounts() | {MONTHS[11]: Decimal("100.01")}):
        refusal = refused(command, OWNER, before)
        assert refusal.code == "OverAnnual"
        assert refusal.message == (
            "The months add up to USD 1,200.01, which is USD 0.01 over the annual budget of USD 1,200.00."
        )


WRONG_MONTHS = (
    "A schedule for 2026 needs an amount for each of the twelve months 2026-01 to 2026-12, and no other.",
    "WrongMonths",
)
NO_SCHEDULE = [
    (amounts() | {MONTHS[0]: Decimal("-0.01")}, "2026-01: USD -0.01 is below zero.", "NegativeAmount"),
    (
        amounts("1") | {MONTHS[0]: Decimal("0.001")},
        "2026-01: 0.001 has more decimals than USD has (2).",
        "TooManyDecimals",
    ),
    ({month: Decimal(1) for month in MONTHS[:11]}, *WRONG_MONTHS),
    (amounts("1") | {Month(2027, 1): Decimal(1)}, *WRONG_MONTHS),
    ({month.plus(1): Decimal(1) for month in MONTHS}, *WRONG_MONTHS),
]


@pytest.mark.parametrize(("months", "message", "code"), NO_SCHEDULE)
def test_amounts_that_are_no_schedule_are_refused(months: Amounts, message: str, code: str) -> None:
    for command, before in both(months):
        refusal = refused(command, OWNER, before)
        assert (refusal.message, refusal.code) == (message, code)


def test_zero_and_trailing_zeros_are_amounts() -> None:
    for command, before in [*both(amounts("0")), *both(amounts("1.1000"))]:
        assert decide(command, OWNER, before).events


def test_the_months_are_those_of_the_organizations_fiscal_year() -> None:
    april = Organization("USD", FiscalCalendar(4))
    months = dict.fromkeys(april.calendar.months(2026), Decimal(1))
    assert min(months) == Month(2025, 4)
    assert decide(given.submit(months), OWNER, given.OPEN, organization=april, now=IN_MARCH).events
    assert refused(given.submit(), OWNER, given.OPEN, organization=april, now=IN_MARCH).message == (
        "A schedule for 2026 needs an amount for each of the twelve months 2025-04 to 2026-03, and no other."
    )


def test_more_than_twice_the_months_is_not_even_read() -> None:
    many = {Month(2026, 1).plus(n): Decimal(1) for n in range(25)}
    assert given.submit(dict(list(many.items())[:24])).amounts
    with pytest.raises(ValidationError):
        given.submit(many)


def test_texts_have_limits() -> None:
    assert len(given.submit(note="x" * NOTE_CHARS_MAX).note) == NOTE_CHARS_MAX
    for reasoned in (given.request, partial(given.reject, 1), partial(given.deny, 1)):
        assert reasoned(reason=" why ").reason == "why"
        assert len(reasoned(reason="x" * NOTE_CHARS_MAX).reason) == NOTE_CHARS_MAX
        for reason in ("x" * (NOTE_CHARS_MAX + 1), "", "  \n "):
            with pytest.raises(ValidationError):
                reasoned(reason=reason)
    with pytest.raises(ValidationError):
        given.withdraw(note="x" * (NOTE_CHARS_MAX + 1))


def test_a_note_is_kept_with_what_it_is_about() -> None:
    assert decide(given.withdraw(note="too early"), OWNER, given.PENDING).events == [given.withdrawn("too early")]
    assert decide(given.approve(1, note="fine"), LEAD, given.PENDING).events == [given.approved(1, note="fine")]
    decision = decide(given.grant(3, note="fine"), LEAD, given.ATTACHED)
    assert decision.events == [given.granted(3, note="fine"), given.approved(3, note="fine")]


def test_a_delegate_submits_and_requests_in_the_owners_place() -> None:
    delegate = actor("delegate")
    (event,) = decide(given.submit(), delegate, given.OPEN, delegators=(OWNER,)).events
    assert event == given.submitted(by="delegate", behalf="owner")
    (event,) = decide(given.request(), delegate, given.APPROVED, delegators=(OWNER,)).events
    assert isinstance(event.fact, RescheduleRequested)
    assert (event.fact.requested_by, event.fact.requested_for) == (person("delegate"), person("owner"))
    requested = schedule_of([*given.APPROVED, event])
    assert requested.submitters == {person("delegate"), person("owner")}


# Closed months

JANUARY, FEBRUARY, MARCH, APRIL = MONTHS[:4]
FIXED = "Closed months do not change any more: 2026-01 stays USD 100.00."


def changing(*months: Month) -> Amounts:
    return amounts("90.00") | {month: Decimal("100.00") for month in MONTHS if month not in months}


@pytest.mark.parametrize("before", [given.RESCHEDULING, given.REJECTED_AGAIN])
def test_a_closed_month_of_an_approved_schedule_is_fixed_when_it_is_submitted_again(before: list[Event]) -> None:
    before = [*before, *given.closed(JANUARY)]
    refusal = refused(given.submit(changing(JANUARY)), OWNER, before)
    assert (refusal.code, refusal.message) == ("ClosedMonth", FIXED)
    assert decide(given.submit(changing(FEBRUARY)), OWNER, before).events


def test_a_closed_month_is_fixed_in_a_schedule_attached_to_a_request() -> None:
    before = [*given.APPROVED, *given.closed(JANUARY)]
    refusal = refused(given.request(changing(JANUARY)), OWNER, before)
    assert (refusal.code, refusal.message) == ("ClosedMonth", FIXED)
    assert decide(given.request(changing(FEBRUARY)), OWNER, before).events
    assert decide(given.request(), OWNER, before).events


def test_a_month_closed_while_a_schedule_waits_is_fixed_when_it_is_approved() -> None:
    waiting = [*given.RESCHEDULING, given.submitted(changing(JANUARY)), *given.closed(JANUARY)]
    assert refused(given.approve(5), LEAD, waiting).message == FIXED
    attached = [*given.APPROVED, given.requested(months=changing(JANUARY)), *given.closed(JANUARY)]
    assert refused(given.grant(3), LEAD, attached).message == FIXED
    assert decide(given.reject(5), LEAD, waiting).events
    assert decide(given.deny(3), LEAD, attached).events


def test_a_month_that_was_opened_again_may_change() -> None:
    before = [*given.RESCHEDULING, *given.closed(JANUARY), given.reopened(JANUARY)]
    assert decide(given.submit(changing(JANUARY)), OWNER, before).events


def test_before_anything_is_approved_there_is_nothing_to_keep() -> None:
    before = [*given.OPEN, *given.closed(JANUARY)]
    pending = [*before, *decide(given.submit(amounts("7.00")), OWNER, before).events]
    assert decide(given.approve(1), LEAD, pending).events


def test_closed_months_of_another_year_do_not_matter() -> None:
    other = [Event(closing_stream(2025), event.fact) for event in given.closed(JANUARY)]
    assert decide(given.submit(changing(JANUARY)), OWNER, [*given.RESCHEDULING, *other]).events


def test_three_closed_months_are_named_and_the_others_counted() -> None:
    named = "2026-01 stays USD 100.00; 2026-02 stays USD 100.00; 2026-03 stays USD 100.00"
    for count, more in ((MONTHS_SHOWN_MAX, ""), (MONTHS_SHOWN_MAX + 1, "; and 1 more")):
        before = [*given.RESCHEDULING, *given.closed(*reversed(MONTHS[:count]))]
        refusal = refused(given.submit(changing(*MONTHS)), OWNER, before)
        assert refusal.message == f"Closed months do not change any more: {named}{more}."


# The annual budget moved while it waited; the load would have returned it, so this is the last line


def test_what_does_not_fit_any_more_is_not_approved() -> None:
    less = line(annual="1199.99")
    message = "The months add up to USD 1,200.00, and the annual budget is USD 1,199.99 by now."
    refusal = refused(given.approve(1), LEAD, [*given.PENDING, less])
    assert (refusal.code, refusal.message) == ("OverAnnual", message)
    attached = [*given.APPROVED, given.requested(months=amounts()), less]
    assert refused(given.grant(3), LEAD, attached).message == message
    assert decide(given.reject(1), LEAD, [*given.PENDING, less]).events
    assert decide(given.approve(1), LEAD, [*given.PENDING, line(annual="1200.00")]).events


def test_a_request_without_amounts_is_granted_whatever_the_budget_is() -> None:
    assert decide(given.grant(3), LEAD, [*given.REQUESTED, line(annual="1.00")]).events == [given.granted(3)]


def test_over_budget_is_left_by_a_reschedule_that_fits() -> None:
    """From a smaller annual budget to a schedule within it, by one decision."""
    smaller = amounts("80.00")
    facts = list(given.OVER_BUDGET)
    facts += decide(given.request(smaller), OWNER, facts).events
    facts += decide(given.grant(4), LEAD, facts).events
    after = schedule_of(facts)
    assert (after.state, after.over_budget, after.planned) == ("APPROVED", False, Decimal("960.00"))


def test_a_currency_without_cents_takes_none() -> None:
    yen = [Event(e.stream, e.fact.model_copy(update={"currency": "JPY"})) for e in given.OPEN[:1]] + given.OPEN[1:]
    assert decide(given.submit(amounts("1")), OWNER, yen).events
    refusal = refused(given.submit(amounts("1.5")), OWNER, yen)
    assert (refusal.code, refusal.message) == ("TooManyDecimals", "2026-01: 1.5 has more decimals than JPY has (0).")


def test_a_request_with_the_new_schedule_says_so() -> None:
    assert decide(given.request(amounts("90.00")), OWNER, given.APPROVED).message == (
        "Reschedule requested, with the new schedule attached; version 3 awaits a decision."
    )


def test_a_schedule_that_keeps_its_closed_months_is_approved() -> None:
    waiting = [*given.RESCHEDULING, given.submitted(changing(FEBRUARY)), *given.closed(JANUARY)]
    assert decide(given.approve(5), LEAD, waiting).events == [given.approved(5)]
