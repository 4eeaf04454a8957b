"""The other doors to a process: as somebody who has only Temporal."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

ANSWERED_WITHIN_S = 60.0

type Use = Callable[[WorkflowHandle[Any, Any]], Awaitable[Any]]


def in_temporal(process_id: str, use: Use) -> Any:
    """Does it on a loop of its own: the command line has one in this process."""

    async def connected() -> Any:
        client = await Client.connect(os.environ["ALLOT_TEMPORAL_ADDRESS"], namespace=os.environ["TEMPORAL_NAMESPACE"])
        return await use(client.get_workflow_handle(process_id))

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, connected()).result(ANSWERED_WITHIN_S)


async def refused_update(handle: WorkflowHandle[Any, Any], name: str, message: dict[str, Any]) -> tuple[str, str]:
    """Code and words."""
    with pytest.raises(WorkflowUpdateFailedError) as failure:
        await handle.execute_update(name, message)
    cause = failure.value.cause
    assert isinstance(cause, ApplicationError)
    return cause.details[0]["code"], cause.message


async def refused_signal(handle: WorkflowHandle[Any, Any], name: str, fields: dict[str, Any]) -> str:
    """What the process shows of it."""
    before = (await handle.query("view"))["refusals"]
    await handle.signal(name, fields)
    while (view := await handle.query("view"))["refusals"] == before:  # noqa: ASYNC110 - it happens in another process
        await asyncio.sleep(0.05)
    words: str = view["last_refusal"]
    return words
