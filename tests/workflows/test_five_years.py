"""Five fiscal years of one product, with all rounds that there can be, on the real ledger and a clock that jumps."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal

from temporalio.testing import ActivityEnvironment, WorkflowEnvironment

from activities.contracts import InformRequest
from activities.schedule_waiting import ScheduleWaiting
from domain.business_days import BusinessCalendar
from domain.decision import Organization
from domain.process import ScheduleView
from domain.schedule import Schedule, State, schedule_stream
from domain.waiting import Escalated, Reminded
from tests.workflows.simulated import Simulation, simulated
from tests.workflows.stage import PRODUCT, STRANGER, Stage, budget_of, make_admin

YEARS = 5
BUSINESS = BusinessCalendar(reminder_days=20, escalation_days=40)
FACTS_OF_A_YEAR = [
    *("Submitted", "Rejected", "Revised", "Submitted", "Approved"),
    *("RescheduleRequested", "RescheduleGranted", "Submitted", "Approved"),
    *("RescheduleRequested", "RescheduleDenied"),
    *("RescheduleRequested", "RescheduleGranted", "Approved"),
    "WentOverBudget",
    *("RescheduleRequested", "RescheduleGranted", "Submitted", "Returned", "YearEnded"),
]


async def first_round(simulation: Simulation, stage: Stage) -> ScheduleView:
    """Rejected, submitted again, and approved in time."""
    await stage.submit()
    await simulation.pass_days(3)
    await stage.reject()
    await simulation.pass_days(3)
    await stage.submit("90.00")
    await simulation.pass_days(3)
    await stage.approve(version=4)
    view: ScheduleView = await stage.handle.result()
    return view


async def second_round(simulation: Simulation, stage: Stage) -> ScheduleView:
    """Granted; the new schedule waits until the level above has to decide on it."""
    await stage.request_reschedule()
    await simulation.pass_days(3)
    await stage.grant(version=6)
    await stage.submit("100.00")
    await simulation.pass_days(60)
    assert (await stage.view()).escalated
    await stage.approve(version=8, actor=STRANGER)
    view: ScheduleView = await stage.handle.result()
    return view


async def third_round(simulation: Simulation, stage: Stage) -> ScheduleView:
    await stage.request_reschedule("95.00")
    await simulation.pass_days(3)
    await stage.deny(version=10)
    view: ScheduleView = await stage.handle.result()
    return view


async def fourth_round(simulation: Simulation, stage: Stage) -> ScheduleView:
    await stage.request_reschedule("95.00")
    await simulation.pass_days(3)
    await stage.grant(version=12)
    view: ScheduleView = await stage.handle.result()
    return view


async def fifth_round(simulation: Simulation, stage: Stage) -> ScheduleView:
    """Returned by a load while it waits, and then overtaken by the end of the year."""
    await load(simulation, stage, "1000.00", month=6)  # 1,140.00 are approved
    await stage.request_reschedule()
    await stage.grant(version=16)
    await stage.submit("80.00")
    await simulation.pass_days(3)
    assert await load(simulation, stage, "900.00", month=7) == 1
    await simulation.pass_until(datetime(stage.year + 1, 1, 1, 1, tzinfo=UTC))
    view: ScheduleView = await stage.handle.result()
    return view


async def load(simulation: Simulation, stage: Stage, annual: str, month: int) -> int:
    """How many processes were told."""
    command = budget_of(stage.year, annual, month)
    outcome = await simulation.record(command)
    waiting = ScheduleWaiting(stage.ledger, Organization(business=BUSINESS), stage.client)
    request = InformRequest(fiscal_year=stage.year, command_id=command.command_id, position=outcome.position)
    result = await ActivityEnvironment(client=stage.client).run(waiting.inform_rounds, request)
    return result.informed


async def test_five_fiscal_years_with_all_their_rounds(
    time_skipping_env: WorkflowEnvironment, database_url: str
) -> None:
    async with simulated(time_skipping_env, database_url, BUSINESS, apart="") as simulation:
        make_admin(simulation.stage, STRANGER)
        first_year = simulation.stage.year
        stages: list[Stage] = []
        for year in range(first_year, first_year + YEARS):
            if year > first_year:
                await simulation.record(budget_of(year))
            rounds = [simulation.stage.in_round(number, year) for number in range(1, 6)]
            stages += rounds
            views = [
                await play(simulation, stage)
                for play, stage in zip(
                    (first_round, second_round, third_round, fourth_round, fifth_round), rounds, strict=True
                )
            ]
            assert [view.round for view in views] == [1, 2, 3, 4, 5]
            assert {view.state for view in views} == {State.APPROVED}
            check_year(rounds[0], views[-1])

        assert len(stages) == 5 * YEARS
        assert not [stage.process_id for stage in stages if await simulation.is_running(stage)]


def check_year(stage: Stage, last: ScheduleView) -> None:
    """What the ledger keeps of it."""
    schedule: Schedule = stage.ledger.states([stream := schedule_stream(stage.year, PRODUCT)])[stream]
    waits = Counter(type(fact) for fact in stage.waits())

    assert stage.facts() == [f"schedule.{name}" for name in FACTS_OF_A_YEAR]
    assert (schedule.state, schedule.round, schedule.over_budget) == (State.APPROVED, 5, True)
    assert schedule.planned == Decimal("1140.00")
    assert (last.version, last.planned, last.over_budget) == (schedule.version, "1140.00", True)
    assert waits[Escalated] == 2  # the second round's, and the one that the year's end overtook
    assert waits[Reminded] >= 4
    assert stage.refusals() == []
