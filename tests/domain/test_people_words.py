"""What is said to whoever changes people and what they hold: the words and the code of each answer."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from domain.decision import Actor, Command, Context, Event, Persona, PersonId
from domain.errors import Forbidden, Refusal
from domain.hierarchy import NodePath
from domain.people import GRANTS_MAX, Deactivated, Delegated, Person, acting, person_stream
from domain.people_commands import (
    DELEGATION_DAYS_MAX,
    DELEGATIONS_MAX,
    DeactivatePerson,
    Delegate,
    EndDelegation,
    GrantPersona,
    ReactivatePerson,
    RegisterPerson,
    WithdrawGrant,
    require_user_manager,
)
from tests.domain.people_specs import ANN, PEOPLE, REGISTERED, about_ann, delegated, granted
from tests.domain.specs import (
    ADMIN,
    CHECKOUT,
    LEAD,
    NOW,
    ORGANIZATION,
    OWNER,
    RIGHTS,
    SEARCH,
    actor,
    command_id,
    decide,
    person,
)

TODAY = date(2026, 6, 17)
SHARED = {"command_id": command_id(), "actor": "x", "person": "ann@example.com"}
HOLDS = [REGISTERED, *granted(Persona.PRODUCT_OWNER, CHECKOUT)]
GONE = [REGISTERED, about_ann(Deactivated(person_id=ANN))]
DELEGATED = [REGISTERED, delegated(person("lead"), TODAY, TODAY)]
ANN_HERSELF = Actor(ANN, ADMIN.grants)
HELD = [REGISTERED, *granted(Persona.FINANCIAL_ADMIN, NodePath.ROOT)]


def grant(persona: Persona = Persona.PRODUCT_OWNER, node: NodePath = CHECKOUT) -> GrantPersona:
    return GrantPersona.model_validate(SHARED | {"persona": persona, "node": node})


def withdraw(persona: Persona = Persona.PRODUCT_OWNER, node: NodePath = CHECKOUT) -> WithdrawGrant:
    return WithdrawGrant.model_validate(SHARED | {"persona": persona, "node": node})


def delegate(first: date = TODAY, last: date = TODAY) -> Delegate:
    return Delegate.model_validate(SHARED | {"first_day": first, "last_day": last})


REGISTER = RegisterPerson.model_validate(SHARED)
DEACTIVATE = DeactivatePerson.model_validate(SHARED)
REACTIVATE = ReactivatePerson.model_validate(SHARED)
END = EndDelegation.model_validate(SHARED)

DONE = [
    (REGISTER, ADMIN, [], "The person is registered.", "users-manage"),
    (REGISTER, ADMIN, [REGISTERED], "This person is registered already; nothing changed.", None),
    (grant(), ADMIN, [REGISTERED], f"Granted: product_owner of {CHECKOUT}.", "grants-manage"),
    (grant(), ADMIN, HOLDS, f"The person is product_owner of {CHECKOUT} already; nothing changed.", None),
    (withdraw(), ADMIN, HOLDS, f"Withdrawn: product_owner of {CHECKOUT}.", "grants-manage"),
    (withdraw(), ADMIN, [REGISTERED], f"The person is not product_owner of {CHECKOUT}; nothing changed.", None),
    (DEACTIVATE, ADMIN, [REGISTERED], "Deactivated; 0 grants were withdrawn.", "users-manage"),
    (DEACTIVATE, ADMIN, HOLDS, "Deactivated; 1 grant was withdrawn.", "grants-manage"),
    (DEACTIVATE, ADMIN, GONE, "This person is deactivated already; nothing changed.", None),
    (REACTIVATE, ADMIN, GONE, "The person is active again, without the grants they had.", "users-manage"),
    (REACTIVATE, ADMIN, [REGISTERED], "This person is not deactivated; nothing changed.", None),
    (delegate(), LEAD, [REGISTERED], "Delegated from 2026-06-17 to 2026-06-17, both days included.", "delegate"),
    (END, LEAD, DELEGATED, "The delegation has ended.", None),
    (END, OWNER, DELEGATED, "You have delegated nothing to this person; nothing changed.", None),
]


@pytest.mark.parametrize(("command", "who", "given", "message", "policy"), DONE)
def test_an_answer_says_what_was_done_and_by_which_right(
    command: Command, who: Actor, given: list[Event], message: str, policy: str | None
) -> None:
    decision = decide(command, who, given, people=PEOPLE)
    assert decision.message == message
    assert decision.authority.policies == ((policy,) if policy else ())
    assert ("nothing changed" in message) == (decision.events == ())


MANY = [
    about_ann(Delegated(person_id=ANN, delegated_by=person(f"lead {n}"), first_day=TODAY, last_day=TODAY))
    for n in range(DELEGATIONS_MAX)
]
NODES = [NodePath((*CHECKOUT.parent.parts, str(n))) for n in range(GRANTS_MAX)]
FULL = [REGISTERED, *(event for node in NODES for event in granted(Persona.PRODUCT_OWNER, node))]
NOT_REGISTERED = ("NotRegistered", "Register this person first, with `allot person add`.")
INACTIVE = ("Inactive", "This person is deactivated: bring them back first, with `allot person reactivate`.")
WRONG = [
    (grant(), ADMIN, [], *NOT_REGISTERED),
    (delegate(), LEAD, [], *NOT_REGISTERED),
    (grant(), ADMIN, GONE, *INACTIVE),
    (delegate(), LEAD, GONE, *INACTIVE),
    (
        grant(Persona.PRODUCT_OWNER, CHECKOUT.parent),
        ADMIN,
        [REGISTERED],
        "WrongLevel",
        "The persona product_owner is bound to a node of level E4; Retail/Digital/Web is not.",
    ),
    (
        grant(Persona.FINANCIAL_ADMIN),
        ADMIN,
        [REGISTERED],
        "WrongLevel",
        f"The persona financial_admin is bound to the whole organization, written /; {CHECKOUT} is not.",
    ),
    (
        grant(Persona.BU_OWNER),
        ADMIN,
        [REGISTERED],
        "WrongLevel",
        f"The persona bu_owner is bound to a node of level E1; {CHECKOUT} is not.",
    ),
    (grant(), ADMIN, FULL, "TooManyGrants", "A person may hold at most 1,000 grants."),
    (
        grant(Persona.PRODUCT_OWNER, NodePath(("Retail", "Digital", "App", "Cart"))),
        ADMIN,
        HOLDS,
        "OtherParent",
        f"One person's nodes share one parent: as product_owner this person holds {CHECKOUT}, so "
        "Retail/Digital/App/Cart belongs to somebody else.",
    ),
    (
        withdraw(Persona.FINANCIAL_ADMIN, NodePath.ROOT),
        ANN_HERSELF,
        HELD,
        "OwnGrant",
        "Nobody takes the Financial Admin from themselves, so that one is always left: another Financial Admin must "
        "do it.",
    ),
    (DEACTIVATE, ANN_HERSELF, HELD, "OwnGrant", "Nobody deactivates themselves: somebody else must do it."),
    (
        DEACTIVATE,
        ADMIN,
        [],
        "NotRegistered",
        "This person is not registered, so there is nothing to take away.",
    ),
    (
        delegate(),
        Actor(ANN, LEAD.grants),
        [REGISTERED],
        "SamePerson",
        "Delegate to somebody else: you may decide yourself already.",
    ),
    (
        delegate(TODAY, TODAY - timedelta(days=1)),
        LEAD,
        [REGISTERED],
        "WrongDays",
        "A delegation ends on its first day or later.",
    ),
    (
        delegate(TODAY - timedelta(days=2), TODAY - timedelta(days=1)),
        LEAD,
        [REGISTERED],
        "WrongDays",
        "A delegation cannot end before today, 2026-06-17.",
    ),
    (
        delegate(TODAY, TODAY + timedelta(days=DELEGATION_DAYS_MAX)),
        LEAD,
        [REGISTERED],
        "WrongDays",
        "A delegation is at most 366 days long: renew it later.",
    ),
    (
        delegate(),
        LEAD,
        [REGISTERED, *MANY],
        "TooManyDelegations",
        "At most 100 delegations to one person are kept.",
    ),
]


@pytest.mark.parametrize(("command", "who", "given", "code", "message"), WRONG)
def test_a_refusal_says_what_is_wrong(
    command: Command, who: Actor, given: list[Event], code: str, message: str
) -> None:
    with pytest.raises(Refusal) as refused:
        decide(command, who, given, people=PEOPLE)
    assert (refused.value.code, refused.value.message) == (code, message)
    assert isinstance(refused.value, Forbidden) == (code == "OwnGrant")


def test_the_longest_delegation_and_the_last_grant_are_fine() -> None:
    assert decide(
        delegate(TODAY, TODAY + timedelta(days=DELEGATION_DAYS_MAX - 1)), LEAD, [REGISTERED], people=PEOPLE
    ).events
    assert decide(delegate(), LEAD, [REGISTERED, *MANY[1:]], people=PEOPLE).events
    assert decide(grant(Persona.PRODUCT_OWNER, SEARCH), ADMIN, FULL[:-2], people=PEOPLE).events


def test_whoever_was_deactivated_may_not_act() -> None:
    ann: PersonId = ANN
    assert acting(ann, Person(grants=LEAD.grants)) == Actor(ann, LEAD.grants)
    with pytest.raises(Forbidden) as refused:
        acting(ann, Person(deactivated=True))
    assert (refused.value.code, refused.value.message) == (
        "Deactivated",
        "Whoever sent this has been deactivated here: ask a Financial Admin if that is wrong.",
    )


def test_who_may_add_people() -> None:
    engineer = actor("engineer", (Persona.CLOUD_ENGINEER, NodePath.ROOT))
    assert require_user_manager(Context(NOW, engineer, ORGANIZATION, {}, RIGHTS)).policies == ("users-manage",)
    with pytest.raises(Forbidden, match="To manage users on / one must be cloud_engineer or financial_admin there"):
        require_user_manager(Context(NOW, OWNER, ORGANIZATION, {}, RIGHTS))


def test_the_subject_is_a_person_whose_id_is_not_known_yet() -> None:
    assert {str(command.subject) for command in (REGISTER, grant(), DEACTIVATE, delegate())} == {"person/?"}
    assert REGISTER.people() == ("ann@example.com",)
    assert str(person_stream(ANN)) == f"person/{ANN}"
