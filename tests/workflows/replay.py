"""Replays histories, which finds out whether the code would do now what it did then."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, WorkflowInstance, WorkflowInstanceDetails, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxRestrictions
from temporalio.workflow import SandboxImportNotificationPolicy

from workflows.registration import WORKFLOWS, workflow_runner

ENDED_WITHIN_S, LOOK_EACH_S = 10.0, 0.2
STRICT = SandboxRestrictions.default.with_import_notification_policy(
    SandboxImportNotificationPolicy.RAISE_ON_UNINTENTIONAL_PASSTHROUGH
    | SandboxImportNotificationPolicy.WARN_ON_DYNAMIC_IMPORT
)
ENDS = frozenset(
    {
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW,
    }
)


class Remembering(WorkflowRunner):
    """Runs workflows in our sandbox, and remembers which runs there were, so that they can be replayed."""

    def __init__(self) -> None:
        self._runner = workflow_runner(STRICT)
        self.runs: set[tuple[str, str]] = set()

    def prepare_workflow(self, defn: object) -> None:
        self._runner.prepare_workflow(defn)  # type: ignore[arg-type] # the SDK does not export its type

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        self.runs.add((det.info.workflow_id, det.info.run_id))
        return self._runner.create_instance(det)

    async def replay_what_ended(self, client: Client, workflows: Sequence[type]) -> int:
        """Raises where today's code would not do again what it just did; how many runs were replayed."""
        replayed = 0
        for process_id, run_id in sorted(self.runs):
            history = await client.get_workflow_handle(process_id, run_id=run_id).fetch_history()
            if history.events[-1].event_type in ENDS:
                await replay(history, workflows)
                replayed += 1
        return replayed


def replayer(workflows: Sequence[type] = WORKFLOWS) -> Replayer:
    return Replayer(
        workflows=workflows, data_converter=pydantic_data_converter, workflow_runner=workflow_runner(STRICT)
    )


async def replay(history: WorkflowHistory, workflows: Sequence[type] = WORKFLOWS) -> None:
    """Raises where the code does something else, or in another order."""
    await replayer(workflows).replay_workflow(history)


async def replay_all_runs(client: Client, process_id: str) -> int:
    """Every run of a process, also those that others followed; how many those were."""
    return await _replay_found(client, f'WorkflowId = "{process_id}"')


async def replay_all_ended(client: Client, at_least: int = 0) -> int:
    """Everything that has ended in a namespace, whichever worker it ran on: a process of its own cannot be asked.

    A process ends a moment after it has answered, and is found a moment after that: so many are waited for.
    """
    query = 'ExecutionStatus IN ("Completed", "Failed", "Canceled", "ContinuedAsNew")'
    for _ in range(int(ENDED_WITHIN_S / LOOK_EACH_S)):
        if (await client.count_workflows(query)).count >= at_least:
            break
        await asyncio.sleep(LOOK_EACH_S)
    return await _replay_found(client, query)


async def _replay_found(client: Client, query: str) -> int:
    found = client.list_workflows(query)
    async with replayer().workflow_replay_iterator(found.map_histories()) as results:
        failures = [result.replay_failure async for result in results]
    for failure in failures:
        if failure:
            raise failure
    return len(failures)
