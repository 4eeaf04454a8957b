"""Given events, then rows: budgets, schedules, accounts, people, tasks, audit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from domain.decision import Persona
from tests.views.given import (
    ANN,
    BOB,
    EVE,
    START,
    ListLog,
    allocated,
    approved,
    changed,
    granted,
    line,
    loaded,
    refused,
    registered,
    rejected,
    submitted,
    vended,
)
from tests.views.given_process import granted_request, requested
from views.batch import BrokenLog
from views.projector import Projector

Ask = Callable[[str], list[tuple[Any, ...]]]
CART, BOOKS = "Retail/Digital/Web/Cart", "Retail/Digital/Web/Books"
ACCOUNT = "000000000001"


def at(position: int) -> Any:
    return START + timedelta(seconds=position)


@pytest.fixture
def fold(log: ListLog, projector: Projector) -> Callable[..., int]:
    def run(*events: Any) -> int:
        log.add(*events)
        return projector.catch_up()

    return run


def test_a_budget_line_makes_its_nodes_once(fold: Callable[..., int], rows: Ask) -> None:
    fold(loaded(), line(CART, "100"), line(BOOKS, "50", code="B1"), line("Retail/Digital/App/Shop", "7"))
    assert rows("SELECT path, level, parent, name FROM hierarchy ORDER BY path") == [
        ("Retail", 1, "/", "Retail"),
        ("Retail/Digital", 2, "Retail", "Digital"),
        ("Retail/Digital/App", 3, "Retail/Digital", "App"),
        ("Retail/Digital/App/Shop", 4, "Retail/Digital/App", "Shop"),
        ("Retail/Digital/Web", 3, "Retail/Digital", "Web"),
        (BOOKS, 4, "Retail/Digital/Web", "Books"),
        (CART, 4, "Retail/Digital/Web", "Cart"),
    ]
    assert rows("SELECT product, annual::text, code FROM budget_lines ORDER BY 1 LIMIT 2") == [
        ("Retail/Digital/App/Shop", "7.000000000000000000", ""),
        (BOOKS, "50.000000000000000000", "B1"),
    ]
    assert rows("SELECT labels, currency FROM budget_books") == [(["Division", "Team", "Portfolio", "Product"], "USD")]
    assert rows("SELECT DISTINCT fiscal_year, withdrawn, effective_on FROM budget_lines") == [
        (2026, False, date(2026, 1, 1))
    ]


def test_a_changed_annual_budget_takes_the_place_of_the_old_one(fold: Callable[..., int], rows: Ask) -> None:
    fold(line(CART, "100"), line(BOOKS, "50"))
    fold(line(CART, "80.5"))
    assert rows("SELECT path, trim_scale(annual)::text, lines, parts FROM rollup ORDER BY level, path") == [
        ("/", "130.5", 2, 2),
        ("Retail", "130.5", 2, 2),
        ("Retail/Digital", "130.5", 2, 2),
        ("Retail/Digital/Web", "130.5", 2, 2),
        (BOOKS, "50", 1, 1),
        (CART, "80.5", 1, 1),
    ]


def test_only_an_approved_schedule_is_planned(fold: Callable[..., int], rows: Ask) -> None:
    planned = f"SELECT trim_scale(planned)::text, approved FROM rollup WHERE path = '{CART}'"
    fold(line(CART, "1000"), submitted(CART, "10.50"))
    assert rows(planned) == [("0", 0)]
    fold(rejected(CART, "too early"))
    assert rows(planned) == [("0", 0)]
    fold(submitted(CART, "20"), approved(CART, version=3))
    assert rows(planned) == [("240", 1)]
    assert rows("SELECT month, trim_scale(planned)::text FROM rollup_months WHERE path = '/' ORDER BY 1 LIMIT 2") == [
        ("2026-01", "20"),
        ("2026-02", "20"),
    ]


def test_an_approved_schedule_stays_in_force_until_its_successor_is_approved(
    fold: Callable[..., int], rows: Ask
) -> None:
    fold(line(CART, "1000"), submitted(CART, "1", by=ANN, note="first"), approved(CART, note="well done"))
    fold(requested(CART, 2), granted_request(CART), submitted(CART, "2", by=EVE, note="second"))
    query = "SELECT state, version, round, trim_scale(planned)::text, submitted_by, note, reason FROM schedules"
    assert rows(query) == [("PENDING", 5, 2, "12", EVE, "second", "")]
    fold(approved(CART, version=5))
    assert rows(query) == [("APPROVED", 6, 2, "24", EVE, "second", "")]
    assert rows("SELECT decided_by, decided_at, updated_at FROM schedules") == [(BOB, at(7), at(7))]
    assert rows(
        "SELECT trim_scale(planned)::text, parts FROM rollup_months WHERE path = '/' AND month = '2026-05'"
    ) == [("2", 1)]
    assert rows("SELECT approved FROM rollup WHERE path = '/'") == [(1,)]


def test_a_rejection_stays_in_its_round_and_keeps_the_reason(fold: Callable[..., int], rows: Ask) -> None:
    fold(line(CART, "1000"), submitted(CART, "1"), rejected(CART, "too early"))
    fold(submitted(CART, "1"))
    assert rows("SELECT state, version, round, reason FROM schedules") == [("PENDING", 3, 1, "too early")]


def test_a_decision_on_nothing_stops_the_views(fold: Callable[..., int]) -> None:
    with pytest.raises(BrokenLog, match=r"schedule\.Approved at log position 1: there is no schedule of Retail"):
        fold(approved(CART))
    with pytest.raises(BrokenLog):
        fold()  # and it is not skipped the next time


def test_an_account_keeps_when_it_was_first_seen_and_aligned(fold: Callable[..., int], rows: Ask) -> None:
    fold(vended(ACCOUNT, "shop"), allocated(ACCOUNT, date(2026, 3, 1), Cart="100"))
    fold(allocated(ACCOUNT, date(2026, 2, 1), Cart="100"), changed(ACCOUNT, "renamed", "SUSPENDED"))
    columns = "name, state, tags, first_seen_at, aligned_at, allocated_since, updated_at"
    assert rows(f"SELECT {columns} FROM accounts") == [
        ("renamed", "SUSPENDED", {"team": "renamed"}, at(1), at(2), date(2026, 2, 1), at(4))
    ]


def test_allocations_form_a_history_without_gaps(fold: Callable[..., int], rows: Ask) -> None:
    january, march, may = date(2026, 1, 1), date(2026, 3, 1), date(2026, 5, 1)
    fold(vended(ACCOUNT), allocated(ACCOUNT, january, Cart="100"), allocated(ACCOUNT, may, Books="60", Cart="40"))
    fold(allocated(ACCOUNT, march, Books="100"))
    query = (
        "SELECT effective_on, effective_to, ordinal, product, trim_scale(percent)::text FROM allocations ORDER BY 1, 3"
    )
    assert rows(query) == [
        (january, march, 0, CART, "100"),
        (march, may, 0, BOOKS, "100"),
        (may, None, 0, BOOKS, "60"),
        (may, None, 1, CART, "40"),
    ]
    fold(allocated(ACCOUNT, may, Cart="100"))  # decided again for the same date
    assert rows(query)[2:] == [(may, None, 0, CART, "100")]


def test_grants_and_registrations_are_kept_once(fold: Callable[..., int], rows: Ask) -> None:
    fold(registered(ANN), granted(ANN, Persona.PRODUCT_OWNER, CART), granted(ANN, Persona.PRODUCT_OWNER, CART))
    assert rows("SELECT person_id, persona, node FROM grants") == [(ANN, "product_owner", CART)]
    assert rows("SELECT person_id, registered_at FROM persons") == [(ANN, at(1))]


def test_an_account_is_a_task_until_it_is_allocated_or_closed(fold: Callable[..., int], rows: Ask) -> None:
    query = "SELECT kind, subject, persona, node, detail, since FROM tasks"
    fold(vended(ACCOUNT, "shop"))
    fold(changed(ACCOUNT, "renamed"))
    assert rows(query) == [("allocate_account", ACCOUNT, "financial_admin", "/", "renamed", at(1))]
    fold(changed(ACCOUNT, "renamed", "CLOSED"))
    assert rows(query) == []
    fold(changed(ACCOUNT, "renamed", "ACTIVE"))
    assert rows(query) == [("allocate_account", ACCOUNT, "financial_admin", "/", "renamed", at(1))]
    fold(allocated(ACCOUNT, date(2026, 1, 1), Cart="100"))
    fold(changed(ACCOUNT, "again"))
    assert rows(query) == []


def test_every_event_is_in_the_audit_trail_with_its_envelope(fold: Callable[..., int], rows: Ask, log: ListLog) -> None:
    fold(line(CART, "1"), submitted(CART, "1"), refused(7, f"schedule/2026/{CART}"))
    event = log.events[1]
    assert rows("SELECT fact_name, stream, stream_version FROM audit ORDER BY position") == [
        ("budget_line.AnnualApproved", f"budget_line/2026/{CART}", 1),
        ("schedule.Submitted", f"schedule/2026/{CART}", 1),
        ("command.Refused", f"refusal/{log.events[2].stream.partition('/')[2]}", 1),
    ]
    columns = "event_id, actor, channel, command_id, workflow_id, workflow_run_id, activity_id, recorded_at"
    assert rows(f"SELECT {columns} FROM audit WHERE position = 2") == [
        (event.event_id, ANN, "update", event.command_id, event.workflow_id, "run", "1", at(2))
    ]
    about = "SELECT position FROM audit WHERE subjects @> ARRAY['{}'] ORDER BY 1"
    assert rows(about.format(f"schedule/2026/{CART}")) == [(2,), (3,)]
    assert rows(about.format(CART)) == [(1,), (2,)]
    assert rows(f"SELECT fact->'amounts'->>'2026-03' FROM audit WHERE position = {event.position}") == [("1",)]
