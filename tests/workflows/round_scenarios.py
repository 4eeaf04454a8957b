"""Lives of rounds of a schedule: every way through the picture of `domain.schedule`, and what time does."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

from temporalio.exceptions import ApplicationError

from domain.business_days import BusinessCalendar
from domain.decision import Organization
from domain.process import REFRESH_SIGNAL
from tests.workflows.stage import LEAD, OTHER_LEAD, STRANGER, SetClock, Stage, budget_of, make_admin

SUGGESTED_AT_EVENTS = 60
WITHIN_S = 60.0
LONG_AGO = timedelta(days=60)
DAILY = Organization(business=BusinessCalendar(reminder_days=1))


async def approved_in_time(stage: Stage) -> str:
    await stage.submit()
    await stage.settled()
    await stage.approve()
    await stage.handle.result()
    return stage.process_id


async def revised(stage: Stage) -> str:
    await stage.submit()
    await stage.reject()
    await stage.submit("50.00")
    await stage.approve(version=4)
    await stage.handle.result()
    return stage.process_id


async def revised_by_hand(stage: Stage) -> str:
    """The draft waits for nobody, so the round's process ends with it."""
    await stage.submit()
    await stage.reject()
    await stage.revise()
    await stage.handle.result()
    return stage.process_id


async def withdrawn(stage: Stage) -> str:
    await stage.submit()
    await stage.withdraw()
    await stage.handle.result()
    return stage.process_id


async def second_round(stage: Stage) -> Stage:
    """The stage of a round that can be begun: the first one was approved."""
    await stage.submit()
    await stage.approve()
    await stage.handle.result()
    return stage.in_round(2)


async def request_grant_submit_approve(stage: Stage) -> str:
    second = await second_round(stage)
    await second.request_reschedule()
    await second.grant(version=3)
    await second.submit("90.00")
    await second.approve(version=5)
    await second.handle.result()
    return second.process_id


async def request_attached_grant(stage: Stage) -> str:
    second = await second_round(stage)
    await second.request_reschedule("80.00")
    await second.grant(version=3)
    await second.handle.result()
    return second.process_id


async def denied(stage: Stage) -> str:
    second = await second_round(stage)
    await second.request_reschedule()
    await second.deny(version=3)
    await second.handle.result()
    return second.process_id


async def given_up(stage: Stage) -> str:
    second = await second_round(stage)
    await second.request_reschedule()
    await second.grant(version=3)
    await second.withdraw()
    await second.handle.result()
    return second.process_id


async def returned_by_load(stage: Stage) -> str:
    await stage.submit()
    await stage.settled()
    stage.ledger.record(budget_of(stage.year, "600.00", month=6))
    await stage.handle.signal(REFRESH_SIGNAL)
    await stage.handle.result()
    return stage.process_id


async def reminded_escalated_stand_in(stage: Stage) -> str:
    """Its ledger's clock stands two months ago, so that what is due has been due for long."""
    make_admin(stage, STRANGER)
    await stage.submit()
    async with asyncio.timeout(WITHIN_S):
        while not (await stage.view()).escalated:  # noqa: ASYNC110 - a query is the only way to know
            await asyncio.sleep(0.05)
    await stage.approve(actor=STRANGER)
    await stage.handle.result()
    return stage.process_id


async def year_end(stage: Stage) -> str:
    await stage.submit()
    assert isinstance(stage.clock, SetClock)
    stage.clock.at = datetime.now(UTC)
    async with asyncio.timeout(WITHIN_S):
        await stage.handle.result()
    return stage.process_id


async def continued_as_new(stage: Stage) -> str:
    """The run that follows, with what the one before it left in its inbox."""
    await stage.submit()
    first_run = (await stage.handle.describe()).run_id
    async with asyncio.timeout(WITHIN_S):
        while (await stage.handle.describe()).run_id == first_run:
            await stage.handle.signal("nonsense", 1)
    await stage.approve()
    await stage.handle.result()
    return stage.process_id


async def continues_as_new(stage: Stage) -> tuple[str, str]:
    """The run that is followed."""
    await stage.submit()
    first_run = (await stage.handle.describe()).run_id
    assert first_run
    async with asyncio.timeout(WITHIN_S):
        while (await stage.handle.describe()).run_id == first_run:
            await stage.handle.signal("nonsense", 1)
    return stage.process_id, first_run


async def round_of_the_past(stage: Stage) -> str:
    """The first decision is answered again, another one is refused; the schedule is in its second round."""
    second = await second_round(stage)
    await second.request_reschedule()
    await stage.approve(version=1, actor=OTHER_LEAD, command_id=UUID(int=1))
    await stage.handle.result()
    try:
        await stage.approve(version=3)
    except ApplicationError:
        await stage.handle.result()
    return stage.process_id


async def hostile_signals_in_time(stage: Stage) -> str:
    """With timers under way, among them names of all signals."""
    await stage.submit()
    for number, name in enumerate(("withdraw", "revise", "request", "grant", "deny", "nonsense"), start=1):
        await stage.handle.signal(name, [number])
        await stage.refused(number)
    await stage.handle.signal(REFRESH_SIGNAL, args=[1, 2])
    await stage.handle.signal("grant", {"actor": LEAD, "version": 1})
    await stage.refused(7)
    await stage.handle.signal("approve", {"actor": LEAD, "version": 1})
    await stage.handle.result()
    return stage.process_id
