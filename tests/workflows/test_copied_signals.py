"""The JSON that a schedule's details show can be copied: its process reads it as the signal that it is meant to be."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

from domain.process import ScheduleRound
from domain.schedule import State
from tests.domain.texts_given import APPROVED, VIEW, details_of, sent
from workflows.inbox import read_signal


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
        payload = Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(fields).encode())
        message = read_signal(name, [RawValue(payload)], addressee, uuid4())
        assert message.command, (name, message)
