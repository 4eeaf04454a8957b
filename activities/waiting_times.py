"""When somebody who is waited for is reminded next, and when the level above is asked: the same for every subject."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from domain.business_days import BusinessCalendar
from domain.decision import RecordedEvent
from domain.waiting import REMINDERS_MAX, Reminded, Waiting


class WaitingTimes(NamedTuple):
    """What time does in a turn, and when."""

    reminders: int
    """So far."""
    escalated: bool
    remind_at: datetime | None
    """None for never."""
    escalate_at: datetime | None
    """None where it is escalated."""


def waiting_times(
    business: BusinessCalendar,
    waiting: Waiting,
    events: Sequence[RecordedEvent],
    turn: int,
    since: datetime,
    *,
    nobody: bool = False,
) -> WaitingTimes:
    """`events` are those of the waiting stream; `nobody`: whether there is nobody left to wait for."""
    reminders, escalated = waiting.reminded(turn), waiting.escalated(turn)
    last = _last_reminder(events, turn) if reminders else None
    escalate_at = since if nobody else business.after(since, business.escalation_days)
    return WaitingTimes(
        reminders=reminders,
        escalated=escalated,
        remind_at=None if reminders >= REMINDERS_MAX else _next_reminder(business, since, reminders, last),
        escalate_at=None if escalated else escalate_at,
    )


def _next_reminder(business: BusinessCalendar, since: datetime, reminders: int, last: datetime | None) -> datetime:
    """After each so many days. Those that nobody was there to send are left out: one late reminder is enough."""
    every = business.reminder_days
    next_one = reminders + 1
    if last is not None:
        next_one = max(next_one, business.between(since, last) // every + 1)
    return business.after(since, every * next_one)


def _last_reminder(events: Sequence[RecordedEvent], turn: int) -> datetime | None:
    reminders = (e.recorded_at for e in events if isinstance(e.fact, Reminded) and e.fact.turn == turn)
    return max(reminders, default=None)
