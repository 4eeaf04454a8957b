"""Who may be made what, and what a grant allows."""

from __future__ import annotations

import pytest

from domain.decision import Actor, Event, Persona, PersonId
from domain.errors import Forbidden, NotFound, Refusal
from domain.hierarchy import NodePath
from domain.people import GRANTS_MAX, Granted, GrantPersona, Registered, RegisterPerson, holds, person_stream, require
from tests.domain.specs import ADMIN, CHECKOUT, LEAD, OWNER, SEARCH, SYSTEM_ACTOR, actor, command_id, decide, person

ANN = person("ann")
PEOPLE: dict[str, PersonId] = {"ann@example.com": ANN}
REGISTERED = Event(person_stream(ANN), Registered(person_id=ANN))


def grant(persona: Persona, node: NodePath) -> GrantPersona:
    return GrantPersona(command_id=command_id(), actor="x", person="ann@example.com", persona=persona, node=node)


def granted(persona: Persona, node: NodePath) -> Event:
    return Event(person_stream(ANN), Granted(person_id=ANN, persona=persona, node=node))


def test_an_admin_registers_somebody_once() -> None:
    command = RegisterPerson(command_id=command_id(), actor="x", person="ann@example.com")
    assert decide(command, ADMIN, people=PEOPLE).events == [REGISTERED]
    assert decide(command, ADMIN, [REGISTERED], people=PEOPLE).events == ()
    with pytest.raises(Forbidden, match="must be cloud_engineer or financial_admin there"):
        decide(command, OWNER, people=PEOPLE)


def test_somebody_who_is_not_in_the_directory_is_not_registered() -> None:
    command = RegisterPerson(command_id=command_id(), actor="x", person="bob@example.com")
    with pytest.raises(NotFound, match="not known here") as refused:
        decide(command, ADMIN, people=PEOPLE)
    assert refused.value.code == "UnknownPerson"


def test_a_grant_is_recorded_once() -> None:
    command = grant(Persona.PRODUCT_OWNER, CHECKOUT)
    decision = decide(command, ADMIN, [REGISTERED], people=PEOPLE)
    assert decision.events == [granted(Persona.PRODUCT_OWNER, CHECKOUT)]
    assert decide(command, ADMIN, [REGISTERED, *decision.events], people=PEOPLE).events == ()


def test_only_a_financial_admin_or_allot_itself_grants() -> None:
    command = grant(Persona.PRODUCT_OWNER, CHECKOUT)
    assert decide(command, SYSTEM_ACTOR, [REGISTERED], people=PEOPLE).events
    for other in (OWNER, LEAD, actor("nobody"), actor("engineer", (Persona.CLOUD_ENGINEER, NodePath.ROOT))):
        with pytest.raises(Forbidden):
            decide(command, other, [REGISTERED], people=PEOPLE)


@pytest.mark.parametrize(
    ("persona", "node", "words"),
    [
        (Persona.PRODUCT_OWNER, CHECKOUT.parent, "bound to a node of level E4"),
        (Persona.PORTFOLIO_OWNER, CHECKOUT, "bound to a node of level E3"),
        (Persona.FINANCIAL_ADMIN, CHECKOUT, "bound to the whole organization, written /"),
    ],
)
def test_a_persona_is_bound_to_its_level(persona: Persona, node: NodePath, words: str) -> None:
    with pytest.raises(Refusal, match=words):
        decide(grant(persona, node), ADMIN, [REGISTERED], people=PEOPLE)


def test_one_persons_nodes_share_one_parent() -> None:
    given = [REGISTERED, granted(Persona.PRODUCT_OWNER, CHECKOUT)]
    assert decide(grant(Persona.PRODUCT_OWNER, SEARCH), ADMIN, given, people=PEOPLE).events
    elsewhere = NodePath(("Retail", "Digital", "App", "Checkout"))
    with pytest.raises(Refusal, match="nodes share one parent"):
        decide(grant(Persona.PRODUCT_OWNER, elsewhere), ADMIN, given, people=PEOPLE)


def test_a_person_holds_a_limited_number_of_grants() -> None:
    siblings = [NodePath(("a", "b", "c", str(n))) for n in range(GRANTS_MAX + 1)]
    given = [REGISTERED, *(granted(Persona.PRODUCT_OWNER, node) for node in siblings[:-2])]
    assert decide(grant(Persona.PRODUCT_OWNER, siblings[-2]), ADMIN, given, people=PEOPLE).events
    given.append(granted(Persona.PRODUCT_OWNER, siblings[-2]))
    with pytest.raises(Refusal, match="at most 1,000 grants"):
        decide(grant(Persona.PRODUCT_OWNER, siblings[-1]), ADMIN, given, people=PEOPLE)


def test_somebody_unregistered_gets_no_grant() -> None:
    with pytest.raises(Refusal, match="allot person add"):
        decide(grant(Persona.PRODUCT_OWNER, CHECKOUT), ADMIN, people=PEOPLE)


def test_a_grant_reaches_the_node_and_all_below_it() -> None:
    assert holds(LEAD, CHECKOUT, Persona.PORTFOLIO_OWNER)
    assert not holds(LEAD, CHECKOUT.parent.parent, Persona.PORTFOLIO_OWNER)
    assert not holds(LEAD, NodePath(("Retail", "Digital", "Website", "Checkout")), Persona.PORTFOLIO_OWNER)
    assert not holds(LEAD, CHECKOUT, Persona.PRODUCT_OWNER)
    require(SYSTEM_ACTOR, "anything", CHECKOUT, Persona.PRODUCT_OWNER)
    with pytest.raises(Forbidden):
        require(Actor(ANN), "anything", CHECKOUT, Persona.PRODUCT_OWNER)
