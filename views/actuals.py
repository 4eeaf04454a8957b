"""Actual spend: what a period's report says, and whose each part of it is.

The rows of a report version are summed once, when it is imported (`views.cost_sums`). From these sums, by account and
day, everything else is computed where it is stored: whose the day is (`views.spend`), and from the days the months, in
the metric that budgets are compared with. Only days that something was said about are computed, and only rows that come
out differently are written. So products and unallocated spend add up to the report, always.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise

from psycopg.sql import SQL

from domain.calendar import Month
from domain.metric_choice import metric_in
from domain.money import decimals_of
from views.account_rows import ALLOCATIONS
from views.batch import Batch, Change, Projection
from views.claims import CLAIMS
from views.cost_periods import choices
from views.cost_sums import import_all
from views.spend import (
    IN_METRIC,
    TOUCHED,
    AccountMonth,
    Days,
    Sources,
    asked,
    days_between,
    merged,
    months_of,
    of_currency,
    replace_query,
    shares_query,
)
from views.spend_tables import ADJUSTMENTS, DAILY, DAILY_SHARES, METRIC_CHOICES, MONTHLY, PERIODS, SHARES, UNALLOCATED

_MONTHS = SQL("""
WITH touched AS ({touched}),
measured AS (
    SELECT account_id, billing_period, day, product, fiscal_year, CASE metric {in_metric} END AS amount
    FROM touched JOIN {daily_shares} USING (account_id, billing_period)
    JOIN unnest(%(months)s::date[], %(years)s::bigint[], %(metrics)s::text[]) AS y(billing_period, fiscal_year, metric)
        USING (billing_period)
),
fresh AS ({fresh}),
{replaced}
{answered}""")
_FRESH_SHARES = SQL("""
SELECT account_id, billing_period, product, fiscal_year, sum(amount) AS amount FROM measured WHERE product <> ''
GROUP BY account_id, billing_period, product, fiscal_year HAVING sum(amount) <> 0""")
_FRESH_UNALLOCATED = SQL("""
SELECT account_id, billing_period, fiscal_year, sum(amount) AS amount, min(day) FILTER (WHERE amount <> 0) AS since
FROM measured WHERE product = '' GROUP BY account_id, billing_period, fiscal_year HAVING sum(amount) <> 0""")
_BY_PRODUCT = SQL("""
SELECT product, billing_period, sum(is_there - was_there), sum(coalesce(amount, 0) - coalesce(amount_before, 0))
FROM changed GROUP BY product, billing_period""")
WORK_MEMORY = "32MB"
"""Of each sort and hash, of which these queries have some ten; with less, the days of 10,000 accounts go by disk."""


def settle(batch: Batch) -> None:
    """Brings in the imported versions, then computes every account's days whose spend or owner changed."""
    changes = batch.changes
    if not (changes.imported or changes.realigned or changes.claimed or changes.measured_from):
        return
    batch.cursor.execute("SELECT set_config('work_mem', %s, true)", [WORK_MEMORY])
    batch.write(PERIODS, METRIC_CHOICES, ALLOCATIONS, CLAIMS)
    days = merged([*import_all(batch), *_realigned(batch)])
    if days:
        _share(batch, days)
    months = dict.fromkeys([*(one[:2] for one in days), *_remeasured(batch)])
    if months:
        _sum_up(batch, list(months))


def _sources(batch: Batch) -> Sources:
    tables = (DAILY, ADJUSTMENTS, PERIODS, CLAIMS, ALLOCATIONS)
    return Sources(*(table.named(batch.generation) for table in tables))


def _realigned(batch: Batch) -> Iterator[Days]:
    """The days from each new allocation to the one after it, and those from which on claims have changed."""
    changes, allocations = batch.changes, batch.rows(ALLOCATIONS)
    accounts = sorted({*changes.realigned, *changes.claimed})
    for month in months_of(batch.cursor, _sources(batch), accounts):
        account_id = month[0]
        if since := changes.realigned.get(account_id):
            starts = sorted({row.effective_on for row in allocations.having(account_id)})
            for first, after in pairwise([*starts, date.max]):
                if first in since and (days := days_between(month, first, after - timedelta(days=1))):
                    yield days
        claimed_from = changes.claimed.get(account_id)
        if claimed_from and (days := days_between(month, claimed_from, date.max)):
            yield days


def _remeasured(batch: Batch) -> list[AccountMonth]:
    """All months since the first fiscal year with another metric."""
    if (year := batch.changes.measured_from) is None:
        return []
    first = batch.organization.calendar.first_month_of(year).first_day
    query = SQL("SELECT DISTINCT account_id, billing_period FROM {} WHERE billing_period >= %s")
    return batch.cursor.execute(query.format(DAILY_SHARES.named(batch.generation)), [first]).fetchall()


def _share(batch: Batch, days: Sequence[Days]) -> None:
    where = "s.account_id = t.account_id AND s.billing_period = t.billing_period AND s.day BETWEEN t.first AND t.last"
    query = SQL("WITH {}, {} SELECT").format(
        shares_query(_sources(batch)), replace_query(DAILY_SHARES, batch.generation, where)
    )
    batch.cursor.execute(query, asked(days) | of_currency(decimals_of(batch.organization.currency)))


def _sum_up(batch: Batch, months: Sequence[AccountMonth]) -> None:
    """The months of accounts, and what they change for the products."""
    calendar = batch.organization.calendar
    periods = sorted({period for _, period in months})
    years = {period: calendar.fiscal_year_of(Month.of(period)) for period in periods}
    chosen = choices(batch)
    parameters = asked([Days(*month, month[1], month[1]) for month in months]) | {
        "months": periods,
        "years": list(years.values()),
        "metrics": [metric_in(chosen, year) for year in years.values()],
    }
    where = "s.account_id = t.account_id AND s.billing_period = t.billing_period"
    for table, fresh, answered in (
        (UNALLOCATED, _FRESH_UNALLOCATED, SQL("SELECT")),
        (SHARES, _FRESH_SHARES, _BY_PRODUCT),
    ):
        query = _MONTHS.format(
            touched=TOUCHED,
            daily_shares=DAILY_SHARES.named(batch.generation),
            in_metric=IN_METRIC,
            fresh=fresh,
            replaced=replace_query(table, batch.generation, where),
            answered=answered,
        )
        batch.cursor.execute(query, parameters)
    for product, period, parts, actual in batch.cursor.fetchall():
        change = Change(parts=int(parts), actual=actual)
        batch.changes.month(years[period], product, str(Month.of(period)), change)


PROJECTION = Projection((MONTHLY, DAILY, ADJUSTMENTS, DAILY_SHARES, SHARES, UNALLOCATED), settle=settle)
