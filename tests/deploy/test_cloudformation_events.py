"""The way of an account event: which ones are forwarded, who may send them, and into which queue they go."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
import pytest

from activities.account_event_queue import MESSAGE_BYTES_MAX, VISIBILITY_S, WAIT_S
from domain.account_event import API_CALLS, SERVICE_EVENTS
from embedded.aws_server import PAYER_ACCOUNT_ID
from embedded.process import ROOT
from tests.support.cloudformation import TEMPLATES, Content, Deployment, path_of, statements, template

if TYPE_CHECKING:
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

SETUP = (ROOT / "docs" / "aws-setup.md").read_text(encoding="utf-8")
QUEUE_NAME = "allot-account-events"
RULES = {"ResultsRule", "CallsRule", "ControlTowerRule"}


class Kind(NamedTuple):
    """Of an event, as EventBridge's patterns tell it apart."""

    source: str
    detail_type: str
    event_name: str


def kinds(pattern: Content) -> Iterator[Kind]:
    """All that a pattern lets through."""
    for source in pattern["source"]:
        for detail_type in pattern["detail-type"]:
            for name in pattern["detail"]["eventName"]:
                yield Kind(source, detail_type, name)


def forwarded() -> set[Kind]:
    resources = template("organization-events")["Resources"]
    return {kind for rule in RULES for kind in kinds(resources[rule]["Properties"]["EventPattern"])}


def documented(text: str) -> set[Kind]:
    rows = re.findall(r"^\| `(aws\.\w+)` \| `(.+?)` \| (.+) \|$", text, re.MULTILINE)
    return {Kind(source, kind, name) for source, kind, names in rows for name in re.findall(r"`(\w+)`", names)}


def understood() -> set[Kind]:
    """What Allot reads: CloudTrail's `organizations.amazonaws.com` is EventBridge's `aws.organizations`."""
    found = {"AWS Service Event via CloudTrail": SERVICE_EVENTS, "AWS API Call via CloudTrail": API_CALLS}
    return {
        Kind(f"aws.{source.removesuffix('.amazonaws.com')}", detail_type, name)
        for detail_type, readers in found.items()
        for source, name in readers
    }


def test_exactly_the_events_are_forwarded_that_allot_understands() -> None:
    assert forwarded() == understood()


def queue_rule() -> Content:
    properties: Content = template("account-events-queue")["Resources"]["Rule"]["Properties"]
    return properties


def test_the_page_lists_the_events_that_are_forwarded() -> None:
    assert len(forwarded()) == 13
    assert documented(SETUP) == forwarded()
    assert documented(SETUP.replace("`MoveAccount`, ", "")) != forwarded()


def test_the_queue_takes_every_event_that_is_forwarded_and_knows_no_other_name() -> None:
    taken = set(kinds(queue_rule()["EventPattern"]))
    assert forwarded() <= taken
    assert {kind.event_name for kind in taken} == {kind.event_name for kind in forwarded()}


def policy(name: str) -> list[Any]:
    return list(statements(template("account-events-queue")["Resources"][name]))


def test_only_aws_itself_may_send_events_and_only_from_the_management_account() -> None:
    (statement,) = policy("BusPolicy")
    assert statement.principal == {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${ManagementAccountId}:root"}}
    assert statement.actions == ("events:PutEvents",)
    sources = {kind.source for kind in forwarded()}
    assert set(statement.condition["ForAllValues:StringEquals"]["events:source"]) == sources
    assert statement.condition["Null"] == {"events:source": "false"}
    assert queue_rule()["EventPattern"]["account"] == [{"Ref": "ManagementAccountId"}]


@pytest.mark.parametrize("name", ["QueuePolicy", "RedriveQueuePolicy"])
def test_only_the_rule_may_put_messages_into_the_queue(name: str) -> None:
    allows = [statement for statement in policy(name) if statement.effect == "Allow"]
    assert [statement.condition for statement in allows] == [
        {"ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": "Rule.Arn"}}}
    ]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_every_queue_is_encrypted_and_takes_tls_only(path: Path) -> None:
    resources = template(path.stem)["Resources"]
    denies = [statement for statement in statements(resources) if statement.effect == "Deny"]
    denied = [statement.resources for statement in denies if statement.actions == ("sqs:*",)]
    for name, resource in resources.items():
        if resource["Type"] == "AWS::SQS::Queue":
            assert resource["Properties"]["SqsManagedSseEnabled"] is True, name
            assert ({"Fn::GetAtt": f"{name}.Arn"},) in denied, name


