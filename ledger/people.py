"""The directory of people: names and addresses beside the ledger, so that no event holds personal data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID, uuid5

from domain.decision import NAMESPACE, PERSON_REFERENCE_CHARS_MAX, SYSTEM, SYSTEM_ID, PersonId
from domain.errors import BadInput
from ledger.arrays import Texts, Uuids
from ledger.connection import Connections

UNKNOWN_ID = PersonId(uuid5(NAMESPACE, "person/unknown"))
"""The actor in the record of a refused command whose sender is not known here."""
_NAMES = {SYSTEM_ID: "Allot", UNKNOWN_ID: "somebody unknown"}
NAME_CHARS_MAX = 200
PEOPLE_CACHED_MAX = 10_000

_ENSURE = """
INSERT INTO people (email, name) VALUES (%b::text, %b::text)
ON CONFLICT (lower(email)) DO UPDATE SET name = coalesce(nullif(excluded.name, ''), people.name)
RETURNING person_id"""
# Lower case is the business of PostgreSQL, which also keeps addresses apart by it.
_BY_EMAIL = """
SELECT given, person_id FROM unnest(%b::text[]) AS given JOIN people ON lower(people.email) = lower(given)"""
_BY_ID = "SELECT person_id, name, email FROM people WHERE person_id = ANY(%b::uuid[])"


class Directory:
    """Who is who. Persons once found are remembered, since an id never changes."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._found: dict[str, PersonId] = {SYSTEM: SYSTEM_ID}

    def ensure(self, email: str, name: str) -> PersonId:
        """The id of the person with that address, who is added if need be."""
        email, name = email.strip(), name.strip()
        before, at, after = email.partition("@")
        if not (before and at and after) or len(email) > PERSON_REFERENCE_CHARS_MAX or not _plain(email):
            raise BadInput("A person needs an e-mail address, such as ann@example.com, without blanks in it.")
        if len(name) > NAME_CHARS_MAX or not name.isprintable():
            raise BadInput(f"A person's name has at most {NAME_CHARS_MAX} characters, and no control characters.")
        ((person_id,),) = self._connections.query(_ENSURE, (email, name))
        return PersonId(person_id)

    def find(self, reference: str) -> PersonId | None:
        """By e-mail address in any case, by person id, or `system`; None for somebody who is not known here."""
        return self.find_all((reference,)).get(reference)

    def find_all(self, references: Iterable[str]) -> Mapping[str, PersonId]:
        """Those that are known, by the reference as given."""
        cache, result, asked = self._found, {}, []
        for reference in references:
            if (person_id := cache.get(reference)) is not None:
                result[reference] = person_id
            elif _plain(reference) and len(reference) <= PERSON_REFERENCE_CHARS_MAX:
                asked.append(reference)
        if asked:
            found = self._by_email([r for r in asked if "@" in r]) | self._by_id([r for r in asked if "@" not in r])
            if len(cache) + len(found) > PEOPLE_CACHED_MAX:
                cache = {SYSTEM: SYSTEM_ID}
            self._found = cache | found
            result |= found
        return result

    def names(self, person_ids: Iterable[PersonId]) -> dict[PersonId, str]:
        """For showing: the name, or the address of somebody without one."""
        ids = list(person_ids)
        rows = self._connections.query(_BY_ID, (Uuids(ids),))
        known = {PersonId(person_id): str(name or email) for person_id, name, email in rows}
        return {person_id: name for person_id, name in _NAMES.items() if person_id in ids} | known

    def _by_email(self, references: list[str]) -> dict[str, PersonId]:
        if not references:
            return {}
        rows = self._connections.query(_BY_EMAIL, (Texts(references),))
        return {given: PersonId(person_id) for given, person_id in rows}

    def _by_id(self, references: list[str]) -> dict[str, PersonId]:
        ids = {reference: person_id for reference in references if (person_id := _as_uuid(reference))}
        if not ids:
            return {}
        known = {row[0] for row in self._connections.query(_BY_ID, (Uuids(ids.values()),))} | {SYSTEM_ID}
        return {reference: PersonId(person_id) for reference, person_id in ids.items() if person_id in known}


def _plain(text: str) -> bool:
    """Without blanks, NUL and halves of characters, which PostgreSQL would not take."""
    return text.isprintable() and " " not in text


def _as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
