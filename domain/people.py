"""People and what they may do (product rules, section 2): grants of a persona over a node, delegation, deactivation.

Facts carry opaque ids only; e-mail addresses and names live in the directory of people beside the ledger. What a person
holds stands in their own stream (`person/…`); who holds a persona on a node stands in the stream of that node's holders
(`holders/portfolio_owner/Retail/Digital/Web`), so that a decision can tell whether anybody is left to take it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import ClassVar

from domain.decision import (
    Action,
    Actor,
    Authority,
    Context,
    Fact,
    Grant,
    Persona,
    PersonId,
    Question,
    States,
    Stream,
)
from domain.errors import Forbidden
from domain.hierarchy import NodePath

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
OWNERS = frozenset(persona for persona, level in LEVEL_OF_PERSONA.items() if level)

GRANTS_MAX = 1_000
"""Grants one person may hold."""
OWN_SUBMISSION = "own-submission"
"""The policy that nobody decides on what they submitted themselves."""


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


class GrantWithdrawn(Fact):
    """The person does not act as the persona on the node any more."""

    fact_name: ClassVar[str] = "person.GrantWithdrawn"
    person_id: PersonId
    persona: Persona
    node: NodePath
    reason: str = ""


class Deactivated(Fact):
    """The person has left, or must not act: their grants were withdrawn with it."""

    fact_name: ClassVar[str] = "person.Deactivated"
    person_id: PersonId
    reason: str = ""


class Reactivated(Fact):
    """The person may be granted something again; they come back without the grants they had."""

    fact_name: ClassVar[str] = "person.Reactivated"
    person_id: PersonId


class Delegated(Fact):
    """Somebody lets this person decide in their place, on days of the office from the first to the last."""

    fact_name: ClassVar[str] = "person.Delegated"
    person_id: PersonId
    """Who may decide."""
    delegated_by: PersonId
    """In whose place."""
    first_day: date
    last_day: date
    note: str = ""


class DelegationEnded(Fact):
    """What somebody had delegated to this person is theirs alone again."""

    fact_name: ClassVar[str] = "person.DelegationEnded"
    person_id: PersonId
    delegated_by: PersonId


class HolderAppointed(Fact):
    """The person holds this persona on this node."""

    fact_name: ClassVar[str] = "holders.Appointed"
    persona: Persona
    node: NodePath
    person_id: PersonId


class HolderRemoved(Fact):
    """The person does not hold this persona on this node any more."""

    fact_name: ClassVar[str] = "holders.Removed"
    persona: Persona
    node: NodePath
    person_id: PersonId


@dataclass(frozen=True, slots=True)
class Delegation:
    delegated_by: PersonId
    first_day: date
    last_day: date

    def holds_on(self, day: date) -> bool:
        return self.first_day <= day <= self.last_day


@dataclass(frozen=True, slots=True)
class Person:
    registered: bool = False
    deactivated: bool = False
    grants: frozenset[Grant] = frozenset()
    delegations: tuple[Delegation, ...] = ()
    """To this person, in the order in which they were recorded."""

    def delegators(self, day: date) -> tuple[PersonId, ...]:
        """In whose place this person may decide on that day."""
        return tuple(dict.fromkeys(d.delegated_by for d in self.delegations if d.holds_on(day)))


type PersonFact = Registered | Granted | GrantWithdrawn | Deactivated | Reactivated | Delegated | DelegationEnded


def evolve(person: Person, fact: PersonFact) -> Person:
    match fact:
        case Registered():
            return replace(person, registered=True)
        case Granted():
            return replace(person, grants=person.grants | {Grant(fact.persona, fact.node)})
        case GrantWithdrawn():
            return replace(person, grants=person.grants - {Grant(fact.persona, fact.node)})
        case Deactivated():
            return replace(person, deactivated=True)
        case Reactivated():
            return replace(person, deactivated=False)
        case Delegated():
            new = Delegation(fact.delegated_by, fact.first_day, fact.last_day)
            return replace(person, delegations=(*person.delegations, new))
        case DelegationEnded():
            kept = tuple(d for d in person.delegations if d.delegated_by != fact.delegated_by)
            return replace(person, delegations=kept)


type Holders = frozenset[PersonId]


def evolve_holders(holders: Holders, fact: HolderAppointed | HolderRemoved) -> Holders:
    match fact:
        case HolderAppointed():
            return holders | {fact.person_id}
        case HolderRemoved():
            return holders - {fact.person_id}


def person_stream(person_id: PersonId) -> Stream:
    return Stream("person", str(person_id))


def holders_stream(persona: Persona, node: NodePath) -> Stream:
    return Stream("holders", f"{persona}/{node}")


FACTS: tuple[type[Fact], ...] = (
    Registered,
    Granted,
    GrantWithdrawn,
    Deactivated,
    Reactivated,
    Delegated,
    DelegationEnded,
    HolderAppointed,
    HolderRemoved,
)


def acting(person_id: PersonId, person: Person) -> Actor:
    """Somebody with what they hold now. Raises Forbidden for whoever was deactivated."""
    if person.deactivated:
        raise Forbidden(
            "Whoever sent this has been deactivated here: ask a Financial Admin if that is wrong.", code="Deactivated"
        )
    return Actor(person_id, person.grants)


def delegators_of(states: States, person_id: PersonId, day: date) -> tuple[PersonId, ...]:
    """Persons in whose place somebody may decide on that day; their own streams have to be read, too."""
    person: Person = states[person_stream(person_id)]
    return person.delegators(day)


def require(
    context: Context,
    action: Action,
    node: NodePath,
    *,
    submitted_by: Iterable[PersonId] = (),
    stand_in: bool = False,
) -> Authority:
    """On whose authority the actor may do that there: their own, else that of whoever delegated to them.

    Raises Forbidden, which says who may, where no policy allows it or one forbids it.
    """
    if context.actor.is_system:
        return Authority(("allot-itself",), context.rights.version)
    forbidding: list[str] = []
    for principal in (context.actor, *context.delegators):
        question = Question(principal, action, node, context.actor.person_id, frozenset(submitted_by), stand_in)
        ruling = context.rights.rule(question)
        if ruling.allowed:
            behalf = None if principal is context.actor else principal.person_id
            return Authority(ruling.policies, context.rights.version, behalf)
        forbidding += ruling.policies
    if OWN_SUBMISSION in forbidding:
        raise Forbidden(
            "Nobody decides on their own submission: somebody else who may decide here must do it.",
            code="OwnSubmission",
            policies=tuple(dict.fromkeys(forbidding)),
        )
    needed = " or ".join(sorted(context.rights.personas(action, stand_in=stand_in)))
    raise Forbidden(
        f"To {action.replace('_', ' ')} on {node} one must be {needed} there; ask a Financial Admin for a grant.",
        code="NotGranted",
        policies=tuple(dict.fromkeys(forbidding)),
    )
