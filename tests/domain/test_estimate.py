"""Estimates of workloads: submitted, decided by somebody else, counted only when approved; and what time does."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from domain.calendar import Month
from domain.decision import SYSTEM_ID, Actor, Event, Persona
from domain.errors import Forbidden, StaleVersion
from domain.estimate_commands import AMOUNT_MAX, LINK_CHARS_MAX
from domain.waiting import Escalated, Overdue, Reminded
from domain.workload import (
    Component,
    EstimateApproved,
    EstimateLapsed,
    EstimateRevised,
    EstimateSubmitted,
    State,
    by_month,
    counted,
    sum_of,
)
from tests.domain.accounts_given import closed
from tests.domain.specs import ADMIN, CHECKOUT, LEAD, OWNER, actor, decide
from tests.domain.workload_given import (
    AMOUNTS,
    APPROVED,
    DECEMBER,
    EXISTS,
    JULY,
    REJECTED,
    SUBMITTED,
    approve,
    approved,
    created,
    end_moved,
    escalate,
    escalated,
    facts,
    lapse,
    lapsed,
    refused,
    reject,
    rejected,
    remind,
    reminded,
    renamed,
    revise,
    revised,
    submit,
    submitted,
    taken_back,
    withdraw,
    workload_of,
)

HEAD = actor("head", (Persona.DEPARTMENT_OWNER, CHECKOUT.portfolio.parent))
SYSTEM = Actor(SYSTEM_ID)
NEXT_YEAR = datetime(2027, 1, 1, tzinfo=UTC)
LOWER = {Component.APPLICATION: {JULY: "90.00"}}


def one(amount: str, month: Month = JULY) -> dict[Component, Any]:
    return {Component.OTHER: {month: amount}}


def test_the_owner_submits_and_the_first_approval_counts() -> None:
    assert facts(decide(submit(), OWNER, EXISTS)) == [submitted().fact]
    assert sum_of(workload_of(SUBMITTED).amounts or {}) == Decimal("843.00")
    decision = decide(approve(2), LEAD, SUBMITTED)
    assert facts(decision) == [approved(2).fact]
    assert decision.authority.policies == ("estimate-decide",)
    assert workload_of(SUBMITTED).approved is None
    assert workload_of(APPROVED).approved == workload_of(SUBMITTED).amounts


@pytest.mark.parametrize(
    ("amounts", "code"),
    [
        (one("-0.01"), "NegativeAmount"),
        (one("0.001"), "TooManyDecimals"),
        (one(str(AMOUNT_MAX + 1)), "AmountTooLarge"),
        (one("1", Month(2026, 6)), "WrongMonths"),
        (one("1", DECEMBER.plus(1)), "WrongMonths"),
    ],
)
def test_what_is_no_payable_amount_in_a_month_of_the_workload_is_refused(amounts: Any, code: str) -> None:
    assert refused(submit(amounts), OWNER, EXISTS).code == code
    assert decide(submit(one(str(AMOUNT_MAX))), OWNER, EXISTS).events


@pytest.mark.parametrize("amounts", [{}, {"gold": {}}, {"ui": {"2026-07": 1.5}}, {"ui": {"July": "1"}}])
def test_what_is_no_estimate_is_no_command(amounts: Any) -> None:
    with pytest.raises(ValidationError):
        submit(amounts)


@pytest.mark.parametrize(
    "link",
    [
        "http://calculator.aws/#/estimate?id=1",
        "https://calculator.aws.example.com/",
        "https://someone@calculator.aws/",
        "https://calculator.aws:444/",
        "https://calculator.aws/\u202e",
        "https://calculator.aws/ x",
        "javascript:alert(1)",
        "https://[calculator.aws/",
        "https://calculator.aws/" + "x" * LINK_CHARS_MAX,
    ],
)
def test_a_link_leads_to_the_pricing_calculator_or_is_refused(link: str) -> None:
    with pytest.raises(ValidationError):
        submit(calculator_url=link)


def test_a_link_to_the_pricing_calculator_is_kept() -> None:
    link = "https://calculator.aws/#/estimate?id=0123456789abcdef"
    (fact,) = facts(decide(submit(calculator_url=link), OWNER, EXISTS))
    assert isinstance(fact, EstimateSubmitted)
    assert fact.calculator_url == link


def test_what_waits_is_taken_back_and_what_was_rejected_is_revised() -> None:
    assert facts(decide(withdraw(), OWNER, SUBMITTED)) == [taken_back().fact]
    assert facts(decide(revise(), OWNER, REJECTED)) == [revised().fact]
    again = facts(decide(submit(), OWNER, REJECTED))
    assert [type(fact) for fact in again] == [EstimateRevised, EstimateSubmitted]
    assert again[1] == submitted().fact  # in the same round
    assert refused(submit(), OWNER, SUBMITTED).code == "NotSubmittable"
    assert refused(withdraw(), OWNER, EXISTS).code == "NothingToWithdraw"
    assert refused(revise(), OWNER, SUBMITTED).code == "NotRejected"


def test_an_approved_estimate_counts_until_its_successor_is_approved() -> None:
    for later in ([], [rejected(4)], [rejected(4), revised()], [taken_back()], [lapsed()]):
        workload = workload_of([*APPROVED, submitted(LOWER, round_=2), *later])
        assert sum_of(workload.approved or {}) == Decimal("843.00")
    workload = workload_of([*APPROVED, submitted(LOWER, round_=2), approved(4)])
    assert sum_of(workload.approved or {}) == Decimal("90.00")


def test_each_submission_after_an_approval_begins_a_round() -> None:
    (fact,) = facts(decide(submit(round=2), OWNER, APPROVED))
    assert isinstance(fact, EstimateSubmitted)
    assert fact.round == 2
    assert refused(submit(round=1), OWNER, APPROVED).code == "OtherRound"
    assert refused(approve(2, round=2), LEAD, SUBMITTED).code == "OtherRound"


def test_nobody_decides_on_their_own_submission() -> None:
    both = actor("owner", (Persona.PORTFOLIO_OWNER, CHECKOUT.portfolio))
    assert refused(approve(2), both, SUBMITTED).code == "OwnSubmission"
    delegate = actor("delegate")
    refusal = refused(approve(2), delegate, [*EXISTS, submitted(by="delegate", behalf="owner")], delegators=(LEAD,))
    assert refusal.code == "OwnSubmission"
    decision = decide(approve(2), delegate, SUBMITTED, delegators=(LEAD,))
    assert decision.authority.on_behalf_of == LEAD.person_id


@pytest.mark.parametrize("by", [OWNER, ADMIN, HEAD])
def test_nobody_else_decides(by: Actor) -> None:
    assert isinstance(refused(approve(2), by, SUBMITTED), Forbidden)


def test_the_level_above_stands_in_after_escalation_or_where_nobody_is_left() -> None:
    for by in (ADMIN, HEAD):
        assert decide(approve(2), by, [*SUBMITTED, escalated(2)]).events
        assert decide(approve(2), by, [event for event in SUBMITTED if event != EXISTS[2]]).events
        assert isinstance(refused(approve(2), by, [*SUBMITTED, escalated(1)]), Forbidden)
    assert decide(approve(2), ADMIN, [*APPROVED, escalated(2)]).events == ()


def test_deciding_twice_is_answered_with_the_first_decision() -> None:
    decision = decide(reject(2), LEAD, APPROVED)
    assert decision.events == ()
    assert decision.message == "Version 2 was approved already; that decision stands."
    assert decide(approve(2), LEAD, [*REJECTED, revised(), submitted(LOWER)]).events == ()


def test_a_decision_on_a_version_that_has_moved_is_told_what_changed() -> None:
    refusal = refused(approve(2), LEAD, [*SUBMITTED, taken_back(), submitted(LOWER)])
    assert isinstance(refusal, StaleVersion)
    assert "version 3 withdrawn; version 4 submitted, 90.00 USD in all" in refusal.message
    assert isinstance(refused(approve(2), LEAD, [*SUBMITTED, renamed()]), StaleVersion)
    assert refused(approve(1), LEAD, EXISTS).code == "NotDecidable"


def test_closed_months_stay_as_approved() -> None:
    later = datetime(2026, 8, 20, tzinfo=UTC)
    given = [*APPROVED, *closed(JULY)]
    kept = {Component.APPLICATION: {JULY: "100.50"}, Component.DATABASE: {JULY: "40.00"}}
    assert decide(submit(kept), OWNER, given, now=later).events
    refusal = refused(submit(LOWER), OWNER, given, now=later)
    assert refusal.code == "ClosedMonth"
    assert "2026-07 must stay as approved" in refusal.message
    assert decide(submit(LOWER), OWNER, [*EXISTS, *closed(JULY)], now=later).events


def test_only_months_before_the_end_of_the_workload_count() -> None:
    amounts = workload_of(APPROVED).approved or {}
    assert by_month(amounts)[JULY] == Decimal("140.50")
    ends_on = workload_of([*APPROVED, end_moved(Month(2026, 8))]).ends_on
    assert list(by_month(counted(amounts, ends_on))) == [JULY, Month(2026, 8)]
    assert list(by_month(counted(amounts, date(2026, 8, 2)))) == [JULY, Month(2026, 8)]
    assert list(by_month(counted(amounts, date(2026, 8, 1)))) == [JULY]


def test_reminders_and_the_escalation_are_of_one_turn() -> None:
    assert facts(decide(remind(2), SYSTEM, SUBMITTED)) == [reminded(2).fact]
    assert decide(remind(2), SYSTEM, [*SUBMITTED, reminded(2)]).events == ()
    assert isinstance(facts(decide(remind(2, 2), SYSTEM, [*SUBMITTED, reminded(2)]))[0], Reminded)
    assert facts(decide(escalate(2), SYSTEM, SUBMITTED)) == [escalated(2).fact]
    assert decide(escalate(2), SYSTEM, [*SUBMITTED, escalated(2)]).events == ()
    for given in (APPROVED, [*SUBMITTED, taken_back()]):
        assert decide(remind(2), SYSTEM, given).events == decide(escalate(2), SYSTEM, given).events == ()
    (fact,) = facts(decide(escalate(2), SYSTEM, [e for e in SUBMITTED if e != EXISTS[2]]))
    assert isinstance(fact, Escalated)
    assert fact.reason is Overdue.NOBODY_LEFT
    (fact,) = facts(decide(remind(3), SYSTEM, REJECTED))
    assert isinstance(fact, Reminded)
    assert (fact.persona, fact.node) == (Persona.PRODUCT_OWNER, CHECKOUT)


def test_the_round_ends_with_the_fiscal_year_in_which_the_workload_ends() -> None:
    assert decide(lapse(), SYSTEM, SUBMITTED).events == ()
    assert facts(decide(lapse(), SYSTEM, SUBMITTED, now=NEXT_YEAR)) == [lapsed().fact]
    assert workload_of([*SUBMITTED, lapsed()]).state is State.DRAFT
    assert workload_of([*APPROVED, submitted(round_=2), lapsed()]).state is State.APPROVED
    assert refused(approve(2), LEAD, SUBMITTED, now=NEXT_YEAR).code == "YearEnded"
    assert refused(submit(), OWNER, EXISTS, now=NEXT_YEAR).code == "WorkloadEnded"
    longer = [*EXISTS[:-1], created(end=Month(2027, 6)), submitted()]
    assert isinstance(facts(decide(submit(one("1", Month(2027, 6))), OWNER, longer[:-1]))[0], EstimateSubmitted)


@pytest.mark.parametrize("command", [remind(2), escalate(2), lapse()])
def test_time_is_nobody_s_but_allot_s(command: Any) -> None:
    assert refused(command, ADMIN, SUBMITTED).code == "SystemOnly"


def test_the_history_of_a_workload_folds_to_where_it_stands() -> None:
    steps: list[tuple[Event, State]] = [
        (submitted(), State.SUBMITTED),
        (rejected(2), State.REJECTED),
        (revised(), State.DRAFT),
        (submitted(), State.SUBMITTED),
        (taken_back(), State.DRAFT),
        (submitted(), State.SUBMITTED),
        (approved(7), State.APPROVED),
    ]
    given = list(EXISTS)
    for event, state in steps:
        given.append(event)
        assert workload_of(given).state is state
    assert isinstance(given[-1].fact, EstimateApproved)
    assert not isinstance(given[-1].fact, EstimateLapsed)
    assert workload_of(given).version == 8
    assert workload_of(given).amounts == {
        component: {month: Decimal(amount) for month, amount in months.items()} for component, months in AMOUNTS.items()
    }
