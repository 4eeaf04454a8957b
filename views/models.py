"""What queries answer: frozen and typed. Amounts have at least their currency's decimals, and every digit there is."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from domain.account import Lifecycle
from domain.business_days import BusinessCalendar
from domain.calendar import Month
from domain.cost_metric import DEFAULT_METRIC, CostMetric
from domain.decision import Persona
from domain.hierarchy import DEFAULT_LABELS, NodePath
from domain.model import Model
from domain.money import EXACT, Amount, decimals_of, decimals_used
from domain.schedule import State
from views.account_models import AccountDetail as AccountDetail
from views.account_models import AllocationDetail as AllocationDetail
from views.account_models import ShareDetail as ShareDetail


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
    """In the budget; a withdrawn product is none of them, though what remains of it still counts."""
    approved: int
    """Of these, with an approved schedule."""
    state: State | None = None
    """Of a product's schedule; None above products, and for whatever is not in the year's budget."""
    over_budget: bool = False
    """Whether a product's approved schedule does not fit its annual budget any more."""
    withdrawn: bool = False
    """Whether a product was taken out of the year's budget."""

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
    lifecycle: Lifecycle = Lifecycle.UNKNOWN
    """Where the account stands now; it may have been allocated since for later days."""

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
    """report − products − unallocated + booked here − booked elsewhere"""
    charge_types: dict[str, Amount]
    """As the report says."""
    booked_here: Amount = Decimal(0)
    """Part of products and unallocated: adjustments of other months, which were closed already."""
    booked_elsewhere: Amount = Decimal(0)
    """Part of the report: adjustments of this month since it was closed, which other months have."""
    metric: CostMetric = DEFAULT_METRIC
    """In which all of it is: the one that the year's budgets are compared with."""
    is_final: bool = False
    """Whether AWS has invoiced the month, for every payer."""

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
    turn: int
    """Version at which the present state began; 0 before the first submission."""
    since: datetime
    """When it began."""
    round: int
    over_budget: bool
    """Whether the approved schedule does not fit the annual budget any more."""
    attached: bool
    """Whether a reschedule request holds the new schedule."""
    returned: bool
    """Whether it came back by itself, because the annual budget changed; `reason` says why."""
    reminders: int
    """In this turn."""
    escalated: bool
    """Whether the level above may decide in this turn."""
    currency: str
    annual: Amount
    effective_on: date
    """Day from which the annual budget holds."""
    withdrawn: bool
    """Whether the product was taken out of the budget; `annual` is what remains."""
    estimated: Amount | None
    code: str
    owner: UUID | None
    """As named in the budget file."""
    owner_name: str
    planned: Amount
    unallocated: Amount
    submitted: dict[Month, Amount]
    """As last submitted, or attached to a request."""
    submitted_total: Amount
    submitted_by: UUID | None
    """Who submitted or requested last."""
    submitted_by_name: str
    submitted_for: UUID | None
    """In whose place."""
    submitted_for_name: str
    submitted_at: datetime | None
    note: str
    """Of the submission."""
    approved: dict[Month, Amount]
    """In force."""
    decided_by: UUID | None
    decided_by_name: str
    decided_for: UUID | None
    """In whose place it was decided."""
    decided_for_name: str
    decided_at: datetime | None
    reason: str
    """Why it was requested, rejected, denied or returned, or the note of the approval: whatever was said last."""
    proposal: dict[Month, Amount]
    """As loaded with the budget."""
    actual: dict[Month, Amount]
    updated_at: datetime


class Why(StrEnum):
    """Why somebody has a task."""

    OWNER = "owner"
    """It is theirs by a grant of their own, or of whoever delegated to them."""
    NOBODY_LEFT = "nobody_left"
    """Nobody holds what it takes, but whoever asked for it themselves."""
    ESCALATED = "escalated"
    """It waited too long for those whose it is, who still have it, too."""


class TaskDetail(Model):
    kind: str
    """One of `views.tasks.TaskKind`."""
    subject: str
    """A product path or an account id."""
    fiscal_year: int
    """0 for a task of no year."""
    persona: Persona
    """Whose turn it is by the rules …"""
    node: NodePath
    """… and where."""
    version: int
    detail: str
    since: datetime
    timed: bool = False
    """Whether reminders and escalation come."""
    reminders: int = 0
    escalated: bool = False
    vacant: bool = False
    """Whether nobody is left whose turn it could be by the rules."""
    until: date | None = None
    """The last day on which it can be done."""
    why: Why = Why.OWNER
    on_behalf_of: UUID | None = None
    """Whoever delegated it to the person."""
    on_behalf_of_name: str = ""

    def due_at(self, business: BusinessCalendar) -> datetime | None:
        """When it is escalated if nobody acts; None for what is not."""
        return business.after(self.since, business.escalation_days) if self.timed else None

    def age_days(self, business: BusinessCalendar, now: datetime) -> int:
        """Whole business days that it has waited."""
        return business.between(self.since, now)


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
    policies: tuple[str, ...]
    """Ids of the policies that allowed or, for a refusal, forbade it."""
    policy_version: str
    recorded_at: datetime


class GrantDetail(Model):
    persona: Persona
    node: NodePath


class PersonDetail(Model):
    person_id: UUID
    email: str
    name: str
    registered: bool
    deactivated: bool = False
    grants: tuple[GrantDetail, ...]


class DelegationDetail(Model):
    person_id: UUID
    """Who may decide …"""
    person_name: str
    delegated_by: UUID
    """… in whose place."""
    delegated_by_name: str
    first_day: date
    last_day: date
    """Included."""
    note: str
    delegated_at: datetime
    ended_at: datetime | None
    """When it was taken back before its time."""

    def holds_on(self, day: date) -> bool:
        return self.ended_at is None and self.first_day <= day <= self.last_day


class BudgetLoadDetail(Model):
    fiscal_year: int
    ordinal: int
    """First, second, … load of the year."""
    mode: str
    """new, change or override"""
    customer: str
    option: str
    file_version: str
    content_hash: str
    effective_on: date
    currency: str
    products: int
    """Rows of the file."""
    total: Amount
    """Of the rows of the file."""
    added: int
    changed: int
    withdrawn: int
    loaded_by: UUID
    loaded_by_name: str
    loaded_at: datetime


class ClosedMonth(Model):
    month: Month
    closed_by: UUID
    closed_by_name: str
    closed_at: datetime
    note: str


def tidy(amount: Decimal, currency: str) -> Decimal:
    """Without the zeros that the views' fixed scale adds beyond the currency's decimals."""
    decimals = max(decimals_of(currency), decimals_used(amount))
    return amount.quantize(Decimal(1).scaleb(-decimals), context=EXACT)
