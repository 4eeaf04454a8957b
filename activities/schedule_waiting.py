"""What time and loads do to schedules: reminders, escalations, the end of the year, and telling the open rounds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import batched
from uuid import UUID, uuid5

from temporalio import activity
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.contracts import (
    AcceptedOnSchedule,
    ActivityName,
    InformRequest,
    InformResult,
    Progress,
    RefusedOnSchedule,
    WaitingStep,
)
from activities.ledger_commands import on_schedule, origin_of_activity, reported
from activities.schedule_views import read_view
from domain.budget import AnnualApproved, BudgetLoaded, ProductWithdrawn
from domain.decision import NAMESPACE, SYSTEM, Channel, Fact, Organization
from domain.errors import Unavailable
from domain.hierarchy import NodePath
from domain.process import REFRESH_SIGNAL, schedule_process_id
from domain.schedule import LIVING, Schedule, ScheduleFact, schedule_stream
from domain.schedule_waiting import EndScheduleYear, EscalateSchedule, RemindSchedule
from ledger.ledger import Ledger

EVENTS_AT_ONCE = 5_000
"""Of the log, in memory."""
SCHEDULES_AT_ONCE = 500
SIGNALS_AT_ONCE = 20


class ScheduleWaiting:
    """Acts as Allot itself, which no message can: what it does follows from the ledger alone."""

    def __init__(self, ledger: Ledger, organization: Organization, client: Client) -> None:
        self._ledger = ledger
        self._organization = organization
        self._client = client

    @activity.defn(name=ActivityName.STEP_WAITING)
    def step(self, request: WaitingStep) -> AcceptedOnSchedule | RefusedOnSchedule:
        with reported():
            outcome = self._ledger.record(command_of(request), origin_of_activity())
            view = read_view(self._ledger, self._organization, request.fiscal_year, request.product)
        return on_schedule(outcome, view)

    @activity.defn(name=ActivityName.INFORM_ROUNDS)
    async def inform_rounds(self, request: InformRequest) -> InformResult:
        """Tells the process of each open round that its annual budget has changed. A process that is not there has
        nothing to learn: whoever starts it reads the ledger."""
        products, moved = await self._touched(request)
        informed = 0
        for number, chunk in enumerate(batched(sorted(products, key=str), SCHEDULES_AT_ONCE)):
            activity.heartbeat(Progress(step="informing", done=number * SCHEDULES_AT_ONCE, whole=len(products)))
            with reported():
                rounds = await asyncio.to_thread(self._open_rounds, request.fiscal_year, chunk, moved)
            informed += await tell(self._client, rounds)
        return InformResult(informed=informed)

    async def _touched(self, request: InformRequest) -> tuple[set[NodePath], set[NodePath]]:
        """Products whose annual budget or schedule the load has changed, and those among them whose schedule it moved.

        Its events are found from its last place in the log backwards, up to the entry in the book, which is its first
        one. Those of others stand in between, another load's among them, so a batch may hold none of its own.
        """
        products: set[NodePath] = set()
        moved: set[NodePath] = set()
        last = request.position
        with reported():
            if await asyncio.to_thread(self._ledger.settled_head) < last:
                raise Unavailable(f"The log cannot be read up to {last} yet; it will be tried again.")
            while last > 0:
                facts = await asyncio.to_thread(self._facts, request.command_id, last)
                lines = [fact for fact in facts if isinstance(fact, AnnualApproved | ProductWithdrawn)]
                schedules = [fact for fact in facts if isinstance(fact, ScheduleFact)]
                products |= {fact.product for fact in lines if fact.fiscal_year == request.fiscal_year}
                moved |= {fact.product for fact in schedules if fact.fiscal_year == request.fiscal_year}
                activity.heartbeat(Progress(step="finding the products", done=len(products)))
                last = 0 if any(isinstance(fact, BudgetLoaded) for fact in facts) else last - EVENTS_AT_ONCE
        return products | moved, moved

    def _facts(self, command_id: UUID, last: int) -> list[Fact]:
        """What that command recorded in the batch of the log that ends there."""
        first = max(0, last - EVENTS_AT_ONCE)
        events = self._ledger.follow(first, last - first)
        return [event.fact for event in events if event.command_id == command_id and event.position <= last]

    def _open_rounds(self, fiscal_year: int, products: Sequence[NodePath], moved: set[NodePath]) -> list[str]:
        """Ids of the processes that may be under way: of open rounds, and of those that the load itself has ended."""
        streams = {schedule_stream(fiscal_year, product): product for product in products}
        states = self._ledger.states(streams)
        found: list[str] = []
        for stream, product in streams.items():
            schedule: Schedule = states[stream]
            if schedule.state in LIVING or product in moved:
                found.append(schedule_process_id(fiscal_year, product, schedule.round))
        return found


async def tell(client: Client, process_ids: Sequence[str]) -> int:
    """Makes these processes look into the ledger; how many of them there are."""
    told = 0
    for some in batched(process_ids, SIGNALS_AT_ONCE):
        told += sum(await asyncio.gather(*(_signal(client, process_id) for process_id in some)))
        activity.heartbeat(Progress(step="informing"))
    return told


async def _signal(client: Client, process_id: str) -> bool:
    try:
        await client.get_workflow_handle(process_id).signal(REFRESH_SIGNAL)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        with reported():
            raise Unavailable(f"Temporal did not take a signal for {process_id} ({error.message}).") from error
    return True


def command_of(step: WaitingStep) -> RemindSchedule | EscalateSchedule | EndScheduleYear:
    """Its id follows from the step, so that a step that is tried again is the same."""
    name = f"waiting/{step.fiscal_year}/{step.product}/{step.step}/{step.turn}/{step.count}"
    if step.attempt:
        name += f"/{step.attempt}"
    shared = {
        "command_id": uuid5(NAMESPACE, name),
        "actor": SYSTEM,
        "channel": Channel.WORKFLOW,
        "fiscal_year": step.fiscal_year,
        "product": step.product,
    }
    match step.step:
        case "remind":
            return RemindSchedule.model_validate({**shared, "turn": step.turn, "count": step.count})
        case "escalate":
            return EscalateSchedule.model_validate({**shared, "turn": step.turn})
        case "end_year":
            return EndScheduleYear.model_validate(shared)
