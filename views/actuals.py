"""Actual spend: what a period's report says, and whose each part of it is.

The rows of a report version are summed once, when it is imported. From these sums, by account and day, everything else
is computed where it is stored: whose the day is (`views.spend`), and from the days the months, in the metric that budgets
are compared with. Only days that something was said about are computed, and only rows that come out differently are
written. So products and unallocated spend add up to the report, always.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from psycopg.sql import SQL

from domain.calendar import Month
from domain.cost import PeriodImported
from domain.money import decimals_of
from views.account_rows import ALLOCATIONS
from views.batch import Batch, Change, Projection
from views.claims import CLAIMS
from views.cost_periods import metric_of
from views.spend import (
    IN_METRIC,
    LAST_DAY,
    SUMMED,
    TOUCHED,
    AccountMonth,
    Days,
    Sources,
    asked,
    days_between,
    each,
    merged,
    months_of,
    of_currency,
    replace_query,
    shares_query,
)
from views.spend_tables import ADJUSTMENTS, DAILY, DAILY_SHARES, MONTHLY, PERIODS, SHARES, UNALLOCATED

_OF_VERSION = "FROM cost_rows WHERE billing_period = %(period)s AND report_version = %(version)s"
_MEASURED = each("coalesce({0}, unblended)")  # versions of before the other metrics have the one
_NOTHING = each("sum({0}) = 0", " AND ")
_MONTHLY = SQL(
    "INSERT INTO {table} SELECT billing_period, %(payer)s, account_id, service, charge_type, {sums} "
    + _OF_VERSION
    + " GROUP BY billing_period, account_id, service, charge_type"
)
_DAILY = SQL(
    "INSERT INTO {table} SELECT account_id, billing_period, least(greatest(usage_date, billing_period), "
    + LAST_DAY
    + "), %(payer)s, {sums} "
    + _OF_VERSION
    + " GROUP BY 1, 2, 3"
)
_DIFFERENCE = SQL(
    "INSERT INTO {table} SELECT account_id, %(booked_in)s, %(period)s, %(payer)s, %(version)s, %(fiscal_year)s, {sums} FROM ("
    "SELECT account_id, {metrics} " + _OF_VERSION + " UNION ALL SELECT account_id, {negative} "
    "FROM cost_rows WHERE billing_period = %(period)s AND report_version = %(before)s) AS rows (account_id, {names}) "
    "GROUP BY account_id HAVING NOT ({nothing}) RETURNING account_id"
)
_TAKEN_BACK = SQL(
    "INSERT INTO {table} SELECT account_id, %(period)s, %(period)s, %(payer)s, %(version)s, %(fiscal_year)s, {sums} FROM {table} "
    "WHERE billing_period = %(period)s AND payer_account_id = %(payer)s "
    "GROUP BY account_id HAVING NOT ({nothing}) RETURNING account_id"
)
_MONTHS = """
WITH touched AS ({touched}),
measured AS (
    SELECT account_id, billing_period, day, product, fiscal_year, CASE metric {in_metric} END AS amount
    FROM touched JOIN {daily_shares} USING (account_id, billing_period)
    JOIN unnest(%(months)s::date[], %(years)s::bigint[], %(metrics)s::text[]) AS y(billing_period, fiscal_year, metric)
        USING (billing_period)
),
fresh AS ("""
_SHARES = SQL(
    _MONTHS
    + """
    SELECT account_id, billing_period, product, fiscal_year, sum(amount) AS amount FROM measured WHERE product <> ''
    GROUP BY account_id, billing_period, product, fiscal_year HAVING sum(amount) <> 0
),
{replaced}
SELECT product, billing_period, sum(is_there - was_there), sum(coalesce(amount, 0) - coalesce(amount_before, 0))
FROM changed GROUP BY product, billing_period"""
)
_UNALLOCATED = SQL(
    _MONTHS
    + """
    SELECT account_id, billing_period, fiscal_year, sum(amount) AS amount, min(day) FILTER (WHERE amount <> 0) AS since
    FROM measured WHERE product = '' GROUP BY account_id, billing_period, fiscal_year HAVING sum(amount) <> 0
),
{replaced}
SELECT"""
)


def settle(batch: Batch) -> None:
    """Brings in the imported versions, then computes every account's days whose spend or owner changed."""
    batch.write(PERIODS, ALLOCATIONS, CLAIMS)
    days = merged([*_import_all(batch), *_realigned(batch)])
    if days:
        _share(batch, days)
    months = dict.fromkeys([*(one[:2] for one in days), *_remeasured(batch)])
    if months:
        _sum_up(batch, list(months))


