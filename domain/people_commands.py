"""What may be done about people: register, grant, withdraw, deactivate, delegate (product rules, section 2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Literal

from domain.calendar import Day
from domain.decision import (
    Action,
    Authority,
    Command,
    Context,
    Decision,
    Event,
    Grant,
    NoteText,
    Persona,
    PersonId,
    PersonReference,
    Rule,
    States,
    Stream,
)
from domain.errors import Forbidden, Refusal
from domain.hierarchy import LEVELS, NodePath
from domain.people import (
    GRANTS_MAX,
    LEVEL_OF_PERSONA,
    OWNERS,
    Deactivated,
    Delegated,
    Delegation,
    DelegationEnded,
    Granted,
    GrantWithdrawn,
    HolderAppointed,
    HolderRemoved,
    Person,
    Reactivated,
    Registered,
    holders_stream,
    person_stream,
    require,
)

DELEGATION_DAYS_MAX = 366
DELEGATIONS_MAX = 100
"""Delegations to one person that have not ended."""


class PersonCommand(Command):
    """What all commands about one person share."""

    person: PersonReference

    def people(self) -> tuple[str, ...]:
        return (self.person,)

    @property
    def subject(self) -> Stream:
        return Stream("person", "?")  # the person's id is not known before the directory is asked


class RegisterPerson(PersonCommand):
    """Makes somebody of the directory known to the ledger, so that they can hold grants."""

    kind: Literal["person.Register"] = "person.Register"


class GrantPersona(PersonCommand):
    """Lets a person act as a persona on a node."""

    kind: Literal["person.Grant"] = "person.Grant"
    persona: Persona
    node: NodePath = NodePath.ROOT


class WithdrawGrant(PersonCommand):
    """Takes a grant away; what waited for the person waits for the others who hold it, or for the level above."""

    kind: Literal["person.WithdrawGrant"] = "person.WithdrawGrant"
    persona: Persona
    node: NodePath = NodePath.ROOT
    reason: NoteText = ""


class DeactivatePerson(PersonCommand):
    """Takes all grants of somebody who has left, and refuses whatever they still send."""

    kind: Literal["person.Deactivate"] = "person.Deactivate"
    reason: NoteText = ""


class ReactivatePerson(PersonCommand):
    """Lets somebody hold grants again who was deactivated."""

    kind: Literal["person.Reactivate"] = "person.Reactivate"


class Delegate(PersonCommand):
    """Lets the person decide in the actor's place, from the first day to the last one, both included."""

    kind: Literal["person.Delegate"] = "person.Delegate"
    first_day: Day
    last_day: Day
    note: NoteText = ""


class EndDelegation(PersonCommand):
    """Takes back, from now on, what the actor has delegated to the person."""

    kind: Literal["person.EndDelegation"] = "person.EndDelegation"


def require_user_manager(context: Context) -> Authority:
    """Raises Forbidden for whoever may not add people."""
    return require(context, Action.MANAGE_USERS, NodePath.ROOT)


def decide_register(states: States, command: RegisterPerson, context: Context) -> Decision:
    authority = require_user_manager(context)
    person_id = context.person(command.person)
    stream = person_stream(person_id)
    if states[stream].registered:
        return Decision(message="This person is registered already; nothing changed.")
    return Decision([Event(stream, Registered(person_id=person_id))], "The person is registered.", authority)


def decide_grant(states: States, command: GrantPersona, context: Context) -> Decision:
    authority = require(context, Action.MANAGE_GRANTS, NodePath.ROOT)
    person_id = context.person(command.person)
    person: Person = states[person_stream(person_id)]
    require_level(command.persona, command.node)
    _require_active(person)
    grant = Grant(command.persona, command.node)
    events = granted(person_id, grant)
    if grant in person.grants:
        if person_id in states[holders_stream(command.persona, command.node)]:
            return Decision(message=f"The person is {command.persona} of {command.node} already; nothing changed.")
        events = events[1:]  # granted before nodes knew their holders: only that is missing
    else:
        require_room(person.grants, grant)
    return Decision(events, f"Granted: {command.persona} of {command.node}.", authority)


