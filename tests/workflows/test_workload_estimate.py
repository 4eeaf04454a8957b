"""The process of a workload's estimate: decided by updates and signals, in time, and never stuck."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment, WorkflowEnvironment

from activities.contracts import InformHoldersRequest
from activities.holder_rounds import HolderRounds
from domain.business_days import PLAIN_WEEK
from domain.decision import Accepted, Organization, Persona
from domain.estimate_commands import WithdrawEstimate
from domain.people_commands import WithdrawGrant
from domain.process import REFRESH_SIGNAL, DirectCommand, WorkflowName
from domain.waiting import Escalated, Overdue, Reminded
from domain.workload import State, workload_stream
from tests.workflows.account_stage import ADMIN
from tests.workflows.estimate_stage import EstimateStage, on_estimate_stage
from tests.workflows.simulated import Clock, PassingTime
from tests.workflows.stage import LEAD, ORGANIZATION, OTHER_LEAD, OWNER, PRODUCT, STRANGER, code_of
from views.projector import Projector
from workflows.search_attributes import AWAITING_ROLE, BUDGET_STATE, NODE_PATH


@pytest.fixture
async def stage(temporal_client: Client, database_url: str) -> AsyncIterator[EstimateStage]:
    async with on_estimate_stage(temporal_client, database_url) as made:
        yield made


async def test_a_round_ends_with_its_approval(stage: EstimateStage) -> None:
    await stage.submit()
    view = await stage.until(lambda view: view.state is State.SUBMITTED)
    assert (view.awaiting, view.version, view.turn) == (Persona.PORTFOLIO_OWNER, 2, 2)
    assert view.remind_at
    assert view.since is not None
    assert view.remind_at - view.since >= timedelta(days=2)
    found = (await stage.handle.describe()).typed_search_attributes
    assert found[BUDGET_STATE] == "SUBMITTED"
    assert found[AWAITING_ROLE] == "portfolio_owner"
    assert found[NODE_PATH][-1] == str(PRODUCT)
    details = await stage.details()
    assert "it is the turn of the **portfolio owner**" in details
    assert f"| {stage.launch} | 100.50 | 100.50 |" in details
    assert '"version": 2' in details

    await stage.approve()
    view = await stage.ended()
    assert (view.state, view.awaiting) == (State.APPROVED, "")
    assert view.approved == view.amounts != {}
    assert stage.facts() == ["Created", "EstimateSubmitted", "EstimateApproved"]


async def test_a_rejection_stays_in_the_round_and_a_new_one_begins_after_an_approval(stage: EstimateStage) -> None:
    await stage.submit()
    await stage.reject()
    view = await stage.until(lambda view: view.state is State.REJECTED)
    assert (view.awaiting, view.reason) == (Persona.PRODUCT_OWNER, "too high")
    await stage.submit("50.00")
    await stage.approve(5)
    await stage.ended()
    with pytest.raises(ApplicationError) as refused:
        await stage.submit("40.00")
    assert code_of(refused.value) == ("Refusal", "OtherRound")
    await stage.in_round(2).submit("40.00")
    assert (await stage.in_round(2).view()).round in (1, 2)
    await stage.in_round(2).withdraw()
    view = await stage.in_round(2).ended()
    assert view.state is State.DRAFT
    assert str(view.approved) != "{}"


async def test_deciding_twice_is_answered_after_the_end_and_a_moved_version_is_told(stage: EstimateStage) -> None:
    await stage.submit()
    await stage.approve()
    await stage.ended()
    answer = await stage.approve(actor=OTHER_LEAD)
    assert answer.message == "Version 2 was approved already; that decision stands."
    with pytest.raises(ApplicationError) as refused:
        await stage.reject(1)
    assert code_of(refused.value)[0] == "StaleVersion"
    assert "version 2 submitted" in refused.value.message


@pytest.mark.parametrize(("actor", "code"), [(OWNER, "OwnSubmission"), (STRANGER, "NotGranted"), (ADMIN, "NotGranted")])
async def test_who_may_not_decide_is_refused_and_it_goes_on(stage: EstimateStage, actor: str, code: str) -> None:
    await stage.submit()
    with pytest.raises(ApplicationError) as refused:
        await stage.approve(actor=actor)
    assert code_of(refused.value) == ("Forbidden", code)
    await stage.approve()
    await stage.ended()


async def test_a_command_for_another_workload_or_by_another_door_is_not_taken(stage: EstimateStage) -> None:
    await stage.submit()
    with pytest.raises(ApplicationError, match="send it to the process of that workload"):
        await stage.approve(workload="Another")
    with pytest.raises(ApplicationError, match="cannot come through the channel signal"):
        await stage.approve(channel="signal")
    assert stage.refusals() == []


HOSTILE: dict[str, tuple[str, Any, str]] = {
    "nothing": ("approve", None, "must be a JSON object"),
    "a list": ("reject", [1, 2], "must be a JSON object"),
    "no version": ("approve", {"actor": LEAD}, "version: Field required"),
    "a wrong version": ("reject", {"actor": LEAD, "version": "x", "reason": "y"}, "version: Input should be"),
    "no name of ours": ("allocate", {}, "There is no signal 'allocate' here"),
    "a float": ("submit", {"actor": OWNER, "amounts": {"ui": {"2026-07": "much"}}}, "must be a decimal number"),
    "another workload": ("approve", {"actor": LEAD, "version": 2, "workload": "Else"}, "send it to the process of"),
    "the system": ("approve", {"actor": "system", "version": 2}, "may act as the system"),
    "a reminder": ("remind", {"actor": LEAD, "turn": 2, "count": 1}, "There is no signal 'remind' here"),
}


async def test_no_signal_stops_it_and_none_passes_unseen(stage: EstimateStage) -> None:
    await stage.submit()
    for count, (name, payload, message) in enumerate(HOSTILE.values(), start=1):
        await stage.handle.signal(name, payload)
        refusal = await stage.refused(count)
        assert message in refusal.message, name
        assert refusal.subject == str(workload_stream(PRODUCT, stage.workload))
    count = len(HOSTILE)
    await stage.handle.signal("approve", args=[{"actor": LEAD, "version": 2}, 2])
    raw = RawValue(Payload(metadata={"encoding": b"json/plain"}, data=b"\xff" * 1000))
    await stage.handle.signal("approve", raw)
    huge = RawValue(Payload(metadata={"encoding": b"json/plain"}, data=json.dumps("x" * 100_000).encode()))
    await stage.handle.signal("approve", huge)
    await stage.refused(count + 3)
    await stage.handle.signal(REFRESH_SIGNAL)
    assert (await stage.handle.describe()).status is WorkflowExecutionStatus.RUNNING
    assert f"**Refused messages: {count + 3}**" in await stage.details()
    await stage.handle.signal("approve", {"actor": LEAD, "version": 2})
    view = await stage.ended()
    assert (view.state, view.refusals) == (State.APPROVED, count + 3)


async def test_it_decides_nothing_by_signals_where_claimed_actors_are_not_accepted(
    temporal_client: Client, database_url: str
) -> None:
    async with on_estimate_stage(temporal_client, database_url, accept_claimed_actors=False) as stage:
        await stage.submit()
        await stage.handle.signal("approve", {"actor": LEAD, "version": 2})
        assert (await stage.refused(1)).code == "ClaimedActor"
        await stage.withdraw()
        await stage.ended()


async def test_a_workload_that_is_not_there_is_refused_and_its_process_ends(stage: EstimateStage) -> None:
    other = EstimateStage(stage.client, stage.ledger, stage.queue, stage.clock)
    with pytest.raises(ApplicationError) as refused:
        await other.submit()
    assert code_of(refused.value) == ("NotFound", "UnknownWorkload")
    assert (await other.ended()).version == 0
    assert "There is no such workload" in await other.details()


async def test_a_process_started_by_hand_without_input_ends_and_says_so(stage: EstimateStage) -> None:
    handle = await stage.client.start_workflow(
        WorkflowName.WORKLOAD_ESTIMATE, id=f"by-hand/{stage.workload}", task_queue=stage.queue
    )
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()
    assert "without input" in str(failed.value.cause)


async def test_an_estimate_is_not_decided_past_its_process(stage: EstimateStage) -> None:
    command = WithdrawEstimate(**stage.address(OWNER))
    with pytest.raises(WorkflowFailureError) as failed:
        await stage.client.execute_workflow(
            WorkflowName.DIRECT_DECISION,
            DirectCommand(command=command),
            id=f"decision/{command.command_id}",
            task_queue=stage.queue,
        )
    assert "use `allot workload`" in str(failed.value.cause)


async def test_it_goes_on_in_another_run_when_its_history_grows_long(
    impatient_client: Client, database_url: str
) -> None:
    async with on_estimate_stage(impatient_client, database_url) as stage:
        await stage.submit()
        first_run = (await stage.handle.describe()).run_id
        sent = 0
        while (await stage.handle.describe()).run_id == first_run:
            await stage.handle.signal("nonsense", 1)
            sent += 1
        # A new run knows of its refusals at once, and reads the ledger first of all.
        await stage.until(lambda view: view.refusals == sent and view.state is State.SUBMITTED)
        await stage.approve()
        assert (await stage.ended()).state is State.APPROVED


async def test_where_the_last_owner_of_the_portfolio_leaves_the_level_above_is_asked_at_once(
    stage: EstimateStage, database_url: str
) -> None:
    await stage.submit()
    await stage.until(lambda view: view.remind_at is not None)
    for lead in (LEAD, OTHER_LEAD):
        withdrawal = WithdrawGrant(
            command_id=uuid4(), actor=ADMIN, person=lead, persona=Persona.PORTFOLIO_OWNER, node=PRODUCT.portfolio
        )
        outcome = stage.ledger.record(withdrawal)
        assert isinstance(outcome, Accepted), outcome
        Projector(stage.ledger, database_url, ORGANIZATION).catch_up()
        news = InformHoldersRequest(command_id=withdrawal.command_id, position=outcome.position, events=outcome.events)
        rounds = HolderRounds(stage.ledger, stage.client, database_url)
        told = await ActivityEnvironment().run(rounds.inform, news)
        assert told.informed == (lead == OTHER_LEAD)
    await stage.until(lambda view: view.escalated)
    assert [fact.reason for fact in stage.waits()] == [Overdue.NOBODY_LEFT]
    await stage.approve(actor=ADMIN)
    await stage.ended()


@pytest.mark.slow
async def test_reminders_come_after_two_business_days_and_the_level_above_after_five(
    time_skipping_env: WorkflowEnvironment, database_url: str
) -> None:
    clock = Clock(await time_skipping_env.get_current_time())
    passing = PassingTime(time_skipping_env, clock)
    with time_skipping_env.auto_time_skipping_disabled():
        async with on_estimate_stage(
            time_skipping_env.client, database_url, organization=Organization(business=PLAIN_WEEK), clock=clock
        ) as stage:
            await stage.submit()
            view = await stage.until(lambda view: view.remind_at is not None)
            assert view.since is not None
            assert (view.remind_at, view.escalate_at) == (
                PLAIN_WEEK.after(view.since, 2),
                PLAIN_WEEK.after(view.since, 5),
            )
            await passing.pass_days(10)
            await stage.until(lambda view: view.escalated)
            kinds = [type(fact) for fact in stage.waits()]
            assert kinds.count(Escalated) == 1
            assert kinds[:2] == [Reminded, Reminded]
            await stage.approve(actor=ADMIN)
            await stage.ended()
            assert stage.facts()[-1] == "EstimateApproved"


@pytest.mark.slow
async def test_the_round_ends_with_the_fiscal_year_of_the_workload_s_end(
    time_skipping_env: WorkflowEnvironment, database_url: str
) -> None:
    clock = Clock(await time_skipping_env.get_current_time())
    passing = PassingTime(time_skipping_env, clock)
    with time_skipping_env.auto_time_skipping_disabled():
        async with on_estimate_stage(time_skipping_env.client, database_url, clock=clock) as stage:
            await stage.submit()
            view = await stage.until(lambda view: view.year_ends_at is not None)
            assert view.year_ends_at is not None
            await passing.pass_until(view.year_ends_at + timedelta(minutes=1))
            view = await stage.ended()
            assert (view.state, stage.facts()[-1]) == (State.DRAFT, "EstimateLapsed")
