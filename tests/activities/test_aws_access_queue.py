"""Clients of the queue of account events: in the queue's region, with the worker's own credentials."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config

from activities.account_event_queue import WAIT_S
from activities.aws_access import AwsAccess, queue_region
from domain.errors import BadInput
from tests.activities.test_aws_access import ROLE, signed


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://sqs.eu-west-1.amazonaws.com/123456789012/events", "eu-west-1"),
        ("https://sqs.us-gov-west-1.amazonaws.com/123456789012/events", "us-gov-west-1"),
        ("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/events", "cn-north-1"),
        ("https://cn-north-1.queue.amazonaws.com.cn/123456789012/events", "cn-north-1"),
        ("https://eu-central-1.queue.amazonaws.com/123456789012/events", "eu-central-1"),
        ("https://sqs-fips.us-east-2.amazonaws.com/123456789012/events", "us-east-2"),
        ("https://vpce-0a1b-2c.sqs.ap-southeast-2.vpce.amazonaws.com/123456789012/events", "ap-southeast-2"),
        ("http://127.0.0.1:5000/123456789012/events", None),
        ("https://queue.example.com/sqs.eu-west-1.amazonaws.com/events", None),
        ("https://[sqs.eu-west-1.amazonaws.com/events", None),
        ("events", None),
        ("", None),
    ],
)
def test_the_region_of_a_queue_is_in_its_url(url: str, region: str | None) -> None:
    assert queue_region(url) == region


@pytest.mark.parametrize(
    ("url", "own", "region"),
    [
        ("https://sqs.eu-west-1.amazonaws.com/123456789012/events", "eu-central-1", "eu-west-1"),
        ("http://127.0.0.1:5000/123456789012/events", "eu-central-1", "eu-central-1"),
        ("http://127.0.0.1:5000/123456789012/events", None, "us-east-1"),
    ],
)
def test_a_queue_is_asked_in_its_own_region(
    aws_endpoint: str, monkeypatch: pytest.MonkeyPatch, url: str, own: str | None, region: str
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    if own:
        monkeypatch.setenv("AWS_DEFAULT_REGION", own)
    client: Any = AwsAccess(ROLE).sqs(url)
    asked: list[str] = []

    def play(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        asked.append(request.url)
        raise InterruptedError

    client.meta.events.register("before-send", play)
    with pytest.raises(InterruptedError):
        client.receive_message(QueueUrl=url)
    assert asked == [f"https://sqs.{region}.amazonaws.com/"]


def test_a_queue_without_a_profile_of_that_name(aws_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(
        BadInput, match=r"AWS is not configured \(The config profile \(nobody\).*may use the queue of ALLOT"
    ):
        AwsAccess(ROLE).sqs("https://sqs.eu-west-1.amazonaws.com/123456789012/events")


def test_a_queue_is_asked_with_the_workers_own_credentials_and_patience(aws_endpoint: str) -> None:
    client: Any = AwsAccess(ROLE).sqs("https://sqs.us-east-1.amazonaws.com/123456789012/events")
    requests = signed(client)
    client.list_queues()
    assert requests == [("testing", None)]
    config: Config = client.meta.config
    assert config.read_timeout > WAIT_S  # type: ignore[attr-defined]  # missing in the stubs
    assert config.retries["total_max_attempts"] == 5  # type: ignore[attr-defined]  # missing in the stubs
