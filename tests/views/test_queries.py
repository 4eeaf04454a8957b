"""What pages, the command line and activities may ask."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from domain.calendar import Month
from domain.decision import Persona, PersonId
from domain.errors import BadInput, Unavailable
from domain.hierarchy import DEFAULT_LABELS, NodePath
from domain.schedule import State
from tests.views.given import (
    ANN,
    BOB,
    EVE,
    START,
    ListLog,
    allocated,
    approved,
    cost,
    granted,
    imported,
    line,
    loaded,
    path,
    refused,
    registered,
    rejected,
    store_costs,
    submitted,
    vended,
)
from tests.views.given_process import (
    appointed,
    closed,
    deactivated,
    delegated,
    delegation_ended,
    escalated,
    grant_withdrawn,
    product_withdrawn,
    reactivated,
    reminded,
    reopened,
    requested,
)
from views.projector import Projector
from views.queries import Views

CART, BOOKS = "Retail/Digital/Web/Cart", "Retail/Digital/Web/Books"
SHOP = "Retail/Digital/Webshop/Shop"
ONE, TWO = "000000000001", "000000000002"


@pytest.fixture
def given(log: ListLog, projector: Projector, database_url: str) -> Callable[..., int]:
    def run(*events: Any) -> int:
        log.add(*events)
        return projector.catch_up()

    return run


def introduce(database_url: str, **people: PersonId) -> None:
    with psycopg.connect(database_url) as connection:
        for name, person_id in people.items():
            connection.execute(
                "INSERT INTO people (person_id, email, name) VALUES (%s, %s, %s)",
                [person_id, f"{name}@example.com", name.title()],
            )


def test_the_rollup_shows_figures_states_unallocated_accounts_and_the_check(
    given: Callable[..., int], views: Views, database_url: str
) -> None:
    costs = [cost(ONE, "2026-05-03", "30.0000000001"), cost(TWO, "2026-05-08", "5"), cost(TWO, "2026-06-02", "2.5")]
    store_costs(database_url, costs)
    given(
        loaded(),
        line(CART, "1000"),
        line(BOOKS, "500"),
        submitted(CART, "10"),
        approved(CART),
        submitted(BOOKS, "20"),
        vended(ONE),
        vended(TWO, "sandbox"),
        allocated(ONE, date(2026, 1, 1), Cart="100"),
        imported(costs, "2026-05"),
        imported(costs, "2026-06"),
    )
    report = views.rollup(2026)
    top = report.rows[0]
    assert (top.path, top.name, top.label, top.annual) == (NodePath.ROOT, "/", "Organization", Decimal("1500.00"))
    assert (str(top.planned), str(top.unallocated), str(top.actual)) == ("120.00", "1380.00", "30.0000000001")
    assert str(top.variance) == "89.9999999999"
    assert [(row.label, row.name, row.state, row.is_approved) for row in report.rows[1:]] == [
        ("Division", "Retail", None, False),
        ("Team", "Digital", None, False),
        ("Portfolio", "Web", None, False),
        ("Product", "Books", State.PENDING, False),
        ("Product", "Cart", State.APPROVED, True),
    ]
    (account,) = report.unallocated
    assert (account.account_id, account.name, str(account.amount)) == (TWO, "sandbox", "7.50")
    assert (account.since, account.age_days(date(2026, 6, 8))) == (date(2026, 5, 8), 31)
    assert account.months == {Month(2026, 5): Decimal(5), Month(2026, 6): Decimal("2.5")}
    assert [(str(p.billing_period), str(p.report), p.equal) for p in report.periods] == [
        ("2026-05", "35.0000000001", True),
        ("2026-06", "2.50", True),
    ]
    assert report.reconciles
    assert report.position == views.position() == 11


def test_a_node_takes_in_what_is_below_it_and_not_what_is_called_alike(given: Callable[..., int], views: Views) -> None:
    given(line(CART, "1"), line(BOOKS, "10"), line(SHOP, "100"), line("Retail/Digital/Web 2/Shop", "1000"))
    report = views.rollup(2026, path("Retail/Digital/Web"))
    assert [str(row.path) for row in report.rows] == ["Retail/Digital/Web", BOOKS, CART]
    assert report.rows[0].annual == 11
    assert [row.level for row in views.rollup(2026, path("Retail"), depth=1).rows] == [1, 2]
    assert [row.level for row in views.rollup(2026, depth=0).rows] == [0]
    assert views.rollup(2026, path("Retail/Nothing")).rows == ()
    assert views.rollup(2031).rows == ()


def test_months_of_a_node(given: Callable[..., int], views: Views, database_url: str) -> None:
    store_costs(database_url, costs := [cost(ONE, "2026-05-03", "3")])
    given(line(CART, "99"), submitted(CART, "1"), approved(CART), vended(ONE))
    given(allocated(ONE, date(2026, 1, 1), Cart="100"), imported(costs, "2026-05"))
    months = views.months(2026, path("Retail"))
    assert len(months) == 12
    assert (str(months[4].month), months[4].planned, months[4].actual) == (
        "2026-05",
        Decimal(1),
        Decimal(3),
    )


def test_a_schedule_before_and_after_its_submission(given: Callable[..., int], views: Views, database_url: str) -> None:
    introduce(database_url, ann=ANN, bob=BOB)
    assert views.schedule(2026, path(CART)) is None
    given(line(CART, "1000", proposal={Month(2026, 1): "5"}))
    draft = views.schedule(2026, path(CART))
    assert draft is not None
    assert (draft.state, draft.version, draft.round, draft.submitted) == (State.DRAFT, 0, 1, {})
    assert draft.proposal == {Month(2026, 1): Decimal(5)}
    assert views.current_round(2026, path(CART)) == 1
    given(submitted(CART, "10.5", note="please"), rejected(CART, "too early"))
    after = views.schedule(2026, path(CART))
    assert after is not None
    assert (after.state, after.version, after.reason, after.note) == (State.REJECTED, 2, "too early", "please")
    assert (after.submitted_by_name, after.decided_by_name) == ("Ann", "Bob")
    assert (str(after.submitted_total), str(after.planned), str(after.unallocated)) == ("126.00", "0.00", "1000.00")
    assert str(after.submitted[Month(2026, 3)]) == "10.50"
    assert (after.updated_at, views.current_round(2026, path(CART))) == (START + timedelta(seconds=3), 1)
    given(submitted(CART, "10"), approved(CART, version=3))
    assert views.current_round(2026, path(CART)) == 1
    assert views.current_round(2026, path(CART), for_request=True) == 2
    given(requested(CART, 2, "11", by=EVE, on_behalf_of=ANN, reason="a new plan"))
    asked = views.schedule(2026, path(CART))
    assert asked is not None
    assert (asked.state, asked.attached, asked.reason) == (State.RESCHEDULE_REQUESTED, True, "a new plan")
    assert (asked.submitted_by, asked.submitted_for_name) == (EVE, "Ann")
    assert (str(asked.submitted_total), str(asked.planned), asked.turn, asked.since) == (
        "132.00",
        "120.00",
        asked.version,
        asked.updated_at,
    )
    assert [views.current_round(2026, path(CART), for_request=request) for request in (False, True)] == [2, 2]


def test_accounts_with_their_last_allocation(given: Callable[..., int], views: Views) -> None:
    given(vended(ONE, "shop"), vended(TWO), allocated(ONE, date(2026, 1, 1), Cart="100"))
    given(allocated(ONE, date(2026, 3, 1), Cart="33.3333", Books="66.6667"))
    first, second = views.accounts()
    assert (first.account_id, first.tags, first.allocated_since) == (ONE, {"team": "shop"}, date(2026, 1, 1))
    assert first.allocation is not None
    assert [(str(s.product), str(s.percent)) for s in first.allocation.shares] == [
        (BOOKS, "66.6667"),
        (CART, "33.3333"),
    ]
    assert (second.account_id, second.allocation) == (TWO, None)
    assert [account.account_id for account in views.accounts(TWO)] == [TWO]
    assert [(a.effective_on, a.effective_to) for a in views.allocations(ONE)] == [
        (date(2026, 1, 1), date(2026, 3, 1)),
        (date(2026, 3, 1), None),
    ]


def test_the_audit_trail_is_found_by_whatever_it_is_about(
    given: Callable[..., int], views: Views, database_url: str, log: ListLog
) -> None:
    introduce(database_url, ann=ANN)
    given(loaded(), line(CART, "1"), submitted(CART, "1"), refused(1, f"schedule/2026/{CART}"))
    given(line(BOOKS, "1"), line(SHOP, "1"), vended(ONE), allocated(ONE, date(2026, 1, 1), Cart="100"), registered(ANN))

    def positions(subject: str) -> list[int]:
        return [entry.position for entry in views.audit(subject)]

    assert positions(CART) == [2, 3, 8]
    assert positions(f"2026/{CART}") == [2, 3, 4]
    assert positions(f"schedule/2026/{CART}") == [3, 4]
    assert positions("Retail/Digital/Web") == [2, 3, 5, 8]  # and not Webshop
    assert positions(ONE) == [7, 8]
    assert positions("2026") == [1]
    assert positions("ANN@example.com") == positions(str(ANN)) == [9]
    assert positions(str(log.events[2].command_id)) == [3]
    assert positions("Retail/Nothing") == []
    entry = views.audit(CART)[1]
    assert (entry.actor_name, entry.workflow_id, entry.fact["product"]) == ("Ann", log.events[2].workflow_id, CART)
    assert [entry.position for entry in views.audit(CART, limit=2)] == [3, 8]
    given(reminded(CART, 1), escalated(CART, 1), delegated(BOB, ANN, date(2026, 1, 1), date(2026, 1, 2)))
    given(granted(BOB, Persona.FINANCIAL_ADMIN), appointed(BOB, Persona.FINANCIAL_ADMIN), closed("2026-01"))
    assert positions(CART)[-2:] == positions(f"2026/{CART}")[-2:] == [10, 11]
    assert positions("ann@example.com") == [9, 12]
    assert positions(str(BOB)) == [12, 13]
    assert positions("financial_admin//") == [14]
    assert positions("2026-01") == [15]


def test_the_audit_trail_says_on_whose_authority(given: Callable[..., int], views: Views, log: ListLog) -> None:
    log.add(line(CART, "1"))
    log.events[0] = log.events[0]._replace(on_behalf_of=EVE, policies=("budget-load",), policy_version="abc")
    given()
    (entry,) = views.audit(CART)
    assert (entry.on_behalf_of, entry.policies, entry.policy_version) == (EVE, ("budget-load",), "abc")


def test_people_with_their_grants(given: Callable[..., int], views: Views, database_url: str) -> None:
    introduce(database_url, ann=ANN, bob=BOB)
    given(registered(ANN), granted(ANN, Persona.PRODUCT_OWNER, "A b/C/D e/F"), granted(ANN, Persona.FINANCIAL_ADMIN))
    ann, bob = views.people()
    assert [(g.persona, str(g.node)) for g in ann.grants] == [
        ("financial_admin", "/"),
        ("product_owner", "A b/C/D e/F"),
    ]
    assert (ann.registered, bob.registered, bob.grants) == (True, False, ())
    assert views.person("Ann@Example.com") == ann
    given(grant_withdrawn(ANN, Persona.PRODUCT_OWNER, "A b/C/D e/F"), deactivated(ANN))
    left = views.person("ann@example.com")
    assert left is not None
    assert (left.deactivated, [grant.persona for grant in left.grants]) == (True, [Persona.FINANCIAL_ADMIN])
    given(reactivated(ANN))
    assert [person.deactivated for person in views.people()] == [False, False]
    assert views.person("nobody@example.com") is None


def test_a_fiscal_year_has_labels_loads_and_closed_months(
    given: Callable[..., int], views: Views, database_url: str
) -> None:
    introduce(database_url, ann=ANN)
    assert views.labels(2026) == DEFAULT_LABELS
    assert (views.loads(2026), views.closed_months(2026)) == ((), ())
    given(loaded(2, "30.5"), loaded(1, "7", mode="change", added=0, changed=1, labels=("A", "B", "C", "D")))
    given(loaded(9, "1", 2027), closed("2026-02", note="invoiced"), closed("2026-01"), closed("2026-03"))
    given(reopened("2026-03"))
    assert (views.labels(2026), views.labels(2027)[0]) == (("A", "B", "C", "D"), "Division")
    first, second = views.loads(2026)
    assert (first.ordinal, first.mode, first.added, str(first.total), first.loaded_by_name) == (
        1,
        "new",
        2,
        "30.50",
        "Ann",
    )
    assert (second.ordinal, second.mode, second.added, second.changed) == (2, "change", 0, 1)
    assert [(str(m.month), m.note, m.closed_by_name) for m in views.closed_months(2026)] == [
        ("2026-01", "", "Ann"),
        ("2026-02", "invoiced", "Ann"),
    ]


def test_delegations_given_and_received(given: Callable[..., int], views: Views, database_url: str) -> None:
    introduce(database_url, ann=ANN, bob=BOB)
    first, last = date(2026, 3, 2), date(2026, 3, 6)
    given(
        delegated(BOB, ANN, first, last, note="on leave"), delegated(ANN, EVE, last, last), delegation_ended(ANN, EVE)
    )
    given_, received = views.delegations(ANN)
    assert (given_.person_name, given_.delegated_by_name, given_.note) == ("Bob", "Ann", "on leave")
    assert [given_.holds_on(day) for day in (first, last, last + timedelta(1))] == [True, True, False]
    assert (received.delegated_by, received.holds_on(last)) == (EVE, False)
    assert [delegation.person_id for delegation in views.delegations(BOB)] == [BOB]


def test_what_is_known(given: Callable[..., int], views: Views, database_url: str) -> None:
    introduce(database_url, ann=ANN)
    given(line(CART, "1"), line(BOOKS, "1"), line(CART, "1", 2027), vended(ONE))
    assert [str(product) for product in views.known_products()] == [BOOKS, CART]
    assert [str(product) for product in views.known_products(2027)] == [CART]
    assert [str(product) for product in views.known_products(2026, "Retail/Digital/Web/B")] == [BOOKS]
    assert views.known_products(2026, "%") == ()
    given(product_withdrawn(BOOKS))
    by_day = [views.known_products(2026, day=day) for day in (None, date(2026, 6, 30), date(2026, 7, 1))]
    assert by_day == [(path(BOOKS), path(CART)), (path(BOOKS), path(CART)), (path(CART),)]
    assert (views.fiscal_years(), views.known_accounts()) == ((2026, 2027), (ONE,))
    assert views.known_people() == ("ann@example.com",)


def test_one_reads_what_one_has_just_written(log: ListLog, projector: Projector, views: Views) -> None:
    position = log.add(line(CART, "1"))
    timer = threading.Timer(0.3, projector.catch_up)
    timer.start()
    started = time.monotonic()
    assert views.wait_for(position, timeout_s=10) == position
    assert 0.2 < time.monotonic() - started < 5
    assert views.known_products(2026) == (path(CART),)
    timer.join()


def test_waiting_for_views_that_stand_still_ends_in_time(views: Views) -> None:
    with pytest.raises(Unavailable, match=r"up to 0 and not yet up to 5.*recorded.*allot up") as caught:
        views.wait_for(5, timeout_s=0.2)
    assert caught.value.code == "ViewsBehind"


def test_a_server_that_does_not_answer_is_named_without_the_password() -> None:
    views = Views("postgresql://allot:secret@127.0.0.1:1/allot")
    with pytest.raises(Unavailable, match=r"PostgreSQL at 127\.0\.0\.1:1/allot does not answer .*`allot up`") as caught:
        views.open()
    assert "secret" not in str(caught.value)
    with pytest.raises(BadInput):
        Views("no address")


def test_a_database_without_views_is_told_apart(postgres_url: str) -> None:
    with pytest.raises(Unavailable, match="allot setup"):
        Views(postgres_url).open()


def test_queries_go_on_after_the_server_cut_them_off(views: Views, database_url: str) -> None:
    assert views.position() == 0
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'allot-queries'"
        )
    assert views.position() == 0


def test_queries_cannot_write(views: Views) -> None:
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), views.snapshot() as cursor:
        cursor.execute("UPDATE view_generations SET position = 7")
