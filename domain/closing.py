"""Closed months (product rules, sections 4 and 10): what was planned and spent in them does not change any more.

One stream per fiscal year (`closing/2026`). Closing a month here is the lock alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from domain.calendar import Month
from domain.decision import (
    Action,
    Command,
    Context,
    Decision,
    Event,
    Fact,
    NoteText,
    ReasonText,
    Rule,
    States,
    Stream,
)
from domain.errors import Refusal
from domain.hierarchy import NodePath
from domain.people import require


class MonthClosed(Fact):
    """The month is locked."""

    fact_name: ClassVar[str] = "closing.MonthClosed"
    fiscal_year: int
    month: Month
    note: str = ""


class MonthReopened(Fact):
    """The month may be changed again, with a reason."""

    fact_name: ClassVar[str] = "closing.MonthReopened"
    fiscal_year: int
    month: Month
    reason: str


type ClosedMonths = frozenset[Month]


def evolve(closed: ClosedMonths, fact: MonthClosed | MonthReopened) -> ClosedMonths:
    match fact:
        case MonthClosed():
            return closed | {fact.month}
        case MonthReopened():
            return closed - {fact.month}


def closing_stream(fiscal_year: int) -> Stream:
    return Stream("closing", str(fiscal_year))


class CloseMonth(Command):
    """Locks a month that has ended."""

    kind: Literal["closing.CloseMonth"] = "closing.CloseMonth"
    month: Month
    note: NoteText = ""

    @property
    def subject(self) -> Stream:
        return Stream("closing", str(self.month))  # the fiscal year depends on the organization's calendar


class ReopenMonth(Command):
    """Unlocks a month, with a reason."""

    kind: Literal["closing.ReopenMonth"] = "closing.ReopenMonth"
    month: Month
    reason: ReasonText

    @property
    def subject(self) -> Stream:
        return Stream("closing", str(self.month))


def decide_close(states: States, command: CloseMonth, context: Context) -> Decision:
    authority = require(context, Action.CLOSE_MONTH, NodePath.ROOT)
    (stream,) = _reads(command, context)
    if context.business_day <= command.month.last_day:
        raise Refusal(f"{command.month} has not ended yet: close it after {command.month.last_day}.", code="MonthOpen")
    if command.month in states[stream]:
        return Decision(message=f"{command.month} is closed already; nothing changed.")
    fact = MonthClosed(fiscal_year=int(stream.key), month=command.month, note=command.note)
    return Decision([Event(stream, fact)], f"{command.month} is closed.", authority)


def decide_reopen(states: States, command: ReopenMonth, context: Context) -> Decision:
    authority = require(context, Action.CLOSE_MONTH, NodePath.ROOT)
    (stream,) = _reads(command, context)
    if command.month not in states[stream]:
        return Decision(message=f"{command.month} is not closed; nothing changed.")
    fact = MonthReopened(fiscal_year=int(stream.key), month=command.month, reason=command.reason)
    return Decision([Event(stream, fact)], f"{command.month} is open again.", authority)


def _reads(command: CloseMonth | ReopenMonth, context: Context) -> Sequence[Stream]:
    return (closing_stream(context.organization.calendar.fiscal_year_of(command.month)),)


RULES: dict[type[Command], Rule] = {
    CloseMonth: Rule(_reads, decide_close),
    ReopenMonth: Rule(_reads, decide_reopen),
}
FACTS: tuple[type[Fact], ...] = (MonthClosed, MonthReopened)
