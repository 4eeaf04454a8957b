"""The life of a schedule (start, submit, approve) side by side with a bare workflow that has the same updates.

    python -m bench schedule

Both run on one Temporal server, with the same worker options and as many activities; only ours reads and writes the
ledger, checks rights, keeps search attributes and tells people what is going on.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

from temporalio.client import Client, WithStartWorkflowOperation
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

from activities.ledger_commands import LedgerCommands
from bench import bare
from bench.record import MONTHS, PORTFOLIO_OWNER, YEAR, owner_of, prepare, product_of
from bench.rows import Row
from domain.decision import Accepted, Organization
from domain.process import ScheduleRound, UpdateName, WorkflowName
from domain.schedule_commands import SubmitSchedule
from domain.schedule_decisions import ApproveSchedule
from embedded.postgres import Postgres
from embedded.process import ROOT
from embedded.temporal_server import TemporalServer, find_program
from ledger.ledger import Ledger
from ledger.migrate import migrate
from rights.cedar import CedarRights
from temporal_connection import run
from workflows import search_attributes
from workflows.budget_schedule import BudgetSchedule
from workflows.registration import workflow_runner

ROUNDS = 5
LIVES = 60
AT_ONCE = 10
SLOTS = 20
AIM = 0.7
_numbers = itertools.count()


def measure() -> list[Row]:
    with servers() as (database_url, temporal):
        prepare(database_url)
        return run(_measure(database_url, temporal))


@contextmanager
def servers() -> Iterator[tuple[str, str]]:
    """A database with all tables, and a Temporal server in memory; both gone afterwards."""
    with tempfile.TemporaryDirectory() as directory:
        postgres = Postgres(Path(directory) / "postgres", Path(directory) / "postgres.log")
        temporal = TemporalServer(find_program(ROOT / ".allot"), Path(directory) / "temporal.log", ui=False)
        try:
            postgres.start()
            temporal.start()
            migrate(postgres.url())
            yield postgres.url(), temporal.address
        finally:
            temporal.stop()
            postgres.stop()
            postgres.remove()


async def _measure(database_url: str, address: str) -> list[Row]:
    client = await Client.connect(address, data_converter=pydantic_data_converter)
    await search_attributes.register(client)
    with (
        Ledger(database_url, Organization(), rights=CedarRights(), pool_size=SLOTS) as ledger,
        ThreadPoolExecutor(SLOTS) as ours,
        ThreadPoolExecutor(SLOTS) as theirs,
    ):
        commands = LedgerCommands(ledger, Organization())
        async with (
            worker(client, "ours", BudgetSchedule, [commands.record, commands.read_schedule], ours),
            worker(client, "bare", bare.BareSchedule, [bare.nothing], theirs),
        ):
            rates: dict[str, list[float]] = {"ours": [], "bare": []}
            for queue in rates:
                await _lives(client, queue)  # connections, caches and code are warm
            for _ in range(ROUNDS):
                for queue, found in rates.items():
                    found.append(await _lives(client, queue))
    ratio = statistics.median(a / b for a, b in zip(rates["ours"], rates["bare"], strict=True))
    return [Row("schedule life : bare workflow, 10 at once", _each(rates["ours"]), _each(rates["bare"]), ratio, AIM)]


def _each(found: Sequence[float]) -> str:
    return f"{statistics.median(found):.1f} lives/s"


def worker(client: Client, queue: str, workflow: type, activities: list[Any], pool: ThreadPoolExecutor) -> Worker:
    return Worker(
        client,
        task_queue=queue,
        workflows=[workflow],
        activities=activities,
        activity_executor=pool,
        max_concurrent_activities=SLOTS,
        workflow_runner=workflow_runner(),
    )


async def _lives(client: Client, queue: str) -> float:
    """Lives per second, so many at once."""
    places = asyncio.Semaphore(AT_ONCE)
    numbers = [next(_numbers) for _ in range(LIVES)]

    async def one(number: int) -> None:
        async with places:
            await _life(client, queue, number)

    begun = time.perf_counter()
    await asyncio.gather(*(one(number) for number in numbers))
    return LIVES / (time.perf_counter() - begun)


async def _life(client: Client, queue: str, number: int) -> None:
    product = product_of(number)
    submit = SubmitSchedule(
        command_id=uuid4(),
        actor=owner_of(number),
        fiscal_year=YEAR,
        product=product,
        amounts={month: Decimal("1000.00") for month in MONTHS},
    )
    approve = ApproveSchedule(command_id=uuid4(), actor=PORTFOLIO_OWNER, fiscal_year=YEAR, product=product, version=1)
    start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
        WorkflowName.BUDGET_SCHEDULE if queue == "ours" else "BareSchedule",
        ScheduleRound(fiscal_year=YEAR, product=product),
        id=f"bench/{number}",
        task_queue=queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
    )
    await client.execute_update_with_start_workflow(
        UpdateName.SUBMIT, submit, start_workflow_operation=start, id=str(submit.command_id), result_type=Accepted
    )
    handle = client.get_workflow_handle(f"bench/{number}")
    await handle.execute_update(UpdateName.APPROVE, approve, id=str(approve.command_id), result_type=Accepted)
    await handle.result()
