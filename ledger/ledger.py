"""Records each command once, however often and from wherever it is delivered; reads streams; follows the log.

A command takes two round trips: one reads the streams of its decision together with its receipt, one appends its events
and its receipt. Where all these streams are remembered, the command is decided from memory and one round trip does it.
Either way the append confirms that no stream has moved that the decision relies on, so decisions are as if each were
taken alone. All may be repeated, so a lost reply is answered by trying again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from random import random
from threading import Event as NewsEvent
from time import sleep
from typing import NamedTuple, Self
from uuid import UUID

import psycopg
from pydantic import TypeAdapter
from pydantic_core import to_json

from domain.actor import Rights
from domain.decision import (
    Accepted,
    Channel,
    Command,
    Context,
    Event,
    Organization,
    Origin,
    Outcome,
    RecordedEvent,
    Refused,
    States,
    Stream,
    refusal_stream,
)
from domain.errors import AllotError, CommandConflict, Contention, Refusal
from ledger.connection import BUSY, Connections
from ledger.deciding import WHOLE_DOMAIN, Answer, Decider, Read, Registry, attributable, forbidden_by, refusal
from ledger.mapper import Envelope, FactMapper
from ledger.people import Directory
from ledger.recorder import Known, LedgerDatastore, LedgerRecorder, Receipt
from ledger.states import StateReader
from ledger.texts import excerpt_of, harmless, has_nul

ATTEMPTS_MAX = 12
"""Times that a command is decided anew because its stream moved meanwhile."""
PAUSE_S = 0.004
"""Mean pause after the first of them; it doubles, up to 64 times."""
PAUSE_DOUBLINGS_MAX = 6

_OUTCOME: TypeAdapter[Accepted | Refused] = TypeAdapter(Outcome)
_CONFLICTS = (psycopg.errors.UniqueViolation, *BUSY)


class _Sent(NamedTuple):
    """A command on its way, and what is known before the streams are read."""

    command: Command
    hash: bytes
    origin: Origin
    storable: bool


class Ledger:
    """One per process, shared by its threads; a context manager."""

    def __init__(
        self,
        database_url: str,
        organization: Organization,
        *,
        rights: Rights,
        pool_size: int,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        accept_claimed_actors: bool = False,
        registry: Registry = WHOLE_DOMAIN,
    ) -> None:
        self._connections = Connections(database_url, pool_size)
        self._clock = clock
        self._rights = rights
        self._registry = registry
        self._mapper = FactMapper(registry.facts)
        self._recorder = LedgerRecorder(LedgerDatastore(self._connections))
        self._states = StateReader(self._recorder, registry.folds, self._mapper.to_fact)
        self.people = Directory(self._connections)
        self.news = NewsEvent()
        """Set whenever this process has recorded something; whoever follows the log may clear it."""
        self._decider = Decider(organization, rights, self.people, clock, accept_claimed_actors=accept_claimed_actors)

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
            answer = self._decide(sent, partial(self._states.read, command_id=command.command_id), unread)
            assert answer is not None  # everything was read
            if isinstance(answer, Known):
                return _outcome_of(answer, sent.hash, command.command_id)
            try:
                if outcome := self._append(answer, sent):
                    return outcome
            except _CONFLICTS:
                unread = frozenset(event.stream for event in answer.events) - set(answer.situation.versions)
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
        fact, outcome = refusal(str(subject), name, error, (actor_reference,), beginning)
        event = Event(refusal_stream(command_id), fact)
        actor = attributable(self.people.find(actor_reference), channel)
        authority = forbidden_by(error, self._rights)
        envelope = Envelope(self._clock(), actor, channel, command_id, origin, authority)
        receipt = Receipt(command_id, digest, outcome.model_dump_json(), envelope.recorded_at)
        try:
            appended = self._recorder.append(self._mapper.to_stored([event], {}, envelope), receipt)
        except _CONFLICTS:
            raise _contention(event.stream, command_id) from None
        assert appended is not None  # nothing was to be confirmed
        if isinstance(appended, Known):
            outcome_then = _outcome_of(appended, digest, command_id)
            assert isinstance(outcome_then, Refused)  # the hash is of no command
            return outcome_then
        return outcome.model_copy(update={"position": appended[-1]})

    # Reading

    def is_known(self, command_id: UUID) -> bool:
        """Whether a command with that id was decided before, whatever it wanted."""
        return self._recorder.select_situation((), (), command_id)[1] is not None

    def may(self, reference: str, channel: Channel, require: Callable[[Context], object]) -> Refusal | None:
        """Why a command would be refused to somebody who needs that right, asked before costly or lasting work.

        Only the answer to the command itself counts, when it is recorded; this one spares the work.
        """
        return self._decider.may(reference, channel, require, self._states.read)

    def states(self, streams: Iterable[Stream]) -> States:
        """Folded now; a stream without events has its category's initial state and version 0."""
        return self._states.read(tuple(streams)).states

    def read(self, stream: Stream) -> list[RecordedEvent]:
        """Every event of one stream."""
        return self.read_all([stream])

    def read_all(self, streams: Iterable[Stream]) -> list[RecordedEvent]:
        """Every event of these streams, those of one stream in its order."""
        ids = [stream.id for stream in streams]
        return [self._mapper.to_recorded(row) for row in self._recorder.select_streams(ids)]

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
        if not isinstance(answer, Answer) or not answer.situation.folded:
            return None
        try:
            return self._append(answer, sent)
        except _CONFLICTS:
            return None

    def _decide(self, sent: _Sent, read: Read, unread: frozenset[Stream] = frozenset()) -> Answer | Known | None:
        """None where `read` does not know the streams."""
        rule, require_new = self._registry.rules[type(sent.command)], partial(self._require_new, unread)
        return self._decider.decide(rule, sent.command, read, storable=sent.storable, unread=require_new)

    def _require_new(self, unread: frozenset[Stream]) -> None:
        """After a conflict: a stream that is written to without having been read must not exist, now or ever."""
        if unread and (rows := self._recorder.select_streams([stream.id for stream in unread])):
            stream = next(stream for stream in unread if stream.id == rows[0].stream_id)
            raise Refusal(f"There is a {stream} already, and this command would create it.", code="AlreadyExists")

    def _append(self, answer: Answer, sent: _Sent) -> Accepted | Refused | None:
        """The outcome with its place in the log, or that of the first time; None where a stream has moved."""
        command, events = sent.command, answer.events
        envelope = Envelope(
            self._clock(), answer.actor, command.channel, command.command_id, sent.origin, answer.authority
        )
        stored = self._mapper.to_stored(events, answer.situation.versions, envelope)
        receipt = Receipt(command.command_id, sent.hash, answer.outcome.model_dump_json(), envelope.recorded_at)
        appended = self._recorder.append(stored, receipt, answer.situation.ends)
        if appended is None:
            return None
        if isinstance(appended, Known):
            return _outcome_of(appended, sent.hash, command.command_id)
        self._states.advance(events, stored, appended)
        self.news.set()
        return answer.outcome.model_copy(update={"position": appended[-1]}) if appended else answer.outcome


def command_hash(command: Command) -> bytes:
    """Of what a command wants, by which a repetition is told from another command with the same id."""
    return sha256(_content(command)).digest()


def _contention(stream: Stream, command_id: UUID) -> Contention:
    return Contention(
        f"Too many commands want to change {stream} at the same time: "
        f"send command {command_id} again, with the same id."
    )


def _content(command: Command) -> bytes:
    # Defaults are left out, so that a field added with a default does not turn a retry into a conflict; so are the
    # channel, because a repetition may come through another door, and hints, which may differ by what was known then.
    left_out = {"kind", "command_id", "channel", *command.hints}
    content = command.model_dump(mode="json", exclude=left_out, exclude_defaults=True)
    return json.dumps([command.kind, content], sort_keys=True).encode()


def _outcome_of(known: Known, digest: bytes, command_id: UUID) -> Accepted | Refused:
    if known.command_hash != digest:
        raise CommandConflict(
            f"The command id {command_id} belongs to another command, which was sent before: use a new id."
        )
    return _OUTCOME.validate_json(known.answer)
