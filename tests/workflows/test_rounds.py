"""All rounds of a schedule: withdraw, revise, reschedule both ways, loads, and rounds that are over."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest
from temporalio.client import WorkflowExecutionStatus
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities import schedule_waiting
from activities.contracts import InformRequest
from activities.schedule_waiting import ScheduleWaiting
from domain.decision import Accepted
from domain.hierarchy import NodePath
from domain.process import REFRESH_SIGNAL, UpdateName
from domain.schedule import State
from domain.schedule_decisions import ApproveSchedule
from tests.workflows.round_scenarios import second_round
from tests.workflows.stage import (
    LEAD,
    ORGANIZATION,
    OTHER_LEAD,
    PRODUCT,
    Stage,
    budget_of,
    code_of,
    own,
)


async def is_running(stage: Stage) -> bool:
    return (await stage.handle.describe()).status is WorkflowExecutionStatus.RUNNING


async def test_what_was_withdrawn_waits_for_nobody_and_can_be_submitted_again(stage: Stage) -> None:
    await stage.submit()
    await stage.withdraw()
    assert (await stage.handle.result()).state is State.DRAFT
    await stage.submit("90.00")

    assert (await stage.view()).state is State.PENDING
    assert stage.facts() == ["schedule.Submitted", "schedule.Withdrawn", "schedule.Submitted"]


async def test_a_rejected_schedule_can_be_revised_before_it_is_submitted_again(stage: Stage) -> None:
    await stage.submit()
    await stage.reject()
    await stage.revise()

    assert (await stage.handle.result()).state is State.DRAFT


async def test_a_granted_reschedule_leaves_the_approved_one_in_force_until_its_successor_is(stage: Stage) -> None:
    second = await second_round(stage)
    await second.request_reschedule()
    await second.grant(version=3)
    await second.submit("90.00")
    pending, details = await second.view(), await second.details()
    await second.approve(version=5)
    result = await second.handle.result()

    assert set(pending.approved.values()) == {"100.00"}
    assert set(pending.amounts.values()) == {"90.00"}
    assert "| Month | Approved | Submitted |" in details
    assert "| 2026-12 | 100.00 | 90.00 |" in details
    assert (result.state, result.round, set(result.approved.values())) == (State.APPROVED, 2, {"90.00"})


async def test_with_the_schedule_attached_one_decision_does_both(stage: Stage) -> None:
    second = await second_round(stage)
    await second.request_reschedule("80.00")
    granted = await second.grant(version=3)
    result = await second.handle.result()

    assert (granted.events, granted.version) == (2, 5)
    assert (result.state, result.planned, result.version) == (State.APPROVED, "960.00", 5)


async def test_a_denied_reschedule_ends_its_round(stage: Stage) -> None:
    second = await second_round(stage)
    await second.request_reschedule()
    await second.deny(version=3)
    result = await second.handle.result()

    assert (result.state, result.round, set(result.approved.values())) == (State.APPROVED, 2, {"100.00"})


async def test_a_granted_reschedule_can_be_given_up(stage: Stage) -> None:
    second = await second_round(stage)
    await second.request_reschedule()
    await second.grant(version=3)
    assert (await second.view()).awaiting == "product_owner"
    await second.withdraw()

    assert (await second.handle.result()).state is State.APPROVED


async def test_a_refused_request_leaves_no_process_behind(stage: Stage) -> None:
    second = await second_round(stage)
    with pytest.raises(ApplicationError) as refused:
        await second.request_reschedule(actor=LEAD)

    assert refused.value.type == "Forbidden"
    assert (await second.handle.result()).round == 1


async def test_the_process_of_another_round_ends_and_answers_what_was_decided_in_its_own(stage: Stage) -> None:
    second = await second_round(stage)
    await second.request_reschedule()
    again = await stage.approve(version=1, actor=OTHER_LEAD)
    result = await stage.handle.result()

    assert (again.events, again.message) == (0, "Version 1 was approved already; that decision stands.")
    assert (result.round, result.state) == (2, State.RESCHEDULE_REQUESTED)
    assert await is_running(second)


async def test_a_decision_through_the_process_of_another_round_is_refused_with_the_rule_s_words(stage: Stage) -> None:
    second = await second_round(stage)
    await second.request_reschedule()
    for other in (stage, stage.in_round(7)):
        command = ApproveSchedule(**second.address(LEAD), version=3)
        with pytest.raises(ApplicationError, match="belongs to round 2 of") as refused:
            await other.send(UpdateName.APPROVE, command)
        assert code_of(refused.value)[1] == "OtherRound"
        await other.handle.result()

    assert (await second.grant(version=3)).events == 1


async def test_the_details_of_a_round_that_is_over_lead_to_the_present_one(stage: Stage) -> None:
    second = await second_round(stage)
    await second.request_reschedule()
    await stage.approve(version=1, actor=OTHER_LEAD)
    await stage.handle.result()
    details = await stage.details()

    assert "This round is over: the schedule is in round 2 now" in details
    assert "Signal `" not in details


async def test_a_load_that_no_longer_fits_returns_it_and_its_process_learns_of_it(stage: Stage) -> None:
    product = NodePath((*PRODUCT.parts[:3], f"Checkout {uuid4().hex[:8]}"))
    other = NodePath((*PRODUCT.parts[:3], f"Search {uuid4().hex[:8]}"))
    stage.ledger.record(budget_of(products=(product, other), month=2))
    # The activity knows processes by their real ids only.
    returned, untouched = (replace(stage, product=each, apart="") for each in (product, other))
    own(stage, product)
    own(stage, other)
    await returned.submit()
    await untouched.submit()
    load = budget_of(products=(product, other, PRODUCT), annual="1100.00", month=6)
    load = load.model_copy(update={"rows": (load.rows[0], load.rows[2])})
    outcome = stage.ledger.record(load)
    assert isinstance(outcome, Accepted)
    waiting = ScheduleWaiting(stage.ledger, ORGANIZATION, stage.client)
    request = InformRequest(fiscal_year=stage.year, command_id=load.command_id, position=outcome.position)
    result = await ActivityEnvironment(client=stage.client).run(waiting.inform_rounds, request)

    assert result.informed == 1
    assert (await returned.handle.result()).state is State.DRAFT
    assert returned.facts() == ["schedule.Submitted", "schedule.Returned"]
    assert await is_running(untouched)
    await untouched.withdraw()


async def test_a_round_is_told_however_much_of_others_stands_between_in_the_log(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two loads at the same time take turns in the log, and one of them may be held up for thousands of places."""
    monkeypatch.setattr(schedule_waiting, "EVENTS_AT_ONCE", 2)
    product = NodePath((*PRODUCT.parts[:3], f"Checkout {uuid4().hex[:8]}"))
    here = replace(stage, product=product, apart="")
    own(stage, product)
    stage.ledger.record(budget_of(products=(product,), month=2))
    await here.submit()
    load = budget_of(products=(product,), annual="1100.00", month=6)
    stage.ledger.record(load)
    stage.ledger.record(budget_of(2030))
    last = stage.ledger.record(budget_of(2031)).position  # as if the load's own last event stood there
    waiting = ScheduleWaiting(stage.ledger, ORGANIZATION, stage.client)
    request = InformRequest(fiscal_year=stage.year, command_id=load.command_id, position=last)
    result = await ActivityEnvironment(client=stage.client).run(waiting.inform_rounds, request)

    assert result.informed == 1
    assert (await here.handle.result()).state is State.DRAFT


async def test_open_rounds_that_still_fit_show_the_new_annual_budget(stage: Stage) -> None:
    await stage.submit("50.00")
    stage.ledger.record(budget_of(annual="700.00", month=6))
    await stage.handle.signal(REFRESH_SIGNAL, args=["whatever", {"is": "sent"}])
    await stage.settled()
    view = await stage.view()

    assert (view.state, view.annual, view.refusals) == (State.PENDING, "700.00", 0)
    assert "| Annual budget | 700.00 |" in await stage.details()


async def test_labels_of_that_year_are_shown(stage: Stage) -> None:
    await stage.submit()
    assert "Business Unit › Department › Portfolio › Product" in await stage.details()
