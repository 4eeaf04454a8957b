"""Who is registered and made what, and what is taken away again."""

from __future__ import annotations

import pytest

from domain.decision import Command, Event, Persona
from domain.errors import Forbidden, NotFound, Refusal
from domain.hierarchy import NodePath
from domain.people import GRANTS_MAX, Deactivated, DelegationEnded, Reactivated, acting, holders_stream, person_stream
from domain.people_commands import DeactivatePerson, GrantPersona, ReactivatePerson, RegisterPerson, WithdrawGrant
from tests.domain.people_specs import ANN, PEOPLE, REGISTERED, about_ann, delegated, granted, withdrawn
from tests.domain.specs import (
    ADMIN,
    CHECKOUT,
    LEAD,
    NOW,
    OWNER,
    RIGHTS,
    SEARCH,
    SYSTEM_ACTOR,
    actor,
    command_id,
    decide,
    fold,
    person,
)

ENGINEER = actor("engineer", (Persona.CLOUD_ENGINEER, NodePath.ROOT))
OF_CHECKOUT = granted(Persona.PRODUCT_OWNER, CHECKOUT)
TODAY = NOW.date()
DEACTIVATED = about_ann(Deactivated(person_id=ANN))


def register() -> RegisterPerson:
    return RegisterPerson(command_id=command_id(), actor="x", person="ann@example.com")


def grant(persona: Persona, node: NodePath) -> GrantPersona:
    return GrantPersona(command_id=command_id(), actor="x", person="ann@example.com", persona=persona, node=node)


def withdraw(persona: Persona, node: NodePath, reason: str = "") -> WithdrawGrant:
    return WithdrawGrant(
        command_id=command_id(), actor="x", person="ann@example.com", persona=persona, node=node, reason=reason
    )


def deactivate(reason: str = "") -> DeactivatePerson:
    return DeactivatePerson(command_id=command_id(), actor="x", person="ann@example.com", reason=reason)


def reactivate() -> ReactivatePerson:
    return ReactivatePerson(command_id=command_id(), actor="x", person="ann@example.com")


def test_an_admin_registers_somebody_once() -> None:
    decision = decide(register(), ADMIN, people=PEOPLE)
    assert decision.events == [REGISTERED]
    assert decision.authority == (("users-manage",), RIGHTS.version, None)
    assert decide(register(), ADMIN, [REGISTERED], people=PEOPLE).events == ()
    with pytest.raises(Forbidden, match=r"^To manage users on / one must be cloud_engineer or financial_admin there"):
        decide(register(), OWNER, people=PEOPLE)


@pytest.mark.parametrize("command", [register(), deactivate(), reactivate(), grant(Persona.PRODUCT_OWNER, CHECKOUT)])
def test_only_those_who_may_manage_people_learn_who_is_in_the_directory(command: Command) -> None:
    with pytest.raises(NotFound, match="not known here") as refused:
        decide(command, ADMIN)
    assert refused.value.code == "UnknownPerson"
    with pytest.raises(Forbidden):
        decide(command, OWNER)


def test_a_grant_is_recorded_with_the_person_and_with_the_node_and_once() -> None:
    command = grant(Persona.PRODUCT_OWNER, CHECKOUT)
    decision = decide(command, ADMIN, [REGISTERED], people=PEOPLE)
    assert decision.events == OF_CHECKOUT
    assert decision.authority.policies == ("grants-manage",)
    states = fold(OF_CHECKOUT, [holders_stream(Persona.PRODUCT_OWNER, CHECKOUT)])
    assert states[holders_stream(Persona.PRODUCT_OWNER, CHECKOUT)] == {ANN}
    assert decide(command, ADMIN, [REGISTERED, *decision.events], people=PEOPLE).events == ()


