"""Who is registered, and who holds which grant. Names and addresses stay in the directory of people."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from domain.decision import Fact, RecordedEvent
from domain.people import Granted, Registered
from views.batch import Batch, Projection
from views.tables import Table


class PersonRow(NamedTuple):
    person_id: UUID
    registered_at: datetime


class GrantRow(NamedTuple):
    person_id: UUID
    persona: str
    node: str
    granted_at: datetime


PERSONS = Table("persons", PersonRow, key=1)
GRANTS = Table("grants", GrantRow, key=3, indexes=("(persona, node)",))


def wants(batch: Batch, _: RecordedEvent, fact: Fact) -> None:
    match fact:
        case Registered():
            batch.rows(PERSONS).want(fact.person_id)
        case Granted():
            batch.rows(GRANTS).want(fact.person_id, fact.persona.value, str(fact.node))


def fold(batch: Batch, event: RecordedEvent, fact: Fact) -> None:
    match fact:
        case Registered():
            batch.rows(PERSONS).put(PersonRow(fact.person_id, event.recorded_at))
        case Granted():
            batch.rows(GRANTS).put(GrantRow(fact.person_id, fact.persona.value, str(fact.node), event.recorded_at))


PROJECTION = Projection((PERSONS, GRANTS), (Registered, Granted), wants, fold)
