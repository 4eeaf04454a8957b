"""Workloads: created in an account of their product, renamed, ended, withdrawn."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from pydantic import ValidationError

from domain.calendar import Month
from domain.decision import Actor, Event, Persona
from domain.errors import Forbidden, NotFound
from domain.workload import WORKLOAD_MONTHS_MAX, Created, EndMoved, Withdrawn, split_key, workload_key
from tests.domain.accounts_given import OTHER, allocated, closed, shares, vended
from tests.domain.specs import ADMIN, CHECKOUT, LEAD, OWNER, SEARCH, actor, decide
from tests.domain.workload_given import (
    ACCOUNT,
    APPROVED,
    DECEMBER,
    ELSEWHERE,
    EXISTS,
    JULY,
    NAME,
    REJECTED,
    SUBMITTED,
    create,
    created,
    end,
    end_moved,
    facts,
    refused,
    rename,
    renamed,
    withdraw_workload,
    withdrawn,
    workload_of,
)

JUNE = Month(2026, 6)


def test_a_workload_lasts_until_the_end_of_its_fiscal_year_unless_said_otherwise() -> None:
    decision = decide(create(), OWNER, ACCOUNT)
    assert facts(decision) == [created().fact]
    assert decision.authority.policies == ("estimate-submit",)
    (fact,) = facts(decide(create(launch=Month(2027, 3), end=Month(2028, 2)), OWNER, ACCOUNT))
    assert isinstance(fact, Created)
    assert (fact.launch_month, fact.end_month) == (Month(2027, 3), Month(2028, 2))


def test_creating_it_twice_changes_nothing_and_another_one_needs_another_name() -> None:
    assert decide(create(), OWNER, EXISTS).events == ()
    assert refused(create(launch=Month(2026, 8)), OWNER, EXISTS).code == "WorkloadExists"
    assert decide(create(workload="basket"), OWNER, EXISTS).events


@pytest.mark.parametrize("by", [LEAD, ADMIN, actor("owner", (Persona.PRODUCT_OWNER, SEARCH))])
def test_only_the_owner_of_the_product_has_workloads_in_it(by: Actor) -> None:
    for command in (create(), rename(title="x"), end(end_month=JULY), withdraw_workload(reason="x")):
        given = ACCOUNT if command.kind == "workload.Create" else EXISTS
        assert isinstance(refused(command, by, given), Forbidden)


def test_its_account_must_be_allocated_to_the_product_when_it_is_launched() -> None:
    assert refused(create(account_id=OTHER), OWNER, ACCOUNT).code == "UnknownAccount"
    assert refused(create(), OWNER, [vended()]).code == "NotAllocated"
    assert decide(create(account_id=OTHER), OWNER, ELSEWHERE).events
    searches = allocated().fact.model_copy(update={"shares": shares("100", products=(SEARCH,))})
    message = refused(create(), OWNER, [ACCOUNT[0], ACCOUNT[1]._replace(fact=searches)]).message
    assert "is not allocated to Retail/Digital/Web/Checkout on 2026-07-01" in message


def test_a_launch_in_the_past_is_judged_by_the_allocation_of_today() -> None:
    assert decide(create(launch=Month(2026, 1)), OWNER, ACCOUNT).events


def test_a_workload_belongs_to_a_product_and_not_to_what_stands_above_it() -> None:
    by = actor("owner", (Persona.PRODUCT_OWNER, CHECKOUT.portfolio))
    assert refused(create(product=CHECKOUT.portfolio), by, ACCOUNT).code == "NoProduct"


def test_a_workload_lasts_at_most_five_years_and_not_before_its_launch() -> None:
    longest = JULY.plus(WORKLOAD_MONTHS_MAX - 1)
    assert decide(create(end=longest), OWNER, ACCOUNT).events
    assert refused(create(end=longest.plus(1)), OWNER, ACCOUNT).code == "TooLong"
    assert refused(create(end=JUNE), OWNER, ACCOUNT).code == "EndBeforeLaunch"
    for month in (Month(2199, 1), Month(2199, 12), Month(2000, 1), Month(2005, 12)):
        assert refused(create(launch=month), OWNER, ACCOUNT).code == "WrongMonths"
        assert refused(create(end=month), OWNER, ACCOUNT).code in ("WrongMonths", "EndBeforeLaunch")
        assert refused(end(end_month=month), OWNER, EXISTS).code in ("WrongMonths", "EndBeforeLaunch")


@pytest.mark.parametrize("name", ["", " x", "x\n", "x" * 101, "a\x00"])
def test_a_name_that_a_product_could_not_have_is_none_for_a_workload(name: str) -> None:
    with pytest.raises(ValidationError):
        create(workload=name)


@pytest.mark.parametrize("name", ["a/b", "50%", "a%2Fb", "/"])
def test_a_name_may_hold_what_separates_names_elsewhere(name: str) -> None:
    assert split_key(workload_key(CHECKOUT, name)) == (CHECKOUT, name)


def test_renaming_keeps_the_name_that_it_is_found_under() -> None:
    (fact,) = facts(decide(rename(title="The basket"), OWNER, EXISTS))
    assert fact == renamed().fact
    assert (workload_of([*EXISTS, renamed()]).title, workload_of(EXISTS).title) == ("The basket", NAME)
    assert decide(rename(title="The basket"), OWNER, [*EXISTS, renamed()]).events == ()


def test_a_workload_that_is_not_there_is_not_found() -> None:
    assert isinstance(refused(rename(title="x"), OWNER, ACCOUNT), NotFound)


def test_the_end_can_be_moved_earlier_and_later_but_not_into_the_past() -> None:
    (fact,) = facts(decide(end(end_month=Month(2027, 3)), OWNER, EXISTS))
    assert isinstance(fact, EndMoved)
    moved = [*EXISTS, end_moved(Month(2026, 8))]
    assert workload_of(moved).ends_on == date(2026, 9, 1)
    assert decide(end(end_month=Month(2026, 8)), OWNER, moved).events == ()
    september = datetime(2026, 8, 31, 23, 59, tzinfo=UTC)
    assert decide(end(end_month=DECEMBER), OWNER, moved, now=september).events
    early = [*ACCOUNT, created(launch=Month(2026, 1))]
    assert refused(end(end_month=Month(2026, 5)), OWNER, early).code == "EndInThePast"


def test_what_has_ended_does_not_come_back() -> None:
    moved = [*EXISTS, end_moved(Month(2026, 8))]
    september = datetime(2026, 9, 1, tzinfo=UTC)
    assert refused(end(end_month=DECEMBER), OWNER, moved, now=september).code == "WorkloadEnded"
    given_up = [*EXISTS, withdrawn(date(2026, 6, 18))]
    assert refused(end(end_month=JULY), OWNER, given_up).code == "WorkloadEnded"


def test_an_end_that_would_change_claims_of_a_closed_month_is_refused() -> None:
    august = datetime(2026, 8, 15, tzinfo=UTC)
    given = [*EXISTS, *closed(Month(2026, 9))]
    assert refused(end(end_month=Month(2026, 8)), OWNER, given, now=august).code == "ClosedMonth"
    assert decide(end(end_month=Month(2026, 9)), OWNER, given, now=august).events
    assert refused(withdraw_workload(reason="x"), OWNER, given, now=august).code == "ClosedMonth"


def test_withdrawing_takes_effect_tomorrow_and_once() -> None:
    decision = decide(withdraw_workload(reason="not built"), OWNER, EXISTS)
    assert facts(decision) == [withdrawn(date(2026, 6, 18)).fact]
    assert isinstance(facts(decision)[0], Withdrawn)
    given = [*EXISTS, withdrawn(date(2026, 6, 18))]
    assert workload_of(given).ends_on == date(2026, 6, 18)
    assert decide(withdraw_workload(reason="not built"), OWNER, given).events == ()


@pytest.mark.parametrize("given", [SUBMITTED, REJECTED])
def test_nothing_moves_under_an_estimate_that_is_being_decided(given: list[Event]) -> None:
    for command in (end(end_month=JULY), withdraw_workload(reason="x")):
        assert refused(command, OWNER, given).code == "EstimateOpen"
        assert decide(command, OWNER, APPROVED).events
