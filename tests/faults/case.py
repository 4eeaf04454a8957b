"""One installation under fire: its client, its database, its files."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from temporalio.client import Client, WithStartWorkflowOperation
from temporalio.common import WorkflowIDConflictPolicy

from domain.decision import Accepted, Channel, Organization
from domain.process import TASK_QUEUE, ScheduleRound, UpdateName, WorkflowName, schedule_process_id
from domain.schedule_commands import SubmitSchedule
from ledger.ledger import Ledger
from rights.cedar import CedarRights
from tests.workflows.stage import MONTHS, OWNER, PRODUCT, YEAR

DONE_WITHIN = timedelta(seconds=120)
ADMIN = "admin@example.com"
COMMAND_ID = UUID("00000000-0000-4000-8000-0000000000aa")


class Case:
    """One installation: its client, its database, its files."""

    def __init__(self, client: Client, database_url: str, directory: Path) -> None:
        self.client, self.database_url, self.directory = client, database_url, directory
        self.organization = Organization()
        self.environment = {"ALLOT_COST_MART": str(directory / "mart")}
        """What its workers get besides."""

    @property
    def has_crashed(self) -> Path:
        """A file that is there once its first worker has been killed."""
        return self.directory / "crashed"

    def facts(self) -> Counter[str]:
        with Ledger(self.database_url, self.organization, rights=CedarRights(), pool_size=1) as ledger:
            return Counter(event.fact.fact_name for event in ledger.follow(0, 10_000))

    async def run(self, workflow: WorkflowName, request: Any, result: type[Any]) -> Any:
        return await self.client.execute_workflow(
            workflow,
            request,
            id=f"{workflow}-under-fire",
            task_queue=TASK_QUEUE,
            result_type=result,
            execution_timeout=DONE_WITHIN,
        )

    async def submit(self) -> Accepted:
        command = SubmitSchedule(
            command_id=COMMAND_ID,
            actor=OWNER,
            channel=Channel.CLI,
            fiscal_year=YEAR,
            product=PRODUCT,
            amounts={month: Decimal("100.00") for month in MONTHS},
        )
        start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
            WorkflowName.BUDGET_SCHEDULE,
            ScheduleRound(fiscal_year=YEAR, product=PRODUCT),
            id=schedule_process_id(YEAR, PRODUCT),
            task_queue=TASK_QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )
        answer: Accepted = await self.client.execute_update_with_start_workflow(
            UpdateName.SUBMIT,
            command,
            start_workflow_operation=start,
            id=str(command.command_id),
            result_type=Accepted,
            rpc_timeout=DONE_WITHIN,
        )
        return answer
