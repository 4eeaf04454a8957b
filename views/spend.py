"""Whose spend it is: an account's days, less what workloads have claimed, split over the products of its allocation.

Actual spend is stored like that, and the preview of an allocation is computed like that: by one query. For every
account, day and metric

    claimed      what the resources cost that a workload has claimed goes to the workload's product, whole
    the rest     by the percentages of the account's allocation on that day: in whole minor units of the currency, by
                 largest remainder, ties to the first product by path; what is finer follows the largest percentage
    without one  it belongs to nobody, which is product '' here

as `domain.allocation.split_spend` does it, which tests hold against this query. All of it adds up to the account's day.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from psycopg import Cursor
from psycopg.sql import SQL, Composable, Composed, Identifier

from domain.allocation import PERCENT_DECIMALS, WHOLE_PERCENT
from domain.calendar import Month
from domain.cost_metric import CostMetric
from views.tables import Table

AccountMonth = tuple[str, date]
METRICS = tuple(metric.value for metric in CostMetric)


class Days(NamedTuple):
    """Days of an account within one billing period."""

    account_id: str
    billing_period: date
    first: date
    last: date


class Sources(NamedTuple):
    """What the query reads: tables of one generation, their public names, or something of the same columns."""

    daily: Composable
    adjustments: Composable
    periods: Composable
    claims: Composable
    allocations: Composable


PUBLIC = Sources(
    *map(Identifier, ("daily_spend", "cost_adjustments", "cost_periods", "claims", "allocations")),
)

TOUCHED = SQL(
    "SELECT * FROM unnest(%(accounts)s::text[], %(periods)s::date[], %(firsts)s::date[], %(lasts)s::date[]) "
    "AS t(account_id, billing_period, first, last)"
)
"""The days that are asked for, each account and period once."""

_SHARES = """
touched AS ({touched}),
claimed AS (
    SELECT r.account_id, r.billing_period, day, c.product, c.workload, {summed}
    FROM touched t
    JOIN {claims} c USING (account_id)
    JOIN {periods} p USING (billing_period)
    JOIN claimed_cost_rows r ON r.billing_period = t.billing_period AND r.report_version = p.shown_version
        AND r.account_id = t.account_id AND r.resource = c.resource,
    LATERAL (SELECT least(greatest(r.usage_date, t.billing_period), {last_day}) AS day) d
    WHERE day BETWEEN t.first AND t.last AND day >= c.since AND (c.until IS NULL OR day < c.until)
    GROUP BY r.account_id, r.billing_period, day, c.product, c.workload
),
rest AS (
    SELECT account_id, billing_period, day, {summed}
    FROM (
        SELECT account_id, billing_period, day, {metrics}
        FROM touched JOIN {daily} USING (account_id, billing_period) WHERE day BETWEEN first AND last
        UNION ALL
        SELECT account_id, booked_in, booked_in, {booked}
        FROM touched t JOIN {adjustments} a USING (account_id)
        WHERE a.booked_in = t.billing_period AND a.booked_in = t.first
        UNION ALL
        SELECT account_id, billing_period, day, {negative} FROM claimed
    ) parts
    GROUP BY account_id, billing_period, day
),
owned AS (
    SELECT r.*, coalesce(a.product, '') AS product, a.ordinal, coalesce(a.percent, {hundred}) AS percent
    FROM rest r LEFT JOIN {allocations} a ON a.account_id = r.account_id
        AND r.day >= a.effective_on AND (a.effective_to IS NULL OR r.day < a.effective_to)
),
units AS (
    SELECT account_id, day, billing_period, product, ordinal, metric, amount, whole, percent * {exact} AS weight,
        abs(whole) * %(scale)s AS all_units
    FROM owned,
    LATERAL (VALUES {named}) AS m(metric, amount),
    LATERAL (SELECT CASE WHEN mod(amount * %(scale)s, 2) IN (0.5, -0.5) THEN trunc(amount, %(decimals)s)
        ELSE round(amount, %(decimals)s) END AS whole) w  -- halves to the even unit
    WHERE percent < {hundred}
),
ranked AS (
    SELECT *, div(all_units * weight, {weights}) AS sure,
        all_units - sum(div(all_units * weight, {weights})) OVER one AS extra,
        row_number() OVER (one ORDER BY mod(all_units * weight, {weights}) DESC, ordinal) AS place,
        row_number() OVER (one ORDER BY weight DESC, ordinal) AS heaviest
    FROM units WINDOW one AS (PARTITION BY account_id, day, metric)
),
shared AS (
    SELECT account_id, billing_period, day, product, metric,
        sign(whole) * (sure + (place <= extra)::int) * %(unit)s
            + CASE heaviest WHEN 1 THEN amount - whole ELSE 0 END AS part
    FROM ranked
),
fresh AS (
    SELECT account_id, billing_period, day, product, workload, {summed}
    FROM (
        SELECT account_id, billing_period, day, product, workload, {metrics} FROM claimed
        UNION ALL SELECT account_id, billing_period, day, product, '', {metrics} FROM owned WHERE percent = {hundred}
        UNION ALL SELECT account_id, billing_period, day, product, '', {pivoted} FROM shared
            GROUP BY account_id, billing_period, day, product
    ) parts
    GROUP BY account_id, billing_period, day, product, workload
    HAVING NOT ({nothing})
)"""
"""`fresh` are the rows of `daily_shares` for `touched`. What belongs to one product, or to nobody, is not split."""
LAST_DAY = "(billing_period + interval '1 month - 1 day')::date"


def each(pattern: str, separator: str = ", ") -> SQL:
    """A piece of SQL for every metric, with `{0}` as its column."""
    return SQL(separator.join(pattern.format(metric) for metric in METRICS))


SUMMED = each("sum({0}) AS {0}")
IN_METRIC = each("WHEN '{0}' THEN {0}", " ")
"""Of a row with all four, the one that column `metric` names: `CASE metric … END`."""


def shares_query(sources: Sources) -> Composed:
    """Common table expressions that end in `fresh`; for the parameters of `asked` and `of_currency`."""
    exact = 10**PERCENT_DECIMALS
    return SQL(_SHARES).format(
        **sources._asdict(),
        touched=TOUCHED,
        metrics=each("{0}"),
        summed=SUMMED,
        booked=each("a.{0}"),
        negative=each("-{0}"),
        named=each("('{0}', {0})"),
        pivoted=each("coalesce(sum(part) FILTER (WHERE metric = '{0}'), 0)"),
        nothing=each("sum({0}) = 0", " AND "),
        last_day=SQL(LAST_DAY.replace("billing_period", "t.billing_period")),
        hundred=SQL(str(WHOLE_PERCENT)),
        exact=SQL(str(exact)),
        weights=SQL(str(WHOLE_PERCENT * exact)),
    )


def asked(days: Sequence[Days]) -> dict[str, Any]:
    """The parameters of `TOUCHED`."""
    accounts, periods, firsts, lasts = (list(column) for column in zip(*days, strict=True))
    return {"accounts": accounts, "periods": periods, "firsts": firsts, "lasts": lasts}


def of_currency(decimals: int) -> dict[str, Any]:
    """How amounts are split in a currency with so many decimals."""
    return {"decimals": decimals, "scale": Decimal(10) ** decimals, "unit": Decimal(1).scaleb(-decimals)}


def merged(days: Iterable[Days]) -> list[Days]:
    """Each account and period once, with all days from the first to the last one that was named."""
    found: dict[AccountMonth, Days] = {}
    for one in days:
        month = one[:2]
        known = found.get(month, one)
        found[month] = known._replace(first=min(known.first, one.first), last=max(known.last, one.last))
    return [found[month] for month in sorted(found)]


def days_between(month: AccountMonth, first: date, last: date) -> Days | None:
    """The part of these days that is in the account's month; None where there is none."""
    account_id, period = month
    first, last = max(first, period), min(last, Month.of(period).last_day)
    return Days(account_id, period, first, last) if first <= last else None


