"""The JSON that a process's details show can be copied: it reads it as the signal that it is meant to be."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

from domain.process import ScheduleRound
from domain.schedule import State
from tests.domain.alignment_texts_given import ROUND, inputs_of
from tests.domain.alignment_texts_given import details_of as alignment_of
from tests.domain.texts_given import APPROVED, VIEW, details_of, sent
from workflows import signals
from workflows.alignment_run import COMMANDS, door_of
from workflows.inbox import read_signal


def as_sent(fields: dict[str, Any]) -> list[RawValue]:
    return [RawValue(Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(fields).encode()))]


@pytest.mark.parametrize(
    ("state", "names"),
    [
        (State.PENDING, {"approve", "reject", "withdraw"}),
        (State.REJECTED, {"submit", "revise"}),
        (State.RESCHEDULE_REQUESTED, {"grant", "deny", "withdraw"}),
        (State.RESCHEDULING, {"submit", "withdraw"}),
        (State.DRAFT, set()),
        (State.APPROVED, set()),
        (State.CLOSED, set()),
    ],
)
def test_the_json_of_each_signal_that_may_be_sent_now_can_be_copied(state: State, names: set[str]) -> None:
    inputs = sent(details_of(state=state, approved=APPROVED if state in (State.RESCHEDULING, State.APPROVED) else {}))
    addressee = ScheduleRound(fiscal_year=2026, product=VIEW.product, round=2)

    assert set(inputs) == names
    for name, fields in inputs.items():
        message = read_signal(name, as_sent(fields), addressee, uuid4())
        assert message.command, (name, message)


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({}, {"accept", "decline", "allocate", "propose"}),
        ({"proposal": 0, "proposed_shares": {}, "proposed_type": ""}, {"allocate", "propose"}),
        ({"open": False}, set()),
        ({"occasion": 3}, set()),
    ],
)
def test_the_json_of_each_signal_about_an_account_can_be_copied(changes: dict[str, Any], names: set[str]) -> None:
    inputs = inputs_of(alignment_of(**changes))

    assert set(inputs) == names
    for name, fields in inputs.items():
        message = signals.read_signal(name, as_sent(fields), door_of(ROUND), uuid4())
        assert type(message.command) is COMMANDS[name], (name, message)
        assert message.command.account_id == ROUND.account_id
