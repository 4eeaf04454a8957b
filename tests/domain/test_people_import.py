"""Importing people: decided as one, on what each line before has changed."""

from __future__ import annotations

import pytest

from domain.decision import Event, Grant, Persona, PersonId, Stream
from domain.errors import Forbidden, NotFound, Refusal
from domain.hierarchy import NodePath
from domain.people import (
    GRANTS_MAX,
    Deactivated,
    Granted,
    HolderAppointed,
    Registered,
    holders_stream,
    person_stream,
)
from domain.people_commands import granted
from domain.people_import import ImportPeople, ImportRow, plan
from tests.domain.specs import ADMIN, CHECKOUT, OWNER, RIGHTS, SEARCH, actor, command_id, decide, fold, person

ANN, BO = person("ann"), person("bo")
PEOPLE: dict[str, PersonId] = {str(ANN): ANN, str(BO): BO}
ENGINEER = actor("engineer", (Persona.CLOUD_ENGINEER, NodePath.ROOT))


def rows(*lines: tuple[PersonId, Persona | None, NodePath]) -> tuple[ImportRow, ...]:
    return tuple(
        ImportRow(row=number, person=str(who), persona=persona, node=node)
        for number, (who, persona, node) in enumerate(lines, start=2)
    )


def command(*lines: tuple[PersonId, Persona | None, NodePath]) -> ImportPeople:
    return ImportPeople(command_id=command_id(), actor="admin", content_hash="0" * 64, rows=rows(*lines))


def registered(*who: PersonId) -> list[Event]:
    return [Event(person_stream(one), Registered(person_id=one)) for one in who]


OWNS_CHECKOUT = (ANN, Persona.PRODUCT_OWNER, CHECKOUT)


def test_people_are_registered_once_and_granted_what_their_lines_say() -> None:
    wanted = command(OWNS_CHECKOUT, (ANN, Persona.PRODUCT_OWNER, SEARCH), (BO, None, NodePath.ROOT))
    decision = decide(wanted, ADMIN, people=PEOPLE)
    assert [type(event.fact) for event in decision.events] == [
        Registered,
        Granted,
        HolderAppointed,
        Granted,
        HolderAppointed,
        Registered,
    ]
    assert decision.events[2].stream == holders_stream(Persona.PRODUCT_OWNER, CHECKOUT)
    assert decision.message == "Imported: 2 new people, 2 new grants."
    again = decide(wanted, ADMIN, decision.events, people=PEOPLE)
    assert again.events == ()
    assert "nothing changed" in again.message


def test_what_holds_already_is_left_and_nothing_is_taken_away() -> None:
    given = [*registered(ANN), *granted(ANN, rows((ANN, Persona.PRODUCT_OWNER, SEARCH))[0].grant)]  # type: ignore[arg-type]
    decision = decide(command(OWNS_CHECKOUT), ADMIN, given, people=PEOPLE)
    assert [type(event.fact) for event in decision.events] == [Granted, HolderAppointed]


def test_a_bad_line_keeps_the_whole_file_out_and_every_one_is_counted() -> None:
    given = [*registered(BO), Event(person_stream(BO), Deactivated(person_id=BO))]
    other = NodePath(("Retail", "Stores", "Tills", "Till"))
    wanted = command(
        OWNS_CHECKOUT,
        (ANN, Persona.PRODUCT_OWNER, other),
        (BO, None, NodePath.ROOT),
        (BO, Persona.VENDOR_MANAGER, NodePath.ROOT),
        (ANN, Persona.BU_OWNER, CHECKOUT),
    )
    with pytest.raises(Refusal) as refused:
        decide(wanted, ADMIN, given, people=PEOPLE)
    assert refused.value.code == "InvalidPeopleFile"
    assert "Row 3: One person's nodes share one parent" in refused.value.message
    assert "Row 4: This person is deactivated" in refused.value.message
    assert "And 1 more rows" in refused.value.message


def test_a_person_holds_so_many_grants_and_not_one_more() -> None:
    """The lines of a file count together, on top of what is held."""
    nodes = [NodePath((*CHECKOUT.parent.parts, f"P{n}")) for n in range(GRANTS_MAX + 1)]
    held = [granted(ANN, Grant(Persona.PRODUCT_OWNER, node)) for node in nodes[:-3]]
    given = [*registered(ANN), *(event for events in held for event in events)]
    lines = [(ANN, Persona.PRODUCT_OWNER, node) for node in nodes[-3:]]
    assert len(decide(command(*lines[:2]), ADMIN, given, people=PEOPLE).events) == 4
    with pytest.raises(Refusal, match=r"Row 4: .* at most 1,000 grants"):
        decide(command(*lines), ADMIN, given, people=PEOPLE)


def test_a_cloud_engineer_adds_people_but_grants_them_nothing() -> None:
    assert len(decide(command((BO, None, NodePath.ROOT)), ENGINEER, people=PEOPLE).events) == 1
    with pytest.raises(Forbidden, match="manage grants"):
        decide(command((BO, None, NodePath.ROOT), OWNS_CHECKOUT), ENGINEER, people=PEOPLE)
    with pytest.raises(Forbidden):
        decide(command((BO, None, NodePath.ROOT)), OWNER, people=PEOPLE)


def test_nobody_without_the_right_learns_who_is_in_the_directory() -> None:
    with pytest.raises(Forbidden):
        decide(command(OWNS_CHECKOUT), OWNER)
    with pytest.raises(NotFound):
        decide(command(OWNS_CHECKOUT), ADMIN)


def test_everybody_whom_the_file_names_is_looked_up_once() -> None:
    named = command(OWNS_CHECKOUT, (BO, None, NodePath.ROOT), (ANN, Persona.PRODUCT_OWNER, SEARCH))
    assert named.people() == (str(ANN), str(BO))


def test_rows_that_cannot_be_imported_are_told_up_to_three_of_them() -> None:
    given = [*registered(BO), Event(person_stream(BO), Deactivated(person_id=BO))]
    inactive = (
        "This person is deactivated: bring them back first, with `allot person reactivate`, or leave the line out."
    )

    def told(lines: int) -> str:
        with pytest.raises(Refusal) as refused:
            decide(command(*[(BO, None, NodePath.ROOT)] * lines), ADMIN, given, people=PEOPLE)
        return refused.value.message

    assert told(2) == f"Nothing was imported. Row 2: {inactive} Row 3: {inactive}"
    assert told(3) == f"Nothing was imported. Row 2: {inactive} Row 3: {inactive} Row 4: {inactive}"
    assert told(5) == f"{told(3)} And 2 more rows."


def test_each_fault_of_a_plan_has_its_row_and_its_code() -> None:
    given = [*registered(BO), Event(person_stream(BO), Deactivated(person_id=BO))]
    (line,) = rows((BO, None, NodePath.ROOT))
    found = plan(fold(given, [person_stream(BO)]), [(line, BO)])
    assert found.events == ()
    assert [(fault.row, fault.refusal.code) for fault in found.faults] == [(2, "Inactive")]


def test_a_file_without_anything_new_says_so() -> None:
    wanted = command(OWNS_CHECKOUT)
    facts = decide(wanted, ADMIN, people=PEOPLE).events
    again = decide(wanted, ADMIN, facts, people=PEOPLE)
    assert again.message == "Everybody in the file is there already, with these grants; nothing changed."
    assert decide(wanted, ADMIN, people=PEOPLE).authority.version == RIGHTS.version
    assert wanted.subject == Stream("people_import", "0" * 64)
