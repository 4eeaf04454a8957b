"""An answer of an activity that this version does not understand: the process waits for a worker that does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest
from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.service import RPCError

from activities.contracts import ActivityName
from domain.account_process import ACCOUNT_EVENTS_QUEUE, AccountEventsRequest, AlignmentRound
from domain.decision import SYSTEM, Channel
from domain.model import Model
from domain.people_commands import DeactivatePerson
from domain.process import DirectCommand, ScheduleRound, WorkflowName
from tests.workflows.stage import PRODUCT, WITHIN_S, at_work

ENDS = (EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED, EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED)
DECISION = DirectCommand(
    command=DeactivatePerson(
        command_id=uuid4(), actor=SYSTEM, channel=Channel.CLI, person="somebody@example.com", reason="has left"
    )
)
CASES = (
    (WorkflowName.ACCOUNT_ALIGNMENT, AlignmentRound(account_id="1" * 12, occasion=1), ActivityName.ALIGN_ACCOUNT),
    (WorkflowName.ACCOUNT_EVENTS, AccountEventsRequest(), ActivityName.RECEIVE_ACCOUNT_EVENTS),
    (WorkflowName.BUDGET_SCHEDULE, ScheduleRound(fiscal_year=2026, product=PRODUCT), ActivityName.READ_SCHEDULE),
    (WorkflowName.DIRECT_DECISION, DECISION, ActivityName.RECORD),
)


def answering(name: ActivityName) -> Callable[..., Any]:
    """Says something that no version before this one has heard of."""

    @activity.defn(name=name)
    async def answer(_request: dict[str, Any]) -> list[str]:
        return ["of", "a", "later", "version"]

    return answer


@pytest.mark.parametrize(("process", "started_with", "asked"), CASES)
async def test_an_answer_that_does_not_fit_fails_the_task_and_not_the_process(
    temporal_client: Client, process: WorkflowName, started_with: Model, asked: ActivityName
) -> None:
    async with (
        at_work(temporal_client, [answering(asked)]) as queue,
        at_work(temporal_client, [answering(asked)], ACCOUNT_EVENTS_QUEUE, workflows=()),
    ):
        handle = await temporal_client.start_workflow(process, started_with, id=f"misfit-{uuid4()}", task_queue=queue)
        try:
            async with asyncio.timeout(WITHIN_S):
                while True:
                    history = await handle.fetch_history()
                    by_type = {event.event_type: event for event in history.events}
                    if EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED in by_type or by_type.keys() & {*ENDS}:
                        break
                    await asyncio.sleep(0.1)
        finally:
            with suppress(RPCError):  # what has ended
                await handle.terminate()

    assert not by_type.keys() & {*ENDS}
    failed = by_type[EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED].workflow_task_failed_event_attributes
    assert failed.failure.message == f"The answer of {asked} does not fit this version of the process"
