"""The stand-in for AWS as far as accounts go: who joined when, and events that reach the queue."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest

from command_line.demo_aws import vend
from command_line.demo_company import Company
from domain.account_event import AccountEvent, AccountEventKind, understand
from embedded.account_events import DEAD_LETTER_VARIABLE, QUEUE_VARIABLE, lay_account_events
from embedded.aws_server import AwsServer

JOINED = datetime(2025, 11, 3, 9, tzinfo=UTC)


@pytest.fixture
def queues(aws_endpoint: str) -> dict[str, str]:
    return lay_account_events(aws_endpoint)


def received(queue_url: str) -> list[str]:
    answer = boto3.client("sqs").receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
    return [message["Body"] for message in answer.get("Messages", [])]


def put(source: str) -> None:
    entry = {"Source": source, "DetailType": "AWS Service Event via CloudTrail", "Detail": json.dumps({"of": source})}
    boto3.client("events").put_events(Entries=[entry])  # type: ignore[list-item]  # the stubs want their own type


def test_events_of_organizations_and_control_tower_arrive_and_others_do_not(queues: dict[str, str]) -> None:
    for source in ("aws.organizations", "aws.controltower", "aws.ec2"):
        put(source)
    bodies = [json.loads(body) for body in received(queues[QUEUE_VARIABLE])]
    assert {body["source"] for body in bodies} == {"aws.organizations", "aws.controltower"}
    assert received(queues[DEAD_LETTER_VARIABLE]) == []


def test_laying_it_again_changes_nothing_and_doubles_nothing(aws_endpoint: str, queues: dict[str, str]) -> None:
    assert lay_account_events(aws_endpoint) == queues
    put("aws.organizations")
    assert len(received(queues[QUEUE_VARIABLE])) == 1


def test_what_the_demo_sends_is_understood_and_no_address_is_in_it(queues: dict[str, str]) -> None:
    organizations, company = boto3.client("organizations"), Company.read()
    organizations.create_organization(FeatureSet="ALL")
    root = organizations.list_roots()["Roots"][0]["Id"]
    unit = organizations.create_organizational_unit(ParentId=root, Name="Workloads")["OrganizationalUnit"]["Id"]
    organizations.create_organizational_unit(ParentId=unit, Name="Production")
    account_id = vend(company, company.expected)
    (body,) = received(queues[QUEUE_VARIABLE])
    event = understand(body)
    assert isinstance(event, AccountEvent)
    assert (event.kind, event.name) == (AccountEventKind.JOINED, "CreateAccountResult")
    assert event.account_id == account_id
    assert company.expected.email not in body
    tags = organizations.list_tags_for_resource(ResourceId=account_id)["Tags"]
    assert {tag["Key"] for tag in tags} >= {"environment", "company"}


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsServer]:
    """In which the management account and one more have been there for long."""
    server = AwsServer(tmp_path_factory.mktemp("aws") / "aws.log", JOINED, 2)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def test_accounts_beyond_the_first_ones_join_when_they_are_created(
    stand_in: AwsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in stand_in.environment().items():
        monkeypatch.setenv(name, value)
    organizations = boto3.client("organizations")
    organizations.create_organization(FeatureSet="ALL")
    for name in ("old", "new"):
        organizations.create_account(AccountName=name, Email=f"{name}@example.com")
    joined = {account["Name"]: account["JoinedTimestamp"] for account in organizations.list_accounts()["Accounts"]}
    assert (joined["master"], joined["old"]) == (JOINED, JOINED)
    assert abs(datetime.now(UTC) - joined["new"]) < timedelta(minutes=5)


def test_the_demo_tells_how_many_of_its_accounts_are_old() -> None:
    company = Company.read()
    joined, count = company.old_accounts
    assert joined == JOINED
    assert count == len(company.accounts) + 1, "and the management account"
    assert company.by_rule.tags["allot:product"].count("/") == 3


def test_a_company_has_its_own_rules_file() -> None:
    assert Path(Company.read().rules_path).is_file()
