"""Work that takes its time: started here, watched while it goes on, its result awaited within a limit."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from command_line.doors import NO_ANSWER, UNTOUCHED_EVENTS, as_our_error, temporal, why_waiting
from command_line.output import console, note, safe
from command_line.session import Session
from domain.account_process import AccountFile, SyncRequest
from domain.errors import AllotError, Unavailable
from domain.process import TASK_QUEUE, BudgetFile, CostSource, PeopleFile, WorkflowName
from domain.process_texts import work_summary

LOOK_EVERY_S = 0.25
TAKEN_UP_WITHIN_S = 8.0
"""After so long without a worker having touched it, we say so rather than wait on."""
DESCRIBE_WITHIN = timedelta(seconds=2)
TURNS_MAX = 3
"""Times that we wait for somebody else's run of the same process before ours."""

type Step = Callable[[str, int, int], None]
"""Told a step's name, how much of it is done, and how much there is (0 where that is not known)."""


async def work[T](
    session: Session,
    name: WorkflowName,
    request: BudgetFile | CostSource | SyncRequest | PeopleFile | AccountFile,
    process_id: str,
    result: type[T],
    step: Step,
) -> T:
    """Runs a process and returns its result.

    A run under way is waited for, but never answers us: it may be of somebody with other rights, or with other words.
    """
    async with temporal(session) as client:
        for _ in range(TURNS_MAX):
            try:
                handle = await client.start_workflow(
                    name,
                    request,
                    id=process_id,
                    task_queue=TASK_QUEUE,
                    id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                    id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                    static_summary=work_summary(request),
                    result_type=result,
                    rpc_timeout=timedelta(seconds=TAKEN_UP_WITHIN_S),
                )
            except WorkflowAlreadyStartedError:
                note(f"{process_id} is under way already; waiting for it to end.")
                await _ended(session, client, client.get_workflow_handle(process_id), step)
                continue
            found: T = await _watched(session, client, handle, step)
            return found
    raise Unavailable(f"Somebody else keeps starting {process_id}: try again later.")


async def _ended(session: Session, client: Client, handle: WorkflowHandle[Any, Any], step: Step) -> None:
    """Waits for somebody else's run; what became of it is not ours to tell."""
    try:
        await _watched(session, client, handle, step)
    except AllotError as error:
        if error.code == NO_ANSWER:
            raise


async def _watched(session: Session, client: Client, handle: WorkflowHandle[Any, Any], step: Step) -> Any:
    """Waits for the result and tells how far it is. Raises the process's own error."""
    started = time.monotonic()
    async with _awaiting(handle) as result:
        while not result.done():
            await asyncio.wait({result}, timeout=LOOK_EVERY_S)
            waited = time.monotonic() - started
            if not result.done():
                untouched = await _look(client, handle, step)
                if (untouched and waited > TAKEN_UP_WITHIN_S) or waited > session.timeout_s:
                    raise await _still_going(session, handle, waited)
        try:
            return result.result()
        except WorkflowFailureError as error:
            raise as_our_error(error) from None


@asynccontextmanager
async def _awaiting(handle: WorkflowHandle[Any, Any]) -> AsyncIterator[asyncio.Future[Any]]:
    result = asyncio.ensure_future(handle.result())
    try:
        yield result
    finally:
        result.cancel()
        await asyncio.wait({result})


async def _look(client: Client, handle: WorkflowHandle[Any, Any], step: Step) -> bool:
    """Reports the heartbeats of the process and of those it started; whether no worker has touched it yet."""
    try:
        description = await handle.describe(rpc_timeout=DESCRIBE_WITHIN)
        raw = description.raw_description
        children = [client.get_workflow_handle(child.workflow_id) for child in raw.pending_children]
        inner = [await child.describe(rpc_timeout=DESCRIBE_WITHIN) for child in children]
    except RPCError:  # what matters is the result, and that says by itself when the server is gone
        return False
    for part in (raw, *(child.raw_description for child in inner)):
        for activity in part.pending_activities:
            if activity.heartbeat_details.payloads:
                (beat, *_) = await client.data_converter.decode(activity.heartbeat_details.payloads)
                step(str(beat.get("step", "")).capitalize(), int(beat.get("done", 0)), int(beat.get("whole", 0)))
    return description.history_length <= UNTOUCHED_EVENTS


async def _still_going(session: Session, handle: WorkflowHandle[Any, Any], waited_s: float) -> Unavailable:
    return Unavailable(
        f"{handle.id} is not done after {waited_s:.0f} s{await why_waiting(handle)}. It is kept and goes on without "
        f"us: watch it at {session.settings.temporal_ui_url}, or give the same command again to wait for it.",
        code=NO_ANSWER,
    )


@contextmanager
def progress_shown() -> Iterator[Step]:
    """Bars on a terminal, a line a step elsewhere; on stderr, so that stdout is for the answer."""
    if not sys.stderr.isatty():
        yield _lines()
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console(stderr=True), transient=True) as progress:
        tasks: dict[str, Any] = {}

        def step(name: str, done: int, whole: int) -> None:
            if name not in tasks:
                for earlier in tasks.values():
                    progress.stop_task(earlier)
                tasks[name] = progress.add_task(safe(name).replace("[", r"\["), total=None)
            progress.update(tasks[name], completed=done, total=whole or None)

        yield step


def _lines() -> Step:
    last = ""

    def step(name: str, _done: int, _whole: int) -> None:
        nonlocal last
        if name and name != last:
            last = name
            note(f"… {name}")

    return step
