"""The engine's answers: ids of policies, hostile names, errors that are never read as an answer, threads."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError
from itertools import product as combinations
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.actor import Action, Actor, Grant, Persona, PersonId, Question
from domain.hierarchy import NodePath
from domain.people import OWN_SUBMISSION
from rights.cedar import CedarRights, PolicyProblem, packaged_policies

RIGHTS = CedarRights()
ANN, BOB = PersonId(UUID(int=1)), PersonId(UUID(int=2))
CHECKOUT = NodePath(("Retail", "Digital", "Web", "Checkout"))


def holding(persona: Persona, *nodes: NodePath) -> Actor:
    return Actor(ANN, frozenset(Grant(persona, node) for node in nodes))


def ask(holder: Actor, action: Action, node: NodePath) -> Question:
    return Question(holder, action, node, holder.person_id)


def may_view(holder: Actor, node: NodePath) -> bool:
    return RIGHTS.rule(ask(holder, Action.VIEW_SCHEDULE, node)).allowed


def test_a_ruling_names_the_policies_by_their_ids() -> None:
    lead = holding(Persona.PORTFOLIO_OWNER, CHECKOUT.portfolio)
    question = ask(lead, Action.DECIDE_SCHEDULE, CHECKOUT)
    assert RIGHTS.rule(question) == (True, ("schedule-decide",))
    assert RIGHTS.rule(question._replace(submitted_by=frozenset({ANN}))) == (False, (OWN_SUBMISSION,))
    assert RIGHTS.rule(question._replace(node=NodePath.ROOT)) == (False, ())


def test_every_policy_that_allows_is_named() -> None:
    both = Actor(
        ANN,
        holding(Persona.PORTFOLIO_OWNER, CHECKOUT.portfolio).grants
        | holding(Persona.FINANCIAL_ADMIN, NodePath.ROOT).grants,
    )
    question = ask(both, Action.DECIDE_SCHEDULE, CHECKOUT)._replace(stand_in=True)
    assert RIGHTS.rule(question) == (True, ("schedule-decide", "schedule-stand-in-finance"))


def test_the_version_is_that_of_the_text() -> None:
    path = Path(__file__).parents[2] / "rights" / "policies.cedar"
    assert RIGHTS.version == hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    assert CedarRights(packaged_policies()).version == RIGHTS.version
    assert CedarRights(packaged_policies() + "\n").version != RIGHTS.version


def test_whoever_a_refusal_names_is_somebody_whom_the_policies_allow() -> None:
    assert RIGHTS.personas(Action.DECIDE_SCHEDULE) == (Persona.PORTFOLIO_OWNER,)
    stand_ins = RIGHTS.personas(Action.DECIDE_SCHEDULE, stand_in=True)
    assert stand_ins == (Persona.FINANCIAL_ADMIN, Persona.DEPARTMENT_OWNER, Persona.PORTFOLIO_OWNER)
    assert all(RIGHTS.personas(action) for action in Action)
    nobody = CedarRights('@id("none") forbid (principal, action, resource);')
    assert nobody.personas(Action.CLOSE_MONTH) == ()


HOSTILE = [
    'a"',
    "a\\",
    'a\\"',
    "\\u0061",
    'a"::"b',
    'Node::"a"',
    'a", "parents": [], "x": "',
    '{"__entity": {"type": "Node", "id": "/"}}',
    "__entity",
    "//",
    "/",
    "%2F",
    "%252F",
    "a/b",
    "a%2Fb",
    "é",
    "e\u0301",
    "ı",
    "I",
    "i",
    "💸",
    "\u202eevil",
    "\u200b",
    "a",
    "a b",
    "a  b",
    "principal",
    "true || true",
    "// a",
    "*",
    "?resource",
    "x" * 100,
    "𝒳" * 100,
]


def test_hostile_names_are_names_and_nothing_else() -> None:
    units = [NodePath((name,)) for name in HOSTILE] + [NodePath(("a", "b"))]
    for held, asked in combinations(units, units):
        holder = holding(Persona.BU_OWNER, held)
        assert may_view(holder, asked) == (held == asked or (held, asked) == (units[HOSTILE.index("a")], units[-1]))
        assert not may_view(holder, NodePath.ROOT)


NAMES = st.text(st.sampled_from('a"\\/%:{}[],é'), min_size=1, max_size=3) | st.sampled_from(HOSTILE)
PATHS = st.lists(NAMES, max_size=4).map(tuple).map(NodePath)


@given(PATHS, PATHS)
def test_a_grant_reaches_what_its_path_contains(held: NodePath, asked: NodePath) -> None:
    assert may_view(holding(Persona.BU_OWNER, held), asked) == held.contains(asked)


@given(PATHS, NAMES)
def test_a_grant_reaches_what_is_below(held: NodePath, name: str) -> None:
    below = NodePath((*held.parts, name)) if held.level < 4 else held
    assert may_view(holding(Persona.BU_OWNER, held), below)


def test_many_grants_count_each() -> None:
    siblings = [NodePath(("Retail", "Digital", "Web", f"product {n}")) for n in range(1_000)]
    holder = holding(Persona.PRODUCT_OWNER, *siblings)
    assert may_view(holder, siblings[0])
    assert may_view(holder, siblings[-1])
    assert not may_view(holder, CHECKOUT)


ALLOW_ALL = '@id("all") permit (principal, action, resource);\n'


def test_an_error_of_the_engine_is_neither_yes_nor_no() -> None:
    question = ask(holding(Persona.BU_OWNER), Action.CLOSE_MONTH, NodePath.ROOT)
    assert CedarRights(ALLOW_ALL).rule(question).allowed  # the control: alone it allows
    for broken in ("forbid", "permit"):
        rights = CedarRights(
            f'{ALLOW_ALL}@id("odd") {broken} (principal, action, resource) when {{ principal.age > 1 }};'
        )
        with pytest.raises(PolicyProblem, match=r"nothing was decided: correct .* does not have the attribute `age`"):
            rights.rule(question)
        with pytest.raises(PolicyProblem):
            rights.personas(Action.CLOSE_MONTH)


@pytest.mark.parametrize(
    ("policies", "words"),
    [
        ("permit (principal", "cannot be read"),
        ("permit (principal, action, resource);", "policy0 has none"),
        ('@id("") permit (principal, action, resource);', "policy0 has none"),
        ("@id permit (principal, action, resource);", "policy0 has none"),
        (ALLOW_ALL * 2, "has all"),
        (f'{ALLOW_ALL}@id("t") permit (principal == ?principal, action, resource);', "must not be templates"),
    ],
)
def test_policies_that_could_not_be_named_are_not_taken(policies: str, words: str) -> None:
    with pytest.raises(PolicyProblem, match=words):
        CedarRights(policies)


def test_no_policies_allow_nothing() -> None:
    admin = holding(Persona.FINANCIAL_ADMIN, NodePath.ROOT)
    assert CedarRights("").rule(ask(admin, Action.CLOSE_MONTH, NodePath.ROOT)) == (False, ())


def test_somebody_elses_grants_are_never_remembered_for_another() -> None:
    """Grants are kept in the engine's form; what is withdrawn or granted counts at once."""
    before = holding(Persona.BU_OWNER, NodePath(("Retail",)))
    assert may_view(before, CHECKOUT)
    assert not may_view(Actor(ANN), CHECKOUT)
    assert not may_view(Actor(BOB), CHECKOUT)
    assert may_view(before, CHECKOUT)
    with pytest.raises(FrozenInstanceError):
        before.person_id = BOB  # type: ignore[misc]


