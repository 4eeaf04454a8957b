"""Messages that S3 sends when an object was written: directly, by a topic, or by EventBridge.

They are hints, in any order and more than once; what is there now is asked of S3.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

RECORDS_MAX = 1_000
"""In one message; SQS takes 1 MB."""
KEY_CHARS_MAX = 1_024
BUCKET_CHARS_MAX = 255
NAME_CHARS_SHOWN_MAX = 60
_MANIFEST = "manifest.json"
_TEST = "s3:TestEvent"


class NotUnderstoodError(Exception):
    """Of a message that nobody can make sense of."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Written(NamedTuple):
    """An object that was written."""

    bucket: str
    key: str
    tag: str
    """Tells its states apart: ETag, or version; empty where the message has none."""

    @property
    def address(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @property
    def may_be_manifest(self) -> bool:
        return self.key.lower().endswith(_MANIFEST)


def written(body: str) -> tuple[Written, ...]:
    """None where it tells of something else. Raises NotUnderstoodError."""
    message = _object(body)
    if message.get("Type") == "Notification" and isinstance(message.get("Message"), str):
        message = _object(message["Message"])  # S3 by way of SNS
    if message.get("Event") == _TEST:
        return ()
    if "Records" in message:
        return tuple(_of_records(message["Records"]))
    if message.get("source") == "aws.s3" and isinstance(message.get("detail"), dict):
        return tuple(_of_event(message))
    raise NotUnderstoodError("It is neither a notification of S3 nor an event of EventBridge with the source aws.s3")


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise NotUnderstoodError("It is not JSON") from None
    if not isinstance(found, dict):
        raise NotUnderstoodError("It is not a JSON object")
    return found


def _of_records(records: Any) -> Iterator[Written]:
    if not isinstance(records, list) or len(records) > RECORDS_MAX:
        raise NotUnderstoodError(f"Records is not a list of at most {RECORDS_MAX:,}")
    for record in records:
        if not isinstance(record, dict) or not isinstance(record.get("eventName"), str):
            raise NotUnderstoodError("A record has no eventName")
        if not record["eventName"].removeprefix("s3:").startswith("ObjectCreated:"):
            continue
        place = record.get("s3")
        bucket, entry = _parts(place if isinstance(place, dict) else {})
        # Keys come as in a form: a space is a plus.
        yield _written(bucket, unquote_plus(entry["key"]), entry.get("eTag") or entry.get("versionId"))


def _of_event(message: dict[str, Any]) -> Iterator[Written]:
    if message.get("detail-type") != "Object Created":
        return
    bucket, entry = _parts(message["detail"])
    yield _written(bucket, entry["key"], entry.get("etag") or entry.get("version-id"))


def _parts(place: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    bucket, entry = place.get("bucket"), place.get("object")
    name = bucket.get("name") if isinstance(bucket, dict) else None
    if not isinstance(name, str) or not isinstance(entry, dict) or not isinstance(entry.get("key"), str):
        raise NotUnderstoodError("It names no bucket and key")
    return name, entry


def _written(bucket: str, key: str, tag: Any) -> Written:
    if not 0 < len(bucket) <= BUCKET_CHARS_MAX or not 0 < len(key) <= KEY_CHARS_MAX:
        raise NotUnderstoodError(f"Bucket or key are no names of S3: {bucket[:NAME_CHARS_SHOWN_MAX]!r}")
    return Written(bucket, key, tag if isinstance(tag, str) else "")
