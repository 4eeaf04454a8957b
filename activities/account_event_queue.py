"""The queue that account events arrive in, and the one beside it for messages that nobody could make sense of.

A message that was received is hidden from others for a while. Who is done with it deletes it; else it comes again, so
whatever is done with a message must bear repetition.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from botocore.exceptions import ClientError

from activities.aws_errors import AwsService, Told, code_of, errors_of, text_of

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

RECEIVE_MAX = 10
"""Messages at a time; SQS gives no more."""
WAIT_S = 20
"""For a message to arrive; SQS waits no longer."""
VISIBILITY_S = 120
"""So long a message that was received is hidden from others."""
RETRY_S_MAX = 11 * 3600
"""SQS hides a message for 12 hours at most, counted from when it was received."""
MESSAGE_BYTES_MAX = 1_048_576
"""What SQS takes, attributes and all."""
ATTRIBUTES_BYTES_MAX = 8_192
"""Kept free of the above for ours: REASON_CHARS_MAX may take four bytes each."""
REASON_CHARS_MAX = 1_000
QUEUE_SETTING = "ALLOT_ACCOUNT_EVENTS_QUEUE_URL"
DEAD_LETTER_SETTING = "ALLOT_ACCOUNT_EVENTS_DEAD_LETTER_URL"

_NOT_SENDABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that SQS does not take."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GONE = ("ReceiptHandleIsInvalid", "MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight")
_INVALID_VALUE = ("InvalidParameterValue", "InvalidParameterValueException")


class QueueMessage(NamedTuple):
    """As SQS delivered it, perhaps not for the first time."""

    message_id: str
    receipt_handle: str
    """Of this delivery."""
    body: str
    receive_count: int
    """Deliveries so far, this one among them."""
    sent_at: datetime


class EventQueue:
    """One queue, and its dead letters where there is a place for them. Errors are BadInput and Unavailable."""

    def __init__(
        self,
        client: SQSClient,
        queue_url: str,
        dead_letter_url: str | None = None,
        settings: tuple[str, str] = (QUEUE_SETTING, DEAD_LETTER_SETTING),
    ) -> None:
        self._client = client
        self._url = queue_url
        self._dead_letter_url = dead_letter_url
        self._service = queue_service(queue_url, settings[0])
        self._dead_letters_setting = settings[1]

    def receive(self, wait_s: int = WAIT_S) -> list[QueueMessage]:
        """At most RECEIVE_MAX; none where none arrived in that time."""
        with errors_of(self._service):
            answer = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=RECEIVE_MAX,
                WaitTimeSeconds=max(0, min(wait_s, WAIT_S)),
                VisibilityTimeout=VISIBILITY_S,
                AttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
            )
        return [_message(delivered) for delivered in answer.get("Messages", [])]

    def delete(self, message: QueueMessage) -> None:
        """Where this delivery counts no more, the message comes again, which is harmless."""
        with errors_of(self._service), _gone_is_fine():
            self._client.delete_message(QueueUrl=self._url, ReceiptHandle=message.receipt_handle)

    def retry_in(self, message: QueueMessage, seconds: int) -> None:
        """From now; a message that is gone already does not come again."""
        with errors_of(self._service), _gone_is_fine():
            self._client.change_message_visibility(
                QueueUrl=self._url,
                ReceiptHandle=message.receipt_handle,
                VisibilityTimeout=max(0, min(seconds, RETRY_S_MAX)),
            )

    def to_dead_letters(self, message: QueueMessage, reason: str) -> None:
        """A copy with the reason beside it, cut to what SQS takes. Delete the message only afterwards."""
        if not self._dead_letter_url:
            return
        with errors_of(_dead_letters(self._dead_letter_url, self._dead_letters_setting)):
            self._client.send_message(
                QueueUrl=self._dead_letter_url,
                MessageBody=_sendable(message.body),
                MessageAttributes={
                    "reason": {"DataType": "String", "StringValue": _printable(reason)},
                    "message_id": {"DataType": "String", "StringValue": _printable(message.message_id)},
                },
            )


def _message(delivered: MessageTypeDef) -> QueueMessage:
    attributes = delivered["Attributes"]
    return QueueMessage(
        message_id=delivered["MessageId"],
        receipt_handle=delivered["ReceiptHandle"],
        body=delivered["Body"],
        receive_count=int(attributes["ApproximateReceiveCount"]),
        sent_at=_EPOCH + timedelta(milliseconds=int(attributes["SentTimestamp"])),
    )


def _sendable(body: str) -> str:
    """Cut between characters, at a number of bytes; SQS takes no empty body."""
    data = _NOT_SENDABLE.sub("\ufffd", body).encode()
    return data[: MESSAGE_BYTES_MAX - ATTRIBUTES_BYTES_MAX].decode(errors="ignore") or "-"


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text[:REASON_CHARS_MAX]).strip() or "-"


@contextmanager
def _gone_is_fine() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        # SQS says of a handle that has expired only that it is an invalid value.
        expired = code_of(error) in _INVALID_VALUE and "ReceiptHandle" in text_of(error)
        if not expired and code_of(error) not in _GONE:
            raise


def queue_service(queue_url: str, setting: str = QUEUE_SETTING) -> AwsService:
    """SQS, with words for the errors of that one queue."""
    missing = Told(
        f"There is no queue {queue_url}: check {setting}, and that the queue's policy lets the worker's role in.",
        "QueueMissing",
    )
    locked = Told(
        f"The queue {queue_url} ({setting}) is encrypted with a key that the worker's role may not use: allow it "
        "kms:Decrypt and kms:GenerateDataKey on that key.",
        "AwsPermissionMissing",
    )
    return AwsService(
        name="Amazon SQS",
        permissions="sqs",
        granted=f"on the queue {queue_url} ({setting})",
        how_to_configure=(
            f"give the worker credentials that may use the queue of {setting} (AWS_PROFILE, or a role), or start the "
            "stand-in with `allot up`"
        ),
        told={
            "AWS.SimpleQueueService.NonExistentQueue": missing,
            "QueueDoesNotExist": missing,
            "InvalidAddress": missing,
            "KMS.AccessDeniedException": locked,
            "KmsAccessDenied": locked,
        },
    )


def _dead_letters(queue_url: str, setting: str) -> AwsService:
    service = queue_service(queue_url, setting)
    unfit = Told(
        f"The queue {queue_url} ({setting}) does not take the message: it must be a standard queue, with "
        f"MaximumMessageSize {MESSAGE_BYTES_MAX}.",
        "QueueUnfit",
    )
    codes = ("InvalidParameterValue", "InvalidMessageContents", "MissingParameter", "UnsupportedOperation")
    return service._replace(told={**service.told, **dict.fromkeys(codes, unfit)})
