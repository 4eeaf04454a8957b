"""Schedules: what was last submitted, what is in force, whose decision it was, since when it waits for whom.

The states follow `domain.schedule.evolve`, from which a decision is made; a test compares the two on random events.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pydantic_core import from_json, to_json

from domain.calendar import Month
from domain.decision import Fact, RecordedEvent
from domain.hierarchy import NodePath
from domain.money import plain, total
from domain.schedule import (
    FACTS,
    FIRST_ROUND,
    Approved,
    CameWithinBudget,
    Rejected,
    RescheduleDenied,
    RescheduleGranted,
    RescheduleRequested,
    Returned,
    Revised,
    State,
    Submitted,
    WentOverBudget,
    Withdrawn,
    YearEnded,
    schedule_stream,
)
from domain.waiting import Escalated, Reminded
from views.batch import ZERO, Batch, Change, Projection, missing
from views.budgets import LINES
from views.paths import path_text
from views.schedule_rows import SCHEDULES, ScheduleRow
from views.tables import Json

_SCHEDULE = f"{schedule_stream(0, NodePath.ROOT).category}/"


def wants(batch: Batch, _: RecordedEvent, fact: Any) -> None:
    if _is_of_another(fact):
        return
    product = path_text(fact.product)
    batch.rows(SCHEDULES).want(fact.fiscal_year, product)
    if isinstance(fact, Approved):
        batch.rows(LINES).want(fact.fiscal_year, product)


def fold(batch: Batch, event: RecordedEvent, fact: Any) -> None:
    if _is_of_another(fact):
        return
    schedules = batch.rows(SCHEDULES)
    before = schedules.get(fact.fiscal_year, path_text(fact.product))
    if isinstance(fact, Submitted):
        schedules.put(_submitted(event, fact, before))
    elif before is None:
        raise missing(event, f"schedule of {fact.product} for {fact.fiscal_year}")
    elif isinstance(fact, Reminded | Escalated):
        if fact.turn == before.turn:  # what was said about an earlier turn is over with it
            schedules.put(_waited(event, fact, before))
    else:
        schedules.put(_moved(event, before, **_changes(event, fact, before)))
        if isinstance(fact, Approved):
            _count(batch, before)


def _is_of_another(fact: Fact) -> bool:
    """Whether somebody is waited for because of something else than a schedule."""
    return isinstance(fact, Reminded | Escalated) and not fact.subject.startswith(_SCHEDULE)


def _submitted(event: RecordedEvent, fact: Submitted, before: ScheduleRow | None) -> ScheduleRow:
    row = before or ScheduleRow(
        fiscal_year=fact.fiscal_year,
        product=path_text(fact.product),
        state=State.DRAFT,
        version=0,
        turn=0,
        since=event.recorded_at,
        since_position=event.position,
        round=FIRST_ROUND,
        attached=False,
        returned=False,
        over_budget_since=None,
        over_budget_position=None,
        annual=ZERO,
        currency=fact.currency,
        submitted=Json("{}"),
        submitted_total=ZERO,
        submitted_by=fact.submitted_by,
        submitted_for=None,
        submitted_at=event.recorded_at,
        note="",
        approved=None,
        planned=ZERO,
        decided_by=None,
        decided_for=None,
        decided_at=None,
        reason="",
        reminders=0,
        escalated_at=None,
        updated_at=event.recorded_at,
    )
    return _moved(
        event,
        row,
        state=State.PENDING,
        attached=False,
        annual=fact.annual,
        currency=fact.currency,
        submitted=_by_month(fact.amounts),
        submitted_total=total(list(fact.amounts.values())),
        submitted_by=fact.submitted_by,
        submitted_for=fact.submitted_for,
        submitted_at=event.recorded_at,
        note=fact.note,
    )


def _moved(event: RecordedEvent, before: ScheduleRow, **changes: Any) -> ScheduleRow:
    """Another state begins another turn."""
    if changes.get("state", before.state) != before.state:
        begun = {"turn": event.stream_version, "since": event.recorded_at, "since_position": event.position}
        changes = {"returned": False, "reminders": 0, "escalated_at": None} | begun | changes
    return before._replace(version=event.stream_version, updated_at=event.recorded_at, **changes)


def _changes(event: RecordedEvent, fact: Fact, before: ScheduleRow) -> dict[str, Any]:
    editable = State.RESCHEDULING if before.approved else State.DRAFT
    # A request that comes to nothing leaves the approved schedule; a submission goes back to where it can be changed.
    back = {"state": editable if before.state == State.PENDING else State.APPROVED, "attached": False}
    match fact:
        case Revised():
            return {"state": editable}
        case RescheduleRequested():
            return _requested(event, fact)
        case Approved() | Rejected() | RescheduleGranted() | RescheduleDenied():
            return _decided(event, fact, before)
        case Withdrawn():
            return back
        case Returned():
            return back | {"reason": fact.reason, "returned": True}
        case WentOverBudget():
            return {"over_budget_since": event.recorded_at, "over_budget_position": event.position}
        case CameWithinBudget():
            return {"over_budget_since": None, "over_budget_position": None}
        case YearEnded():
            return {"state": State.APPROVED if before.approved else State.CLOSED, "attached": False}
    raise TypeError(f"{type(fact).__name__} is no fact of a schedule")


def _requested(event: RecordedEvent, fact: RescheduleRequested) -> dict[str, Any]:
    changes = {
        "state": State.RESCHEDULE_REQUESTED,
        "round": fact.round,
        "reason": fact.reason,
        "attached": bool(fact.amounts),
        "annual": fact.annual,
        "submitted_by": fact.requested_by,
        "submitted_for": fact.requested_for,
        "submitted_at": event.recorded_at,
    }
    if not fact.amounts:
        return changes
    sums = {"submitted": _by_month(fact.amounts), "submitted_total": total(list(fact.amounts.values()))}
    return changes | sums | {"note": ""}


def _decided(
    event: RecordedEvent, fact: Approved | Rejected | RescheduleGranted | RescheduleDenied, before: ScheduleRow
) -> dict[str, Any]:
    changes = {"decided_by": fact.decided_by, "decided_for": event.on_behalf_of, "decided_at": event.recorded_at}
    match fact:
        case Approved():
            within = {"over_budget_since": None, "over_budget_position": None}
            force = {"approved": before.submitted, "planned": before.submitted_total}
            return changes | within | force | {"state": State.APPROVED, "reason": fact.note, "attached": False}
        case Rejected():
            return changes | {"state": State.REJECTED, "reason": fact.reason}
        case RescheduleGranted():
            granted = State.PENDING if before.attached else State.RESCHEDULING
            return changes | {"state": granted, "reason": fact.note}
        case RescheduleDenied():
            return changes | {"state": State.APPROVED, "reason": fact.reason, "attached": False}


def _waited(event: RecordedEvent, fact: Reminded | Escalated, before: ScheduleRow) -> ScheduleRow:
    if isinstance(fact, Reminded):
        return before._replace(reminders=fact.count)
    return before._replace(escalated_at=event.recorded_at)


def _by_month(amounts: Mapping[Month, Decimal]) -> Json:
    return Json(to_json({str(month): plain(amount) for month, amount in amounts.items()}).decode())


def _count(batch: Batch, before: ScheduleRow) -> None:
    """Adds the approved months to the plan, in place of those that were in force."""
    old: dict[str, str] = from_json(before.approved) if before.approved else {}
    new: dict[str, str] = from_json(before.submitted)
    for month in {**old, **new}:
        change = Change(
            parts=(month in new) - (month in old), planned=Decimal(new.get(month, 0)) - Decimal(old.get(month, 0))
        )
        batch.changes.month(before.fiscal_year, before.product, month, change)
    line = batch.rows(LINES).get(before.fiscal_year, before.product)
    if before.approved is None and not (line and line.withdrawn):
        batch.changes.year(before.fiscal_year, before.product, Change(approved=1))


PROJECTION = Projection((SCHEDULES,), (*FACTS, Reminded, Escalated), wants, fold)
