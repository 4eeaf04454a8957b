"""What tests do with a Temporal server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio.client import Client, ScheduleHandle
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker

from workflows import search_attributes

ENDED_WITHIN_S = 10.0
"""A worker that is told to stop. Most take milliseconds."""
SHOWN_WITHIN_S = 20.0


async def register_search_attributes(client: Client) -> None:
    """Registers ours; the time-skipping server may not know the call, and takes any attribute then."""
    try:
        await search_attributes.register(client)
    except RPCError as error:
        if error.status is not RPCStatusCode.UNIMPLEMENTED:
            raise


@asynccontextmanager
async def working(worker: Worker) -> AsyncIterator[None]:
    """A worker that is left to itself where it does not end.

    The SDK's own block waits for ever then: it happens where an activity arrives at the very moment at which the worker
    is told to stop. `worker.py` leaves such a worker, too.
    """
    running = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        stopping = asyncio.create_task(worker.shutdown())
        await asyncio.wait([running], timeout=ENDED_WITHIN_S)
        stopping.cancel()
    if running.done():
        running.result()


async def pause(schedule: ScheduleHandle, note: str) -> None:
    """As an operator does, who sees that it is paused."""
    await schedule.pause(note=note)
    await shown(schedule, note)


async def shown(schedule: ScheduleHandle, note: str) -> None:
    """Until the server shows the state with that note, which is a moment after it was asked for."""
    async with asyncio.timeout(SHOWN_WITHIN_S):
        while (await schedule.describe()).schedule.state.note != note:  # noqa: ASYNC110 - nobody else tells us
            await asyncio.sleep(0.05)
