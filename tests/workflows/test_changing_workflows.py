"""docs/changing-workflows.md, tried: a process under way gets a new step, in three deployments.

The process here is a small one of the kind of ours: it records, waits for a decision, and records again. Version 2
tells somebody before it waits; version 3 does not know any more that it once did not.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, Worker
from temporalio.workflow import NondeterminismError

NAME, PATCH = "Approval", "tell-somebody"
BRIEFLY = timedelta(seconds=10)
PAUSE_S = 0.3


@activity.defn
def take_down(what: str) -> str:
    return what


@activity.defn
def tell(whom: str) -> str:
    return whom


class Approval:
    """What all versions share."""

    def __init__(self) -> None:
        self._decided = False

    @workflow.signal
    def decide(self) -> None:
        self._decided = True

    async def record(self, what: str) -> None:
        await workflow.execute_activity(take_down, what, start_to_close_timeout=BRIEFLY)

    async def tell(self) -> None:
        await workflow.execute_activity(tell, "portfolio owner", start_to_close_timeout=BRIEFLY)


@workflow.defn(name=NAME)
class First(Approval):
    @workflow.run
    async def run(self) -> str:
        await self.record("submitted")
        await workflow.wait_condition(lambda: self._decided)
        await self.record("approved")
        return "approved"


@workflow.defn(name=NAME)
class Careless(Approval):
    """What not to do: the new step without a patch."""

    @workflow.run
    async def run(self) -> str:
        await self.record("submitted")
        await self.tell()
        await workflow.wait_condition(lambda: self._decided)
        await self.record("approved")
        return "approved"


@workflow.defn(name=NAME)
class Patched(Approval):
    """First deployment: runs that have passed this place go on without it, all others have it."""

    @workflow.run
    async def run(self) -> str:
        await self.record("submitted")
        if workflow.patched(PATCH):
            await self.tell()
        await workflow.wait_condition(lambda: self._decided)
        await self.record("approved")
        return "approved"


@workflow.defn(name=NAME)
class Deprecated(Approval):
    """Second deployment, when no run from before the first is left: the old branch is gone, the mark stays."""

    @workflow.run
    async def run(self) -> str:
        await self.record("submitted")
        workflow.deprecate_patch(PATCH)
        await self.tell()
        await workflow.wait_condition(lambda: self._decided)
        await self.record("approved")
        return "approved"


@workflow.defn(name=NAME)
class Third(Careless):
    """Third deployment, when no run with a mark of `patched` is left: as if it had always been like that."""

    @workflow.run
    async def run(self) -> str:
        return await Careless.run(self)


async def waiting(client: Client, version: type) -> tuple[str, WorkflowHistory]:
    """The id and the history of a run of that version which waits for its decision."""
    process_id, queue = f"changing-{uuid4()}", f"changing-{uuid4()}"
    async with worker(client, queue, version):
        handle = await client.start_workflow(NAME, id=process_id, task_queue=queue)
        await handle.query("__temporal_workflow_metadata")  # answered by the worker, after the first steps
        await settled(client, process_id)
    return process_id, await client.get_workflow_handle(process_id).fetch_history()


async def ended(client: Client, version: type) -> WorkflowHistory:
    """The history of a run of that version which went on to its end."""
    process_id, queue = f"changing-{uuid4()}", f"changing-{uuid4()}"
    async with worker(client, queue, version):
        handle = await client.start_workflow(NAME, id=process_id, task_queue=queue, start_signal="decide")
        await handle.result()
    return await client.get_workflow_handle(process_id).fetch_history()


async def settled(client: Client, process_id: str) -> None:
    before, history = -1, 0
    handle = client.get_workflow_handle(process_id)
    while before != history:
        await handle.query("__temporal_workflow_metadata")
        before, history = history, (await handle.describe()).history_length
        await asyncio.sleep(PAUSE_S)


def worker(client: Client, queue: str, version: type) -> Worker:
    return Worker(
        client,
        task_queue=queue,
        workflows=[version],
        activities=[take_down, tell],
        activity_executor=ThreadPoolExecutor(2),
        workflow_runner=UnsandboxedWorkflowRunner(),
    )


async def replay(history: WorkflowHistory, version: type) -> None:
    replayer: Any = Replayer(workflows=[version], workflow_runner=UnsandboxedWorkflowRunner())
    await replayer.replay_workflow(history)


async def test_a_new_step_without_a_patch_stops_what_is_under_way(temporal_client: Client) -> None:
    old = await ended(temporal_client, First)
    with pytest.raises(NondeterminismError):
        await replay(old, Careless)


async def test_a_history_that_ends_where_the_change_is_finds_out_nothing(temporal_client: Client) -> None:
    """What a version does beyond the last step of a history, a replay takes for what comes next."""
    _, too_short = await waiting(temporal_client, First)
    await replay(too_short, Careless)


async def test_with_a_patch_runs_of_both_kinds_go_on(temporal_client: Client) -> None:
    for version in (First, Patched):
        await replay(await ended(temporal_client, version), Patched)
        await replay((await waiting(temporal_client, version))[1], Patched)
    with pytest.raises(NondeterminismError):  # so there is no way back to the first version
        await replay(await ended(temporal_client, Patched), First)


async def test_the_patch_is_deprecated_when_no_run_is_older_than_it(temporal_client: Client) -> None:
    await replay(await ended(temporal_client, Patched), Deprecated)
    with pytest.raises(NondeterminismError):
        await replay(await ended(temporal_client, First), Deprecated)


async def test_the_patch_is_removed_when_no_run_has_its_mark(temporal_client: Client) -> None:
    await replay(await ended(temporal_client, Deprecated), Third)  # the mark of a deprecated patch may be missing
    await replay(await ended(temporal_client, Third), Third)
    for older in (First, Patched):
        with pytest.raises(NondeterminismError):
            await replay(await ended(temporal_client, older), Third)


async def test_a_run_under_way_comes_to_its_end_on_the_next_version(temporal_client: Client) -> None:
    process_id, _ = await waiting(temporal_client, First)
    handle = temporal_client.get_workflow_handle(process_id, result_type=str)
    queue = (await handle.describe()).task_queue
    async with worker(temporal_client, queue, Patched):
        await handle.signal("decide")
        assert await handle.result() == "approved"
        history = await handle.fetch_history()
    steps = [
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in history.events
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    assert steps == ["take_down", "take_down"]  # it had passed the place of the new step


async def test_runs_with_a_patch_can_be_counted(temporal_client: Client) -> None:
    """The query of the page: what has no mark of the change is older than it."""
    process_id, _ = await waiting(temporal_client, Patched)
    older_id, _ = await waiting(temporal_client, First)
    marked = f'TemporalChangeVersion = "{PATCH}"'
    ids: set[str] = set()
    for _ in range(50):
        ids = {run.id async for run in temporal_client.list_workflows(f'WorkflowType = "{NAME}" AND {marked}')}
        if process_id in ids:
            break
        await asyncio.sleep(PAUSE_S)
    older = f'WorkflowType = "{NAME}" AND ExecutionStatus = "Running" AND TemporalChangeVersion IS NULL'
    older_ids = {run.id async for run in temporal_client.list_workflows(older)}
    assert (process_id in ids, older_id in ids) == (True, False)
    assert (process_id in older_ids, older_id in older_ids) == (False, True)
