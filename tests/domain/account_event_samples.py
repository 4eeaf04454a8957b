"""The sample bodies of account events, and the envelopes they arrive in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "account_events"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))


def sample(name: str) -> str:
    return (FOLDER / f"{name}.json").read_text(encoding="utf-8")


def record(name: str) -> dict[str, Any]:
    """The CloudTrail record of a sample, without its envelope."""
    value: dict[str, Any] = json.loads(sample(name))
    inner: dict[str, Any] = value.get("detail", value)
    return inner


def in_event_bridge(detail: Any, *, time: Any = "2026-01-01T00:00:00Z") -> dict[str, Any]:
    return {
        "version": "0",
        "id": "00000000-0000-4000-8000-000000000000",
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.organizations",
        "account": "111122223333",
        "time": time,
        "region": "us-east-1",
        "resources": [],
        "detail": detail,
    }


def in_sns(message: str) -> dict[str, Any]:
    return {
        "Type": "Notification",
        "MessageId": "00000000-0000-4000-8000-000000000000",
        "TopicArn": "arn:aws:sns:us-east-1:111122223333:account-events",
        "Message": message,
        "Timestamp": "2026-01-01T00:00:00.000Z",
        "SignatureVersion": "1",
        "Signature": "c2VjcmV0LXNpZ25hdHVyZQ==",
        "UnsubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe",
    }


def changed(name: str, path: str, value: Any) -> str:
    """The record of a sample with another value at this path, dotted; the path must exist, but for its last part."""
    fields = record(name)
    *parents, last = path.split(".")
    at: Any = fields
    for key in parents:
        at = at[key]
    at[last] = value
    return json.dumps(fields)


def without(name: str, path: str) -> str:
    """The record of a sample without what stands at this path, dotted."""
    fields = record(name)
    *parents, last = path.split(".")
    at: Any = fields
    for key in parents:
        at = at[key]
    del at[last]
    return json.dumps(fields)
