"""What the queries of cost reports answer: frozen and typed."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from domain.calendar import Month
from domain.charge_type import ChargeGroup
from domain.cost import InvoiceState
from domain.cost_metric import CostMetric
from domain.model import Model
from domain.money import Amount, total

MetricTotals = dict[CostMetric, Amount]


class AccountChange(Model):
    """What a version has changed of an account's month, on days that the version before had covered."""

    account_id: str
    before: MetricTotals
    after: MetricTotals
    first_changed: date
    last_changed: date


class ChargeTypeChange(Model):
    """How a charge type's total differs from that of the version before."""

    charge_type: str
    difference: MetricTotals


class CostVersion(Model):
    """One version of a payer's report for a billing period."""

    billing_period: Month
    payer_account_id: str
    ordinal: int
    """1 for the payer's first one."""
    report_version: str
    replaced: str
    """The version before; empty for the first one."""
    imported_at: datetime
    source: str
    manifest_hash: str
    format: str
    engine: str
    currency: str
    lines: int
    rows: int
    totals: MetricTotals
    changes: tuple[ChargeTypeChange, ...]
    """By charge type; none for the first version, and none that are zero."""
    upfront: Amount
    true_up: Amount
    unclassified: dict[str, int]
    split_lines: int
    invoices: tuple[InvoiceState, ...]
    is_final: bool
    """Whether AWS has invoiced what was used, as this version says."""
    is_shown: bool
    """Whether the period's own figures are this version's."""
    adjustment: bool
    booked_in: Month | None
    """Of an adjustment: the month whose figures it changes."""
    restated: int
    """Accounts whose spend it changed on days that the version before had covered."""
    accounts: tuple[AccountChange, ...] = ()
    """Of the one account that was asked for."""


class ChargeTypeTotal(Model):
    """A line of a period's bill."""

    group: ChargeGroup
    charge_type: str
    totals: MetricTotals


class CostPeriodDetail(Model):
    """What the newest versions of all payers say of a billing period."""

    billing_period: Month
    currency: str
    metric: CostMetric
    """With which the budgets of its fiscal year are compared."""
    payers: tuple[str, ...]
    versions: tuple[str, ...]
    """Of each payer."""
    charges: tuple[ChargeTypeTotal, ...]
    totals: MetricTotals
    upfront: Amount
    true_up: Amount
    unclassified: dict[str, int]
    """Lines by line item type that is in no table."""
    split_lines: int
    invoices: tuple[InvoiceState, ...]
    is_final: bool

    @property
    def difference(self) -> Decimal:
        """Zero by AWS's own formulas: amortized + upfront + true-up = unblended."""
        cost = self.totals
        return total([cost[CostMetric.UNBLENDED], -cost[CostMetric.AMORTIZED], -self.upfront, -self.true_up])
