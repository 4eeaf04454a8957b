"""Cost reports without being asked for: the schedules of the sources, and the process that waits for messages of S3."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import psycopg
from temporalio.client import Client, ScheduleHandle, ScheduleOverlapPolicy
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from domain.cost_process import (
    COST_EVENTS_PROCESS_ID,
    COST_EVENTS_QUEUE,
    CostEventsReport,
    CostEventsRequest,
    cost_schedule_id,
)
from domain.errors import AllotError, BadInput
from domain.process import CostSource, WorkflowName
from tests.support.cost_reports import MadeReport, line
from tests.support.temporal import pause
from tests.workflows.cost_scenarios import NO_QUEUE, CostMessages, came
from tests.workflows.stage import at_work, company, current_details
from tests.workflows.test_worker import WITHIN_S, end_of, logged, started
from workflows.cost_events import UNKNOWN_MAX
from workflows.cost_schedules import ensure_cost_watches, remove_cost_watches


async def is_there(handle: ScheduleHandle) -> bool:
    with suppress(RPCError):
        await handle.describe()
        return True
    return False


async def test_each_source_has_a_schedule_of_its_own_while_it_is_configured(temporal_client: Client) -> None:
    name, other = (f"payer-{uuid4().hex[:8]}" for _ in range(2))
    handle, second = (temporal_client.get_schedule_handle(cost_schedule_id(one)) for one in (name, other))
    await ensure_cost_watches(temporal_client, [name, other], 360)
    await pause(handle, "The bucket is moved today")
    await ensure_cost_watches(temporal_client, [name, other], 60)
    schedule = (await handle.describe()).schedule
    assert [interval.every for interval in schedule.spec.intervals] == [timedelta(minutes=60)]
    assert schedule.policy.overlap is ScheduleOverlapPolicy.SKIP
    assert (schedule.state.paused, schedule.state.note) == (True, "The bucket is moved today")
    async with asyncio.timeout(WITHIN_S):
        while other in await listed(temporal_client) and await is_there(second):  # the list is a moment late
            await ensure_cost_watches(temporal_client, [name], 60)
            await asyncio.sleep(0.2)
    assert await is_there(handle)
    async with asyncio.timeout(WITHIN_S):
        while await is_there(handle):
            await remove_cost_watches(temporal_client)
            await asyncio.sleep(0.2)


async def listed(client: Client) -> str:
    return " ".join([entry.id async for entry in await client.list_schedules()])


async def test_a_worker_with_a_source_looks_at_it_by_its_schedule_and_imports_what_is_there(
    temporal: str, temporal_client: Client, database_url: str, tmp_path: Path
) -> None:
    name = f"payer-{uuid4().hex[:8]}"
    MadeReport([[line("2.5")]]).write(tmp_path / "cur")
    with company(database_url):
        pass
    handle = temporal_client.get_schedule_handle(cost_schedule_id(name))
    settings = {
        "temporal_address": temporal,
        "database_url": database_url,
        "file_store": str(tmp_path / "files"),
        "cost_sources": f'[[source]]\nname = "{name}"\nplace = "{tmp_path / "cur"}"',
        "cost_poll_minutes": "10080",
        "cost_scratch": str(tmp_path / "scratch"),
    }
    async with started(tmp_path / "state", **settings) as process:
        await logged(process, "Working for namespace default")
        try:
            async with asyncio.timeout(WITHIN_S):
                while not await is_there(handle):  # noqa: ASYNC110 - nothing else tells
                    await asyncio.sleep(0.1)
                await handle.trigger()
                while not stored(database_url):  # noqa: ASYNC110 - likewise
                    await asyncio.sleep(0.1)
        finally:
            await handle.delete()
        assert await end_of(process) == 0
    assert stored(database_url) == [("000000000042", "2.5")]
    assert list((tmp_path / "scratch").iterdir()) == []


def stored(database_url: str) -> list[tuple[str, str]]:
    with psycopg.connect(database_url) as connection:
        return connection.execute("SELECT account_id, trim_scale(unblended)::text FROM cost_rows").fetchall()


async def test_cost_events_counts_tells_what_is_wrong_and_ends_where_there_is_no_queue(
    time_skipping_env: WorkflowEnvironment,
) -> None:
    client = time_skipping_env.client
    looks: list[CostEventsReport | AllotError] = [
        came(3, started=2, elsewhere=4, rejected=1, last_rejection="no <b>JSON</b>"),
        BadInput("No permission."),
    ]
    messages = CostMessages([*looks, *([NO_QUEUE] * (UNKNOWN_MAX - 1)), came(2), *([NO_QUEUE] * UNKNOWN_MAX)])
    async with at_work(client, [messages.receive], COST_EVENTS_QUEUE, workflows=()), at_work(client, []) as queue:
        handle = await client.start_workflow(
            WorkflowName.COST_EVENTS,
            CostEventsRequest(handled=10),
            id=f"{COST_EVENTS_PROCESS_ID}-{uuid4().hex[:8]}",
            task_queue=queue,
            result_type=CostEventsRequest,
        )
        assert await handle.result() == CostEventsRequest(handled=15, started=2, rejected=1)
        details = await current_details(handle)
    assert messages.looks == 2 + UNKNOWN_MAX - 1 + 1 + UNKNOWN_MAX
    assert details == (
        "Ended: no queue is configured any more.\n\n"
        "The last messages came at 2026-06-04 10:12:30 UTC: 0 looks at reports were started; 0 objects are no current "
        "manifest of a configured source.\n\n"
        "The last one put aside: no \\<b\\>JSON\\</b\\>\n\n"
        "**15** messages handled by this process, 2 looks started, 1 messages put aside."
    )


def test_a_scheduled_look_says_nothing_but_the_name_of_its_source() -> None:
    sent = CostSource(source="payer-b", actor="system", scheduled=True).model_dump(exclude_defaults=True)
    assert sent == {"source": "payer-b", "actor": "system", "scheduled": True}
