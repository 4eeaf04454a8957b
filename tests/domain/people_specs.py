"""Ann and the events of what she holds, for decisions about people."""

from __future__ import annotations

from datetime import date

from domain.decision import Event, Fact, Persona, PersonId
from domain.hierarchy import NodePath
from domain.people import (
    Delegated,
    Granted,
    GrantWithdrawn,
    HolderAppointed,
    HolderRemoved,
    Registered,
    holders_stream,
    person_stream,
)
from tests.domain.specs import person

ANN = person("ann")
PEOPLE: dict[str, PersonId] = {"ann@example.com": ANN}


def about_ann(fact: Fact) -> Event:
    return Event(person_stream(ANN), fact)


REGISTERED = about_ann(Registered(person_id=ANN))


def granted(persona: Persona, node: NodePath) -> list[Event]:
    """With the person, and with the node."""
    return [
        about_ann(Granted(person_id=ANN, persona=persona, node=node)),
        Event(holders_stream(persona, node), HolderAppointed(persona=persona, node=node, person_id=ANN)),
    ]


def withdrawn(persona: Persona, node: NodePath, reason: str = "") -> list[Event]:
    return [
        about_ann(GrantWithdrawn(person_id=ANN, persona=persona, node=node, reason=reason)),
        Event(holders_stream(persona, node), HolderRemoved(persona=persona, node=node, person_id=ANN)),
    ]


def delegated(by: PersonId, first_day: date, last_day: date, note: str = "") -> Event:
    """To Ann."""
    return about_ann(
        Delegated(person_id=ANN, delegated_by=by, first_day=first_day, last_day=last_day, note=note),
    )
