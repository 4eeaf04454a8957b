"""Facts to stored events and back, also those of older versions."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest

from domain import registry
from domain.actor import Authority
from domain.decision import SYSTEM_ID, Channel, CommandRefused, Event, Fact, Origin, PersonId, Stream
from domain.errors import UnreadableEvent
from domain.people import Registered, person_stream
from ledger.mapper import Envelope, FactMapper
from ledger.recorder import Row

JAR = Stream("jar", "a")
ENVELOPE = Envelope(datetime(2026, 5, 6, tzinfo=UTC), SYSTEM_ID, Channel.SETUP, uuid4(), Origin())


class Filled(Fact):
    """Version 1 had a text `amount`, version 2 a number `count`, version 3 has `beans` and a colour."""

    fact_name: ClassVar[str] = "jar.Filled"
    fact_version: ClassVar[int] = 3
    upcasters = {
        1: lambda fields: {"count": int(fields["amount"])},
        2: lambda fields: {"beans": fields["count"], "colour": "unknown"},
    }
    beans: int
    colour: str


MAPPER = FactMapper({"jar.Filled": Filled})


def stored(version: int, **fields: Any) -> bytes:
    (event,) = MAPPER.to_stored([Event(JAR, Filled(beans=0, colour=""))], {}, ENVELOPE)
    return json.dumps({**json.loads(event.state), "v": version, "fact": fields}).encode()


@pytest.mark.parametrize(
    ("version", "fields", "colour"),
    [(1, {"amount": "7"}, "unknown"), (2, {"count": 7}, "unknown"), (3, {"beans": 7, "colour": "red"}, "red")],
)
def test_facts_of_older_versions_are_brought_up_to_date(version: int, fields: dict[str, Any], colour: str) -> None:
    state = stored(version, **fields)
    assert MAPPER.to_fact("jar.Filled", state) == Filled(beans=7, colour=colour)
    assert MAPPER.to_recorded(Row(1, JAR.id, 1, "jar.Filled", state)).fact == Filled(beans=7, colour=colour)


def test_an_old_fact_that_happens_to_look_like_a_new_one_is_brought_up_to_date_too() -> None:
    state = stored(2, count=7, beans=1, colour="misleading")
    assert MAPPER.to_fact("jar.Filled", state) == Filled(beans=7, colour="unknown")


@pytest.mark.parametrize(
    ("topic", "state", "message"),
    [
        ("jar.Broken", stored(3), "jar.Broken .* does not know"),
        ("jar.Filled", stored(4, beans=1, colour=""), "version 4 .* knows 3"),
        ("jar.Filled", stored(3, beans="many", colour=""), "jar.Filled .* cannot be read"),
        ("jar.Filled", b"\xff", "cannot be read"),
    ],
)
def test_what_cannot_be_read_says_so(topic: str, state: bytes, message: str) -> None:
    with pytest.raises(UnreadableEvent, match=message):
        MAPPER.to_fact(topic, state)


def test_the_stored_form_is_as_documented() -> None:
    person = PersonId(UUID(int=1))
    origin = Origin(workflow_id='w"1', activity_id="3")
    authority = Authority(("schedules-decide", "delegation"), "f00f", person)
    envelope = ENVELOPE._replace(origin=origin, authority=authority)
    mapper = FactMapper(registry.FACTS)
    first, second = mapper.to_stored([Event(person_stream(person), Registered(person_id=person))] * 2, {}, envelope)
    assert (first.originator_version, second.originator_version) == (1, 2)
    assert first.topic == "person.Registered"
    assert json.loads(first.state) == {
        "v": 1,
        "id": json.loads(first.state)["id"],
        "stream": f"person/{person}",
        "at": "2026-05-06T00:00:00Z",
        "actor": str(SYSTEM_ID),
        "behalf": str(person),
        "channel": "setup",
        "command": str(envelope.command_id),
        "workflow": 'w"1',
        "activity": "3",
        "policies": ["schedules-decide", "delegation"],
        "ruled_by": "f00f",
        "fact": {"person_id": str(person)},
    }
    read = mapper.to_recorded(Row(5, person_stream(person).id, 1, first.topic, first.state))
    assert (read.policies, read.policy_version, read.on_behalf_of) == authority
    assert read.workflow_id == 'w"1'
    assert read.workflow_run_id == ""
    assert read.recorded_at == envelope.recorded_at
    assert read.fact == Registered(person_id=person)


def test_an_event_stored_before_policies_were_kept_is_read_as_one_without_any() -> None:
    stored_then = (
        b'{"v":1,"id":"0b0c1c1e-6f0a-5c53-9f0b-1c4f2b1d7a10","stream":"person/00000000-0000-0000-0000-000000000001",'
        b'"at":"2026-05-06T00:00:00Z","actor":"00000000-0000-0000-0000-000000000002","channel":"cli",'
        b'"command":"00000000-0000-0000-0000-000000000003",'
        b'"fact":{"person_id":"00000000-0000-0000-0000-000000000001"}}'
    )
    person = PersonId(UUID(int=1))
    read = FactMapper(registry.FACTS).to_recorded(Row(5, person_stream(person).id, 1, "person.Registered", stored_then))
    assert (read.policies, read.policy_version, read.on_behalf_of) == ((), "", None)
    assert read.fact == Registered(person_id=person)


def test_an_event_without_authority_has_no_more_in_it_than_before() -> None:
    (event,) = MAPPER.to_stored([Event(JAR, Filled(beans=1, colour=""))], {}, ENVELOPE)
    assert not {"policies", "ruled_by", "behalf"} & json.loads(event.state).keys()


def test_versions_go_on_from_each_stream() -> None:
    fact, other = CommandRefused(subject="", command="", error="", code="", message=""), Stream("jar", "b")
    events = [Event(JAR, fact), Event(other, fact), Event(JAR, fact)]
    numbered = MAPPER.to_stored(events, {JAR: 7}, ENVELOPE)
    assert [event.originator_version for event in numbered] == [8, 1, 9]
    assert len({json.loads(event.state)["id"] for event in numbered}) == 3
