"""What time does to a round: reminders, escalation, the end of the fiscal year; on a clock that jumps."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from activities.contracts import WaitingStep
from activities.schedule_waiting import command_of
from domain.business_days import BusinessCalendar
from domain.decision import SYSTEM, Channel, Persona
from domain.people_commands import WithdrawGrant
from domain.schedule import State
from domain.waiting import REMINDERS_MAX, Escalated, Overdue, Reminded
from tests.workflows.simulated import Simulation, simulated
from tests.workflows.stage import LEAD, OTHER_LEAD, PRODUCT, STRANGER, code_of, make_admin

DAILY = BusinessCalendar(reminder_days=1)


async def next_monday(simulation: Simulation) -> datetime:
    """Nine o'clock on a Monday."""
    now = await simulation.now()
    monday = (now + timedelta(days=7 - now.weekday())).replace(hour=9, minute=0, second=0, microsecond=0)
    await simulation.pass_until(monday)
    return monday


def days_of(simulation: Simulation, start: datetime, kind: type) -> list[int]:
    """Days after the start on which that was recorded."""
    return [
        (event.recorded_at - start).days
        for event in simulation.stage.events()
        if isinstance(event.fact, kind) and event.recorded_at >= start
    ]


async def test_whoever_has_to_act_is_reminded_and_then_the_level_above_is_asked(
    time_skipping_env: WorkflowEnvironment, database_url: str
) -> None:
    async with simulated(time_skipping_env, database_url) as simulation:
        stage, monday = simulation.stage, await next_monday(simulation)
        make_admin(stage, STRANGER)
        await stage.submit()
        before = await stage.view()
        await simulation.pass_until(monday + timedelta(days=7, hours=1))
        after, details = await stage.view(), await stage.details()
        await stage.approve(actor=STRANGER)
        result = await stage.handle.result()

        assert (before.reminders, before.escalated) == (0, False)
        assert before.since
        assert before.remind_at
        assert before.escalate_at
        assert (before.remind_at - before.since, before.escalate_at - before.since) == (
            timedelta(days=2),
            timedelta(days=7),  # with a weekend among them
        )
        assert (after.reminders, after.escalated, after.escalate_at) == (2, True, None)
        assert days_of(simulation, monday, Reminded) == [2, 4]
        assert days_of(simulation, monday, Escalated) == [7]
        assert "every financial admin may decide" in details
        assert "(2 so far)" in details
        assert result.state is State.APPROVED
        (escalated,) = (fact for fact in stage.waits() if isinstance(fact, Escalated))
        assert (escalated.reason, escalated.persona) == (Overdue.WAITED_TOO_LONG, Persona.PORTFOLIO_OWNER)


async def test_nobody_keeps_a_reminder_back_by_using_its_command_id(
    time_skipping_env: WorkflowEnvironment, database_url: str
) -> None:
    """These ids follow from what is known to everybody."""
    async with simulated(time_skipping_env, database_url) as simulation:
        stage, monday = simulation.stage, await next_monday(simulation)
        await stage.submit()
        for step in ("remind", "escalate"):
            count = 1 if step == "remind" else 0
            used = WaitingStep(fiscal_year=stage.year, product=PRODUCT, step=step, turn=1, count=count)
            with pytest.raises(ApplicationError):
                await stage.approve(actor=STRANGER, command_id=command_of(used).command_id)
        await simulation.pass_until(monday + timedelta(days=7, hours=1))
        view = await stage.view()

        assert (view.reminders, view.escalated) == (2, True)
        assert days_of(simulation, monday, Reminded) == [2, 4]
        assert days_of(simulation, monday, Escalated) == [7]


async def test_before_the_escalation_nobody_may_stand_in(
    time_skipping_env: WorkflowEnvironment, database_url: str
) -> None:
    async with simulated(time_skipping_env, database_url) as simulation:
        make_admin(simulation.stage, STRANGER)
        await simulation.stage.submit()
        with pytest.raises(ApplicationError) as refused:
            await simulation.stage.approve(actor=STRANGER)

        assert refused.value.type == "Forbidden"


async def test_each_turn_has_times_of_its_own(time_skipping_env: WorkflowEnvironment, database_url: str) -> None:
    async with simulated(time_skipping_env, database_url, DAILY) as simulation:
        stage, monday = simulation.stage, await next_monday(simulation)
        await stage.submit()
        await simulation.pass_until(monday + timedelta(days=1, hours=1))
        await stage.reject()
        rejected = await stage.view()
        await simulation.pass_until(monday + timedelta(days=2, hours=3))
        reminded = [fact for fact in stage.waits() if isinstance(fact, Reminded)]
        await stage.submit()
        again = await stage.view()

        assert (rejected.turn, rejected.reminders, rejected.awaiting) == (2, 0, "product_owner")
        assert [(fact.turn, fact.count, fact.persona) for fact in reminded] == [
            (1, 1, Persona.PORTFOLIO_OWNER),
            (2, 1, Persona.PRODUCT_OWNER),
        ]
        assert (again.turn, again.reminders) == (4, 0)
        assert again.since
        assert again.remind_at == again.since + timedelta(days=1)
        assert again.since >= monday + timedelta(days=2, hours=3)


