"""Records each command once, however often and from wherever it is delivered; reads streams; follows the log.

A command takes two round trips: one reads the streams of its decision together with its receipt, one appends its events
and its receipt. Where all these streams are remembered, the command is decided from memory and one round trip does it:
the append first confirms that no stream has moved. All may be repeated, so a lost reply is answered by trying again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from random import random
from time import sleep
from typing import NamedTuple, Self
from uuid import UUID

import psycopg
from eventsourcing.persistence import StoredEvent
from pydantic import TypeAdapter
from pydantic_core import to_json

from domain import registry as everything
from domain.decision import (
    INTERNAL_CHANNELS,
    SYSTEM_ID,
    Accepted,
    Actor,
    Channel,
    Command,
    CommandRefused,
    Context,
    Decision,
    Event,
    Fact,
    Fold,
    Organization,
    Origin,
    Outcome,
    PersonId,
    RecordedEvent,
    Refused,
    Rule,
    States,
    Stream,
    refusal_stream,
)
from domain.errors import AllotError, CommandConflict, Contention, Forbidden, NotFound, Refusal
from domain.people import person_stream
from ledger.connection import BUSY, Connections
from ledger.mapper import Envelope, FactMapper
from ledger.people import UNKNOWN_ID, Directory
from ledger.recorder import Known, LedgerDatastore, LedgerRecorder, Receipt
from ledger.states import Situation, StateReader
from ledger.texts import excerpt_of, harmless, has_nul, reason_of

ATTEMPTS_MAX = 12
"""Times that a command is decided anew because its stream moved meanwhile."""
PAUSE_S = 0.004
"""Mean pause after the first of them; it doubles, up to 64 times."""
PAUSE_DOUBLINGS_MAX = 6

_OUTCOME: TypeAdapter[Accepted | Refused] = TypeAdapter(Outcome)
_CONFLICTS = (psycopg.errors.UniqueViolation, *BUSY)


class Registry(NamedTuple):
    """What may be decided, what can happen, and how states grow from it."""

    folds: Mapping[str, Fold] = everything.FOLDS
    rules: Mapping[type[Command], Rule] = everything.RULES
    facts: Mapping[str, type[Fact]] = everything.FACTS


WHOLE_DOMAIN = Registry()


class _Sent(NamedTuple):
    """A command on its way, and what is known before the streams are read."""

    command: Command
    hash: bytes
    origin: Origin
    storable: bool


class _Answer(NamedTuple):
    """What is to be appended."""

    events: Sequence[Event]
    versions: Mapping[Stream, int]
    outcome: Accepted | Refused
    actor: PersonId
    situation: Situation
    """What it was decided on; empty for what was refused before anything was read."""


_Read = Callable[[Sequence[Stream], UUID], Situation | None]
_NOTHING_READ = Situation({})


class Ledger:
    """One per process, shared by its threads; a context manager."""

    def __init__(
        self,
        database_url: str,
        organization: Organization,
        *,
        pool_size: int,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        accept_claimed_actors: bool = False,
        registry: Registry = WHOLE_DOMAIN,
    ) -> None:
        self._connections = Connections(database_url, pool_size)
        self._organization = organization
        self._clock = clock
        self._accept_claimed_actors = accept_claimed_actors
        self._registry = registry
        self._mapper = FactMapper(registry.facts)
        self._recorder = LedgerRecorder(LedgerDatastore(self._connections))
        self._states = StateReader(self._recorder, registry.folds, self._mapper.to_fact)
        self.people = Directory(self._connections)

    def open(self) -> Self:
        """Raises Unavailable where there is no server or no ledger."""
        self._connections.open()
        return self

    def close(self) -> None:
        self._connections.close()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()

    # Writing

    def record(self, command: Command, origin: Origin = Origin()) -> Accepted | Refused:
        """Decides a command; the outcome of the first time, if it has been decided before."""
        content = _content(command)
        sent = _Sent(command, sha256(content).digest(), origin, not has_nul(content))
        if outcome := self._from_memory(sent):
            return outcome
        unread: frozenset[Stream] = frozenset()
        for attempt in range(ATTEMPTS_MAX):
            if attempt:
                sleep(PAUSE_S * 2 * random() * 2 ** min(attempt - 1, PAUSE_DOUBLINGS_MAX))  # noqa: S311 - no secret
            answer = self._decide(sent, self._states.read, unread)
            assert answer is not None  # everything was read
            if isinstance(answer, Known):
                return _outcome_of(answer, sent.hash, command.command_id)
            stored, receipt = self._to_record(answer, sent)
            try:
                return self._appended(answer, stored, receipt, self._recorder.append(stored, receipt))
            except _CONFLICTS:
                unread = frozenset(event.stream for event in answer.events) - set(answer.versions)
        if known := self._states.read((), command.command_id).known:  # another delivery of it was luckier
            return _outcome_of(known, sent.hash, command.command_id)
        raise _contention(command.subject, command.command_id)

    def record_refusal(
        self,
        command_id: UUID,
        subject: Stream,
        command_name: str,
        error: AllotError,
        actor_reference: str,
        channel: Channel,
        origin: Origin = Origin(),
        excerpt: str = "",
    ) -> Refused:
        """Records that a message was refused which could not even be read as a command."""
        name, beginning = harmless(command_name), excerpt_of(excerpt)
        digest = sha256(to_json([str(subject), name, beginning])).digest()
        fact, outcome = _refusal(str(subject), name, error, (actor_reference,), beginning)
        event = Event(refusal_stream(command_id), fact)
        actor = self.people.find(actor_reference)
        if actor is None or (actor == SYSTEM_ID and channel not in INTERNAL_CHANNELS):
            actor = UNKNOWN_ID
        answer = _Answer([event], {}, outcome, actor, _NOTHING_READ)
        envelope = Envelope(self._clock(), actor, channel, command_id, origin)
        stored = self._mapper.to_stored([event], {}, envelope)
        receipt = _receipt(outcome, envelope, digest)
        try:
            recorded = self._appended(answer, stored, receipt, self._recorder.append(stored, receipt))
        except _CONFLICTS:
            raise _contention(event.stream, command_id) from None
        assert isinstance(recorded, Refused)  # the hash is of no command
        return recorded

    # Reading

    def is_known(self, command_id: UUID) -> bool:
        """Whether a command with that id was decided before, whatever it wanted."""
        return self._recorder.select_situation((), (), command_id)[1] is not None

    def states(self, streams: Iterable[Stream]) -> States:
        """Folded now; a stream without events has its category's initial state and version 0."""
        return self._states.read(tuple(streams)).states

    def read(self, stream: Stream) -> list[RecordedEvent]:
        """Every event of one stream."""
        return [self._mapper.to_recorded(row) for row in self._recorder.select_streams([stream.id])]

    def follow(self, after: int, limit: int) -> list[RecordedEvent]:
        """The next events of the log, in order; none is ever skipped, none comes up later at a lower place."""
        return [self._mapper.to_recorded(row) for row in self._recorder.follow(after, limit)]

    def settled_head(self) -> int:
        """The place up to which the log can be followed now."""
        return self._recorder.settled_head()

    # How it is done

    def _from_memory(self, sent: _Sent) -> Accepted | Refused | None:
        """Decides on what is remembered; None, and nothing recorded, where that is too little or not so any more."""
        try:
            answer = self._decide(sent, self._states.recall)
        except Exception:
            # Each state is one that was, but maybe not at the same time as the next: what a rule relies on between two
            # streams need not hold. What is really wrong is raised by the decision on what is read.
            return None
        if not isinstance(answer, _Answer) or not answer.situation.folded:
            return None
        stored, receipt = self._to_record(answer, sent)
        try:
            appended = self._recorder.append_confirmed(stored, receipt, answer.situation.ends)
        except _CONFLICTS:
            return None
        return None if appended is None else self._appended(answer, stored, receipt, appended)

    def _decide(self, sent: _Sent, read: _Read, unread: frozenset[Stream] = frozenset()) -> _Answer | Known | None:
        """None where `read` does not know the streams."""
        situation = _NOTHING_READ
        command = sent.command
        people = self.people.find_all({command.actor, *command.people()})
        actor_id = people.get(command.actor)
        try:
            context = Context(self._clock(), self._admit(sent, actor_id), self._organization, people)
            grants = person_stream(context.actor.person_id)
            rule = self._registry.rules[type(command)]
            streams = tuple(dict.fromkeys((*rule.reads(command, context), grants)))
            if (found := read(streams, command.command_id)) is None:
                return None
            situation = found
            if situation.known:
                return situation.known
            states = situation.states
            actor = replace(context.actor, grants=states[grants].grants)
            decision = rule.decide(states, command, replace(context, actor=actor))
            self._require_new(unread)
        except Refusal as refusal:
            return _refused(command, refusal, _attributable(command, actor_id), situation)
        return _accepted(command, decision, situation, actor.person_id)

    def _admit(self, sent: _Sent, actor_id: PersonId | None) -> Actor:
        """Refuses what no rule need be asked about."""
        command = sent.command
        if command.channel is Channel.SIGNAL and not self._accept_claimed_actors:
            raise Forbidden(
                "A signal only claims who sends it, and this installation does not accept that: decide with `allot` or "
                "the page instead. (An operator can allow it with ALLOT_ACCEPT_CLAIMED_ACTORS.)",
                code="ClaimedActor",
            )
        if actor_id is None:
            raise NotFound(
                "Whoever sent this is not known here: check the address, "
                "or ask a Financial Admin to add it with `allot person add`.",
                code="UnknownPerson",
            )
        if actor_id == SYSTEM_ID and command.channel not in INTERNAL_CHANNELS:
            raise Forbidden("Nobody outside may act as the system: name yourself as the actor.", code="SystemActor")
        if not sent.storable:
            raise Refusal(
                "There is a NUL character in a text, which cannot be stored: remove it.", code="UnstorableText"
            )
        return Actor(actor_id)

    def _require_new(self, unread: frozenset[Stream]) -> None:
        """After a conflict: a stream that is written to without having been read must not exist, now or ever."""
        if unread and (rows := self._recorder.select_streams([stream.id for stream in unread])):
            stream = next(stream for stream in unread if stream.id == rows[0].stream_id)
            raise Refusal(f"There is a {stream} already, and this command would create it.", code="AlreadyExists")

    def _to_record(self, answer: _Answer, sent: _Sent) -> tuple[list[StoredEvent], Receipt]:
        command = sent.command
        envelope = Envelope(self._clock(), answer.actor, command.channel, command.command_id, sent.origin)
        stored = self._mapper.to_stored(answer.events, answer.versions, envelope)
        return stored, _receipt(answer.outcome, envelope, sent.hash)

    def _appended(
        self, answer: _Answer, stored: Sequence[StoredEvent], receipt: Receipt, appended: Sequence[int] | Known
    ) -> Accepted | Refused:
        """The outcome with its place in the log; or that of the first time."""
        if isinstance(appended, Known):
            return _outcome_of(appended, receipt.command_hash, receipt.command_id)
        self._states.advance(answer.events, stored, appended)
        return answer.outcome.model_copy(update={"position": appended[-1]}) if appended else answer.outcome


