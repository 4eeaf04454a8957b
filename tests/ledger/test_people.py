"""The directory: who is who."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from domain.decision import SYSTEM_ID, PersonId
from domain.errors import BadInput
from ledger import people as module
from ledger.people import UNKNOWN_ID, Directory
from tests.ledger.jars import open_ledger, scalar


@pytest.fixture
def people(database_url: str) -> Iterator[Directory]:
    with open_ledger(database_url) as ledger:
        yield ledger.people


def test_an_address_is_the_same_in_any_case(people: Directory, database_url: str) -> None:
    mia = people.ensure("Mia.Müller@Example.com", "Mia Müller")
    assert people.ensure(" mia.müller@example.com ", "") == mia
    assert people.names([mia]) == {mia: "Mia Müller"}  # an empty name does not take the place of one
    assert people.ensure("MIA.MÜLLER@EXAMPLE.COM", "Mia Meier") == mia
    assert people.names([mia]) == {mia: "Mia Meier"}
    with open_ledger(database_url) as other:
        assert other.people.find("mia.MÜLLER@example.COM") == mia


def test_people_are_found_by_address_by_id_and_the_system_by_its_name(people: Directory) -> None:
    ben = people.ensure("ben@example.com", "")
    references = [
        "ben@example.com",
        str(ben),
        "system",
        str(SYSTEM_ID),
        "nobody@example.com",
        str(uuid4()),
        "",
        "x\x00@y",
        "\ud800",
    ]
    assert people.find_all(references) == {
        "ben@example.com": ben,
        str(ben): ben,
        "system": SYSTEM_ID,
        str(SYSTEM_ID): SYSTEM_ID,
    }
    assert people.find("System") is None
    assert people.names([ben, SYSTEM_ID, UNKNOWN_ID, PersonId(uuid4())]) == {
        ben: "ben@example.com",
        SYSTEM_ID: "Allot",
        UNKNOWN_ID: "somebody unknown",
    }


def test_somebody_found_once_is_not_looked_up_again_and_memory_has_a_limit(
    people: Directory, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PEOPLE_CACHED_MAX", 3)
    for n in range(10):
        assert people.find(f"p{n}@example.com") is None
        person = people.ensure(f"p{n}@example.com", "")
        assert people.find(f"p{n}@example.com") == person
        assert len(people._found) <= 3
    assert people.find("system") == SYSTEM_ID
    assert scalar(database_url, "SELECT count(*) FROM people") == 11


@pytest.mark.parametrize(
    ("email", "name"),
    [
        ("", ""),
        ("@", ""),
        ("system", ""),
        ("a b@c", ""),
        ("a@\x00", ""),
        ("x" * 320 + "@y", ""),
        ("a@b", "x" * 201),
        ("a@b", "x\ny"),
    ],
)
def test_what_is_no_address_or_name_is_refused(people: Directory, email: str, name: str) -> None:
    with pytest.raises(BadInput):
        people.ensure(email, name)
