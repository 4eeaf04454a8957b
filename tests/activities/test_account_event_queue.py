"""The queue of account events: against a stand-in over HTTP, and with what SQS answers and the stand-in never."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any
from uuid import UUID

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from hypothesis import given
from hypothesis import strategies as st

from activities.account_event_queue import (
    ATTRIBUTES_BYTES_MAX,
    MESSAGE_BYTES_MAX,
    REASON_CHARS_MAX,
    RECEIVE_MAX,
    RETRY_S_MAX,
    VISIBILITY_S,
    WAIT_S,
    EventQueue,
    QueueMessage,
)
from activities.aws_access import AwsAccess
from domain.errors import AllotError, BadInput, Unavailable

BODY_BYTES_MAX = MESSAGE_BYTES_MAX - ATTRIBUTES_BYTES_MAX
URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/account-events"
DEAD_URL = f"{URL}-dead"
MESSAGE = QueueMessage("m-1", "handle", "{}", 1, datetime(2025, 11, 3, tzinfo=UTC))
NO_QUEUE = "AWS.SimpleQueueService.NonExistentQueue"
EXPIRED_HANDLE = "Value handle for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired."
TOO_LONG = "Value 39600 for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout is beyond the limit"


class Queues:
    """Two of them, on the stand-in."""

    def __init__(self) -> None:
        self.client: Any = boto3.client("sqs")
        self.url: str = self.client.create_queue(QueueName="account-events")["QueueUrl"]
        self.dead_url: str = self.client.create_queue(QueueName="account-events-dead")["QueueUrl"]
        self.events = EventQueue(AwsAccess().sqs(self.url), self.url, self.dead_url)

    def send(self, *bodies: str) -> None:
        for body in bodies:
            self.client.send_message(QueueUrl=self.url, MessageBody=body)

    def one(self) -> QueueMessage:
        (message,) = self.events.receive(1)
        return message

    def dead(self) -> Any:
        (message,) = self.client.receive_message(QueueUrl=self.dead_url, MessageAttributeNames=["All"])["Messages"]
        return message

    def hidden(self) -> int:
        names = ["ApproximateNumberOfMessagesNotVisible"]
        return int(self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"][names[0]])


@pytest.fixture
def queues(aws_endpoint: str) -> Queues:
    return Queues()


class Recorder:
    """Takes all requests and gives nothing."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def receive_message(self, **request: Any) -> dict[str, Any]:
        self.asked.append(request)
        return {}

    def send_message(self, **request: Any) -> None:
        self.asked.append(request)

    delete_message = change_message_visibility = send_message


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Callable[..., EventQueue]:
    """A queue to which SQS gives this one answer: the real client, but for the network."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")

    def queue(status: int, code: str, text: str = "") -> EventQueue:
        def play(request: AWSPreparedRequest, **_: object) -> AWSResponse:
            headers = HTTPHeaders.from_dict({"x-amzn-query-error": f"{code};Sender"})
            body = json.dumps({"__type": f"com.amazonaws.sqs#{code.rpartition('.')[2]}", "message": text})
            raw: Any = BytesIO(body.encode())
            raw.stream = lambda **_: iter([body.encode()])
            return AWSResponse(request.url, status, headers, raw)

        client: Any = AwsAccess().sqs(URL)
        client.meta.events.register("before-send.sqs", play)
        return EventQueue(client, URL, DEAD_URL)

    return queue


def test_a_message_is_received_with_all_that_is_known_of_it(queues: Queues) -> None:
    before = datetime.now(UTC)
    queues.send('{"detail": "ü"}')
    message = queues.one()
    assert (message.body, message.receive_count) == ('{"detail": "ü"}', 1)
    assert str(UUID(message.message_id)) == message.message_id
    assert abs(message.sent_at - before) < timedelta(minutes=1)
    assert message.sent_at.utcoffset() == timedelta(0)


def test_an_empty_queue_gives_nothing(queues: Queues) -> None:
    assert queues.events.receive(0) == []


def test_messages_come_ten_at_a_time(queues: Queues) -> None:
    bodies = [str(number) for number in range(RECEIVE_MAX + 1)]
    queues.send(*bodies)
    first, second = queues.events.receive(1), queues.events.receive(1)
    assert (len(first), len(second)) == (RECEIVE_MAX, 1)
    assert sorted(message.body for message in first + second) == sorted(bodies)


def test_what_was_received_is_hidden_and_what_was_deleted_is_gone(queues: Queues) -> None:
    queues.send("a")
    message = queues.one()
    assert (queues.events.receive(0), queues.hidden()) == ([], 1)
    queues.events.delete(message)
    assert queues.hidden() == 0
    queues.events.delete(message)  # again, as when an activity is repeated
    assert queues.events.receive(0) == []


def test_a_message_to_be_tried_again_comes_again_and_is_counted(queues: Queues) -> None:
    queues.send("a")
    message = queues.one()
    queues.events.retry_in(message, 0)
    again = queues.one()
    assert (again.message_id, again.receive_count) == (message.message_id, 2)
    queues.events.retry_in(again, 600)
    assert queues.events.receive(0) == []


def test_a_message_that_is_gone_is_no_error(queues: Queues) -> None:
    queues.send("a")
    message = queues.one()
    queues.events.delete(message)
    queues.events.retry_in(message, 60)
    queues.events.delete(message._replace(receipt_handle="another"))


def test_a_dead_letter_says_why_and_what_it_was(queues: Queues) -> None:
    queues.send("{broken")
    message = queues.one()
    queues.events.to_dead_letters(message, "not\nJSON\u202e: {")
    queues.events.delete(message)
    dead = queues.dead()
    assert dead["Body"] == "{broken"
    attributes = {name: value["StringValue"] for name, value in dead["MessageAttributes"].items()}
    assert attributes == {"reason": "not JSON : {", "message_id": message.message_id}


def test_the_longest_message_and_reason_fit(queues: Queues) -> None:
    queues.events.to_dead_letters(MESSAGE._replace(body="ü" * MESSAGE_BYTES_MAX), "🂡" * MESSAGE_BYTES_MAX)
    dead = queues.dead()
    assert dead["Body"] == "ü" * (BODY_BYTES_MAX // 2)
    assert dead["MessageAttributes"]["reason"]["StringValue"] == "🂡" * REASON_CHARS_MAX


def test_without_a_place_for_dead_letters_nothing_is_sent() -> None:
    recorder: Any = Recorder()
    for url in (None, ""):
        EventQueue(recorder, URL, url).to_dead_letters(MESSAGE, "why")
    assert recorder.asked == []


@given(st.text(st.characters(codec=None)), st.text(st.characters(codec=None)))
def test_whatever_the_text_sqs_takes_the_dead_letter(body: str, reason: str) -> None:
    recorder: Any = Recorder()
    EventQueue(recorder, URL, DEAD_URL).to_dead_letters(MESSAGE._replace(body=body), reason)
    (sent,) = recorder.asked
    told = sent["MessageAttributes"]["reason"]["StringValue"]
    assert told.isprintable()
    for text in (sent["MessageBody"], told):
        assert text
        assert all(char in "\t\n\r" or " " <= char <= "\ud7ff" or char >= "\ue000" for char in text)
        assert not {"\ufffe", "\uffff"} & set(text)


@pytest.mark.parametrize("size", [BODY_BYTES_MAX, BODY_BYTES_MAX + 1])
def test_a_body_is_cut_at_its_limit(size: int) -> None:
    recorder: Any = Recorder()
    EventQueue(recorder, URL, DEAD_URL).to_dead_letters(MESSAGE._replace(body="a" * size), "why")
    assert len(recorder.asked[0]["MessageBody"]) == BODY_BYTES_MAX


def test_waits_and_delays_stay_within_what_sqs_takes() -> None:
    recorder: Any = Recorder()
    queue = EventQueue(recorder, URL)
    for wait_s in (-1, 7, WAIT_S + 1):
        queue.receive(wait_s)
    for seconds in (-1, 60, RETRY_S_MAX + 1):
        queue.retry_in(MESSAGE, seconds)
    received, delayed = recorder.asked[:3], recorder.asked[3:]
    assert [request["WaitTimeSeconds"] for request in received] == [0, 7, WAIT_S]
    assert {request["VisibilityTimeout"] for request in received} == {VISIBILITY_S}
    assert [request["VisibilityTimeout"] for request in delayed] == [0, 60, RETRY_S_MAX]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("ReceiptHandleIsInvalid", "The input receipt handle is invalid."),
        ("InvalidParameterValue", EXPIRED_HANDLE),
        ("AWS.SimpleQueueService.MessageNotInflight", ""),
    ],
)
def test_a_receipt_that_counts_no_more_is_no_error(answering: Callable[..., EventQueue], code: str, text: str) -> None:
    queue = answering(400, code, text)
    queue.delete(MESSAGE)
    queue.retry_in(MESSAGE, 60)


def test_another_invalid_value_is_an_error(answering: Callable[..., EventQueue]) -> None:
    with pytest.raises(Unavailable, match="Amazon SQS answers ChangeMessageVisibility with InvalidParameterValue"):
        answering(400, "InvalidParameterValue", TOO_LONG).retry_in(MESSAGE, 60)


def test_a_queue_that_is_missing_is_named_with_its_setting(queues: Queues) -> None:
    url = f"{queues.url}-missing"
    queue = EventQueue(AwsAccess().sqs(url), url, f"{url}-dead")
    with pytest.raises(BadInput) as failed:
        queue.receive(0)
    assert failed.value.message == (
        f"There is no queue {url}: check ALLOT_ACCOUNT_EVENTS_QUEUE_URL, and that the queue's policy lets the worker's "
        "role in."
    )
    assert failed.value.code == "QueueMissing"
    with pytest.raises(BadInput, match=f"no queue {url}-dead: check ALLOT_ACCOUNT_EVENTS_DEAD_LETTER_URL") as failed:
        queue.to_dead_letters(MESSAGE, "why")
    assert failed.value.code == "QueueMissing"


DOINGS: dict[str, Callable[[EventQueue], object]] = {
    "ReceiveMessage": lambda queue: queue.receive(0),
    "DeleteMessage": lambda queue: queue.delete(MESSAGE),
    "ChangeMessageVisibility": lambda queue: queue.retry_in(MESSAGE, 60),
    "SendMessage": lambda queue: queue.to_dead_letters(MESSAGE, "why"),
}


@pytest.mark.parametrize("operation", DOINGS)
def test_a_missing_permission_is_named(answering: Callable[..., EventQueue], operation: str) -> None:
    url, setting = (
        (DEAD_URL, "ALLOT_ACCOUNT_EVENTS_DEAD_LETTER_URL")
        if operation == "SendMessage"
        else (URL, "ALLOT_ACCOUNT_EVENTS_QUEUE_URL")
    )
    with pytest.raises(BadInput) as failed:
        DOINGS[operation](answering(403, "AccessDenied", "User is not authorized"))
    assert failed.value.message == (
        f"AWS does not allow {operation}: give the worker's role the permission sqs:{operation}, on the queue {url} "
        f"({setting}). AWS says: User is not authorized"
    )
    assert failed.value.code == "AwsPermissionMissing"


@pytest.mark.parametrize(
    ("code", "error", "told"),
    [
        (NO_QUEUE, BadInput, "check ALLOT_ACCOUNT_EVENTS_DEAD_LETTER_URL"),
        ("KMS.AccessDeniedException", BadInput, "kms:Decrypt and kms:GenerateDataKey"),
        ("InvalidParameterValue", BadInput, "it must be a standard queue, with MaximumMessageSize 1048576"),
        ("MissingParameter", BadInput, "it must be a standard queue"),
        ("ExpiredToken", BadInput, r"AWS does not accept the credentials \(ExpiredToken\): renew them"),
        ("InternalFailure", Unavailable, "Amazon SQS answers SendMessage with InternalFailure"),
    ],
)
def test_other_failures_say_what_to_do(
    answering: Callable[..., EventQueue], code: str, error: type[AllotError], told: str
) -> None:
    with pytest.raises(error, match=told):
        answering(400, code).to_dead_letters(MESSAGE, "why")


def test_a_queue_out_of_reach_is_tried_again(queues: Queues, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setattr("activities.aws_access.SQS_ATTEMPTS_MAX", 1)
    queue = EventQueue(AwsAccess().sqs(queues.url), queues.url)
    with pytest.raises(Unavailable, match=r"Amazon SQS cannot be reached \(Could not connect"):
        queue.receive(0)