def test_every_queue_of_what_went_wrong_has_an_alarm() -> None:
    for name, queues in {
        "account-events-queue": {"RedriveQueue", "DeadLetterQueue"},
        "organization-events": {"UndeliverableQueue"},
    }.items():
        found = set(watched(template(name)["Resources"].values(), "ApproximateNumberOfMessagesVisible", 0))
        assert found == {f"{queue}.QueueName" for queue in queues}
    resources = template("account-events-queue")["Resources"].values()
    assert list(watched(resources, "ApproximateAgeOfOldestMessage", 15 * 60)) == ["Queue.QueueName"]


def watched(resources: Iterable[Content], metric: str, threshold: int) -> Iterator[str]:
    for properties in (r["Properties"] for r in resources if r["Type"] == "AWS::CloudWatch::Alarm"):
        if (properties["MetricName"], properties["Threshold"]) == (metric, threshold):
            assert properties["ComparisonOperator"] == "GreaterThanThreshold"
            yield properties["Dimensions"][0]["Value"]["Fn::GetAtt"]


def test_alarms_tell_a_topic_where_one_is_given() -> None:
    topic = "arn:aws:sns:eu-west-1:111111111111:alarms"
    told = Deployment("account-events-queue", AlarmTopicArn=topic).resources()["AgeAlarm"]["Properties"]
    assert told["AlarmActions"] == told["OKActions"] == [{"Ref": "AlarmTopicArn"}]
    silent = Deployment("account-events-queue").resources()["AgeAlarm"]["Properties"]
    assert silent["AlarmActions"] == {"Ref": "AWS::NoValue"}


def test_a_rule_may_send_to_that_bus_only_and_keeps_what_it_could_not_deliver() -> None:
    resources = template("organization-events")["Resources"]
    (permission,) = statements({"Policies": resources["ForwardingRole"]["Properties"]["Policies"]})
    assert (permission.actions, permission.resources) == (("events:PutEvents",), ({"Ref": "EventBusArn"},))
    for rule in RULES:
        (target,) = resources[rule]["Properties"]["Targets"]
        assert target["Arn"] == {"Ref": "EventBusArn"}
        assert target["RoleArn"] == {"Fn::GetAtt": "ForwardingRole.Arn"}
        assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": "UndeliverableQueue.Arn"}}
        assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}


def test_names_of_rules_in_the_role_are_those_of_the_rules() -> None:
    """The role and the queue name the rules by text, because a reference would be a circle."""
    resources = template("organization-events")["Resources"]
    names = {resources[rule]["Properties"]["Name"]["Fn::Sub"] for rule in RULES}
    arns = {f"arn:${{AWS::Partition}}:events:${{AWS::Region}}:${{AWS::AccountId}}:rule/{name}" for name in names}
    conditions = [s.condition for s in statements(resources) if s.condition and "ArnEquals" in s.condition]
    assert len(conditions) == 2
    for condition in conditions:
        assert {arn["Fn::Sub"] for arn in condition["ArnEquals"]["aws:SourceArn"]} == arns


@pytest.mark.parametrize(
    ("sources", "rules"),
    [
        ("organizations-and-controltower", RULES),
        ("organizations", {"ResultsRule", "CallsRule"}),
        ("controltower", {"ControlTowerRule"}),
    ],
)
def test_events_of_organizations_are_refused_where_they_never_appear(sources: str, rules: set[str]) -> None:
    here = Deployment("organization-events", "us-east-1", Sources=sources)
    elsewhere = Deployment("organization-events", "eu-west-1", Sources=sources)
    assert here.resources().keys() & RULES == rules
    assert here.refusals() == []
    refused = elsewhere.refusals()
    assert bool(refused) is ("CallsRule" in rules)
    assert all("us-east-1" in text and "Sources=controltower" in text for text in refused)


