"""A real ledger with a small company in it, a worker, and people who send decisions to it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from temporalio.client import Client, WithStartWorkflowOperation, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities.holder_rounds import HolderRounds
from activities.ledger_commands import LedgerCommands
from activities.schedule_waiting import ScheduleWaiting
from domain.budget import BudgetRow
from domain.budget_load import LoadBudget
from domain.calendar import Month
from domain.decision import SYSTEM, Accepted, Channel, CommandRefused, Organization, Persona, RecordedEvent
from domain.hierarchy import NodePath
from domain.people_commands import GrantPersona, RegisterPerson
from domain.process import ScheduleRound, ScheduleView, UpdateName, WorkflowName, schedule_process_id
from domain.schedule import FIRST_ROUND, schedule_stream
from domain.schedule_commands import RequestReschedule, ReviseSchedule, SubmitSchedule, WithdrawSchedule
from domain.schedule_decisions import ApproveSchedule, DenyReschedule, GrantReschedule, RejectSchedule
from domain.waiting import waiting_stream
from ledger.ledger import Ledger
from rights.cedar import CedarRights
from tests.support.temporal import working
from tests.workflows.replay import Remembering
from workflows.budget_schedule import BudgetSchedule
from workflows.registration import WORKFLOWS

YEAR = 2026
PRODUCT = NodePath(("Retail", "Digital", "Web", "Checkout"))
ORGANIZATION = Organization()
MONTHS = ORGANIZATION.calendar.months(YEAR)
OWNER, LEAD, OTHER_LEAD, STRANGER = "owner@example.com", "lead@example.com", "other.lead@example.com", "no@example.com"
WITHIN_S = 60.0
ANSWER_WITHIN = timedelta(seconds=20)
_numbers = itertools.count(1)


@contextmanager
def company(
    database_url: str,
    accept_claimed_actors: bool = True,
    *,
    organization: Organization = ORGANIZATION,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    years: Sequence[int] = (YEAR,),
) -> Iterator[Ledger]:
    """An owner, two portfolio owners, somebody without rights, and a product with USD 1,200.00 for the year."""
    with Ledger(
        database_url,
        organization,
        rights=CedarRights(),
        pool_size=10,
        clock=clock,
        accept_claimed_actors=accept_claimed_actors,
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
        for year in years:
            outcome = ledger.record(budget_of(year))
            assert isinstance(outcome, Accepted), outcome
        yield ledger


def budget_of(
    year: int = YEAR,
    annual: str = "1200.00",
    month: int | None = None,
    products: Sequence[NodePath] = (PRODUCT,),
) -> LoadBudget:
    """The first load of a year, or a change from the first of a month on."""
    return LoadBudget(
        command_id=uuid4(),
        actor=SYSTEM,
        channel=Channel.SETUP,
        fiscal_year=year,
        content_hash=uuid4().hex * 2,
        customer="Example",
        option="Budget",
        file_version="v1",
        is_new=month is None,
        is_override=False,
        effective_on=date(year, month or 1, 1),
        labels=("Business Unit", "Department", "Portfolio", "Product"),
        rows=tuple(BudgetRow(product=product, annual=Decimal(annual)) for product in products),
    )


def make_admin(stage: Stage, email: str) -> None:
    known: dict[str, Any] = {"actor": SYSTEM, "channel": Channel.SETUP, "person": email}
    outcome = stage.ledger.record(GrantPersona(command_id=uuid4(), persona=Persona.FINANCIAL_ADMIN, **known))
    assert isinstance(outcome, Accepted)


def own(stage: Stage, product: NodePath) -> None:
    """The product owner owns that one, too."""
    known: dict[str, Any] = {"actor": SYSTEM, "channel": Channel.SETUP, "person": OWNER}
    grant = GrantPersona(command_id=uuid4(), persona=Persona.PRODUCT_OWNER, node=product, **known)
    outcome = stage.ledger.record(grant)
    assert isinstance(outcome, Accepted), outcome


@dataclass
class SetClock:
    """A ledger's clock that stands until it is set."""

    at: datetime

    def __call__(self) -> datetime:
        return self.at