async def test_where_nobody_is_left_to_decide_the_level_above_is_asked_at_once(
    time_skipping_env: WorkflowEnvironment, database_url: str
) -> None:
    async with simulated(time_skipping_env, database_url) as simulation:
        stage = simulation.stage
        for person in (LEAD, OTHER_LEAD):
            await simulation.record(
                WithdrawGrant(
                    command_id=uuid4(),
                    actor=SYSTEM,
                    channel=Channel.SETUP,
                    person=person,
                    persona=Persona.PORTFOLIO_OWNER,
                    node=PRODUCT.portfolio,
                )
            )
        await stage.submit()
        await stage.settled()

        (escalated,) = stage.waits()
        assert isinstance(escalated, Escalated)
        assert escalated.reason == Overdue.NOBODY_LEFT


async def test_a_year_of_waiting_is_reminded_daily_escalated_once_and_ends_with_the_year(
    time_skipping_env: WorkflowEnvironment, database_url: str
) -> None:
    async with simulated(time_skipping_env, database_url, DAILY) as simulation:
        stage = simulation.stage
        await simulation.pass_until(datetime(stage.year, 1, 1, tzinfo=UTC))
        monday = await next_monday(simulation)
        await stage.submit()
        view = await stage.view()
        assert view.year_ends_at == datetime(stage.year + 1, 1, 1, tzinfo=UTC)
        await simulation.pass_until(view.year_ends_at + timedelta(hours=1))
        result = await stage.handle.result()

        waits, expected = stage.waits(), DAILY.between(monday, view.year_ends_at)
        assert 240 < expected < REMINDERS_MAX
        assert [fact.count for fact in waits if isinstance(fact, Reminded)] == list(range(1, expected + 1))
        assert sum(isinstance(fact, Escalated) for fact in waits) == 1
        assert stage.facts() == ["schedule.Submitted", "schedule.YearEnded"]
        assert (result.state, result.awaiting) == (State.CLOSED, "")
        assert (await stage.handle.describe()).history_length < 13 * expected


async def test_what_comes_after_the_end_of_the_year_is_refused_and_the_process_ends_at_once(
    time_skipping_env: WorkflowEnvironment, database_url: str
) -> None:
    async with simulated(time_skipping_env, database_url) as simulation:
        stage = simulation.stage
        await stage.submit()
        await simulation.pass_until(datetime(stage.year + 1, 1, 1, 0, 5, tzinfo=UTC))
        ended = await stage.handle.result()
        with pytest.raises(ApplicationError, match="was over by") as refused:
            await stage.submit()
        result = await stage.handle.result()

        assert (ended.state, result.state) == (State.CLOSED, State.CLOSED)
        assert code_of(refused.value)[1] == "YearEnded"


async def test_a_round_that_was_overlooked_ends_as_soon_as_its_process_runs(
    time_skipping_env: WorkflowEnvironment, database_url: str
) -> None:
    """As when no process was there: terminated by an operator, or lost with Temporal's database."""
    async with simulated(time_skipping_env, database_url) as simulation:
        stage = simulation.stage
        await stage.submit()
        await stage.handle.terminate()
        await simulation.pass_until(datetime(stage.year + 1, 1, 1, 0, 5, tzinfo=UTC))
        assert stage.facts() == ["schedule.Submitted"]
        with pytest.raises(ApplicationError):
            await stage.approve()

        assert (await stage.handle.result()).state is State.CLOSED
        assert stage.facts() == ["schedule.Submitted", "schedule.YearEnded"]


async def test_a_step_that_comes_too_early_is_tried_again_with_pauses(
    time_skipping_env: WorkflowEnvironment, database_url: str
) -> None:
    """The ledger's clock is behind the one of Temporal by more than a process can know."""
    async with simulated(time_skipping_env, database_url, BusinessCalendar(reminder_days=250)) as simulation:
        stage, clock = simulation.stage, simulation.clock
        await stage.submit()
        await simulation.pass_until(datetime(stage.year, 12, 31, 12, tzinfo=UTC))
        clock.behind = timedelta(hours=9)
        before = (await stage.handle.describe()).history_length
        await simulation.pass_until(datetime(stage.year + 1, 1, 2, tzinfo=UTC))
        result = await stage.handle.result()

        assert result.state is State.CLOSED
        assert stage.facts() == ["schedule.Submitted", "schedule.YearEnded"]
        assert (await stage.handle.describe()).history_length - before < 200


async def test_holidays_are_no_business_days(time_skipping_env: WorkflowEnvironment, database_url: str) -> None:
    now = await time_skipping_env.get_current_time()
    tuesday: date = (now + timedelta(days=8 - now.weekday())).date()
    business = BusinessCalendar(holidays=frozenset({tuesday}))
    async with simulated(time_skipping_env, database_url, business) as simulation:
        stage, monday = simulation.stage, await next_monday(simulation)
        await stage.submit()
        view = await stage.view()

        assert view.remind_at
        assert (view.remind_at - monday).days == 3
