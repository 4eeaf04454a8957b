"""The rows of schedules, which budgets and tasks look at, too."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from views.tables import Json, Table


class ScheduleRow(NamedTuple):
    fiscal_year: int
    product: str
    state: str
    version: int
    """Of the stream; what a decision must name."""
    turn: int
    """Version at which the present state began."""
    since: datetime
    """When it began: since then somebody waits."""
    since_position: int
    """Its place in the log."""
    round: int
    attached: bool
    """Whether a reschedule request holds the new schedule."""
    returned: bool
    """Whether it came back to its owner because the annual budget changed, and waits there since."""
    over_budget_since: datetime | None
    """Since when the approved schedule does not fit the annual budget; null while it does."""
    over_budget_position: int | None
    annual: Decimal
    """The annual budget that the last submission or request was checked against."""
    currency: str
    submitted: Json
    """By month, as last submitted or attached to a request."""
    submitted_total: Decimal
    submitted_by: UUID
    """Who submitted or requested last …"""
    submitted_for: UUID | None
    """… and in whose place."""
    submitted_at: datetime
    note: str
    """Of the last submission."""
    approved: Json | None
    """By month, in force."""
    planned: Decimal
    """The sum of what is in force."""
    decided_by: UUID | None
    decided_for: UUID | None
    """In whose place it was decided."""
    decided_at: datetime | None
    reason: str
    """Why it was requested, rejected, denied or returned; or the note of the approval: whatever was said last."""
    reminders: int
    """In this turn."""
    escalated_at: datetime | None
    """In this turn."""
    updated_at: datetime


SCHEDULES = Table("schedules", ScheduleRow, key=2)
