"""Why BudgetSchedule has one dynamic handler: named ones lose signals, or are stopped by them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from uuid import uuid4

from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle
from temporalio.common import RawValue
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

WITHIN_S = 20.0
NONE = RawValue(Payload())


@workflow.defn
class Named:
    """As the Temporal UI would like it: a name for its list, and an input that may be left out."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: len(self.seen) > 100)

    @workflow.signal(name="approve")
    def approve(self, decision: RawValue = NONE) -> None:
        self.seen.append("approve")

    @workflow.signal(dynamic=True)
    def on_signal(self, name: str, args: Sequence[RawValue]) -> None:
        self.seen.append(name)

    @workflow.query
    def all_seen(self) -> list[str]:
        return self.seen


def odd(data: bytes = b"?") -> RawValue:
    return RawValue(Payload(metadata={"encoding": b"binary/odd"}, data=data))


async def started(client: Client, queue: str) -> WorkflowHandle[Named, None]:
    return await client.start_workflow(
        Named.run, id=f"named-{uuid4()}", task_queue=queue, task_timeout=timedelta(seconds=2)
    )


async def test_a_named_handler_takes_no_input_and_any_one_input(temporal_client: Client) -> None:
    queue = f"named-{uuid4()}"
    async with Worker(
        temporal_client, task_queue=queue, workflows=[Named], workflow_runner=UnsandboxedWorkflowRunner()
    ):
        handle = await started(temporal_client, queue)
        await handle.signal("approve")
        await handle.signal("approve", odd())

        assert await handle.query(Named.all_seen) == ["approve", "approve"]
        await handle.terminate()


async def test_a_named_handler_loses_two_inputs_that_it_cannot_decode_and_nobody_sees_it(
    temporal_client: Client,
) -> None:
    queue = f"named-{uuid4()}"
    async with Worker(
        temporal_client, task_queue=queue, workflows=[Named], workflow_runner=UnsandboxedWorkflowRunner()
    ):
        handle = await started(temporal_client, queue)
        await handle.signal("approve", args=[odd(), odd()])
        await handle.signal("else", args=[odd(), odd()])

        assert await handle.query(Named.all_seen) == ["else"]
        await handle.terminate()


async def test_a_named_handler_is_stuck_for_ever_after_two_inputs(temporal_client: Client) -> None:
    queue = f"named-{uuid4()}"
    async with Worker(
        temporal_client, task_queue=queue, workflows=[Named], workflow_runner=UnsandboxedWorkflowRunner()
    ):
        handle = await started(temporal_client, queue)
        await handle.signal("approve", args=[1, 2])
        async with asyncio.timeout(WITHIN_S):
            while True:
                history = await handle.fetch_history()
                kinds = [event.event_type for event in history.events]
                if EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED in kinds:
                    break
                await asyncio.sleep(0.1)
        await handle.terminate()
