"""Given events, then rows: workloads, their estimates, the tasks that these make, and claims by day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from random import Random
from typing import Any

import psycopg
import pytest
from pydantic_core import from_json

from domain.calendar import Month
from domain.claim import Claimed, Released
from domain.decision import Persona
from domain.money import plain
from domain.waiting import Escalated, Reminded, Waiting
from domain.waiting import evolve as evolve_waiting
from domain.workload import Amounts, State, WorkloadFact
from tests.views.given import ANN, BOB, EVE, ListLog, granted, path
from tests.views.given_workloads import (
    ACCOUNT,
    DECEMBER,
    RandomWorkloads,
    approved,
    claimed,
    created,
    end_moved,
    escalated,
    rejected,
    released,
    reminded,
    renamed,
    submitted,
    withdrawn,
)
from tests.views.random_company import RandomCompany
from views.batch import Batch, BrokenLog
from views.claims import ever_claimed
from views.projector import Projector, connect
from views.rebuild import rebuild
from views.workload_rows import is_workload, key_text, text_key

Ask = Callable[[str], list[tuple[Any, ...]]]
Fold = Callable[..., int]
EveryRow = Callable[[], dict[str, list[str]]]
CART, BOOKS = "Retail/Digital/Web/Cart", "Retail/Digital/Web/Books"
CLAIMS = "SELECT resource, since, until, workload FROM claims ORDER BY resource, since"
TASK = "SELECT subject, fiscal_year, kind, persona, node, version, detail, reminders, escalated FROM tasks"
EVENTS = 3_000


@pytest.fixture
def fold(log: ListLog, projector: Projector) -> Fold:
    def run(*events: Any) -> int:
        log.add(*events)
        return projector.catch_up()

    return run


def test_the_workloads_are_those_that_decisions_are_made_on(fold: Fold, rows: Ask, log: ListLog) -> None:
    """Against the domain's own fold, for every state that a random company gets into."""
    company = RandomCompany(13, products=12, accounts=8, import_every=EVENTS * 2, workloads=True)
    fold(*company.events(EVENTS))
    waiting: dict[str, Waiting] = {}
    for event in log.events:
        if isinstance(event.fact, Reminded | Escalated):
            waiting[event.fact.subject] = evolve_waiting(waiting.get(event.fact.subject, Waiting()), event.fact)
    columns = (
        "product, workload, state, version, turn, round, fiscal_year, title, end_month, withdrawn_on, ends_on, "
        "submitted::text, approved::text, submitted_by, submitted_for, reminders, escalated_at IS NOT NULL"
    )
    found = {(row[0], row[1]): row[2:] for row in rows(f"SELECT {columns} FROM workloads")}
    seen = {event.stream for event in log.events if isinstance(event.fact, WorkloadFact)}
    assert len(found) == len(seen) > 10
    assert len({row[0] for row in found.values()} & set(State)) >= 3
    for (product, name), workload in company.work.workloads.items():
        if (row := found.get((str(product), name))) is None or row[1] != workload.version:
            continue  # the last event of the company may have been cut off
        told = waiting.get(f"workload/{key_text(str(product), name)}", Waiting())
        assert row[:6] == (
            workload.state,
            workload.version,
            workload.turn if workload.turn > 1 else row[2],
            workload.round,
            workload.fiscal_year,
            workload.title,
        )
        assert row[6:9] == (str(workload.end_month), workload.withdrawn_on, workload.ends_on)
        assert from_json(row[9]) == _texts(workload.amounts or {})
        assert (from_json(row[10]) if row[10] else None) == (_texts(workload.approved) if workload.approved else None)
        assert {person for person in row[11:13] if person} == workload.submitters
        assert row[13:] == (told.reminded(workload.turn), told.escalated(workload.turn))


def _texts(amounts: Amounts) -> dict[str, dict[str, str]]:
    return {c.value: {str(month): plain(amount) for month, amount in months.items()} for c, months in amounts.items()}


