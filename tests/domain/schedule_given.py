"""Facts and commands of one schedule, Checkout's of 2026, for the specs of its rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from domain.calendar import Month
from domain.closing import MonthClosed, MonthReopened, closing_stream
from domain.decision import Actor, Command, Event, Fact, Persona
from domain.errors import Refusal
from domain.people import HolderAppointed, HolderRemoved, holders_stream
from domain.schedule import (
    Approved,
    CameWithinBudget,
    Rejected,
    RescheduleDenied,
    RescheduleGranted,
    RescheduleRequested,
    Returned,
    Revised,
    Schedule,
    Submitted,
    WentOverBudget,
    Withdrawn,
    YearEnded,
    schedule_stream,
)
from domain.schedule_commands import RequestReschedule, ReviseSchedule, SubmitSchedule, WithdrawSchedule
from domain.schedule_decisions import ApproveSchedule, DenyReschedule, GrantReschedule, RejectSchedule
from domain.schedule_waiting import EndScheduleYear, EscalateSchedule, RemindSchedule
from domain.waiting import Escalated, Overdue, Reminded, waiting_stream
from tests.domain.specs import CHECKOUT, actor, amounts, command_id, decide, fold, line, person

STREAM = schedule_stream(2026, CHECKOUT)
WAITING = waiting_stream(STREAM)
PORTFOLIO = CHECKOUT.portfolio
DEPARTMENT = PORTFOLIO.parent
HEAD = actor("head", (Persona.DEPARTMENT_OWNER, DEPARTMENT))
SECOND = actor("second", (Persona.PORTFOLIO_OWNER, PORTFOLIO))
NOBODY = actor("nobody")
OVER_ANNUAL = "1000.00"
"""An annual budget that twelve times 100.00 does not fit."""

type Amounts = Mapping[Month, Decimal]


# Facts


def _fact(kind: type[Fact], **fields: Any) -> Event:
    return Event(STREAM, kind.model_validate({"fiscal_year": 2026, "product": CHECKOUT} | fields))


def submitted(months: Amounts | None = None, by: str = "owner", behalf: str | None = None, note: str = "") -> Event:
    return _fact(
        Submitted,
        amounts=months or amounts(),
        annual="1200.00",
        currency="USD",
        submitted_by=person(by),
        submitted_for=behalf and person(behalf),
        note=note,
    )


def withdrawn(note: str = "") -> Event:
    return _fact(Withdrawn, note=note)


def revised() -> Event:
    return _fact(Revised)


def approved(version: int, by: str = "lead", note: str = "") -> Event:
    return _fact(Approved, decided_version=version, decided_by=person(by), note=note)


def rejected(version: int, reason: str = "too flat", by: str = "lead") -> Event:
    return _fact(Rejected, decided_version=version, decided_by=person(by), reason=reason)


def requested(round_: int = 2, months: Amounts | None = None, reason: str = "peak moves", by: str = "owner") -> Event:
    return _fact(
        RescheduleRequested,
        round=round_,
        reason=reason,
        requested_by=person(by),
        amounts=months or {},
        annual="1200.00",
        currency="USD",
    )


def granted(version: int, by: str = "lead", note: str = "") -> Event:
    return _fact(RescheduleGranted, decided_version=version, decided_by=person(by), note=note)


def denied(version: int, reason: str = "no need", by: str = "lead") -> Event:
    return _fact(RescheduleDenied, decided_version=version, decided_by=person(by), reason=reason)


def returned(annual: str = OVER_ANNUAL, reason: str = "less") -> Event:
    return _fact(Returned, reason=reason, annual=annual, submitted="1200.00", currency="USD")


def went_over(annual: str = OVER_ANNUAL, planned: str = "1200.00") -> Event:
    return _fact(WentOverBudget, annual=annual, planned=planned, currency="USD")


def came_within(annual: str = "1200.00", planned: str = "1200.00") -> Event:
    return _fact(CameWithinBudget, annual=annual, planned=planned, currency="USD")


def year_ended(round_: int = 1, open_state: str = "PENDING") -> Event:
    return _fact(YearEnded, round=round_, open_state=open_state)


def appointed(name: str = "lead") -> Event:
    fact = HolderAppointed(persona=Persona.PORTFOLIO_OWNER, node=PORTFOLIO, person_id=person(name))
    return Event(holders_stream(Persona.PORTFOLIO_OWNER, PORTFOLIO), fact)


def removed(name: str = "lead") -> Event:
    fact = HolderRemoved(persona=Persona.PORTFOLIO_OWNER, node=PORTFOLIO, person_id=person(name))
    return Event(holders_stream(Persona.PORTFOLIO_OWNER, PORTFOLIO), fact)


def closed(*months: Month) -> list[Event]:
    return [Event(closing_stream(2026), MonthClosed(fiscal_year=2026, month=month)) for month in months]


def reopened(month: Month) -> Event:
    return Event(closing_stream(2026), MonthReopened(fiscal_year=2026, month=month, reason="late invoice"))


_WAITS = {"subject": str(STREAM), "fiscal_year": 2026, "product": CHECKOUT}


def reminded(turn: int, count: int = 1, persona: Persona = Persona.PORTFOLIO_OWNER, node: object = PORTFOLIO) -> Event:
    fields = _WAITS | {"turn": turn, "count": count, "persona": persona, "node": node}
    return Event(WAITING, Reminded.model_validate(fields))


def escalated(
    turn: int,
    reason: Overdue = Overdue.WAITED_TOO_LONG,
    persona: Persona = Persona.PORTFOLIO_OWNER,
    node: object = PORTFOLIO,
) -> Event:
    fields = _WAITS | {"turn": turn, "reason": reason, "persona": persona, "node": node}
    return Event(WAITING, Escalated.model_validate(fields))


# Histories: each ends in the state that it is named after

OPEN = [line(), appointed()]
"""There is a budget, and somebody to decide."""
DRAFT = OPEN
TAKEN_BACK = [*OPEN, submitted(), withdrawn()]
PENDING = [*OPEN, submitted()]
APPROVED = [*PENDING, approved(1)]
REJECTED = [*PENDING, rejected(1)]
REQUESTED = [*APPROVED, requested()]
ATTACHED = [*APPROVED, requested(months=amounts("90.00"))]
RESCHEDULING = [*REQUESTED, granted(3)]
PENDING_AGAIN = [*RESCHEDULING, submitted(amounts("90.00"))]
REJECTED_AGAIN = [*PENDING_AGAIN, rejected(5)]
OVER_BUDGET = [*APPROVED, line(annual=OVER_ANNUAL), went_over()]
CLOSED = [*PENDING, year_ended()]

# Commands


def _command[C](kind: type[C], name: str = "one", round_: int | None = None, **fields: Any) -> C:
    shared = {"command_id": command_id(name), "actor": "x", "fiscal_year": 2026, "product": CHECKOUT, "round": round_}
    return kind(**(shared | fields))


def submit(months: Amounts | None = None, **fields: Any) -> SubmitSchedule:
    return _command(SubmitSchedule, **({"amounts": amounts() if months is None else months} | fields))


withdraw = partial(_command, WithdrawSchedule)
revise = partial(_command, ReviseSchedule)


def request(months: Amounts | None = None, reason: str = "peak moves", **fields: Any) -> RequestReschedule:
    return _command(RequestReschedule, **({"amounts": months or {}, "reason": reason} | fields))


def approve(version: int, **fields: Any) -> ApproveSchedule:
    return _command(ApproveSchedule, **(fields | {"version": version}))


def reject(version: int, reason: str = "too flat", **fields: Any) -> RejectSchedule:
    return _command(RejectSchedule, **(fields | {"version": version, "reason": reason}))


def grant(version: int, **fields: Any) -> GrantReschedule:
    return _command(GrantReschedule, **(fields | {"version": version}))


def deny(version: int, reason: str = "no need", **fields: Any) -> DenyReschedule:
    return _command(DenyReschedule, **(fields | {"version": version, "reason": reason}))


def remind(turn: int, count: int = 1) -> RemindSchedule:
    return _command(RemindSchedule, turn=turn, count=count)


def escalate(turn: int) -> EscalateSchedule:
    return _command(EscalateSchedule, turn=turn)


end_year = partial(_command, EndScheduleYear)


def schedule_of(given: list[Event]) -> Schedule:
    found: Schedule = fold(given, [STREAM])[STREAM]
    return found


def refused(command: Command, by: Actor, given: Iterable[Event], **how: Any) -> Refusal:
    """The refusal; it is a failure where the command is allowed."""
    with pytest.raises(Refusal) as caught:
        decide(command, by, given, **how)
    return caught.value
