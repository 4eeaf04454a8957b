"""A workload of the company's product, the process of its estimate, and the people around it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from temporalio.client import Client, WithStartWorkflowOperation, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError

from activities.estimates import Estimates
from activities.ledger_commands import LedgerCommands
from domain.account_allocating import AllocateAccount
from domain.account_facts import AccountSeen
from domain.account_observing import ObserveAccounts
from domain.allocation import AccountType
from domain.calendar import Month
from domain.decision import Accepted, Channel, CommandRefused, Organization
from domain.estimate_commands import ReviseEstimate, SubmitEstimate, WithdrawEstimate
from domain.estimate_decisions import ApproveEstimate, RejectEstimate
from domain.estimate_process import EstimateRound, EstimateUpdateName, EstimateView, estimate_process_id
from domain.process import WorkflowName
from domain.waiting import waiting_stream
from domain.workload import workload_stream
from domain.workload_commands import CreateWorkload
from ledger.ledger import Ledger
from tests.workflows.account_stage import (
    ADMIN,
    BY_THE_SYSTEM,
    ORGANIZATION_SEEN,
    enrol,
    new_account_id,
    split,
)
from tests.workflows.stage import (
    ANSWER_WITHIN,
    LEAD,
    ORGANIZATION,
    OWNER,
    PRODUCT,
    WITHIN_S,
    at_work,
    company,
    current_details,
)
from workflows.workload_estimate import WorkloadEstimate


@dataclass(frozen=True)
class EstimateStage:
    client: Client
    ledger: Ledger
    queue: str
    clock: Callable[[], datetime]
    workload: str = field(default_factory=lambda: f"Basket {uuid4().hex[:8]}")
    """The server is shared by all tests, and the ids of its processes are made of names."""
    account_id: str = field(default_factory=new_account_id)
    round: int = 1

    def in_round(self, round_: int) -> EstimateStage:
        return replace(self, round=round_)

    @property
    def request(self) -> EstimateRound:
        return EstimateRound(product=PRODUCT, workload=self.workload, round=self.round)

    @property
    def process_id(self) -> str:
        return estimate_process_id(PRODUCT, self.workload, self.round)

    @property
    def handle(self) -> WorkflowHandle[Any, Any]:
        return self.client.get_workflow_handle_for(WorkloadEstimate.run, self.process_id)

    @property
    def launch(self) -> Month:
        return Month.of(self.clock().date())

    def create(self) -> None:
        """An account, allocated to the product, and a workload in it."""
        joined_at = self.clock().replace(hour=0, minute=0, second=0, microsecond=0)
        seen = AccountSeen(account_id=self.account_id, name="shop", state="ACTIVE", joined_at=joined_at)
        known: dict[str, Any] = {"command_id": uuid4(), "accounts": (seen,), **ORGANIZATION_SEEN, **BY_THE_SYSTEM}
        allocation: dict[str, Any] = {"account_type": AccountType.PRODUCTION, "shares": split("100")}
        address = {"account_id": self.account_id, "command_id": uuid4(), "actor": ADMIN}
        months = {"launch_month": self.launch, "end_month": self.launch.plus(2), "account_id": self.account_id}
        for command in (
            ObserveAccounts(**known),
            AllocateAccount(**address, **allocation),
            CreateWorkload(**self.address(OWNER), **months),
        ):
            outcome = self.ledger.record(command)
            assert isinstance(outcome, Accepted), outcome

    async def send(self, update: EstimateUpdateName | str, command: Any, update_id: str | None = None) -> Accepted:
        """As the command line does it: starts the process if none is under way. Raises ApplicationError."""
        start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
            WorkflowName.WORKLOAD_ESTIMATE,
            self.request,
            id=self.process_id,
            task_queue=self.queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        )
        try:
            answer: Accepted = await self.client.execute_update_with_start_workflow(
                str(update),
                command,
                start_workflow_operation=start,
                id=update_id or str(getattr(command, "command_id", uuid4())),
                result_type=Accepted,
                rpc_timeout=ANSWER_WITHIN,
            )
        except WorkflowUpdateFailedError as error:
            if isinstance(error.cause, ApplicationError):
                raise error.cause from None
            raise
        return answer

    async def submit(self, amount: str = "100.50", actor: str = OWNER) -> Accepted:
        amounts: dict[str, Any] = {"application": {str(self.launch): amount}}
        command = SubmitEstimate.model_validate(self.address(actor) | {"amounts": amounts})
        return await self.send(EstimateUpdateName.SUBMIT, command)

    async def approve(self, version: int = 2, actor: str = LEAD, **fields: Any) -> Accepted:
        command = ApproveEstimate(**self.address(actor) | fields, version=version)
        return await self.send(EstimateUpdateName.APPROVE, command)

    async def reject(self, version: int = 2, actor: str = LEAD) -> Accepted:
        command = RejectEstimate(**self.address(actor), version=version, reason="too high")
        return await self.send(EstimateUpdateName.REJECT, command)

    async def withdraw(self, actor: str = OWNER) -> Accepted:
        return await self.send(EstimateUpdateName.WITHDRAW, WithdrawEstimate(**self.address(actor)))

    async def revise(self, actor: str = OWNER) -> Accepted:
        return await self.send(EstimateUpdateName.REVISE, ReviseEstimate(**self.address(actor)))

    def address(self, actor: str) -> dict[str, Any]:
        return {
            "command_id": uuid4(),
            "actor": actor,
            "channel": Channel.CLI,
            "product": PRODUCT,
            "workload": self.workload,
        }

    def facts(self) -> list[str]:
        """Names of what happened to the workload, in order."""
        events = self.ledger.read(workload_stream(PRODUCT, self.workload))
        return [event.fact.fact_name.removeprefix("workload.") for event in events]

    def waits(self) -> list[Any]:
        """What was done because somebody waited, in order."""
        stream = waiting_stream(workload_stream(PRODUCT, self.workload))
        return [event.fact for event in self.ledger.read(stream)]

    def refusals(self) -> list[CommandRefused]:
        events = self.ledger.follow(0, 10_000)
        return [event.fact for event in events if isinstance(event.fact, CommandRefused)]

    async def view(self) -> EstimateView:
        view: EstimateView = await self.handle.query("view", result_type=EstimateView)
        return view

    async def until(self, is_so: Callable[[EstimateView], bool]) -> EstimateView:
        """The view, once it is like that."""
        async with asyncio.timeout(WITHIN_S):
            while not is_so(view := await self.view()):  # noqa: ASYNC110 - a query is the only way to know
                await asyncio.sleep(0.05)
        return view

    async def refused(self, count: int) -> CommandRefused:
        """The last refusal in the ledger, once the process shows so many."""
        await self.until(lambda view: view.refusals >= count)
        return self.refusals()[-1]

    async def ended(self) -> EstimateView:
        """What the process knew when it was over."""
        async with asyncio.timeout(WITHIN_S):
            view: EstimateView = await self.handle.result()
        return view

    async def details(self) -> str:
        return await current_details(self.handle)


@asynccontextmanager
async def estimates_with(
    client: Client,
    ledger: Ledger,
    clock: Callable[[], datetime],
    organization: Organization = ORGANIZATION,
    **options: Any,
) -> AsyncIterator[EstimateStage]:
    """A workload of the company's product, and a worker."""
    enrol(ledger)
    commands, estimates = LedgerCommands(ledger, organization), Estimates(ledger, organization)
    hands: Sequence[Callable[..., Any]] = (
        commands.record,
        commands.record_refusal,
        estimates.read,
        estimates.step,
    )
    async with at_work(client, hands, **options) as queue:
        stage = EstimateStage(client, ledger, queue, clock)
        stage.create()
        yield stage


@asynccontextmanager
async def on_estimate_stage(
    client: Client,
    database_url: str,
    *,
    accept_claimed_actors: bool = True,
    organization: Organization = ORGANIZATION,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    **options: Any,
) -> AsyncIterator[EstimateStage]:
    years = (clock().year, (clock() + timedelta(days=100)).year)
    with company(
        database_url, accept_claimed_actors, organization=organization, clock=clock, years=sorted(set(years))
    ) as ledger:
        async with estimates_with(client, ledger, clock, organization, **options) as stage:
            yield stage
