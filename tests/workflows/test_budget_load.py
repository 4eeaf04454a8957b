"""Budget files through their process: every mode, and what open rounds learn of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from activities.budget_files import BudgetFiles
from activities.contracts import ActivityName, InformRequest, InformResult
from domain.hierarchy import NodePath
from domain.process import BudgetFile, BudgetLoadResult, WorkflowName, budget_load_process_id
from domain.schedule import State
from file_store import FileStore
from tests.workflows.stage import (
    LEAD,
    ORGANIZATION,
    OWNER,
    PRODUCT,
    Stage,
    at_work,
    ledger_activities,
    make_admin,
    on_stage,
    own,
)
from views.projector import Projector

HEADER = "Business Unit,Department,Portfolio,Product,Annual\n"
CHANGE = "Example_2026_false_2026-07-01_false_Budget_v2.csv"
OVERRIDE = "Example_2026_false_2026-07-01_true_Budget_v3.csv"


class Desk:
    """Finance, with a product of its own and a worker for its files."""

    def __init__(self, stage: Stage, store: FileStore, queue: str) -> None:
        self.stage, self.store, self.queue = stage, store, queue

    async def load(
        self, *annual: str, name: str = CHANGE, dry_run: bool = False, actor: str = OWNER
    ) -> BudgetLoadResult:
        """The annual budgets of our product, and of the one that everybody has."""
        products = (self.stage.product, PRODUCT)
        lines = (f"{','.join(p.parts)},{amount}\n" for p, amount in zip(products, annual, strict=False))
        content_hash = self.store.put((HEADER + "".join(lines)).encode())
        file = BudgetFile(command_id=uuid4(), actor=actor, content_hash=content_hash, file_name=name, dry_run=dry_run)
        result: BudgetLoadResult = await self.stage.client.execute_workflow(
            WorkflowName.BUDGET_LOAD,
            file,
            id=f"{budget_load_process_id(content_hash, dry_run=dry_run)}/{uuid4()}",
            task_queue=self.queue,
            result_type=BudgetLoadResult,
        )
        return result


@asynccontextmanager
async def desk_of(client: Client, database_url: str, tmp_path: Path, *others: Any) -> AsyncIterator[Desk]:
    product = NodePath((*PRODUCT.portfolio.parts, f"Cart {uuid4().hex[:8]}"))
    async with on_stage(client, database_url, apart="") as made:
        stage = replace(made, product=product)
        make_admin(stage, OWNER)
        own(stage, product)
        store = FileStore(str(tmp_path))
        files = BudgetFiles(stage.ledger, store, ORGANIZATION, database_url)
        tell = [found for found in ledger_activities(client, stage.ledger) if found.__name__ == "inform_rounds"]
        async with at_work(client, [files.load, *(others or tell)]) as queue:
            yield Desk(stage, store, queue)


async def test_a_round_learns_that_its_schedule_does_not_fit_any_more(
    temporal_client: Client, database_url: str, tmp_path: Path
) -> None:
    async with desk_of(temporal_client, database_url, tmp_path) as desk:
        added = await desk.load("1200")
        assert (added.status, added.mode, added.added, added.informed) == ("loaded", "change", 1, 0)
        await desk.stage.submit("100.00")
        foreseen = await desk.load("600", dry_run=True)
        assert (foreseen.status, foreseen.schedules_returned, foreseen.informed) == ("dry_run", 1, 0)
        assert (await desk.stage.view()).state is State.PENDING
        lowered = await desk.load("600")
        assert (lowered.schedules_returned, lowered.informed) == (1, 1)
        assert lowered.message.endswith("Open rounds told: 1.")
        assert (await desk.stage.handle.result()).state is State.DRAFT
        assert desk.stage.facts() == ["schedule.Submitted", "schedule.Returned"]


async def test_an_override_withdraws_through_the_process(
    temporal_client: Client, database_url: str, tmp_path: Path
) -> None:
    async with desk_of(temporal_client, database_url, tmp_path) as desk:
        await desk.load("1200")
        await desk.stage.submit("100.00")
        await desk.stage.approve(actor=LEAD)
        Projector(desk.stage.ledger, database_url, ORGANIZATION).catch_up()
        result = await desk.load("600", "1200", name=OVERRIDE)
        assert (result.mode, result.changed, result.unchanged) == ("override", 1, 1)
        assert result.schedules_over_budget == 1
        assert desk.stage.facts()[-1] == "schedule.WentOverBudget"


async def test_a_dry_run_and_a_refusal_tell_no_round(
    temporal_client: Client, database_url: str, tmp_path: Path
) -> None:
    @activity.defn(name=ActivityName.INFORM_ROUNDS)
    def told(_request: InformRequest) -> InformResult:
        raise ApplicationError("nobody was to be told", non_retryable=True)

    async with desk_of(temporal_client, database_url, tmp_path, told) as desk:
        assert (await desk.load("1200", dry_run=True)).status == "dry_run"
        refused = await desk.load("1200", actor=LEAD)
        assert (refused.status, refused.error) == ("refused", "Forbidden")
        loaded = await desk.load("1200")  # the control: a load does tell
        assert (loaded.status, loaded.informed) == ("loaded", 0)
        assert "Not all open rounds could be told (nobody was to be told)." in loaded.message


@pytest.mark.parametrize("dry_run", [False, True])
async def test_the_same_bytes_twice(temporal_client: Client, database_url: str, tmp_path: Path, dry_run: bool) -> None:
    async with desk_of(temporal_client, database_url, tmp_path) as desk:
        await desk.load("1200")
        head = desk.stage.ledger.settled_head()
        assert (await desk.load("1200", dry_run=dry_run)).status == "unchanged"
        assert desk.stage.ledger.settled_head() == head
