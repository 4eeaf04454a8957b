"""Lives of the processes of estimates, from which histories are recorded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from activities.cost_mart import CostMart
from activities.resource_search import ResourceSearches
from domain.process import REFRESH_SIGNAL, WorkflowName
from domain.resource_search import ResourcePage, ResourceQuery, resource_search_process_id
from tests.workflows.account_stage import ADMIN
from tests.workflows.estimate_stage import EstimateStage, estimates_with
from tests.workflows.round_scenarios import LONG_AGO
from tests.workflows.stage import LEAD, OWNER, SetClock, Stage, at_work


@asynccontextmanager
async def estimates_on(stage: Stage) -> AsyncIterator[EstimateStage]:
    """A workload of the company on that stage."""
    assert stage.clock
    async with estimates_with(stage.client, stage.ledger, stage.clock) as estimates:
        yield estimates


async def approved(stage: Stage) -> str:
    async with estimates_on(stage) as estimates:
        await estimates.submit()
        await estimates.approve()
        await estimates.ended()
        return estimates.process_id


async def rejected_revised(stage: Stage) -> str:
    """A rejection stays in the round; the next submission revises it."""
    async with estimates_on(stage) as estimates:
        await estimates.submit()
        await estimates.reject()
        await estimates.submit("50.00")
        await estimates.approve(5)
        await estimates.ended()
        return estimates.process_id


async def withdrawn(stage: Stage) -> str:
    async with estimates_on(stage) as estimates:
        await estimates.submit()
        await estimates.withdraw()
        await estimates.ended()
        return estimates.process_id


async def escalated(stage: Stage) -> str:
    """Its ledger's clock stands two months ago, so that what is due has been due for long."""
    async with estimates_on(stage) as estimates:
        await estimates.submit()
        await estimates.until(lambda view: view.escalated)
        await estimates.approve(actor=ADMIN)
        await estimates.ended()
        return estimates.process_id


async def hostile_signals(stage: Stage) -> str:
    async with estimates_on(stage) as estimates:
        await estimates.submit()
        for name, payload in (("approve", None), ("reject", [1]), ("nonsense", {}), ("withdraw", {"actor": LEAD})):
            await estimates.handle.signal(name, payload)
        await estimates.handle.signal("approve", args=[1, 2])
        await estimates.handle.signal(REFRESH_SIGNAL, args=[1, 2])
        await estimates.refused(5)
        await estimates.handle.signal("approve", {"actor": OWNER, "version": 2})
        await estimates.refused(6)
        await estimates.handle.signal("approve", {"actor": LEAD, "version": 2})
        await estimates.ended()
        return estimates.process_id


async def resource_search(stage: Stage) -> str:
    """Before anything was imported."""
    searches = ResourceSearches(stage.ledger, stage.database_url, CostMart("nowhere"))
    process_id = resource_search_process_id(UUID(int=1))
    async with at_work(stage.client, [searches.search]) as queue:
        query = ResourceQuery(service="ec2", tags={"team": "web"}, claimed=False)
        await stage.client.execute_workflow(
            WorkflowName.RESOURCE_SEARCH, query, id=process_id, task_queue=queue, result_type=ResourcePage
        )
    return process_id


SCENARIOS = {
    "estimate-approved": approved,
    "estimate-rejected-revised": rejected_revised,
    "estimate-withdrawn": withdrawn,
    "estimate-escalated": escalated,
    "estimate-hostile-signals": hostile_signals,
    "resource-search": resource_search,
}


def staging(name: str) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {"clock": SetClock(now - LONG_AGO), "year": now.year} if name == "estimate-escalated" else {}
