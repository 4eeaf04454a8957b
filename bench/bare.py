"""The peer of a schedule's life: a workflow with the same updates, whose activities do nothing."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    from domain.decision import Accepted
    from domain.process import ScheduleRound
    from domain.schedule_commands import SubmitSchedule
    from domain.schedule_decisions import ApproveSchedule

TIMEOUT = timedelta(seconds=20)


@activity.defn(name="bare.nothing")
def nothing() -> None:
    """As many of these as a schedule has activities: one at the start, one for each decision."""


@workflow.defn(name="BareAlignment")
class BareAlignment:
    """Starts, takes one update, ends."""

    def __init__(self) -> None:
        self._looked = False

    @workflow.run
    async def run(self, _account_id: str) -> None:
        await workflow.wait_condition(lambda: self._looked and workflow.all_handlers_finished())

    @workflow.update
    def look(self, account_id: str) -> str:
        self._looked = True
        return account_id


@workflow.defn(name="BareSchedule")
class BareSchedule:
    """Starts, takes two updates, ends; as little as Temporal allows."""

    def __init__(self) -> None:
        self._approved = False
        self._turn = asyncio.Lock()

    @workflow.run
    async def run(self, _start: ScheduleRound) -> None:
        await self._nothing()
        await workflow.wait_condition(lambda: self._approved and workflow.all_handlers_finished())

    @workflow.update
    async def submit(self, command: SubmitSchedule) -> Accepted:
        async with self._turn:
            await self._nothing()
            return Accepted(version=1)

    @workflow.update
    async def approve(self, command: ApproveSchedule) -> Accepted:
        async with self._turn:
            await self._nothing()
            self._approved = True
            return Accepted(version=2)

    async def _nothing(self) -> None:
        await workflow.execute_activity(nothing, start_to_close_timeout=TIMEOUT)
