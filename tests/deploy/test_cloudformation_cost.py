"""The way of a cost report: who may write it, who may read it, and how its manifest becomes a message."""

from __future__ import annotations

import json
import re
from pathlib import Path

import boto3
import pytest
from temporalio.testing import ActivityEnvironment

from activities.account_event_queue import MESSAGE_BYTES_MAX, VISIBILITY_S, WAIT_S
from activities.account_events import QueuePlace
from activities.aws_access import AwsAccess
from activities.cost_events import CostEventIntake
from activities.cost_sources import ConfiguredSource, CostPlaces
from domain.cost_process import CostEventsRequest
from embedded.process import ROOT
from settings import Settings
from tests.activities.test_cost_event_intake import Looks
from tests.deploy.test_cloudformation import QUEUE_ACTIONS, TLS_ONLY, actions_of, calls
from tests.deploy.test_cloudformation_events import deploy
from tests.support.cloudformation import COST_TEMPLATES, Deployment, statements, template
from tests.support.cost_reports import MadeReport, line

SETUP = (ROOT / "docs" / "cost-reports-setup.md").read_text(encoding="utf-8")
READING = {"s3:ListBucket", "s3:GetObject", "s3:GetObjectVersion"}
PAYER = "111122223333"
WORKER = "arn:aws:iam::123456789012:role/worker"


@pytest.mark.parametrize("path", COST_TEMPLATES, ids=lambda path: path.stem)
def test_a_template_says_what_it_wants_and_what_it_gives(path: Path) -> None:
    content = template(path.stem)
    assert "docs/cost-reports-setup.md" in content["Description"]
    for name, parameter in content["Parameters"].items():
        assert parameter["Description"], name
        assert {"AllowedPattern", "MinValue"} & parameter.keys(), name
    assert all(output["Description"] for output in content["Outputs"].values())
    assert f"`{path.name}`" in SETUP


