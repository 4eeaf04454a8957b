"""Processes that are there as long as they are configured. Each worker sees to it, at its start, that they run."""

from __future__ import annotations

from collections.abc import Iterable

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError

from domain.account_process import ACCOUNT_EVENTS_PROCESS_ID, AccountEventsRequest
from domain.cost_process import COST_EVENTS_PROCESS_ID, CostEventsRequest
from domain.errors import Unavailable
from domain.process import TASK_QUEUE, NotificationChannel, WorkflowName, notifications_process_id


async def ensure_notifications(client: Client, channels: Iterable[str], task_queue: str = TASK_QUEUE) -> int:
    """Starts what does not run yet; how many channels there are. Raises Unavailable."""
    count = 0
    for channel in channels:
        try:
            await client.start_workflow(
                WorkflowName.NOTIFICATIONS,
                NotificationChannel(channel=channel),
                id=notifications_process_id(channel),
                task_queue=task_queue,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                static_summary=f"Tell people of events through the channel {channel}",
            )
        except RPCError as error:
            raise Unavailable(f"Temporal could not start the notifications of {channel} ({error.message}).") from None
        count += 1
    return count


async def ensure_account_events(client: Client, task_queue: str = TASK_QUEUE) -> int:
    """Starts the process that waits for messages about accounts, where it does not run yet; 1. Raises Unavailable."""
    try:
        await client.start_workflow(
            WorkflowName.ACCOUNT_EVENTS,
            AccountEventsRequest(),
            id=ACCOUNT_EVENTS_PROCESS_ID,
            task_queue=task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            static_summary="Messages about AWS accounts, as they happen",
        )
    except RPCError as error:
        raise Unavailable(f"Temporal could not start the process for account events ({error.message}).") from None
    return 1


async def ensure_cost_events(client: Client, task_queue: str = TASK_QUEUE) -> int:
    """Starts the process that waits for messages about cost reports, likewise."""
    try:
        await client.start_workflow(
            WorkflowName.COST_EVENTS,
            CostEventsRequest(),
            id=COST_EVENTS_PROCESS_ID,
            task_queue=task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            static_summary="Messages about cost reports, as they are delivered",
        )
    except RPCError as error:
        raise Unavailable(f"Temporal could not start the process for cost events ({error.message}).") from None
    return 1