def require_level(persona: Persona, node: NodePath) -> None:
    """Raises Refusal where the persona is not bound to nodes of that level."""
    wanted = LEVEL_OF_PERSONA[persona]
    if node.level != wanted:
        where = f"a node of level {LEVELS[wanted - 1]}" if wanted else "the whole organization, written /"
        raise Refusal(f"The persona {persona} is bound to {where}; {node} is not.", code="WrongLevel")


def require_room(held: Iterable[Grant], grant: Grant) -> None:
    """Raises Refusal where somebody who holds these grants cannot hold that one, too."""
    held = tuple(held)
    if len(held) >= GRANTS_MAX:
        raise Refusal(f"A person may hold at most {GRANTS_MAX:,} grants.", code="TooManyGrants")
    for other in held:
        if other.persona == grant.persona and other.node.parent != grant.node.parent:
            raise Refusal(
                f"One person's nodes share one parent: as {other.persona} this person holds {other.node}, "
                f"so {grant.node} belongs to somebody else.",
                code="OtherParent",
            )


def granted(person_id: PersonId, grant: Grant) -> list[Event]:
    """What is recorded of a grant: with the person, and with the node."""
    return [
        Event(person_stream(person_id), Granted(person_id=person_id, persona=grant.persona, node=grant.node)),
        Event(
            holders_stream(grant.persona, grant.node),
            HolderAppointed(persona=grant.persona, node=grant.node, person_id=person_id),
        ),
    ]


def _withdrawn(person_id: PersonId, grant: Grant, reason: str) -> list[Event]:
    persona, node = grant
    return [
        Event(
            person_stream(person_id),
            GrantWithdrawn(person_id=person_id, persona=persona, node=node, reason=reason),
        ),
        Event(holders_stream(persona, node), HolderRemoved(persona=persona, node=node, person_id=person_id)),
    ]


def _require_active(person: Person) -> None:
    if not person.registered:
        raise Refusal("Register this person first, with `allot person add`.", code="NotRegistered")
    if person.deactivated:
        raise Refusal(
            "This person is deactivated: bring them back first, with `allot person reactivate`.", code="Inactive"
        )


def decide_withdraw(states: States, command: WithdrawGrant, context: Context) -> Decision:
    authority = require(context, Action.MANAGE_GRANTS, NodePath.ROOT)
    person_id = context.person(command.person)
    person: Person = states[person_stream(person_id)]
    grant = Grant(command.persona, command.node)
    if grant not in person.grants:
        return Decision(message=f"The person is not {command.persona} of {command.node}; nothing changed.")
    if person_id == context.actor.person_id and grant.persona is Persona.FINANCIAL_ADMIN:
        raise Forbidden(
            "Nobody takes the Financial Admin from themselves, so that one is always left: "
            "another Financial Admin must do it.",
            code="OwnGrant",
        )
    events = _withdrawn(person_id, grant, command.reason)
    return Decision(events, f"Withdrawn: {command.persona} of {command.node}.", authority)


def decide_deactivate(states: States, command: DeactivatePerson, context: Context) -> Decision:
    authority = require_user_manager(context)
    person_id = context.person(command.person)
    person: Person = states[person_stream(person_id)]
    if person.grants:
        authority = require(context, Action.MANAGE_GRANTS, NodePath.ROOT)
    if person_id == context.actor.person_id:
        raise Forbidden("Nobody deactivates themselves: somebody else must do it.", code="OwnGrant")
    if not person.registered:
        raise Refusal("This person is not registered, so there is nothing to take away.", code="NotRegistered")
    if person.deactivated:
        return Decision(message="This person is deactivated already; nothing changed.")
    events = [event for grant in sorted(person.grants) for event in _withdrawn(person_id, grant, command.reason)]
    ended = sorted({delegation.delegated_by for delegation in person.delegations})
    stream = person_stream(person_id)
    events += [Event(stream, DelegationEnded(person_id=person_id, delegated_by=by)) for by in ended]
    events.append(Event(stream, Deactivated(person_id=person_id, reason=command.reason)))
    return Decision(events, f"Deactivated; {_grants(len(person.grants))} withdrawn.", authority)


def _grants(count: int) -> str:
    return "1 grant was" if count == 1 else f"{count:,} grants were"


