"""The Temporal schedules of Allot, declared here and brought about by `allot setup`, as often as it is run."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

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
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from domain.process import (
    ORGANIZATION_SYNC_PROCESS_ID,
    ORGANIZATION_SYNC_SCHEDULE_ID,
    TASK_QUEUE,
    SyncRequest,
    WorkflowName,
)
from domain.process_texts import organization_sync_summary

CATCH_UP = timedelta(minutes=1)
"""Passes missed for longer than this are left out: one pass reads everything anyway."""
NOTE = "Set up by `allot setup`, which takes its interval from ALLOT_ORGANIZATION_SYNC_MINUTES."


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


async def ensure_schedules(client: Client, organization_sync_minutes: int) -> None:
    """Creates or updates; a schedule that an operator has paused stays paused."""
    wanted = organization_sync(organization_sync_minutes)
    try:
        await client.create_schedule(ORGANIZATION_SYNC_SCHEDULE_ID, wanted, trigger_immediately=False)
    except ScheduleAlreadyRunningError:
        handle = client.get_schedule_handle(ORGANIZATION_SYNC_SCHEDULE_ID)
        await handle.update(lambda found: _updated(found, wanted))


def _updated(found: ScheduleUpdateInput, wanted: Schedule) -> ScheduleUpdate:
    return ScheduleUpdate(dataclasses.replace(wanted, state=found.description.schedule.state))
