"""What pages, the command line and activities are told about accounts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from domain.account import Lifecycle
from domain.account_facts import Basis, Occasion
from domain.allocation import AllocationStatus
from domain.expectation import key_of_email, key_of_name
from tests.views.given import (
    ANN,
    START,
    ListLog,
    allocated,
    allocated_to,
    cost,
    imported,
    line,
    store_costs,
    vended,
)
from tests.views.given_accounts import (
    account_escalated,
    account_reminded,
    appeared,
    departed,
    expectation_withdrawn,
    expected,
    first_billed,
    message_rejected,
    opened,
    proposed,
    rule,
    rules_replaced,
    vending_failed,
)
from tests.views.given_process import product_withdrawn
from views.account_models import AccountRulesDetail, ExpectationStatus, OpenAlignment, TroubleKind
from views.account_times import percentile
from views.projector import Projector
from views.queries import Views

Given = Callable[..., int]
ONE, TWO, THREE, FOUR = (f"{n:012d}" for n in range(1, 5))
CART, BOOKS = "Retail/Digital/Web/Cart", "Retail/Digital/Web/Books"
NEW_YEAR, MARCH, MAY = date(2026, 1, 1), date(2026, 3, 1), date(2026, 5, 1)
S = timedelta(seconds=1)


def at(position: int) -> Any:
    return START + timedelta(seconds=position)


@pytest.fixture
def given(log: ListLog, projector: Projector) -> Given:
    def run(*events: Any) -> int:
        log.add(*events)
        return projector.catch_up()

    return run


@pytest.fixture
def ann(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO people (person_id, email, name) VALUES (%s, 'ann@example.com', 'Ann')", [ANN])


@pytest.mark.usefixtures("ann")
def test_an_account_is_shown_with_all_that_waits(given: Given, views: Views) -> None:
    given(vended(ONE, source="sync"), opened(ONE), proposed(ONE, {CART: "100"}, by=ANN, note="why"))
    given(account_reminded(ONE, count=2), account_escalated(ONE))
    (account,) = views.accounts(ONE, today=MARCH)
    assert (account.lifecycle, account.source, account.occasion, account.open_reason, account.opened_at) == (
        Lifecycle.PROPOSED,
        "sync",
        1,
        "first sight",
        at(2),
    )
    assert (account.reminders, account.escalated_at, account.allocation) == (2, at(5), None)
    proposal = account.proposal
    assert proposal is not None
    assert (proposal.number, proposal.proposed_by_name, proposal.note, proposal.proposed_at) == (1, "Ann", "why", at(3))
    assert [(str(share.product), str(share.percent)) for share in proposal.shares] == [(CART, "100")]
    given(first_billed(TWO), opened(TWO, reason=Occasion.SPENDING))
    (unknown,) = views.accounts(TWO)
    assert (unknown.lifecycle, unknown.name, unknown.joined_at, unknown.first_seen_at, unknown.tags) == (
        Lifecycle.UNKNOWN,
        "",
        None,
        None,
        {},
    )


def test_the_allocation_of_an_account_is_the_one_in_effect(given: Given, views: Views) -> None:
    given(vended(ONE), allocated(ONE, MARCH, Cart="100"), allocated(ONE, MAY, Books="100"))

    def on(today: date | None) -> date:
        (account,) = views.accounts(ONE, today)
        assert account.allocation is not None
        return account.allocation.effective_on

    assert [on(day) for day in (NEW_YEAR, MARCH, date(2026, 4, 30), MAY)] == [MARCH, MARCH, MARCH, MAY]
    assert on(None) == MAY


def test_a_history_says_what_is_past_current_and_to_come(given: Given, views: Views) -> None:
    given(vended(ONE), allocated(ONE, NEW_YEAR, Cart="100"), allocated(ONE, MARCH, Books="100"))
    given(allocated_to(ONE, MAY, {CART: "100"}, basis=Basis.RULE, rule="prod"))
    marks = [(one.status, one.is_new, one.is_expiring) for one in views.allocations(ONE, date(2026, 4, 2))]
    assert marks == [
        (AllocationStatus.PAST, False, False),
        (AllocationStatus.CURRENT, False, True),
        (AllocationStatus.FUTURE, False, False),
    ]
    assert [one.is_new for one in views.allocations(ONE, date(2026, 3, 30))] == [False, True, False]
    assert [(one.basis, one.rule, one.proposal) for one in views.allocations(ONE)] == [
        ("by hand", "", 0),
        ("by hand", "", 0),
        ("rule", "prod", 0),
    ]
    assert {one.status for one in views.allocations(ONE)} == {None}


def test_present_and_open_accounts(given: Given, views: Views) -> None:
    given(vended(ONE), vended(TWO), opened(TWO), vended(THREE), opened(THREE), departed(ONE), first_billed(FOUR))
    given(opened(THREE, 2, Occasion.MOVED))
    assert views.known_accounts() == (ONE, TWO, THREE, FOUR)
    assert views.present_accounts() == (TWO, THREE)
    assert views.open_alignments() == (OpenAlignment(TWO, 1), OpenAlignment(THREE, 2))
    assert views.open_alignments(1) == ((TWO, 1),)


def test_accounts_are_found_by_what_they_would_be_expected_under(given: Given, views: Views) -> None:
    given(vended(TWO, "shop", email="Straße@Example.com"), vended(ONE, "shop"), vended(THREE, "shop "))
    keys = [
        key_of_email(" straße@example.COM"),
        key_of_name("shop"),
        key_of_name("Shop"),
        key_of_email("x@example.com"),
    ]
    assert views.accounts_named(keys) == {keys[0]: TWO, keys[1]: ONE}
    given(allocated(TWO, NEW_YEAR, Cart="100"))
    assert views.accounts_named(keys)[key_of_name("shop")] == TWO  # the one that has its allocation
    given(departed(TWO))
    assert views.accounts_named(keys) == {keys[1]: ONE}
    assert views.accounts_named([]) == {}


@pytest.mark.usefixtures("ann")
def test_expected_accounts_by_how_they_stand(given: Given, views: Views) -> None:
    given(expected({CART: "100"}, email="a@example.com", note="ticket 7"), expected({CART: "100"}, name="shop"))
    given(expected({CART: "100"}, name="later"), appeared("name:shop", ONE), expectation_withdrawn("name:later"))
    assert [(one.key, one.status, one.account_id, one.reason) for one in views.expected_accounts()] == [
        ("email:a@example.com", ExpectationStatus.WAITING, "", ""),
        ("name:shop", ExpectationStatus.APPEARED, ONE, ""),
        ("name:later", ExpectationStatus.WITHDRAWN, "", "not needed"),
    ]
    (waiting,) = views.expected_accounts(ExpectationStatus.WAITING)
    assert (waiting.registered_by_name, waiting.note, waiting.account_type) == ("Ann", "ticket 7", "Sandbox")
    assert [str(share.product) for share in waiting.shares] == [CART]


@pytest.mark.usefixtures("ann")
def test_the_rules_in_force_are_those_of_the_last_set(given: Given, views: Views) -> None:
    assert views.account_rules() == AccountRulesDetail()
    rules = [rule(name, {CART: "100"}, ou_path="/A", tags={"x": "*"}) for name in ("b", "a")]
    given(rules_replaced(rule("old", {BOOKS: "100"})), rules_replaced(*rules, note="better"))
    found = views.account_rules()
    assert found.rules == tuple(rules)
    assert (found.set_by_name, found.set_at, found.version, found.note) == ("Ann", at(2), 2, "better")
    given(rules_replaced())
    assert (views.account_rules().rules, views.account_rules().version) == ((), 3)


def test_troubles_are_shown_the_latest_first(given: Given, views: Views) -> None:
    given(vending_failed("car-1", "shop"), message_rejected("m-1"), vending_failed("car-2"))
    found = views.account_troubles()
    assert [(one.kind, one.key) for one in found] == [
        (TroubleKind.VENDING_FAILED, "car-2"),
        (TroubleKind.MESSAGE_REJECTED, "m-1"),
        (TroubleKind.VENDING_FAILED, "car-1"),
    ]
    assert len(views.account_troubles(2)) == 2


def test_products_are_found_by_their_code(given: Given, views: Views) -> None:
    given(line(CART, "1", code="C1"), line(BOOKS, "1", code="C1"), line(BOOKS, "1", 2027, code="C2"))
    given(line("Retail/Digital/Web/Shop", "1"))
    assert [str(product) for product in views.products_coded("C1", 2026)] == [BOOKS, CART]
    assert [str(product) for product in views.products_coded("C2", 2027)] == [BOOKS]
    assert views.products_coded("C2", 2026) == views.products_coded("", 2026) == ()
    given(product_withdrawn(CART))
    assert [str(product) for product in views.products_coded("C1", 2026)] == [BOOKS]


def test_how_long_accounts_take_is_counted_from_when_allot_began_to_look(given: Given, views: Views) -> None:
    old = vended(ONE, joined_at=START - timedelta(days=400))
    given(old, allocated(ONE, NEW_YEAR, Cart="100"))  # backfilled, and would take 400 days
    given(vended(TWO, joined_at=at(1)), allocated(TWO, NEW_YEAR, Cart="100"), first_billed(TWO))
    given(vended(THREE, joined_at=at(5)), vended(FOUR, joined_at=at(999)))  # the last one by a clock that is ahead
    times = views.account_times()
    assert [(one.account_id, one.counted) for one in times.accounts] == [
        (ONE, False),
        (TWO, True),
        (THREE, True),
        (FOUR, False),
    ]
    assert times.left_out == 2
    assert (times.to_known.accounts, times.to_known.median, times.to_known.p90) == (2, 1 * S, 2 * S)
    assert (times.to_aligned.accounts, times.to_aligned.median) == (1, 3 * S)
    assert (times.to_first_bill.accounts, times.to_first_bill.median) == (1, 4 * S)
    assert (times.accounts[1].vended_at, times.accounts[1].known_at, times.accounts[1].billed_at) == (
        at(1),
        at(3),
        at(5),
    )
    later = views.account_times(at(6))
    assert [one.account_id for one in later.accounts] == [THREE, FOUR]
    assert (later.left_out, later.to_known.accounts, later.to_aligned.median) == (1, 1, None)


def test_an_account_that_was_billed_first_has_no_time_to_be_known_in(given: Given, views: Views) -> None:
    given(first_billed(ONE), vended(TWO, joined_at=at(1)))
    times = views.account_times()
    assert [(one.account_id, one.counted, one.known_at) for one in times.accounts] == [
        (ONE, False, None),
        (TWO, True, at(2)),
    ]


@for_all(st.lists(st.timedeltas(), min_size=1, max_size=40))
def test_nine_of_ten_accounts_took_no_longer(took: list[timedelta]) -> None:
    found = percentile(sorted(took), 90)
    assert found in took
    assert sum(one <= found for one in took) >= 0.9 * len(took)
    assert sum(one < found for one in took) < 0.9 * len(took)


def test_unallocated_spend_says_where_its_account_stands(given: Given, views: Views, database_url: str) -> None:
    costs = [cost(account_id, "2026-05-03", "1") for account_id in (ONE, TWO, THREE)]
    store_costs(database_url, costs)
    given(vended(ONE, "shop"), first_billed(ONE), first_billed(TWO), imported(costs, "2026-05"))
    report = views.rollup(2026)
    assert {one.account_id: (one.name, one.lifecycle) for one in report.unallocated} == {
        ONE: ("shop", Lifecycle.SPENDING),
        TWO: ("", Lifecycle.UNKNOWN),
        THREE: ("", Lifecycle.UNKNOWN),  # imported, and not looked through for first bills yet
    }
    assert report.reconciles


def test_the_audit_trail_finds_accounts_by_whatever_they_are_about(given: Given, views: Views) -> None:
    given(vended(ONE), opened(ONE), proposed(ONE, {CART: "100"}, rule="prod"), account_escalated(ONE), departed(ONE))
    given(expected({CART: "100"}, email="aws@example.com"), appeared("email:aws@example.com", ONE), first_billed(ONE))
    given(rules_replaced(rule("prod", {CART: "100"})), vending_failed("car-1", "shop", TWO), message_rejected("m-1"))

    def positions(subject: str) -> list[int]:
        return [entry.position for entry in views.audit(subject)]

    assert positions(ONE) == [1, 2, 3, 4, 5, 7, 8]
    assert positions(f"account/{ONE}") == [1, 2, 3, 4, 5, 8]
    assert positions(CART) == [3, 6, 9]
    assert positions("aws@example.com") == positions("email:aws@example.com") == [6, 7]
    assert positions("account_rules") == [9]
    assert positions("car-1") == positions("shop") == positions(TWO) == [10]
    assert positions("m-1") == [11]
    assert positions("2026-05") == [8]
