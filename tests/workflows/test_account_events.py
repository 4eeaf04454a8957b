"""AccountEvents: counts, says what is wrong and goes on, and ends only where there is no queue any more."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from domain.account_process import ACCOUNT_EVENTS_PROCESS_ID, ACCOUNT_EVENTS_QUEUE, AccountEventsRequest
from domain.errors import BadInput, Unavailable
from domain.process import WorkflowName
from tests.workflows.account_messages import NO_QUEUE, Look, Messages, came
from tests.workflows.replay import replay, replay_all_runs
from tests.workflows.stage import at_work, current_details
from workflows.account_events import PASSES_MAX, UNKNOWN_MAX
from workflows.standing import ensure_account_events

WITHIN_S = 60.0
LONG_S = 120.0
MORE = "What could not be understood: `allot account events`."
MANY = 30
"""Passes that an impatient server does not keep in one run."""


@dataclass(frozen=True)
class Watch:
    """The process, and what it is answered."""

    client: Client
    handle: WorkflowHandle[Any, Any]
    messages: Messages

    async def told(self, count: int) -> str:
        """What the Temporal UI showed when the queue was looked into for that many-th time."""
        async with asyncio.timeout(WITHIN_S):
            while self.messages.looks < count:  # noqa: ASYNC110 - nothing else tells
                await asyncio.sleep(0.02)
        return self.messages.told[count - 1]


@asynccontextmanager
async def watching(
    client: Client, messages: Messages, started_with: AccountEventsRequest | None = None
) -> AsyncIterator[Watch]:
    process_id = f"{ACCOUNT_EVENTS_PROCESS_ID}-{uuid4().hex[:8]}"
    async with (
        at_work(client, [messages.receive], ACCOUNT_EVENTS_QUEUE, workflows=()),
        at_work(client, []) as queue,
    ):
        handle = await client.start_workflow(
            WorkflowName.ACCOUNT_EVENTS, started_with or AccountEventsRequest(), id=process_id, task_queue=queue
        )
        try:
            yield Watch(client, handle, messages)
        finally:
            with suppress(RPCError):  # what has ended
                await handle.terminate()
            messages.enough.set()


async def test_it_counts_and_tells_of_the_last_messages(temporal_client: Client) -> None:
    looks = [came(3, recorded=2, ignored=1), came(1_200, retried=4, rejected=2, last_rejection="no <b>JSON</b>")]
    async with watching(temporal_client, Messages(looks)) as watch:
        last = await watch.told(3)
        await replay(await watch.handle.fetch_history())

    assert watch.messages.told[:2] == [
        f"Waits for messages.\n\n**0** messages handled by this process, 0 put aside. {MORE}",
        "**Works.** Waits for messages.\n\nThe last messages came at 2026-05-04 10:12:30 UTC: 3 handled, of which 2 "
        "changed something and 1 are of no account; 0 are tried again.\n\n"
        f"**3** messages handled by this process, 0 put aside. {MORE}",
    ]
    assert last == (
        "**Works.** Waits for messages.\n\n"
        "The last messages came at 2026-05-04 10:12:30 UTC: 1,200 handled, of which 0 changed something and 0 are of "
        "no account; 4 are tried again.\n\n"
        "The last one put aside: no \\<b\\>JSON\\</b\\>\n\n"
        f"**1,203** messages handled by this process, 2 put aside. {MORE}"
    )


async def test_what_is_put_aside_again_and_again_is_told_once(temporal_client: Client) -> None:
    looks = [came(), *(came(0, rejected=1, last_rejection=f"odd {number}") for number in range(5))]
    async with watching(temporal_client, Messages(looks)) as watch:
        details = await watch.told(len(looks) + 1)

    assert details.count("The last one put aside") == 1
    assert "odd 4" in details
    assert "**1** messages handled by this process, 5 put aside." in details


async def test_silence_changes_nothing(temporal_client: Client) -> None:
    async with watching(temporal_client, Messages([came(2), came(0, last_at=None)])) as watch:
        before, after = await watch.told(2), await watch.told(3)

    assert "2 handled" in before
    assert before == after


async def test_what_does_not_work_is_shown_at_once(temporal_client: Client) -> None:
    looks: list[Look] = [came(2), BadInput("The queue https://q is not there: check the setting.")]
    async with watching(temporal_client, Messages(looks)) as watch:
        await watch.told(2)
        async with asyncio.timeout(WITHIN_S):
            while "not work" not in (details := await current_details(watch.handle)):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.02)

    assert details.startswith("**Does not work**: The queue https\\://q is not there\\: check the setting.")
    assert "**2** messages handled by this process" in details
    assert watch.messages.looks == 2


async def test_what_does_not_work_is_tried_again(time_skipping_env: WorkflowEnvironment) -> None:
    looks: list[Look] = [BadInput("No permission."), BadInput("Still none."), came(5), *([NO_QUEUE] * UNKNOWN_MAX)]
    async with watching(time_skipping_env.client, Messages(looks)) as watch:
        result = await watch.handle.result()

    assert result["handled"] == 5
    assert watch.messages.looks == len(looks)
    assert watch.messages.told[2].startswith("Waits for messages again. Before, it **did not work**: Still none")
    assert watch.messages.told[3].startswith("**Works.**")


async def test_what_passes_is_tried_again_at_once_and_not_shown(temporal_client: Client) -> None:
    async with watching(temporal_client, Messages([Unavailable("not yet"), came(4)])) as watch:
        details = await watch.told(3)

    assert "**4** messages handled" in details
    assert "not yet" not in "".join(watch.messages.told)


async def test_it_ends_where_no_worker_has_a_queue_any_more(time_skipping_env: WorkflowEnvironment) -> None:
    looks = [came(2, rejected=1), *([NO_QUEUE] * UNKNOWN_MAX)]
    async with watching(time_skipping_env.client, Messages(looks), AccountEventsRequest(handled=40)) as watch:
        result = await watch.handle.result()
        details = await current_details(watch.handle)

    assert (result["handled"], result["rejected"]) == (42, 1)
    assert details.startswith("Ended: no queue is configured any more.")
    assert watch.messages.looks == len(looks)


async def test_a_few_old_workers_without_a_queue_do_not_end_it(time_skipping_env: WorkflowEnvironment) -> None:
    few = [NO_QUEUE] * (UNKNOWN_MAX - 1)
    looks = [*few, came(1), *few, came(1), NO_QUEUE, *few]
    async with watching(time_skipping_env.client, Messages(looks)) as watch:
        result = await watch.handle.result()

    assert result["handled"] == 2
    assert watch.messages.looks == len(looks)
    assert f"**Waits for a queue**: none is configured, times asked: 1 of {UNKNOWN_MAX}." in watch.messages.told[1]


async def test_it_continues_as_new_with_its_counts(impatient_client: Client) -> None:
    looks = [came(1, rejected=1) for _ in range(MANY)]
    async with watching(impatient_client, Messages(looks)) as watch:
        details = await watch.told(MANY + 1)
        runs = await replay_all_runs(impatient_client, watch.handle.id)

    assert f"**{MANY}** messages handled by this process, {MANY} put aside." in details
    assert runs >= 3


@pytest.mark.slow
async def test_a_run_makes_so_many_passes_at_most(temporal_client: Client) -> None:
    looks = itertools.repeat(came(1), PASSES_MAX + 1)
    async with watching(temporal_client, Messages(looks, remember=False)) as watch:
        async with asyncio.timeout(LONG_S):
            while watch.messages.looks < PASSES_MAX + 2:  # noqa: ASYNC110 - nothing else tells
                await asyncio.sleep(0.1)
        details = await current_details(watch.handle)
        runs = await replay_all_runs(temporal_client, watch.handle.id)

    assert f"**{PASSES_MAX + 1}** messages handled" in details
    assert runs == 2


async def test_each_worker_sees_to_it_that_it_runs_and_there_is_one(temporal_client: Client) -> None:
    messages = Messages([came(1)])
    handle = temporal_client.get_workflow_handle(ACCOUNT_EVENTS_PROCESS_ID)
    async with (
        at_work(temporal_client, [messages.receive], ACCOUNT_EVENTS_QUEUE, workflows=()),
        at_work(temporal_client, []) as queue,
    ):
        assert await ensure_account_events(temporal_client, queue) == 1
        first = (await handle.describe()).run_id
        assert await ensure_account_events(temporal_client, queue) == 1
        second = (await handle.describe()).run_id
        await handle.terminate()
        messages.enough.set()

    assert first == second


@pytest.mark.parametrize("message", [7, [], {"handled": "many"}])
async def test_started_by_hand_with_what_does_not_fit_it_ends(temporal_client: Client, message: object) -> None:
    async with at_work(temporal_client, []) as queue:
        handle = await temporal_client.start_workflow(
            WorkflowName.ACCOUNT_EVENTS, message, id=f"misfit-{uuid4()}", task_queue=queue
        )
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()

    assert isinstance(failed.value.cause, ApplicationError)
    assert "validation error" in failed.value.cause.message