@dataclass(frozen=True)
class Stage:
    """One product's schedule process, and the people around it."""

    client: Client
    ledger: Ledger
    queue: str
    product: NodePath = PRODUCT
    year: int = YEAR
    round: int = FIRST_ROUND
    clock: Callable[[], datetime] | None = None
    """Of the ledger."""
    database_url: str = ""
    """Of the ledger and the views."""
    # The server is shared by all tests, the ledger is not: a number keeps the processes of several tests apart.
    apart: str = field(default_factory=lambda: f"test-{next(_numbers)}-{uuid4().hex[:6]}/")

    @property
    def process_id(self) -> str:
        return self.apart + schedule_process_id(self.year, self.product, self.round)

    @property
    def request(self) -> ScheduleRound:
        return ScheduleRound(fiscal_year=self.year, product=self.product, round=self.round)

    def in_round(self, round_: int, year: int | None = None) -> Stage:
        """The process of another round of the same product."""
        return replace(self, round=round_, year=year or self.year)

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

    async def withdraw(self, actor: str = OWNER) -> Accepted:
        return await self.send(UpdateName.WITHDRAW, WithdrawSchedule(**self.address(actor)))

    async def revise(self, actor: str = OWNER) -> Accepted:
        return await self.send(UpdateName.REVISE, ReviseSchedule(**self.address(actor)))

    async def request_reschedule(self, each: str = "", actor: str = OWNER, reason: str = "More in May") -> Accepted:
        """To the process of the next round; with amounts where `each` month has one."""
        amounts = {month: Decimal(each) for month in self.months} if each else {}
        command = RequestReschedule(**self.address(actor), reason=reason, amounts=amounts)
        return await self.send(UpdateName.REQUEST, command)

    async def grant(self, version: int, actor: str = LEAD) -> Accepted:
        return await self.send(UpdateName.GRANT, GrantReschedule(**self.address(actor), version=version))

    async def deny(self, version: int, actor: str = LEAD, reason: str = "Not this year") -> Accepted:
        return await self.send(UpdateName.DENY, DenyReschedule(**self.address(actor), version=version, reason=reason))

    def submission(self, each: str = "100.00", actor: str = OWNER, command_id: UUID | None = None) -> SubmitSchedule:
        amounts: dict[Month, Decimal] = {month: Decimal(each) for month in self.months}
        return SubmitSchedule(**self.address(actor, command_id), amounts=amounts)

    def address(self, actor: str, command_id: UUID | None = None) -> dict[str, Any]:
        return {
            "command_id": command_id or uuid4(),
            "actor": actor,
            "channel": Channel.CLI,
            "fiscal_year": self.year,
            "product": self.product,
        }

    @property
    def months(self) -> tuple[Month, ...]:
        return ORGANIZATION.calendar.months(self.year)

    def facts(self) -> list[str]:
        """Names of what happened to the schedule, in order."""
        return [event.fact.fact_name for event in self.ledger.read(schedule_stream(self.year, self.product))]

    def waits(self) -> list[Any]:
        """What was done because somebody waited, in order."""
        return [event.fact for event in self.ledger.read(waiting_stream(schedule_stream(self.year, self.product)))]

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

    async def until(self, is_so: Callable[[ScheduleView], bool]) -> ScheduleView:
        """The view, once it is like that."""
        async with asyncio.timeout(WITHIN_S):
            while not is_so(view := await self.view()):  # noqa: ASYNC110 - a query is the only way to know
                await asyncio.sleep(0.05)
        return view

    async def refused(self, count: int, others: int = 0) -> CommandRefused:
        """The last refusal in the ledger, once the process shows so many; `others` were of updates."""
        await self.until(lambda view: view.refusals >= count)
        refusals = self.refusals()
        assert len(refusals) == count + others
        return refusals[-1]

    async def details(self) -> str:
        return await current_details(self.handle)


async def current_details(handle: WorkflowHandle[Any, Any]) -> str:
    """What the Temporal UI shows of a process as current details."""
    metadata = await handle.query("__temporal_workflow_metadata")
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
    """A worker on a queue of its own, whose name is given; its sandbox raises on imports that it should not see.

    What has ended on it is replayed afterwards.
    """
    runner = Remembering()
    name = queue or f"test-{next(_numbers)}-{uuid4().hex[:6]}"
    with ThreadPoolExecutor(8) as pool:
        worker = Worker(
            client,
            task_queue=name,
            workflows=workflows,
            activities=activities,
            activity_executor=pool,
            workflow_runner=runner,
            max_cached_workflows=max_cached_workflows,
        )
        async with working(worker):
            yield name
    await runner.replay_what_ended(client, workflows)


def ledger_activities(
    client: Client, ledger: Ledger, organization: Organization = ORGANIZATION, database_url: str = ""
) -> tuple[Callable[..., Any], ...]:
    """With the database of the views where they are asked."""
    commands, waiting = LedgerCommands(ledger, organization), ScheduleWaiting(ledger, organization, client)
    return (
        commands.record,
        commands.record_refusal,
        commands.read_schedule,
        commands.register_person,
        waiting.step,
        waiting.inform_rounds,
        HolderRounds(ledger, client, database_url).inform,
    )


@asynccontextmanager
async def on_stage(
    client: Client,
    database_url: str,
    *,
    accept_claimed_actors: bool = True,
    organization: Organization = ORGANIZATION,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    year: int = YEAR,
    apart: str | None = None,
    **options: Any,
) -> AsyncIterator[Stage]:
    """A company at work."""
    with company(database_url, accept_claimed_actors, organization=organization, clock=clock, years=(year,)) as ledger:
        async with at_work(client, ledger_activities(client, ledger, organization, database_url), **options) as queue:
            stage = Stage(client, ledger, queue, year=year, clock=clock, database_url=database_url)
            yield stage if apart is None else replace(stage, apart=apart)


def code_of(error: ApplicationError) -> tuple[str | None, str]:
    """Class and code of a refusal."""
    detail: Any = error.details[0] if error.details else {}
    return error.type, detail.get("code", "") if isinstance(detail, dict) else str(detail)
