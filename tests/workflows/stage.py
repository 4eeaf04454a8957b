"""A real ledger with a small company in it, a worker, and people who send decisions to it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from temporalio.client import Client, WithStartWorkflowOperation, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxRestrictions
from temporalio.workflow import SandboxImportNotificationPolicy

from activities.ledger_commands import LedgerCommands
from activities.schedule_waiting import ScheduleWaiting
from domain.budget import BudgetRow
from domain.budget_load import LoadBudget
from domain.calendar import Month
from domain.decision import SYSTEM, Accepted, Channel, CommandRefused, Organization, Persona, RecordedEvent
from domain.hierarchy import NodePath
from domain.people_commands import GrantPersona, RegisterPerson
from domain.process import ScheduleRound, ScheduleView, UpdateName, WorkflowName, schedule_process_id
from domain.schedule import schedule_stream
from domain.schedule_commands import SubmitSchedule
from domain.schedule_decisions import ApproveSchedule, RejectSchedule
from ledger.ledger import Ledger
from rights.cedar import CedarRights
from workflows.budget_schedule import BudgetSchedule
from workflows.registration import WORKFLOWS, workflow_runner

YEAR = 2026
PRODUCT = NodePath(("Retail", "Digital", "Web", "Checkout"))
MONTHS = Organization().calendar.months(YEAR)
OWNER, LEAD, OTHER_LEAD, STRANGER = "owner@example.com", "lead@example.com", "other.lead@example.com", "no@example.com"
REFUSED_WITHIN_S = 60.0
ANSWER_WITHIN = timedelta(seconds=20)
STRICT = SandboxRestrictions.default.with_import_notification_policy(
    SandboxImportNotificationPolicy.RAISE_ON_UNINTENTIONAL_PASSTHROUGH
    | SandboxImportNotificationPolicy.WARN_ON_DYNAMIC_IMPORT
)
_queues = itertools.count(1)


@contextmanager
def company(database_url: str, accept_claimed_actors: bool = True) -> Iterator[Ledger]:
    """An owner, two portfolio owners, somebody without rights, and a product with USD 1,200.00 for the year."""
    with Ledger(
        database_url, Organization(), rights=CedarRights(), pool_size=10, accept_claimed_actors=accept_claimed_actors
    ) as ledger:
        for email, persona, node in (
            (OWNER, Persona.PRODUCT_OWNER, PRODUCT),
            (LEAD, Persona.PORTFOLIO_OWNER, PRODUCT.portfolio),
            (OTHER_LEAD, Persona.PORTFOLIO_OWNER, PRODUCT.portfolio),
            (STRANGER, None, NodePath.ROOT),
        ):
            ledger.people.ensure(email, email.partition("@")[0])
            known = {"actor": SYSTEM, "channel": Channel.SETUP, "person": email}
            ledger.record(RegisterPerson(command_id=uuid4(), **known))
            if persona:
                ledger.record(GrantPersona(command_id=uuid4(), persona=persona, node=node, **known))
        ledger.record(
            LoadBudget(
                command_id=uuid4(),
                actor=SYSTEM,
                channel=Channel.SETUP,
                fiscal_year=YEAR,
                content_hash="0" * 64,
                customer="Example",
                option="Budget",
                file_version="v1",
                is_new=True,
                is_override=False,
                effective_on=date(YEAR, 1, 1),
                labels=("Business Unit", "Department", "Portfolio", "Product"),
                rows=(BudgetRow(product=PRODUCT, annual=Decimal("1200.00")),),
            )
        )
        yield ledger


@dataclass
class Stage:
    """One product's schedule process, and the people around it."""

    client: Client
    ledger: Ledger
    queue: str
    product: NodePath = PRODUCT
    process_id: str = field(default="")

    def __post_init__(self) -> None:
        # The server is shared by all tests, the ledger is not: the round's number keeps processes apart.
        self.round = next(_queues)
        self.process_id = schedule_process_id(YEAR, self.product, self.round)

    @property
    def request(self) -> ScheduleRound:
        return ScheduleRound(fiscal_year=YEAR, product=self.product, round=self.round)

    @property
    def handle(self) -> WorkflowHandle[Any, Any]:
        return self.client.get_workflow_handle_for(BudgetSchedule.run, self.process_id)

    async def send(self, update: UpdateName | str, command: Any, update_id: str | None = None) -> Accepted:
        """As the command line does it: starts the process if none is under way. Raises ApplicationError."""
        start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
            WorkflowName.BUDGET_SCHEDULE,
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

    async def submit(self, each: str = "100.00", actor: str = OWNER, command_id: UUID | None = None) -> Accepted:
        return await self.send(UpdateName.SUBMIT, self.submission(each, actor, command_id))

    async def approve(self, version: int = 1, actor: str = LEAD, command_id: UUID | None = None) -> Accepted:
        command = ApproveSchedule(**self.address(actor, command_id), version=version)
        return await self.send(UpdateName.APPROVE, command)

    async def reject(self, version: int = 1, actor: str = LEAD, reason: str = "Too much in May") -> Accepted:
        return await self.send(UpdateName.REJECT, RejectSchedule(**self.address(actor), version=version, reason=reason))

    def submission(self, each: str = "100.00", actor: str = OWNER, command_id: UUID | None = None) -> SubmitSchedule:
        amounts: dict[Month, Decimal] = {month: Decimal(each) for month in MONTHS}
        return SubmitSchedule(**self.address(actor, command_id), amounts=amounts)

    def address(self, actor: str, command_id: UUID | None = None) -> dict[str, Any]:
        return {
            "command_id": command_id or uuid4(),
            "actor": actor,
            "channel": Channel.CLI,
            "fiscal_year": YEAR,
            "product": self.product,
        }

    def facts(self) -> list[str]:
        """Names of what happened to the schedule, in order."""
        return [event.fact.fact_name for event in self.ledger.read(schedule_stream(YEAR, self.product))]

    def refusals(self) -> list[CommandRefused]:
        return [event.fact for event in self.events() if isinstance(event.fact, CommandRefused)]

    def events(self) -> list[RecordedEvent]:
        return list(self.ledger.follow(0, 10_000))

    async def view(self) -> ScheduleView:
        view: ScheduleView = await self.handle.query("view", result_type=ScheduleView)
        return view

    async def settled(self) -> None:
        """Returns when the process has nothing to do but wait."""
        before, length = -1, 0
        while before != length or not (await self.view()).currency:
            await asyncio.sleep(0.1)
            before, length = length, (await self.handle.describe()).history_length

    async def refused(self, count: int) -> CommandRefused:
        """The last refusal in the ledger, once there are so many and the process shows it."""
        async with asyncio.timeout(REFUSED_WITHIN_S):
            while (await self.view()).refusals < count:  # noqa: ASYNC110 - a query is the only way to know
                await asyncio.sleep(0.05)
        refusals = self.refusals()
        assert len(refusals) == count
        return refusals[-1]

    async def details(self) -> str:
        """What the Temporal UI shows as current details."""
        metadata = await self.handle.query("__temporal_workflow_metadata")
        return str(metadata["currentDetails"] if isinstance(metadata, dict) else metadata.current_details)