def test_a_grant_of_before_nodes_knew_their_holders_is_completed_by_granting_again() -> None:
    with_person, with_node = OF_CHECKOUT
    again = decide(grant(Persona.PRODUCT_OWNER, CHECKOUT), ADMIN, (REGISTERED, with_person), people=PEOPLE)
    assert again.events == [with_node]
    known = (REGISTERED, with_person, *again.events)
    assert decide(grant(Persona.PRODUCT_OWNER, CHECKOUT), ADMIN, known, people=PEOPLE).events == ()


def test_only_a_financial_admin_or_allot_itself_grants() -> None:
    command = grant(Persona.PRODUCT_OWNER, CHECKOUT)
    decision = decide(command, SYSTEM_ACTOR, [REGISTERED], people=PEOPLE)
    assert decision.events
    assert decision.authority == (("allot-itself",), RIGHTS.version, None)
    for other in (OWNER, LEAD, actor("nobody"), ENGINEER):
        with pytest.raises(Forbidden, match="To manage grants on / one must be financial_admin there"):
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
    given = [REGISTERED, *OF_CHECKOUT]
    assert decide(grant(Persona.PRODUCT_OWNER, SEARCH), ADMIN, given, people=PEOPLE).events
    for names in (("Retail", "Digital", "App", "Checkout"), ("Retail", "Digital", "Web 2", "Checkout")):
        with pytest.raises(Refusal, match="nodes share one parent: as product_owner this person holds") as refused:
            decide(grant(Persona.PRODUCT_OWNER, NodePath(names)), ADMIN, given, people=PEOPLE)
        assert refused.value.code == "OtherParent"


def test_the_shared_parent_counts_for_each_persona_alone_and_while_it_is_held() -> None:
    elsewhere = NodePath(("Wholesale", "Digital", "Web"))
    given = [REGISTERED, *OF_CHECKOUT]
    assert decide(grant(Persona.PORTFOLIO_OWNER, elsewhere), ADMIN, given, people=PEOPLE).events
    moved = NodePath((*elsewhere.parts, "Checkout"))
    given += withdrawn(Persona.PRODUCT_OWNER, CHECKOUT)
    assert decide(grant(Persona.PRODUCT_OWNER, moved), ADMIN, given, people=PEOPLE).events


def test_a_person_holds_a_limited_number_of_grants() -> None:
    siblings = [NodePath(("a", "b", "c", str(n))) for n in range(GRANTS_MAX + 1)]
    given = [REGISTERED, *(event for node in siblings[:-2] for event in granted(Persona.PRODUCT_OWNER, node))]
    assert decide(grant(Persona.PRODUCT_OWNER, siblings[-2]), ADMIN, given, people=PEOPLE).events
    given += granted(Persona.PRODUCT_OWNER, siblings[-2])
    with pytest.raises(Refusal, match="at most 1,000 grants"):
        decide(grant(Persona.PRODUCT_OWNER, siblings[-1]), ADMIN, given, people=PEOPLE)


def test_somebody_unregistered_or_deactivated_gets_no_grant() -> None:
    command = grant(Persona.PRODUCT_OWNER, CHECKOUT)
    with pytest.raises(Refusal, match="allot person add"):
        decide(command, ADMIN, people=PEOPLE)
    with pytest.raises(Refusal, match="allot person reactivate"):
        decide(command, ADMIN, [REGISTERED, DEACTIVATED], people=PEOPLE)


def test_a_grant_is_withdrawn_from_the_person_and_from_the_node_and_once() -> None:
    command = withdraw(Persona.PRODUCT_OWNER, CHECKOUT, "moved on")
    given = [REGISTERED, *OF_CHECKOUT]
    decision = decide(command, ADMIN, given, people=PEOPLE)
    assert decision.events == withdrawn(Persona.PRODUCT_OWNER, CHECKOUT, "moved on")
    streams = [person_stream(ANN), holders_stream(Persona.PRODUCT_OWNER, CHECKOUT)]
    left = fold([*given, *decision.events], streams)
    assert left[streams[0]].grants == left[streams[1]] == frozenset()
    assert decide(command, ADMIN, [*given, *decision.events], people=PEOPLE).events == ()


