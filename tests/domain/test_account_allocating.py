"""Allocating accounts: by hand, as a proposal, and many at once."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from pydantic import ValidationError

from domain.account_allocating import AllocateAccount
from domain.account_facts import Allocated, AllocationProposed, Basis, Occasion
from domain.allocation import AccountType, Share
from domain.calendar import FiscalCalendar, Month
from domain.decision import Event, Organization
from domain.errors import Forbidden, NotFound
from domain.hierarchy import NodePath
from tests.domain import accounts_given as given
from tests.domain.accounts_given import (
    BUDGET,
    ENGINEER,
    ID,
    STREAM,
    VENDOR_MANAGER,
    allocate,
    allocated,
    events,
    propose,
    refused,
    shares,
    vended,
)
from tests.domain.specs import (
    ADMIN,
    CHECKOUT,
    OWNER,
    RIGHTS,
    SEARCH,
    SYSTEM_ACTOR,
    decide,
    line,
    withdrawn,
)

KNOWN = [vended(), *BUDGET]
APRIL, MAY, JUNE = (Month(2026, n) for n in (4, 5, 6))


def start_of(command: AllocateAccount, facts: list[Event]) -> date:
    (event,) = events(command, ADMIN, facts)
    assert isinstance(event.fact, Allocated)
    return event.fact.effective_on


# From when


def test_a_first_allocation_reaches_back_to_the_vending_date_or_the_first_of_the_previous_month() -> None:
    assert start_of(allocate("60", "40"), KNOWN) == date(2026, 5, 1)
    young = vended(joined_at=datetime(2026, 6, 10, tzinfo=UTC))
    assert start_of(allocate("60", "40"), [young, *BUDGET]) == date(2026, 6, 10)


def test_an_earlier_allocation_needs_a_note_and_none_precedes_the_account() -> None:
    refusal = refused(allocate("60", "40", on=date(2026, 4, 30), note=" "), ADMIN, KNOWN)
    assert (refusal.code, refusal.message) == (
        "NeedsNote",
        "An allocation usually reaches back to 2026-05-01 at most; one from 2026-04-30 needs a note that says why.",
    )
    assert events(allocate("60", "40", on=date(2026, 4, 30), note="history"), ADMIN, KNOWN)
    assert events(allocate("60", "40", on=date(2026, 3, 10), note="history"), ADMIN, KNOWN)
    assert events(allocate("60", "40", on=date(2026, 5, 1)), ADMIN, KNOWN)
    refusal = refused(allocate("60", "40", on=date(2026, 3, 9), note="history"), ADMIN, KNOWN)
    assert (refusal.code, refusal.message) == (
        "BeforeVending",
        "Account 100000000001 exists since 2026-03-10; it cannot be allocated from 2026-03-09.",
    )


def test_a_first_allocation_from_the_future_says_what_it_leaves_out() -> None:
    left_out = "Until then its spend is unallocated, and nobody is asked any more."
    later, proposed = (
        date(2026, 7, 1),
        [vended(), *BUDGET, given.opened(), given.proposed(effective_on=date(2026, 7, 1))],
    )
    told = decide(allocate("60", "40", on=later), ADMIN, KNOWN).message
    assert told == f"Account 100000000001 is allocated from 2026-07-01. {left_out}"
    assert decide(given.accept(), ADMIN, proposed).message.endswith(f"is allocated from 2026-07-01. {left_out}")
    for facts in (KNOWN, [*KNOWN, allocated("100", on=date(2026, 6, 1))]):
        assert left_out not in decide(allocate("60", "40", on=date(2026, 6, 14)), ADMIN, facts).message
    assert left_out not in decide(allocate("60", "40", on=later), ADMIN, [*KNOWN, allocated("100")]).message


def test_a_remap_starts_with_a_spend_period() -> None:
    facts = [*KNOWN, allocated("60", "40", on=date(2026, 5, 1))]
    refusal = refused(allocate("50", "50", on=date(2026, 6, 9)), ADMIN, facts)
    assert refusal.code == "NotPeriodStart"
    assert refusal.message.endswith("2026-06-09 is Tuesday.")
    assert start_of(allocate("50", "50", on=date(2026, 6, 14)), facts) == date(2026, 6, 14)  # a Sunday
    assert start_of(allocate("50", "50"), facts) == date(2026, 6, 1)


def test_a_remap_of_a_young_account_holds_from_this_week() -> None:
    young = vended(joined_at=datetime(2026, 6, 10, tzinfo=UTC))
    assert start_of(allocate("50", "50"), [young, *BUDGET, allocated("100", on=date(2026, 6, 10))]) == date(2026, 6, 14)


def test_a_closed_month_is_never_changed() -> None:
    facts = [*KNOWN, *given.closed(APRIL, MAY)]
    refusal = refused(allocate("60", "40", on=date(2026, 5, 1)), ADMIN, facts)
    assert (refusal.code, refusal.message) == (
        "ClosedMonth",
        "An allocation from 2026-05-01 would change what is closed (2026-05): allocate from 2026-06-01 on, or have the "
        "month reopened.",
    )
    assert start_of(allocate("60", "40"), facts) == date(2026, 6, 1)
    assert start_of(allocate("60", "40", on=date(2026, 4, 1), note="history"), KNOWN) == date(2026, 4, 1)


def test_a_closed_month_after_the_next_entry_does_not_matter() -> None:
    facts = [*KNOWN, *given.closed(MAY), allocated("100", on=date(2026, 5, 1))]
    assert start_of(allocate("60", "40", on=date(2026, 4, 1), note="history"), facts) == date(2026, 4, 1)
    assert refused(allocate("60", "40", on=date(2026, 5, 1)), ADMIN, facts).code == "ClosedMonth"


def test_months_of_the_fiscal_year_before_may_be_closed_too() -> None:
    old = vended(joined_at=datetime(2025, 3, 10, tzinfo=UTC))
    facts = [old, line(year=2025), *BUDGET, *given.closed(Month(2025, 12))]
    back = allocate("100", on=date(2025, 11, 1), note="history")
    assert refused(back, ADMIN, facts).code == "ClosedMonth"
    assert start_of(back, [*facts, allocated("100", on=date(2025, 12, 1))]) == date(2025, 11, 1)
    january = datetime(2026, 1, 20, tzinfo=UTC)
    (event,) = events(allocate("100"), ADMIN, facts, now=january)
    assert isinstance(event.fact, Allocated)
    assert event.fact.effective_on == date(2026, 1, 1)


def test_closed_months_of_years_between_are_looked_at() -> None:
    facts = [vended(joined_at=datetime(2024, 3, 10, tzinfo=UTC)), *BUDGET, *given.closed(Month(2025, 6))]
    assert refused(allocate("100", on=date(2024, 11, 1), note="history"), ADMIN, facts).code == "ClosedMonth"


def test_fiscal_years_are_the_organizations_own() -> None:
    july = Organization("USD", FiscalCalendar(7), None)
    of_2027 = [vended(), line(year=2027)]
    assert refused(allocate("100"), ADMIN, of_2027, organization=july).code == "UnknownProduct"
    assert events(allocate("100", on=date(2026, 7, 1)), ADMIN, of_2027, organization=july)


@pytest.mark.parametrize("day", ["1999-12-31", "2200-01-01", "9999-12-31", "0001-01-01"])
def test_an_allocation_from_a_day_beyond_all_calendars_is_no_command(day: str) -> None:
    with pytest.raises(ValidationError, match="effective_on"):
        AllocateAccount.model_validate(allocate("100").model_dump(mode="json") | {"effective_on": day})


# What, and by whom


def test_unknown_accounts_and_products_are_named() -> None:
    refusal = refused(allocate("60", "40"), ADMIN, BUDGET)
    assert isinstance(refusal, NotFound)
    assert (refusal.code, refusal.message) == (
        "UnknownAccount",
        "Account 100000000001 is not known from AWS Organizations: check the id with `allot account list`, or wait for "
        "the next synchronisation.",
    )
    refusal = refused(allocate("60", "40"), ADMIN, [vended(), line()])
    assert isinstance(refusal, NotFound)
    assert (refusal.code, refusal.message) == (
        "UnknownProduct",
        "There is no product Retail/Digital/Web/Search in the budget: check the path, or load its budget first.",
    )
    portfolio = refused(allocate("100", products=(CHECKOUT.portfolio,)), ADMIN, KNOWN)
    assert portfolio.message.startswith("There is no product Retail/Digital/Web in the budget")


def test_a_product_that_was_withdrawn_is_one_until_then() -> None:
    facts = [*KNOWN, withdrawn(SEARCH, on=date(2026, 6, 1))]
    refusal = refused(allocate("60", "40"), ADMIN, facts)
    assert isinstance(refusal, NotFound)
    assert (refusal.code, refusal.message) == (
        "WithdrawnProduct",
        "The product Retail/Digital/Web/Search was withdrawn from the budget: name another one, or load its budget "
        "again first.",
    )
    assert refused(allocate("60", "40", on=date(2026, 6, 1)), ADMIN, facts).code == "WithdrawnProduct"
    assert events(allocate("60", "40", on=date(2026, 5, 31)), ADMIN, facts)  # its spend of May is still its own
    assert events(allocate("100"), ADMIN, facts)
    assert events(allocate("60", "40"), ADMIN, [*KNOWN, withdrawn(SEARCH, on=date(2026, 7, 1))])
    assert events(allocate("60", "40"), ADMIN, [*facts, line(SEARCH)])  # loaded again


def test_a_product_is_in_the_budget_of_the_year_in_which_an_allocation_takes_effect() -> None:
    january, of_2027 = allocate("60", "40", on=date(2027, 1, 1)), [line(year=2027), line(SEARCH, year=2027)]
    gone = withdrawn(SEARCH, on=date(2027, 1, 1), year=2027)
    assert events(january, ADMIN, KNOWN)  # the budget of 2027 is still to come
    assert refused(january, ADMIN, [*KNOWN, *of_2027, gone]).code == "WithdrawnProduct"
    assert events(allocate("60", "40", on=date(2026, 12, 1)), ADMIN, [*KNOWN, *of_2027, gone])
    assert events(january, ADMIN, [*KNOWN, *of_2027, withdrawn(SEARCH)])  # gone in 2026, and back


def test_what_holds_already_may_be_said_again_whatever_was_withdrawn_since() -> None:
    facts = [*KNOWN, allocated("60", "40", on=date(2026, 6, 1)), withdrawn(SEARCH, on=date(2026, 6, 1))]
    assert decide(allocate("60", "40", on=date(2026, 6, 1)), ADMIN, facts).events == ()
    assert decide(allocate("60", "40"), ADMIN, facts).events == ()
    assert refused(allocate("50", "50"), ADMIN, facts).code == "WithdrawnProduct"


@pytest.mark.parametrize(
    ("percents", "products", "code"),
    [
        (("60", "39.9999"), (CHECKOUT, SEARCH), "NotWhole"),
        (("100", "0"), (CHECKOUT, SEARCH), "WrongPercent"),
        (("50", "50"), (CHECKOUT, CHECKOUT), "DuplicateProduct"),
    ],
)
def test_shares_are_checked(percents: tuple[str, ...], products: tuple[NodePath, ...], code: str) -> None:
    assert refused(allocate(*percents, products=products), ADMIN, KNOWN).code == code


def test_an_account_that_only_the_bill_knows_is_allocated_from_its_first_day_there() -> None:
    facts = [given.first_billed(date(2026, 6, 12)), given.opened(1, Occasion.SPENDING), *BUDGET]
    assert start_of(allocate("100"), facts) == date(2026, 6, 12)
    # It may have been there before, so that only a note is asked for.
    assert refused(allocate("100", on=date(2026, 6, 11)), ADMIN, facts).code == "NeedsNote"
    assert start_of(allocate("100", on=date(2026, 6, 11), note="credits"), facts) == date(2026, 6, 11)


def test_an_allocation_keeps_who_made_it_and_why() -> None:
    decision = decide(allocate("60", "40", on=date(2026, 6, 1), note="as agreed"), ADMIN, KNOWN)
    assert decision.message == "Account 100000000001 is allocated from 2026-06-01."
    assert decision.authority.version == RIGHTS.version
    assert [event.fact for event in decision.events] == [
        Allocated(
            account_id=ID,
            account_type=AccountType.PRODUCTION,
            shares=(Share(product=CHECKOUT, percent=Decimal(60)), Share(product=SEARCH, percent=Decimal(40))),
            effective_on=date(2026, 6, 1),
            allocated_by=ADMIN.person_id,
            note="as agreed",
            basis=Basis.HAND,
        )
    ]


def test_the_same_allocation_again_changes_nothing() -> None:
    facts = [*KNOWN, allocated("60", "40")]
    again = decide(allocate("60.0", "40", on=date(2026, 6, 1)), ADMIN, facts)
    assert (again.events, again.message) == (
        (),
        "Account 100000000001 is allocated like that already; nothing changed.",
    )
    assert events(allocate("60", "40", on=date(2026, 6, 1), account_type=AccountType.SHARED), ADMIN, facts)


def test_what_holds_already_may_be_said_again_whatever_was_closed_since() -> None:
    facts = [*KNOWN, allocated("60", "40", on=date(2026, 4, 1)), *given.closed(Month(2026, 4), Month(2026, 5))]
    assert events(allocate("60", "40", on=date(2026, 4, 1)), ADMIN, facts) == []
    assert refused(allocate("50", "50", on=date(2026, 4, 1), note="n"), ADMIN, facts).code == "ClosedMonth"


def test_whoever_is_asked_and_says_what_holds_already_has_answered() -> None:
    facts = [*given.ALIGNED, given.opened(2, Occasion.MOVED)]
    decision = decide(allocate("100", on=date(2026, 6, 1)), ADMIN, facts)
    assert decision.events == [given.ended(2, "it stays as it is allocated")]
    assert decision.message == "Account 100000000001 stays as it is allocated; nobody is asked any more."
    assert isinstance(refused(allocate("100", on=date(2026, 6, 1)), ENGINEER, facts), Forbidden)


def test_a_cloud_engineer_makes_the_first_allocation_only() -> None:
    assert events(allocate("60", "40"), ENGINEER, KNOWN)
    refusal = refused(allocate("50", "50"), ENGINEER, [*KNOWN, allocated("60", "40")])
    assert isinstance(refusal, Forbidden)
    assert refusal.message == (
        "To remap account on / one must be financial_admin there; ask a Financial Admin for a grant."
    )
    for who in (OWNER, VENDOR_MANAGER):
        refusal = refused(allocate("60", "40"), who, KNOWN)
        assert isinstance(refusal, Forbidden)
        assert refusal.message == (
            "To allocate account on / one must be cloud_engineer or financial_admin there; ask a Financial Admin for a "
            "grant."
        )


# Proposals


def test_a_proposal_waits_for_a_decision_in_the_occasion_that_is_open() -> None:
    decision = decide(propose("60", "40", note="as agreed"), ENGINEER, given.OPEN)
    assert decision.message == "Proposal 1 for account 100000000001 awaits a decision."
    fact = AllocationProposed(
        account_id=ID,
        occasion=1,
        proposal=1,
        account_type=AccountType.PRODUCTION,
        shares=shares("60", "40"),
        effective_on=None,
        basis=Basis.HAND,
        proposed_by=ENGINEER.person_id,
        note="as agreed",
    )
    assert decision.events == [Event(STREAM, fact)]
    assert given.account_of([*given.OPEN, *decision.events]).proposal is not None


def test_a_proposal_for_an_allocated_account_opens_an_occasion() -> None:
    on = date(2026, 7, 1)
    assert events(propose("60", "40", on=on), ENGINEER, given.ALIGNED) == [
        given.opened(2, Occasion.PROPOSED),
        given.proposed(1, "60", "40", by="engineer", occasion=2, effective_on=on),
    ]


def test_a_second_proposal_replaces_the_first() -> None:
    facts = [*given.OPEN, given.proposed(1, "100")]
    assert events(propose("60", "40"), ENGINEER, facts) == [given.proposed(2, "60", "40", by="engineer")]


def test_a_proposal_of_what_holds_already_proposes_nothing() -> None:
    answer = decide(propose("100", on=date(2026, 6, 1)), ENGINEER, given.ALIGNED)
    assert (answer.events, answer.message) == (
        (),
        "Account 100000000001 is allocated like that already; nothing to propose.",
    )


def test_a_proposal_is_checked_like_an_allocation() -> None:
    assert refused(propose("60"), ENGINEER, given.OPEN).code == "NotWhole"
    assert refused(propose("100"), ENGINEER, BUDGET).code == "UnknownAccount"
    assert refused(propose("100", on=date(2026, 4, 1)), ENGINEER, given.OPEN).code == "NeedsNote"
    for who in (OWNER, VENDOR_MANAGER):
        assert isinstance(refused(propose("100"), who, given.OPEN), Forbidden)


def test_allot_itself_may_allocate() -> None:
    assert events(allocate("100"), SYSTEM_ACTOR, KNOWN)
