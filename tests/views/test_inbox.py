"""Who has which task, and why: own seats, the level above, delegations, nobody left."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from domain.business_days import BusinessCalendar
from domain.decision import Action, Actor, Context, Organization, Persona, PersonId
from domain.errors import Forbidden
from domain.people import Granted, GrantWithdrawn, Person, PersonFact, require
from domain.people import evolve as evolve_person
from domain.schedule import Schedule, ScheduleFact, State, evolve, nobody_left
from domain.waiting import Escalated, Reminded, Waiting
from domain.waiting import evolve as evolve_waiting
from rights.cedar import CedarRights
from tests.views.given import (
    ANN,
    BOB,
    EVE,
    START,
    ListLog,
    approved,
    granted,
    line,
    person,
    rejected,
    submitted,
    vended,
)
from tests.views.given_process import (
    delegated,
    delegation_ended,
    escalated,
    grant_withdrawn,
    granted_request,
    reminded,
    requested,
    went_over,
)
from tests.views.random_company import RandomCompany
from views.models import Why
from views.projector import Projector
from views.queries import Views
from views.tasks import DECISIONS

Given = Callable[..., int]
WEB, DIGITAL = "Retail/Digital/Web", "Retail/Digital"
CART, BOOKS, SHOP = f"{WEB}/Cart", f"{WEB}/Books", "Retail/Digital/Webshop/Shop"
ONE = "000000000001"
PIA, PAUL, DEE, FAY = person("pia"), person("paul"), person("dee"), person("fay")
TODAY = date(2026, 3, 4)
EVENTS = 2_500

PEOPLE = (
    granted(PIA, Persona.PRODUCT_OWNER, CART),
    granted(PAUL, Persona.PORTFOLIO_OWNER, WEB),
    granted(DEE, Persona.DEPARTMENT_OWNER, DIGITAL),
    granted(FAY, Persona.FINANCIAL_ADMIN),
    granted(person("bo"), Persona.BU_OWNER, "Retail"),
)


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
        everybody = {"pia": PIA, "paul": PAUL, "dee": DEE, "fay": FAY, "ann": ANN, "bob": BOB, "eve": EVE}
        everybody["bo"] = person("bo")
        found = {name: views.tasks(person_id, TODAY) for name, person_id in everybody.items()}
        return {name: tasks[0].why.value for name, tasks in found.items() if tasks}

    return ask


Whose = Callable[[], dict[str, str]]


def test_tasks_are_of_those_who_hold_the_persona_on_the_node_oldest_first(given: Given, views: Views) -> None:
    given(*PEOPLE, granted(ANN, Persona.PORTFOLIO_OWNER, "Retail/Digital/Webshop"))
    given(
        line(CART, "100"), line(SHOP, "100"), submitted(SHOP, "1", by=BOB), vended(ONE), submitted(BOOKS, "1", by=BOB)
    )
    given(submitted(CART, "1", by=PIA))
    assert [(task.subject, task.why) for task in views.tasks(PAUL)] == [(BOOKS, Why.OWNER), (CART, Why.OWNER)]
    assert [task.subject for task in views.tasks(ANN)] == [SHOP]  # not Web, whose name begins alike
    assert [(task.kind, task.subject) for task in views.tasks(FAY)] == [("allocate_account", ONE)]
    assert (views.tasks(PIA), views.tasks(DEE), views.tasks(BOB)) == ((), (), ())
    given(rejected(CART, "no"))
    assert [(task.kind, task.version, task.detail) for task in views.tasks(PIA)] == [("revise_schedule", 2, "no")]
    assert [task.subject for task in views.tasks()] == [SHOP, ONE, BOOKS, CART]
    assert [task.subject for task in views.tasks(limit=2)] == [SHOP, ONE]


def test_a_limit_shows_the_oldest(given: Given, views: Views) -> None:
    given(granted(PAUL, Persona.PORTFOLIO_OWNER, WEB), granted(PAUL, Persona.PORTFOLIO_OWNER, f"{DIGITAL}/App"))
    for number in range(6):
        given(submitted(f"{(WEB, f'{DIGITAL}/App')[number % 2]}/Product {number}", "1", by=BOB))
    assert [task.subject[-1] for task in views.tasks(PAUL, limit=3)] == ["0", "1", "2"]
    assert len(views.tasks(PAUL, limit=6)) == len(views.tasks(PAUL)) == 6


def test_an_escalated_decision_is_the_department_owners_and_the_financial_admins_too(
    given: Given, whose: Whose, views: Views
) -> None:
    given(*PEOPLE, submitted(CART, "1", by=PIA))
    assert whose() == {"paul": "owner"}
    given(reminded(CART, 1), reminded(CART, 1, 2), escalated(CART, 1))
    assert whose() == {"paul": "owner", "dee": "escalated", "fay": "escalated"}  # BU owners cannot decide
    (task,) = views.tasks(DEE)
    assert (task.reminders, task.escalated, task.vacant, task.persona) == (2, True, False, Persona.PORTFOLIO_OWNER)
    given(rejected(CART, "no"))  # another turn
    assert whose() == {"pia": "owner"}
    given(escalated(CART, 2))
    assert whose() == {"pia": "owner", "paul": "escalated"}


def test_nobody_left_to_decide_makes_it_a_task_of_the_level_above(given: Given, whose: Whose) -> None:
    given(*PEOPLE, submitted(CART, "1", by=PIA), grant_withdrawn(PAUL, Persona.PORTFOLIO_OWNER, WEB))
    assert whose() == {"dee": "nobody_left", "fay": "nobody_left"}
    given(granted(BOB, Persona.PORTFOLIO_OWNER, WEB))
    assert whose() == {"bob": "owner"}
    given(granted(EVE, Persona.PORTFOLIO_OWNER, WEB), grant_withdrawn(BOB, Persona.PORTFOLIO_OWNER, WEB))
    assert whose() == {"eve": "owner"}


def test_whoever_submitted_it_is_nobody_who_could_decide(given: Given, whose: Whose) -> None:
    given(*PEOPLE, submitted(CART, "1", by=PIA, on_behalf_of=PAUL))
    assert whose() == {"dee": "nobody_left", "fay": "nobody_left"}
    given(granted(BOB, Persona.PORTFOLIO_OWNER, WEB))
    assert whose() == {"bob": "owner"}
    given(granted(PIA, Persona.FINANCIAL_ADMIN), escalated(CART, 1))
    assert whose() == {"bob": "owner", "dee": "escalated", "fay": "escalated"}


def test_what_an_owner_must_do_goes_up_where_there_is_no_owner(given: Given, whose: Whose) -> None:
    given(*PEOPLE, line(CART, "100"))
    assert whose() == {"pia": "owner"}
    given(grant_withdrawn(PIA, Persona.PRODUCT_OWNER, CART))
    assert whose() == {"paul": "nobody_left"}
    given(grant_withdrawn(PAUL, Persona.PORTFOLIO_OWNER, WEB))
    assert whose() == {"fay": "nobody_left"}
    given(granted(BOB, Persona.PORTFOLIO_OWNER, WEB))
    assert whose() == {"bob": "nobody_left"}
    given(granted(EVE, Persona.PRODUCT_OWNER, CART))
    assert whose() == {"eve": "owner"}


def test_grants_that_come_with_the_task_in_one_batch_count(
    log: ListLog, database_url: str, views: Views, projector: Projector
) -> None:
    log.add(line(CART, "1"), *PEOPLE, submitted(BOOKS, "1", by=PAUL), grant_withdrawn(PIA, Persona.PRODUCT_OWNER, CART))
    projector.catch_up()
    assert [(task.subject, task.why) for task in views.tasks(PAUL)] == [(CART, Why.NOBODY_LEFT)]
    assert [task.subject for task in views.tasks(DEE)] == [BOOKS]


def test_a_delegate_has_the_tasks_from_the_first_to_the_last_day(given: Given, views: Views) -> None:
    first, last = date(2026, 3, 2), date(2026, 3, 6)
    given(*PEOPLE, submitted(CART, "1", by=PIA), delegated(EVE, PAUL, first, last))

    def on(day: date | None) -> list[str]:
        return [task.subject for task in views.tasks(EVE, day)]

    assert [on(day) for day in (first, last)] == [[CART], [CART]]
    assert [on(day) for day in (first - timedelta(1), last + timedelta(1), None)] == [[], [], []]
    (task,) = views.tasks(EVE, first)
    assert (task.why, task.on_behalf_of) == (Why.OWNER, PAUL)
    assert [task.on_behalf_of for task in views.tasks(PAUL, first)] == [None]  # who still has it
    given(delegation_ended(EVE, PAUL))
    assert on(first) == []


def test_nobody_decides_in_the_place_of_whoever_submitted_it(given: Given, views: Views) -> None:
    given(*PEOPLE, granted(ANN, Persona.PORTFOLIO_OWNER, WEB), delegated(EVE, PAUL, TODAY, TODAY))
    given(submitted(CART, "1", by=PAUL), submitted(BOOKS, "1", by=EVE), submitted(f"{WEB}/Other", "1", by=PIA))
    assert [task.subject for task in views.tasks(EVE, TODAY)] == [f"{WEB}/Other"]
    assert len(views.tasks(ANN, TODAY)) == 3


def test_what_the_whole_organization_holds_cannot_be_delegated(given: Given, views: Views) -> None:
    given(*PEOPLE, delegated(EVE, FAY, TODAY, TODAY), delegated(EVE, DEE, TODAY, TODAY))
    given(vended(ONE), submitted(CART, "1", by=PIA), escalated(CART, 1))
    assert [(t.subject, t.why, t.on_behalf_of) for t in views.tasks(EVE, TODAY)] == [(CART, Why.ESCALATED, DEE)]


def test_a_task_is_shown_once_and_by_the_nearest_reason(given: Given, views: Views) -> None:
    given(
        *PEOPLE,
        *(
            granted(EVE, persona, node)
            for persona, node in (
                (Persona.FINANCIAL_ADMIN, "/"),
                (Persona.DEPARTMENT_OWNER, DIGITAL),
                (Persona.PORTFOLIO_OWNER, WEB),
            )
        ),
    )
    given(delegated(EVE, PAUL, TODAY, TODAY), submitted(CART, "1", by=PIA), escalated(CART, 1))
    assert [(task.why, task.on_behalf_of) for task in views.tasks(EVE, TODAY)] == [(Why.OWNER, None)]


def test_a_year_that_is_over_asks_for_nothing(given: Given, views: Views) -> None:
    given(*PEOPLE, line(CART, "1"), line(CART, "1", 2027))
    assert [task.fiscal_year for task in views.tasks(PIA, date(2026, 12, 31))] == [2026, 2027]
    assert [task.fiscal_year for task in views.tasks(PIA, date(2027, 1, 1))] == [2027]
    assert [task.fiscal_year for task in views.tasks(None, date(2027, 1, 1))] == [2027]


def test_days_of_grace_leave_time(log: ListLog, database_url: str, views: Views) -> None:
    organization = Organization(business=BusinessCalendar(year_grace_days=10))
    log.add(*PEOPLE, line(CART, "1"))
    Projector(log, database_url, organization).catch_up()
    assert [len(views.tasks(PIA, day)) for day in (date(2027, 1, 10), date(2027, 1, 11))] == [1, 0]


def test_a_task_says_when_it_is_due_and_how_long_it_has_waited(given: Given, views: Views) -> None:
    business = BusinessCalendar(holidays=frozenset({date(2026, 1, 7)}))
    given(*PEOPLE, line(CART, "100"), submitted(CART, "1", by=PIA))
    (task,) = views.tasks(PAUL)
    assert task.since == START + timedelta(seconds=7)  # a Monday
    assert task.due_at(business) == datetime(2026, 1, 13, 9, 0, 7, tzinfo=UTC)
    assert task.age_days(business, datetime(2026, 1, 9, 9, tzinfo=UTC)) == 2
    given(approved(CART), went_over(CART))
    (task,) = views.tasks(PIA)
    assert (task.kind, task.timed, task.due_at(business)) == ("reschedule", False, None)
    given(requested(CART, 2), granted_request(CART))
    (task,) = views.tasks(PIA)
    assert (task.kind, task.timed) == ("submit_schedule", True)


def test_those_have_a_decision_who_may_take_it_and_nobody_else(given: Given, views: Views, log: ListLog) -> None:
    """Against the rules themselves, for everybody and every open decision of a random company."""
    given(*RandomCompany(21, products=90, accounts=2, import_every=EVENTS * 2).events(EVENTS))
    world = _World(log)
    expected = {(who, key) for key in world.open for who in world.people if world.may_decide(who, key)}
    found = {
        (who, (task.fiscal_year, task.subject))
        for who in world.people
        for task in views.tasks(who, TODAY)
        if task.kind in DECISIONS
    }
    gone = {key for key in world.open if not any(task_key == key for _, task_key in found)}
    assert found == {(who, key) for who, key in expected if key not in gone}
    assert len(found) > 40
    assert {task.on_behalf_of is None for who in world.people for task in views.tasks(who, TODAY)} == {True, False}
    listed = {(task.fiscal_year, task.subject) for task in views.tasks(None, TODAY)}
    assert not gone & listed, "a decision that waits has to be somebody's"


class _World:
    """The streams of a log, as a decision reads them."""

    def __init__(self, log: ListLog) -> None:
        self.people: dict[PersonId, Person] = {}
        self._schedules: dict[tuple[int, str], tuple[Schedule, Any]] = {}
        self._waiting: dict[tuple[int, str], Waiting] = {}
        self._rights = CedarRights()
        for event in log.events:
            fact: Any = event.fact
            if isinstance(fact, ScheduleFact):
                key = fact.fiscal_year, str(fact.product)
                before = self._schedules[key][0] if key in self._schedules else Schedule()
                self._schedules[key] = evolve(before, fact), fact.product
            elif isinstance(fact, Reminded | Escalated):
                key = fact.fiscal_year, str(fact.product)
                self._waiting[key] = evolve_waiting(self._waiting.get(key, Waiting()), fact)
            elif isinstance(fact, PersonFact.__value__):
                self.people[fact.person_id] = evolve_person(self.people.get(fact.person_id, Person()), fact)
        self.open = [
            key
            for key, (schedule, _) in self._schedules.items()
            if schedule.state in (State.PENDING, State.RESCHEDULE_REQUESTED)
        ]

    def may_decide(self, who: PersonId, key: tuple[int, str]) -> bool:
        schedule, product = self._schedules[key]
        seat = (Persona.PORTFOLIO_OWNER, product.portfolio)
        holders = frozenset(person_id for person_id, state in self.people.items() if seat in state.grants)
        stand_in = self._waiting.get(key, Waiting()).escalated(schedule.turn) or nobody_left(schedule, holders)
        delegators = tuple(Actor(by, self.people.get(by, Person()).grants) for by in self.people[who].delegators(TODAY))
        actor = Actor(who, self.people[who].grants)
        context = Context(START, actor, Organization(), {}, self._rights, delegators)
        action = Action.DECIDE_SCHEDULE if schedule.state is State.PENDING else Action.DECIDE_RESCHEDULE
        try:
            require(context, action, product, submitted_by=schedule.submitters, stand_in=stand_in)
        except Forbidden:
            return False
        return True


def test_the_comparison_would_find_a_grant_that_is_not_followed(given: Given, views: Views, log: ListLog) -> None:
    """The control of the test above."""
    given(*PEOPLE, submitted(CART, "1", by=PIA))
    key = (2026, CART)
    assert _World(log).may_decide(PAUL, key)
    log.add(grant_withdrawn(PAUL, Persona.PORTFOLIO_OWNER, WEB))  # recorded, and not folded yet
    world = _World(log)
    assert (world.may_decide(PAUL, key), world.may_decide(DEE, key)) == (False, True)
    assert [task.subject for task in views.tasks(PAUL)] == [CART]
    assert {Granted, GrantWithdrawn} <= {type(event.fact) for event in log.events}
