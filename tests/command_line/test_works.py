"""Work that takes its time: each person gets the answer to what they asked, and no one else's."""

from __future__ import annotations

import asyncio
import threading
from uuid import uuid4

import pytest
from temporalio import activity
from temporalio.client import Client

from activities.contracts import ActivityName, Deliveries, RecordRequest
from activities.errors import to_application_error
from command_line.doors import decide
from command_line.session import Session
from command_line.works import work
from domain.decision import Accepted, Persona
from domain.errors import Forbidden
from domain.people_commands import GrantPersona
from domain.process import (
    COST_QUEUE,
    TASK_QUEUE,
    BudgetFile,
    BudgetLoadResult,
    CostSource,
    CostWatchResult,
    WorkflowName,
    budget_load_process_id,
    cost_watch_process_id,
)
from settings import Settings
from tests.workflows.stage import at_work

FORBIDDEN, ALLOWED = "stranger@example.com", "admin@example.com"


class Doors:
    """Activities that let one person in and not the other, once they are opened."""

    def __init__(self) -> None:
        self.open = threading.Event()

    @activity.defn(name=ActivityName.LOAD_BUDGET)
    def load(self, file: BudgetFile) -> BudgetLoadResult:
        self._wait()
        return BudgetLoadResult(status="refused" if file.actor == FORBIDDEN else "loaded", message=file.actor)

    @activity.defn(name=ActivityName.FIND_DELIVERIES)
    def find(self, source: CostSource) -> Deliveries:
        self._wait()
        if source.actor == FORBIDDEN:
            raise to_application_error(Forbidden("You may not"))
        return Deliveries()

    @activity.defn(name=ActivityName.RECORD)
    def record(self, request: RecordRequest) -> Accepted:
        self.open.wait(10)
        return Accepted(message=request.command.actor)

    def _wait(self) -> None:
        while not self.open.wait(0.05):
            activity.heartbeat()


def unheard(_step: str, _done: int, _whole: int) -> None:
    pass


@pytest.mark.parametrize(("first", "second"), [(FORBIDDEN, ALLOWED), (ALLOWED, FORBIDDEN)])
async def test_a_load_that_is_under_way_answers_nobody_else(
    temporal: str, temporal_client: Client, first: str, second: str
) -> None:
    doors, content_hash = Doors(), uuid4().hex * 2
    session = Session(Settings(temporal_address=temporal), timeout_s=30)

    async def load(actor: str) -> BudgetLoadResult:
        request = BudgetFile(command_id=uuid4(), actor=actor, content_hash=content_hash, file_name="budget.csv")
        process_id = budget_load_process_id(content_hash)
        return await work(session, WorkflowName.BUDGET_LOAD, request, process_id, BudgetLoadResult, unheard)

    async with at_work(temporal_client, [doors.load], TASK_QUEUE):
        tasks = [asyncio.create_task(load(first))]
        await asyncio.sleep(0.5)
        tasks.append(asyncio.create_task(load(second)))
        await asyncio.sleep(0.5)
        doors.open.set()
        answers = await asyncio.gather(*tasks)

    assert [answer.message for answer in answers] == [first, second]
    described = await temporal_client.get_workflow_handle(budget_load_process_id(content_hash)).describe()
    assert await described.static_summary() == "Load the budget file budget.csv"  # for people in the Temporal UI


async def test_somebody_elses_failure_is_not_ours(temporal: str, temporal_client: Client) -> None:
    doors, source = Doors(), f"folder-{uuid4().hex}"
    session = Session(Settings(temporal_address=temporal), timeout_s=30)

    async def watch(actor: str) -> CostWatchResult:
        request = CostSource(source=source, actor=actor)
        process_id = cost_watch_process_id(source)
        return await work(session, WorkflowName.COST_WATCH, request, process_id, CostWatchResult, unheard)

    async with (
        at_work(temporal_client, [doors.find], COST_QUEUE, workflows=()),
        at_work(temporal_client, [], TASK_QUEUE),
    ):
        refused = asyncio.create_task(watch(FORBIDDEN))
        await asyncio.sleep(0.5)
        ours = asyncio.create_task(watch(ALLOWED))
        await asyncio.sleep(0.5)
        doors.open.set()
        assert await ours == CostWatchResult()
        with pytest.raises(Forbidden, match="You may not"):
            await refused


async def test_another_command_with_the_same_id_is_not_answered_with_the_outcome_of_the_first(
    temporal: str, temporal_client: Client
) -> None:
    doors, command_id = Doors(), uuid4()
    session = Session(Settings(temporal_address=temporal), timeout_s=20)

    async def grant(actor: str) -> str:
        command = GrantPersona(command_id=command_id, actor=actor, person=ALLOWED, persona=Persona.VENDOR_MANAGER)
        return (await decide(session, command)).message

    async with at_work(temporal_client, [doors.record], TASK_QUEUE):
        first = asyncio.create_task(grant(ALLOWED))
        await asyncio.sleep(0.5)
        second = asyncio.create_task(grant(FORBIDDEN))
        await asyncio.sleep(0.5)
        doors.open.set()
        assert (await first, await second) == (ALLOWED, FORBIDDEN)  # it is the ledger that knows of the conflict
