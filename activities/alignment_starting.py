"""Starts the processes of open alignments, or makes those that run look into the ledger again.

Whoever sees an occasion first starts its process; a second one only wakes it. What has been missed, because a worker
died between its record and the start, is found by the next full read: what is open in the views and does not run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from concurrent.futures import TimeoutError as LateError
from itertools import batched
from typing import Any, Protocol

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError, RPCStatusCode

from domain.account_process import AlignmentRound, alignment_process_id
from domain.alignment_texts import alignment_static_details, alignment_summary
from domain.errors import Unavailable
from domain.process import REFRESH_SIGNAL, TASK_QUEUE, WorkflowName

STARTS_AT_ONCE = 20
STARTED_WITHIN_S = 300.0
"""All processes of one call."""
RUNNING = f"WorkflowType = '{WorkflowName.ACCOUNT_ALIGNMENT}' AND ExecutionStatus = 'Running'"


class Starts(Protocol):
    """What those need who record from a thread."""

    def start(self, rounds: Sequence[AlignmentRound]) -> int: ...

    def start_missing(self, rounds: Sequence[AlignmentRound]) -> int: ...

    def tell_over(self, rounds: Sequence[AlignmentRound]) -> int: ...


class AlignmentStarter:
    """For activities on the worker's own loop, and for those on threads beside it."""

    def __init__(self, client: Client, loop: asyncio.AbstractEventLoop, task_queue: str = TASK_QUEUE) -> None:
        self._client, self._loop, self._task_queue = client, loop, task_queue

    def start(self, rounds: Sequence[AlignmentRound]) -> int:
        """From a thread. How many there are; returns when all are started or woken. Raises Unavailable."""
        return self._on_loop(self.wake(rounds)) if rounds else 0

    def start_missing(self, rounds: Sequence[AlignmentRound]) -> int:
        """From a thread, of all that are open: those that do not run yet. How many; what runs and is over, looks."""
        return self._on_loop(self._wake_missing(rounds))

    def tell_over(self, rounds: Sequence[AlignmentRound]) -> int:
        """From a thread: makes processes look whose occasions are over, so that they end."""
        return self._on_loop(self._tell_over(rounds)) if rounds else 0

    async def wake(self, rounds: Iterable[AlignmentRound]) -> int:
        """On the loop. How many there are."""
        count = 0
        for some in batched(rounds, STARTS_AT_ONCE):
            await asyncio.gather(*(self._wake(one) for one in some))
            count += len(some)
        return count

    async def tell(self, rounds: Iterable[AlignmentRound]) -> None:
        """Makes processes look that may be over: one that is not there has nothing to learn."""
        await self._tell_all(alignment_process_id(one.account_id, one.occasion) for one in rounds)

    async def _tell_all(self, process_ids: Iterable[str]) -> None:
        for some in batched(process_ids, STARTS_AT_ONCE):
            await asyncio.gather(*(self._tell(process_id) for process_id in some))

    async def _tell_over(self, rounds: Sequence[AlignmentRound]) -> int:
        await self.tell(rounds)
        return len(rounds)

    async def _wake_missing(self, rounds: Sequence[AlignmentRound]) -> int:
        """Temporal lists what runs a moment late: what runs already is only woken then.

        An occasion may end where nobody tells its process: its account was closed, or has left.
        """
        try:
            running = {execution.id async for execution in self._client.list_workflows(RUNNING)}
        except RPCError as error:
            raise _unavailable(error) from error
        wanted = {alignment_process_id(one.account_id, one.occasion): one for one in rounds}
        await self._tell_all(running - wanted.keys())
        return await self.wake(one for process_id, one in wanted.items() if process_id not in running)

    async def _wake(self, one: AlignmentRound) -> None:
        try:
            await self._client.start_workflow(
                WorkflowName.ACCOUNT_ALIGNMENT,
                one,
                id=alignment_process_id(one.account_id, one.occasion),
                task_queue=self._task_queue,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                start_signal=REFRESH_SIGNAL,
                static_summary=alignment_summary(one),
                static_details=alignment_static_details(one),
            )
        except RPCError as error:
            raise _unavailable(error) from error

    async def _tell(self, process_id: str) -> None:
        handle = self._client.get_workflow_handle(process_id)
        try:
            await handle.signal(REFRESH_SIGNAL)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise _unavailable(error) from error

    def _on_loop(self, work: Coroutine[Any, Any, int]) -> int:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(STARTED_WITHIN_S)
        except LateError:
            future.cancel()
            raise Unavailable(
                "Temporal did not start the processes of alignments in time; it will be tried again."
            ) from None


def _unavailable(error: RPCError) -> Unavailable:
    return Unavailable(f"Temporal could not start the process of an alignment ({error.message}).")
