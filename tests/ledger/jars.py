"""A small subject for the ledger's tests: jars that are filled, sealed and poured from one into another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal
from uuid import UUID, uuid4

import psycopg

from domain import people, people_commands
from domain.decision import (
    Accepted,
    Command,
    CommandRefused,
    Context,
    Decision,
    Event,
    Fact,
    Fold,
    Organization,
    Refused,
    Rule,
    States,
    Stream,
)
from domain.errors import BadInput, Contention, Refusal
from ledger.deciding import Registry
from ledger.ledger import Ledger
from rights.cedar import CedarRights

ANN = "ann@example.com"


class Filled(Fact):
    fact_name: ClassVar[str] = "jar.Filled"
    beans: int
    label: str = ""


class Sealed(Fact):
    fact_name: ClassVar[str] = "jar.Sealed"


class Fill(Command):
    kind: Literal["jar.Fill"] = "jar.Fill"
    jar: str
    beans: tuple[int, ...] = (1,)
    label: str = ""

    @property
    def subject(self) -> Stream:
        return jar(self.jar)


class Seal(Command):
    kind: Literal["jar.Seal"] = "jar.Seal"
    jar: str

    @property
    def subject(self) -> Stream:
        return jar(self.jar)


class Pour(Command):
    """From one jar into another: two streams, or none."""

    kind: Literal["jar.Pour"] = "jar.Pour"
    jar: str
    into: str
    beans: int

    @property
    def subject(self) -> Stream:
        return jar(self.jar)


class Guarded(Command):
    """Fills a jar while another one, which is only read, is open."""

    kind: Literal["jar.Guarded"] = "jar.Guarded"
    jar: str
    guard: str

    @property
    def subject(self) -> Stream:
        return jar(self.jar)


class Stock(Command):
    """Many new jars at once."""

    kind: Literal["jar.Stock"] = "jar.Stock"
    shelf: str
    jars: int

    @property
    def subject(self) -> Stream:
        return jar(self.shelf)


@dataclass(frozen=True, slots=True)
class Jar:
    beans: int = 0
    sealed: bool = False


def jar(name: str) -> Stream:
    return Stream("jar", name)


def evolve_jar(state: Jar, fact: Filled | Sealed) -> Jar:
    match fact:
        case Filled():
            return replace(state, beans=state.beans + fact.beans)
        case Sealed():
            return replace(state, sealed=True)


def _fill(states: States, command: Fill, context: Context) -> Decision:
    if states[command.subject].sealed:
        raise Refusal(f"{command.actor} cannot fill {command.jar}: it is sealed.", code="Sealed")
    if not command.beans:
        raise BadInput("Fill it with something.")
    return Decision(
        [Event(command.subject, Filled(beans=beans, label=command.label)) for beans in command.beans], "Filled."
    )


def _seal(states: States, command: Seal, context: Context) -> Decision:
    if not states[command.subject].beans:
        raise Refusal("An empty jar is not sealed.", code="Empty")
    if states[command.subject].sealed:
        return Decision(message="It was sealed already.")
    return Decision([Event(command.subject, Sealed())], "Sealed.")


def _pour(states: States, command: Pour, context: Context) -> Decision:
    if states[command.subject].beans < command.beans:
        raise Refusal("There is not enough in it.", code="NotEnough")
    return Decision(
        [Event(command.subject, Filled(beans=-command.beans)), Event(jar(command.into), Filled(beans=command.beans))]
    )


def _guarded(states: States, command: Guarded, _: Context) -> Decision:
    if states[jar(command.guard)].sealed:
        raise Refusal("The guard is sealed.", code="Sealed")
    return Decision([Event(command.subject, Filled(beans=1))])


def _stock(states: States, command: Stock, context: Context) -> Decision:
    return Decision([Event(jar(f"{command.shelf}-{n}"), Filled(beans=n)) for n in range(command.jars)])


RULES: dict[type[Command], Rule] = {
    Fill: Rule(lambda command, _: [command.subject], _fill),
    Seal: Rule(lambda command, _: [command.subject], _seal),
    Pour: Rule(lambda command, _: [command.subject, jar(command.into)], _pour),
    Guarded: Rule(lambda command, _: [command.subject, jar(command.guard)], _guarded),
    Stock: Rule(lambda command, _: [command.subject], _stock),
    **people_commands.RULES,
}
FOLDS = {
    "jar": Fold(Jar(), evolve_jar),
    "person": Fold(people.Person(), people.evolve),
    "holders": Fold(frozenset(), people.evolve_holders),
    "refusal": Fold(None, lambda _, fact: fact),
}
_ALL_FACTS: tuple[type[Fact], ...] = (Filled, Sealed, CommandRefused, *people.FACTS)
FACTS: dict[str, type[Fact]] = {fact.fact_name: fact for fact in _ALL_FACTS}
JARS = Registry(FOLDS, RULES, FACTS)


def open_ledger(
    database_url: str, *, pool_size: int = 4, accept_claimed_actors: bool = False, registry: Registry = JARS
) -> Ledger:
    """A ledger of jars, in which Ann is known."""
    ledger = Ledger(
        database_url,
        Organization(),
        rights=CedarRights(),
        pool_size=pool_size,
        accept_claimed_actors=accept_claimed_actors,
        registry=registry,
    ).open()
    ledger.people.ensure(ANN, "Ann")
    return ledger


def fill(name: str | None = None, *beans: int, **fields: Any) -> Fill:
    fields = {"command_id": uuid4(), "actor": ANN} | fields
    return Fill(jar=name or str(uuid4()), beans=beans or (1,), **fields)


def seal(name: str, command_id: UUID | None = None) -> Seal:
    return Seal(command_id=command_id or uuid4(), actor=ANN, jar=name)


def guarded(name: str, guard: str) -> Guarded:
    return Guarded(command_id=uuid4(), actor=ANN, jar=name, guard=guard)


def stock(shelf: str, jars: int) -> Stock:
    return Stock(command_id=uuid4(), actor=ANN, shelf=shelf, jars=jars)


def deliver(ledger: Ledger, command: Command, times: int = 50) -> Accepted | Refused:
    """As a workflow engine does: contention on one stream is tried again, with the same command id."""
    for _ in range(times):
        try:
            return ledger.record(command)
        except Contention:
            continue
    raise AssertionError("contended for ever")


@contextmanager
def sql(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def scalar(database_url: str, query: str, *parameters: object) -> Any:
    with sql(database_url) as connection:
        row = connection.execute(query, parameters).fetchone()
        assert row is not None
        return row[0]


def look_away(database_url: str) -> None:
    """The planted fault: an append that finds that nothing has moved, whatever has."""
    with sql(database_url) as connection:
        connection.execute(
            "CREATE OR REPLACE FUNCTION "
            "ledger_moved(ids uuid[], versions bigint[], positions bigint[], digests bytea[]) "
            "RETURNS boolean LANGUAGE sql AS 'SELECT false'"
        )


def events_in(database_url: str) -> int:
    count: int = scalar(database_url, "SELECT count(*) FROM ledger_events")
    return count
