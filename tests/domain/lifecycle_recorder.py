"""A recorder in memory: the real rules and folds with receipts, as the ledger keeps them, and nothing beside."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from domain.actor import Action, Actor, Authority, Persona, PersonId, Question, Rights, Ruling
from domain.decision import (
    SYSTEM,
    SYSTEM_ID,
    Command,
    CommandRefused,
    Context,
    Event,
    Fact,
    Organization,
    States,
    Stream,
    refusal_stream,
)
from domain.errors import CommandConflict, Refusal
from domain.people import acting, delegators_of, person_stream
from domain.registry import FOLDS, RULES
from tests.domain.specs import READS_MAX, person

RULINGS_REMEMBERED_MAX = 50_000


class RememberedRights:
    """The real policies; what was asked before is answered from memory, for a machine that asks the same for ever."""

    def __init__(self, rights: Rights) -> None:
        self._rights = rights
        self.rule = lru_cache(RULINGS_REMEMBERED_MAX)(self._rule)

    @property
    def version(self) -> str:
        return self._rights.version

    def _rule(self, question: Question) -> Ruling:
        return self._rights.rule(question)

    def personas(self, action: Action, *, stand_in: bool = False) -> tuple[Persona, ...]:
        return self._rights.personas(action, stand_in=stand_in)


class Told(NamedTuple):
    """The answer to a command."""

    code: str
    """Of its refusal; empty where it was accepted."""
    message: str
    events: tuple[Event, ...] = ()
    actor: PersonId = SYSTEM_ID
    authority: Authority = Authority()


@dataclass(frozen=True)
class Receipt:
    command: Command
    told: Told


class MemoryRecorder:
    def __init__(self, organization: Organization, rights: Rights, names: Iterable[str]) -> None:
        self.organization = organization
        self._rights = rights
        self.people = {name: person(name) for name in names} | {SYSTEM: SYSTEM_ID}
        self.facts: dict[Stream, list[Fact]] = {}
        self.states: dict[Stream, tuple[Any, int]] = {}
        """Live: each fact is folded once, when it is recorded."""
        self.receipts: dict[UUID, Receipt] = {}
        self.read: tuple[Stream, ...] = ()
        """By the last decision."""

    def record(self, command: Command, now: datetime) -> Told:
        """Decides a command; the outcome of the first time, if it has been decided before.

        Raises Contention, and leaves no receipt, where the command must be sent again.
        """
        if receipt := self.receipts.get(command.command_id):
            if _wanted(receipt.command) != _wanted(command):
                raise CommandConflict(f"The command id {command.command_id} belongs to another command.")
            return receipt.told
        try:
            told = self._decide(command, now)
        except Refusal as refusal:
            told = Told(refusal.code, refusal.message, actor=self.people[command.actor])
        for event in told.events or self._refused(command, told):
            self._append(event)
        self.receipts[command.command_id] = Receipt(command, told)
        return told

    def state(self, stream: Stream) -> Any:
        return self._live(stream)[0]

    def version(self, stream: Stream) -> int:
        return self._live(stream)[1]

    def replayed(self, stream: Stream) -> tuple[Any, int]:
        """All facts of a stream, folded from scratch."""
        fold = FOLDS[stream.category]
        state = fold.initial
        facts = self.facts.get(stream, [])
        for fact in facts:
            state = fold.evolve(state, fact)
        return state, len(facts)

    def _decide(self, command: Command, now: datetime) -> Told:
        rule = RULES[type(command)]
        actor_id = self.people[command.actor]
        bare = Context(now, Actor(actor_id), self.organization, self.people, self._rights)
        read = dict.fromkeys((*rule.reads(command, bare), person_stream(actor_id)))
        for _ in range(READS_MAX):
            states = States({stream: self._live(stream) for stream in read})
            self.read = tuple(read)
            delegators = delegators_of(states, actor_id, bare.business_day)
            if more := [stream for stream in map(person_stream, delegators) if stream not in read]:
                read |= dict.fromkeys(more)
                continue
            actor = acting(actor_id, states[person_stream(actor_id)])
            others = [(person_id, states[person_stream(person_id)]) for person_id in delegators]
            behind = tuple(acting(person_id, person) for person_id, person in others if not person.deactivated)
            context = replace(bare, actor=actor, delegators=behind)
            more = [stream for stream in rule.reads_more(states, command, context) if stream not in read]
            if not more:
                decision = rule.decide(states, command, context)
                return Told("", decision.message, tuple(decision.events), actor_id, decision.authority)
            read |= dict.fromkeys(more)
        raise AssertionError(f"{command.kind} asked for more {READS_MAX} times")

    def _live(self, stream: Stream) -> tuple[Any, int]:
        return self.states.get(stream) or (FOLDS[stream.category].initial, 0)

    def _append(self, event: Event) -> None:
        state, version = self._live(event.stream)
        self.facts.setdefault(event.stream, []).append(event.fact)
        self.states[event.stream] = FOLDS[event.stream.category].evolve(state, event.fact), version + 1

    def _refused(self, command: Command, told: Told) -> list[Event]:
        if not told.code:
            return []
        fact = CommandRefused(
            subject=str(command.subject), command=command.kind, error="Refusal", code=told.code, message=told.message
        )
        return [Event(refusal_stream(command.command_id), fact)]


def _wanted(command: Command) -> tuple[str, dict[str, Any]]:
    return command.kind, command.model_dump(exclude={"channel", *command.hints})
