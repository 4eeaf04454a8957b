"""Lives of the processes of accounts, from which histories are recorded: each as short as it can be to show its way."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from activities.account_files import AccountFiles
from activities.alignments import Alignments
from domain.account_process import (
    ACCOUNT_EVENTS_PROCESS_ID,
    ACCOUNT_EVENTS_QUEUE,
    AccountEventsRequest,
    AccountFile,
    AccountFileKind,
    account_import_process_id,
)
from domain.account_rules import ReplaceAccountRules
from domain.errors import BadInput
from domain.process import REFRESH_SIGNAL, WorkflowName, direct_decision_process_id
from file_store import FileStore
from tests.workflows.account_messages import NO_QUEUE, Messages, came
from tests.workflows.account_stage import ADMIN, COLLEAGUE, AccountStage, accounts_with, open_on, rule
from tests.workflows.round_scenarios import WITHIN_S
from tests.workflows.stage import ORGANIZATION, OWNER, PRODUCT, SetClock, Stage, at_work

SOME_TIME_AGO = timedelta(days=12)
"""Long enough for reminders and an escalation."""
EXPECTED = f"email,name,type,product,percent\naws+new@example.com,,Sandbox,{PRODUCT},100\n".encode()
WAITS_S = 120.0
"""For the process that waits half a minute after what went wrong, twice."""


@asynccontextmanager
async def accounts_on(stage: Stage) -> AsyncIterator[AccountStage]:
    """Accounts of the company on that stage."""
    assert stage.clock
    async with accounts_with(stage.client, stage.ledger, stage.clock, (stage.year,)) as accounts:
        yield accounts


async def aligned_by_expectation(stage: Stage) -> str:
    async with accounts_on(stage) as accounts:
        await accounts.expect()
        accounts.observe()
        await accounts.start()
        await accounts.ended()
        return accounts.process_id


async def proposal_accepted(stage: Stage) -> str:
    """A rule's proposal is declined, somebody's own one is not accepted by themselves."""
    async with accounts_on(stage) as accounts:
        await accounts.set_rules(rule())
        await accounts.vend()
        await accounts.decline()
        await accounts.propose(actor=ADMIN)
        await accounts.handle.signal("accept", {"actor": ADMIN, "proposal": 2})
        await accounts.refused(1)
        await accounts.accept(2, actor=COLLEAGUE)
        await accounts.ended()
        return accounts.process_id


async def allocated_by_signal(stage: Stage) -> str:
    """Beside signals that cannot be read."""
    async with accounts_on(stage) as accounts:
        await accounts.vend()
        shares = [{"product": str(PRODUCT), "percent": 100}]
        for name, payload in (("allocate", None), ("accept", [1]), ("nonsense", {}), ("propose", {"actor": OWNER})):
            await accounts.handle.signal(name, payload)
        await accounts.handle.signal(REFRESH_SIGNAL, args=[1, 2])
        await accounts.handle.signal("allocate", {"actor": OWNER, "account_type": "Shared", "shares": shares})
        await accounts.refused(5)
        await accounts.handle.signal("allocate", {"actor": ADMIN, "account_type": "Shared", "shares": shares})
        await accounts.ended()
        return accounts.process_id


async def reminded_escalated(stage: Stage) -> str:
    """Its ledger's clock stands some days ago, so that what is due has been due for long."""
    async with accounts_on(stage) as accounts:
        await accounts.vend()
        await accounts.until(lambda view: view.escalated)
        await accounts.until(lambda view: view.remind_at is not None and view.remind_at > datetime.now(UTC))
        await accounts.allocate()
        await accounts.ended()
        return accounts.process_id


async def continues_as_new(stage: Stage) -> tuple[str, str]:
    """The run that is followed."""
    async with accounts_on(stage) as accounts:
        return accounts.process_id, await _fired_on(accounts)


async def continued_as_new(stage: Stage) -> str:
    """The run that follows, with what the one before it left in its inbox."""
    async with accounts_on(stage) as accounts:
        await _fired_on(accounts)
        await accounts.allocate()
        await accounts.ended()
        return accounts.process_id


async def _fired_on(accounts: AccountStage) -> str:
    """Until another run has begun; the first one."""
    await accounts.vend()
    first_run = (await accounts.handle.describe()).run_id
    assert first_run
    async with asyncio.timeout(WITHIN_S):
        while (await accounts.handle.describe()).run_id == first_run:
            await accounts.handle.signal("nonsense", 1)
    return first_run


async def direct_decision_wakes(stage: Stage) -> str:
    async with accounts_on(stage) as accounts:
        await accounts.vend()
        command = accounts.allocation()
        await accounts.decide(command)
        await accounts.ended()
        return direct_decision_process_id(command.command_id)


async def rules_replaced(stage: Stage) -> str:
    """And one that waits is allocated by them."""
    async with accounts_on(stage) as accounts:
        await accounts.vend()
        command = ReplaceAccountRules(command_id=uuid4(), actor=ADMIN, rules=(rule(apply=True),))
        await accounts.decide(command)
        await accounts.ended()
        return direct_decision_process_id(command.command_id)


async def account_import(stage: Stage) -> str:
    async with accounts_on(stage) as accounts:
        with tempfile.TemporaryDirectory() as folder:
            store = FileStore(folder)
            file = AccountFile(
                command_id=uuid4(),
                actor=ADMIN,
                kind=AccountFileKind.EXPECTED,
                content_hash=store.put(EXPECTED),
                file_name="expected.csv",
            )
            files = AccountFiles(stage.ledger, store, lambda _code: (), lambda _keys: {})
            alignments = Alignments(
                stage.ledger, ORGANIZATION, accounts.starter, lambda _code: (), lambda _position: open_on(stage.ledger)
            )
            process_id = account_import_process_id(file)
            async with at_work(stage.client, [files.import_accounts, alignments.wake]) as queue:
                result = await stage.client.execute_workflow(
                    WorkflowName.ACCOUNT_IMPORT, file, id=process_id, task_queue=queue
                )
    assert result["status"] == "imported", result
    return process_id


async def account_events(stage: Stage) -> tuple[str, str]:
    """What came, what went wrong, a worker without a queue, and so many passes that another run follows."""
    messages = Messages(
        [came(3, recorded=2, rejected=1, last_rejection="odd"), BadInput("No permission."), NO_QUEUE, *([came()] * 20)],
        remember=False,
    )
    process_id = f"{ACCOUNT_EVENTS_PROCESS_ID}-{uuid4().hex[:8]}"
    async with at_work(stage.client, [messages.receive], ACCOUNT_EVENTS_QUEUE, workflows=()):
        started = await stage.client.start_workflow(
            WorkflowName.ACCOUNT_EVENTS, AccountEventsRequest(), id=process_id, task_queue=stage.queue
        )
        first_run = started.first_execution_run_id
        assert first_run
        handle = stage.client.get_workflow_handle(process_id)
        async with asyncio.timeout(WAITS_S):
            while (await handle.describe()).run_id == first_run:  # noqa: ASYNC110 - nothing else tells
                await asyncio.sleep(0.2)
        await handle.terminate()
        messages.enough.set()
    return process_id, first_run


def staging(name: str) -> dict[str, Any]:
    """What the stage of that scenario needs: a budget of the present year."""
    now = datetime.now(UTC)
    if name == "account-reminded-escalated":
        clock = SetClock(now - SOME_TIME_AGO)
        return {"clock": clock, "year": clock.at.year}
    return {"year": now.year}
