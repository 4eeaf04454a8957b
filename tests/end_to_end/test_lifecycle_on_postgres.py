"""The lifecycle machine against the real ledger and the real views: fewer lives, the same promises.

Every command goes through `Ledger.record`; states read back equal a replay, and views equal their rebuild.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from typing import ClassVar

import psycopg
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from psycopg import sql

from domain.decision import SYSTEM, SYSTEM_ID, Command, Event, Refused, Stream
from embedded.postgres import Postgres
from ledger.ledger import Ledger
from rights.cedar import CedarRights
from tests.domain.lifecycle_company import NAMES, ORGANIZATION, RIGHTS_OF_ALL
from tests.domain.lifecycle_machine import Lifecycle
from tests.domain.lifecycle_recorder import MemoryRecorder, Receipt, Told
from views.projector import Projector
from views.rebuild import rebuild
from views.registry import TABLES

LIVES = 15
STEPS = 30
EVENTS_OF_A_COMMAND_MAX = 1_000
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
"""Before anything is recorded; each command brings its own."""


class PostgresRecorder(MemoryRecorder):
    """Decides in the ledger; keeps in memory what was read back from it."""

    def __init__(self, database_url: str) -> None:
        super().__init__(ORGANIZATION, RIGHTS_OF_ALL, NAMES)
        self.now = MOMENT
        self.ledger = Ledger(
            database_url, ORGANIZATION, rights=CedarRights(), pool_size=2, clock=lambda: self.now
        ).open()
        self._emails = {name: f"{name}@example.com" for name in NAMES}
        self.people = {name: self.ledger.people.ensure(email, name) for name, email in self._emails.items()}
        self.people[SYSTEM] = SYSTEM_ID
        self._position = 0

    def record(self, command: Command, now: datetime) -> Told:
        self.now = now
        named = {field: self._emails[name] for field in ("actor", "person") if (name := self._name(command, field))}
        outcome = self.ledger.record(command.model_copy(update=named))
        if receipt := self.receipts.get(command.command_id):
            return receipt.told if outcome.message == receipt.told.message else Told("another", outcome.message)
        recorded = self.ledger.follow(self._position, EVENTS_OF_A_COMMAND_MAX)
        for event in recorded:
            assert event.command_id == command.command_id, "somebody else recorded something"
            self._append(Event(_stream(event.stream), event.fact))
            self._position = event.position
        if isinstance(outcome, Refused):
            told = Told(outcome.code, outcome.message, actor=self.people[command.actor])
        else:
            events = tuple(Event(_stream(event.stream), event.fact) for event in recorded)
            told = Told("", outcome.message, events, self.people[command.actor])
        if recorded:
            authority = told.authority._replace(on_behalf_of=recorded[0].on_behalf_of)
            told = told._replace(authority=authority)
        self.receipts[command.command_id] = Receipt(command, told)
        self._read_back_equals_live({_stream(event.stream) for event in recorded})
        return told

    def _name(self, command: Command, field: str) -> str | None:
        name: str | None = getattr(command, field, None)
        return name if name in self._emails else None

    def _read_back_equals_live(self, streams: set[Stream]) -> None:
        found = self.ledger.states(streams)
        for stream in streams:
            assert (found[stream], found.version(stream)) == self.states[stream], f"the ledger differs: {stream}"


def _stream(text: str) -> Stream:
    category, _, key = text.partition("/")
    return Stream(category, key)


class OnPostgres(Lifecycle):
    server: ClassVar[Postgres]
    template: ClassVar[str]
    numbers_of_databases: ClassVar[Iterator[int]] = count()
    facts: ClassVar[Counter[str]] = Counter()

    def new_recorder(self) -> MemoryRecorder:
        name = f"lifecycle_{next(self.numbers_of_databases)}"
        self.server.create_database(name, self.template)
        self.url = self.server.url(name)
        return PostgresRecorder(self.url)

    def teardown(self) -> None:
        super().teardown()
        recorder = self.recorder
        assert isinstance(recorder, PostgresRecorder)
        with recorder.ledger:
            Projector(recorder.ledger, self.url, ORGANIZATION).catch_up()
            live = every_row(self.url)
            rebuild(recorder.ledger, self.url, ORGANIZATION)
            assert every_row(self.url) == live, "views differ from their rebuild"
        self.facts.update(type(fact).__name__ for facts in recorder.facts.values() for fact in facts)


def every_row(database_url: str) -> dict[str, list[str]]:
    query = sql.SQL("SELECT t::text FROM {} t ORDER BY 1")
    with psycopg.connect(database_url) as connection:
        return {
            table.name: [text for (text,) in connection.execute(query.format(sql.Identifier(table.name)))]
            for table in TABLES
        }


def test_the_lifecycle_on_the_real_ledger_and_views(postgres: Postgres, template: str) -> None:
    OnPostgres.server, OnPostgres.template = postgres, template
    run_state_machine_as_test(
        OnPostgres,
        settings=settings(
            max_examples=LIVES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        ),
    )
    wanted = {"Submitted", "Approved", "RescheduleRequested", "RescheduleGranted", "WentOverBudget", "CommandRefused"}
    assert wanted <= set(OnPostgres.facts), OnPostgres.facts
