"""A process that becomes long continues as a new run of itself, while decisions and signals keep coming."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from domain.business_days import BusinessCalendar
from domain.decision import Organization
from domain.process import UpdateName
from domain.schedule import State
from domain.waiting import Escalated, Reminded
from tests.workflows.replay import replay_all_runs
from tests.workflows.stage import OTHER_LEAD, SetClock, Stage, code_of, on_stage

SIGNALS, ROUNDS = 60, 12
DONE_WITHIN_S = 60.0
REMINDED_DAYS = 120
RUNS_MIN = 5


@pytest.fixture
async def stage(impatient_client: Client, database_url: str) -> AsyncIterator[Stage]:
    async with on_stage(impatient_client, database_url) as made:
        yield made


async def back_and_forth(stage: Stage, after: int) -> list[int]:
    """Submits, and two people reject at once, in turn; the versions that were answered."""
    versions = []
    for version in range(after + 2, after + 2 + 3 * ROUNDS, 3):  # a rejected schedule is revised and submitted
        versions.append((await stage.submit()).version)
        answers = await asyncio.gather(stage.reject(version=version), stage.reject(version=version, actor=OTHER_LEAD))
        assert {answer.version for answer in answers} == {version + 1}
        versions.append(version + 1)
    return versions


async def fire(stage: Stage) -> None:
    for number in range(SIGNALS):
        await stage.handle.signal("nonsense", number)


async def test_nothing_is_lost_while_it_continues_under_fire(stage: Stage) -> None:
    await stage.submit()
    await stage.reject()
    versions, _ = await asyncio.gather(back_and_forth(stage, after=2), fire(stage))
    last = await stage.submit()
    await stage.refused(SIGNALS)
    await stage.approve(version=last.version)
    result = await stage.handle.result()

    assert versions == [version + step for version in range(4, 4 + 3 * ROUNDS, 3) for step in (0, 1)]
    assert (result.state, result.version, result.refusals) == (State.APPROVED, last.version + 1, SIGNALS)
    assert len(stage.refusals()) == SIGNALS
    assert len(stage.facts()) == last.version + 1
    assert await replay_all_runs(stage.client, stage.process_id) >= 3


async def test_a_repeated_update_is_answered_the_same_by_the_next_run(stage: Stage) -> None:
    command_id = uuid4()
    command = stage.submission(command_id=command_id)
    first = await stage.send(UpdateName.SUBMIT, command)
    first_run = (await stage.handle.describe()).run_id
    async with asyncio.timeout(DONE_WITHIN_S):
        while (await stage.handle.describe()).run_id == first_run:
            await stage.handle.signal("nonsense")
    again = await stage.send(UpdateName.SUBMIT, command)

    assert again == first
    assert stage.facts() == ["schedule.Submitted"]
    assert (await stage.view()).state is State.PENDING


@pytest.mark.slow
async def test_reminders_go_on_while_it_continues_under_fire(impatient_client: Client, database_url: str) -> None:
    """The ledger's clock stands far in the past, so that a year of daily reminders comes as fast as it can."""
    now = datetime.now(UTC)
    organization = Organization(business=BusinessCalendar(reminder_days=1))
    clock = SetClock(now - timedelta(days=REMINDED_DAYS))
    async with on_stage(
        impatient_client, database_url, organization=organization, clock=clock, year=now.year + 1
    ) as stage:
        await stage.submit()
        repeated = stage.submission()
        signals = asyncio.create_task(fire(stage))
        refused = await asyncio.gather(
            *(stage.send(UpdateName.SUBMIT, repeated, update_id=f"again-{number}") for number in range(ROUNDS)),
            return_exceptions=True,
        )
        await signals
        await stage.refused(SIGNALS, others=1)
        await stage.until(lambda view: view.remind_at is not None and view.remind_at > datetime.now(UTC))
        await stage.approve()
        result = await stage.handle.result()

        due = organization.business.between(clock.at, now)
        reminders = [fact.count for fact in stage.waits() if isinstance(fact, Reminded)]
        assert {code_of(error)[1] for error in refused if isinstance(error, ApplicationError)} == {"NotSubmittable"}
        assert len(refused) == ROUNDS
        assert reminders == list(range(1, due + 1))
        assert sum(isinstance(fact, Escalated) for fact in stage.waits()) == 1
        assert (result.state, result.refusals) == (State.APPROVED, SIGNALS)
        assert stage.facts() == ["schedule.Submitted", "schedule.Approved"]
        assert await replay_all_runs(stage.client, stage.process_id) >= RUNS_MIN
