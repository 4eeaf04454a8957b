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
from domain.hierarchy import NodePath
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
    assert (draft.state, draft.version, draft.round, draft.submitted) == (State.DRAFT, 0, 0, {})
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
    assert views.current_round(2026, path(CART)) == 2


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


def test_tasks_are_of_those_who_hold_the_persona_over_the_node_oldest_first(
    given: Callable[..., int], views: Views
) -> None:
    given(granted(ANN, Persona.PORTFOLIO_OWNER, "Retail/Digital/Web"), granted(EVE, Persona.FINANCIAL_ADMIN))
    given(submitted(SHOP, "1", by=BOB), vended(ONE), submitted(CART, "1", by=BOB), submitted(BOOKS, "1", by=ANN))
    assert [task.subject for task in views.tasks(ANN)] == [CART]  # not Webshop, and not her own submission
    assert [(task.kind, task.subject) for task in views.tasks(EVE)] == [("allocate_account", ONE)]
    assert views.tasks(BOB) == ()
    given(granted(BOB, Persona.PORTFOLIO_OWNER, "Retail/Digital/Web"), rejected(CART, "no"))
    assert [(task.kind, task.subject, task.version) for task in views.tasks(BOB)] == [("approve_schedule", BOOKS, 1)]
    given(granted(BOB, Persona.PRODUCT_OWNER, CART))
    assert [(task.subject, task.detail) for task in views.tasks(BOB)] == [(BOOKS, ""), (CART, "no")]
    assert [task.subject for task in views.tasks()] == [SHOP, ONE, BOOKS, CART]


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
    assert views.person("nobody@example.com") is None


def test_what_is_known(given: Callable[..., int], views: Views, database_url: str) -> None:
    introduce(database_url, ann=ANN)
    given(line(CART, "1"), line(BOOKS, "1"), line(CART, "1", 2027), vended(ONE))
    assert [str(product) for product in views.known_products()] == [BOOKS, CART]
    assert [str(product) for product in views.known_products(2027)] == [CART]
    assert [str(product) for product in views.known_products(2026, "Retail/Digital/Web/B")] == [BOOKS]
    assert views.known_products(2026, "%") == ()
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