@asynccontextmanager
async def at_work(
    client: Client,
    activities: Sequence[Callable[..., Any]],
    queue: str | None = None,
    *,
    max_cached_workflows: int = 100,
    workflows: Sequence[type] = WORKFLOWS,
) -> AsyncIterator[str]:
    """A worker on a queue of its own, whose name is given; its sandbox raises on imports that it should not see."""
    name = queue or f"test-{next(_queues)}-{uuid4().hex[:6]}"
    with ThreadPoolExecutor(8) as pool:
        async with Worker(
            client,
            task_queue=name,
            workflows=workflows,
            activities=activities,
            activity_executor=pool,
            workflow_runner=workflow_runner(STRICT),
            max_cached_workflows=max_cached_workflows,
        ):
            yield name


@asynccontextmanager
async def on_stage(
    client: Client, database_url: str, *, accept_claimed_actors: bool = True, **options: Any
) -> AsyncIterator[Stage]:
    with company(database_url, accept_claimed_actors) as ledger:
        commands = LedgerCommands(ledger, Organization())
        waiting = ScheduleWaiting(ledger, Organization(), client)
        activities = (
            commands.record,
            commands.record_refusal,
            commands.read_schedule,
            commands.register_person,
            waiting.step,
            waiting.inform_rounds,
        )
        async with at_work(client, activities, **options) as queue:
            yield Stage(client, ledger, queue)


def code_of(error: ApplicationError) -> tuple[str | None, str]:
    """Class and code of a refusal."""
    detail: Any = error.details[0] if error.details else {}
    return error.type, detail.get("code", "") if isinstance(detail, dict) else str(detail)
