"""On whose authority something is decided: the actor's own, a delegator's, or nobody's; and that it is kept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import ClassVar, Literal
from uuid import uuid4

import pytest

from domain.actor import Action, Persona, PersonId
from domain.decision import (
    SYSTEM,
    SYSTEM_ID,
    Channel,
    Command,
    CommandRefused,
    Context,
    Decision,
    Event,
    Refused,
    Rule,
    States,
    Stream,
    refusal_stream,
)
from domain.errors import Contention, Forbidden
from domain.hierarchy import NodePath
from domain.people import person_stream, require
from domain.people_commands import DeactivatePerson, Delegate, GrantPersona, RegisterPerson, require_user_manager
from ledger.deciding import READ_ROUNDS_MAX
from ledger.ledger import Ledger, command_hash
from rights.cedar import CedarRights
from tests.ledger.jars import ANN, JARS, Filled, fill, jar, open_ledger

BEN, CEM, EVE = "ben@example.com", "cem@example.com", "eve@example.com"
PRODUCT = NodePath(("Retail", "Digital", "Web", "Checkout"))
SEARCH = NodePath(("Retail", "Digital", "Web", "Search"))
TODAY = datetime.now(UTC).date()


class Spread(Command):
    """Fills a jar, which only who may submit the product's schedule may do."""

    hints: ClassVar[frozenset[str]] = frozenset({"guess"})
    kind: Literal["jar.Spread"] = "jar.Spread"
    guess: int = 0

    @property
    def subject(self) -> Stream:
        return jar("a")


class Follow(Command):
    """Fills the last jar of a chain: each jar's beans tell which one is next."""

    kind: Literal["jar.Follow"] = "jar.Follow"

    @property
    def subject(self) -> Stream:
        return jar("0")


def _spread(_states: States, command: Spread, context: Context) -> Decision:
    authority = require(context, Action.SUBMIT_SCHEDULE, PRODUCT)
    return Decision([Event(command.subject, Filled(beans=1))], authority=authority)


def _next(states: States, _command: Follow, _context: Context) -> list[Stream]:
    return [jar(str(states[stream].beans)) for stream in states if stream.category == "jar" and states[stream].beans]


def _follow(states: States, _command: Follow, _context: Context) -> Decision:
    last = max((stream for stream in states if stream.category == "jar"), key=lambda stream: int(stream.key))
    return Decision([Event(last, Filled(beans=100))], message=last.key)


RULES: dict[type[Command], Rule] = {
    **JARS.rules,
    Spread: Rule(lambda command, _: [command.subject], _spread),
    Follow: Rule(lambda command, _: [command.subject], _follow, _next),
}


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    with open_ledger(database_url, registry=JARS._replace(rules=RULES)) as ledger:
        for email in (ANN, BEN, CEM, EVE):
            ledger.people.ensure(email, "")
            by_setup(ledger, RegisterPerson, person=email)
        by_setup(ledger, GrantPersona, person=ANN, persona=Persona.PRODUCT_OWNER, node=PRODUCT)
        yield ledger


def by_setup(ledger: Ledger, command: type[Command], **fields: object) -> None:
    outcome = ledger.record(command(command_id=uuid4(), actor="system", channel=Channel.SETUP, **fields))
    assert outcome.kind == "accepted", outcome


def delegate(ledger: Ledger, by: str, to: str, last_day: date = TODAY + timedelta(1)) -> None:
    command = Delegate(command_id=uuid4(), actor=by, person=to, first_day=TODAY, last_day=last_day)
    outcome = ledger.record(command)
    assert outcome.kind == "accepted", outcome


def spread(actor: str = ANN, **fields: int) -> Spread:
    return Spread(command_id=uuid4(), actor=actor, **fields)


def person(ledger: Ledger, email: str) -> PersonId:
    found = ledger.people.find(email)
    assert found is not None
    return found


def test_an_event_keeps_the_policies_that_allowed_it(ledger: Ledger) -> None:
    assert ledger.record(spread()).kind == "accepted"
    (event,) = ledger.read(jar("a"))
    assert event.policies
    assert event.policy_version == CedarRights().version
    assert event.on_behalf_of is None


@pytest.mark.parametrize("remembered", [True, False])
def test_whoever_was_delegated_to_acts_on_behalf_of_the_delegator(ledger: Ledger, *, remembered: bool) -> None:
    assert ledger.record(spread(BEN)).kind == "refused"
    delegate(ledger, ANN, BEN)
    for _ in range(2):
        if not remembered:
            ledger._states._remembered.clear()
        assert ledger.record(spread(BEN)).kind == "accepted"
        event = ledger.read(jar("a"))[-1]
        assert (event.actor, event.on_behalf_of) == (person(ledger, BEN), person(ledger, ANN))


def test_what_was_delegated_is_not_passed_on(ledger: Ledger) -> None:
    by_setup(ledger, GrantPersona, person=BEN, persona=Persona.PRODUCT_OWNER, node=SEARCH)
    delegate(ledger, ANN, BEN)
    delegate(ledger, BEN, CEM)
    assert ledger.record(spread(BEN)).kind == "accepted"
    assert ledger.record(spread(CEM)).kind == "refused"


def test_a_delegator_who_was_deactivated_lends_nothing_any_more(ledger: Ledger) -> None:
    delegate(ledger, ANN, BEN)
    assert ledger.record(spread(BEN)).kind == "accepted"
    by_setup(ledger, DeactivatePerson, person=ANN)
    outcome = ledger.record(spread(BEN))
    assert isinstance(outcome, Refused)
    assert outcome.code == "NotGranted"


