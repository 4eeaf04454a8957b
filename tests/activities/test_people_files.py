"""Files of people into the real directory and ledger: whole, once, or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from temporalio.testing import ActivityEnvironment

from activities.people_files import PeopleFiles
from domain.decision import Channel, CommandRefused, Organization, Persona
from domain.hierarchy import NodePath
from domain.people import Person, holders_stream, person_stream
from domain.people_commands import DeactivatePerson, GrantPersona, RegisterPerson
from domain.process import PeopleFile, PeopleImportResult
from file_store import FileStore
from ledger.ledger import Ledger
from rights.cedar import CedarRights

ADMIN, ENGINEER = "fin@example.com", "ops@example.com"
HEAD = "email,name,persona,node\n"
GOOD = HEAD + (
    "ann@example.com,Ann Lee,product_owner,Retail/Digital/Web/Checkout\n"
    "ann@example.com,Ann Lee,product_owner,Retail/Digital/Web/Search\n"
    "bo@example.com,Bo,,\n"
)
CHECKOUT = NodePath(("Retail", "Digital", "Web", "Checkout"))


class Importing:
    """The activity as a worker runs it."""

    def __init__(self, ledger: Ledger, store: FileStore) -> None:
        self.ledger, self.store = ledger, store
        self.files = PeopleFiles(ledger, store)
        self.environment = ActivityEnvironment()

    def run(self, content: str, actor: str = ADMIN, command_id: UUID | None = None) -> PeopleImportResult:
        request = PeopleFile(
            command_id=command_id or uuid4(),
            actor=actor,
            channel=Channel.CLI,
            content_hash=self.store.put(content.encode()),
            file_name="people.csv",
        )
        return self.environment.run(self.files.import_people, request)

    def person(self, email: str) -> Person:
        person_id = self.ledger.people.find(email)
        assert person_id is not None
        stream = person_stream(person_id)
        found: Person = self.ledger.states([stream])[stream]
        return found

    def problems(self, result: PeopleImportResult) -> list[dict[str, object]]:
        found: list[dict[str, object]] = json.loads(self.store.get(result.report))
        return found

    def events(self) -> int:
        return len(self.ledger.follow(0, 10_000))


@pytest.fixture
def importing(database_url: str, tmp_path: Path) -> Iterator[Importing]:
    with Ledger(database_url, Organization(), rights=CedarRights(), pool_size=4) as ledger:
        for email, persona in ((ADMIN, Persona.FINANCIAL_ADMIN), (ENGINEER, Persona.CLOUD_ENGINEER)):
            ledger.people.ensure(email, "")
            setup = {"actor": "system", "channel": Channel.SETUP, "person": email}
            ledger.record(RegisterPerson(command_id=uuid4(), **setup))
            ledger.record(GrantPersona(command_id=uuid4(), persona=persona, **setup))
        yield Importing(ledger, FileStore(str(tmp_path)))


def test_people_and_their_grants_are_recorded_in_one_decision(importing: Importing) -> None:
    command_id = uuid4()
    result = importing.run(GOOD, command_id=command_id)
    assert (result.status, result.people, result.grants) == ("imported", 2, 2)
    assert result.message == "Imported: 2 new people, 2 new grants."
    assert len(importing.person("ann@example.com").grants) == 2
    assert importing.person("bo@example.com").registered
    ann = importing.ledger.people.find("ann@example.com")
    assert ann is not None
    assert importing.ledger.people.names([ann]) == {ann: "Ann Lee"}
    holders = holders_stream(Persona.PRODUCT_OWNER, CHECKOUT)
    assert importing.ledger.states([holders])[holders] == {ann}
    recorded = [event for event in importing.ledger.follow(0, 100) if event.command_id == command_id]
    assert len(recorded) == 6
    assert {event.channel for event in recorded} == {Channel.CLI}
    assert importing.run(GOOD, command_id=command_id) == result, "a repetition gets the first answer"


def test_the_same_bytes_twice_change_nothing(importing: Importing) -> None:
    importing.run(GOOD)
    before = importing.events()
    again = importing.run(GOOD)
    assert (again.status, importing.events()) == ("unchanged", before)


def test_every_bad_row_is_listed_and_nobody_is_added(importing: Importing) -> None:
    importing.run(HEAD + "gone@example.com,Gone,,\nann@example.com,Ann,portfolio_owner,Retail/Digital/Web\n")
    importing.ledger.record(DeactivatePerson(command_id=uuid4(), actor=ADMIN, person="gone@example.com"))
    before = importing.events()
    result = importing.run(
        HEAD
        + "new@example.com,New,,\n"
        + "gone@example.com,Gone,,\n"
        + "secret person,X,,\n"
        + "ann@example.com,Ann,portfolio_owner,Retail/Stores/Tills\n"
        + "new@example.com,New,product_owner,Retail/Digital/Web/Checkout\n"
        + "new@example.com,New,product_owner,Retail/Digital/Shop/Basket\n"
    )
    assert (result.status, result.code, result.problems) == ("invalid", "InvalidPeopleFile", 4)
    listed = importing.problems(result)
    assert [(problem["row"], problem["column"]) for problem in listed] == [
        (3, "email"),
        (4, "email"),
        (5, "node"),
        (7, "node"),
    ]
    assert "allot person reactivate" in str(listed[0]["remedy"])
    assert listed[1]["value"] == "secret person"
    assert "secret" not in result.message, "the message ends in a history"
    assert "gone@" not in result.message
    assert importing.ledger.people.find("new@example.com") is None
    assert importing.events() == before


def test_whoever_may_not_adds_nobody_not_even_to_the_directory(importing: Importing) -> None:
    for content in (GOOD, GOOD + "nonsense\n"):
        refused = importing.run(content, actor=ENGINEER)
        assert (refused.status, refused.error, refused.problems) == ("refused", "Forbidden", 0)
        assert importing.ledger.people.find("ann@example.com") is None
        (event,) = importing.ledger.follow(refused.position - 1, 1)
        assert isinstance(event.fact, CommandRefused)
        assert event.fact.command == "person.Import"
    assert importing.run(HEAD + "bo@example.com,Bo,,\n", actor=ENGINEER).status == "imported"


def test_a_file_that_is_gone_is_told(importing: Importing) -> None:
    request = PeopleFile(command_id=uuid4(), actor=ADMIN, content_hash="0" * 64, file_name="people.csv")
    result = importing.environment.run(importing.files.import_people, request)
    assert (result.status, result.code) == ("refused", "FileNotFound")
