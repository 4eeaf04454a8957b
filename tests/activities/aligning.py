"""A company with accounts on their way to a budget: ledger, activities, and a Temporal server for their processes."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import ActivityEnvironment

from activities.alignment_starting import RUNNING, AlignmentStarter
from activities.alignments import Alignments
from activities.ledger_commands import LedgerCommands
from domain.account import Account, account_stream
from domain.account_allocating import AllocateAccount
from domain.account_facts import AccountSeen
from domain.account_observing import ObserveAccounts
from domain.account_process import AlignmentRound, AlignmentView, alignment_process_id
from domain.account_rules import AccountRule, ReplaceAccountRules
from domain.allocation import AccountType, Share
from domain.budget import BudgetRow
from domain.decision import SYSTEM, Accepted, Channel, Command, Fact, Persona
from domain.hierarchy import NodePath
from domain.people_commands import GrantPersona
from domain.waiting import waiting_stream
from ledger.ledger import Ledger
from tests.workflows.stage import ORGANIZATION, OTHER_LEAD, PRODUCT, at_work, budget_of, company

ADMIN = OTHER_LEAD
"""Somebody whom the company knows already."""
CODED = NodePath(("Retail", "Digital", "Web", "Search"))
CODE = "P-17"
WITHIN_S, POLL_S = 30.0, 0.1
# The server is shared by all tests of a session: each account gets its own process.
_numbers = itertools.count(810_000_000_001)


def new_account_id() -> str:
    return str(next(_numbers))


def whole(product: NodePath = PRODUCT) -> tuple[Share, ...]:
    return (Share(product=product, percent=Decimal(100)),)


def rule(**fields: Any) -> AccountRule:
    common = {"name": "web", "account_type": AccountType.PRODUCTION, "shares": whole(), "ou_path": "/Workloads"}
    return AccountRule.model_validate(common | fields)


@dataclass
class Aligning:
    """The activities by themselves, and the processes where a test lets them work."""

    client: Client
    ledger: Ledger
    queue: str
    coded: dict[str, Sequence[NodePath]] = field(default_factory=dict)
    """What the views show of codes."""
    open: list[AlignmentRound] = field(default_factory=list)
    """What the views show to be open."""
    positions: list[int] = field(default_factory=list)
    """Places of the log up to which the views were waited for."""

    def __post_init__(self) -> None:
        self.starter = AlignmentStarter(self.client, asyncio.get_running_loop(), self.queue)
        self.activities = Alignments(
            self.ledger, ORGANIZATION, self.starter, lambda code: self.coded.get(code, ()), self._open
        )

    def _open(self, position: int) -> Sequence[AlignmentRound]:
        self.positions.append(position)
        return self.open

    # The company

    def record(self, kind: type[Command], **fields: Any) -> Accepted:
        """By a Financial Admin."""
        return self._recorded(kind, {"actor": ADMIN, "channel": Channel.CLI} | fields)

    def by_allot(self, kind: type[Command], **fields: Any) -> Accepted:
        return self._recorded(kind, {"actor": SYSTEM, "channel": Channel.WORKFLOW} | fields)

    def _recorded(self, kind: type[Command], fields: dict[str, Any]) -> Accepted:
        outcome = self.ledger.record(kind.model_validate({"command_id": uuid4()} | fields))
        assert isinstance(outcome, Accepted), outcome
        return outcome

    def rules(self, *some: AccountRule) -> None:
        self.record(ReplaceAccountRules, rules=some)

    def appears(self, **fields: Any) -> AlignmentRound:
        """A new account; its first occasion."""
        account_id = new_account_id()
        self.seen(account_id, **fields)
        return AlignmentRound(account_id=account_id, occasion=1)

    def seen(self, account_id: str, **fields: Any) -> None:
        usual = {
            "account_id": account_id,
            "name": "shop",
            "email": "aws+shop@example.com",
            "state": "ACTIVE",
            "joined_at": datetime.now(UTC) - timedelta(minutes=1),
            "ou_path": "/Workloads",
            "tags": {},
        }
        self.by_allot(
            ObserveAccounts,
            organization_id="o-1",
            management_account_id="999999999999",
            accounts=(AccountSeen.model_validate(usual | fields),),
        )

    def allocate(self, account_id: str) -> None:
        """Past the process, as an import does it."""
        self.record(
            AllocateAccount, account_id=account_id, account_type=AccountType.PRODUCTION, shares=whole(), note="by hand"
        )

    # The activities, by themselves

    def align(self, one: AlignmentRound, activity_id: str = "") -> AlignmentView:
        environment = ActivityEnvironment()
        environment.info = replace(environment.info, activity_id=activity_id or uuid4().hex)
        view: AlignmentView = environment.run(self.activities.align, one)
        return view

    # What has come of it

    def account(self, account_id: str) -> Account:
        found: Account = self.ledger.states([account_stream(account_id)])[account_stream(account_id)]
        return found

    def facts(self, account_id: str) -> list[Fact]:
        return [event.fact for event in self.ledger.read(account_stream(account_id))]

    def names(self, account_id: str) -> list[str]:
        return [fact.fact_name.partition(".")[2] for fact in self.facts(account_id)]

    def waits(self, account_id: str) -> list[Fact]:
        return [event.fact for event in self.ledger.read(waiting_stream(account_stream(account_id)))]

    def process(self, one: AlignmentRound) -> WorkflowHandle[Any, Any]:
        return self.client.get_workflow_handle(alignment_process_id(one.account_id, one.occasion))

    async def status(self, one: AlignmentRound) -> WorkflowExecutionStatus | None:
        """None where there is no such process."""
        try:
            return (await self.process(one).describe()).status
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise

    async def signals(self, one: AlignmentRound) -> int:
        """How often its process was woken. While it works, Temporal keeps signals back from the history."""
        at_rest = {EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, EventType.EVENT_TYPE_TIMER_STARTED}
        async with asyncio.timeout(WITHIN_S):
            while True:
                history = await self.process(one).fetch_history()
                kinds = [event.event_type for event in history.events]
                if any(kind in at_rest for kind in kinds[-2:]):
                    return kinds.count(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED)
                await asyncio.sleep(POLL_S)

    async def listed(self, *rounds: AlignmentRound) -> None:
        """Returns when Temporal lists them as running, which takes it a moment."""
        wanted = {alignment_process_id(one.account_id, one.occasion) for one in rounds}
        async with asyncio.timeout(WITHIN_S):
            while wanted - {execution.id async for execution in self.client.list_workflows(RUNNING)}:  # noqa: ASYNC110 - asking is the only way to know
                await asyncio.sleep(POLL_S)

    async def over(self, one: AlignmentRound) -> AlignmentView:
        """The last view of its process, once that has ended."""
        async with asyncio.timeout(WITHIN_S):
            return AlignmentView.model_validate(await self.process(one).result())


@asynccontextmanager
async def aligning_at(client: Client, database_url: str) -> AsyncIterator[Aligning]:
    """With processes at work; those that wait for somebody still are ended afterwards."""
    this_year = datetime.now(UTC).year
    with company(database_url, years=()) as ledger:
        rows = (
            BudgetRow(product=PRODUCT, annual=Decimal(1200)),
            BudgetRow(product=CODED, annual=Decimal(1200), code=CODE),
        )
        for year in (this_year, this_year + 1):
            assert isinstance(ledger.record(budget_of(year).model_copy(update={"rows": rows})), Accepted)
        grant = {"actor": SYSTEM, "channel": Channel.SETUP, "person": ADMIN, "persona": Persona.FINANCIAL_ADMIN}
        assert isinstance(ledger.record(GrantPersona.model_validate({"command_id": uuid4()} | grant)), Accepted)
        aligning = Aligning(client, ledger, queue := f"aligning-{uuid4().hex[:8]}")
        commands = LedgerCommands(ledger, ORGANIZATION)
        activities = aligning.activities
        done = (activities.align, activities.step, activities.wake, commands.record, commands.record_refusal)
        async with at_work(client, done, queue):
            yield aligning
        async for execution in client.list_workflows(f"{RUNNING} AND TaskQueue = '{queue}'"):
            await client.get_workflow_handle(execution.id).terminate()
