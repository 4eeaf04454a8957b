"""What processes did once, today's code would do again: else those under way would stand still after a deployment."""

from __future__ import annotations

import importlib.util
import inspect
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner
from temporalio.workflow import NondeterminismError

from domain.process import WorkflowName
from tests.workflows.replay import replay
from tests.workflows.scenarios import SCENARIOS
from workflows.account_alignment import AccountAlignment
from workflows.account_events import AccountEvents
from workflows.budget_schedule import BudgetSchedule

HISTORIES = Path(__file__).parent / "histories"


def recorded(name: str) -> dict[str, Any]:
    history: dict[str, Any] = json.loads((HISTORIES / f"{name}.json").read_text(encoding="utf-8"))
    return history


def test_every_kind_of_process_has_a_recorded_history() -> None:
    assert {file.stem for file in HISTORIES.glob("*.json")} == set(SCENARIOS)
    kinds = {
        recorded(name)["events"][0]["workflowExecutionStartedEventAttributes"]["workflowType"]["name"]
        for name in SCENARIOS
    }
    assert kinds == set(WorkflowName)


@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_recorded_history_replays(name: str) -> None:
    await replay(WorkflowHistory.from_json(name, recorded(name)))


@pytest.mark.parametrize(
    "name",
    [
        "submit-approve",
        "reject-resubmit-approve",
        "hostile-signals",
        "cost-watch",
        "year-end",
        "account-proposal-accepted",
        "account-reminded-escalated",
        "rules-replaced",
    ],
)
async def test_another_order_of_steps_is_found_out(name: str) -> None:
    history = recorded(name)
    swap_first_steps(history)
    with pytest.raises(NondeterminismError):
        await replay(WorkflowHistory.from_json(name, history))


class Plant(NamedTuple):
    """A change of a process that must be found out."""

    process: type
    history: str
    old: str
    new: str


PLANTS = {
    "publishes before it reads": Plant(
        BudgetSchedule,
        "approved-in-time",
        "await self._look_around()",
        "self._publish()\n        await self._look_around()",
    ),
    "forgets its timers": Plant(
        BudgetSchedule, "approved-in-time", "if due is None or something_happened():", "if True:"
    ),
    "reads after each decision": Plant(
        BudgetSchedule,
        "approved-in-time",
        "            return outcome",
        "            await self._read(); return outcome",
    ),
    "an account is not looked at after a decision": Plant(
        AccountAlignment,
        "account-proposal-accepted",
        "            self._look = True  # whoever",
        "            # whoever",
    ),
    "an account's messages come before its first look": Plant(
        AccountAlignment,
        "account-continued-as-new",
        "if self._inbox and (self._view.lifecycle or self._looks_failed):",
        "if self._inbox:",
    ),
    "an account's timers are forgotten": Plant(
        AccountAlignment,
        "account-proposal-accepted",
        "        if due is None:\n            await workflow.wait_condition(something_happened)",
        "        if True:\n            await workflow.wait_condition(something_happened)",
    ),
    "an account is reminded and looked at": Plant(
        AccountAlignment,
        "account-reminded-escalated",
        "        if progress(self._view) == before:",
        "        self._look = True\n        if progress(self._view) == before:",
    ),
    "a queue that fails is asked again at once": Plant(
        AccountEvents, "account-events", 'await workflow.sleep(AFTER_A_FAILURE, summary="Try again")', "pass"
    ),
}


def copy_of_the_process(folder: Path, process: type, old: str = "", new: str = "") -> type:
    """The process as it stands in its file, with one change."""
    source = Path(inspect.getfile(process)).read_text(encoding="utf-8")
    assert not old or source.count(old) == 1
    file = folder / f"copy_{uuid4().hex}.py"
    file.write_text(source.replace(old, new) if old else source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module  # where the SDK looks for the types of handlers
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[file.stem]
    copy: type = getattr(module, process.__name__)
    return copy


async def replay_with(copy: type, name: str) -> None:
    replayer = Replayer(
        workflows=[copy], data_converter=pydantic_data_converter, workflow_runner=UnsandboxedWorkflowRunner()
    )
    await replayer.replay_workflow(WorkflowHistory.from_json(name, recorded(name)))


UNCHANGED = sorted({(plant.history, plant.process) for plant in PLANTS.values()}, key=lambda one: one[0])


@pytest.mark.parametrize(("name", "process"), UNCHANGED)
async def test_an_unchanged_copy_of_the_process_replays(tmp_path: Path, name: str, process: type) -> None:
    await replay_with(copy_of_the_process(tmp_path, process), name)


@pytest.mark.parametrize("plant", PLANTS)
async def test_a_change_of_the_process_is_found_out(tmp_path: Path, plant: str) -> None:
    process, history, old, new = PLANTS[plant]
    copy = copy_of_the_process(tmp_path, process, old, new)
    with pytest.raises(NondeterminismError):
        await replay_with(copy, history)


def swap_first_steps(history: dict[str, Any]) -> None:
    """As if the code of then had called its activities, or started its children, in another order."""
    for attributes, field in (
        ("activityTaskScheduledEventAttributes", "activityType"),
        ("startChildWorkflowExecutionInitiatedEventAttributes", "workflowId"),
    ):
        found = [event[attributes] for event in history["events"] if attributes in event]
        steps = {json.dumps(step[field]): step for step in found}
        if len(steps) > 1:
            first, second, *_ = steps.values()
            first[field], second[field] = second[field], first[field]
            return
    raise AssertionError("nothing to swap")


def test_recorded_histories_say_nothing_of_the_machine_they_come_from() -> None:
    for file in HISTORIES.glob("*.json"):
        text = file.read_text(encoding="utf-8")
        assert "stackTrace" not in text
        assert str(Path(__file__).parents[2]) not in text
