"""A view equals its rebuild, byte for byte, and a rebuild loses nothing while the log grows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Any

import psycopg
import pytest

from domain.errors import Contention
from ledger.ledger import Ledger
from rights.cedar import CedarRights
from tests.views.given import ORGANIZATION, ListLog, append, approved, line, store_costs, submitted
from tests.views.random_company import RandomCompany
from views import people
from views import registry as views_registry
from views.batch import Batch, Projection
from views.generations import MIGRATED_GENERATION, drop_all_but_live
from views.projector import Projector, connect
from views.queries import Views
from views.rebuild import rebuild

EveryRow = Callable[[], dict[str, list[str]]]
EVENTS, EVENTS_WHEN_SLOW = 5_000, 20_000
FIRST, NEXT = MIGRATED_GENERATION, MIGRATED_GENERATION + 1
CART = "Retail/Digital/Web/Cart"


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    with Ledger(database_url, ORGANIZATION, rights=CedarRights(), pool_size=4) as ledger:
        yield ledger


@contextmanager
def running(projector: Projector) -> Iterator[threading.Thread]:
    stop = threading.Event()
    thread = threading.Thread(target=projector.run, args=[stop])
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


@pytest.mark.parametrize("count", [EVENTS, pytest.param(EVENTS_WHEN_SLOW, marks=pytest.mark.slow)])
def test_live_views_equal_their_rebuild_after_thousands_of_random_events(
    ledger: Ledger, database_url: str, every_row: EveryRow, count: int
) -> None:
    company, random = RandomCompany(7, accounts=30, products=120, import_every=400, workloads=True), Random(3)
    events = company.events(count)
    store_costs(database_url, company.costs)
    append(database_url, events)
    head, sizes = ledger.settled_head(), [1] * 20 + [2, 7, 499, 500, 500, 500]
    one_size = {size: Projector(ledger, database_url, ORGANIZATION, batch_events_max=size) for size in set(sizes)}
    with connect(database_url) as connection:
        generation = one_size[1]._live(connection)
        while generation.position < head:
            size = random.choice(sizes)
            generation = one_size[size]._step(connection, generation, size) or generation
    live = every_row()
    seen: list[tuple[int, int]] = []
    rebuilt = rebuild(ledger, database_url, ORGANIZATION, lambda done, whole: seen.append((done, whole)))
    assert (rebuilt.number, rebuilt.position) == (NEXT, head)
    assert every_row() == live
    assert all(live.values()), [name for name, rows in live.items() if not rows]
    assert len(live["audit"]) == count
    assert seen[-1] == (head, head)


def test_a_projection_that_reads_the_clock_is_found_out(database_url: str, every_row: EveryRow) -> None:
    """The control of the test above."""

    def fold(batch: Batch, event: Any, fact: Any) -> None:
        people.fold(batch, event._replace(recorded_at=datetime.now(UTC)), fact)

    faulty: list[Projection] = [
        replace(projection, fold=fold) if projection is people.PROJECTION else projection
        for projection in views_registry.PROJECTIONS
    ]
    company = RandomCompany(7, accounts=5, products=8)
    log = ListLog(*company.events(600))
    Projector(log, database_url, ORGANIZATION, projections=faulty).catch_up()
    live = every_row()
    rebuild(log, database_url, ORGANIZATION, projections=faulty)
    rebuilt = every_row()
    assert {name for name in live if live[name] != rebuilt[name]} == {"persons", "grants", "delegations"}


def test_one_event_at_a_time_gives_the_rows_of_one_large_batch(
    log: ListLog, database_url: str, every_row: EveryRow
) -> None:
    company = RandomCompany(5, accounts=6, products=6, periods=3, workloads=True)
    log.add(*company.events(450))
    store_costs(database_url, company.costs)
    Projector(log, database_url, ORGANIZATION, batch_events_max=1).catch_up()
    live = every_row()
    rebuild(log, database_url, ORGANIZATION)
    assert every_row() == live


def test_nothing_is_lost_when_events_keep_coming_during_a_rebuild(
    log: ListLog, database_url: str, every_row: EveryRow, views: Views
) -> None:
    company = RandomCompany(9, accounts=15, products=30)
    events = company.events(4_000)
    store_costs(database_url, company.costs)
    log.add(*events[:2_000])
    done, positions = threading.Event(), list[int]()

    def keep_recording() -> None:
        for first in range(2_000, len(events), 10):
            log.add(*events[first : first + 10])
            time.sleep(0.004)
        done.set()

    def keep_reading() -> None:
        while not done.is_set():
            report = views.rollup(2026)
            annual = sum(row.annual for row in report.rows if row.level == 4)
            assert [row.annual for row in report.rows[:1]] in ([annual], [])
            positions.append(report.position)

    threads = [threading.Thread(target=keep_recording), threading.Thread(target=keep_reading)]
    with running(Projector(log, database_url, ORGANIZATION, poll_ms=5)):
        for thread in threads:
            thread.start()
        numbers = [rebuild(log, database_url, ORGANIZATION, batch_events_max=300).number]
        numbers.append(rebuild(log, database_url, ORGANIZATION, batch_events_max=700).number)
        for thread in threads:
            thread.join()
        views.wait_for(log.settled_head())
    assert numbers == [NEXT, NEXT + 1]
    assert positions == sorted(positions)  # a swap never takes anybody back in time
    live = every_row()
    rebuild(log, database_url, ORGANIZATION)
    assert every_row() == live
    assert len(live["audit"]) == len(events)


def test_a_rebuild_leaves_one_generation_of_tables(
    log: ListLog, database_url: str, rows: Callable[[str], list[tuple[Any, ...]]]
) -> None:
    log.add(line(CART, "1"))
    rebuild(log, database_url, ORGANIZATION)
    tables = rows(r"SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '_v\d+$'")
    assert len(tables) == len(views_registry.TABLES)
    assert all(name.endswith(f"_v{NEXT}") for (name,) in tables)
    assert rows("SELECT generation, position, live FROM view_generations") == [(NEXT, 1, True)]


def test_what_a_killed_rebuild_left_behind_is_removed_by_the_next_one(
    log: ListLog, database_url: str, rows: Callable[[str], list[tuple[Any, ...]]]
) -> None:
    log.add(*[line(f"Retail/Digital/Web/{n}", "1") for n in range(900)])

    def killed(done: int, whole: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuild(log, database_url, ORGANIZATION, killed, batch_events_max=500)
    assert rows("SELECT generation, live FROM view_generations ORDER BY 1") == [(FIRST, True), (NEXT, False)]
    Projector(log, database_url, ORGANIZATION).catch_up()
    assert rebuild(log, database_url, ORGANIZATION).number == NEXT
    assert rows("SELECT generation, live FROM view_generations ORDER BY 1") == [(NEXT, True)]
    assert rows("SELECT lines FROM rollup WHERE path = '/'") == [(900,)]


def test_a_second_rebuild_at_the_same_time_is_refused(log: ListLog, database_url: str) -> None:
    log.add(*[line(f"Retail/Digital/Web/{n}", "1") for n in range(900)])
    refusals: list[str] = []

    def second(done: int, whole: int) -> None:
        if not refusals:
            with pytest.raises(Contention, match="Another rebuild") as caught:
                rebuild(log, database_url, ORGANIZATION)
            refusals.append(caught.value.code)

    rebuild(log, database_url, ORGANIZATION, second, batch_events_max=500)
    assert refusals == ["RebuildRunning"]


def test_a_swap_waits_for_a_reader_and_the_reader_sees_one_past_only(
    log: ListLog, projector: Projector, database_url: str, views: Views
) -> None:
    log.add(line(CART, "1000"))
    projector.catch_up()
    with views.snapshot() as cursor:
        before = cursor.execute("SELECT count(*) FROM budget_lines").fetchone()
        log.add(submitted(CART, "1"), approved(CART))
        thread = threading.Thread(target=rebuild, args=[log, database_url, ORGANIZATION])
        thread.start()
        time.sleep(0.5)
        assert thread.is_alive()
        after = cursor.execute(
            "SELECT (SELECT count(*) FROM budget_lines), (SELECT count(*) FROM schedules)"
        ).fetchone()
    thread.join(20)
    assert (before, after) == ((1,), (1, 0))
    assert views.position() == 3


def test_the_live_generation_is_never_dropped(database_url: str, views: Views) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        drop_all_but_live(connection)
    assert views.position() == 0
