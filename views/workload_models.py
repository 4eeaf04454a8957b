"""What is told of workloads and claims: frozen and typed."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from domain.calendar import Month
from domain.hierarchy import NodePath
from domain.model import Model
from domain.money import Amount
from domain.workload import Component, State

type ByMonth = dict[Component, dict[Month, Amount]]


class WorkloadSummary(Model):
    """One of a list."""

    product: NodePath
    workload: str
    """The name under which it was created."""
    title: str
    account_id: str
    launch_month: Month
    end_month: Month
    ends_on: date
    """The first day that does not belong to it any more."""
    withdrawn_on: date | None
    state: State
    """Of the newest estimate."""
    version: int
    """What a decision must name."""
    turn: int
    since: datetime
    round: int
    awaiting: str
    """Persona whose turn it is; empty for nobody."""
    reminders: int
    escalated: bool
    currency: str
    submitted_total: Amount
    approved_total: Amount
    """What counts: of the approved estimate, the months before the workload has ended."""
    claims: int
    """Resources that are claimed today, or from a later day on."""

    def is_over(self, day: date) -> bool:
        return self.ends_on <= day


class ComponentMonth(Model):
    """What a component was to cost in a month, and did."""

    month: Month
    component: Component
    estimate: Amount
    actual: Amount
    billed: bool
    """Whether a cost report was imported for it, or for a later month. What has not been billed has not drifted."""

    @property
    def drift(self) -> Decimal | None:
        """Above zero: more than was estimated. None where nothing was billed yet."""
        return self.actual - self.estimate if self.billed else None


class ClaimDetail(Model):
    """A claim that holds today, or will."""

    account_id: str
    resource: str
    component: Component
    since: date
    until: date | None
    """Exclusive."""
    problem: Literal["", "account not allocated"] = ""
    """Whether its account belongs to other products by now; it stays claimed until somebody releases it."""


class WorkloadDetail(WorkloadSummary):
    fiscal_year: int
    created_by: UUID
    created_by_name: str
    created_at: datetime
    submitted: ByMonth
    approved: ByMonth
    """What counts."""
    submitted_by: UUID | None
    submitted_by_name: str
    submitted_for: UUID | None
    submitted_for_name: str
    submitted_at: datetime | None
    decided_by: UUID | None
    decided_by_name: str
    decided_at: datetime | None
    calculator_url: str
    note: str
    reason: str
    months: tuple[ComponentMonth, ...]
    """Of the approved estimate and of what its resources have cost, by month and component."""
    metric: str
    """Of the actual cost."""
    resources: tuple[ClaimDetail, ...]
    """The first of them."""
