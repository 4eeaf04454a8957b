"""The drop through its process, and the Temporal schedule that starts it."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import ValidationError
from temporalio import activity
from temporalio.client import Client, ScheduleHandle, ScheduleOverlapPolicy, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.budget_drop import BudgetDrops
from activities.budget_files import BudgetFiles
from activities.contracts import ActivityName
from domain.decision import Channel
from domain.process import (
    BUDGET_DROP_SCHEDULE_ID,
    TASK_QUEUE,
    BudgetDropResult,
    BudgetFile,
    BudgetLoadResult,
    DropRequest,
    WorkflowName,
    budget_load_process_id,
)
from file_store import FileStore, name_of
from settings import Settings
from tests.support.temporal import pause
from tests.workflows.stage import LEAD, ORGANIZATION, OWNER, Stage, at_work, company, make_admin, on_stage
from tests.workflows.test_worker import WITHIN_S, end_of, logged, started
from workflows.schedules import ensure_budget_drop, ensure_schedules

NAME = "Example_2027_true_2027-01-01_false_Budget_v1.csv"
OTHER = "Example_2028_true_2028-01-01_false_Budget_v1.csv"
HEADER = "Business Unit,Department,Portfolio,Product,Annual\n"


class Drop:
    """A folder, and a worker that looks into it."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self.stage, self.folder, self.queue = stage, folder, ""
        self.written = 0

    def put(self, name: str, content: str = "") -> bytes:
        """One after the other; the bytes are those of this test alone, as processes are named by them."""
        data = (content or f"{HEADER}Retail,Digital,Web,Cart {uuid4().hex},1200.00\n").encode()
        (self.folder / name).write_bytes(data)
        self.written += 1
        os.utime(self.folder / name, (self.written, self.written))
        return data

    async def look(self) -> BudgetDropResult:
        result: BudgetDropResult = await self.stage.client.execute_workflow(
            WorkflowName.BUDGET_DROP,
            DropRequest(),
            id=f"budget-drop-{uuid4()}",
            task_queue=self.queue,
            result_type=BudgetDropResult,
        )
        return result

    def answered(self, name: str) -> bool:
        return (self.folder / f"{name}.result.json").exists() and self.result(name)["status"] != "loading"

    def result(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / f"{name}.result.json").read_text())
        return found


@asynccontextmanager
async def drop_of(
    client: Client, database_url: str, tmp_path: Path, actor: str = OWNER, load: Any = None
) -> AsyncIterator[Drop]:
    async with on_stage(client, database_url) as stage:
        make_admin(stage, OWNER)
        drop = Drop(stage, tmp_path / "drop")
        drop.folder.mkdir()
        store = FileStore(str(tmp_path / "files"))
        drops = BudgetDrops(store, str(drop.folder), actor)
        files = BudgetFiles(stage.ledger, store, ORGANIZATION, database_url)
        async with at_work(client, [drops.take, drops.answer, load or files.load]) as queue:
            drop.queue = queue
            yield drop


async def test_what_is_dropped_is_loaded_and_a_bad_file_stops_no_other(
    temporal_client: Client, database_url: str, tmp_path: Path
) -> None:
    async with drop_of(temporal_client, database_url, tmp_path) as drop:
        drop.put("nonsense.csv", f"{uuid4()}")
        drop.put(OTHER, f"{HEADER}Retail,Digital,Web,Cart {uuid4().hex},12oo\n")
        data = drop.put(NAME)
        assert await drop.look() == BudgetDropResult(loads=3)
        assert [drop.result(name)["status"] for name in ("nonsense.csv", OTHER, NAME)] == [
            "refused",
            "invalid",
            "loaded",
        ]
        assert drop.result(NAME)["process"] == budget_load_process_id(name_of(data))
        assert await drop.look() == BudgetDropResult()


async def test_a_refusal_is_tried_again_once_its_result_is_removed(
    temporal_client: Client, database_url: str, tmp_path: Path
) -> None:
    async with drop_of(temporal_client, database_url, tmp_path, LEAD) as drop:
        drop.put(NAME)
        await drop.look()
        assert (drop.result(NAME)["status"], drop.result(NAME)["error"]) == ("refused", "Forbidden")
        make_admin(drop.stage, LEAD)
        assert (await drop.look()).loads == 0
        (drop.folder / f"{NAME}.result.json").unlink()
        await drop.look()
        assert drop.result(NAME)["status"] == "loaded"


async def test_a_load_of_the_same_bytes_under_way_is_waited_for(
    temporal_client: Client, database_url: str, tmp_path: Path
) -> None:
    begun, goes_on, seen = asyncio.Event(), asyncio.Event(), list[BudgetFile]()

    @activity.defn(name=ActivityName.LOAD_BUDGET)
    async def load(file: BudgetFile) -> BudgetLoadResult:
        seen.append(file)
        begun.set()
        await goes_on.wait()
        return BudgetLoadResult(status="unchanged", message=f"Number {len(seen)}")

    async with drop_of(temporal_client, database_url, tmp_path, load=load) as drop:
        data = drop.put(NAME)
        own = BudgetFile(command_id=uuid4(), actor=LEAD, content_hash=name_of(data), file_name="by hand.csv")
        by_hand = await temporal_client.start_workflow(
            WorkflowName.BUDGET_LOAD, own, id=budget_load_process_id(name_of(data)), task_queue=drop.queue
        )
        await begun.wait()
        looking = asyncio.create_task(drop.look())
        await asyncio.sleep(1)
        assert not looking.done()
        goes_on.set()
        await by_hand.result()
        assert await looking == BudgetDropResult(loads=1)
        assert drop.result(NAME)["message"] == "Number 2"
        assert [(file.actor, file.channel) for file in seen] == [(LEAD, Channel.UPDATE), (OWNER, Channel.UPDATE)]
        assert isinstance(seen[1].command_id, UUID)


