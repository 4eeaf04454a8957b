"""Takes a decision: who acts and on whose behalf, what is read for it, what the rule says; and what that comes to.

Nothing is recorded here, and what is read comes from whoever asks: the database, or memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from domain import registry as everything
from domain.actor import SYSTEM_ID, Actor, Authority, PersonId, Rights
from domain.decision import (
    INTERNAL_CHANNELS,
    Accepted,
    Channel,
    Command,
    CommandRefused,
    Context,
    Decision,
    Event,
    Fact,
    Fold,
    Organization,
    Refused,
    Rule,
    States,
    Stream,
    refusal_stream,
)
from domain.errors import AllotError, Contention, Forbidden, NotFound, Refusal
from domain.people import Person, acting, delegators_of, person_stream
from ledger.people import UNKNOWN_ID, Directory
from ledger.recorder import Known
from ledger.states import Situation
from ledger.texts import harmless, reason_of

READ_ROUNDS_MAX = 4
"""Times that a decision may ask for more streams after having read some, the first time included."""


class Registry(NamedTuple):
    """What may be decided, what can happen, and how states grow from it."""

    folds: Mapping[str, Fold] = everything.FOLDS
    rules: Mapping[type[Command], Rule] = everything.RULES
    facts: Mapping[str, type[Fact]] = everything.FACTS


WHOLE_DOMAIN = Registry()
NOTHING_READ = Situation({})


class Answer(NamedTuple):
    """What is to be appended."""

    events: Sequence[Event]
    outcome: Accepted | Refused
    actor: PersonId
    authority: Authority = Authority()
    situation: Situation = NOTHING_READ
    """What it was decided on; empty for what was refused before anything was read."""


type Read = Callable[[Sequence[Stream]], Situation | None]
"""None where the streams are not known to whoever is asked."""
type More = Callable[[States, Context], Iterable[Stream]]


@dataclass
class _Inquiry:
    """How far the reading for one decision has come; a refusal on the way was decided on that, too."""

    context: Context
    situation: Situation = NOTHING_READ


class Decider:
    """What decisions of one installation have in common. Thread-safe."""

    def __init__(
        self,
        organization: Organization,
        rights: Rights,
        people: Directory,
        clock: Callable[[], datetime],
        *,
        accept_claimed_actors: bool,
    ) -> None:
        self._organization = organization
        self._rights = rights
        self._people = people
        self._clock = clock
        self._accept_claimed_actors = accept_claimed_actors

    def decide(
        self, rule: Rule, command: Command, read: Read, *, storable: bool, unread: Callable[[], None] = lambda: None
    ) -> Answer | Known | None:
        """None where `read` does not know the streams. `unread` is asked last, and may refuse."""
        people = self._people.find_all({command.actor, *command.people()})
        actor_id = people.get(command.actor)
        inquiry = _Inquiry(Context(self._clock(), Actor(UNKNOWN_ID), self._organization, people, self._rights))
        try:
            self._admit(inquiry, actor_id, command.channel)
            if not storable:
                raise Refusal(
                    "There is a NUL character in a text, which cannot be stored: remove it.", code="UnstorableText"
                )
            first = rule.reads(command, inquiry.context)
            if not self._inquire(inquiry, first, lambda states, now: rule.reads_more(states, command, now), read):
                return inquiry.situation.known
            decision = rule.decide(inquiry.situation.states, command, inquiry.context)
            unread()
        except Refusal as refusal:
            return _refused(command, refusal, actor_id, inquiry)
        return _accepted(command, decision, inquiry)

    def may(self, reference: str, channel: Channel, require: Callable[[Context], object], read: Read) -> Refusal | None:
        people = self._people.find_all((reference,))
        inquiry = _Inquiry(Context(self._clock(), Actor(UNKNOWN_ID), self._organization, people, self._rights))
        try:
            self._admit(inquiry, people.get(reference), channel)
            self._inquire(inquiry, (), lambda _states, _context: (), read)
            require(inquiry.context)
        except Refusal as refusal:
            return refusal
        return None

    def _admit(self, inquiry: _Inquiry, actor_id: PersonId | None, channel: Channel) -> None:
        """Refuses what no rule need be asked about."""
        if channel is Channel.SIGNAL and not self._accept_claimed_actors:
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
        if actor_id == SYSTEM_ID and channel not in INTERNAL_CHANNELS:
            raise Forbidden("Nobody outside may act as the system: name yourself as the actor.", code="SystemActor")
        inquiry.context = replace(inquiry.context, actor=Actor(actor_id))

    def _inquire(self, inquiry: _Inquiry, first: Iterable[Stream], more: More, read: Read) -> bool:
        """Reads all streams at once, and all of them again together with what the states ask for besides, until they
        ask for nothing new. False where there is nothing to decide on: not known, or decided before."""
        bare = inquiry.context
        streams = dict.fromkeys((*first, person_stream(bare.actor.person_id)))
        for _ in range(READ_ROUNDS_MAX):
            situation = read(tuple(streams))
            if situation is None:
                inquiry.situation = NOTHING_READ
                return False
            inquiry.situation = situation
            if situation.known:
                return False
            states = situation.states
            inquiry.context = _empowered(bare, states)
            delegators = delegators_of(states, bare.actor.person_id, bare.business_day)
            wanted = dict.fromkeys((*map(person_stream, delegators), *more(states, inquiry.context)))
            if wanted.keys() <= streams.keys():
                return True
            streams |= wanted
        raise Contention(
            "What this is decided on changes faster than it can be read: send it again, with the same command id."
        )


def _empowered(bare: Context, states: States) -> Context:
    """With what the actor holds, and those in whose place they may decide as far as these have been read.

    Only what a delegator holds themselves counts, never what was delegated to them. Raises Forbidden for an actor who
    was deactivated; a delegator who was is passed over.
    """
    actor_id = bare.actor.person_id
    actor = acting(actor_id, states[person_stream(actor_id)])
    delegators = []
    for person_id in delegators_of(states, actor_id, bare.business_day):
        person: Person | None = states.get(person_stream(person_id))
        if person and not person.deactivated:
            delegators.append(Actor(person_id, person.grants))
    return replace(bare, actor=actor, delegators=tuple(delegators))


def _accepted(command: Command, decision: Decision, inquiry: _Inquiry) -> Answer:
    subject, situation = command.subject, inquiry.situation
    moved = sum(event.stream == subject for event in decision.events)
    outcome = Accepted(
        message=harmless(decision.message),
        events=len(decision.events),
        position=0 if decision.events else situation.position(subject),
        version=situation.versions.get(subject, 0) + moved,
    )
    return Answer(decision.events, outcome, inquiry.context.actor.person_id, decision.authority, situation)


def _refused(command: Command, error: Refusal, actor: PersonId | None, inquiry: _Inquiry) -> Answer:
    fact, outcome = refusal(str(command.subject), command.kind, error, (command.actor, *command.people()))
    events = [Event(refusal_stream(command.command_id), fact)]
    authority = forbidden_by(error, inquiry.context.rights)
    return Answer(events, outcome, attributable(actor, command.channel), authority, inquiry.situation)


def forbidden_by(error: AllotError, rights: Rights) -> Authority:
    """The policies that say no, or that none says yes; nothing where they were not asked."""
    policies = error.policies if isinstance(error, Forbidden) else None
    return Authority() if policies is None else Authority(policies, rights.version)


def refusal(
    subject: str, command: str, error: AllotError, references: Sequence[str], excerpt: str = ""
) -> tuple[CommandRefused, Refused]:
    """What is recorded of a refusal, and what is answered."""
    message, name = reason_of(error.message, references), type(error).__name__
    fact = CommandRefused(
        subject=subject, command=command, error=name, code=error.code, message=message, excerpt=excerpt
    )
    return fact, Refused(error=name, code=error.code, message=message)


def attributable(actor: PersonId | None, channel: Channel) -> PersonId:
    """Nobody outside becomes the system by claiming to be it, not even in the record of the refusal."""
    if actor is None or (actor == SYSTEM_ID and channel not in INTERNAL_CHANNELS):
        return UNKNOWN_ID
    return actor
