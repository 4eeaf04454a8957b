"""Bodies are read without trust: envelopes, times, limits, and whatever else somebody may send."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st

from domain import account_event
from domain.account_event import AccountEvent, AccountEventKind, Ignored, NotUnderstood, understand
from domain.account_event_body import (
    BODY_BYTES_MAX,
    EVENT_NAME_CHARS_MAX,
    REASON_CHARS_MAX,
    WRAPPINGS_MAX,
    Record,
    instant,
    record_in,
)
from domain.decision import plain_line
from tests.domain.account_event_samples import NAMES, changed, in_event_bridge, in_sns, record, sample

MOVED = "organizations_MoveAccount"
SECRET = "hunter2-AKIAEXAMPLE"


def reason(body: str) -> str:
    with pytest.raises(NotUnderstood) as refused:
        understand(body)
    return refused.value.reason


def wrapped(fields: dict[str, Any], times: int) -> str:
    for _ in range(times):
        fields = in_event_bridge(fields)
    return json.dumps(fields)


def test_envelopes_are_opened_to_a_limited_depth() -> None:
    assert understand(wrapped(record(MOVED), WRAPPINGS_MAX)) == understand(sample(MOVED))
    assert reason(wrapped(record(MOVED), WRAPPINGS_MAX + 1)) == (
        "Expected at most 4 envelopes around a CloudTrail record, found more."
    )


def test_a_body_has_a_limited_size_in_bytes() -> None:
    fields = record(MOVED)
    room = BODY_BYTES_MAX - len(json.dumps(fields | {"filler": ""}, ensure_ascii=False).encode())
    largest = json.dumps(fields | {"filler": "é" * (room // 2) + "x" * (room % 2)}, ensure_ascii=False)
    assert len(largest.encode()) == BODY_BYTES_MAX
    assert isinstance(understand(largest), AccountEvent)
    for body in (largest + " ", "x" * (BODY_BYTES_MAX + 1)):
        assert reason(body) == "Expected at most 1,048,576 bytes, found more."


NO_JSON = "Expected JSON, found a text that is none at"
NO_RECORD = "Expected a JSON object with a CloudTrail record in it, found"
NO_SOURCE = "Expected an eventSource of organizations.amazonaws.com or controltower.amazonaws.com, found"
NO_NUMBER = "Expected JSON, found a number that is none or has too many digits."
HALF = "Expected whole characters, found half of one (a lone surrogate)."
OURS = '{"eventSource": "organizations.amazonaws.com"'


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("", f"{NO_JSON} line 1, column 1."),
        ('{"eventName":\n x}', f"{NO_JSON} line 2, column 2."),
        ('{"Type": "Notification", "Message": "hello"}', f"{NO_JSON} line 1, column 1."),
        ("[]", f"{NO_RECORD} a list."),
        ("null", f"{NO_RECORD} nothing."),
        ("true", f"{NO_RECORD} true or false."),
        ("1.5", f"{NO_RECORD} a number."),
        (json.dumps(SECRET), f"{NO_RECORD} a text."),
        ('{"detail-type": "x"}', f"{NO_RECORD} nothing."),
        ('{"eventSource": {}}', f"{NO_SOURCE} an object."),
        ('{"eventName": "MoveAccount"}', f"{NO_SOURCE} nothing."),
        (f"{OURS}}}", "Expected an eventName, found nothing."),
        (f'{OURS}, "eventName": " "}}', "Expected an eventName, found ''."),
        ('{"a": NaN}', NO_NUMBER),
        ('{"a": -Infinity}', NO_NUMBER),
        ('{"a": "\ud800"}', HALF),
        ('{"a": ["\\uD83D"]}', HALF),
        ('{"\\udc00": 1}', HALF),
    ],
)
def test_what_holds_no_record_is_not_understood_and_told_why(body: str, expected: str) -> None:
    assert reason(body) == expected


def test_too_many_digits_and_too_deep_a_nesting_are_not_understood() -> None:
    assert reason("9" * 5_000) == NO_NUMBER
    for deep in ("[" * 500_000, '{"a":' * 100_000, json.dumps(in_sns("[" * 500_000))):
        assert reason(deep) == "Expected JSON, found too many lists or objects within each other."


@pytest.mark.parametrize(
    "envelope",
    [{}, {"Type": "SubscriptionConfirmation", "Message": "{}"}, {"Type": "Notification", "Message": 1}],
)
def test_an_object_that_is_neither_record_nor_envelope_is_not_understood(envelope: dict[str, Any]) -> None:
    assert reason(json.dumps(envelope | {"Token": SECRET})) == (
        "Expected a CloudTrail record, alone or within EventBridge's detail or an SNS notification, found an object "
        "without eventSource and eventName."
    )


def test_both_halves_of_a_character_make_a_whole_one() -> None:
    assert isinstance(understand(changed(MOVED, "userAgent", "\N{GRINNING FACE}")), AccountEvent)
    assert "\\ud83d" in changed(MOVED, "userAgent", "\N{GRINNING FACE}")


def test_the_last_of_two_equal_keys_counts() -> None:
    body = sample(MOVED).replace('"accountId": "444455556666"', '"accountId": "no", "accountId": "555555555555"')
    found = understand(body)
    assert isinstance(found, AccountEvent)
    assert found.account_id == "555555555555"


def test_a_long_event_name_is_cut() -> None:
    assert record_in(changed(MOVED, "eventName", "x" * EVENT_NAME_CHARS_MAX)).name == "x" * EVENT_NAME_CHARS_MAX
    found = record_in(changed(MOVED, "eventName", "x" * (EVENT_NAME_CHARS_MAX + 1)))
    assert found.name == "x" * (EVENT_NAME_CHARS_MAX - 1) + "…"


def test_a_reason_quotes_the_beginning_of_a_wrong_field_and_nothing_else() -> None:
    body = json.loads(changed(MOVED, "requestParameters.accountId", "n" * 10_000))
    body["userIdentity"] |= {"accessKeyId": SECRET, "sessionToken": SECRET}
    found = reason(json.dumps(in_sns(json.dumps(body)) | {"Token": SECRET}))
    assert found == (
        f"MoveAccount: expected an account id of 12 digits at requestParameters.accountId, found '{'n' * 39}…'."
    )


def test_a_reason_has_a_limited_length() -> None:
    assert NotUnderstood("x" * REASON_CHARS_MAX).reason == "x" * REASON_CHARS_MAX
    assert len(NotUnderstood("x\n" * REASON_CHARS_MAX).reason) == REASON_CHARS_MAX


def test_a_path_that_leads_through_something_else_finds_nothing() -> None:
    found = Record("organizations.amazonaws.com", "x", {"requestParameters": "None", "a": {"b": [1]}})
    assert found.at("requestParameters.accountId") is None
    assert found.at("a.b.0") is None
    assert found.at("a.b") == [1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2022-03-18T18:17:06Z", "2022-03-18T18:17:06"),
        ("2022-03-18 18:17:06Z", "2022-03-18T18:17:06"),
        ("2022-03-18T18:17:06", "2022-03-18T18:17:06"),
        ("2022-03-18T18:17:06.5Z", "2022-03-18T18:17:06.500"),
        ("2019-11-15T11:45:18+0000", "2019-11-15T11:45:18"),
        ("2019-11-15T11:45:18-05:30", "2019-11-15T17:15:18"),
        ("Mar 18, 2022 6:16:58 PM", "2022-03-18T18:16:58"),
        ("Mar 18, 2022 6:16:58\N{NARROW NO-BREAK SPACE}PM", "2022-03-18T18:16:58"),
        ("Mar 18, 2022, 6:16:58\N{NO-BREAK SPACE}AM", "2022-03-18T06:16:58"),
        ("Feb 29, 2024 12:00:00 AM", "2024-02-29T00:00:00"),
        (" Feb 29, 2024 12:59:59 PM\n", "2024-02-29T12:59:59"),
        ("2000-01-01T00:00:00Z", "2000-01-01T00:00:00"),
        ("2199-12-31T23:59:59Z", "2199-12-31T23:59:59"),
    ],
)
def test_a_time_is_read_in_each_form_that_aws_writes(text: str, expected: str) -> None:
    found = instant(text)
    assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2022-03-18",
        "2022-W11-5T18:17:06Z",
        "2022-02-30T00:00:00Z",
        "2022-03-18T24:00:01Z",
        "2022-03-18T18:17:06+99:00",
        "２０２２-03-18T18:17:06Z",
        "Feb 30, 2022 6:16:58 PM",
        "Mrz 18, 2022 6:16:58 PM",
        "MAR 18, 2022 6:16:58 PM",
        "Mar 18, 2022 0:16:58 PM",
        "Mar 18, 2022 13:16:58 PM",
        "Mar 18, 2022 18:16:58",
        "Mar 18, 2022 6:60:58 PM",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "1999-12-31T23:59:59Z",
        "2200-01-01T00:00:00Z",
    ],
)
def test_what_is_no_time_of_our_calendar_is_none(text: str) -> None:
    assert instant(text) is None


MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
moments = st.datetimes(datetime(2000, 1, 2), datetime(2199, 12, 30)).map(lambda moment: moment.replace(microsecond=0))  # noqa: DTZ001 - the zone is drawn apart


@given(moment=moments, comma=st.booleans(), space=st.sampled_from(" \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}"))
def test_every_moment_comes_back_as_java_writes_it(moment: datetime, comma: bool, space: str) -> None:
    hour, half = moment.hour % 12 or 12, "AM" if moment.hour < 12 else "PM"
    text = f"{MONTHS[moment.month - 1]} {moment.day}, {moment.year}{',' * comma} {hour}:{moment:%M:%S}{space}{half}"
    assert instant(text) == moment.replace(tzinfo=UTC)


@given(moment=moments, minutes=st.integers(-23 * 60, 23 * 60), colon=st.booleans())
def test_every_moment_comes_back_from_its_iso_form(moment: datetime, minutes: int, colon: bool) -> None:
    there = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    text = there.isoformat() if colon else f"{there:%Y-%m-%dT%H:%M:%S%z}"
    assert instant(text) == there


texts = st.text(st.characters(), max_size=20)  # with halves of characters
words = st.sampled_from(["444455556666", "FAILED", "INVITE", "2026-01-01T00:00:00Z", "AwsApiCall"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything within a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from paths(inner, (*path, key))


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """A sample with up to three of its fields dropped or replaced by anything, in any envelope."""
    body: Any = json.loads(sample(draw(st.sampled_from(NAMES))))
    for _ in range(draw(st.integers(1, 3))):
        if not (there := list(paths(body))):
            break
        *parents, last = draw(st.sampled_from(there))
        at = body
        for key in parents:
            at = at[key]
        if draw(st.booleans()):
            del at[last]
        else:
            at[last] = draw(values)
    for _ in range(draw(st.integers(0, 2))):
        body = in_sns(json.dumps(body)) if draw(st.booleans()) else in_event_bridge(body, time=draw(values))
    return json.dumps(body, ensure_ascii=draw(st.booleans()))


def answer(body: str) -> AccountEvent | Ignored | NotUnderstood:
    try:
        return understand(body)
    except NotUnderstood as error:
        return error


def check(body: str) -> None:
    """Whatever the answer is, it is one of the three, and within its promises."""
    match answer(body):
        case NotUnderstood(reason=told) | Ignored(why=told):
            assert 0 < len(told) <= REASON_CHARS_MAX
            assert plain_line(told) == told
        case AccountEvent() as found:
            assert found.at.tzinfo is UTC
            assert found.account_id or found.kind is AccountEventKind.VENDING_FAILED
            assert found.account_id == "" or (len(found.account_id) == 12 and found.account_id.isascii())
            for line in (found.name, found.event_id, found.account_name, found.how, found.request_id):
                assert plain_line(line) == line
            assert AccountEvent.model_validate_json(found.model_dump_json()) == found


@given(st.text(st.characters()))
def test_no_text_breaks_it(body: str) -> None:
    check(body)


@given(values)
def test_no_json_breaks_it(value: Any) -> None:
    check(json.dumps(value))
    check(json.dumps({"eventSource": "organizations.amazonaws.com", "eventName": value}))


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(damaged())
def test_no_damaged_sample_breaks_it(body: str) -> None:
    check(body)


def test_the_damage_finds_a_reader_that_trusts_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    def trusting(found: Record) -> Ignored:
        parameters: Any = found.fields["requestParameters"]
        return Ignored(found.name, parameters["accountId"])

    calls = dict.fromkeys(account_event.API_CALLS, trusting)
    monkeypatch.setattr(account_event, "API_CALLS", calls)

    def breaks(body: str) -> bool:
        try:
            check(body)
        except (KeyError, TypeError):
            return True
        return False

    assert find(damaged(), breaks, settings=settings(max_examples=400, database=None))
