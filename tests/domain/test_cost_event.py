from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.cost_event import KEY_CHARS_MAX, RECORDS_MAX, NotUnderstoodError, Written, written

KEY = "cur/made/20260501-20260601/made-Manifest.json"


def record(key: str = KEY, name: str = "ObjectCreated:Put", **entry: Any) -> dict[str, Any]:
    return {
        "eventSource": "aws:s3",
        "eventName": name,
        "s3": {"bucket": {"name": "reports"}, "object": {"key": key, "eTag": "e1", **entry}},
    }


def event(key: str = KEY, kind: str = "Object Created", **entry: Any) -> dict[str, Any]:
    detail = {"bucket": {"name": "reports"}, "object": {"key": key, "etag": "e1", **entry}}
    return {"version": "0", "source": "aws.s3", "detail-type": kind, "detail": detail}


def test_a_notification_of_s3_and_an_event_of_eventbridge_tell_the_same() -> None:
    told = (Written("reports", KEY, "e1"),)
    assert written(json.dumps({"Records": [record()]})) == written(json.dumps(event())) == told
    assert told[0].address == f"s3://reports/{KEY}"
    by_topic = {"Type": "Notification", "Message": json.dumps({"Records": [record()]})}
    assert written(json.dumps(by_topic)) == told


def test_keys_are_url_encoded_in_notifications_only() -> None:
    records = {"Records": [record("a+b/c%2Bd%C3%A9=1/x-Manifest.json")]}
    assert written(json.dumps(records))[0].key == "a b/c+dé=1/x-Manifest.json"
    assert written(json.dumps(event("a+b/c%2Bd/x-Manifest.json")))[0].key == "a+b/c%2Bd/x-Manifest.json"


def test_a_message_may_tell_of_several_objects() -> None:
    records = {"Records": [record("a"), record("b", "ObjectRemoved:Delete"), record("c", "s3:ObjectCreated:Copy")]}
    assert [one.key for one in written(json.dumps(records))] == ["a", "c"]


def test_a_version_tells_states_apart_where_there_is_no_etag() -> None:
    assert written(json.dumps(event(etag=None, **{"version-id": "v7"})))[0].tag == "v7"
    assert written(json.dumps({"Records": [record(eTag=None, versionId="v8")]}))[0].tag == "v8"
    assert written(json.dumps({"Records": [record(eTag=None)]}))[0].tag == ""


@pytest.mark.parametrize(
    "message",
    [
        {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "reports"},
        {"Records": []},
        event(kind="Object Deleted"),
    ],
)
def test_what_tells_of_no_written_object_is_no_problem(message: dict[str, Any]) -> None:
    assert written(json.dumps(message)) == ()


@pytest.mark.parametrize(
    ("key", "may_be"),
    [(KEY, True), ("x/Manifest.json", True), ("x/made-00001.csv.gz", False), ("x/Manifest.json.bak", False)],
)
def test_only_the_name_of_a_manifest_counts(key: str, may_be: bool) -> None:
    assert Written("reports", key, "").may_be_manifest is may_be


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "It is not JSON"),
        ("[" * 100_000, "It is not JSON"),
        ("[]", "It is not a JSON object"),
        ("{}", "It is neither a notification of S3 nor an event of EventBridge with the source aws.s3"),
        ('{"source": "aws.ec2", "detail": {}}', "It is neither"),
        ('{"Records": {}}', "Records is not a list"),
        ('{"Records": [7]}', "A record has no eventName"),
        ('{"Records": [{"eventName": "ObjectCreated:Put"}]}', "It names no bucket and key"),
        (json.dumps(event(key="")), "Bucket or key are no names of S3"),
        (json.dumps({"Records": [record()] * (RECORDS_MAX + 1)}), "Records is not a list of at most 1,000"),
        (json.dumps(event(key="x" * (KEY_CHARS_MAX + 1))), "Bucket or key are no names of S3"),
    ],
)
def test_what_cannot_be_understood_says_why(body: str, reason: str) -> None:
    with pytest.raises(NotUnderstoodError) as problem:
        written(body)
    assert problem.value.reason.startswith(reason)


def test_a_message_at_its_limits_is_understood() -> None:
    assert len(written(json.dumps({"Records": [record()] * RECORDS_MAX}))) == RECORDS_MAX
    assert written(json.dumps(event(key="x" * KEY_CHARS_MAX)))[0].key == "x" * KEY_CHARS_MAX


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["Records", "s3", "object", "bucket", "name", "key", "eventName", "detail", "source", "Type"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=50)
@given(_JSON)
def test_no_message_does_anything_else(message: Any) -> None:
    with suppress(NotUnderstoodError):
        assert all(one.bucket and one.key for one in written(json.dumps(message)))