def deploy(name: str, **parameters: str) -> dict[str, str]:
    """Into the stand-in; its outputs. It knows no policies of buses and queues and no alarms, and leaves them out."""
    client = boto3.client("cloudformation")
    given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
    client.create_stack(StackName=name, TemplateBody=path_of(name).read_text(encoding="utf-8"), Parameters=given)
    (stack,) = client.describe_stacks(StackName=name)["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def send(*events: Kind) -> None:
    client = boto3.client("events")
    for source, detail_type, name in events:
        detail = json.dumps({"eventName": name})
        entry: PutEventsRequestEntryTypeDef = {
            "Source": source,
            "DetailType": detail_type,
            "Detail": detail,
            "EventBusName": QUEUE_NAME,
        }
        client.put_events(Entries=[entry])


def received(queue_url: str) -> set[Kind]:
    client, found = boto3.client("sqs"), set()
    while messages := client.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=0).get(
        "Messages"
    ):
        for body in (json.loads(message["Body"]) for message in messages):
            found.add(Kind(body["source"], body["detail-type"], body["detail"]["eventName"]))
    return found


@pytest.mark.usefixtures("aws_endpoint")
def test_in_the_stand_in_the_queue_takes_these_events_and_no_others() -> None:
    outputs = deploy("account-events-queue", ManagementAccountId=PAYER_ACCOUNT_ID)
    other = Kind("aws.organizations", "AWS API Call via CloudTrail", "ListAccounts")
    send(*forwarded(), other, Kind("aws.ec2", "AWS API Call via CloudTrail", "TagResource"))
    assert received(outputs["QueueUrl"]) == forwarded()


@pytest.mark.usefixtures("aws_endpoint")
def test_in_the_stand_in_the_queue_is_as_the_worker_needs_it() -> None:
    outputs = deploy("account-events-queue", ManagementAccountId=PAYER_ACCOUNT_ID)
    client = boto3.client("sqs")
    found = client.get_queue_attributes(QueueUrl=outputs["QueueUrl"], AttributeNames=["All"])["Attributes"]
    assert (found["ReceiveMessageWaitTimeSeconds"], found["VisibilityTimeout"]) == (str(WAIT_S), str(VISIBILITY_S))
    assert found["MessageRetentionPeriod"] == str(14 * 24 * 60 * 60)
    redrive = json.loads(found["RedrivePolicy"])
    assert redrive["maxReceiveCount"] == 20
    assert redrive["deadLetterTargetArn"].endswith(f":{QUEUE_NAME}-redrive")
    dead_letters = outputs["DeadLetterQueueUrl"]
    assert dead_letters.endswith(f"/{QUEUE_NAME}-dead-letter")
    found = client.get_queue_attributes(QueueUrl=dead_letters, AttributeNames=["All"])["Attributes"]
    assert found["MaximumMessageSize"] == str(MESSAGE_BYTES_MAX)


@pytest.mark.usefixtures("aws_endpoint")
def test_in_the_stand_in_what_one_step_puts_out_is_what_the_next_takes() -> None:
    queue = deploy("account-events-queue", ManagementAccountId=PAYER_ACCOUNT_ID)
    deploy("organization-events", EventBusArn=queue["BusArn"])
    role = deploy(
        "organizations-reader-role",
        WorkerRoleArn=f"arn:aws:iam::{PAYER_ACCOUNT_ID}:role/worker",
        ExternalId="0123456789abcdef",
        OrganizationId="o-exampleorgid",
        ManagementAccountId=PAYER_ACCOUNT_ID,
    )
    assert role["RoleArn"] == f"arn:aws:iam::{PAYER_ACCOUNT_ID}:role/AllotOrganizationsReader"
    given = {
        "OrganizationsRoleArn": role["RoleArn"],
        "EventsQueueArn": queue["QueueArn"],
        "DeadLetterQueueArn": queue["DeadLetterQueueArn"],
    }
    for name, value in given.items():
        assert re.fullmatch(template("worker-policy")["Parameters"][name]["AllowedPattern"], value)
    deploy("worker-policy", **given)
