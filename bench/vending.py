"""A queue, an organization, and the workers that follow vended accounts: ours, and the peer's."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import boto3
from temporalio.client import Client, WithStartWorkflowOperation
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

from activities.account_events import AccountEventIntake, QueuePlace
from activities.alignment_starting import AlignmentStarter
from activities.alignments import Alignments
from activities.aws_access import AwsAccess
from bench import bare
from bench.decision import projecting
from bench.record import grant
from bench.schedule import SLOTS, worker
from domain.account_process import ACCOUNT_EVENTS_QUEUE
from domain.decision import Organization, Persona
from domain.hierarchy import NodePath
from embedded.aws_server import AwsServer
from ledger.ledger import Ledger
from rights.cedar import CedarRights
from views.projector import Projector
from views.queries import Views
from workflows import search_attributes
from workflows.account_alignment import AccountAlignment
from workflows.account_events import AccountEvents
from workflows.registration import workflow_runner
from workflows.standing import ensure_account_events

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

WAIT_S = 20
ADMIN = "admin@example.com"
BATCH_MAX = 10
"""Messages of one receive, and of one send: as many as SQS allows."""


class Vended(NamedTuple):
    account_id: str
    email: str


class Company(NamedTuple):
    client: Client
    ledger: Ledger
    views: Views
    admin: UUID
    """A person whose task it is to allocate accounts."""
    sqs: SQSClient
    ours: str
    """Queue URL."""
    bare: str

    async def tell(self, queue_url: str, account_ids: Sequence[str]) -> None:
        """Says on the queue that these were vended; at most BATCH_MAX."""
        entries: list[Any] = [{"Id": account_id, "MessageBody": _body(account_id)} for account_id in account_ids]
        await asyncio.to_thread(self.sqs.send_message_batch, QueueUrl=queue_url, Entries=entries)

    async def receive_bare(self) -> list[MessageTypeDef]:
        found = await asyncio.to_thread(
            self.sqs.receive_message, QueueUrl=self.bare, WaitTimeSeconds=WAIT_S, MaxNumberOfMessages=BATCH_MAX
        )
        return found.get("Messages", [])

    async def handle_bare(self, message: MessageTypeDef) -> None:
        """The least that can be done of a message: one start, one update, and it is deleted."""
        account_id = json.loads(message["Body"])["serviceEventDetails"]["createAccountStatus"]["accountId"]
        start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
            "BareAlignment",
            account_id,
            id=f"bare/{account_id}",
            task_queue="bare",
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )
        await self.client.execute_update_with_start_workflow(
            "look", account_id, start_workflow_operation=start, result_type=str
        )
        await asyncio.to_thread(self.sqs.delete_message, QueueUrl=self.bare, ReceiptHandle=message["ReceiptHandle"])


@contextmanager
def vended(count: int) -> Iterator[list[Vended]]:
    """An organization with so many accounts, as a stand-in over HTTP."""
    with tempfile.TemporaryDirectory() as directory:
        server = AwsServer(Path(directory) / "aws.log")
        server.start()
        os.environ.update(server.environment())
        try:
            organizations = boto3.client("organizations")
            organizations.create_organization(FeatureSet="ALL")
            emails = [f"aws+{n}@example.com" for n in range(count)]
            made = [organizations.create_account(AccountName=email, Email=email) for email in emails]
            ids = [one["CreateAccountStatus"]["AccountId"] for one in made]
            yield [Vended(*both) for both in zip(ids, emails, strict=True)]
        finally:
            for name in server.environment():
                os.environ.pop(name, None)
            server.stop()


@asynccontextmanager
async def company(database_url: str, address: str) -> AsyncIterator[Company]:
    """With everything running."""
    client = await Client.connect(address, data_converter=pydantic_data_converter)
    await search_attributes.register(client)
    organization, sqs = Organization(), boto3.client("sqs")
    ours_url, bare_url = (sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("ours", "bare"))
    with (
        Ledger(database_url, organization, pool_size=SLOTS + 1, rights=CedarRights()) as ledger,
        ThreadPoolExecutor(SLOTS) as ours,
        ThreadPoolExecutor(SLOTS) as theirs,
        ThreadPoolExecutor(1) as receiving,
        projecting(Projector(ledger, database_url, organization, news=ledger.news)),
        Views(database_url) as views,
    ):
        starter = AlignmentStarter(client, asyncio.get_running_loop(), "ours")
        intake = AccountEventIntake(ledger, AwsAccess(), QueuePlace(ours_url, None, WAIT_S), starter)
        alignments = Alignments(ledger, organization, starter, lambda _code: (), lambda _position: ())
        async with (
            worker(client, "ours", AccountAlignment, [alignments.align], ours),
            worker(client, "events", AccountEvents, [bare.nothing], theirs),
            Worker(
                client,
                task_queue=ACCOUNT_EVENTS_QUEUE,
                activities=[intake.receive],
                activity_executor=receiving,
                workflow_runner=workflow_runner(),
            ),
            worker(client, "bare", bare.BareAlignment, [bare.nothing], theirs),
        ):
            await ensure_account_events(client, "events")
            yield Company(client, ledger, views, _admin(ledger, views), sqs, ours_url, bare_url)
            await client.get_workflow_handle("account-events").terminate()
            sqs.send_message(QueueUrl=ours_url, MessageBody="the end")  # wakes whoever waits for a message


def _admin(ledger: Ledger, views: Views) -> UUID:
    grant(ledger, ADMIN, Persona.FINANCIAL_ADMIN, NodePath.ROOT)
    views.wait_for(ledger.settled_head())
    found = views.person(ADMIN)
    assert found is not None
    return found.person_id


def _body(account_id: str) -> str:
    status = {"id": "car-1", "state": "SUCCEEDED", "accountName": "****", "accountId": account_id}
    record = {
        "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": "organizations.amazonaws.com",
        "eventName": "CreateAccountResult",
        "serviceEventDetails": {"createAccountStatus": status},
    }
    return json.dumps(record)
