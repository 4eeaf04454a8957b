"""What time does next: pure, so it is tried here without a server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from activities.schedule_waiting import command_of
from domain.process import ScheduleRound, ScheduleView
from domain.schedule import State
from tests.workflows.stage import PRODUCT, YEAR
from workflows.schedule_run import PAUSE_FIRST, PAUSE_MAX, is_open, next_due, pause_after

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=1)


def view(**changes: Any) -> ScheduleView:
    known = {"fiscal_year": YEAR, "product": PRODUCT, "round": 2, "state": State.PENDING, "turn": 7, "reminders": 3}
    return ScheduleView.model_validate({**known, **changes})


def test_without_times_nothing_is_due() -> None:
    assert next_due(view(), 0, None) is None


@pytest.mark.parametrize(
    ("times", "step", "number"),
    [
        ({"remind_at": NOON, "escalate_at": LATER}, "remind", 4),
        ({"remind_at": LATER, "escalate_at": NOON}, "escalate", 0),
        ({"remind_at": NOON, "escalate_at": NOON, "year_ends_at": NOON}, "end_year", 0),
        ({"remind_at": NOON, "escalate_at": NOON}, "escalate", 0),
    ],
)
def test_the_earliest_step_is_next_and_of_several_the_one_that_makes_the_others_needless(
    times: dict[str, Any], step: str, number: int
) -> None:
    due = next_due(view(**times), 0, None)

    assert due
    assert (due.at, due.step, due.turn, due.number) == (NOON, step, 7, number)


def test_what_came_to_nothing_waits_and_is_another_attempt() -> None:
    due = next_due(view(year_ends_at=NOON), 2, LATER)

    assert due
    assert (due.at, due.number) == (LATER, 2)
    assert due.request(ScheduleRound(fiscal_year=YEAR, product=PRODUCT, round=2)).count == 2


def test_a_reminder_that_came_to_nothing_is_tried_under_another_id() -> None:
    waits = view(remind_at=NOON)
    addressee = ScheduleRound(fiscal_year=YEAR, product=PRODUCT, round=2)
    first, second = next_due(waits, 0, None), next_due(waits, 1, LATER)

    assert first
    assert second
    assert (first.number, second.number) == (4, 4)
    ids = {command_of(due.request(addressee)).command_id for due in (first, second)}
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("times", "step"), [({"escalate_at": LATER}, "escalate"), ({"year_ends_at": LATER}, "end_year")]
)
def test_a_reminder_that_cannot_be_recorded_keeps_nothing_else_back(times: dict[str, Any], step: str) -> None:
    due = next_due(view(remind_at=NOON, **times), 5, LATER)

    assert due
    assert (due.at, due.step) == (LATER, step)


def test_pauses_double_up_to_a_limit() -> None:
    assert [pause_after(idle) for idle in range(3)] == [PAUSE_FIRST, PAUSE_FIRST * 2, PAUSE_FIRST * 4]
    assert pause_after(10**9) == PAUSE_MAX


@pytest.mark.parametrize(("state", "is_so"), [(State.PENDING, True), (State.DRAFT, False), (State.CLOSED, False)])
def test_a_round_is_open_while_somebody_has_to_act_in_it(state: State, is_so: bool) -> None:
    assert is_open(view(state=state), 2) is is_so
    assert not is_open(view(state=state), 1)
