"""An account from the message of its vending until it is seen on its budget, beside a bare message and a bare process.

    python -m bench alignment

One after the other, as accounts are vended. Ours receives the message, asks Organizations (three calls), records,
starts the process, which finds that the account was expected, allocates it, and waits until the views show it. The peer
receives a message from the same queue server and runs a process with one activity that does nothing. The queue,
Organizations and Temporal are the same on this machine for both.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

from activities.account_events import AccountEventIntake, QueuePlace
from activities.alignment_starting import AlignmentStarter
from activities.alignments import Alignments
from activities.aws_access import AwsAccess
from bench import bare
from bench.decision import projecting
from bench.record import prepare, product_of
from bench.rows import Row
from bench.schedule import SLOTS, servers, worker
from domain.account_process import ACCOUNT_EVENTS_QUEUE
from domain.allocation import AccountType, Share
from domain.decision import SYSTEM, Channel, Organization
from domain.expected_account import ExpectAccounts, ExpectedAccount
from embedded.aws_server import AwsServer
from ledger.ledger import Ledger
from rights.cedar import CedarRights
from temporal_connection import run
from views.projector import Projector
from views.queries import Views
from workflows import search_attributes
from workflows.account_alignment import AccountAlignment
from workflows.account_events import AccountEvents
from workflows.registration import workflow_runner
from workflows.standing import ensure_account_events

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

WARM_UP, VENDED = 5, 40
LOOK_EVERY_S = 0.005
WAIT_S = 20
AIM = 4.0
"""Times the peer: a second process, five more calls and three more transactions than a bare one."""
WITHIN_AIM_S = 10.0
"""The promise is seconds."""


def measure() -> list[Row]:
    with servers() as (database_url, temporal), stand_in() as accounts:
        prepare(database_url)
        return run(_measure(database_url, temporal, accounts))


@contextmanager
def stand_in() -> Iterator[list[dict[str, Any]]]:
    """An organization with as many accounts as are vended."""
    with tempfile.TemporaryDirectory() as directory:
        server = AwsServer(Path(directory) / "aws.log")
        server.start()
        os.environ.update(server.environment())
        try:
            organizations = boto3.client("organizations")
            organizations.create_organization(FeatureSet="ALL")
            made = [
                organizations.create_account(AccountName=f"account-{n}", Email=f"aws+{n}@example.com")
                for n in range(WARM_UP + VENDED)
            ]
            ids = [one["CreateAccountStatus"]["AccountId"] for one in made]
            yield [{"id": account_id, "email": f"aws+{n}@example.com"} for n, account_id in enumerate(ids)]
        finally:
            for name in server.environment():
                os.environ.pop(name, None)
            server.stop()


async def _measure(database_url: str, address: str, accounts: list[dict[str, Any]]) -> list[Row]:
    client = await Client.connect(address, data_converter=pydantic_data_converter)
    await search_attributes.register(client)
    organization, sqs = Organization(), boto3.client("sqs")
    queues = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("ours", "bare")}
    with (
        Ledger(database_url, organization, pool_size=SLOTS + 1, rights=CedarRights()) as ledger,
        ThreadPoolExecutor(SLOTS) as ours,
        ThreadPoolExecutor(SLOTS) as theirs,
        projecting(Projector(ledger, database_url, organization, news=ledger.news)),
        Views(database_url) as views,
    ):
        _expect(ledger, accounts)
        starter = AlignmentStarter(client, asyncio.get_running_loop(), "ours")
        intake = AccountEventIntake(ledger, AwsAccess(), QueuePlace(queues["ours"], None, WAIT_S), starter)
        alignments = Alignments(ledger, organization, starter, lambda _code: (), lambda _position: ())
        async with (
            worker(client, "ours", AccountAlignment, [alignments.align], ours),
            worker(client, "events", AccountEvents, [bare.nothing], theirs),
            Worker(
                client,
                task_queue=ACCOUNT_EVENTS_QUEUE,
                activities=[intake.receive],
                activity_executor=ThreadPoolExecutor(1),
                workflow_runner=workflow_runner(),
            ),
            worker(client, "bare", bare.BareAlignment, [bare.nothing], theirs),
        ):
            await ensure_account_events(client, "events")
            aligned, bare_ones = await _rounds(client, sqs, queues, views, accounts)
            await client.get_workflow_handle("account-events").terminate()
            sqs.send_message(QueueUrl=queues["ours"], MessageBody="the end")  # wakes whoever waits for a message
    ratio = statistics.median(a / b for a, b in zip(aligned, bare_ones, strict=True))
    ours_s, peer_s, slowest = statistics.median(aligned), statistics.median(bare_ones), max(aligned)
    what = "account vended until visible on its budget"
    return [
        Row(f"{what} : bare message and process", _ms(ours_s), _ms(peer_s), ratio, AIM, at_most=True),
        Row(
            f"{what}, slowest of {len(aligned)} : {WITHIN_AIM_S:.0f} s",
            _ms(slowest),
            "",
            slowest / WITHIN_AIM_S,
            1,
            True,
        ),
    ]


async def _rounds(
    client: Client, sqs: SQSClient, queues: dict[str, str], views: Views, accounts: list[dict[str, Any]]
) -> tuple[list[float], list[float]]:
    aligned: list[float] = []
    bare_ones: list[float] = []
    for number, account in enumerate(accounts):
        seconds = await _vended(sqs, queues["ours"], views, account["id"])
        peer = await _bare(client, sqs, queues["bare"], account["id"])
        if number >= WARM_UP:
            aligned.append(seconds)
            bare_ones.append(peer)
    return aligned, bare_ones


def _expect(ledger: Ledger, accounts: list[dict[str, Any]]) -> None:
    everything = (Share(product=product_of(0), percent=Decimal(100)),)
    wanted = tuple(
        ExpectedAccount(email=one["email"], account_type=AccountType.SANDBOX, shares=everything) for one in accounts
    )
    command = ExpectAccounts(command_id=uuid4(), actor=SYSTEM, channel=Channel.SETUP, accounts=wanted)
    outcome = ledger.record(command)
    assert outcome.kind == "accepted", outcome


async def _vended(sqs: SQSClient, queue_url: str, views: Views, account_id: str) -> float:
    begun = time.perf_counter()
    await asyncio.to_thread(sqs.send_message, QueueUrl=queue_url, MessageBody=_body(account_id))
    while not (found := await asyncio.to_thread(views.accounts, account_id)) or found[0].aligned_at is None:  # noqa: ASYNC110
        await asyncio.sleep(LOOK_EVERY_S)
    return time.perf_counter() - begun


async def _bare(client: Client, sqs: SQSClient, queue_url: str, account_id: str) -> float:
    """A receiver waits already when the message is sent, as ours does."""
    receiving = asyncio.create_task(asyncio.to_thread(sqs.receive_message, QueueUrl=queue_url, WaitTimeSeconds=WAIT_S))
    await asyncio.sleep(LOOK_EVERY_S)
    begun = time.perf_counter()
    await asyncio.to_thread(sqs.send_message, QueueUrl=queue_url, MessageBody=_body(account_id))
    (message,) = (await receiving)["Messages"]
    await client.execute_workflow("BareAlignment", account_id, id=f"bare/{account_id}", task_queue="bare")
    await asyncio.to_thread(sqs.delete_message, QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
    return time.perf_counter() - begun


def _body(account_id: str) -> str:
    status = {"id": "car-1", "state": "SUCCEEDED", "accountName": "****", "accountId": account_id}
    record = {
        "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": "organizations.amazonaws.com",
        "eventName": "CreateAccountResult",
        "serviceEventDetails": {"createAccountStatus": status},
    }
    return json.dumps(record)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