def months_of(cursor: Cursor[Any], sources: Sources, accounts: Sequence[str]) -> list[AccountMonth]:
    """The months in which these accounts have spend."""
    if not accounts:
        return []
    query = SQL(
        "SELECT DISTINCT account_id, billing_period FROM {daily} WHERE account_id = ANY(%(accounts)s) "
        "UNION SELECT account_id, booked_in FROM {adjustments} WHERE account_id = ANY(%(accounts)s)"
    ).format(daily=sources.daily, adjustments=sources.adjustments)
    return cursor.execute(query, {"accounts": list(accounts)}).fetchall()


def replace_query(table: Table[Any], generation: int, where: str) -> Composed:
    """Common table expressions that bring the rows of a table up to `fresh`: what is the same stays untouched.

    `where` tells of the stored rows `s` which ones `fresh` takes the place of, by the rows `t` of `touched`. `changed`
    has the key, whether there was a row and is one (0 or 1), and the values before and now.
    """
    keys, values = table.columns[: table.key], table.columns[table.key :]
    parts = {
        "table": table.named(generation),
        "columns": _listed(table.columns),
        "keys": _listed(keys),
        "both": _listed(values, "o.{0} AS {0}_before, f.{0}"),
        "old": _listed(table.columns, "s.{0}"),
        "differ": SQL("(")
        + _listed(values, "o.{0}")
        + SQL(") IS DISTINCT FROM (")
        + _listed(values, "f.{0}")
        + SQL(")"),
        "same_key": _listed(keys, "s.{0} = c.{0}", " AND "),
        "assigned": _listed(values, "{0} = excluded.{0}"),
        "where": SQL(where),
    }
    return SQL(
        """
stored AS (SELECT {old}, true AS there FROM touched t JOIN {table} s ON {where}),
changed AS MATERIALIZED (
    SELECT {keys}, (o.there IS NOT NULL)::int AS was_there, (f.there IS NOT NULL)::int AS is_there, {both}
    FROM stored o FULL JOIN (SELECT *, true AS there FROM fresh) f USING ({keys}) WHERE {differ}
),
gone AS (DELETE FROM {table} s USING changed c WHERE c.is_there = 0 AND {same_key}),
put AS (
    INSERT INTO {table} ({columns}) SELECT {columns} FROM changed WHERE is_there = 1
    ON CONFLICT ({keys}) DO UPDATE SET {assigned}
)"""
    ).format(**parts)


def _listed(columns: Iterable[str], pattern: str = "{0}", separator: str = ", ") -> Composed:
    return SQL(separator).join(SQL(pattern.format(column)) for column in columns)