def test_threads_get_the_answers_of_one() -> None:
    products = [NodePath(("Retail", "Digital", f"Web {n % 7}", f"product {n}")) for n in range(50)]
    questions = [
        ask(holding(persona, node.portfolio), action, asked)
        for persona in (Persona.PORTFOLIO_OWNER, Persona.PRODUCT_OWNER)
        for action in (Action.DECIDE_SCHEDULE, Action.SUBMIT_SCHEDULE)
        for node in products
        for asked in products[:10]
    ]
    alone = [RIGHTS.rule(question) for question in questions]
    assert {ruling.allowed for ruling in alone} == {True, False}
    shared = CedarRights()
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(shared.rule, questions, chunksize=1)) == alone
        each = list(threads.map(lambda action: shared.personas(action), list(Action) * 8))
    assert each == [RIGHTS.personas(action) for action in list(Action) * 8]


def test_a_name_put_into_the_engines_text_would_be_code() -> None:
    """The control for hostile names, which reach the engine as values."""
    node = NodePath(('b" == "b" || "',))
    holder = holding(Persona.BU_OWNER, node)
    careless = f'@id("x") permit (principal, action, resource) when {{ "{node.name}" == "c" }};'
    assert CedarRights(careless).rule(ask(holder, Action.VIEW_SCHEDULE, CHECKOUT)).allowed
    assert not may_view(holder, CHECKOUT)
