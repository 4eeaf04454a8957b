"""The tables of actual spend: what the reports say by day, what is booked elsewhere, and whose it is."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from views.tables import Json, Table


class PeriodRow(NamedTuple):
    """A billing period of one payer as its newest version says."""

    billing_period: date
    payer_account_id: str
    fiscal_year: int
    source: str
    report_version: str
    """In force: the newest one."""
    shown_version: str
    """Whose rows are the period's own figures: an older one where the month was closed before the newest came, and none
    where it was closed before the first one came."""
    format: str
    currency: str
    lines: int
    totals: Json
    """By metric and charge type, as the report says."""
    total: Decimal
    """Unblended."""
    is_final: bool
    """Whether AWS has invoiced it, as the newest version says."""
    final_version: str
    """The first version that said so; empty while none has."""
    versions: int
    """How many were imported so far."""
    imported_at: datetime


class VersionRow(NamedTuple):
    """What a version said when it was imported, and what it changed."""

    billing_period: date
    payer_account_id: str
    report_version: str
    ordinal: int
    """1 for the payer's first one."""
    replaced: str
    """The version that was in force before; empty for the first one."""
    source: str
    manifest_hash: str
    format: str
    engine: str
    currency: str
    lines: int
    rows: int
    totals: Json
    """By metric and charge type, as the report says."""
    upfront: Decimal
    true_up: Decimal
    unclassified: Json
    """Lines by line item type that is in no table."""
    split_lines: int
    invoices: Json
    """How far AWS has invoiced, by kind of bill (`domain.cost.InvoiceState`)."""
    is_final: bool
    booked_in: date | None
    """Of an adjustment: first day of the month whose figures it changes."""
    restated: int
    """Accounts that it changed."""
    position: int
    imported_at: datetime


class RestatementRow(NamedTuple):
    """What a version has changed of an account's month."""

    billing_period: date
    account_id: str
    payer_account_id: str
    report_version: str
    replaced: str
    before: Json
    """By metric, of the days that both versions are about."""
    after: Json
    first_changed: date
    last_changed: date
    adjustment: bool
    booked_in: date | None
    recorded_at: datetime


class MonthlyRow(NamedTuple):
    billing_period: date
    payer_account_id: str
    account_id: str
    service: str
    charge_type: str
    unblended: Decimal
    amortized: Decimal
    net_unblended: Decimal
    net_amortized: Decimal


class DailyRow(NamedTuple):
    """What a report says of an account's day."""

    account_id: str
    billing_period: date
    day: date
    """Within the billing period: a usage date outside of it counts for its first or last day."""
    payer_account_id: str
    unblended: Decimal
    amortized: Decimal
    net_unblended: Decimal
    net_amortized: Decimal


class AdjustmentRow(NamedTuple):
    """What a version has changed of a closed month, booked into an open one. What a period's rows say here adds up to
    its newest version less the one that is shown."""

    account_id: str
    booked_in: date
    """First day of that month, which is also the day it counts for."""
    billing_period: date
    """Of the report."""
    payer_account_id: str
    report_version: str
    fiscal_year: int
    """Of the month that it is booked in."""
    unblended: Decimal
    amortized: Decimal
    net_unblended: Decimal
    net_amortized: Decimal


class DailyShareRow(NamedTuple):
    """Whose an account's day is; without a row that is zero in every metric. Adds up to `daily_spend` and
    `cost_adjustments`, in every metric, account and day."""

    account_id: str
    billing_period: date
    day: date
    product: str
    """Empty for what belongs to nobody's budget."""
    workload: str
    """Empty for what no workload has claimed."""
    unblended: Decimal
    amortized: Decimal
    net_unblended: Decimal
    net_amortized: Decimal


class ShareRow(NamedTuple):
    """Of an account's month, in the metric that budgets are compared with."""

    account_id: str
    billing_period: date
    product: str
    fiscal_year: int
    amount: Decimal


class UnallocatedRow(NamedTuple):
    account_id: str
    billing_period: date
    fiscal_year: int
    amount: Decimal
    since: date
    """Its first day with unallocated spend."""


class MetricRow(NamedTuple):
    """With which metric budgets are compared from a fiscal year on, until the next row."""

    fiscal_year: int
    metric: str
    note: str
    chosen_by: UUID
    chosen_at: datetime


METRIC_CHOICES = Table("cost_metrics", MetricRow, key=1)
PERIODS = Table("cost_periods", PeriodRow, key=2)
VERSIONS = Table("cost_versions", VersionRow, key=3)
RESTATEMENTS = Table("cost_restatements", RestatementRow, key=4)
MONTHLY = Table("monthly_actuals", MonthlyRow, key=5)
DAILY = Table("daily_spend", DailyRow, key=4, indexes=("(billing_period, account_id)",))
ADJUSTMENTS = Table("cost_adjustments", AdjustmentRow, key=5, indexes=("(billing_period, payer_account_id)",))
DAILY_SHARES = Table("daily_shares", DailyShareRow, key=5)
SHARES = Table("account_shares", ShareRow, key=3, indexes=("(fiscal_year, product)",))
UNALLOCATED = Table("unallocated_spend", UnallocatedRow, key=2)