def test_the_claims_of_a_day_are_what_the_facts_say_whatever_the_batches(
    log: ListLog, database_url: str, rows: Ask, every_row: EveryRow, projector: Projector
) -> None:
    work = RandomWorkloads(Random(3), [ACCOUNT, "000000000002"], [path(CART), path(BOOKS)])
    for n in range(900):
        log.add(*(work.planned() if n % 2 else work.claimed()))
    with connect(database_url) as connection:
        generation, random = projector._live(connection), Random(4)
        while (moved := projector._step(connection, generation, random.choice((1, 2, 7, 50)))) is not None:
            generation = moved
    stored = rows("SELECT account_id, resource, since, until, product, workload, component FROM claims")
    for name in work.resources:
        segments = _segments(log, work, name)
        of_name = [row for row in stored if row[:2] == name]
        for n in range(500):
            day = date(2026, 3, 1) + timedelta(days=n)
            by_facts = [what for since, until, what in segments if since <= day < until]
            by_view = [row[4:] for row in of_name if row[2] <= day and (row[3] is None or day < row[3])]
            assert by_view == by_facts, (name, day)
            assert len(by_view) <= 1
    assert any(row[2] == row[3] for row in stored)  # some hold on no day
    live = every_row()
    rebuild(log, database_url, projector._organization)
    assert every_row() == live


def _segments(
    log: ListLog, work: RandomWorkloads, name: tuple[str, str]
) -> list[tuple[date, date, tuple[str, str, str]]]:
    """An oracle by the facts and the workloads as they are in the end."""
    made: list[tuple[date, date, Claimed]] = []
    for event in log.events:
        fact = event.fact
        if not isinstance(fact, Claimed | Released) or (fact.account_id, fact.resource) != name:
            continue
        if made and made[-1][1] > fact.effective_on:
            made[-1] = (made[-1][0], fact.effective_on, made[-1][2])
        if isinstance(fact, Claimed):
            made.append((fact.effective_on, date.max, fact))
    return [
        (
            since,
            min(until, work.workloads[fact.product, fact.workload].ends_on),
            (str(fact.product), fact.workload, fact.component.value),
        )
        for since, until, fact in made
    ]


def test_a_claim_holds_until_it_is_released_or_its_workload_has_ended(fold: Fold, rows: Ask) -> None:
    fold(created(CART, "A"), created(CART, "B"))
    fold(claimed(CART, "A", "i-1", date(2026, 7, 3)), claimed(CART, "A", "i-2", date(2026, 7, 3)))
    fold(released(CART, "A", "i-1", date(2026, 7, 10)), claimed(CART, "B", "i-1", date(2026, 7, 10)))
    assert rows(CLAIMS) == [
        ("i-1", date(2026, 7, 3), date(2026, 7, 10), "A"),
        ("i-1", date(2026, 7, 10), date(2027, 1, 1), "B"),
        ("i-2", date(2026, 7, 3), date(2027, 1, 1), "A"),
    ]
    fold(end_moved(CART, "A", Month(2026, 7)))
    assert rows(CLAIMS)[2] == ("i-2", date(2026, 7, 3), date(2026, 8, 1), "A")
    assert rows(CLAIMS)[0][2] == date(2026, 7, 10)
    fold(end_moved(CART, "A", DECEMBER), withdrawn(CART, "A", date(2026, 7, 20)))
    assert rows(CLAIMS)[2] == ("i-2", date(2026, 7, 3), date(2026, 7, 20), "A")


def test_a_claim_that_another_has_succeeded_does_not_come_back(fold: Fold, rows: Ask) -> None:
    fold(created(CART, "A"), created(CART, "B"), claimed(CART, "A", "i-1", date(2026, 7, 3)))
    fold(end_moved(CART, "A", Month(2026, 7)), claimed(CART, "B", "i-1", date(2026, 8, 1)))
    fold(end_moved(CART, "A", DECEMBER))
    assert rows(CLAIMS) == [
        ("i-1", date(2026, 7, 3), date(2026, 8, 1), "A"),
        ("i-1", date(2026, 8, 1), date(2027, 1, 1), "B"),
    ]


def test_a_batch_tells_from_which_day_the_claims_of_an_account_changed(
    log: ListLog, database_url: str, projector: Projector, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, date]] = []
    flush = Batch.flush

    def telling(batch: Batch) -> None:
        told.append(dict(batch.changes.claimed))
        flush(batch)

    monkeypatch.setattr(Batch, "flush", telling)
    log.add(created(CART, "A"), *(claimed(CART, "A", f"i-{n}", date(2026, 7, 2 * n + 1)) for n in (1, 2)))
    projector.catch_up()
    log.add(end_moved(CART, "A", Month(2026, 7)))
    projector.catch_up()
    log.add(end_moved(CART, "A", Month(2026, 9)), released(CART, "A", "i-2", date(2026, 8, 9)))
    projector.catch_up()
    log.add(renamed(CART, "A", "x"), submitted(CART, "A"))
    projector.catch_up()
    assert told == [
        {ACCOUNT: date(2026, 7, 3)},
        {ACCOUNT: date(2026, 8, 1)},
        {ACCOUNT: date(2026, 8, 1)},
        {},
    ]


