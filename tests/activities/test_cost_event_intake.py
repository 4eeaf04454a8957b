"""Messages about cost reports through the stand-in's S3, EventBridge and SQS, to the looks that they start."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.account_events import QueuePlace
from activities.aws_access import AwsAccess
from activities.cost_events import CostEventIntake
from activities.cost_sources import ConfiguredSource, CostPlaces
from domain.calendar import Month
from domain.cost_process import CostEventsReport, CostEventsRequest
from domain.errors import Unavailable
from domain.process import CostSource
from tests.support.cost_reports import MadeReport, line

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MANIFEST = "main/cur/made/20260501-20260601/made-Manifest.json"
JUNE = "main/cur/made/20260601-20260701/made-Manifest.json"


class Looks:
    """What was started; and whether Temporal is away."""

    def __init__(self) -> None:
        self.started: list[tuple[str, CostSource]] = []
        self.away = False

    def start(self, source: CostSource, process_id: str) -> None:
        if self.away:
            raise Unavailable("Temporal is away")
        self.started.append((process_id, source))


class Intake:
    def __init__(self) -> None:
        self.queue: SQSClient = boto3.client("sqs")
        self.url = self.queue.create_queue(QueueName="cost-events")["QueueUrl"]
        self.dead = self.queue.create_queue(QueueName="cost-events-dead")["QueueUrl"]
        self.arn = self.queue.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        self.looks = Looks()
        self.s3 = boto3.client("s3")
        self.s3.create_bucket(Bucket="reports")

    def __call__(self, *bodies: str | dict[str, Any]) -> CostEventsReport:
        for body in bodies:
            text = body if isinstance(body, str) else json.dumps(body)
            self.queue.send_message(QueueUrl=self.url, MessageBody=text)
        places = CostPlaces(
            (
                ConfiguredSource(name="main", place="s3://reports/main"),
                ConfiguredSource(name="second", place="s3://reports/other payer"),
            )
        )
        place = QueuePlace(self.url, self.dead, wait_s=0)
        intake = CostEventIntake(AwsAccess(), place, places, self.looks)
        return ActivityEnvironment().run(intake.receive, CostEventsRequest())

    def left(self) -> int:
        """Messages, those that are hidden among them."""
        names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.queue.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)


@pytest.fixture
def intake(aws_endpoint: str) -> Intake:
    return Intake()


def record(key: str, tag: str = "e1", bucket: str = "reports") -> dict[str, Any]:
    place = {"bucket": {"name": bucket}, "object": {"key": key, "eTag": tag}}
    return {"eventName": "ObjectCreated:Put", "s3": place}


def event(key: str, tag: str = "e1") -> dict[str, Any]:
    detail = {"bucket": {"name": "reports"}, "object": {"key": key, "etag": tag}}
    return {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}


def deliver(intake: Intake, folder: Path, prefix: str) -> None:
    MadeReport([[line()]]).write(folder)
    for path in folder.rglob("*.*"):
        intake.s3.upload_file(str(path), "reports", f"{prefix}/{path.relative_to(folder)}")


def test_what_s3_notifies_starts_a_look_at_that_source_and_period(intake: Intake, tmp_path: Path) -> None:
    intake.s3.put_bucket_notification_configuration(
        Bucket="reports",
        NotificationConfiguration={"QueueConfigurations": [{"QueueArn": intake.arn, "Events": ["s3:ObjectCreated:*"]}]},
    )
    deliver(intake, tmp_path, "other payer")
    report = intake()
    ((process_id, look),) = intake.looks.started
    assert process_id.startswith("cost-event/second/2026-05/")
    assert look == CostSource(
        source="second",
        actor="system",
        channel=look.channel,
        billing_period=Month(2026, 5),
        wait_for_parts=True,
        scheduled=True,
    )
    # The configuration's own test message, the part, the manifest.
    assert (report.handled, report.started, report.elsewhere, report.rejected) == (3, 1, 1, 0)
    assert intake.left() == 0


def test_what_eventbridge_brings_starts_the_same_look(intake: Intake, tmp_path: Path) -> None:
    events = boto3.client("events")
    pattern = {"source": ["aws.s3"], "detail-type": ["Object Created"]}
    events.put_rule(Name="manifests", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="manifests", Targets=[{"Id": "queue", "Arn": intake.arn}])
    intake.s3.put_bucket_notification_configuration(
        Bucket="reports", NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    deliver(intake, tmp_path, "main")
    assert intake().started == 1
    assert [look.source for _, look in intake.looks.started] == ["main"]


def test_a_message_of_several_objects_starts_each_look_and_leaves_out_what_is_elsewhere(intake: Intake) -> None:
    records = [
        record(MANIFEST),
        record(JUNE),
        record("main/cur/made/20260501-20260601/made-00001.csv.gz"),
        record("main/cur/made/20260501-20260601/assembly-1/made-Manifest.json"),  # beside an assembly
        record("mains/cur/made/20260501-20260601/made-Manifest.json"),
        record(MANIFEST, bucket="others"),
    ]
    report = intake({"Records": records}, {"Event": "s3:TestEvent"})
    assert (report.handled, report.started, report.elsewhere) == (2, 2, 4)
    assert [str(look.billing_period) for _, look in intake.looks.started] == ["2026-05", "2026-06"]


def test_told_twice_it_is_the_same_look_and_a_newer_manifest_is_another_one(intake: Intake) -> None:
    intake(event(MANIFEST, "e2"), event(MANIFEST, "e1"), {"Records": [record(MANIFEST, "e2")]})
    first, second, again = (process_id for process_id, _ in intake.looks.started)
    assert first == again != second


@pytest.mark.parametrize("body", ["not JSON", "{}", '{"Records": [{"eventName": "ObjectCreated:Put"}]}'])
def test_what_cannot_be_understood_is_put_aside_with_its_reason_and_stops_nothing(
    intake: Intake, body: str, caplog: pytest.LogCaptureFixture
) -> None:
    report = intake(body, event(MANIFEST))
    assert (report.handled, report.started, report.rejected) == (1, 1, 1)
    (dead,) = intake.queue.receive_message(QueueUrl=intake.dead, MessageAttributeNames=["All"])["Messages"]
    assert (dead["Body"], dead["MessageAttributes"]["reason"]["StringValue"]) == (body, report.last_rejection)
    assert f"was put aside: {report.last_rejection}" in caplog.text
    assert intake.left() == 0


def test_a_message_stays_until_its_look_is_started(intake: Intake) -> None:
    intake.looks.away = True
    with pytest.raises(ApplicationError) as failed:
        intake(event(MANIFEST))
    assert (failed.value.type, failed.value.non_retryable, intake.left()) == ("Unavailable", False, 1)


def test_a_queue_that_is_gone_names_its_setting(intake: Intake) -> None:
    intake.queue.delete_queue(QueueUrl=intake.url)
    place = QueuePlace(intake.url, None, wait_s=0)
    with pytest.raises(ApplicationError, match="ALLOT_COST_EVENTS_QUEUE_URL"):
        ActivityEnvironment().run(
            CostEventIntake(AwsAccess(), place, CostPlaces(), intake.looks).receive, CostEventsRequest()
        )


def test_without_a_queue_nothing_is_asked() -> None:
    intake = CostEventIntake(AwsAccess(), None, CostPlaces(), Looks())
    assert ActivityEnvironment().run(intake.receive, CostEventsRequest()) == CostEventsReport(configured=False)
