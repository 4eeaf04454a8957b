"""Who is registered, holds which grant, and may decide in whose place. Names stay in the directory of people."""

from __future__ import annotations

from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from domain.decision import Fact, RecordedEvent
from domain.people import Deactivated, Delegated, DelegationEnded, Granted, GrantWithdrawn, Reactivated, Registered
from views.batch import Batch, Projection, missing
from views.paths import path_text
from views.tables import Table


class PersonRow(NamedTuple):
    person_id: UUID
    registered_at: datetime
    deactivated_at: datetime | None


class GrantRow(NamedTuple):
    persona: str
    node: str
    person_id: UUID
    granted_at: datetime


class DelegationRow(NamedTuple):
    person_id: UUID
    """Who may decide …"""
    delegated_by: UUID
    """… in whose place."""
    version: int
    """Of the delegate's stream."""
    first_day: date
    last_day: date
    """Included."""
    note: str
    delegated_at: datetime
    ended_at: datetime | None
    """When it was taken back before its time."""


PERSONS = Table("persons", PersonRow, key=1)
GRANTS = Table("grants", GrantRow, key=3, group=2, indexes=("(person_id)",))
"""Found by seat, that is persona and node: tasks ask whether anybody is left there."""
DELEGATIONS = Table("delegations", DelegationRow, key=3, group=2, indexes=("(delegated_by)",))

_FACTS = (Registered, Granted, GrantWithdrawn, Deactivated, Reactivated, Delegated, DelegationEnded)


def wants(batch: Batch, _: RecordedEvent, fact: Fact) -> None:
    match fact:
        case Registered() | Deactivated() | Reactivated():
            batch.rows(PERSONS).want(fact.person_id)
        case Granted() | GrantWithdrawn():
            batch.rows(GRANTS).want(fact.persona.value, path_text(fact.node))
        case Delegated() | DelegationEnded():
            batch.rows(DELEGATIONS).want(fact.person_id, fact.delegated_by)


def fold(batch: Batch, event: RecordedEvent, fact: Fact) -> None:
    match fact:
        case Registered():
            batch.rows(PERSONS).put(PersonRow(fact.person_id, event.recorded_at, None))
        case Granted():
            row = GrantRow(fact.persona.value, path_text(fact.node), fact.person_id, event.recorded_at)
            batch.rows(GRANTS).put(row)
        case GrantWithdrawn():
            batch.rows(GRANTS).delete(fact.persona.value, path_text(fact.node), fact.person_id)
        case Deactivated() | Reactivated():
            persons = batch.rows(PERSONS)
            if (person := persons.get(fact.person_id)) is None:
                raise missing(event, f"person {fact.person_id}")
            at = event.recorded_at if isinstance(fact, Deactivated) else None
            persons.put(person._replace(deactivated_at=at))
        case Delegated() | DelegationEnded():
            _fold_delegation(batch, event, fact)


def _fold_delegation(batch: Batch, event: RecordedEvent, fact: Delegated | DelegationEnded) -> None:
    delegations = batch.rows(DELEGATIONS)
    if isinstance(fact, DelegationEnded):
        for row in delegations.having(fact.person_id, fact.delegated_by):
            if row.ended_at is None:
                delegations.put(row._replace(ended_at=event.recorded_at))
        return
    delegations.put(
        DelegationRow(
            person_id=fact.person_id,
            delegated_by=fact.delegated_by,
            version=event.stream_version,
            first_day=fact.first_day,
            last_day=fact.last_day,
            note=fact.note,
            delegated_at=event.recorded_at,
            ended_at=None,
        )
    )


PROJECTION = Projection((PERSONS, GRANTS, DELEGATIONS), _FACTS, wants, fold)
