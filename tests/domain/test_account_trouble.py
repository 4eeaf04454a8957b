"""What AWS could not create, and messages that nobody understands, are recorded once and stop nothing."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from domain.account_trouble import (
    KEY_CHARS_MAX,
    TEXT_CHARS_MAX,
    MessageRejected,
    RecordVendingFailure,
    RejectMessage,
    VendingFailed,
)
from domain.decision import Command, Event, Stream
from domain.errors import Forbidden
from tests.domain.accounts_given import ENGINEER, at, refused
from tests.domain.specs import ADMIN, OWNER, SYSTEM_ACTOR, command_id, decide


def failure(**fields: Any) -> RecordVendingFailure:
    common = {"command_id": command_id(), "actor": "system", "request": "car-1", "reason": "EMAIL_ALREADY_EXISTS"}
    return RecordVendingFailure.model_validate(common | {"account_name": "shop", "at": at(0)} | fields)


def rejection(**fields: Any) -> RejectMessage:
    common = {"command_id": command_id(), "actor": "system", "message_id": "m-1", "reason": "no JSON"}
    return RejectMessage.model_validate(common | {"excerpt": "<xml", "sent_at": at(0)} | fields)


def test_a_vending_that_failed_is_recorded_once() -> None:
    decision = decide(failure(), SYSTEM_ACTOR)
    fact = VendingFailed(request="car-1", account_name="shop", account_id="", reason="EMAIL_ALREADY_EXISTS", at=at(0))
    assert decision.events == [Event(Stream("vending", "car-1"), fact)]
    assert decision.message == "Recorded."
    again = decide(failure(reason="another telling"), SYSTEM_ACTOR, decision.events)
    assert (again.events, again.message) == ((), "This failure is recorded already.")
    assert decide(failure(request="car-2"), SYSTEM_ACTOR, decision.events).events


def test_a_message_that_nobody_understands_is_put_aside_once() -> None:
    decision = decide(rejection(), SYSTEM_ACTOR)
    fact = MessageRejected(message_id="m-1", reason="no JSON", excerpt="<xml", sent_at=at(0))
    assert decision.events == [Event(Stream("account_event", "m-1"), fact)]
    assert decision.message == "Put aside."
    again = decide(rejection(), SYSTEM_ACTOR, decision.events)
    assert (again.events, again.message) == ((), "This message is put aside already.")
    assert decide(rejection(message_id="m-2"), SYSTEM_ACTOR, decision.events).events


@pytest.mark.parametrize("command", [failure(), rejection()])
def test_only_allot_and_cloud_engineers_tell_what_came_from_aws(command: Command) -> None:
    assert decide(command, ENGINEER).events
    for who in (OWNER, ADMIN):
        assert isinstance(refused(command, who, []), Forbidden)


def test_names_and_texts_are_kept_up_to_their_limits() -> None:
    assert (KEY_CHARS_MAX, TEXT_CHARS_MAX) == (200, 2_000)
    for field in ("request", "account_name", "account_id"):
        failure(**{field: "x" * KEY_CHARS_MAX})
        with pytest.raises(ValidationError, match=field):
            failure(**{field: "x" * (KEY_CHARS_MAX + 1)})
    rejection(message_id="x" * KEY_CHARS_MAX)
    with pytest.raises(ValidationError, match="message_id"):
        rejection(message_id="x" * (KEY_CHARS_MAX + 1))
    failure(reason="x" * TEXT_CHARS_MAX)
    with pytest.raises(ValidationError, match="reason"):
        failure(reason="x" * (TEXT_CHARS_MAX + 1))
    for field in ("reason", "excerpt"):
        rejection(**{field: "x" * TEXT_CHARS_MAX})
        with pytest.raises(ValidationError, match=field):
            rejection(**{field: "x" * (TEXT_CHARS_MAX + 1)})


def test_a_failure_and_a_message_have_an_id() -> None:
    with pytest.raises(ValidationError, match="request"):
        failure(request="")
    with pytest.raises(ValidationError, match="message_id"):
        rejection(message_id="")