def test_whoever_was_deactivated_is_refused_by_name_and_it_is_recorded(ledger: Ledger) -> None:
    by_setup(ledger, DeactivatePerson, person=ANN)
    command = spread()
    outcome = ledger.record(command)
    assert isinstance(outcome, Refused)
    assert (outcome.error, outcome.code) == ("Forbidden", "Deactivated")
    (event,) = ledger.read(refusal_stream(command.command_id))
    assert isinstance(event.fact, CommandRefused)
    assert event.actor == person(ledger, ANN)
    assert (event.policies, event.policy_version) == ((), "")


def test_a_refusal_keeps_the_policies_that_forbade_it(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbid(*_: object) -> Decision:
        raise Forbidden("Not your own.", code="OwnSubmission", policies=("own-submission",))

    forbidding: dict[type[Command], Rule] = {**RULES, Spread: RULES[Spread]._replace(decide=forbid)}
    monkeypatch.setattr(ledger, "_registry", JARS._replace(rules=forbidding))
    command = spread()
    ledger.record(command)
    (event,) = ledger.read(refusal_stream(command.command_id))
    assert (event.policies, event.policy_version) == (("own-submission",), CedarRights().version)


def test_a_refusal_that_no_policy_allows_keeps_their_version(ledger: Ledger) -> None:
    command = spread(BEN)
    ledger.record(command)
    (event,) = ledger.read(refusal_stream(command.command_id))
    assert (event.policies, event.policy_version) == ((), CedarRights().version)


def test_the_refusal_of_what_is_no_command_yet_keeps_the_policies_too(ledger: Ledger) -> None:
    refusal = ledger.may(BEN, Channel.UPDATE, require_user_manager)
    assert refusal is not None
    command = spread(BEN)
    ledger.record_refusal(command.command_id, command.subject, command.kind, refusal, BEN, Channel.UPDATE)
    (event,) = ledger.read(refusal_stream(command.command_id))
    assert event.policy_version == CedarRights().version


@pytest.mark.parametrize("who", [SYSTEM, str(SYSTEM_ID)])
@pytest.mark.parametrize("command", [RegisterPerson, DeactivatePerson, GrantPersona])
def test_nothing_is_done_about_allot_itself_as_a_person(ledger: Ledger, command: type[Command], who: str) -> None:
    """Deactivated, it could not remind, escalate or end a year any more; a cloud engineer may deactivate others."""
    by_setup(ledger, GrantPersona, person=BEN, persona=Persona.FINANCIAL_ADMIN)
    fields = {"persona": Persona.VENDOR_MANAGER} if command is GrantPersona else {}
    outcome = ledger.record(command(command_id=uuid4(), actor=BEN, person=who, **fields))
    assert isinstance(outcome, Refused)
    assert outcome.code == "SystemActor"
    assert ledger.read(person_stream(SYSTEM_ID)) == []


@pytest.mark.parametrize("remembered", [True, False])
def test_what_only_the_first_states_tell_to_read_is_read_too(ledger: Ledger, *, remembered: bool) -> None:
    for at in range(READ_ROUNDS_MAX - 2):
        ledger.record(fill(str(at), at + 1))
    last = str(READ_ROUNDS_MAX - 2)
    if remembered:
        ledger.states([jar(str(n)) for n in range(READ_ROUNDS_MAX)] + [person_stream(person(ledger, ANN))])
    outcome = ledger.record(Follow(command_id=uuid4(), actor=ANN))
    assert outcome.kind == "accepted"
    assert outcome.message == last
    assert [event.fact for event in ledger.read(jar(last))] == [Filled(beans=100)]


def test_a_decision_that_always_asks_for_more_is_given_up(ledger: Ledger) -> None:
    for at in range(READ_ROUNDS_MAX):
        ledger.record(fill(str(at), at + 1))
    with pytest.raises(Contention, match="same command id"):
        ledger.record(Follow(command_id=uuid4(), actor=ANN))


def test_a_hint_does_not_belong_to_what_a_command_wants(ledger: Ledger) -> None:
    command = spread(guess=1)
    other = command.model_copy(update={"guess": 2})
    assert command_hash(command) == command_hash(other)
    assert ledger.record(command) == ledger.record(other)
    assert len(ledger.read(jar("a"))) == 1


def test_whether_somebody_may_is_answered_as_a_command_would_be(ledger: Ledger) -> None:
    def require_spread(context: Context) -> object:
        return require(context, Action.SUBMIT_SCHEDULE, PRODUCT)

    def code(reference: str, channel: Channel = Channel.UPDATE) -> str:
        refusal = ledger.may(reference, channel, require_spread)
        return refusal.code if refusal else "may"

    before = ledger.settled_head()
    assert code(ANN) == "may"
    assert code(BEN) == "NotGranted"
    assert code("nobody@example.com") == "UnknownPerson"
    assert code("system") == "SystemActor"
    assert code("system", Channel.WORKFLOW) == "may"
    assert code(ANN, Channel.SIGNAL) == "ClaimedActor"
    assert ledger.settled_head() == before  # nothing is recorded
    delegate(ledger, ANN, BEN)
    assert code(BEN) == "may"
    by_setup(ledger, DeactivatePerson, person=ANN)
    assert code(ANN) == "Deactivated"
    assert code(BEN) == "NotGranted"
    assert ledger.may(EVE, Channel.UPDATE, require_user_manager) is not None
