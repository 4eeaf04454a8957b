"""What a run of BudgetSchedule starts with, and what time does to its round: pure, so that it can be tested as such."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal, NamedTuple, Protocol

from pydantic import AwareDatetime

from activities.contracts import WaitingStep
from domain.calendar import FISCAL_YEAR_MIN
from domain.hierarchy import NodePath
from domain.money import plain, total
from domain.process import TURN_OF, ScheduleRound, ScheduleView
from domain.schedule import LIVING, State
from domain.schedule_commands import ScheduleCommand, SubmitSchedule
from domain.schedule_decisions import ApproveSchedule, DenyReschedule, RejectSchedule
from workflows.signals import Message

PAUSE_FIRST = timedelta(minutes=1)
"""After a step of time that recorded nothing: the clocks differ, or somebody was faster. It doubles."""
PAUSE_MAX = timedelta(hours=6)
PAUSE_DOUBLINGS_MAX = 10


class ScheduleRun(ScheduleRound):
    """What a run starts with: a round and, after continue-as-new, what the run before it leaves behind."""

    refusals: int = 0
    last_refusals: tuple[str, ...] = ()
    since: AwareDatetime | None = None
    inbox: tuple[Message, ...] = ()


NOTHING = ScheduleRun(fiscal_year=FISCAL_YEAR_MIN, product=NodePath.ROOT)
"""Stands in for the input that a process started by hand may lack, until run() ends it."""


def unknown(addressee: ScheduleRound) -> ScheduleView:
    """Before the ledger has been asked."""
    return ScheduleView(
        fiscal_year=addressee.fiscal_year, product=addressee.product, round=addressee.round, state=State.DRAFT
    )


def is_open(view: ScheduleView, round_: int) -> bool:
    """Whether somebody has to act in this round. The schedule may have gone on to another one."""
    return view.round == round_ and view.state in LIVING


type Step = Literal["end_year", "escalate", "remind"]


class Due(NamedTuple):
    """What time does next, and when."""

    at: datetime
    step: Step
    turn: int
    number: int
    """Which reminder of the turn, or which attempt."""
    attempt: int = 0
    """At that reminder."""

    def request(self, addressee: ScheduleRound) -> WaitingStep:
        return WaitingStep(
            fiscal_year=addressee.fiscal_year,
            product=addressee.product,
            step=self.step,
            turn=self.turn,
            count=self.number,
            attempt=self.attempt,
        )


class Times(Protocol):
    """When time does something in a round."""

    @property
    def turn(self) -> int: ...
    @property
    def reminders(self) -> int: ...
    @property
    def remind_at(self) -> datetime | None: ...
    @property
    def escalate_at(self) -> datetime | None: ...
    @property
    def year_ends_at(self) -> datetime | None: ...


def next_due(view: Times, idle: int, not_before: datetime | None) -> Due | None:
    """The earliest step; of several at once the one that makes the others needless. None in views without times, as
    versions before this one recorded them, so that their histories replay.

    `idle` steps have recorded nothing since something happened; none is tried again before `not_before`. By then others
    may be due as well: a reminder that cannot be recorded must not keep back the escalation and the end of the year.
    """
    planned: tuple[tuple[datetime | None, Step, int, int], ...] = (
        (view.year_ends_at, "end_year", idle, 0),
        (view.escalate_at, "escalate", idle, 0),
        (view.remind_at, "remind", view.reminders + 1, idle),
    )
    steps = [
        Due(at if not_before is None else max(at, not_before), step, view.turn, number, attempt)
        for at, step, number, attempt in planned
        if at is not None
    ]
    return min(steps, key=lambda due: due.at, default=None)  # min keeps the order above where times are equal


def pause_after(idle: int) -> timedelta:
    """Doubles with each step that recorded nothing."""
    return min(PAUSE_FIRST * (1 << min(idle, PAUSE_DOUBLINGS_MAX)), PAUSE_MAX)


def progress(view: ScheduleView) -> tuple[object, ...]:
    """What changes when a step of time, or a decision, was recorded."""
    return view.version, view.reminders, view.escalated


def view_after(view: ScheduleView, command: ScheduleCommand, version: int) -> ScheduleView:
    """Where a decision has led to, for answers that do not bring a view: the answer tells enough, or it is of a version
    before views came with answers."""
    state = _STATE_AFTER[type(command)]
    known: dict[str, object] = {"state": state, "version": version, "awaiting": TURN_OF.get(state, "")}
    known |= {"turn": version, "since": None, "attached": False}
    if isinstance(command, SubmitSchedule):
        known["amounts"] = {month: plain(amount) for month, amount in sorted(command.amounts.items())}
    if isinstance(command, RejectSchedule | DenyReschedule):
        known["reason"] = command.reason
    if isinstance(command, ApproveSchedule):
        planned = plain(total([Decimal(text) for text in view.amounts.values()]))
        known |= {"approved": view.amounts, "planned": planned, "reason": "", "over_budget": False}
    return view.model_copy(update=known)


_STATE_AFTER: dict[type[ScheduleCommand], State] = {
    SubmitSchedule: State.PENDING,
    ApproveSchedule: State.APPROVED,
    RejectSchedule: State.REJECTED,
    DenyReschedule: State.APPROVED,
}