def test_all_that_was_ever_claimed_is_known_by_account(fold: Fold, database_url: str) -> None:
    fold(created(CART, "A"), claimed(CART, "A", "i-2", date(2026, 7, 3)), claimed(CART, "A", "i-1", date(2026, 7, 3)))
    fold(released(CART, "A", "i-1", date(2026, 7, 3)), claimed(CART, "A", "i-1", date(2026, 7, 9)))
    fold(claimed(CART, "A", "i-9", date(2026, 7, 9), account_id="000000000002"))
    with psycopg.connect(database_url) as connection, connection.cursor() as cursor:
        assert ever_claimed(cursor) == [(ACCOUNT, "i-1"), (ACCOUNT, "i-2"), ("000000000002", "i-9")]
        assert ever_claimed(cursor, ["000000000002"]) == [("000000000002", "i-9")]
        assert ever_claimed(cursor, []) == []


def test_what_has_no_workload_stops_the_views(fold: Fold) -> None:
    with pytest.raises(BrokenLog, match="there is no workload A"):
        fold(claimed(CART, "A", "i-1", date(2026, 7, 3)))


def test_an_estimate_is_a_task_of_the_portfolio_owner_then_of_its_own(fold: Fold, rows: Ask) -> None:
    lead = (Persona.PORTFOLIO_OWNER.value, "Retail/Digital/Web")
    subject = f"{CART}/A%2FB"
    fold(granted(BOB, Persona.PORTFOLIO_OWNER, lead[1]), created(CART, "A/B"))
    assert rows(TASK) == []
    fold(submitted(CART, "A/B", note="as agreed"), reminded(CART, "A/B", 2), reminded(CART, "A/B", 1, 3))
    assert rows(TASK) == [(subject, 2026, "approve_estimate", *lead, 2, "as agreed", 1, False)]
    assert rows("SELECT not_by, above_persona, to_admins, until FROM tasks") == [
        ([str(ANN)], None, False, date(2026, 12, 31))
    ]
    fold(escalated(CART, "A/B", 2))
    assert rows("SELECT above_persona, above_node, to_admins FROM tasks") == [
        ("department_owner", "Retail/Digital", True)
    ]
    fold(rejected(CART, "A/B", 2))
    assert rows(TASK) == [(subject, 2026, "revise_estimate", "product_owner", CART, 3, "too high", 0, False)]
    fold(end_moved(CART, "A/B", Month(2027, 3)), submitted(CART, "A/B", fiscal_year=2027, submitted_for=EVE))
    assert [row[:3] for row in rows(TASK)] == [(subject, 2027, "approve_estimate")]
    fold(approved(CART, "A/B", 5))
    assert rows(TASK) == []


def test_whoever_is_appointed_or_leaves_changes_who_has_the_task(fold: Fold, rows: Ask) -> None:
    fold(created(CART, "A"), submitted(CART, "A", submitted_by=BOB))
    assert rows("SELECT vacant, to_admins FROM tasks") == [(True, True)]
    fold(granted(EVE, Persona.PORTFOLIO_OWNER, "Retail/Digital/Web"))
    assert rows("SELECT vacant, to_admins FROM tasks") == [(False, False)]


@pytest.mark.parametrize("name", ["A", "A/B", "50%", "%2F"])
def test_a_subject_tells_a_workload_from_its_product(name: str) -> None:
    text = key_text(CART, name)
    assert is_workload(text)
    assert not is_workload(CART)
    assert text_key(text) == (CART, name)


def test_the_audit_trail_finds_a_claim_by_all_that_it_is_about(fold: Fold, rows: Ask) -> None:
    fold(created(CART, "A"), claimed(CART, "A", "i-1", date(2026, 7, 3)))
    for subject in (CART, f"{CART}/A", ACCOUNT, "i-1", f"claim/{ACCOUNT}/i-1"):
        found = rows(f"SELECT fact_name FROM audit WHERE subjects @> ARRAY['{subject}'] ORDER BY position DESC")
        assert found[0] == ("claim.Claimed",)