async def test_a_load_that_fails_is_told_and_stops_no_other(
    temporal_client: Client, database_url: str, tmp_path: Path
) -> None:
    @activity.defn(name=ActivityName.LOAD_BUDGET)
    def load(file: BudgetFile) -> BudgetLoadResult:
        if file.file_name == OTHER:
            raise ApplicationError("That id is taken", type="CommandConflict", non_retryable=True)
        return BudgetLoadResult(status="unchanged", message="Fine")

    async with drop_of(temporal_client, database_url, tmp_path, load=load) as drop:
        drop.put(OTHER)
        drop.put(NAME)
        assert (await drop.look()).loads == 2
        assert drop.result(OTHER)["status"] == "failed"
        assert drop.result(OTHER)["message"] == "That id is taken. Remove this result to have the file tried again."
        assert drop.result(NAME)["status"] == "unchanged"


async def test_without_a_drop_a_look_ends_and_says_so(
    temporal_client: Client, database_url: str, tmp_path: Path
) -> None:
    async with drop_of(temporal_client, database_url, tmp_path) as drop:
        drops = BudgetDrops(FileStore(str(tmp_path)), "", "")
        async with at_work(temporal_client, [drops.take, drops.answer]) as queue:
            drop.queue = queue
            with pytest.raises(WorkflowFailureError) as failed:
                await drop.look()
    assert "ALLOT_BUDGET_DROP" in str(failed.value.cause)


async def test_the_schedule_is_there_while_there_is_a_drop(temporal_client: Client) -> None:
    handle = temporal_client.get_schedule_handle(BUDGET_DROP_SCHEDULE_ID)
    await ensure_schedules(temporal_client, 5)
    with pytest.raises(RPCError):
        await handle.describe()
    await ensure_schedules(temporal_client, 5, 3)
    await pause(handle, "The bucket is moved today")
    await ensure_budget_drop(temporal_client, 7)
    schedule = (await handle.describe()).schedule
    assert [interval.every for interval in schedule.spec.intervals] == [timedelta(minutes=7)]
    assert schedule.policy.overlap is ScheduleOverlapPolicy.SKIP
    assert (schedule.state.paused, schedule.state.note) == (True, "The bucket is moved today")
    await ensure_schedules(temporal_client, 5)
    with pytest.raises(RPCError) as gone:
        await handle.describe()
    assert gone.value.status is RPCStatusCode.NOT_FOUND


async def test_a_worker_with_a_drop_schedules_looks_that_load_what_is_there(
    temporal: str, temporal_client: Client, database_url: str, tmp_path: Path
) -> None:
    handle = temporal_client.get_schedule_handle(BUDGET_DROP_SCHEDULE_ID)
    with company(database_url) as ledger:
        stage = Stage(temporal_client, ledger, TASK_QUEUE)
        make_admin(stage, OWNER)
        drop = Drop(stage, tmp_path / "drop")
        drop.folder.mkdir()
        drop.put(NAME)
        settings = {
            "temporal_address": temporal,
            "database_url": database_url,
            "file_store": str(tmp_path / "files"),
            "budget_drop": str(drop.folder),
            "budget_drop_actor": OWNER,
            "budget_drop_minutes": "1440",
        }
        async with started(tmp_path / "state", **settings) as process:
            await logged(process, "Working for namespace default")
            try:
                async with asyncio.timeout(WITHIN_S):
                    while not await is_scheduled(handle):  # noqa: ASYNC110 - nothing else tells
                        await asyncio.sleep(0.1)
                    await handle.trigger()
                    while not drop.answered(NAME):  # noqa: ASYNC110 - likewise
                        await asyncio.sleep(0.1)
            finally:
                await handle.delete()
            assert await end_of(process) == 0
        assert drop.result(NAME)["status"] == "loaded"


async def is_scheduled(handle: ScheduleHandle) -> bool:
    try:
        await handle.describe()
    except RPCError:
        return False
    return True


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"budget_drop": "/drop"}, "budget_drop_actor"),
        ({"budget_drop": "/drop", "budget_drop_actor": " "}, "budget_drop_actor"),
        ({"budget_drop": "/drop", "budget_drop_actor": "system"}, "budget_drop_actor"),
        ({"budget_drop": "s3:///x", "budget_drop_actor": "fin@example.com"}, "budget_drop"),
        ({"budget_drop_minutes": 0}, "budget_drop_minutes"),
    ],
)
def test_a_drop_without_somebody_who_answers_for_it_is_a_wrong_setting(given: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ValidationError) as told:
        Settings(**given)
    assert told.value.errors()[0]["loc"] == (wrong,)


def test_an_empty_setting_means_no_drop() -> None:
    assert Settings(budget_drop="", budget_drop_actor="").budget_drop is None
    there = Settings(budget_drop="s3://finance/drop", budget_drop_actor="fin@example.com")
    assert (there.budget_drop, there.budget_drop_actor) == ("s3://finance/drop", "fin@example.com")