def test_every_setting_that_outputs_and_the_page_name_exists() -> None:
    described = json.dumps([template(path.stem)["Outputs"] for path in COST_TEMPLATES])
    known = {f"ALLOT_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"ALLOT_\w+", described + SETUP)) <= known
    assert {"ALLOT_COST_SOURCES", "ALLOT_COST_EVENTS_QUEUE_URL"} <= set(re.findall(r"ALLOT_\w+", described))


def test_every_parameter_that_the_page_names_exists() -> None:
    rows = re.findall(r"^\| \d \|.*\| `([a-z-]+)\.yaml` \| (.+) \|$", SETUP, re.MULTILINE)
    assert len(rows) == len(COST_TEMPLATES)
    for name, cell in rows:
        named = set(re.findall(r"`(\w+)`", cell))
        parameters = template(name)["Parameters"]
        assert {key for key, value in parameters.items() if "Default" not in value} <= named <= parameters.keys(), name


def test_only_that_payer_s_exports_may_write_into_the_bucket() -> None:
    alone = list(statements(Deployment("cost-reports-bucket", PayerAccountId=PAYER).resources()["BucketPolicy"]))
    writing, tls = alone
    assert (writing.actions, writing.principal) == (("s3:PutObject",), {"Service": "bcm-data-exports.amazonaws.com"})
    assert writing.condition == {
        "StringEquals": {"aws:SourceAccount": {"Ref": "PayerAccountId"}},
        "ArnLike": {
            "aws:SourceArn": {"Fn::Sub": "arn:${AWS::Partition}:bcm-data-exports:*:${PayerAccountId}:export/*"}
        },
    }
    assert (tls.effect, tls.principal, tls.condition) == ("Deny", "*", TLS_ONLY)
    role = f"arn:aws:iam::{PAYER}:role/replicates"
    replicated = Deployment("cost-reports-bucket", PayerAccountId=PAYER, ReplicationRoleArn=role).resources()
    (_, replication, _) = statements(replicated["BucketPolicy"])
    assert replication.actions == ("s3:ReplicateObject", "s3:ReplicateTags")
    assert replication.principal == {"AWS": {"Ref": "ReplicationRoleArn"}}
    assert replication.condition == {"StringEquals": {"aws:PrincipalAccount": {"Ref": "PayerAccountId"}}}


def test_the_bucket_keeps_versions_and_nobody_else_sees_it() -> None:
    bucket = template("cost-reports-bucket")["Resources"]["Bucket"]
    properties = bucket["Properties"]
    assert bucket["DeletionPolicy"] == bucket["UpdateReplacePolicy"] == "Retain"
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert properties["NotificationConfiguration"]["EventBridgeConfiguration"] == {"EventBridgeEnabled": True}
    (rule,) = properties["LifecycleConfiguration"]["Rules"]
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": {"Ref": "OldVersionsDays"}}


def test_the_worker_may_read_and_no_more() -> None:
    policy = template("cost-reports-bucket")["Resources"]["ReadPolicy"]
    assert actions_of(policy) == READING
    role = template("cost-reader-role")["Resources"]["Role"]["Properties"]
    assert actions_of({"Policies": role["Policies"]}) == READING | {"kms:Decrypt"}
    without_key = Deployment("cost-reader-role", Prefix="reports").resources()["Role"]["Properties"]
    assert actions_of({"Policies": without_key["Policies"]}) == READING
    (trust,) = statements(role["AssumeRolePolicyDocument"])
    assert trust.principal == {"AWS": {"Ref": "WorkerRoleArn"}}
    assert trust.condition == {"StringEquals": {"sts:ExternalId": {"Ref": "ExternalId"}}}
    assert actions_of(template("cost-worker-policy")) == {"sts:AssumeRole"}
    queue = template("cost-events-queue")["Resources"]["EventsPolicy"]
    assert actions_of(queue) == QUEUE_ACTIONS | {"sqs:SendMessage"}


def test_every_call_to_s3_is_allowed() -> None:
    source = (ROOT / "activities" / "cost_bucket.py").read_text(encoding="utf-8")
    found = calls("s3", source)
    assert found == {"s3:GetObject", "s3:HeadObject", "s3:ListObjectsV2"}  # IAM: GetObject(Version), and ListBucket


@pytest.mark.usefixtures("aws_endpoint")
def test_in_the_stand_in_a_manifest_comes_through_the_queue_and_nothing_else_does(tmp_path: Path) -> None:
    bucket = deploy("cost-reports-bucket", PayerAccountId=PAYER, BucketName="example-reports")["BucketName"]
    client = boto3.client("s3")
    # What the stand-in does not take from the template.
    client.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    outputs = deploy("cost-events-queue", BucketNames=f"{bucket},others")
    MadeReport([[line()]]).write(tmp_path)
    for path in tmp_path.rglob("*.*"):
        client.upload_file(str(path), bucket, f"main/{path.relative_to(tmp_path)}")
    looks = Looks()
    place = QueuePlace(outputs["QueueUrl"], outputs["DeadLetterQueueUrl"], wait_s=0)
    places = CostPlaces((ConfiguredSource(name="main", place=f"s3://{bucket}/main"),))
    report = ActivityEnvironment().run(CostEventIntake(AwsAccess(), place, places, looks).receive, CostEventsRequest())
    assert (report.handled, report.started, report.elsewhere) == (1, 1, 0)
    assert [look.source for _, look in looks.started] == ["main"]


@pytest.mark.usefixtures("aws_endpoint")
def test_in_the_stand_in_the_queue_is_as_the_worker_needs_it() -> None:
    outputs = deploy("cost-events-queue", BucketNames="reports")
    client = boto3.client("sqs")
    found = client.get_queue_attributes(QueueUrl=outputs["QueueUrl"], AttributeNames=["All"])["Attributes"]
    assert (found["ReceiveMessageWaitTimeSeconds"], found["VisibilityTimeout"]) == (str(WAIT_S), str(VISIBILITY_S))
    assert json.loads(found["RedrivePolicy"])["maxReceiveCount"] == 20
    dead = client.get_queue_attributes(QueueUrl=outputs["DeadLetterQueueUrl"], AttributeNames=["All"])["Attributes"]
    assert dead["MaximumMessageSize"] == str(MESSAGE_BYTES_MAX)


@pytest.mark.usefixtures("aws_endpoint")
def test_in_the_stand_in_what_the_role_puts_out_is_what_the_policy_and_the_setting_take() -> None:
    role = deploy(
        "cost-reader-role",
        WorkerRoleArn=WORKER,
        ExternalId="0123456789abcdef",
        BucketName="reports",
        Prefix="cur/main",
    )
    deploy("cost-worker-policy", RoleArns=role["RoleArn"])
    assert ConfiguredSource(name="main", place="s3://reports/cur/main", role_arn=role["RoleArn"]).role_arn
