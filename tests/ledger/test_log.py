"""The log can be followed without missing an event, whatever happens to the writers."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ledger.connection import Connections
from ledger.ledger import Ledger
from ledger.recorder import READER_PATIENCE_MS, LedgerDatastore, LedgerRecorder
from tests.ledger.jars import Fill, deliver, events_in, fill, open_ledger, scalar, sql
from tests.ledger.writers import answered, write_for_ever, write_together

spawn = multiprocessing.get_context("spawn")
WRITERS = 8
COMMANDS = 100  # by each
BY_HAND = """
SELECT (ledger_append(NULL, NULL, NULL, NULL, ARRAY[gen_random_uuid()], '{1}', '{jar.Sealed}', '{x}')).positions[1]"""


@pytest.fixture
def recorder(database_url: str) -> Iterator[LedgerRecorder]:
    connections = Connections(database_url, pool_size=2)
    connections.open()
    yield LedgerRecorder(LedgerDatastore(connections))
    connections.close()


def without_lock(connection: psycopg.Connection) -> None:
    """The planted fault: the same function, but writers do not say that they are under way."""
    migration = Path("ledger/migrations/0003_serialisable.sql").read_text()
    start = migration.index("CREATE FUNCTION ledger_append(")
    function = migration[start : migration.index("$$;", start) + 3]
    faulty = function.replace(
        "PERFORM pg_advisory_xact_lock_shared(1095519311, 'ledger_events'::regclass::oid::int);", ""
    )
    assert faulty != function
    connection.execute(faulty.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION").encode())


def test_eight_processes_write_and_a_tailing_reader_misses_nothing(database_url: str) -> None:
    barrier = spawn.Barrier(WRITERS)
    writers = [spawn.Process(target=write_together, args=(database_url, COMMANDS, barrier)) for _ in range(WRITERS)]
    for writer in writers:
        writer.start()
    seen: list[int] = []
    batches = 0
    with open_ledger(database_url) as ledger:
        running, batch = True, ledger.follow(0, 500)
        while running or batch:
            running = any(writer.is_alive() for writer in writers)
            seen += [event.position for event in batch]
            batches += bool(batch)
            time.sleep(0 if batch else 0.005)
            batch = ledger.follow(seen[-1] if seen else 0, 500)
    assert [writer.exitcode for writer in writers] == [0] * WRITERS
    assert batches > 20  # it did read while they wrote
    with sql(database_url) as connection:
        written = [row[0] for row in connection.execute("SELECT notification_id FROM ledger_events ORDER BY 1")]
    assert seen == written
    assert len(written) == 2 * COMMANDS * WRITERS


@pytest.mark.parametrize("locked", [True, False])
def test_a_reader_waits_for_a_writer_with_a_lower_number(
    recorder: LedgerRecorder, database_url: str, locked: bool
) -> None:
    with sql(database_url) as slow, sql(database_url) as fast:
        if not locked:
            without_lock(fast)
        with slow.transaction():
            assert slow.execute(BY_HAND).fetchone() == (1,)
            assert fast.execute(BY_HAND).fetchone() == (2,)
            seen = [row.position for row in recorder.follow(0, 10)]
    time.sleep(0.3)
    seen += [row.position for row in recorder.follow(seen[-1] if seen else 0, 10)]
    assert seen == ([1, 2] if locked else [2])  # the control has lost an event for ever


def test_a_reader_gives_up_early_and_then_leaves_the_writers_alone(recorder: LedgerRecorder, database_url: str) -> None:
    with sql(database_url) as slow, sql(database_url) as fast, slow.transaction():
        slow.execute(BY_HAND)
        fast.execute(BY_HAND)
        started = time.monotonic()
        assert recorder.settled_head() == 0
        waited = time.monotonic() - started
        assert recorder.settled_head() == 0
        again = time.monotonic() - started - waited
    assert READER_PATIENCE_MS / 1000 <= waited < 1.5
    assert again < 0.1


def test_an_idle_log_is_polled_without_the_lock(recorder: LedgerRecorder, database_url: str) -> None:
    with sql(database_url) as connection:
        connection.execute(BY_HAND)
        assert recorder.settled_head() == 1
        with connection.transaction():
            connection.execute(BY_HAND)  # under way, and not visible
            started = time.monotonic()
            assert recorder.settled_head() == 1
            assert time.monotonic() - started < 0.2


def test_a_frozen_writer_stops_neither_writers_nor_readers(database_url: str) -> None:
    ours, theirs = spawn.Pipe()
    writer = spawn.Process(target=write_for_ever, args=(database_url, theirs))
    slowest = 0.0
    with open_ledger(database_url) as ledger:
        writer.start()
        ours.recv()
        try:
            assert writer.pid
            for n in range(15):
                time.sleep(0.013 + 0.0007 * n)  # each time at another moment of its loop
                os.kill(writer.pid, signal.SIGSTOP)
                started = time.monotonic()
                position = ledger.record(fill("a")).position
                while ledger.settled_head() < position:
                    time.sleep(0.01)
                    assert time.monotonic() - started < 5
                slowest = max(slowest, time.monotonic() - started)
                os.kill(writer.pid, signal.SIGCONT)
        finally:
            writer.kill()
            writer.join()
    assert slowest < 2


def test_a_client_that_freezes_inside_a_transaction_is_ended_by_the_server(database_url: str) -> None:
    # The control of the test above: this is what the one-statement append avoids.
    limits = database_url + "?options=-c%20transaction_timeout%3D1s"
    with open_ledger(database_url) as ledger, psycopg.connect(limits) as frozen:
        frozen.execute(BY_HAND)
        position = ledger.record(fill("a")).position
        assert ledger.settled_head() < position
        time.sleep(1.5)
        assert ledger.settled_head() == position
        with pytest.raises(psycopg.Error):
            frozen.execute("SELECT 1")


def test_a_killed_writer_leaves_no_lock_and_nothing_half_done(database_url: str) -> None:
    answered_ids = []
    with open_ledger(database_url) as ledger:
        for _ in range(3):
            ours, theirs = spawn.Pipe()
            writer = spawn.Process(target=write_for_ever, args=(database_url, theirs))
            writer.start()
            theirs.close()
            assert ours.poll(20)
            time.sleep(0.15)
            writer.kill()
            writer.join()
            done, last = answered(ours)
            assert isinstance(last, Fill)
            deliver(ledger, last)  # sent again, as a workflow engine does
            answered_ids += [*done, last.command_id]
        head = ledger.record(fill("a")).position
        assert ledger.settled_head() == head
        assert _commands(ledger) == dict.fromkeys(answered_ids, 2)
    assert scalar(database_url, "SELECT count(*) FROM ledger_receipts") == len(set(answered_ids)) + 1


def _commands(ledger: Ledger) -> dict[object, int]:
    """How many events each command has, but for the last one."""
    counts: dict[object, int] = {}
    for event in ledger.follow(0, 10_000)[:-1]:
        counts[event.command_id] = counts.get(event.command_id, 0) + 1
    return counts


@pytest.mark.parametrize(
    "statement",
    ["UPDATE ledger_events SET state = 'x'", "DELETE FROM ledger_events", "TRUNCATE ledger_events"],
)
def test_an_event_is_never_changed_or_removed(database_url: str, statement: str) -> None:
    with open_ledger(database_url) as ledger:
        ledger.record(fill("a"))
    with sql(database_url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        connection.execute(statement.encode())
    assert events_in(database_url) == 1
