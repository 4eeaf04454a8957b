"""The tasks of accounts: when there is one, what it says, and whose it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from domain.account import Account, evolve
from domain.account_facts import Occasion
from domain.account_observing import needs_alignment
from domain.decision import Action, Actor, Context, Organization, Persona, PersonId
from domain.errors import Forbidden
from domain.hierarchy import NodePath
from domain.people import Person, PersonFact, require
from domain.people import evolve as evolve_person
from domain.waiting import Overdue
from rights.cedar import CedarRights
from tests.views.given import (
    ANN,
    BOB,
    EVE,
    START,
    ListLog,
    allocated_to,
    changed,
    granted,
    person,
    vended,
)
from tests.views.given_accounts import (
    account_escalated,
    account_reminded,
    declined,
    departed,
    ended,
    first_billed,
    opened,
    proposed,
)
from tests.views.given_process import delegated, grant_withdrawn
from tests.views.random_company import RandomCompany
from views.accounts import FACTS
from views.models import Why
from views.projector import Projector
from views.queries import Views
from views.tasks import TaskKind

Ask = Callable[[str], list[tuple[Any, ...]]]
Given = Callable[..., int]
ONE, TWO = "000000000001", "000000000002"
CART, BOOKS = "Retail/Digital/Web/Cart", "Retail/Digital/Web/Books"
TASK = "SELECT kind, detail, version, since, timed FROM tasks"
FAY, CLEO = person("fay"), person("cleo")
PEOPLE = (granted(FAY, Persona.FINANCIAL_ADMIN), granted(CLEO, Persona.CLOUD_ENGINEER))
NEW_YEAR, TODAY = date(2026, 1, 1), date(2026, 3, 4)
EVENTS = 4_000


def at(position: int) -> Any:
    return START + timedelta(seconds=position)


@pytest.fixture
def given(log: ListLog, projector: Projector) -> Given:
    def run(*events: Any) -> int:
        log.add(*events)
        return projector.catch_up()

    return run


@pytest.fixture
def whose(views: Views) -> Callable[[], dict[str, str]]:
    """Everybody who has a task, and why."""

    def ask() -> dict[str, str]:
        everybody = {"fay": FAY, "cleo": CLEO, "ann": ANN, "bob": BOB, "eve": EVE}
        found = {name: views.tasks(person_id, TODAY) for name, person_id in everybody.items()}
        return {name: tasks[0].why.value for name, tasks in found.items() if tasks}

    return ask


Whose = Callable[[], dict[str, str]]


def test_an_account_is_a_task_while_its_occasion_is_open(given: Given, rows: Ask) -> None:
    given(vended(ONE, "shop"), opened(ONE))
    assert rows(TASK) == [("allocate_account", "shop", 0, at(2), True)]
    given(changed(ONE, "renamed"))
    assert rows(TASK) == [("allocate_account", "renamed", 0, at(2), True)]
    given(changed(ONE, "renamed", "CLOSED"), ended(ONE))
    assert rows(TASK) == []
    given(changed(ONE, "renamed"), opened(ONE, 2, Occasion.MOVED))
    assert rows(TASK) == [("allocate_account", "renamed: moved", 0, at(7), True)]
    given(allocated_to(ONE, NEW_YEAR, {CART: "100"}))
    assert rows(TASK) == []
    given(opened(ONE, 3, Occasion.TAGS_CHANGED))
    assert rows(TASK) == [("allocate_account", "renamed: tags changed", 0, at(9), True)]


def test_an_account_from_before_there_were_occasions_is_a_task_while_it_needs_one(given: Given, rows: Ask) -> None:
    given(vended(ONE, "shop"))
    assert rows(TASK) == [("allocate_account", "shop", 0, at(1), False)]
    given(opened(ONE))  # the next full read
    assert rows(TASK) == [("allocate_account", "shop", 0, at(2), True)]
    given(vended(TWO), departed(TWO))
    assert rows("SELECT subject FROM tasks") == [(ONE,)]


def test_what_is_proposed_is_decided_and_by_somebody_else(given: Given, whose: Whose, views: Views) -> None:
    given(*PEOPLE, granted(EVE, Persona.FINANCIAL_ADMIN), vended(ONE, "shop-prod"), opened(ONE))
    given(proposed(ONE, {CART: "100"}, rule="prod"))
    (task,) = views.tasks(FAY, TODAY)
    assert (task.kind, task.version) == (TaskKind.DECIDE_ALLOCATION, 1)
    assert task.detail == f"shop-prod: 100 % {CART}, Production (rule 'prod')"
    given(proposed(ONE, {CART: "60", BOOKS: "40"}, number=2, by=EVE, effective_on=date(2026, 2, 1)))
    (task,) = views.tasks(FAY, TODAY)
    assert (task.version, task.detail) == (
        2,
        f"shop-prod: 40 % {BOOKS}, 60 % {CART}, Production, from 2026-02-01",
    )
    assert whose() == {"fay": "owner"}  # and not Eve, who proposed it
    given(declined(ONE, 2))
    assert whose() == {"fay": "owner", "eve": "owner"}
    assert [task.kind for task in views.tasks(EVE, TODAY)] == [TaskKind.ALLOCATE_ACCOUNT]


def test_a_proposal_of_many_shares_is_shown_by_the_first_ones(given: Given, views: Views) -> None:
    shares = {f"Retail/Digital/Web/{name}": "20" for name in "ABCDE"}
    given(vended(ONE, "shop"), opened(ONE), proposed(ONE, shares, rule="split"))
    (task,) = views.tasks()
    assert task.detail == (
        "shop: 20 % Retail/Digital/Web/A, 20 % Retail/Digital/Web/B, 20 % Retail/Digital/Web/C, 2 more, Production "
        "(rule 'split')"
    )


def test_an_account_that_spends_without_an_allocation_says_so(given: Given, rows: Ask) -> None:
    given(first_billed(ONE, "2026-01-03"), opened(ONE, reason=Occasion.SPENDING))
    spends = "spends without an allocation since 2026-01-03"
    assert rows(TASK) == [("allocate_account", f"unknown to AWS Organizations: {spends}", 0, at(2), True)]
    given(vended(ONE, "shop"))
    assert rows(TASK) == [("allocate_account", f"shop: {spends}", 0, at(2), True)]
    given(proposed(ONE, {CART: "100"}, rule="prod"))
    assert rows("SELECT detail FROM tasks") == [(f"shop: 100 % {CART}, Production (rule 'prod'); {spends}",)]


def test_after_escalation_cloud_engineers_may_make_a_first_allocation(given: Given, whose: Whose, views: Views) -> None:
    given(*PEOPLE, vended(ONE), opened(ONE), account_reminded(ONE))
    assert whose() == {"fay": "owner"}
    given(account_escalated(ONE, reason=Overdue.SPENDING))
    assert whose() == {"fay": "owner", "cleo": "escalated"}
    (task,) = views.tasks(CLEO, TODAY)
    assert (task.reminders, task.escalated, task.persona, task.why) == (
        1,
        True,
        Persona.FINANCIAL_ADMIN,
        Why.ESCALATED,
    )
    given(allocated_to(ONE, NEW_YEAR, {CART: "100"}), opened(ONE, 2, Occasion.MOVED), account_escalated(ONE, 2))
    assert whose() == {"fay": "owner"}  # a remap is the financial admins' alone


def test_where_no_financial_admin_is_left_it_is_the_cloud_engineers(given: Given, whose: Whose) -> None:
    given(*PEOPLE, vended(ONE), opened(ONE), grant_withdrawn(FAY, Persona.FINANCIAL_ADMIN))
    assert whose() == {"cleo": "nobody_left"}
    given(granted(EVE, Persona.FINANCIAL_ADMIN))
    assert whose() == {"eve": "owner"}
    given(proposed(ONE, {CART: "100"}, by=EVE))
    assert whose() == {"cleo": "nobody_left"}  # whoever proposed it does not decide on it
    given(granted(FAY, Persona.FINANCIAL_ADMIN))
    assert whose() == {"fay": "owner"}


def test_a_task_of_the_whole_organization_cannot_be_delegated(given: Given, whose: Whose) -> None:
    given(*PEOPLE, vended(ONE), opened(ONE), account_escalated(ONE), delegated(BOB, FAY, TODAY, TODAY))
    assert whose() == {"fay": "owner", "cleo": "escalated"}


def test_there_is_a_task_where_the_domain_waits_for_somebody(given: Given, rows: Ask, log: ListLog) -> None:
    """For every account of a random company."""
    given(*RandomCompany(32, products=40, accounts=90, import_every=EVENTS * 2).events(EVENTS))
    accounts = _states(log)
    expected = {
        account_id: (account.proposal.number if account.proposal else 0, account.is_open)
        for account_id, account in accounts.items()
        if account.is_open or needs_alignment(account)
    }
    found = rows("SELECT subject, version, timed, kind FROM tasks WHERE fiscal_year = 0")
    assert {subject: (version, timed) for subject, version, timed, _ in found} == expected
    assert all((kind == "decide_allocation") == (version > 0) for _, version, _, kind in found)
    assert {timed for _, timed in expected.values()} == {True, False}


def test_those_have_a_proposal_to_decide_on_who_may(given: Given, views: Views, log: ListLog) -> None:
    """Against the rules themselves, for everybody and every proposal of a random company."""
    given(*RandomCompany(33, products=40, accounts=90, import_every=EVENTS * 2).events(EVENTS))
    given(*PEOPLE, granted(ANN, Persona.FINANCIAL_ADMIN))
    accounts, people = _states(log), _people(log)
    waits = {task.subject: task for task in views.tasks(None, TODAY) if task.kind == TaskKind.DECIDE_ALLOCATION}
    assert len(waits) > 5
    had = {who: {task.subject for task in views.tasks(who, TODAY)} & set(waits) for who in people}
    answers: dict[tuple[PersonId, Action, PersonId | None], bool] = {}  # most accounts are alike to the rules
    for who, state in people.items():
        for account_id, task in waits.items():
            question = (who, *_asked_of(accounts[account_id]))
            if question not in answers:
                answers[question] = _may_accept(state, *question)
            may = answers[question]
            is_engineer = not any(grant.persona is Persona.FINANCIAL_ADMIN for grant in state.grants)
            # Engineers may make every first allocation, and are asked for those that others have left.
            expected = may and not (is_engineer and not (task.escalated or task.vacant))
            assert (account_id in had[who]) == expected, (who, account_id)
    assert any(had.values())


def _states(log: ListLog) -> dict[str, Account]:
    accounts: dict[str, Account] = {}
    for event in log.events:
        fact: Any = event.fact
        if type(fact) in FACTS:
            accounts[fact.account_id] = evolve(accounts.get(fact.account_id, Account()), fact)
    return accounts


def _people(log: ListLog) -> dict[PersonId, Person]:
    people: dict[PersonId, Person] = {}
    for event in log.events:
        if isinstance(event.fact, PersonFact.__value__):
            fact: Any = event.fact
            people[fact.person_id] = evolve_person(people.get(fact.person_id, Person()), fact)
    return people


def _asked_of(account: Account) -> tuple[Action, PersonId | None]:
    """What the rules look at: the action, and who may not decide on their own proposal."""
    assert account.proposal is not None
    return Action.REMAP_ACCOUNT if account.allocations else Action.ALLOCATE_ACCOUNT, account.proposal.proposed_by


def _may_accept(state: Person, who: PersonId, action: Action, proposed_by: PersonId | None) -> bool:
    context = Context(START, Actor(who, state.grants), Organization(), {}, CedarRights())
    try:
        require(context, action, NodePath.ROOT, submitted_by=[proposed_by] if proposed_by else [])
    except Forbidden:
        return False
    return True
