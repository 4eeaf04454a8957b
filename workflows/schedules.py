"""The Temporal schedules of Allot, declared here and brought about by `allot setup`, as often as it is run."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from datetime import timedelta

from temporalio.api.workflowservice.v1 import UpdateScheduleRequest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleState,
)
from temporalio.service import RPCError, RPCStatusCode

from domain.account_process import SyncRequest
from domain.errors import Unavailable
from domain.process import (
    BUDGET_DROP_PROCESS_ID,
    BUDGET_DROP_SCHEDULE_ID,
    ORGANIZATION_SYNC_PROCESS_ID,
    ORGANIZATION_SYNC_SCHEDULE_ID,
    TASK_QUEUE,
    DropRequest,
    WorkflowName,
)
from domain.process_texts import budget_drop_summary, organization_sync_summary

CATCH_UP = timedelta(minutes=1)
"""Passes missed for longer than this are left out: one pass reads everything anyway."""
TAKEN_WITHIN = timedelta(seconds=20)
"""For a schedule to be changed. Most are within a second."""
LOOK_EVERY = timedelta(milliseconds=50)
NOTE = "Set up by `allot setup`, which takes its interval from ALLOT_ORGANIZATION_SYNC_MINUTES."
DROP_NOTE = "There while ALLOT_BUDGET_DROP is set; its interval is ALLOT_BUDGET_DROP_MINUTES."

logger = logging.getLogger(__name__)


def organization_sync(every_minutes: int) -> Schedule:
    """One pass at a time: where one takes longer than the interval, the next one is left out."""
    return Schedule(
        action=ScheduleActionStartWorkflow(
            WorkflowName.ORGANIZATION_SYNC,
            SyncRequest(),
            id=ORGANIZATION_SYNC_PROCESS_ID,
            task_queue=TASK_QUEUE,
            static_summary=organization_sync_summary(),
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(minutes=every_minutes))]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=CATCH_UP),
        state=ScheduleState(note=NOTE),
    )


def budget_drop(every_minutes: int) -> Schedule:
    """One look at a time, likewise: what is left is found by the next one."""
    return Schedule(
        action=ScheduleActionStartWorkflow(
            WorkflowName.BUDGET_DROP,
            DropRequest(),
            id=BUDGET_DROP_PROCESS_ID,
            task_queue=TASK_QUEUE,
            static_summary=budget_drop_summary(),
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(minutes=every_minutes))]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=CATCH_UP),
        state=ScheduleState(note=DROP_NOTE),
    )


async def ensure_schedules(
    client: Client, organization_sync_minutes: int, budget_drop_minutes: int | None = None
) -> None:
    """Creates or updates; a schedule that an operator has paused stays paused. Without a drop, it has no schedule."""
    await ensure_schedule(client, ORGANIZATION_SYNC_SCHEDULE_ID, organization_sync(organization_sync_minutes))
    if budget_drop_minutes is not None:
        await ensure_schedule(client, BUDGET_DROP_SCHEDULE_ID, budget_drop(budget_drop_minutes))
        return
    try:
        await client.get_schedule_handle(BUDGET_DROP_SCHEDULE_ID).delete()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise


async def ensure_budget_drop(client: Client, every_minutes: int) -> int:
    """For a worker that has a drop, at its start; the interval. Raises Unavailable.

    Only `allot setup` removes the schedule: another worker may have the drop still.
    """
    try:
        await ensure_schedule(client, BUDGET_DROP_SCHEDULE_ID, budget_drop(every_minutes))
    except RPCError as error:
        raise Unavailable(f"Temporal could not schedule the looks into the drop ({error.message}).") from None
    return every_minutes


async def ensure_schedule(client: Client, schedule_id: str, wanted: Schedule) -> None:
    """Creates, or updates and waits until it is taken. Raises RPCError, Unavailable.

    The server takes messages to a schedule one task after the other, and within one task an update after a pause: an
    update that is under way still would undo the pause of an operator who comes right after it.
    """
    try:
        await client.create_schedule(schedule_id, wanted, trigger_immediately=False)
        return
    except ScheduleAlreadyRunningError:
        pass
    try:
        async with asyncio.timeout(TAKEN_WITHIN.total_seconds()):
            while not await _update(client, schedule_id, wanted):
                logger.info("Somebody else changed the schedule %s meanwhile: trying again", schedule_id)
    except TimeoutError:
        raise Unavailable(
            f"Temporal has not changed the schedule {schedule_id} within {TAKEN_WITHIN.total_seconds():.0f} seconds."
            " Look at the health of the server, then try again."
        ) from None


async def _update(client: Client, schedule_id: str, wanted: Schedule) -> bool:
    """Whether it was taken: not where the schedule was changed since it was read, which a pause does, too.

    By the raw call, as the SDK's own update leaves out the token that says what was read.
    """
    handle = client.get_schedule_handle(schedule_id)
    found = await handle.describe()
    token = found.raw_description.conflict_token
    schedule = dataclasses.replace(wanted, state=found.schedule.state)
    await client.workflow_service.update_schedule(
        UpdateScheduleRequest(
            namespace=client.namespace,
            schedule_id=schedule_id,
            schedule=await schedule._to_proto(client),
            conflict_token=token,
            identity=client.identity,
            request_id=f"{schedule_id}:{token.hex()}",
        ),
        retry=True,
    )
    while (now := await handle.describe()).raw_description.conflict_token == token:  # noqa: ASYNC110
        await asyncio.sleep(LOOK_EVERY.total_seconds())
    return now.info.last_updated_at != found.info.last_updated_at and (
        now.schedule.spec.intervals == wanted.spec.intervals
    )