def _receipt(outcome: Accepted | Refused, envelope: Envelope, digest: bytes) -> Receipt:
    return Receipt(envelope.command_id, digest, outcome.model_dump_json(), envelope.recorded_at)


def command_hash(command: Command) -> bytes:
    """Of what a command wants, by which a repetition is told from another command with the same id."""
    return sha256(_content(command)).digest()


def _contention(stream: Stream, command_id: UUID) -> Contention:
    return Contention(
        f"Too many commands want to change {stream} at the same time: "
        f"send command {command_id} again, with the same id."
    )


def _content(command: Command) -> bytes:
    # Defaults are left out, so that a field added with a default does not turn a retry into a conflict; so is the
    # channel, because a repetition may come through another door.
    content = command.model_dump(mode="json", exclude={"kind", "command_id", "channel"}, exclude_defaults=True)
    return json.dumps([command.kind, content], sort_keys=True).encode()


def _outcome_of(known: Known, digest: bytes, command_id: UUID) -> Accepted | Refused:
    if known.command_hash != digest:
        raise CommandConflict(
            f"The command id {command_id} belongs to another command, which was sent before: use a new id."
        )
    return _OUTCOME.validate_json(known.answer)


def _accepted(command: Command, decision: Decision, situation: Situation, actor: PersonId) -> _Answer:
    subject, versions = command.subject, situation.versions
    moved = sum(event.stream == subject for event in decision.events)
    outcome = Accepted(
        message=harmless(decision.message),
        events=len(decision.events),
        position=0 if decision.events else situation.position(subject),
        version=versions.get(subject, 0) + moved,
    )
    return _Answer(decision.events, versions, outcome, actor, situation)


def _refused(command: Command, error: Refusal, actor: PersonId, situation: Situation) -> _Answer:
    references = (command.actor, *command.people())
    fact, outcome = _refusal(str(command.subject), command.kind, error, references)
    return _Answer([Event(refusal_stream(command.command_id), fact)], {}, outcome, actor, situation)


def _refusal(
    subject: str, command: str, error: AllotError, references: Sequence[str], excerpt: str = ""
) -> tuple[CommandRefused, Refused]:
    message, name = reason_of(error.message, references), type(error).__name__
    fact = CommandRefused(
        subject=subject, command=command, error=name, code=error.code, message=message, excerpt=excerpt
    )
    return fact, Refused(error=name, code=error.code, message=message)


def _attributable(command: Command, actor: PersonId | None) -> PersonId:
    """Nobody outside becomes the system by claiming to be it, not even in the record of the refusal."""
    if actor is None or (actor == SYSTEM_ID and command.channel not in INTERNAL_CHANNELS):
        return UNKNOWN_ID
    return actor