def decide_reactivate(states: States, command: ReactivatePerson, context: Context) -> Decision:
    authority = require_user_manager(context)
    person_id = context.person(command.person)
    person: Person = states[person_stream(person_id)]
    if not person.deactivated:
        return Decision(message="This person is not deactivated; nothing changed.")
    event = Event(person_stream(person_id), Reactivated(person_id=person_id))
    return Decision([event], "The person is active again, without the grants they had.", authority)


def decide_delegate(states: States, command: Delegate, context: Context) -> Decision:
    own = sorted(grant.node for grant in context.actor.grants if grant.persona in OWNERS)
    authority = require(context, Action.DELEGATE, own[0] if own else NodePath.ROOT)
    if authority.on_behalf_of:
        raise Forbidden("What was delegated to somebody cannot be passed on by them.", code="NotGranted")
    person_id = context.person(command.person)
    person: Person = states[person_stream(person_id)]
    if person_id == context.actor.person_id:
        raise Refusal("Delegate to somebody else: you may decide yourself already.", code="SamePerson")
    _require_active(person)
    _require_days(command, context)
    delegation = Delegation(context.actor.person_id, command.first_day, command.last_day)
    if delegation in person.delegations:
        return Decision(message="You have delegated these days to this person already; nothing changed.")
    if sum(known.last_day >= context.business_day for known in person.delegations) >= DELEGATIONS_MAX:
        raise Refusal(f"At most {DELEGATIONS_MAX} delegations to one person are kept.", code="TooManyDelegations")
    fact = Delegated(
        person_id=person_id,
        delegated_by=context.actor.person_id,
        first_day=command.first_day,
        last_day=command.last_day,
        note=command.note,
    )
    message = f"Delegated from {command.first_day} to {command.last_day}, both days included."
    return Decision([Event(person_stream(person_id), fact)], message, authority)


def _require_days(command: Delegate, context: Context) -> None:
    if command.last_day < command.first_day:
        raise Refusal("A delegation ends on its first day or later.", code="WrongDays")
    if command.last_day < context.business_day:
        raise Refusal(f"A delegation cannot end before today, {context.business_day}.", code="WrongDays")
    if command.last_day - command.first_day >= timedelta(days=DELEGATION_DAYS_MAX):
        raise Refusal(f"A delegation is at most {DELEGATION_DAYS_MAX} days long: renew it later.", code="WrongDays")


def decide_end_delegation(states: States, command: EndDelegation, context: Context) -> Decision:
    """Needs no right: it is one's own authority that one takes back."""
    person_id = context.person(command.person)
    person: Person = states[person_stream(person_id)]
    actor = context.actor.person_id
    if all(delegation.delegated_by != actor for delegation in person.delegations):
        return Decision(message="You have delegated nothing to this person; nothing changed.")
    fact = DelegationEnded(person_id=person_id, delegated_by=actor)
    return Decision([Event(person_stream(person_id), fact)], "The delegation has ended.")


def _reads(command: PersonCommand, context: Context) -> Sequence[Stream]:
    """Somebody unknown is left to the decision, which asks for the actor's rights first: nobody else may learn who is
    in the directory."""
    person_id = context.people.get(command.person)
    return (person_stream(person_id),) if person_id else ()


def _reads_grant(command: GrantPersona | WithdrawGrant, context: Context) -> Sequence[Stream]:
    return (*_reads(command, context), holders_stream(command.persona, command.node))


def _reads_holders(states: States, command: DeactivatePerson, context: Context) -> Sequence[Stream]:
    """Of everything that the person holds, which is known only once their own stream has been read."""
    person_id = context.people.get(command.person)
    grants = states[person_stream(person_id)].grants if person_id else ()
    return tuple(holders_stream(grant.persona, grant.node) for grant in grants)


RULES: dict[type[Command], Rule] = {
    RegisterPerson: Rule(_reads, decide_register),
    GrantPersona: Rule(_reads_grant, decide_grant),
    WithdrawGrant: Rule(_reads_grant, decide_withdraw),
    DeactivatePerson: Rule(_reads, decide_deactivate, _reads_holders),
    ReactivatePerson: Rule(_reads, decide_reactivate),
    Delegate: Rule(_reads, decide_delegate),
    EndDelegation: Rule(_reads, decide_end_delegation),
}
