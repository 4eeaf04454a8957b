"""What is done with accounts while workers are killed: an account is vended, files and rules are brought in."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from decimal import Decimal
from typing import Any
from uuid import uuid4

import boto3

from activities.alignment_starting import RUNNING
from domain.account_observing import ObserveAccounts
from domain.account_process import (
    AccountFile,
    AccountFileKind,
    AccountImportResult,
    alignment_process_id,
)
from domain.account_rules import AccountRule, ReplaceAccountRules
from domain.allocation import AccountType, Share
from domain.decision import SYSTEM, Accepted, Channel, Command
from domain.expected_account import ExpectAccounts, ExpectedAccount
from domain.process import TASK_QUEUE, DirectCommand, WorkflowName
from file_store import FileStore
from ledger.ledger import Ledger
from rights.cedar import CedarRights
from tests.faults.case import ADMIN, COMMAND_ID, DONE_WITHIN, Case
from tests.workflows.stage import PRODUCT

LOOK_EVERY_S = 0.2
ALL_OF_IT = (Share(product=PRODUCT, percent=Decimal(100)),)


def lay_queue(case: Case, name: str) -> None:
    """A queue of its own, which its workers watch."""
    made = boto3.client("sqs").create_queue(QueueName=f"fire-{name.replace('.', '-').replace(':', '-')}")
    case.environment["ALLOT_ACCOUNT_EVENTS_QUEUE_URL"] = made["QueueUrl"]


async def aligning(case: Case, count: int) -> None:
    """Returns when so many processes of alignments run."""
    async with asyncio.timeout(DONE_WITHIN.total_seconds()):
        while len([one async for one in case.client.list_workflows(RUNNING)]) < count:  # noqa: ASYNC110 - in another process
            await asyncio.sleep(LOOK_EVERY_S)


async def vended(case: Case) -> Counter[str]:
    """An expected account appears; its message comes again where the worker died over it."""
    account: Any = boto3.client("organizations").list_accounts()["Accounts"][1]
    wanted = ExpectedAccount(email=account["Email"], account_type=AccountType.SANDBOX, shares=ALL_OF_IT)
    _record(case, ExpectAccounts(command_id=uuid4(), actor=ADMIN, accounts=(wanted,)))
    sending = asyncio.create_task(_send(case, account["Id"]))
    try:
        ended = await _result(case, alignment_process_id(account["Id"], 1))
    finally:
        sending.cancel()
    assert (ended["lifecycle"], ended["shares"]) == ("ALIGNED", {str(PRODUCT): "100"})
    return Counter(
        {
            "expected_account.Registered": 1,
            "organization.Seen": 1,
            "account.Vended": 1,
            "account.AlignmentOpened": 1,
            "account.Allocated": 1,
            "expected_account.Appeared": 1,
        }
    )


async def expected(case: Case) -> Counter[str]:
    lines = "\n".join(f"new{n}@example.com,,Sandbox,{PRODUCT}" for n in range(20))
    data = f"email,name,type,product\n{lines}\n".encode()
    request = AccountFile(
        command_id=COMMAND_ID,
        actor=ADMIN,
        kind=AccountFileKind.EXPECTED,
        content_hash=FileStore(str(case.directory / "files")).put(data),
        file_name="expected.csv",
    )
    result = await case.run(WorkflowName.ACCOUNT_IMPORT, request, AccountImportResult)
    assert (result.status, result.rows) == ("imported", 20), result.message
    return Counter({"expected_account.Registered": 20})


async def rules(case: Case) -> Counter[str]:
    """New rules take an account that waits, whose process is started by that."""
    account: Any = boto3.client("organizations").list_accounts()["Accounts"][1]
    seen = {
        "account_id": account["Id"],
        "name": account["Name"],
        "email": account["Email"],
        "state": "ACTIVE",
        "joined_at": account["JoinedTimestamp"],
    }
    known = {"organization_id": "o-1", "management_account_id": "999999999999", "accounts": (seen,)}
    observed = {"command_id": uuid4(), "actor": SYSTEM, "channel": Channel.WORKFLOW, **known}
    _record(case, ObserveAccounts.model_validate(observed))
    rule = AccountRule(name="all", any_account=True, shares=ALL_OF_IT, account_type=AccountType.SANDBOX, apply=True)
    command = ReplaceAccountRules(command_id=COMMAND_ID, actor=ADMIN, channel=Channel.CLI, rules=(rule,))
    outcome = await case.client.execute_workflow(
        WorkflowName.DIRECT_DECISION,
        DirectCommand(command=command),
        id="rules-under-fire",
        task_queue=TASK_QUEUE,
        execution_timeout=DONE_WITHIN,
    )
    assert outcome["kind"] == "accepted", outcome
    ended = await _result(case, alignment_process_id(account["Id"], 1))
    assert (ended["lifecycle"], ended["open"]) == ("ALIGNED", False)
    names = ("organization.Seen", "account.Vended", "account.AlignmentOpened", "account_rules.Replaced")
    return Counter({**dict.fromkeys(names, 1), "account.Allocated": 1})


async def _send(case: Case, account_id: str) -> None:
    """Once, and once more when the worker has died: SQS shows a message again that was not deleted."""
    await asyncio.to_thread(_put, case, account_id)
    while not case.has_crashed.exists():  # noqa: ASYNC110 - as above
        await asyncio.sleep(LOOK_EVERY_S)
    await asyncio.to_thread(_put, case, account_id)


def _put(case: Case, account_id: str) -> None:
    status = {"id": "car-1", "state": "SUCCEEDED", "accountName": "****", "accountId": account_id}
    record = {
        "eventTime": "2026-03-18T18:17:06Z",
        "eventSource": "organizations.amazonaws.com",
        "eventName": "CreateAccountResult",
        "serviceEventDetails": {"createAccountStatus": status},
    }
    queue_url = case.environment["ALLOT_ACCOUNT_EVENTS_QUEUE_URL"]
    boto3.client("sqs").send_message(QueueUrl=queue_url, MessageBody=json.dumps(record))


async def _result(case: Case, process_id: str) -> Any:
    """Of a process that is started by others."""
    by_id = f"WorkflowId = '{process_id}'"
    async with asyncio.timeout(DONE_WITHIN.total_seconds()):
        while not [one async for one in case.client.list_workflows(by_id)]:  # noqa: ASYNC110 - as above
            await asyncio.sleep(LOOK_EVERY_S)
        return await case.client.get_workflow_handle(process_id).result()


def _record(case: Case, command: Command) -> None:
    with Ledger(case.database_url, case.organization, pool_size=1, rights=CedarRights()) as ledger:
        outcome = ledger.record(command)
    assert isinstance(outcome, Accepted), outcome
