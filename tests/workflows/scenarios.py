"""Lives of processes from which histories are recorded: each as short as it can be to show its way."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.budget_drop import BudgetDrops
from activities.budget_files import BudgetFiles
from activities.contracts import ActivityName, ChannelReport, RestatementsResult
from activities.people_files import PeopleFiles
from activities.schedule_waiting import ScheduleWaiting
from domain.account_process import SyncRequest, SyncResult
from domain.decision import Organization, Persona
from domain.people_commands import DeactivatePerson, GrantPersona
from domain.process import (
    BUDGET_DROP_PROCESS_ID,
    COST_QUEUE,
    NOTIFICATIONS_QUEUE,
    ORGANIZATION_SYNC_PROCESS_ID,
    ORGANIZATIONS_QUEUE,
    BudgetFile,
    CostSource,
    DirectCommand,
    DropRequest,
    NotificationChannel,
    PeopleFile,
    RegisterPersonRequest,
    WorkflowName,
    budget_load_process_id,
    cost_import_process_id,
    cost_watch_process_id,
    direct_decision_process_id,
    notifications_process_id,
    people_import_process_id,
    person_registration_process_id,
)
from file_store import FileStore
from tests.workflows import account_scenarios as accounts
from tests.workflows import cost_scenarios as costs
from tests.workflows import round_scenarios as rounds
from tests.workflows.reports import JUNE, Reports
from tests.workflows.stage import (
    LEAD,
    OTHER_LEAD,
    OWNER,
    STRANGER,
    YEAR,
    SetClock,
    Stage,
    at_work,
    make_admin,
)
from views.projector import Projector

type Scenario = Callable[[Stage], Awaitable[str | tuple[str, str]]]
"""Plays on a stage and gives the id of the process whose history is kept, or of one of its runs."""

BUDGET_FILE = "Example_2027_true_2027-01-01_false_Budget_v1.csv"
CHANGE_FILE = f"Example_{YEAR}_false_{YEAR}-06-01_false_Budget_v2.csv"
BUDGET = b"Business Unit,Department,Portfolio,Product,Annual\nRetail,Digital,Web,Checkout,1200.00\n"
PASSES_EVENTS = 30
"""Events after which the process of a channel has sent something."""
PEOPLE = b"email,name,persona,node\nann@example.com,Ann,product_owner,Retail/Digital/Web/Checkout\n"


async def submit_approve(stage: Stage) -> str:
    await stage.submit()
    await stage.approve()
    await stage.handle.result()
    return stage.process_id


async def reject_resubmit_approve(stage: Stage) -> str:
    await stage.submit()
    await stage.reject()
    await stage.submit("50.00")
    await stage.approve(version=4)
    await stage.handle.result()
    return stage.process_id


async def refused_first(stage: Stage) -> str:
    try:
        await stage.submit("101.00")
    except ApplicationError:
        await stage.handle.result()
    return stage.process_id


async def decided_after_the_end(stage: Stage) -> str:
    await submit_approve(stage)
    await stage.approve(actor=OTHER_LEAD)
    await stage.handle.result()
    return stage.process_id


async def hostile_signals(stage: Stage) -> str:
    await stage.submit()
    for name, payload in (("approve", None), ("approve", [1]), ("nonsense", {}), ("approve", {"actor": STRANGER})):
        await stage.handle.signal(name, payload)
    await stage.handle.signal("approve")
    await stage.handle.signal("reject", args=[1, 2])
    await stage.handle.signal("approve", {"actor": STRANGER, "version": 1})
    await stage.refused(7)
    await stage.handle.signal("approve", {"actor": LEAD, "version": 1})
    await stage.handle.result()
    return stage.process_id


async def direct_decision(stage: Stage) -> str:
    command = GrantPersona(command_id=uuid4(), actor=OWNER, person=STRANGER, persona=Persona.VENDOR_MANAGER)
    process_id = direct_decision_process_id(command.command_id)
    await play(stage, WorkflowName.DIRECT_DECISION, DirectCommand(command=command), process_id)
    return process_id


async def person_registration(stage: Stage) -> str:
    make_admin(stage, OWNER)
    request = RegisterPersonRequest(command_id=uuid4(), actor=OWNER, email="ann@example.com", name="Ann")
    process_id = person_registration_process_id(request.command_id)
    await play(stage, WorkflowName.PERSON_REGISTRATION, request, process_id)
    return process_id


async def budget_load(stage: Stage) -> str:
    make_admin(stage, OWNER)
    with tempfile.TemporaryDirectory() as folder:
        store = FileStore(str(Path(folder)))
        file = BudgetFile(command_id=uuid4(), actor=OWNER, content_hash=store.put(BUDGET), file_name=BUDGET_FILE)
        process_id = budget_load_process_id(file.content_hash)
        activities = [BudgetFiles(stage.ledger, store, Organization()).load]
        async with at_work(stage.client, activities) as queue:
            result = await play(stage, WorkflowName.BUDGET_LOAD, file, process_id, queue)
    assert result["status"] == "loaded", result
    return process_id


async def budget_load_informs(stage: Stage) -> str:
    """A change that makes a schedule go back to its owner, whose process is told."""
    make_admin(stage, OWNER)
    stage = replace(stage, apart="")  # the activity knows processes by their real ids only
    await stage.submit()
    with tempfile.TemporaryDirectory() as folder:
        store = FileStore(str(Path(folder)))
        content = BUDGET.replace(b"1200.00", b"600.00")
        file = BudgetFile(command_id=uuid4(), actor=OWNER, content_hash=store.put(content), file_name=CHANGE_FILE)
        process_id = budget_load_process_id(file.content_hash)
        tell = ScheduleWaiting(stage.ledger, Organization(), stage.client).inform_rounds
        async with at_work(stage.client, [BudgetFiles(stage.ledger, store, Organization()).load, tell]) as queue:
            result = await play(stage, WorkflowName.BUDGET_LOAD, file, process_id, queue)
    assert result["informed"] == 1, result
    await stage.handle.result()
    return process_id


async def budget_drop(stage: Stage) -> str:
    """A good file and a bad one."""
    make_admin(stage, OWNER)
    with tempfile.TemporaryDirectory() as folder:
        drop, process_id = Path(folder) / "drop", f"{BUDGET_DROP_PROCESS_ID}-{uuid4().hex[:8]}"
        drop.mkdir()
        for name, content in (("nonsense.csv", b"a"), (BUDGET_FILE, BUDGET)):
            (drop / name).write_bytes(content)
            os.utime(drop / name, (1, 1))
        store = FileStore(folder)
        drops = BudgetDrops(store, str(drop), OWNER)
        files = BudgetFiles(stage.ledger, store, Organization())
        async with at_work(stage.client, [drops.take, drops.answer, files.load]) as queue:
            result = await play(stage, WorkflowName.BUDGET_DROP, DropRequest(), process_id, queue)
        assert result["loads"] == 2, result
    return process_id


async def last_owner_leaves(stage: Stage) -> str:
    """And the round that waits for a decision is told."""
    make_admin(stage, STRANGER)
    stage = replace(stage, apart="")
    await stage.submit()
    process_id = ""
    for person in (LEAD, OTHER_LEAD):
        command = DeactivatePerson(command_id=uuid4(), actor=STRANGER, person=person)
        process_id = direct_decision_process_id(command.command_id)
        playing = asyncio.create_task(
            play(stage, WorkflowName.DIRECT_DECISION, DirectCommand(command=command), process_id)
        )
        while not playing.done():  # the views are asked which products there are
            await asyncio.to_thread(Projector(stage.ledger, stage.database_url, Organization()).catch_up)
            await asyncio.sleep(0.05)
        await playing
    await stage.until(lambda view: view.escalated)
    await stage.approve(actor=STRANGER)
    await stage.handle.result()
    return process_id


async def people_import(stage: Stage) -> str:
    make_admin(stage, OWNER)
    with tempfile.TemporaryDirectory() as folder:
        store = FileStore(str(Path(folder)))
        file = PeopleFile(command_id=uuid4(), actor=OWNER, content_hash=store.put(PEOPLE), file_name="people.csv")
        process_id = people_import_process_id(file.content_hash)
        async with at_work(stage.client, [PeopleFiles(stage.ledger, store).import_people]) as queue:
            result = await play(stage, WorkflowName.PEOPLE_IMPORT, file, process_id, queue)
    assert result["status"] == "imported", result
    return process_id


async def notifications(stage: Stage) -> str:
    """Never ends by itself: recorded when its first message was sent and it looks for the next one."""
    channel = NotificationChannel(channel=f"mail-{uuid4().hex[:8]}")
    process_id = notifications_process_id(channel.channel)
    async with at_work(stage.client, [collect, send], NOTIFICATIONS_QUEUE, workflows=()):
        handle = await stage.client.start_workflow(
            WorkflowName.NOTIFICATIONS, channel, id=process_id, task_queue=stage.queue
        )
        async with asyncio.timeout(rounds.WITHIN_S):
            while (await handle.describe()).history_length < PASSES_EVENTS:  # noqa: ASYNC110 - nothing else tells
                await asyncio.sleep(0.05)
    return process_id


async def organization_sync(stage: Stage) -> str:
    async with at_work(stage.client, [sync], ORGANIZATIONS_QUEUE, workflows=()):
        await play(stage, WorkflowName.ORGANIZATION_SYNC, SyncRequest(), ORGANIZATION_SYNC_PROCESS_ID)
    return ORGANIZATION_SYNC_PROCESS_ID


async def cost_watch(stage: Stage) -> str:
    reports = Reports()
    reports.add("may-1")
    reports.add("june-1", JUNE)
    reports.broken["may-1"] = ("BadPart", 1)
    await _watch(stage, reports)
    return cost_watch_process_id(reports.source)


async def cost_watch_scheduled(stage: Stage) -> str:
    """The one version is overwritten while it is read, so that there is another look."""
    reports = Reports()
    reports.add("may-1")
    reports.add("june-1", JUNE)
    reports.broken["june-1"] = ("Superseded", 1)
    await _watch(stage, reports, scheduled=True)
    return cost_watch_process_id(reports.source)


async def cost_import_restates(stage: Stage) -> str:
    reports = Reports()
    delivery = reports.add("may-2")
    reports.restated = RestatementsResult(replaced="may-1", restated=1_200, position=11)
    await _watch(stage, reports)
    return cost_import_process_id(delivery.report)


async def cost_import(stage: Stage) -> str:
    reports = Reports()
    delivery = reports.add("may-1")
    await _watch(stage, reports)
    return cost_import_process_id(delivery.report)


SCENARIOS: dict[str, Scenario] = {
    "submit-approve": submit_approve,
    "reject-resubmit-approve": reject_resubmit_approve,
    "refused-first": refused_first,
    "decided-after-the-end": decided_after_the_end,
    "hostile-signals": hostile_signals,
    "direct-decision": direct_decision,
    "person-registration": person_registration,
    "budget-load": budget_load,
    "organization-sync": organization_sync,
    "cost-watch": cost_watch,
    "cost-import": cost_import,
    "people-import": people_import,
    "budget-load-informs": budget_load_informs,
    "last-owner-leaves": last_owner_leaves,
    "budget-drop": budget_drop,
    "notifications": notifications,
    "approved-in-time": rounds.approved_in_time,
    "revised": rounds.revised,
    "revised-by-hand": rounds.revised_by_hand,
    "withdrawn": rounds.withdrawn,
    "request-grant-submit-approve": rounds.request_grant_submit_approve,
    "request-attached-grant": rounds.request_attached_grant,
    "denied": rounds.denied,
    "given-up": rounds.given_up,
    "returned-by-load": rounds.returned_by_load,
    "reminded-escalated-stand-in": rounds.reminded_escalated_stand_in,
    "year-end": rounds.year_end,
    "continued-as-new": rounds.continued_as_new,
    "continues-as-new": rounds.continues_as_new,
    "round-of-the-past": rounds.round_of_the_past,
    "hostile-signals-in-time": rounds.hostile_signals_in_time,
    "account-aligned-by-expectation": accounts.aligned_by_expectation,
    "account-proposal-accepted": accounts.proposal_accepted,
    "account-allocated-by-signal": accounts.allocated_by_signal,
    "account-reminded-escalated": accounts.reminded_escalated,
    "account-continues-as-new": accounts.continues_as_new,
    "account-continued-as-new": accounts.continued_as_new,
    "account-events": accounts.account_events,
    "account-import": accounts.account_import,
    "direct-decision-wakes": accounts.direct_decision_wakes,
    "rules-replaced": accounts.rules_replaced,
    "cost-import-first-bills": cost_import,
    "organization-sync-pass": organization_sync,
    "cost-watch-scheduled": cost_watch_scheduled,
    "cost-events": costs.cost_events,
    "cost-import-restatements": cost_import_restates,
}
"""Those up to `cost-import` were recorded before schedules had times, and stand for the runs of that version; imports
and decisions up to `hostile-signals-in-time` before accounts had processes."""

ON_AN_IMPATIENT_SERVER = frozenset(
    {
        "continued-as-new",
        "continues-as-new",
        "account-continues-as-new",
        "account-continued-as-new",
        "account-events",
        "cost-events",
    }
)
"""Which suggests to continue as new after a few events."""


def staging(name: str) -> dict[str, Any]:
    """What the stage of that scenario needs: clocks that are set, because nobody waits for a reminder here."""
    now = datetime.now(UTC)
    match name:
        case "reminded-escalated-stand-in":
            return {"clock": SetClock(now - rounds.LONG_AGO), "year": now.year + 1}
        case "year-end":
            return {"clock": SetClock(datetime(now.year - 1, 12, 31, 12, tzinfo=UTC)), "year": now.year - 1}
        case "rules-replaced" | "direct-decision-wakes":
            return accounts.staging(name)
    return accounts.staging(name) if name.startswith("account-") else {}


@activity.defn(name=ActivityName.SYNC_ORGANIZATION)
def sync(_request: SyncRequest) -> SyncResult:
    """AWS is no matter of the process."""
    return SyncResult(
        accounts=12,
        recorded=1,
        calls=3,
        position=7,
        departed=1,
        opened=1,
        started=2,
        list_calls=1,
        tag_calls=1,
        throttled=1,
        skipped=1,
    )


@activity.defn(name=ActivityName.COLLECT_NOTIFICATIONS)
def collect(_request: NotificationChannel) -> ChannelReport:
    return ChannelReport(known=True, due=1)


@activity.defn(name=ActivityName.SEND_NOTIFICATIONS)
def send(_request: NotificationChannel) -> ChannelReport:
    return ChannelReport(known=True, sent=1)


async def play(stage: Stage, name: WorkflowName, request: object, process_id: str, queue: str = "") -> Any:
    return await stage.client.execute_workflow(name, request, id=process_id, task_queue=queue or stage.queue)


async def _watch(stage: Stage, reports: Reports, *, scheduled: bool = False) -> None:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(at_work(stage.client, reports.activities, COST_QUEUE, workflows=()))
        source = CostSource(source=reports.source, actor="system", scheduled=scheduled)
        await play(stage, WorkflowName.COST_WATCH, source, cost_watch_process_id(reports.source))
