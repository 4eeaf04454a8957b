"""Schedules: what was last submitted, what is in force, whose decision it was."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from pydantic_core import from_json, to_json

from domain.decision import Fact, RecordedEvent
from domain.money import plain, total
from domain.process import FIRST_ROUND
from domain.schedule import Approved, Rejected, State, Submitted
from views.batch import ZERO, Batch, Change, Projection, missing
from views.paths import path_text
from views.tables import Json, Table


class ScheduleRow(NamedTuple):
    fiscal_year: int
    product: str
    state: str
    version: int
    """Of the stream; what a decision must name."""
    round: int
    annual: Decimal
    """The annual budget that the last submission was checked against."""
    currency: str
    submitted: Json
    """By month, as last submitted."""
    submitted_total: Decimal
    submitted_by: UUID
    submitted_at: datetime
    note: str
    """Of the last submission."""
    approved: Json | None
    """By month, in force."""
    planned: Decimal
    """The sum of what is in force."""
    decided_by: UUID | None
    decided_at: datetime | None
    reason: str
    """Of the last decision: why it was rejected, or the note of an approval."""
    updated_at: datetime


SCHEDULES = Table("schedules", ScheduleRow, key=2)


def wants(batch: Batch, _: RecordedEvent, fact: Submitted | Approved | Rejected) -> None:
    batch.rows(SCHEDULES).want(fact.fiscal_year, path_text(fact.product))


def fold(batch: Batch, event: RecordedEvent, fact: Fact) -> None:
    schedules = batch.rows(SCHEDULES)
    assert isinstance(fact, Submitted | Approved | Rejected)
    before = schedules.get(fact.fiscal_year, path_text(fact.product))
    match fact:
        case Submitted():
            schedules.put(_submitted(event, fact, before))
            return
        case Approved() if before is not None:
            schedules.put(_decided(event, before, fact.decided_by, State.APPROVED, fact.note, before.submitted))
            _count(batch, before)
        case Rejected() if before is not None:
            schedules.put(_decided(event, before, fact.decided_by, State.REJECTED, fact.reason, before.approved))
        case _:
            raise missing(event, f"schedule of {fact.product} for {fact.fiscal_year}")


def _submitted(event: RecordedEvent, fact: Submitted, before: ScheduleRow | None) -> ScheduleRow:
    amounts = {str(month): plain(amount) for month, amount in fact.amounts.items()}
    reopened = before is not None and before.state == State.APPROVED
    return ScheduleRow(
        fiscal_year=fact.fiscal_year,
        product=path_text(fact.product),
        state=State.PENDING,
        version=event.stream_version,
        round=FIRST_ROUND if before is None else before.round + reopened,
        annual=fact.annual,
        currency=fact.currency,
        submitted=Json(to_json(amounts).decode()),
        submitted_total=total(list(fact.amounts.values())),
        submitted_by=fact.submitted_by,
        submitted_at=event.recorded_at,
        note=fact.note,
        approved=before.approved if before else None,
        planned=before.planned if before else ZERO,
        decided_by=before.decided_by if before else None,
        decided_at=before.decided_at if before else None,
        reason=before.reason if before else "",
        updated_at=event.recorded_at,
    )


def _decided(
    event: RecordedEvent, before: ScheduleRow, decided_by: UUID, state: State, reason: str, in_force: Json | None
) -> ScheduleRow:
    return before._replace(
        state=state,
        version=event.stream_version,
        approved=in_force,
        planned=before.submitted_total if state is State.APPROVED else before.planned,
        decided_by=decided_by,
        decided_at=event.recorded_at,
        reason=reason,
        updated_at=event.recorded_at,
    )


def _count(batch: Batch, before: ScheduleRow) -> None:
    """Adds the approved months to the plan, in place of those that were in force."""
    old: dict[str, str] = from_json(before.approved) if before.approved else {}
    new: dict[str, str] = from_json(before.submitted)
    for month in {**old, **new}:
        change = Change(
            parts=(month in new) - (month in old), planned=Decimal(new.get(month, 0)) - Decimal(old.get(month, 0))
        )
        batch.changes.month(before.fiscal_year, before.product, month, change)
    if before.approved is None:
        batch.changes.year(before.fiscal_year, before.product, Change(approved=1))


PROJECTION = Projection((SCHEDULES,), (Submitted, Approved, Rejected), wants, fold)
