"""People and what they may do (product rules, section 2): grants of a persona over a node, and the checks of rights.

Facts carry opaque ids only; e-mail addresses and names live in the directory of people beside the ledger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from domain.decision import (
    Actor,
    Command,
    Context,
    Decision,
    Event,
    Fact,
    Grant,
    Persona,
    PersonId,
    PersonReference,
    Rule,
    States,
    Stream,
)
from domain.errors import Forbidden, Refusal
from domain.hierarchy import LEVELS, NodePath

LEVEL_OF_PERSONA: dict[Persona, int] = {
    Persona.FINANCIAL_ADMIN: 0,
    Persona.VENDOR_MANAGER: 0,
    Persona.CLOUD_ENGINEER: 0,
    Persona.BU_OWNER: 1,
    Persona.DEPARTMENT_OWNER: 2,
    Persona.PORTFOLIO_OWNER: 3,
    Persona.PRODUCT_OWNER: 4,
}
"""E1–E4 personas are bound to nodes of their own level; the others to the organization."""

GRANTS_MAX = 1_000
"""Grants one person may hold."""


class Registered(Fact):
    """Somebody of the directory of people became known to the ledger."""

    fact_name: ClassVar[str] = "person.Registered"
    person_id: PersonId


class Granted(Fact):
    """From now on the person may act as the persona on the node and all below it."""

    fact_name: ClassVar[str] = "person.Granted"
    person_id: PersonId
    persona: Persona
    node: NodePath


@dataclass(frozen=True, slots=True)
class Person:
    registered: bool = False
    grants: frozenset[Grant] = frozenset()


def evolve(person: Person, fact: Registered | Granted) -> Person:
    match fact:
        case Registered():
            return replace(person, registered=True)
        case Granted():
            return replace(person, grants=person.grants | {Grant(fact.persona, fact.node)})


def person_stream(person_id: PersonId) -> Stream:
    return Stream("person", str(person_id))


class RegisterPerson(Command):
    """Makes somebody of the directory known to the ledger, so that they can hold grants."""

    kind: Literal["person.Register"] = "person.Register"
    person: PersonReference

    def people(self) -> tuple[str, ...]:
        return (self.person,)

    @property
    def subject(self) -> Stream:
        return Stream("person", "?")  # the person's id is not known before the directory is asked


class GrantPersona(Command):
    """Lets a person act as a persona on a node."""

    kind: Literal["person.Grant"] = "person.Grant"
    person: PersonReference
    persona: Persona
    node: NodePath = NodePath.ROOT

    def people(self) -> tuple[str, ...]:
        return (self.person,)

    @property
    def subject(self) -> Stream:
        return Stream("person", "?")


def decide_register(states: States, command: RegisterPerson, context: Context) -> Decision:
    require_user_manager(context.actor)
    person_id = context.person(command.person)
    stream = person_stream(person_id)
    if states[stream].registered:
        return Decision(message="This person is registered already; nothing changed.")
    return Decision([Event(stream, Registered(person_id=person_id))], "The person is registered.")


def decide_grant(states: States, command: GrantPersona, context: Context) -> Decision:
    require(context.actor, "manage grants", NodePath.ROOT, Persona.FINANCIAL_ADMIN)
    person_id = context.person(command.person)
    stream = person_stream(person_id)
    person: Person = states[stream]
    wanted = LEVEL_OF_PERSONA[command.persona]
    if command.node.level != wanted:
        where = f"a node of level {LEVELS[wanted - 1]}" if wanted else "the whole organization, written /"
        raise Refusal(f"The persona {command.persona} is bound to {where}; {command.node} is not.", code="WrongLevel")
    if not person.registered:
        raise Refusal("Register this person first, with `allot person add`.", code="NotRegistered")
    grant = Grant(command.persona, command.node)
    if grant in person.grants:
        return Decision(message=f"The person is {command.persona} of {command.node} already; nothing changed.")
    if len(person.grants) >= GRANTS_MAX:
        raise Refusal(f"A person may hold at most {GRANTS_MAX:,} grants.", code="TooManyGrants")
    _same_parent(person, command)
    fact = Granted(person_id=person_id, persona=command.persona, node=command.node)
    return Decision([Event(stream, fact)], f"Granted: {command.persona} of {command.node}.")


def _same_parent(person: Person, command: GrantPersona) -> None:
    for held in person.grants:
        if held.persona == command.persona and held.node.parent != command.node.parent:
            raise Refusal(
                f"One person's nodes share one parent: as {held.persona} this person holds {held.node}, "
                f"so {command.node} belongs to somebody else.",
                code="OtherParent",
            )


def _reads(command: RegisterPerson | GrantPersona, context: Context) -> Sequence[Stream]:
    """Somebody unknown is left to the decision, which asks for the actor's rights first: nobody else may learn who is
    in the directory."""
    person_id = context.people.get(command.person)
    return (person_stream(person_id),) if person_id else ()


RULES: dict[type[Command], Rule] = {
    RegisterPerson: Rule(_reads, decide_register),
    GrantPersona: Rule(_reads, decide_grant),
}
FACTS: tuple[type[Fact], ...] = (Registered, Granted)


def holds(actor: Actor, node: NodePath, *personas: Persona) -> bool:
    """Whether the actor holds one of the personas over the node."""
    return any(grant.persona in personas and grant.node.contains(node) for grant in actor.grants)


def require(actor: Actor, action: str, node: NodePath, *personas: Persona) -> None:
    """Raises Forbidden unless the actor holds one of the personas over the node, or is Allot itself."""
    if not actor.is_system and not holds(actor, node, *personas):
        needed = " or ".join(sorted(personas))
        raise Forbidden(
            f"To {action} on {node} one must be {needed} there; ask a Financial Admin for a grant.", code="NotGranted"
        )


def require_user_manager(actor: Actor) -> None:
    """Raises Forbidden for whoever may not add people."""
    require(actor, "manage users", NodePath.ROOT, Persona.FINANCIAL_ADMIN, Persona.CLOUD_ENGINEER)


def require_somebody_else(actor: Actor, submitted_by: PersonId) -> None:
    """Separation of duties: nobody decides on what they submitted themselves, whatever grants they hold."""
    if actor.person_id == submitted_by:
        raise Forbidden(
            "Nobody decides on their own submission: somebody else who owns this portfolio must decide.",
            code="OwnSubmission",
        )
