"""One round of a schedule, on a real server, with the real ledger."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

import pytest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from domain.decision import Channel
from domain.hierarchy import NodePath
from domain.process import ScheduleView, UpdateName
from domain.schedule import State
from domain.schedule_decisions import ApproveSchedule
from tests.workflows.stage import LEAD, OTHER_LEAD, OWNER, PRODUCT, STRANGER, YEAR, Stage, code_of, on_stage

REVISED_AND_APPROVED = [
    "schedule.Submitted",
    "schedule.Rejected",
    "schedule.Revised",
    "schedule.Submitted",
    "schedule.Approved",
]


async def status(stage: Stage) -> WorkflowExecutionStatus | None:
    return (await stage.handle.describe()).status


async def test_a_schedule_is_submitted_and_approved_and_then_its_process_ends(stage: Stage) -> None:
    submitted = await stage.submit()
    await stage.settled()
    view = await stage.view()
    approved = await stage.approve(version=submitted.version)
    result: ScheduleView = await stage.handle.result()

    assert (submitted.version, approved.version) == (1, 2)
    assert (view.state, view.awaiting, view.annual, view.planned) == (State.PENDING, "portfolio_owner", "1200.00", "0")
    assert (result.state, result.version, result.awaiting) == (State.APPROVED, 2, "")
    assert (result.planned, result.approved) == ("1200.00", view.amounts)
    assert stage.facts() == ["schedule.Submitted", "schedule.Approved"]


async def test_a_rejection_stays_in_the_round_until_a_new_submission_is_approved(stage: Stage) -> None:
    await stage.submit()
    await stage.reject()
    assert await status(stage) is WorkflowExecutionStatus.RUNNING
    first_run = (await stage.handle.describe()).run_id
    await stage.submit("50.00")
    await stage.approve(version=4)

    assert (await stage.handle.result()).version == 5
    assert (await stage.handle.describe()).run_id == first_run
    assert stage.facts() == REVISED_AND_APPROVED


async def test_a_round_ends_when_its_first_submission_is_refused(stage: Stage) -> None:
    with pytest.raises(ApplicationError, match=r"12\.00 over the annual budget") as refused:
        await stage.submit("101.00")
    result = await stage.handle.result()

    assert code_of(refused.value) == ("Refusal", "OverAnnual")
    assert result.state is State.DRAFT
    assert [refusal.code for refusal in stage.refusals()] == ["OverAnnual"]
    await stage.submit()  # the next attempt starts the same process again
    assert await status(stage) is WorkflowExecutionStatus.RUNNING


async def test_of_two_approvals_at_once_one_is_recorded_and_both_are_told(stage: Stage) -> None:
    await stage.submit()
    answers = await asyncio.gather(stage.approve(actor=LEAD), stage.approve(actor=OTHER_LEAD))

    assert sorted(answer.events for answer in answers) == [0, 1]
    assert stage.facts().count("schedule.Approved") == 1


async def test_deciding_again_after_the_end_is_answered_with_the_first_decision(stage: Stage) -> None:
    await stage.submit()
    await stage.approve()
    await stage.handle.result()
    again = await stage.approve(actor=OTHER_LEAD)
    opposite = await stage.reject()

    assert (again.events, again.message) == (0, "Version 1 was approved already; that decision stands.")
    assert opposite.message == again.message
    assert (await stage.handle.result()).state is State.APPROVED
    assert stage.facts() == ["schedule.Submitted", "schedule.Approved"]


async def test_a_decision_on_a_version_that_moved_is_refused_and_the_process_goes_on(stage: Stage) -> None:
    await stage.submit()
    await stage.reject()
    await stage.submit()
    with pytest.raises(ApplicationError, match="now at version 4") as refused:
        await stage.approve(version=2)

    assert code_of(refused.value)[0] == "StaleVersion"
    assert (await stage.approve(version=4)).version == 5


async def test_the_same_command_again_gets_the_same_answer(stage: Stage) -> None:
    command_id = uuid4()
    first = await stage.submit(command_id=command_id)
    same_update = await stage.submit(command_id=command_id)
    other_update = await stage.send(UpdateName.SUBMIT, stage.submission(command_id=command_id), update_id="another")

    assert first == same_update == other_update
    assert stage.facts() == ["schedule.Submitted"]


async def test_a_command_id_that_belongs_to_another_command_is_a_conflict(stage: Stage) -> None:
    command_id = uuid4()
    await stage.submit(command_id=command_id)
    with pytest.raises(ApplicationError) as conflict:
        await stage.send(UpdateName.SUBMIT, stage.submission("1.00", command_id=command_id), update_id="another")

    assert conflict.value.type == "CommandConflict"
    assert (await stage.approve()).version == 2


@pytest.mark.parametrize(
    ("actor", "code"), [(STRANGER, "NotGranted"), (OWNER, "OwnSubmission"), ("nobody@example.com", "UnknownPerson")]
)
async def test_whoever_may_not_decide_is_refused_and_the_refusal_kept(stage: Stage, actor: str, code: str) -> None:
    await stage.submit()
    with pytest.raises(ApplicationError) as refused:
        await stage.approve(actor=actor)

    assert code_of(refused.value)[1] == code
    assert [refusal.code for refusal in stage.refusals()] == [code]
    assert await status(stage) is WorkflowExecutionStatus.RUNNING


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fiscal_year": 2027}, "send it to the process of that product"),
        ({"product": NodePath(("Retail", "Digital", "Web", "Search"))}, "send it to the process of that product"),
        ({"channel": Channel.SIGNAL}, "cannot come through the channel signal"),
        ({"channel": Channel.WORKFLOW}, "cannot come through the channel workflow"),
    ],
)
async def test_an_update_at_the_wrong_address_leaves_no_trace(
    stage: Stage, change: dict[str, object], message: str
) -> None:
    await stage.submit()
    await stage.settled()
    before = (await stage.handle.describe()).history_length
    command = ApproveSchedule(**{**stage.address(LEAD), **change}, version=1)
    with pytest.raises(ApplicationError, match=message) as refused:
        await stage.send(UpdateName.APPROVE, command)

    assert refused.value.type == "BadInput"
    assert (await stage.handle.describe()).history_length == before


async def test_malformed_updates_are_turned_away(stage: Stage) -> None:
    await stage.submit()
    malformed: tuple[object, ...] = (None, 7, "approve", [], {}, {"version": "x"}, {"version": 0}, {"actor": ""})
    for payload in malformed:
        with pytest.raises(ApplicationError):
            await stage.send(UpdateName.APPROVE, payload)
    with pytest.raises(ApplicationError, match="not found"):
        await stage.send("nonsense", {})
    for arguments in ([], [1, 2]):
        with pytest.raises(WorkflowUpdateFailedError):
            await stage.handle.execute_update("approve", args=arguments)

    assert (await stage.approve()).events == 1


async def test_a_text_with_a_nul_character_is_refused_and_stops_nothing(stage: Stage) -> None:
    await stage.submit()
    address = {name: str(value) for name, value in stage.address(LEAD).items()}
    with pytest.raises(ApplicationError, match="control characters"):
        await stage.send(UpdateName.REJECT, {**address, "version": 1, "reason": "a\0b"})

    assert (await stage.approve()).events == 1


async def test_a_product_without_a_budget_is_refused(stage: Stage) -> None:
    unknown = replace(stage, product=NodePath(("Retail", "Digital", "Web", "Nothing")))
    with pytest.raises(ApplicationError, match="There is no product") as refused:
        await unknown.submit()

    assert code_of(refused.value) == ("NotFound", "UnknownProduct")
    assert (await unknown.handle.result()).annual == ""


async def test_the_list_of_processes_can_be_filtered_by_state_year_node_and_role(stage: Stage) -> None:
    await stage.submit()
    query = (
        f'WorkflowId = "{stage.process_id}" AND BudgetState = "PENDING" AND FiscalYear = {YEAR} '
        f'AND NodePath = "Retail/Digital" AND AwaitingRole = "portfolio_owner"'
    )
    found: list[str] = []
    for _ in range(50):
        if found := [execution.id async for execution in stage.client.list_workflows(query)]:
            break
        await asyncio.sleep(0.1)

    assert found == [stage.process_id]


async def test_current_details_tell_a_person_what_is_going_on(stage: Stage) -> None:
    await stage.submit("90.50")
    await stage.settled()
    details = await stage.details()

    for expected in (
        "Retail › Digital › Web › Checkout",
        "**PENDING** at version 1",
        "the turn of the **portfolio owner**, since 20",
        "| Annual budget | 1,200.00 |",
        "| Submitted | 1,086.00 |",
        "| Annual less submitted | 114.00 |",
        "| 2026-12 | 90.50 |",
        '"version": 1',
    ):
        assert expected in details
    assert "@example.com" not in details.replace("you@example.com", "")
    assert PRODUCT.name in details


async def test_amounts_in_the_view_are_exact(stage: Stage) -> None:
    await stage.submit("33.33")
    view = await stage.view()

    assert sum(map(Decimal, view.amounts.values())) == Decimal("399.96")
    assert set(view.amounts.values()) == {"33.33"}


async def test_a_worker_that_remembers_nothing_comes_to_the_same(temporal_client: Client, database_url: str) -> None:
    """Each step is then a replay, as after a crash of the worker."""
    async with on_stage(temporal_client, database_url, max_cached_workflows=0) as stage:
        await stage.submit()
        await stage.reject()
        await stage.handle.signal("nonsense")
        await stage.submit("50.00")
        await stage.approve(version=4)

        assert (await stage.handle.result()).state is State.APPROVED
        assert stage.facts() == REVISED_AND_APPROVED
