"""Months that are closed now; who closed and reopened them before is in the audit trail."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from domain.closing import MonthClosed, MonthReopened
from domain.decision import RecordedEvent
from views.batch import Batch, Projection
from views.tables import Table


class ClosedRow(NamedTuple):
    fiscal_year: int
    month: str
    closed_by: UUID
    closed_at: datetime
    note: str


CLOSED_MONTHS = Table("closed_months", ClosedRow, key=2)


def wants(batch: Batch, _: RecordedEvent, fact: MonthClosed | MonthReopened) -> None:
    batch.rows(CLOSED_MONTHS).want(fact.fiscal_year, str(fact.month))


def fold(batch: Batch, event: RecordedEvent, fact: MonthClosed | MonthReopened) -> None:
    months, month = batch.rows(CLOSED_MONTHS), str(fact.month)
    if isinstance(fact, MonthReopened):
        months.delete(fact.fiscal_year, month)
    else:
        months.put(ClosedRow(fact.fiscal_year, month, event.actor, event.recorded_at, fact.note))


PROJECTION = Projection((CLOSED_MONTHS,), (MonthClosed, MonthReopened), wants, fold)
