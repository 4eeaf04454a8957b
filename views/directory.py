"""People as pages show them: names from the directory, grants and delegations from the log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from psycopg import Cursor

from domain.decision import SYSTEM, SYSTEM_ID, PersonId
from views.models import DelegationDetail, GrantDetail, PersonDetail

_PEOPLE = """
SELECT p.person_id, p.email, p.name, r.person_id IS NOT NULL, r.deactivated_at,
    coalesce(array_agg(g.persona || ' ' || g.node ORDER BY g.persona, g.node) FILTER (WHERE g.node IS NOT NULL), '{}')
FROM people p LEFT JOIN persons r USING (person_id) LEFT JOIN grants g ON g.person_id = p.person_id
WHERE %(email)s::text IS NULL OR lower(p.email) = lower(%(email)s)
GROUP BY p.person_id, p.email, p.name, r.person_id, r.deactivated_at ORDER BY p.email"""
_DELEGATIONS = """
SELECT person_id, delegated_by, first_day, last_day, note, delegated_at, ended_at FROM delegations
WHERE person_id = %(person)s OR delegated_by = %(person)s ORDER BY first_day, delegated_at, person_id, version"""


def names(cursor: Cursor[Any], person_ids: Sequence[UUID | None]) -> dict[UUID | None, str]:
    """Empty for those who are not in the directory any more."""
    query = "SELECT person_id, coalesce(nullif(name, ''), email) FROM people WHERE person_id = ANY(%s)"
    wanted = list({person_id for person_id in person_ids if person_id})
    if not wanted:
        return {}
    return {SYSTEM_ID: SYSTEM, **dict(cursor.execute(query, [wanted]).fetchall())}


def people(cursor: Cursor[Any], email: str | None = None) -> tuple[PersonDetail, ...]:
    """All of the directory, or the one with that address."""
    return tuple(_person(row) for row in cursor.execute(_PEOPLE, {"email": email}))


def _person(row: tuple[Any, ...]) -> PersonDetail:
    person_id, email, name, registered, deactivated_at, grants = row
    return PersonDetail(
        person_id=PersonId(person_id),
        email=email,
        name=name,
        registered=registered,
        deactivated=deactivated_at is not None,
        grants=tuple(
            GrantDetail.model_validate({"persona": persona, "node": node})
            for persona, node in (grant.split(" ", 1) for grant in grants)
        ),
    )


def delegations(cursor: Cursor[Any], person_id: UUID) -> tuple[DelegationDetail, ...]:
    """What this person was given and has given, by first day."""
    rows = cursor.execute(_DELEGATIONS, {"person": person_id}).fetchall()
    known = names(cursor, [person for row in rows for person in row[:2]])
    return tuple(
        DelegationDetail(
            person_id=delegate,
            person_name=known.get(delegate, ""),
            delegated_by=delegated_by,
            delegated_by_name=known.get(delegated_by, ""),
            first_day=first_day,
            last_day=last_day,
            note=note,
            delegated_at=delegated_at,
            ended_at=ended_at,
        )
        for delegate, delegated_by, first_day, last_day, note, delegated_at, ended_at in rows
    )
