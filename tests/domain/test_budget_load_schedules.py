"""What a load does to the schedules of the products that it changes: in the same decision."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from domain.budget import ProductWithdrawn
from domain.budget_load import (
    LoadBudget,
    after_annual_change,
)
from domain.decision import Event
from domain.money import Money
from domain.schedule import CameWithinBudget, Returned, Schedule, ScheduleFact, WentOverBudget
from tests.domain import schedule_given as given
from tests.domain.budget_load_given import (
    JULY,
    LOADED,
    change,
    facts_of,
    line_fact,
    override,
    row,
    with_schedule,
)
from tests.domain.schedule_given import schedule_of
from tests.domain.specs import (
    ADMIN,
    CHECKOUT,
    MONTHS,
    SEARCH,
    amounts,
    decide,
)


def schedule_facts(facts: list[Event], command: LoadBudget) -> list[ScheduleFact]:
    return facts_of(decide(command, ADMIN, with_schedule(facts)), given.STREAM)


def test_what_waits_and_no_longer_fits_goes_back_to_its_owner_with_the_reason() -> None:
    (fact,) = schedule_facts(given.PENDING, change(row(annual="1199.99")))
    assert fact == Returned(
        fiscal_year=2026,
        product=CHECKOUT,
        reason="The annual budget became USD 1,199.99; the months that were submitted add up to 1,200.00.",
        annual=Decimal("1199.99"),
        submitted=Decimal("1200.00"),
        currency="USD",
    )


FITS = [given.TAKEN_BACK, given.REJECTED, given.CLOSED]


@pytest.mark.parametrize("facts", FITS)
def test_what_does_not_wait_for_a_decision_is_left_alone(facts: list[Event]) -> None:
    assert schedule_facts(facts, change(row(annual="1.00"))) == []


@pytest.mark.parametrize("facts", [given.PENDING, given.APPROVED, given.ATTACHED])
@pytest.mark.parametrize("annual", ["1200.01", "5000.00"])
def test_what_still_fits_goes_on(facts: list[Event], annual: str) -> None:
    assert schedule_facts(facts, change(row(annual=annual))) == []


def test_equal_to_the_new_annual_budget_still_fits() -> None:
    less = [*given.OPEN, given.submitted(amounts("90.00"))]
    assert schedule_facts(less, change(row(annual="1080.00"))) == []
    assert schedule_facts([*less, given.approved(1)], change(row(annual="1080.00"))) == []


def test_an_approved_schedule_that_no_longer_fits_is_over_budget_and_stays_in_force() -> None:
    facts = schedule_facts(given.APPROVED, change(row(annual="1000.00")))
    assert facts == [
        WentOverBudget(
            fiscal_year=2026,
            product=CHECKOUT,
            annual=Decimal("1000.00"),
            planned=Decimal("1200.00"),
            currency="USD",
        )
    ]
    after = schedule_of([*given.APPROVED, *(Event(given.STREAM, fact) for fact in facts)])
    assert (after.state, after.planned, after.over_budget) == ("APPROVED", Decimal("1200.00"), True)


def test_over_budget_is_said_once_and_taken_back_once() -> None:
    over = with_schedule(given.OVER_BUDGET)
    over += decide(change(row(annual="1000.00")), ADMIN, over).events[:2]
    still = change(row(annual="900.00"), content_hash="e" * 64)
    assert facts_of(decide(still, ADMIN, over), given.STREAM) == []
    enough = change(row(annual="1200.00"), content_hash="e" * 64)
    assert facts_of(decide(enough, ADMIN, over), given.STREAM) == [
        CameWithinBudget(
            fiscal_year=2026,
            product=CHECKOUT,
            annual=Decimal("1200.00"),
            planned=Decimal("1200.00"),
            currency="USD",
        )
    ]


BOTH_AT_ONCE = [
    (given.PENDING_AGAIN, "1000.00", ["Returned", "WentOverBudget"]),
    (given.PENDING_AGAIN, "1100.00", ["WentOverBudget"]),
    (given.ATTACHED, "1000.00", ["Returned", "WentOverBudget"]),
    (given.REQUESTED, "1000.00", ["WentOverBudget"]),
    (given.RESCHEDULING, "1000.00", ["WentOverBudget"]),
    (given.REJECTED_AGAIN, "1000.00", ["WentOverBudget"]),
]


@pytest.mark.parametrize(("facts", "annual", "names"), BOTH_AT_ONCE)
def test_what_waits_and_what_is_in_force_are_judged_each(facts: list[Event], annual: str, names: list[str]) -> None:
    found = schedule_facts(facts, change(row(annual=annual)))
    assert [type(fact).__name__ for fact in found] == names


def test_an_unchanged_row_leaves_its_schedule_alone() -> None:
    assert schedule_facts(given.PENDING, change(row())) == []


def test_the_facts_of_a_product_stand_beside_each_other() -> None:
    facts = with_schedule(given.APPROVED)
    decision = decide(change(row(annual="1.00"), row(SEARCH, "1.00")), ADMIN, facts)
    assert [str(event.stream) for event in decision.events] == [
        "budget/2026",
        "budget_line/2026/Retail/Digital/Web/Checkout",
        "schedule/2026/Retail/Digital/Web/Checkout",
        "budget_line/2026/Retail/Digital/Web/Search",
    ]


def test_a_schedule_that_was_never_submitted_hears_nothing() -> None:
    assert facts_of(decide(change(row(annual="1.00")), ADMIN, LOADED), given.STREAM) == []
    assert after_annual_change(Schedule(), 2026, CHECKOUT, Money(Decimal(0), "USD")) == []


# What remains of a withdrawn product


def remains(facts: list[Event], effective_on: date = JULY) -> Decimal:
    command = override(row(SEARCH, "600.00"), effective_on=effective_on)
    withdrawal = line_fact(decide(command, ADMIN, with_schedule(facts)), CHECKOUT)
    assert isinstance(withdrawal, ProductWithdrawn)
    return withdrawal.annual


def test_a_withdrawn_product_keeps_its_approved_months_before_the_day() -> None:
    assert remains(given.APPROVED) == Decimal("600.00")
    assert remains(given.APPROVED, date(2026, 1, 1)) == 0
    assert remains(given.APPROVED, date(2026, 2, 1)) == Decimal("100.00")


def test_closed_months_remain_whenever_they_are() -> None:
    assert remains([*given.APPROVED, *given.closed(MONTHS[0], MONTHS[6])]) == Decimal("700.00")


def test_only_what_was_approved_remains() -> None:
    assert remains(given.PENDING) == 0
    assert remains(given.REJECTED) == 0
    assert remains(given.PENDING_AGAIN) == Decimal("600.00")


def test_a_withdrawal_does_to_schedules_what_any_smaller_budget_does() -> None:
    command = override(row(SEARCH, "600.00"))
    assert [type(fact) for fact in schedule_facts(given.PENDING, command)] == [Returned]
    (over,) = schedule_facts(given.APPROVED, command)
    assert isinstance(over, WentOverBudget)
    assert (over.annual, over.planned) == (Decimal("600.00"), Decimal("1200.00"))
    all_spent = [*given.APPROVED, *given.closed(*MONTHS)]
    assert schedule_facts(all_spent, command) == []
