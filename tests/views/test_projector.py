"""The loop: one active runner, rows and position together, no event skipped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from domain.decision import Event, Fact, Stream
from domain.errors import Unavailable
from tests.views.given import ORGANIZATION, ListLog, line, store_costs
from tests.views.random_company import RandomCompany
from tests.views.test_rebuild import running
from views import budgets, registry
from views.batch import Batch, BrokenLog
from views.generations import OtherDefinition
from views.projector import Projector
from views.queries import Views
from views.rebuild import rebuild

Ask = Callable[[str], list[tuple[Any, ...]]]
ROOT = Path(__file__).parents[2]

CRASHING = """
import sys, time
from tests.views.given import ORGANIZATION, ListLog, line
from views.projector import Projector

log = ListLog(*[line(f"Retail/Digital/Web/{n}", "1") for n in range(3_000)])
print("ready", flush=True)
Projector(log, sys.argv[1], ORGANIZATION, batch_events_max=20).catch_up()
time.sleep(60)
"""


def lines(count: int, first: int = 0) -> list[Event]:
    return [line(f"Retail/Digital/Web/{n}", "1.01") for n in range(first, first + count)]


def wait_until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_a_killed_projector_leaves_rows_and_position_together(database_url: str, rows: Ask) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CRASHING, database_url],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert child.stdout is not None
    with child.stdout:
        assert child.stdout.readline() == b"ready\n"
        wait_until(lambda: rows("SELECT position FROM view_generations")[0][0] > 100)
        child.send_signal(signal.SIGKILL)
        child.wait()
    both = (
        "SELECT position, (SELECT max(position) FROM audit), (SELECT count(*) FROM budget_lines) FROM view_generations"
    )
    ((position, audited, count),) = rows(both)
    assert 0 < count < 3_000
    assert position == audited
    log = ListLog(*lines(3_000))
    Projector(log, database_url, ORGANIZATION).catch_up()
    assert rows("SELECT lines, parts FROM rollup WHERE path = '/'") == [(3_000, 3_000)]


def test_an_error_in_a_fold_leaves_neither_rows_nor_position(log: ListLog, database_url: str, rows: Ask) -> None:
    def fold(batch: Batch, event: Any, fact: Any) -> None:
        budgets.fold(batch, event, fact)
        if event.position == 7:
            raise RuntimeError("seven")

    faulty = [replace(p, fold=fold) if p is budgets.PROJECTION else p for p in registry.PROJECTIONS]
    log.add(*lines(10))
    with pytest.raises(RuntimeError, match="seven"):
        Projector(log, database_url, ORGANIZATION, batch_events_max=3, projections=faulty).catch_up()
    assert rows("SELECT position, (SELECT count(*) FROM budget_lines) FROM view_generations") == [(6, 6)]


def test_only_one_runner_works_and_another_takes_over(log: ListLog, database_url: str, views: Views, rows: Ask) -> None:
    asked: list[str] = []

    class Named(ListLog):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name, self.events = name, log.events

        def follow(self, after: int, limit: int) -> list[Any]:
            asked.append(self.name)
            return super().follow(after, limit)

    stops = [threading.Event(), threading.Event()]
    projectors = [Projector(Named(name), database_url, ORGANIZATION, poll_ms=5) for name in ("one", "two")]
    threads = [threading.Thread(target=p.run, args=[s]) for p, s in zip(projectors, stops, strict=True)]
    threads[0].start()
    wait_until(lambda: bool(asked))
    threads[1].start()
    views.wait_for(log.add(*lines(50)))
    assert set(asked) == {"one"}
    # The server ends the session of the first one: it comes back, and finds the second at work, or the other way round.
    rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'allot-views'")
    views.wait_for(log.add(*lines(50, first=50)))
    stops[0].set()
    threads[0].join(10)
    asked.clear()
    views.wait_for(log.add(*lines(50, first=100)))
    assert set(asked) == {"two"}
    stops[1].set()
    threads[1].join(10)
    assert rows("SELECT lines FROM rollup WHERE path = '/'") == [(150,)]


def test_what_its_own_process_records_wakes_the_projector_before_its_poll(
    log: ListLog, database_url: str, views: Views
) -> None:
    news, stop = threading.Event(), threading.Event()
    projector = Projector(log, database_url, ORGANIZATION, poll_ms=60_000, news=news)
    thread = threading.Thread(target=projector.run, args=[stop])
    thread.start()
    try:
        for first in (0, 50):
            position = log.add(*lines(50, first=first))
            news.set()
            assert views.wait_for(position) == position
        with pytest.raises(Unavailable):  # the control: without news it would sleep on
            views.wait_for(log.add(*lines(50, first=100)), 0.5)
    finally:
        stop.set()
        news.set()
        thread.join(10)
    assert not thread.is_alive()


def test_two_projectors_at_once_fold_nothing_twice(log: ListLog, database_url: str, rows: Ask) -> None:
    """The control of the advisory lock: even without it the position under the row lock keeps the views right."""
    log.add(*lines(600))
    projectors = [Projector(log, database_url, ORGANIZATION, batch_events_max=7) for _ in range(3)]
    threads = [threading.Thread(target=projector.catch_up) for projector in projectors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert rows("SELECT lines, trim_scale(annual)::text FROM rollup WHERE path = '/'") == [(600, "606")]
    assert rows("SELECT count(*) FROM audit") == [(600,)]


def test_a_fact_that_no_view_knows_stops_the_projector(log: ListLog, projector: Projector, rows: Ask) -> None:
    class Unheard(Fact):
        fact_name = "test.Unheard"

    log.add(*lines(3), Event(Stream("test", "1"), Unheard()), *lines(3, first=3))
    with pytest.raises(BrokenLog, match=r"No view knows the fact 'test.Unheard' at log position 4"):
        projector.run(threading.Event())
    assert rows("SELECT position FROM view_generations") == [(0,)]


def test_tables_of_another_version_are_left_alone_until_a_rebuild(
    log: ListLog, projector: Projector, database_url: str, views: Views
) -> None:
    log.add(*lines(3))
    projector.catch_up()
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE view_generations SET definition = 'of another version'")
    log.add(*lines(3, first=3))
    with pytest.raises(OtherDefinition, match="allot view rebuild"):
        projector.run(threading.Event())
    assert views.position() == 3
    rebuild(log, database_url, ORGANIZATION)
    assert projector.catch_up() == 6


def test_the_loop_survives_a_database_that_goes_away(
    log: ListLog, database_url: str, views: Views, caplog: pytest.LogCaptureFixture
) -> None:
    class Flaky(ListLog):
        def __init__(self) -> None:
            super().__init__()
            self.events, self.failures = log.events, 2

        def follow(self, after: int, limit: int) -> list[Any]:
            if self.failures:
                self.failures -= 1
                raise Unavailable("PostgreSQL at nowhere does not answer")
            return super().follow(after, limit)

    log.add(*lines(5))
    with running(Projector(Flaky(), database_url, ORGANIZATION, poll_ms=5)):
        assert views.wait_for(5) == 5
    assert [record.message[:22] for record in caplog.records if record.levelname == "WARNING"] == [
        "The views stand still,"
    ] * 2


def test_far_behind_it_takes_larger_steps(log: ListLog, database_url: str, views: Views) -> None:
    sizes: list[int] = []

    class Counting(ListLog):
        def __init__(self) -> None:
            super().__init__()
            self.events = log.events

        def follow(self, after: int, limit: int) -> list[Any]:
            sizes.append(limit)
            return super().follow(after, limit)

    log.add(*lines(1_200))
    with running(Projector(Counting(), database_url, ORGANIZATION, poll_ms=5)):
        views.wait_for(log.settled_head())
        wait_until(lambda: sizes[-1] == 500)
    assert sizes[:2] == [500, 5_000]


def test_positions_may_have_holes(log: ListLog, database_url: str, rows: Ask) -> None:
    company = RandomCompany(2, accounts=3, products=6, periods=2)
    log.add(*company.events(260))
    store_costs(database_url, company.costs)
    assert Projector(log, database_url, ORGANIZATION, batch_events_max=49).catch_up() == log.settled_head() > 260
    assert rows("SELECT count(*) FROM audit") == [(260,)]