def test_only_a_financial_admin_withdraws_a_grant() -> None:
    for other in (OWNER, ENGINEER):
        with pytest.raises(Forbidden, match="To manage grants on /"):
            decide(withdraw(Persona.PRODUCT_OWNER, CHECKOUT), other, [REGISTERED, *OF_CHECKOUT], people=PEOPLE)


def test_a_financial_admin_is_always_left() -> None:
    ann = actor("ann", (Persona.FINANCIAL_ADMIN, NodePath.ROOT), (Persona.PRODUCT_OWNER, CHECKOUT))
    given = [REGISTERED, *granted(Persona.FINANCIAL_ADMIN, NodePath.ROOT), *OF_CHECKOUT]
    command = withdraw(Persona.FINANCIAL_ADMIN, NodePath.ROOT)
    for own in (command, deactivate()):
        with pytest.raises(Forbidden) as refused:
            decide(own, ann, given, people=PEOPLE)
        assert refused.value.code == "OwnGrant"
    assert decide(withdraw(Persona.PRODUCT_OWNER, CHECKOUT), ann, given, people=PEOPLE).events
    assert decide(command, ADMIN, given, people=PEOPLE).events


def test_deactivation_takes_every_grant_and_delegation() -> None:
    by = person("bob")
    given = [
        REGISTERED,
        *OF_CHECKOUT,
        *granted(Persona.CLOUD_ENGINEER, NodePath.ROOT),
        delegated(by, TODAY, TODAY),
        delegated(by, TODAY, TODAY),
    ]
    decision = decide(deactivate("left"), ADMIN, given, people=PEOPLE)
    assert decision.events == [
        *withdrawn(Persona.CLOUD_ENGINEER, NodePath.ROOT, "left"),
        *withdrawn(Persona.PRODUCT_OWNER, CHECKOUT, "left"),
        about_ann(DelegationEnded(person_id=ANN, delegated_by=by)),
        about_ann(Deactivated(person_id=ANN, reason="left")),
    ]
    assert decision.message == "Deactivated; 2 grants were withdrawn."
    ann = fold([*given, *decision.events], [person_stream(ANN)])[person_stream(ANN)]
    assert (ann.grants, ann.delegations, ann.deactivated) == (frozenset(), (), True)
    with pytest.raises(Forbidden, match="has been deactivated here"):
        acting(ANN, ann)
    assert decide(deactivate(), ADMIN, [*given, *decision.events], people=PEOPLE).events == ()


def test_a_cloud_engineer_deactivates_only_somebody_who_holds_nothing() -> None:
    assert decide(deactivate(), ENGINEER, [REGISTERED], people=PEOPLE).events == [DEACTIVATED]
    with pytest.raises(Forbidden, match="To manage grants on / one must be financial_admin"):
        decide(deactivate(), ENGINEER, [REGISTERED, *OF_CHECKOUT], people=PEOPLE)


def test_somebody_unregistered_is_not_deactivated() -> None:
    with pytest.raises(Refusal) as refused:
        decide(deactivate(), ADMIN, people=PEOPLE)
    assert refused.value.code == "NotRegistered"


def test_somebody_comes_back_without_the_grants_they_had() -> None:
    given: list[Event] = [REGISTERED, *OF_CHECKOUT]
    given += decide(deactivate(), ADMIN, given, people=PEOPLE).events
    decision = decide(reactivate(), ENGINEER, given, people=PEOPLE)
    assert decision.events == [about_ann(Reactivated(person_id=ANN))]
    given += decision.events
    ann = fold(given, [person_stream(ANN)])[person_stream(ANN)]
    assert acting(ANN, ann).grants == frozenset()
    assert decide(grant(Persona.PRODUCT_OWNER, CHECKOUT), ADMIN, given, people=PEOPLE).events == OF_CHECKOUT
    assert decide(reactivate(), ADMIN, given, people=PEOPLE).events == ()
    with pytest.raises(Forbidden):
        decide(reactivate(), OWNER, given, people=PEOPLE)
