"""The schedules that look for cost reports: one for each configured source, brought about by workers at their start."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleState,
)
from temporalio.service import RPCError, RPCStatusCode

from domain.cost_process import COST_SCHEDULE_PREFIX, cost_schedule_id, cost_sweep_process_id
from domain.decision import SYSTEM, Channel
from domain.errors import Unavailable
from domain.process import TASK_QUEUE, CostSource, WorkflowName
from domain.process_texts import cost_watch_summary
from workflows.schedules import CATCH_UP, ensure_schedule

NOTE = "There while the source is in ALLOT_COST_SOURCES; its interval is ALLOT_COST_POLL_MINUTES."


def cost_watch(source_name: str, every_minutes: int) -> Schedule:
    """One look at a time: what is under way goes on by itself, and what comes meanwhile is found by the next one."""
    source = CostSource(source=source_name, actor=SYSTEM, channel=Channel.WORKFLOW, wait_for_parts=True, scheduled=True)
    return Schedule(
        action=ScheduleActionStartWorkflow(
            WorkflowName.COST_WATCH,
            source,
            id=cost_sweep_process_id(source_name),
            task_queue=TASK_QUEUE,
            static_summary=cost_watch_summary(source),
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(minutes=every_minutes))]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=CATCH_UP),
        state=ScheduleState(note=NOTE),
    )


async def ensure_cost_watches(client: Client, source_names: Collection[str], every_minutes: int) -> int:
    """Creates or updates, and removes those of sources that are configured no more; how many there are. Raises
    Unavailable. All workers have the same sources: `cost.find_deliveries` says so where they have not."""
    try:
        for name in source_names:
            await ensure_schedule(client, cost_schedule_id(name), cost_watch(name, every_minutes))
        await remove_cost_watches(client, but=source_names)
    except RPCError as error:
        raise Unavailable(f"Temporal could not schedule the looks at cost reports ({error.message}).") from None
    return len(source_names)


async def remove_cost_watches(client: Client, but: Collection[str] = ()) -> int:
    """How many were removed."""
    kept, count = {cost_schedule_id(name) for name in but}, 0
    async for entry in await client.list_schedules():
        if not entry.id.startswith(COST_SCHEDULE_PREFIX) or entry.id in kept:
            continue
        try:
            await client.get_schedule_handle(entry.id).delete()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
        count += 1
    return count
