"""Signals as anybody can send them by the Temporal UI or its program: none stops a process, none is lost unseen."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from domain.schedule import State, schedule_stream
from embedded.process import ROOT
from embedded.temporal_server import find_program
from tests.workflows.round_scenarios import second_round
from tests.workflows.stage import LEAD, MONTHS, OWNER, PRODUCT, STRANGER, YEAR, Stage, budget_of, on_stage

TAKEN_WITHIN_S = 20.0
MEGABYTE = 1_000_000


@pytest.fixture
async def stage(temporal_client: Client, database_url: str) -> AsyncIterator[Stage]:
    async with on_stage(temporal_client, database_url) as made:
        yield made


async def signal(stage: Stage, address: str, name: str, *arguments: str) -> None:
    """As a person would, with Temporal's own program."""
    program = find_program(ROOT / ".allot")
    place = ("--address", address, "--workflow-id", stage.process_id, "--name", name)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TEMPORAL_")}
    process = await asyncio.create_subprocess_exec(
        str(program),
        "workflow",
        "signal",
        *place,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()


def hostile(tmp_path: Path) -> dict[str, tuple[str, tuple[str, ...], str]]:
    """By what it is: name of the signal, arguments of the program, and words of the refusal."""
    big, deep = tmp_path / "big.json", tmp_path / "deep.json"
    big.write_text(json.dumps({"actor": LEAD, "version": 1, "note": "x" * MEGABYTE}))
    deep.write_text('{"version": 1, "actor": ' + "[" * 9_000 + "]" * 9_000 + "}")
    return {
        "no input at all": ("approve", (), "0 inputs were sent"),
        "no input to what cannot be sent now": ("request", (), "0 inputs were sent"),
        "what cannot be sent now": (
            "grant",
            ("--input", json.dumps({"actor": LEAD, "version": 1})),
            "cannot be decided",
        ),
        "null": ("approve", ("--input", "null"), "must be a JSON object"),
        "a number": ("approve", ("--input", "42"), "must be a JSON object"),
        "a list": ("reject", ("--input", "[1, 2]"), "must be a JSON object"),
        "two arguments": ("approve", ("--input", '{"version": 1}', "--input", "2"), "2 inputs were sent"),
        "wrong types": ("approve", ("--input", '{"actor": 7, "version": "one"}'), "actor: Input should be a valid"),
        "half of a character": ("approve", ("--input", r'{"actor": "\ud800", "version": 1}'), "actor"),
        "an endless number": ("approve", ("--input", '{"actor": "a@b.example", "version": 1e999999999}'), "not JSON"),
        "somebody else's address": (
            "approve",
            ("--input", '{"product": "A/B/C/D", "version": 1, "actor": "a"}'),
            "send it",
        ),
        "no reason": ("reject", ("--input", json.dumps({"actor": LEAD, "version": 1})), "reason: Field required"),
        "one megabyte of text": ("approve", ("--input-file", str(big)), "1,000,0"),
        "endless nesting": ("approve", ("--input-file", str(deep)), "actor: Input should be"),
        "an unknown encoding": ("approve", ("--input", "1", "--input-meta", "encoding=binary/mine"), "binary/mine"),
        "an unknown name": ("terminate everything", ("--input", "{}"), "send submit, approve, reject"),
        "a person without the right": (
            "approve",
            ("--input", json.dumps({"actor": STRANGER, "version": 1})),
            "one must be",
        ),
        "a person nobody knows": ("approve", ("--input", '{"actor": "x@y.example", "version": 1}'), "not known here"),
        "the system": ("approve", ("--input", '{"actor": "system", "version": 1}'), "Nobody outside"),
        "a NUL character": (
            "reject",
            ("--input", json.dumps({"actor": LEAD, "version": 1, "reason": "a\0"})),
            "control characters",
        ),
    }


async def test_no_signal_stops_a_process_or_passes_unseen(stage: Stage, temporal: str, tmp_path: Path) -> None:
    await stage.submit()
    for count, (what, (name, arguments, words)) in enumerate(hostile(tmp_path).items(), start=1):
        await signal(stage, temporal, name, *arguments)
        refusal = await stage.refused(count)
        assert words in refusal.message, what
        assert refusal.subject == str(schedule_stream(YEAR, PRODUCT)), what
        assert f"Refused messages: {count}" in await stage.details(), what
        assert "@example.com" not in refusal.excerpt + refusal.message, what
        assert (await stage.handle.describe()).status is WorkflowExecutionStatus.RUNNING, what

    await signal(stage, temporal, "approve", "--input", json.dumps({"actor": LEAD, "version": 1}))
    async with asyncio.timeout(TAKEN_WITHIN_S):
        assert (await stage.handle.result()).state is State.APPROVED
    assert stage.facts() == ["schedule.Submitted", "schedule.Approved"]


async def test_what_is_recorded_is_the_beginning_of_what_was_sent(stage: Stage, temporal: str) -> None:
    await stage.submit()
    await signal(stage, temporal, "approve", "--input", '{"note": "please", "from": "ann@corp.example"}')
    refusal = await stage.refused(1)

    assert refusal.excerpt.startswith('{"note": "please"')
    assert "ann@corp" not in refusal.excerpt
    assert (refusal.command, refusal.error) == ("approve", "BadInput")


async def test_every_decision_can_be_a_signal(stage: Stage, temporal: str) -> None:
    await stage.submit()
    await signal(stage, temporal, "reject", "--input", json.dumps({"actor": LEAD, "version": 1, "reason": "Too much"}))
    amounts = ", ".join(f'"{month}": 99.50' for month in MONTHS)  # a person writes numbers without quotes
    await signal(stage, temporal, "submit", "--input", f'{{"actor": "{OWNER}", "amounts": {{{amounts}}}}}')
    await signal(stage, temporal, "approve", "--input", json.dumps({"actor": LEAD, "version": 4}))
    async with asyncio.timeout(TAKEN_WITHIN_S):
        result = await stage.handle.result()

    assert (result.state, result.planned) == (State.APPROVED, "1194.00")
    assert stage.facts() == [
        "schedule.Submitted",
        "schedule.Rejected",
        "schedule.Revised",
        "schedule.Submitted",
        "schedule.Approved",
    ]


@pytest.mark.parametrize("arguments", [(), ("--input", "null"), ("--input", "1", "--input", "[]")])
async def test_a_refresh_is_taken_whatever_it_holds(stage: Stage, temporal: str, arguments: tuple[str, ...]) -> None:
    await stage.submit()
    stage.ledger.record(budget_of(annual="1300.00", month=6))
    await signal(stage, temporal, "refresh", *arguments)
    view = await stage.until(lambda view: view.annual == "1300.00")

    assert (view.state, view.refusals) == (State.PENDING, 0)


async def test_a_reschedule_can_be_decided_by_signals(stage: Stage, temporal: str) -> None:
    second = await second_round(stage)
    await second.request_reschedule()
    await signal(second, temporal, "grant", "--input", json.dumps({"actor": LEAD, "version": 3}))
    await second.until(lambda view: view.state is State.RESCHEDULING)
    await signal(second, temporal, "withdraw", "--input", json.dumps({"actor": OWNER}))
    async with asyncio.timeout(TAKEN_WITHIN_S):
        result = await second.handle.result()

    assert (result.state, result.refusals) == (State.APPROVED, 0)


async def test_where_claimed_actors_are_not_accepted_a_signal_decides_nothing(
    temporal_client: Client, temporal: str, database_url: str
) -> None:
    async with on_stage(temporal_client, database_url, accept_claimed_actors=False) as stage:
        await stage.submit()
        await signal(stage, temporal, "approve", "--input", json.dumps({"actor": LEAD, "version": 1}))

        assert (await stage.refused(1)).code == "ClaimedActor"
        assert stage.facts() == ["schedule.Submitted"]
