"""A decision, from the update being sent until it is answered, recorded and visible, beside a bare update.

    python -m bench decision

One after the other, as a person decides. The peer is an update whose handler calls one activity that does nothing, on
the same server with the same worker options; it neither records anything nor shows it to anybody.
"""

from __future__ import annotations

import itertools
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from uuid import uuid4

from temporalio.client import Client, WithStartWorkflowOperation
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.contrib.pydantic import pydantic_data_converter

from activities.ledger_commands import LedgerCommands
from bench import bare
from bench.record import MONTHS, PORTFOLIO_OWNER, YEAR, owner_of, prepare, product_of
from bench.rows import Row
from bench.schedule import SLOTS, servers, worker
from domain.decision import Accepted, Organization
from domain.process import ScheduleRound, UpdateName, WorkflowName
from domain.schedule_commands import SubmitSchedule
from domain.schedule_decisions import ApproveSchedule
from ledger.ledger import Ledger
from rights.cedar import CedarRights
from temporal_connection import run
from views.projector import Projector
from views.queries import Views
from workflows import search_attributes
from workflows.budget_schedule import BudgetSchedule

WARM_UP, DECISIONS = 10, 150
AIM = 2.0
PERCENT = 100
_numbers = itertools.count()


def measure() -> list[Row]:
    with servers() as (database_url, temporal):
        prepare(database_url)
        return run(_measure(database_url, temporal))


async def _measure(database_url: str, address: str) -> list[Row]:
    client = await Client.connect(address, data_converter=pydantic_data_converter)
    await search_attributes.register(client)
    organization = Organization()
    with (
        Ledger(database_url, organization, pool_size=SLOTS + 1, rights=CedarRights()) as ledger,
        ThreadPoolExecutor(SLOTS) as ours,
        ThreadPoolExecutor(SLOTS) as theirs,
        projecting(Projector(ledger, database_url, organization, news=ledger.news)),
        Views(database_url) as views,
    ):
        commands = LedgerCommands(ledger, organization)

        def visible(accepted: Accepted) -> None:
            views.wait_for(accepted.position, 30)

        async with (
            worker(client, "ours", BudgetSchedule, [commands.record, commands.read_schedule], ours),
            worker(client, "bare", bare.BareSchedule, [bare.nothing], theirs),
        ):
            decided: list[float] = []
            bare_ones: list[float] = []
            for number in range(WARM_UP + DECISIONS):
                seconds = await _decision(client, "ours", visible)
                peer = await _decision(client, "bare", lambda _accepted: None)
                if number >= WARM_UP:
                    decided.append(seconds)
                    bare_ones.append(peer)
    return [_row(decided, bare_ones, percent, AIM if percent == 50 else None) for percent in (50, 99)]


def _row(ours: list[float], peer: list[float], percent: int, aim: float | None) -> Row:
    a, b = percentile(ours, percent), percentile(peer, percent)
    what = f"decision, visible : bare update with a no-op activity, p{percent}"
    return Row(what, f"{a * 1000:.0f} ms", f"{b * 1000:.0f} ms", a / b, aim, at_most=True)


def percentile(found: list[float], percent: int) -> float:
    return statistics.quantiles(found, n=PERCENT)[percent - 1]


@contextmanager
def projecting(projector: Projector) -> Iterator[None]:
    """The views follow on a thread, as in a worker."""
    stop = threading.Event()
    thread = threading.Thread(target=projector.run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)


async def _decision(client: Client, queue: str, visible: Callable[[Accepted], Any]) -> float:
    """Seconds of an approval; its submission is not counted."""
    number = next(_numbers)
    product = product_of(number)
    shared: dict[str, Any] = {"fiscal_year": YEAR, "product": product}
    submit = SubmitSchedule(
        command_id=uuid4(),
        actor=owner_of(number),
        amounts={month: Decimal("1000.00") for month in MONTHS},
        **shared,
    )
    start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
        WorkflowName.BUDGET_SCHEDULE if queue == "ours" else "BareSchedule",
        ScheduleRound(**shared),
        id=f"bench-decision/{number}",
        task_queue=queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
    )
    await client.execute_update_with_start_workflow(
        UpdateName.SUBMIT, submit, start_workflow_operation=start, id=str(submit.command_id), result_type=Accepted
    )
    handle = client.get_workflow_handle(f"bench-decision/{number}")
    approve = ApproveSchedule(command_id=uuid4(), actor=PORTFOLIO_OWNER, version=1, **shared)
    begun = time.perf_counter()
    accepted = await handle.execute_update(
        UpdateName.APPROVE, approve, id=str(approve.command_id), result_type=Accepted
    )
    visible(accepted)
    seconds = time.perf_counter() - begun
    await handle.result()
    return seconds
