"""Years that pass in seconds: the clock of the time-skipping server is also that of the ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import activity
from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from domain.business_days import PLAIN_WEEK, BusinessCalendar
from domain.decision import Accepted, Command, Organization
from tests.workflows.stage import Stage, on_stage


@dataclass
class Clock:
    """Of the ledger: within an activity, when the server started it; else as last set."""

    at: datetime
    behind: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        now = activity.info().started_time if activity.in_activity() else self.at
        return now.astimezone(UTC) - self.behind


@dataclass
class PassingTime:
    """What makes time pass, for the server and the ledger alike."""

    environment: WorkflowEnvironment
    clock: Clock

    async def now(self) -> datetime:
        return (await self.environment.get_current_time()).astimezone(UTC)

    async def pass_days(self, days: float) -> None:
        await self.environment.sleep(timedelta(days=days))
        self.clock.at = await self.now()

    async def pass_until(self, at: datetime) -> None:
        await self.environment.sleep(max(at - await self.now(), timedelta(seconds=1)))
        self.clock.at = await self.now()


@dataclass
class Simulation(PassingTime):
    """A stage on which time is made to pass."""

    stage: Stage

    async def record(self, command: Command) -> Accepted:
        """Past every process, as a load does it."""
        self.clock.at = await self.now()
        outcome = self.stage.ledger.record(command)
        assert isinstance(outcome, Accepted), outcome
        return outcome

    async def is_running(self, stage: Stage) -> bool:
        return (await stage.handle.describe()).status is WorkflowExecutionStatus.RUNNING


@asynccontextmanager
async def simulated(
    environment: WorkflowEnvironment,
    database_url: str,
    business: BusinessCalendar = PLAIN_WEEK,
    years_ahead: int = 1,
    **options: Any,
) -> AsyncIterator[Simulation]:
    """The year before the fiscal year of the stage has begun, and its budget is loaded."""
    clock = Clock((await environment.get_current_time()).astimezone(UTC))
    organization, year = Organization(business=business), clock.at.year + years_ahead
    with environment.auto_time_skipping_disabled():
        async with on_stage(
            environment.client, database_url, organization=organization, clock=clock, year=year, **options
        ) as stage:
            yield Simulation(environment, clock, stage)
            with suppress(RPCError):  # a process without a worker would hold up the clock for the next test
                await stage.handle.terminate()
