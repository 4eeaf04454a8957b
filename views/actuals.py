"""Actual spend: what a period's report says, and which product each part of it belongs to.

The rows of a report version are summed once, when it is imported; a later allocation is applied to these sums. Each
account's month is cut where its allocation changes, every piece is split over the products of its allocation, and what
falls before the first allocation stays unallocated. So products and unallocated spend add up to the report, always.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from psycopg.sql import SQL
from pydantic_core import to_json

from domain.calendar import Month
from domain.cost import PeriodImported
from domain.decision import RecordedEvent
from domain.money import decimals_of, plain, total
from views.account_rows import ALLOCATIONS, history
from views.batch import ZERO, Batch, Change, Projection
from views.spend import AccountMonth, months_of, split_months
from views.tables import Json, Table


class PeriodRow(NamedTuple):
    billing_period: date
    fiscal_year: int
    source: str
    report_version: str
    payer_account_id: str
    manifest_hash: str
    currency: str
    lines: int
    rows: int
    totals: Json
    """By charge type, as the report says."""
    total: Decimal
    imported_at: datetime


class MonthlyRow(NamedTuple):
    billing_period: date
    account_id: str
    service: str
    charge_type: str
    amount: Decimal


class DailyRow(NamedTuple):
    account_id: str
    billing_period: date
    day: date
    """Within the billing period: a usage date outside of it counts for its first or last day."""
    amount: Decimal


class ShareRow(NamedTuple):
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


PERIODS = Table("cost_periods", PeriodRow, key=1)
MONTHLY = Table("monthly_actuals", MonthlyRow, key=4)
DAILY = Table("daily_spend", DailyRow, key=3, indexes=("(billing_period, account_id)",))
SHARES = Table("account_shares", ShareRow, key=3, group=2, indexes=("(fiscal_year, product)",))
UNALLOCATED = Table("unallocated_spend", UnallocatedRow, key=2)


def wants(batch: Batch, _: RecordedEvent, fact: PeriodImported) -> None:
    batch.rows(PERIODS).want(fact.billing_period.first_day)


def fold(batch: Batch, event: RecordedEvent, fact: PeriodImported) -> None:
    batch.changes.imported[fact.billing_period] = (event, fact)
    totals = {charge_type: plain(amount) for charge_type, amount in fact.totals.items()}
    batch.rows(PERIODS).put(
        PeriodRow(
            billing_period=fact.billing_period.first_day,
            fiscal_year=batch.organization.calendar.fiscal_year_of(fact.billing_period),
            source=fact.source,
            report_version=fact.report_version,
            payer_account_id=fact.payer_account_id,
            manifest_hash=fact.manifest_hash,
            currency=fact.currency,
            lines=fact.lines,
            rows=fact.rows,
            totals=Json(to_json(totals).decode()),
            total=total(list(fact.totals.values())),
            imported_at=event.recorded_at,
        )
    )


def settle(batch: Batch) -> None:
    """Sums the imported periods, then splits every account's month whose spend or allocation changed."""
    months: dict[AccountMonth, None] = {}
    for month, (_, fact) in sorted(batch.changes.imported.items()):
        months.update(dict.fromkeys(_import(batch, month, fact.report_version)))
    daily = DAILY.named(batch.generation)
    months.update(dict.fromkeys(months_of(batch.cursor, daily, sorted(batch.changes.realigned))))
    if months:
        _split(batch, list(months))


def _import(batch: Batch, month: Month, report_version: str) -> list[AccountMonth]:
    """Replaces the sums of a period; every account that had or has spend in it."""
    monthly, daily = MONTHLY.named(batch.generation), DAILY.named(batch.generation)
    period, cursor = month.first_day, batch.cursor
    accounts = SQL("SELECT DISTINCT account_id, billing_period FROM {} WHERE billing_period = %s").format(daily)
    before = cursor.execute(accounts, [period]).fetchall()
    for table in (monthly, daily):
        cursor.execute(SQL("DELETE FROM {} WHERE billing_period = %s").format(table), [period])
    source = "FROM cost_rows WHERE billing_period = %s AND report_version = %s"
    cursor.execute(
        SQL(
            "INSERT INTO {} (billing_period, account_id, service, charge_type, amount) "
            "SELECT billing_period, account_id, service, charge_type, sum(unblended) "
            + source
            + " GROUP BY billing_period, account_id, service, charge_type"
        ).format(monthly),
        [period, report_version],
    )
    cursor.execute(
        SQL(
            "INSERT INTO {} (account_id, billing_period, day, amount) "
            "SELECT account_id, billing_period, least(greatest(usage_date, %s), %s), sum(unblended) "
            + source
            + " GROUP BY 1, 2, 3"
        ).format(daily),
        [period, month.last_day, period, report_version],
    )
    return [*before, *cursor.execute(accounts, [period]).fetchall()]


def _split(batch: Batch, months: list[AccountMonth]) -> None:
    allocations, shares, unallocated = batch.rows(ALLOCATIONS), batch.rows(SHARES), batch.rows(UNALLOCATED)
    for account_id, period in months:
        allocations.want(account_id)
        shares.want(account_id, period)
        unallocated.want(account_id, period)
    batch.load()
    histories = {account_id: history(allocations.having(account_id)) for account_id in {month[0] for month in months}}
    decimals = decimals_of(batch.organization.currency)
    spent = split_months(batch.cursor, DAILY.named(batch.generation), months, histories, decimals)
    for month in months:
        _store_shares(batch, month, spent[month].products)
        _store_unallocated(batch, month, spent[month].unallocated)


def _store_shares(batch: Batch, month: AccountMonth, owned: dict[str, Decimal]) -> None:
    """Rows for all parts that are not zero, and what that changes for the products."""
    shares, (account_id, period) = batch.rows(SHARES), month
    fiscal_year = batch.organization.calendar.fiscal_year_of(Month.of(period))
    before = {row.product: row.amount for row in shares.having(account_id, period)}
    for product in {**before, **owned}:
        old, new = before.get(product, ZERO), owned.get(product, ZERO)
        if old == new:
            continue
        if new:
            shares.put(ShareRow(account_id, period, product, fiscal_year, new))
        else:
            shares.delete(account_id, period, product)
        change = Change(parts=bool(new) - bool(old), actual=new - old)
        batch.changes.month(fiscal_year, product, str(Month.of(period)), change)


def _store_unallocated(batch: Batch, month: AccountMonth, left: tuple[Decimal, date] | None) -> None:
    rows, (account_id, period) = batch.rows(UNALLOCATED), month
    if left is None or not left[0]:
        rows.delete(account_id, period)
        return
    fiscal_year = batch.organization.calendar.fiscal_year_of(Month.of(period))
    rows.put(UnallocatedRow(account_id, period, fiscal_year, *left))


PROJECTION = Projection((PERIODS, MONTHLY, DAILY, SHARES, UNALLOCATED), (PeriodImported,), wants, fold, settle)
