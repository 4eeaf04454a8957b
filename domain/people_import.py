"""Many people and their grants at once, as a file lists them: all of it, or nothing (product rules, section 2).

What is decided on here are persons by their ids; reading the file, and knowing whose address is whose, is done before.
A file says what is to hold: what holds already stays as it is, and nothing is taken away.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from domain.decision import (
    Action,
    Authority,
    Command,
    Context,
    Decision,
    Event,
    Grant,
    Persona,
    PersonId,
    PersonReference,
    Rule,
    States,
    Stream,
)
from domain.errors import Refusal
from domain.hierarchy import NodePath
from domain.model import Model
from domain.people import Person, Registered, evolve, holders_stream, person_stream, require
from domain.people_commands import granted, require_level, require_room, require_user_manager

ROWS_MAX = 10_000
"""Lines of one file."""
FAULTS_SHOWN_MAX = 3
"""Rows named in a refusal; whoever imported the file has got a list of all."""


class ImportRow(Model):
    """One line of the file."""

    row: int
    """As a spreadsheet shows it."""
    person: PersonReference
    persona: Persona | None = None
    """None for a line that only adds the person."""
    node: NodePath = NodePath.ROOT

    @property
    def grant(self) -> Grant | None:
        return Grant(self.persona, self.node) if self.persona else None


class ImportPeople(Command):
    """Registers people and grants them what they lack. Made by the activity that has read the file."""

    kind: Literal["person.Import"] = "person.Import"
    content_hash: str
    rows: Annotated[tuple[ImportRow, ...], Field(max_length=ROWS_MAX)]

    def people(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(row.person for row in self.rows))

    @property
    def subject(self) -> Stream:
        return Stream("people_import", self.content_hash)


class RowFault(NamedTuple):
    """Why a line cannot be imported."""

    row: int
    refusal: Refusal


class Plan(NamedTuple):
    """What the file would change, or what is wrong with it."""

    events: tuple[Event, ...]
    faults: tuple[RowFault, ...]


def require_importer(context: Context, *, with_grants: bool) -> Authority:
    """Raises Forbidden for whoever may not add people, or not grant them anything where the file does."""
    authority = require_user_manager(context)
    return require(context, Action.MANAGE_GRANTS, NodePath.ROOT) if with_grants else authority


def plan(states: States, rows: Sequence[tuple[ImportRow, PersonId]]) -> Plan:
    """Line after line, each on what the lines before it have changed."""
    persons: dict[PersonId, Person] = {}
    events: list[Event] = []
    faults: list[RowFault] = []
    for row, person_id in rows:
        person = persons.get(person_id) or states[person_stream(person_id)]
        try:
            new = list(_events(row, person_id, person))
        except Refusal as refusal:
            faults.append(RowFault(row.row, refusal))
            continue
        for event in new:
            if event.stream == person_stream(person_id):
                person = evolve(person, event.fact)  # type: ignore[arg-type]  # the facts of that stream
        persons[person_id] = person
        events += new
    return Plan(tuple(events), tuple(faults))


def _events(row: ImportRow, person_id: PersonId, person: Person) -> Iterator[Event]:
    if person.deactivated:
        raise Refusal(
            "This person is deactivated: bring them back first, with `allot person reactivate`, or leave the line out.",
            code="Inactive",
        )
    if not person.registered:
        yield Event(person_stream(person_id), Registered(person_id=person_id))
    if (grant := row.grant) is None or grant in person.grants:
        return
    require_level(*grant)
    require_room(person.grants, grant)
    yield from granted(person_id, grant)


def decide_import(states: States, command: ImportPeople, context: Context) -> Decision:
    authority = require_importer(context, with_grants=any(row.persona for row in command.rows))
    events, faults = plan(states, [(row, context.person(row.person)) for row in command.rows])
    if faults:
        told = " ".join(f"Row {fault.row}: {fault.refusal.message}" for fault in faults[:FAULTS_SHOWN_MAX])
        more = f" And {len(faults) - FAULTS_SHOWN_MAX:,} more rows." if len(faults) > FAULTS_SHOWN_MAX else ""
        raise Refusal(f"Nothing was imported. {told}{more}", code="InvalidPeopleFile")
    if not events:
        return Decision(message="Everybody in the file is there already, with these grants; nothing changed.")
    people = sum(isinstance(event.fact, Registered) for event in events)
    grants = (len(events) - people) // 2  # each stands with the person and with the node
    return Decision(events, f"Imported: {people:,} new people, {grants:,} new grants.", authority)


def streams_of(rows: Sequence[tuple[ImportRow, PersonId]]) -> tuple[Stream, ...]:
    """What is read to decide on these rows."""
    persons = [person_stream(person_id) for _, person_id in rows]
    holders = [holders_stream(*row.grant) for row, _ in rows if row.grant]
    return tuple(dict.fromkeys([*persons, *holders]))


def _reads(command: ImportPeople, context: Context) -> Sequence[Stream]:
    known = [(row, context.people[row.person]) for row in command.rows if row.person in context.people]
    return streams_of(known)


RULES: dict[type[Command], Rule] = {ImportPeople: Rule(_reads, decide_import)}
