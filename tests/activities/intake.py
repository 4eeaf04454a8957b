"""The intake of account events on the stand-in's queues, with a wire that can be cut, and what it has led to."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
import psycopg
import pytest
from botocore.exceptions import EndpointConnectionError
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities import aws_access
from activities.account_events import AccountEventIntake, QueuePlace
from activities.aws_access import AwsAccess
from activities.contracts import AccountEventsReport
from domain.account import Account, account_stream
from domain.account_facts import Observed
from domain.account_process import AccountEventsRequest
from domain.decision import Fact
from ledger.ledger import Ledger
from tests.activities.starting import Started
from tests.domain.account_event_samples import sample

if TYPE_CHECKING:
    from mypy_boto3_organizations import OrganizationsClient
    from mypy_boto3_sqs import SQSClient

_SAMPLE_ACCOUNTS = re.compile("444455556666|012345678901|555555555555")
_SAMPLE_TIMES = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d{4})|[A-Z][a-z]{2} \d{1,2}, \d{4},? [\d:]+[ \u202f][AP]M")
_TROUBLE = """
CREATE FUNCTION trouble() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'trouble'; END $$;
CREATE TRIGGER trouble BEFORE INSERT ON ledger_events EXECUTE FUNCTION trouble()"""


def told(name: str, account_id: str, at: datetime | None = None) -> str:
    """A sample as if it were of this account, and had happened then: by default now."""
    moment = f"{at or datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return _SAMPLE_TIMES.sub(moment, _SAMPLE_ACCOUNTS.sub(account_id, sample(name)))


@dataclass
class Wire:
    """Between the intake and SQS."""

    cut: list[str] = field(default_factory=list)
    """Operations that fail, each once, before they reach the queue."""
    delays: list[int] = field(default_factory=list)
    """For how many seconds messages were put off. None of them is waited for: the message comes again at once."""
    handles: list[str] = field(default_factory=list)
    """Of all messages that were received."""

    def watch(self, client: Any) -> None:
        events = client.meta.events
        events.register("provide-client-params.sqs.ChangeMessageVisibility", self._put_off)
        events.register("after-call.sqs.ReceiveMessage", self._received)
        events.register("before-send.sqs", self._pass)

    def _put_off(self, params: dict[str, Any], **_: object) -> dict[str, Any]:
        self.delays.append(params["VisibilityTimeout"])
        return {**params, "VisibilityTimeout": 0}

    def _received(self, parsed: dict[str, Any], **_: object) -> None:
        self.handles += [message["ReceiptHandle"] for message in parsed.get("Messages", [])]

    def _pass(self, request: Any, **_: object) -> None:
        operation = request.headers["X-Amz-Target"].decode().partition(".")[2]
        if operation in self.cut:
            self.cut.remove(operation)
            raise EndpointConnectionError(endpoint_url=request.url)


@dataclass(frozen=True)
class Watched(AwsAccess):
    """The real ways into AWS; the one to Organizations may be another."""

    wire: Wire = field(default_factory=Wire)
    asked: Callable[[], OrganizationsClient] | None = None

    def sqs(self, queue_url: str, setting: str = "") -> SQSClient:
        client = AwsAccess.sqs(self, queue_url)
        self.wire.watch(client)
        return client

    def organizations(self) -> OrganizationsClient:
        return self.asked() if self.asked else AwsAccess.organizations(self)


class Intake:
    """A queue, an organization, a ledger, and the activity between them."""

    def __init__(self, ledger: Ledger, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(aws_access, "SQS_ATTEMPTS_MAX", 1)
        self.ledger, self._url = ledger, database_url
        self.organization: OrganizationsClient = boto3.client("organizations")
        self.organization.create_organization(FeatureSet="ALL")
        self.queue: SQSClient = boto3.client("sqs")
        self.queue_url = self.queue.create_queue(QueueName="account-events")["QueueUrl"]
        self.dead_url = self.queue.create_queue(QueueName="account-events-dead")["QueueUrl"]
        self.place: QueuePlace | None = QueuePlace(self.queue_url, self.dead_url, wait_s=0)
        self.wire, self.starter = Wire(), Started()
        self.asked: Callable[[], OrganizationsClient] | None = None
        """Another way to Organizations."""
        self.environment = ActivityEnvironment()

    # The world

    def vend(self, name: str = "shop") -> str:
        status = self.organization.create_account(
            AccountName=name, Email=f"aws+{name}@example.com", Tags=[{"Key": "team", "Value": name}]
        )
        return status["CreateAccountStatus"]["AccountId"]

    def move(self, account_id: str, unit: str) -> None:
        root = self.organization.list_roots()["Roots"][0]["Id"]
        unit_id = self.organization.create_organizational_unit(ParentId=root, Name=unit)["OrganizationalUnit"]["Id"]
        self.organization.move_account(AccountId=account_id, SourceParentId=root, DestinationParentId=unit_id)

    def remove(self, account_id: str) -> None:
        self.organization.remove_account_from_organization(AccountId=account_id)

    def send(self, *bodies: str) -> None:
        for body in bodies:
            self.queue.send_message(QueueUrl=self.queue_url, MessageBody=body)

    # The activity

    def __call__(self, *bodies: str) -> AccountEventsReport:
        """Receives these, and whatever else waits."""
        self.send(*bodies)
        access = Watched(wire=self.wire, asked=self.asked)
        activities = AccountEventIntake(self.ledger, access, self.place, self.starter)
        return self.environment.run(activities.receive, AccountEventsRequest())

    def fails(self, *bodies: str) -> ApplicationError:
        """And leaves its messages hidden for a while, which is over at once."""
        self.wire.handles.clear()
        with pytest.raises(ApplicationError) as failed:
            self(*bodies)
        for handle in self.wire.handles:
            self.queue.change_message_visibility(QueueUrl=self.queue_url, ReceiptHandle=handle, VisibilityTimeout=0)
        return failed.value

    def knows(self, *account_ids: str) -> None:
        self(*[told("organizations_CreateAccountResult_SUCCEEDED", account_id) for account_id in account_ids])
        self.starter.rounds.clear()

    def ledger_in_trouble(self, trouble: bool = True) -> None:
        """Nothing can be recorded, until somebody has mended it."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(_TROUBLE if trouble else "DROP FUNCTION trouble CASCADE")

    # What has come of it

    def left(self) -> int:
        """Messages in the queue, hidden ones among them."""
        names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        told_of = self.queue.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=names)["Attributes"]
        return sum(int(told_of[name]) for name in names)

    def dead(self) -> list[tuple[str, str]]:
        """Bodies put aside, and why."""
        answer = self.queue.receive_message(
            QueueUrl=self.dead_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        )
        return [(one["Body"], one["MessageAttributes"]["reason"]["StringValue"]) for one in answer.get("Messages", [])]

    def facts(self, account_id: str) -> list[Fact]:
        return [event.fact for event in self.ledger.read(account_stream(account_id))]

    def names(self, account_id: str) -> list[str]:
        return [fact.fact_name.partition(".")[2] for fact in self.facts(account_id)]

    def state(self, account_id: str) -> Account:
        found: Account = self.ledger.states([account_stream(account_id)])[account_stream(account_id)]
        return found

    def last(self, account_id: str) -> Observed:
        """How the account was seen last."""
        return [fact for fact in self.facts(account_id) if isinstance(fact, Observed)][-1]

    def all_of[F: Fact](self, kind: type[F]) -> list[F]:
        return [event.fact for event in self.ledger.follow(0, 1_000) if isinstance(event.fact, kind)]