def _sources(batch: Batch) -> Sources:
    tables = (DAILY, ADJUSTMENTS, PERIODS, CLAIMS, ALLOCATIONS)
    return Sources(*(table.named(batch.generation) for table in tables))


def _import_all(batch: Batch) -> list[Days]:
    """The days of every account that had or has spend of an imported version. Of several versions that take each
    other's place in one batch only the last one need be summed."""
    imports, days = batch.changes.imported, list[Days]()
    last = {
        (fact.billing_period, fact.payer_account_id): n for n, (fact, _) in enumerate(imports) if not fact.is_booked
    }
    for n, (fact, before) in enumerate(imports):
        if fact.is_booked:
            days += _book(batch, fact, before)
            continue
        days += _take_back(batch, fact)
        if last[fact.billing_period, fact.payer_account_id] == n:
            days += _import(batch, fact)
    return days


def _import(batch: Batch, fact: PeriodImported) -> list[Days]:
    """Replaces the sums of a payer's period."""
    daily, cursor = DAILY.named(batch.generation), batch.cursor
    names = _names(fact)
    accounts = SQL(
        "SELECT DISTINCT account_id FROM {} WHERE billing_period = %(period)s AND payer_account_id = %(payer)s"
    ).format(daily)
    found = cursor.execute(accounts, names).fetchall()
    for table, query in ((MONTHLY, _MONTHLY), (DAILY, _DAILY)):
        name = table.named(batch.generation)
        delete = SQL("DELETE FROM {} WHERE billing_period = %(period)s AND payer_account_id = %(payer)s").format(name)
        cursor.execute(delete, names)
        cursor.execute(query.format(table=name, sums=each("sum(coalesce({0}, unblended))")), names)
    found += cursor.execute(accounts, names).fetchall()
    month = fact.billing_period
    return [
        Days(account_id, month.first_day, month.first_day, month.last_day) for (account_id,) in dict.fromkeys(found)
    ]


def _book(batch: Batch, fact: PeriodImported, before: str) -> list[Days]:
    """What a version has changed of a closed month goes into an open one, on its first day."""
    assert fact.booked_in is not None
    first = fact.booked_in.first_day
    query = _DIFFERENCE.format(
        table=ADJUSTMENTS.named(batch.generation),
        sums=SUMMED,
        metrics=_MEASURED,
        negative=each("-coalesce({0}, unblended)"),
        names=each("{0}"),
        nothing=_NOTHING,
    )
    year = batch.organization.calendar.fiscal_year_of(fact.booked_in)
    parameters = _names(fact) | {"before": before, "booked_in": first, "fiscal_year": year}
    found = batch.cursor.execute(query, parameters).fetchall()
    return [Days(account_id, first, first, first) for (account_id,) in found]


def _take_back(batch: Batch, fact: PeriodImported) -> list[Days]:
    """A month that shows its newest version again has less by what was booked into other months, and stays there."""
    query = _TAKEN_BACK.format(table=ADJUSTMENTS.named(batch.generation), sums=each("-sum({0})"), nothing=_NOTHING)
    first = fact.billing_period.first_day
    year = batch.organization.calendar.fiscal_year_of(fact.billing_period)
    found = batch.cursor.execute(query, _names(fact) | {"fiscal_year": year}).fetchall()
    return [Days(account_id, first, first, first) for (account_id,) in found]


def _names(fact: PeriodImported) -> dict[str, Any]:
    return {
        "period": fact.billing_period.first_day,
        "payer": fact.payer_account_id,
        "version": fact.report_version,
    }


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
        if (first := changes.claimed.get(account_id)) and (days := days_between(month, first, date.max)):
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
    parameters = asked([Days(*month, month[1], month[1]) for month in months]) | {
        "months": periods,
        "years": list(years.values()),
        "metrics": [metric_of(batch, year) for year in years.values()],
    }
    for table, query in ((UNALLOCATED, _UNALLOCATED), (SHARES, _SHARES)):
        where = "s.account_id = t.account_id AND s.billing_period = t.billing_period"
        batch.cursor.execute(
            query.format(
                touched=TOUCHED,
                daily_shares=DAILY_SHARES.named(batch.generation),
                in_metric=IN_METRIC,
                replaced=replace_query(table, batch.generation, where),
            ),
            parameters,
        )
    for product, period, parts, actual in batch.cursor.fetchall():
        change = Change(parts=int(parts), actual=actual)
        batch.changes.month(years[period], product, str(Month.of(period)), change)


PROJECTION = Projection((MONTHLY, DAILY, ADJUSTMENTS, DAILY_SHARES, SHARES, UNALLOCATED), settle=settle)
