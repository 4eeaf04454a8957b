"""Accounts on a clock that jumps."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from domain.business_days import PLAIN_WEEK, BusinessCalendar
from domain.decision import Organization
from tests.workflows.account_stage import AccountStage, on_account_stage
from tests.workflows.simulated import Clock, PassingTime


@dataclass
class AccountSimulation(PassingTime):
    """A stage for accounts on which time is made to pass."""

    stage: AccountStage

    async def next_monday(self) -> datetime:
        """Nine o'clock on a Monday."""
        now = await self.now()
        monday = (now + timedelta(days=7 - now.weekday())).replace(hour=9, minute=0, second=0, microsecond=0)
        await self.pass_until(monday)
        return monday


@asynccontextmanager
async def accounts_simulated(
    environment: WorkflowEnvironment, database_url: str, business: BusinessCalendar = PLAIN_WEEK
) -> AsyncIterator[AccountSimulation]:
    """An account that nobody has seen yet."""
    clock = Clock((await environment.get_current_time()).astimezone(UTC))
    with environment.auto_time_skipping_disabled():
        async with on_account_stage(
            environment.client, database_url, organization=Organization(business=business), clock=clock
        ) as stage:
            try:
                yield AccountSimulation(environment, clock, stage)
            finally:
                for occasion in (1, 2):  # a process without a worker would hold up the clock for the next test
                    with suppress(RPCError):
                        await stage.in_occasion(occasion).handle.terminate()
