"""Accounts of an organization on a real ledger, their processes on a worker, and people who allocate them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from temporalio.client import Client, WithStartWorkflowOperation, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError

from activities.alignment_starting import AlignmentStarter
from activities.alignment_views import open_rounds
from activities.alignments import Alignments
from activities.ledger_commands import LedgerCommands
from domain.account import account_stream
from domain.account_allocating import AllocateAccount, ProposeAllocation
from domain.account_facts import AccountSeen, AlignmentOpened
from domain.account_observing import Departure, ObserveAccounts, RecordDepartures
from domain.account_process import AccountUpdateName, AlignmentRound, AlignmentView, alignment_process_id
from domain.account_proposals import AcceptProposal, DeclineProposal
from domain.account_rules import AccountRule, ReplaceAccountRules
from domain.allocation import AccountType, Share
from domain.calendar import Month
from domain.decision import SYSTEM, Accepted, Channel, Command, CommandRefused, Organization, Persona, Refused
from domain.expected_account import ExpectAccounts, ExpectedAccount
from domain.first_bill import FirstLine, RecordFirstBills
from domain.hierarchy import NodePath
from domain.people_commands import GrantPersona, RegisterPerson
from domain.process import DirectCommand, WorkflowName, direct_decision_process_id
from domain.waiting import waiting_stream
from ledger.ledger import Ledger
from tests.workflows.stage import (
    ANSWER_WITHIN,
    ORGANIZATION,
    PRODUCT,
    WITHIN_S,
    at_work,
    budget_of,
    company,
    current_details,
)
from workflows.account_alignment import AccountAlignment
from workflows.direct_decision import DirectDecision

SEARCH = NodePath((*PRODUCT.parts[:3], "Search"))
ADMIN, COLLEAGUE, ENGINEER = "admin@example.com", "colleague@example.com", "engineer@example.com"
PERSONAS = {
    ADMIN: Persona.FINANCIAL_ADMIN,
    COLLEAGUE: Persona.FINANCIAL_ADMIN,
    ENGINEER: Persona.CLOUD_ENGINEER,
}
"""Beside the people of `company`, of whom none may allocate an account."""
BY_THE_SYSTEM: dict[str, Any] = {"actor": SYSTEM, "channel": Channel.WORKFLOW}
ORGANIZATION_SEEN = {"organization_id": "o-1", "management_account_id": "999999999999"}
NAME, EMAIL, UNIT = "shop-prod", "aws+shop@example.com", "/Workloads/Production"


def new_account_id() -> str:
    """The server is shared by all tests, and the ids of its processes are made of those of accounts."""
    return f"{uuid4().int % 10**12:012d}"


def split(*percents: str, products: Sequence[NodePath] = (PRODUCT, SEARCH)) -> tuple[Share, ...]:
    return tuple(Share(product=to, percent=Decimal(n)) for to, n in zip(products, percents, strict=False))


def rule(name: str = "web", **fields: Any) -> AccountRule:
    """Takes whatever is in Workloads."""
    known = {"name": name, "account_type": AccountType.PRODUCTION, "shares": split("100"), "ou_path": "/Workloads"}
    return AccountRule.model_validate(known | fields)


@dataclass(frozen=True)
class AccountStage:
    """One account, the process of one of its occasions, and the people around it."""

    client: Client
    ledger: Ledger
    queue: str
    starter: AlignmentStarter
    clock: Callable[[], datetime]
    """Of the ledger."""
    account_id: str = field(default_factory=new_account_id)
    occasion: int = 1

    def in_occasion(self, occasion: int) -> AccountStage:
        """The process of another occasion of the same account."""
        return replace(self, occasion=occasion)

    def another(self) -> AccountStage:
        """Another account of the same organization."""
        return replace(self, account_id=new_account_id(), occasion=1)

    @property
    def round(self) -> AlignmentRound:
        return AlignmentRound(account_id=self.account_id, occasion=self.occasion)

    @property
    def process_id(self) -> str:
        return alignment_process_id(self.account_id, self.occasion)

    @property
    def handle(self) -> WorkflowHandle[Any, Any]:
        return self.client.get_workflow_handle_for(AccountAlignment.run, self.process_id)

    # What Allot sees by itself

    def record(self, command: Command) -> Accepted:
        outcome = self.ledger.record(command)
        assert isinstance(outcome, Accepted), outcome
        return outcome

    def observe(self, **fields: Any) -> Accepted:
        """As the full read records it, before it starts processes."""
        known: dict[str, Any] = {
            "account_id": self.account_id,
            "name": NAME,
            "email": EMAIL,
            "state": "ACTIVE",
            "ou_path": UNIT,
        }
        known |= {"joined_at": self.clock().replace(hour=0, minute=0, second=0, microsecond=0), "tags": {}}
        seen = AccountSeen.model_validate(known | fields)
        return self.record(ObserveAccounts(command_id=uuid4(), accounts=(seen,), **ORGANIZATION_SEEN, **BY_THE_SYSTEM))

    def depart(self) -> Accepted:
        departure = Departure(account_id=self.account_id, how="Left", at=self.clock())
        command = RecordDepartures(
            command_id=uuid4(), departures=(departure,), observed_at=self.clock(), **BY_THE_SYSTEM
        )
        return self.record(command)

    def bill(self) -> Accepted:
        """Its first line of a cost report is imported."""
        line = FirstLine(account_id=self.account_id, first_usage_on=self.clock().date())
        month = Month.of(self.clock().date())
        command = RecordFirstBills(
            command_id=uuid4(), billing_period=month, report_version="v1", accounts=(line,), **BY_THE_SYSTEM
        )
        return self.record(command)

    async def start(self) -> None:
        """As every source does after it has recorded what it has seen."""
        await self.starter.wake(open_rounds(self.ledger, [self.account_id]))

    async def vend(self, **fields: Any) -> AlignmentView:
        """Seen for the first time, and looked at by its process. A joined day of today, as the ledger sees it."""
        self.observe(**fields)
        await self.start()
        return await self.until(lambda view: bool(view.looked))

    # What people decide

    async def send(self, update: AccountUpdateName | str, command: Any, update_id: str | None = None) -> Accepted:
        """As the command line does it: starts the process if none is under way. Raises ApplicationError."""
        start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
            WorkflowName.ACCOUNT_ALIGNMENT,
            self.round,
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

    async def allocate(self, *percents: str, actor: str = ADMIN, **fields: Any) -> Accepted:
        return await self.send(AccountUpdateName.ALLOCATE, self.allocation(*percents, actor=actor, **fields))

    async def propose(self, *percents: str, actor: str = ENGINEER) -> Accepted:
        return await self.send(AccountUpdateName.PROPOSE, self.proposal(*percents, actor=actor))

    async def accept(self, proposal: int = 1, actor: str = ADMIN) -> Accepted:
        command = AcceptProposal(**self.address(actor), proposal=proposal)
        return await self.send(AccountUpdateName.ACCEPT, command)

    async def decline(self, proposal: int = 1, actor: str = ADMIN, reason: str = "another product") -> Accepted:
        command = DeclineProposal(**self.address(actor), proposal=proposal, reason=reason)
        return await self.send(AccountUpdateName.DECLINE, command)

    async def decide(self, command: Any) -> Accepted | Refused:
        """Past the process, as everything is decided that belongs to none."""
        return await self.client.execute_workflow(
            DirectDecision.run,
            DirectCommand(command=command),
            id=direct_decision_process_id(command.command_id),
            task_queue=self.queue,
        )

    async def set_rules(self, *rules: AccountRule, actor: str = ADMIN) -> Accepted | Refused:
        return await self.decide(ReplaceAccountRules(command_id=uuid4(), actor=actor, rules=rules))

    async def expect(self, actor: str = ENGINEER, **fields: Any) -> Accepted | Refused:
        known = {"email": EMAIL, "account_type": AccountType.SANDBOX, "shares": split("100", products=(SEARCH,))}
        expected = ExpectedAccount.model_validate(known | fields)
        return await self.decide(ExpectAccounts(command_id=uuid4(), actor=actor, accounts=(expected,)))

    def allocation(self, *percents: str, actor: str = ADMIN, **fields: Any) -> AllocateAccount:
        wish = {"account_type": AccountType.PRODUCTION, "shares": split(*percents or ("100",))}
        return AllocateAccount.model_validate(self.address(actor) | wish | fields)

    def proposal(self, *percents: str, actor: str = ENGINEER) -> ProposeAllocation:
        wish = {"account_type": AccountType.SHARED, "shares": split(*percents or ("60", "40"))}
        return ProposeAllocation.model_validate(self.address(actor) | wish)

    def address(self, actor: str, command_id: UUID | None = None) -> dict[str, Any]:
        return {
            "command_id": command_id or uuid4(),
            "actor": actor,
            "channel": Channel.CLI,
            "account_id": self.account_id,
        }

    # What has come of it

    def facts(self) -> list[str]:
        """Names of what happened to the account, in order."""
        events = self.ledger.read(account_stream(self.account_id))
        return [event.fact.fact_name.removeprefix("account.") for event in events]

    def last(self, kind: type) -> Any:
        """The last fact of that kind."""
        events = self.ledger.read(account_stream(self.account_id))
        return [event.fact for event in events if isinstance(event.fact, kind)][-1]

    def waits(self) -> list[Any]:
        """What was done because somebody waited, in order."""
        return [event.fact for event in self.ledger.read(waiting_stream(account_stream(self.account_id)))]

    def refusals(self) -> list[CommandRefused]:
        events = self.ledger.follow(0, 10_000)
        return [event.fact for event in events if isinstance(event.fact, CommandRefused)]

    async def view(self) -> AlignmentView:
        view: AlignmentView = await self.handle.query("view", result_type=AlignmentView)
        return view

    async def until(self, is_so: Callable[[AlignmentView], bool]) -> AlignmentView:
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

    async def ended(self) -> AlignmentView:
        """What the process knew when it was over."""
        async with asyncio.timeout(WITHIN_S):
            view: AlignmentView = await self.handle.result()
        return view

    async def details(self) -> str:
        """What the Temporal UI shows as current details."""
        return await current_details(self.handle)


def enrol(ledger: Ledger) -> None:
    """Makes the people known who allocate accounts."""
    for email, persona in PERSONAS.items():
        ledger.people.ensure(email, email.partition("@")[0])
        known: dict[str, Any] = {"actor": SYSTEM, "channel": Channel.SETUP, "person": email}
        ledger.record(RegisterPerson(command_id=uuid4(), **known))
        ledger.record(GrantPersona(command_id=uuid4(), persona=persona, **known))


def open_on(ledger: Ledger) -> list[AlignmentRound]:
    """What the views would show as open, from the ledger itself: they are no matter of the processes."""
    opened = [event.fact for event in ledger.follow(0, 10_000) if isinstance(event.fact, AlignmentOpened)]
    return open_rounds(ledger, [fact.account_id for fact in opened])


def account_activities(
    ledger: Ledger, starter: AlignmentStarter, organization: Organization = ORGANIZATION
) -> tuple[Callable[..., Any], ...]:
    commands = LedgerCommands(ledger, organization)
    alignments = Alignments(ledger, organization, starter, lambda _code: (), lambda _position: open_on(ledger))
    return commands.record, commands.record_refusal, alignments.align, alignments.step, alignments.wake


@asynccontextmanager
async def accounts_with(
    client: Client,
    ledger: Ledger,
    clock: Callable[[], datetime],
    years: Sequence[int],
    organization: Organization = ORGANIZATION,
    **options: Any,
) -> AsyncIterator[AccountStage]:
    """An account that nobody has seen yet, in a company that has a second product and people who allocate accounts."""
    enrol(ledger)
    for year in years:
        outcome = ledger.record(budget_of(year, month=2, products=(SEARCH,)))
        assert isinstance(outcome, Accepted), outcome
    queue = f"accounts-{uuid4().hex[:12]}"
    starter = AlignmentStarter(client, asyncio.get_running_loop(), queue)
    async with at_work(client, account_activities(ledger, starter, organization), queue, **options):
        yield AccountStage(client, ledger, queue, starter, clock)


@asynccontextmanager
async def on_account_stage(
    client: Client,
    database_url: str,
    *,
    accept_claimed_actors: bool = True,
    organization: Organization = ORGANIZATION,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    **options: Any,
) -> AsyncIterator[AccountStage]:
    """A company and its accounts at work."""
    years = (clock().year, clock().year + 1)
    with company(database_url, accept_claimed_actors, organization=organization, clock=clock, years=years) as ledger:
        async with accounts_with(client, ledger, clock, years, organization, **options) as stage:
            yield stage
