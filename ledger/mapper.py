"""Facts to stored events and back.

The `topic` is the name of the fact. The `state` is UTF-8 JSON, where what is empty is left out:

    v         version of the fact's fields        channel   door that the command came through
    id        event id: UUIDv5 of command, index  command   command id
    stream    category/key                        workflow  ┐
    at        recorded at, UTC                    run       ├ process that recorded it
    actor     who: a person id                    activity  ┘
    behalf    on whose behalf: a person id        fact      the fields of the fact
    policies  ids of the policies that allowed    ruled_by  version of the whole set of policies
              or, for a refusal, forbade it
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from eventsourcing.persistence import StoredEvent
from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic_core import from_json, to_json

from domain.actor import Authority
from domain.decision import Channel, Event, Fact, Origin, PersonId, RecordedEvent, Stream
from domain.errors import UnreadableEvent
from ledger.recorder import Row

STREAM_IDS_REMEMBERED_MAX = 20_000


class Envelope(NamedTuple):
    """What the events of one command share."""

    recorded_at: datetime
    actor: PersonId
    channel: Channel
    command_id: UUID
    origin: Origin
    authority: Authority = Authority()


@lru_cache(maxsize=STREAM_IDS_REMEMBERED_MAX)
def stream_id(stream: Stream) -> UUID:
    """The id under which a stream is stored; a decision asks for it several times."""
    return stream.id


class _Fields(BaseModel):
    """For a decision: only what happened. The rest of the envelope is skipped by the parser."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)
    v: int


class _Stored(_Fields):
    """For a reader of the log: everything."""

    id: UUID
    stream: str
    at: datetime
    actor: PersonId
    behalf: PersonId | None = None
    channel: Channel
    command: UUID
    workflow: str = ""
    run: str = ""
    activity: str = ""
    policies: tuple[str, ...] = ()
    ruled_by: str = ""


class _Codec(NamedTuple):
    fact: type[Fact]
    fields: type[Any]
    stored: type[Any]


@cache
def _codec_of(fact: type[Fact]) -> _Codec:
    """Compiled when first needed, a millisecond each, and kept: a process meets few of the facts at first."""
    return _Codec(
        fact,
        create_model("Fields", __base__=_Fields, fact=(fact, ...)),
        create_model("Stored", __base__=_Stored, fact=(fact, ...)),
    )


class FactMapper:
    """Knows every fact by its name. Parsing is one pass over the JSON, in compiled code."""

    def __init__(self, facts: Mapping[str, type[Fact]]) -> None:
        self._facts = facts

    def to_stored(self, events: Sequence[Event], versions: Mapping[Any, int], envelope: Envelope) -> list[StoredEvent]:
        """Numbers the events of each stream on from its version."""
        shared = to_json(_shared(envelope))[1:-1]
        following = dict(versions)
        stored = []
        for index, (stream, fact) in enumerate(events):
            version = following[stream] = following.get(stream, 0) + 1
            own = to_json({"v": fact.fact_version, "id": uuid5(envelope.command_id, str(index)), "stream": str(stream)})
            state = b'%b,%b,"fact":%b}' % (own[:-1], shared, to_json(fact))
            stored.append(StoredEvent(stream_id(stream), version, fact.fact_name, state))
        return stored

    def to_fact(self, topic: str, state: bytes) -> Any:
        """The fact alone, brought up to its present version."""
        codec = self._codec(topic)
        return self._read(codec, codec.fields, state).fact

    def to_recorded(self, row: Row) -> RecordedEvent:
        """The fact with its envelope."""
        codec = self._codec(row.topic)
        stored = self._read(codec, codec.stored, row.state)
        return RecordedEvent(
            position=row.position,
            event_id=stored.id,
            stream_id=row.stream_id,
            stream=stored.stream,
            stream_version=row.version,
            fact=stored.fact,
            actor=stored.actor,
            on_behalf_of=stored.behalf,
            channel=stored.channel,
            command_id=stored.command,
            workflow_id=stored.workflow,
            workflow_run_id=stored.run,
            activity_id=stored.activity,
            recorded_at=stored.at,
            policies=stored.policies,
            policy_version=stored.ruled_by,
        )

    def _codec(self, topic: str) -> _Codec:
        try:
            return _codec_of(self._facts[topic])
        except KeyError:
            raise UnreadableEvent(
                f"There is an event {topic} in the ledger that this version of Allot does not know: "
                "run a version that is at least as new as the one that recorded it."
            ) from None

    def _read(self, codec: _Codec, model: type[Any], state: bytes) -> Any:
        try:
            stored = model.__pydantic_validator__.validate_json(state)
        except ValidationError:
            stored = None  # maybe the fields of an older version
        if stored is not None and stored.v == codec.fact.fact_version:
            return stored
        try:
            return model.model_validate(_upcast(codec.fact, from_json(state)))
        except ValueError as error:  # a ValidationError is one
            raise UnreadableEvent(f"An event {codec.fact.fact_name} in the ledger cannot be read: {error}") from None


def _shared(envelope: Envelope) -> dict[str, Any]:
    origin, authority = envelope.origin, envelope.authority
    values = {
        "at": envelope.recorded_at,
        "actor": envelope.actor,
        "behalf": authority.on_behalf_of,
        "channel": envelope.channel,
        "command": envelope.command_id,
        "workflow": origin.workflow_id,
        "run": origin.workflow_run_id,
        "activity": origin.activity_id,
        "policies": authority.policies,
        "ruled_by": authority.version,
    }
    return {key: value for key, value in values.items() if value}


def _upcast(fact: type[Fact], stored: dict[str, Any]) -> dict[str, Any]:
    version: int = stored["v"]
    fields: dict[str, Any] = stored["fact"]
    if version > fact.fact_version:
        raise ValueError(
            f"it has version {version} and this version of Allot knows {fact.fact_version}; run a newer version"
        )
    for step in range(version, fact.fact_version):
        fields = fact.upcasters[step](fields)
    return {**stored, "v": fact.fact_version, "fact": fields}
