"""Reading signals: whatever comes, it becomes a command or a refusal, and never an error."""

from __future__ import annotations

import json
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

from domain.decision import Channel
from domain.process import ScheduleRound
from domain.schedule_decisions import ApproveSchedule
from tests.workflows.stage import PRODUCT, YEAR
from workflows.inbox import read_signal
from workflows.signals import SIGNAL_BYTES_MAX, Message

ADDRESSEE = ScheduleRound(fiscal_year=YEAR, product=PRODUCT)
NEW_ID = UUID(int=7)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["actor", "version", "reason", "amounts", "product", "fiscal_year", "kind", "command_id", "channel"]
)


def raw(data: bytes, encoding: bytes = b"json/plain") -> RawValue:
    return RawValue(Payload(metadata={"encoding": encoding}, data=data))


def read(name: str, *values: object) -> Message:
    return read_signal(name, [raw(json.dumps(value).encode()) for value in values], ADDRESSEE, NEW_ID)


def test_what_the_process_knows_may_be_left_out() -> None:
    message = read("approve", {"actor": "ann@example.com", "version": 3})

    assert message.command == ApproveSchedule(
        command_id=NEW_ID,
        actor="ann@example.com",
        channel=Channel.SIGNAL,
        fiscal_year=YEAR,
        product=PRODUCT,
        version=3,
    )


def test_a_signal_cannot_choose_its_channel() -> None:
    message = read("approve", {"actor": "ann@example.com", "version": 3, "channel": "workflow"})

    assert message.command
    assert message.command.channel is Channel.SIGNAL


def test_a_sender_may_give_the_command_id() -> None:
    message = read("approve", {"actor": "a", "version": 3, "command_id": str(UUID(int=9))})

    assert message.command
    assert message.command.command_id == UUID(int=9)


def test_the_longest_input_is_read_and_one_byte_more_is_not() -> None:
    start, end = b'{"actor": "a", "version": 1, "unknown": "', b'"}'
    longest = start + b"x" * (SIGNAL_BYTES_MAX - len(start) - len(end)) + end

    assert read_signal("approve", [raw(longest)], ADDRESSEE, NEW_ID).command
    assert read_signal("approve", [raw(longest + b" ")], ADDRESSEE, NEW_ID).refusal


def check(message: Message) -> None:
    assert (message.command is None) != (message.refusal is None)
    assert Message.model_validate_json(message.model_dump_json()) == message  # it can be sent on


@given(st.sampled_from(["submit", "approve", "reject", "else"]), st.dictionaries(FIELDS, JSON, max_size=5) | JSON)
def test_any_json_becomes_a_command_or_a_refusal(name: str, value: object) -> None:
    check(read(name, value))


@given(st.text(max_size=120), st.lists(st.tuples(st.binary(max_size=60), st.binary(max_size=20)), max_size=3))
def test_any_bytes_become_a_refusal(name: str, payloads: list[tuple[bytes, bytes]]) -> None:
    message = read_signal(name, [raw(data, encoding) for data, encoding in payloads], ADDRESSEE, NEW_ID)
    check(message)
    assert message.refusal


@given(st.sampled_from(["approve", "reject"]), st.binary(max_size=60))
def test_any_text_that_claims_to_be_json_stops_nothing(name: str, data: bytes) -> None:
    check(read_signal(name, [raw(data)], ADDRESSEE, NEW_ID))
