"""The sums of imported report versions, by account: what everything else of actual spend is computed from."""

from __future__ import annotations

from typing import Any

from psycopg.sql import SQL

from domain.cost import PeriodImported
from views.batch import Batch
from views.claims import CLAIMS
from views.spend import LAST_DAY, SUMMED, Days, each, replace_query
from views.spend_tables import ADJUSTMENTS, DAILY, MONTHLY

# Versions of before there was more than one metric have the same in all of them.
_MEASURED = each("coalesce({0}, unblended) AS {0}")
_MEASURED_SUMS = each("sum(coalesce({0}, unblended)) AS {0}")
_NOTHING = each("sum({0}) = 0", " AND ")
_MONTHLY = SQL("""
INSERT INTO {table}
SELECT billing_period, %(payer)s, account_id, service, charge_type, {sums} FROM cost_rows
WHERE billing_period = %(period)s AND report_version = %(version)s
GROUP BY billing_period, account_id, service, charge_type""")
_DAILY = SQL("""
WITH touched AS (SELECT %(period)s::date AS billing_period, %(payer)s AS payer_account_id),
fresh AS (
    SELECT account_id, billing_period, least(greatest(usage_date, billing_period), {last_day}) AS day,
        %(payer)s AS payer_account_id, {sums}
    FROM cost_rows WHERE billing_period = %(period)s AND report_version = %(version)s GROUP BY 1, 2, 3
),
{replaced}
SELECT account_id, billing_period, min(day), max(day) FROM changed GROUP BY 1, 2""")
# A version may say something else of a claimed resource, and the same of the account's day.
_WITH_CLAIMS = SQL("""
SELECT DISTINCT account_id, billing_period, billing_period, {last_day}
FROM {daily} JOIN {claims} USING (account_id) WHERE billing_period = %(period)s""")
_DIFFERENCE = SQL("""
INSERT INTO {table}
SELECT account_id, %(booked_in)s, %(period)s, %(payer)s, %(version)s, %(fiscal_year)s, {sums}
FROM (
    SELECT account_id, {metrics} FROM cost_rows
    WHERE billing_period = %(period)s AND report_version = %(version)s
    UNION ALL
    SELECT account_id, {negative} FROM cost_rows
    WHERE billing_period = %(period)s AND report_version = %(before)s
) AS rows
GROUP BY account_id HAVING NOT ({nothing}) RETURNING account_id""")
_TAKEN_BACK = SQL("""
INSERT INTO {table}
SELECT account_id, %(period)s, %(period)s, %(payer)s, %(version)s, %(fiscal_year)s, {negative} FROM {table}
WHERE billing_period = %(period)s AND payer_account_id = %(payer)s
GROUP BY account_id HAVING NOT ({nothing}) RETURNING account_id""")

# The rows of a version that has just been stored have no statistics, for which PostgreSQL sorts them all on the disk.
# There are few groups: to find them by hashes takes half the time, and goes to the disk itself where memory is short.
_BY_HASHES = "SET LOCAL enable_sort = off; SET LOCAL work_mem = '64MB'"
_AS_USUAL = "SET LOCAL enable_sort TO DEFAULT; SET LOCAL work_mem TO DEFAULT"


def import_all(batch: Batch) -> list[Days]:
    """The days of which an imported version says something else than the one before. Of several versions that take each
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
    """Replaces the sums of a payer's period; the days of which the new ones say something else."""
    cursor, names, last_day = batch.cursor, _names(fact), SQL(LAST_DAY)
    monthly, daily = MONTHLY.named(batch.generation), DAILY.named(batch.generation)
    delete = SQL("DELETE FROM {} WHERE billing_period = %(period)s AND payer_account_id = %(payer)s").format(monthly)
    cursor.execute(delete, names)
    cursor.execute(_BY_HASHES)
    cursor.execute(_MONTHLY.format(table=monthly, sums=_MEASURED_SUMS), names)
    where = "s.billing_period = t.billing_period AND s.payer_account_id = t.payer_account_id"
    replaced = replace_query(DAILY, batch.generation, where)
    found = cursor.execute(_DAILY.format(sums=_MEASURED_SUMS, last_day=last_day, replaced=replaced), names).fetchall()
    cursor.execute(_AS_USUAL)
    claims = _WITH_CLAIMS.format(daily=daily, claims=CLAIMS.named(batch.generation), last_day=last_day)
    found += cursor.execute(claims, names).fetchall()
    return [Days(*one) for one in found]


def _book(batch: Batch, fact: PeriodImported, before: str) -> list[Days]:
    """What a version has changed of a closed month goes into an open one, on its first day."""
    assert fact.booked_in is not None
    first = fact.booked_in.first_day
    query = _DIFFERENCE.format(
        table=ADJUSTMENTS.named(batch.generation),
        sums=SUMMED,
        metrics=_MEASURED,
        negative=each("-coalesce({0}, unblended)"),
        nothing=_NOTHING,
    )
    year = batch.organization.calendar.fiscal_year_of(fact.booked_in)
    parameters = _names(fact) | {"before": before, "booked_in": first, "fiscal_year": year}
    found = batch.cursor.execute(query, parameters).fetchall()
    return [Days(account_id, first, first, first) for (account_id,) in found]


def _take_back(batch: Batch, fact: PeriodImported) -> list[Days]:
    """A month that shows its newest version again has less by what was booked into other months, and stays there."""
    query = _TAKEN_BACK.format(table=ADJUSTMENTS.named(batch.generation), negative=each("-sum({0})"), nothing=_NOTHING)
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
