"""What queries answer: frozen and typed. Amounts have at least their currency's decimals, and every digit there is."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from domain.calendar import Month
from domain.decision import Persona
from domain.hierarchy import DEFAULT_LABELS, NodePath
from domain.model import Model
from domain.money import EXACT, Amount, decimals_of, decimals_used
from domain.schedule import State


class RollupRow(Model):
    path: NodePath
    level: int
    """0 for the organization, 1 to 4 for E1 to E4."""
    name: str
    label: str
    """The customer's own word for the level."""
    annual: Amount
    planned: Amount
    """Approved schedules only."""
    unallocated: Amount
    """annual − planned"""
    actual: Amount
    variance: Amount
    """planned − actual: above zero while less was spent than planned."""
    products: int
    """With a budget line."""
    approved: int
    """Of these, with an approved schedule."""
    state: State | None = None
    """Of a product's schedule; None above products, and for spend in a year without a budget line."""

    @property
    def is_approved(self) -> bool:
        """Whether the plan of all of it is approved; the rest is grey."""
        return 0 < self.products == self.approved


class UnallocatedAccount(Model):
    """Spend that belongs to nobody's budget yet."""

    account_id: str
    name: str
    """Empty while Organizations has not shown the account."""
    amount: Amount
    since: date
    """First day with unallocated spend in this fiscal year."""
    months: dict[Month, Amount]

    def age_days(self, today: date) -> int:
        return (today - self.since).days


class PeriodCheck(Model):
    """One billing period: what the report says against what the views show."""

    billing_period: Month
    report_version: str
    report: Amount
    products: Amount
    unallocated: Amount
    difference: Amount
    """report − products − unallocated"""
    charge_types: dict[str, Amount]
    """As the report says."""

    @property
    def equal(self) -> bool:
        return self.difference == 0


class RollupReport(Model):
    fiscal_year: int
    node: NodePath
    currency: str
    labels: tuple[str, ...] = DEFAULT_LABELS
    rows: tuple[RollupRow, ...]
    """The node, then all below it, each after the node it stands in."""
    unallocated: tuple[UnallocatedAccount, ...]
    """Of the whole organization, largest first, whatever node was asked for."""
    unallocated_total: Amount
    periods: tuple[PeriodCheck, ...]
    position: int
    """Log position that the report shows."""

    @property
    def reconciles(self) -> bool:
        """Whether products and unallocated spend add up to the report in every period, to the last digit."""
        return all(period.equal for period in self.periods)


class MonthAmounts(Model):
    month: Month
    planned: Amount
    actual: Amount


class ScheduleDetail(Model):
    fiscal_year: int
    product: NodePath
    state: State
    version: int
    """What a decision must name; 0 before the first submission."""
    round: int
    """Of the last submission; 0 before the first one."""
    currency: str
    annual: Amount
    planned: Amount
    unallocated: Amount
    submitted: dict[Month, Amount]
    """As last submitted."""
    submitted_total: Amount
    submitted_by: UUID | None
    submitted_by_name: str
    submitted_at: datetime | None
    note: str
    approved: dict[Month, Amount]
    """In force."""
    decided_by: UUID | None
    decided_by_name: str
    decided_at: datetime | None
    reason: str
    """Why it was rejected, or the note of the approval."""
    proposal: dict[Month, Amount]
    """As loaded with the budget."""
    actual: dict[Month, Amount]
    updated_at: datetime


class ShareDetail(Model):
    product: NodePath
    percent: Amount


class AllocationDetail(Model):
    account_id: str
    account_type: str
    effective_on: date
    effective_to: date | None
    """Exclusive; None for the last one."""
    shares: tuple[ShareDetail, ...]
    allocated_by: UUID
    allocated_by_name: str
    note: str
    recorded_at: datetime


class AccountDetail(Model):
    account_id: str
    name: str
    email: str
    state: str
    joined_method: str
    joined_at: datetime
    ou_path: str
    tags: dict[str, str]
    first_seen_at: datetime
    aligned_at: datetime | None
    allocated_since: date | None
    allocation: AllocationDetail | None
    """The last one of its history."""


class TaskDetail(Model):
    kind: str
    """`approve_schedule`, `revise_schedule` or `allocate_account`."""
    subject: str
    """A product path or an account id."""
    fiscal_year: int
    """0 for a task of no year."""
    persona: Persona
    node: NodePath
    version: int
    detail: str
    since: datetime


class AuditEntry(Model):
    position: int
    event_id: UUID
    stream: str
    stream_version: int
    fact_name: str
    fact: dict[str, Any]
    actor: UUID
    actor_name: str
    on_behalf_of: UUID | None
    on_behalf_of_name: str
    channel: str
    command_id: UUID
    workflow_id: str
    workflow_run_id: str
    activity_id: str
    recorded_at: datetime


class GrantDetail(Model):
    persona: Persona
    node: NodePath


class PersonDetail(Model):
    person_id: UUID
    email: str
    name: str
    registered: bool
    grants: tuple[GrantDetail, ...]


def tidy(amount: Decimal, currency: str) -> Decimal:
    """Without the zeros that the views' fixed scale adds beyond the currency's decimals."""
    decimals = max(decimals_of(currency), decimals_used(amount))
    return amount.quantize(Decimal(1).scaleb(-decimals), context=EXACT)
