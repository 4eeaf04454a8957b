"""record() side by side with a raw INSERT and with the library's own save(), in the same run.

    python -m bench record

Everybody records the life of a schedule: submitted, rejected, revised, submitted again …, up to 21 events a stream. Raw
INSERT and save() write exactly the events that record() wrote; only record() resolves people, reads and folds streams,
decides, checks rights and keeps receipts.
"""

from __future__ import annotations

import multiprocessing
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import psycopg
from eventsourcing.application import Application
from eventsourcing.persistence import Mapper, StoredEvent
from eventsourcing.utils import get_topic
from psycopg.conninfo import conninfo_to_dict

from bench.rows import Row
from domain.budget import BudgetRow
from domain.budget_load import LoadBudget
from domain.calendar import FiscalCalendar
from domain.decision import Accepted, Channel, Command, Organization, Persona
from domain.hierarchy import NodePath
from domain.people_commands import GrantPersona, RegisterPerson
from domain.schedule_commands import ReviseSchedule, SubmitSchedule
from domain.schedule_decisions import RejectSchedule
from embedded.postgres import Postgres
from ledger.ledger import Ledger
from ledger.migrate import migrate
from rights.cedar import CedarRights

PROCESSES = 8
PRODUCTS = 2_000
PRODUCTS_OF_AN_OWNER = 5
EVENTS_OF_A_STREAM_MAX = 20
SECONDS = 1.5
ROUNDS = 5
SYNC_US = 2_000
"""A sync on a cloud disk; the local disk may be ten times as fast."""
YEAR = 2026
WAIT_MAX_S = 60
COMMANDS_READY_MIN = 3_200  # of all processes together

MONTHS = FiscalCalendar().months(YEAR)
PORTFOLIO_OWNER = "owner@example.com"
_PORTFOLIO = NodePath(("Retail", "Digital", "Web"))
_INSERT = """INSERT INTO bench_raw_events (originator_id, originator_version, topic, state)
VALUES (%b::uuid, %b::bigint, %b::text, %b::bytea)"""


class Plain(NamedTuple):
    """An event for the library's own application."""

    originator_id: UUID
    originator_version: int
    topic: str
    state: bytes


class PlainMapper(Mapper[UUID]):
    """Encodes nothing, to the library's advantage: the event's JSON is made before the clock starts."""

    def to_stored_event(self, event: Plain) -> StoredEvent:  # type: ignore[override]  # an event of ours
        return StoredEvent(*event)


class Library(Application[UUID]):
    """The library with its defaults."""

    name = "plain"
    env = {"PERSISTENCE_MODULE": "eventsourcing.postgres", "MAPPER_TOPIC": get_topic(PlainMapper)}


def one_thread(database_url: str) -> Row:
    rates = _rates(database_url, ("raw", "record"), processes=1)
    return _row("record() : raw INSERT, one thread", rates, "raw", 0.3)


def many_processes(database_url: str) -> Row:
    """At a sync of 2 ms, as on a cloud disk."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        _set(connection, f"commit_delay = {SYNC_US}", "commit_siblings = 0")
        try:
            rates = _rates(database_url, ("save", "record"), PROCESSES)
        finally:
            _set(connection, "commit_delay = 0", "commit_siblings = 5")
    return _row("record() : library save(), 8 processes, 2 ms sync", rates, "save", 2.5)


def rows(database_url: str) -> list[Row]:
    """Needs a migrated database of its own, and the right to change the server's settings."""
    prepare(database_url)
    return [one_thread(database_url), many_processes(database_url)]


def prepare(database_url: str) -> None:
    """A loaded budget, the owners with their grants, and the tables of the peers."""
    with Ledger(database_url, Organization(), rights=CedarRights(), pool_size=1) as ledger:
        grant(ledger, PORTFOLIO_OWNER, Persona.PORTFOLIO_OWNER, _PORTFOLIO)
        for number in range(PRODUCTS):
            grant(ledger, owner_of(number), Persona.PRODUCT_OWNER, product_of(number))
        _must(ledger, _budget())
    Library(_environment(database_url)).close()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE bench_raw_events (LIKE ledger_events INCLUDING ALL)")


def grant(ledger: Ledger, person: str, persona: Persona, node: NodePath) -> None:
    ledger.people.ensure(person, "")
    door = {"actor": "system", "channel": Channel.SETUP, "person": person}
    _must(ledger, RegisterPerson(command_id=uuid4(), **door))
    _must(ledger, GrantPersona(command_id=uuid4(), **door, persona=persona, node=node))


def _must(ledger: Ledger, command: Command) -> None:
    outcome = ledger.record(command)
    if not isinstance(outcome, Accepted):
        raise RuntimeError(f"{command.kind}: {outcome.message}")


def _set(connection: psycopg.Connection, *settings: str) -> None:
    for setting in settings:
        connection.execute(f"ALTER SYSTEM SET {setting}")
    connection.execute("SELECT pg_reload_conf()")
    time.sleep(0.2)


def _row(what: str, rates: dict[str, list[float]], peer: str, aim: float) -> Row:
    """With the median of the paired ratios: the machine may be slower in one round than in another."""
    ratio = statistics.median(a / b for a, b in zip(rates["record"], rates[peer], strict=True))
    ours, theirs = (f"{statistics.median(rates[way]):,.0f} events/s" for way in ("record", peer))
    return Row(what, ours, theirs, ratio, aim)


