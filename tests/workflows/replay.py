"""Replays histories, which finds out whether the code would do now what it did then."""

from __future__ import annotations

from temporalio.client import Client, WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from tests.workflows.stage import STRICT
from workflows.registration import WORKFLOWS, workflow_runner


def replayer() -> Replayer:
    return Replayer(
        workflows=WORKFLOWS, data_converter=pydantic_data_converter, workflow_runner=workflow_runner(STRICT)
    )


async def replay(history: WorkflowHistory) -> None:
    """Raises where the code does something else, or in another order."""
    await replayer().replay_workflow(history)


async def replay_all_runs(client: Client, process_id: str) -> int:
    """Every run of a process, also those that others followed; how many those were."""
    found = client.list_workflows(f'WorkflowId = "{process_id}"')
    async with replayer().workflow_replay_iterator(found.map_histories()) as results:
        failures = [result.replay_failure async for result in results]
    for failure in failures:
        if failure:
            raise failure
    return len(failures)
