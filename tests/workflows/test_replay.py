"""What processes did once, today's code would do again: else those under way would stand still after a deployment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHistory
from temporalio.workflow import NondeterminismError

from domain.process import WorkflowName
from tests.workflows.replay import replay
from tests.workflows.scenarios import SCENARIOS

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


@pytest.mark.parametrize("name", ["submit-approve", "reject-resubmit-approve", "hostile-signals", "cost-watch"])
async def test_another_order_of_steps_is_found_out(name: str) -> None:
    history = recorded(name)
    swap_first_steps(history)
    with pytest.raises(NondeterminismError):
        await replay(WorkflowHistory.from_json(name, history))


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