def _rates(database_url: str, ways: Sequence[str], processes: int) -> dict[str, list[float]]:
    """Events per second of all processes together, by way and round; the ways take turns."""
    spawn = multiprocessing.get_context("spawn")
    counts: Queue[int] = spawn.Queue()
    barrier = spawn.Barrier(processes + 1)
    workers = [
        spawn.Process(target=_work, args=(database_url, ways, n, processes, barrier, counts), daemon=True)
        for n in range(processes)
    ]
    for worker in workers:
        worker.start()
    rates: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(ROUNDS):
        for way in ways:
            barrier.wait(WAIT_MAX_S)
            total = sum(counts.get(timeout=WAIT_MAX_S) for _ in workers)
            rates[way].append(total / SECONDS)
    for worker in workers:
        worker.join(WAIT_MAX_S)
    return rates


def _work(
    database_url: str, ways: Sequence[str], number: int, processes: int, barrier: Barrier, counts: Queue[int]
) -> None:
    products = iter(range(number if "raw" in ways else PRODUCTS // 2 + number, PRODUCTS, processes))
    with (
        Ledger(database_url, Organization(), rights=CedarRights(), pool_size=1) as ledger,
        psycopg.connect(database_url, autocommit=True) as connection,
    ):
        library = Library({**_environment(database_url), "CREATE_TABLE": "no"})
        stored = _examples(ledger, products)
        commands: deque[Command] = deque()
        steps: dict[str, Callable[[], object]] = {
            "record": lambda: _must(ledger, commands.popleft()),
            "raw": _copying(stored, lambda e: connection.execute(_INSERT, e, prepare=True)),
            "save": _copying(stored, library.save),
        }
        for _ in range(ROUNDS):
            _top_up(commands, products, COMMANDS_READY_MIN // processes)
            for way in ways:
                step = steps[way]
                step()  # connections, plans and caches are warm
                barrier.wait(WAIT_MAX_S)
                count, end = 0, time.perf_counter() + SECONDS
                while time.perf_counter() < end:
                    step()
                    count += 1
                counts.put(count)
        library.close()


def _top_up(commands: deque[Command], products: Iterator[int], ready_min: int) -> None:
    """Messages are made before the clock starts, like the events of the others."""
    while len(commands) < ready_min:
        commands.extend(_life(next(products)))


def _examples(ledger: Ledger, products: Iterator[int]) -> list[tuple[str, bytes]]:
    """Topic and state of one schedule's life, as stored."""
    product = next(products)
    for command in _life(product):
        _must(ledger, command)
    stream = command.subject.id
    return [(row.topic, row.state) for row in ledger._recorder.select_streams([stream])]


def _copying(stored: list[tuple[str, bytes]], write: Callable[[Plain], object]) -> Callable[[], object]:
    events = (Plain(stream, version, *event) for stream in iter(uuid4, None) for version, event in enumerate(stored, 1))
    return lambda: write(next(events))


def _life(number: int) -> Iterator[Command]:
    """Submitted, rejected, revised, submitted again …: each command records one event."""
    known: dict[str, Any] = {"fiscal_year": YEAR, "product": product_of(number)}
    for version in range(1, EVENTS_OF_A_STREAM_MAX, 3):
        yield SubmitSchedule(
            command_id=uuid4(),
            actor=owner_of(number),
            amounts={month: Decimal("1000.00") for month in MONTHS},
            **known,
        )
        yield RejectSchedule(
            command_id=uuid4(),
            actor=PORTFOLIO_OWNER,
            version=version,
            reason="March is too high; move a part of it to May.",
            **known,
        )
        yield ReviseSchedule(command_id=uuid4(), actor=owner_of(number), **known)


def product_of(number: int) -> NodePath:
    return NodePath((*_PORTFOLIO.parts, f"Product {number}"))


def owner_of(number: int) -> str:
    return f"owner-{number // PRODUCTS_OF_AN_OWNER}@example.com"


def _budget() -> LoadBudget:
    return LoadBudget(
        command_id=uuid4(),
        actor="system",
        channel=Channel.SETUP,
        fiscal_year=YEAR,
        content_hash="0" * 64,
        customer="Example",
        option="bench",
        file_version="1",
        is_new=True,
        is_override=False,
        effective_on=MONTHS[0].first_day,
        labels=("Business Unit", "Department", "Portfolio", "Product"),
        rows=tuple(BudgetRow(product=product_of(n), annual=Decimal(12_000)) for n in range(PRODUCTS)),
    )


def _environment(database_url: str) -> dict[str, str]:
    where = {key: str(value) for key, value in conninfo_to_dict(database_url).items()}
    return {
        "POSTGRES_DBNAME": where["dbname"],
        "POSTGRES_HOST": where["host"],
        "POSTGRES_PORT": where["port"],
        "POSTGRES_USER": where["user"],
        "POSTGRES_PASSWORD": where["password"],
        "POSTGRES_POOL_SIZE": "1",
        "POSTGRES_MAX_OVERFLOW": "0",
    }


def measure() -> list[Row]:
    with tempfile.TemporaryDirectory() as directory:
        server = Postgres(Path(directory) / "postgres", Path(directory) / "log")
        server.start()
        try:
            migrate(server.url())
            return rows(server.url())
        finally:
            server.stop()
            server.remove()
