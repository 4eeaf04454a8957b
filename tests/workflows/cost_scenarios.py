"""Lives of the processes that look for cost reports unasked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from temporalio import activity

from activities.contracts import ActivityName
from activities.errors import to_application_error
from domain.cost_process import COST_EVENTS_PROCESS_ID, COST_EVENTS_QUEUE, CostEventsReport, CostEventsRequest
from domain.errors import AllotError, BadInput
from domain.process import WorkflowName
from tests.workflows.stage import Stage, at_work

LAST_AT = datetime(2026, 6, 4, 10, 12, 30, tzinfo=UTC)
WAITS_S = 180.0
NO_QUEUE = CostEventsReport(configured=False)


def came(handled: int = 1, **fields: Any) -> CostEventsReport:
    return CostEventsReport.model_validate({"handled": handled, "last_at": LAST_AT} | fields)


class CostMessages:
    """Answers each look with the next of `looks`, and fails where that is an error; then nothing comes any more."""

    def __init__(self, looks: Iterable[CostEventsReport | AllotError]) -> None:
        self._looks = iter(looks)
        self.looks = 0
        self.enough = asyncio.Event()

    @activity.defn(name=ActivityName.RECEIVE_COST_EVENTS)
    async def receive(self, _request: CostEventsRequest) -> CostEventsReport:
        self.looks += 1
        look = next(self._looks, None)
        if isinstance(look, AllotError):
            raise to_application_error(look)
        while look is None and not self.enough.is_set():
            activity.heartbeat()
            await asyncio.sleep(0.05)
        return look or CostEventsReport()


async def cost_events(stage: Stage) -> tuple[str, str]:
    """What came, what went wrong, a worker without a queue, and so many passes that another run follows."""
    messages = CostMessages(
        [came(3, started=2, rejected=1, last_rejection="odd"), BadInput("No permission."), NO_QUEUE, *([came()] * 20)]
    )
    process_id = f"{COST_EVENTS_PROCESS_ID}-{uuid4().hex[:8]}"
    async with at_work(stage.client, [messages.receive], COST_EVENTS_QUEUE, workflows=()):
        started = await stage.client.start_workflow(
            WorkflowName.COST_EVENTS, CostEventsRequest(), id=process_id, task_queue=stage.queue
        )
        first_run = started.first_execution_run_id
        assert first_run
        handle = stage.client.get_workflow_handle(process_id)
        async with asyncio.timeout(WAITS_S):
            while (await handle.describe()).run_id == first_run:  # noqa: ASYNC110 - nothing else tells
                await asyncio.sleep(0.2)
        await handle.terminate()
        messages.enough.set()
    return process_id, first_run
