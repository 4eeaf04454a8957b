"""The rollup report: figures of a node and all below it, unallocated accounts, and the check against the reports."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from psycopg import Cursor
from psycopg.sql import SQL, Literal

from domain.account import Lifecycle
from domain.calendar import Month
from domain.cost_metric import DEFAULT_METRIC
from domain.hierarchy import DEFAULT_LABELS, PRODUCT_LEVEL, NodePath
from domain.money import total
from domain.schedule import State
from views.generations import live
from views.models import PeriodCheck, RollupReport, RollupRow, UnallocatedAccount, tidy
from views.paths import path_text
from views.spend import IN_METRIC

ORGANIZATION_LABEL = "Organization"

Account = tuple[str, str, str | None]
"""Id, name, and where it stands in its life."""

_COLUMNS = "r.path, r.level, r.annual, r.planned, r.actual, r.lines, r.approved"
_NODES = f"""
SELECT {_COLUMNS}, NULL, NULL, NULL FROM rollup r WHERE r.fiscal_year = %(year)s"""  # noqa: S608 - our own columns
_PRODUCTS = f"""
SELECT {_COLUMNS}, s.state, s.over_budget_since IS NOT NULL, l.withdrawn FROM rollup r
LEFT JOIN schedules s ON s.fiscal_year = r.fiscal_year AND s.product = r.path AND r.level = 4
LEFT JOIN budget_lines l ON l.fiscal_year = r.fiscal_year AND l.product = r.path AND r.level = 4
WHERE r.fiscal_year = %(year)s"""  # noqa: S608
# `0` is the character after `/`. Between the node and all below it stand only names that begin alike, such as `Web 2`.
_AT_OR_BELOW = "r.path >= %(node)s AND r.path < %(node)s || '0' AND (r.path = %(node)s OR r.path > %(node)s || '/')"
_UNALLOCATED = """
SELECT u.account_id, coalesce(a.name, ''), a.lifecycle, u.billing_period, u.amount, u.since
FROM unallocated_spend u LEFT JOIN accounts a USING (account_id)
WHERE u.fiscal_year = %(year)s ORDER BY u.billing_period"""
_PERIODS = SQL("""
WITH chosen AS (
    SELECT coalesce((SELECT metric FROM cost_metrics WHERE fiscal_year <= %(year)s ORDER BY fiscal_year DESC LIMIT 1),
        {default}) AS metric
),
booked AS (
    SELECT booked_in, billing_period, fiscal_year, CASE metric {in_metric} END AS amount FROM cost_adjustments, chosen
    WHERE booked_in <> billing_period
),
known AS (
    SELECT billing_period, string_agg(report_version, ', ' ORDER BY payer_account_id) AS versions,
        jsonb_agg(totals -> metric) AS totals, bool_and(is_final) AS final
    FROM cost_periods, chosen WHERE fiscal_year = %(year)s GROUP BY 1
)
SELECT p.billing_period, coalesce(versions, ''), coalesce(totals, '[]'), coalesce(final, false),
    coalesce((SELECT sum(actual) FROM rollup_months
        WHERE fiscal_year = %(year)s AND path = '/' AND month = to_char(p.billing_period, 'YYYY-MM')), 0),
    coalesce((SELECT sum(amount) FROM unallocated_spend u WHERE u.billing_period = p.billing_period), 0),
    coalesce((SELECT sum(amount) FROM booked WHERE booked_in = p.billing_period), 0),
    coalesce((SELECT sum(amount) FROM booked b WHERE b.billing_period = p.billing_period), 0),
    metric
FROM (SELECT * FROM known FULL JOIN (SELECT DISTINCT booked_in AS billing_period FROM booked
    WHERE fiscal_year = %(year)s) b USING (billing_period)) p, chosen ORDER BY 1""").format(
    default=Literal(DEFAULT_METRIC.value), in_metric=IN_METRIC
)
_BOOK = """
SELECT currency, labels FROM budget_books WHERE fiscal_year = %(year)s
UNION ALL SELECT currency, NULL FROM cost_periods WHERE fiscal_year = %(year)s LIMIT 1"""


def rollup_report(cursor: Cursor[Any], fiscal_year: int, node: NodePath, level: int) -> RollupReport:
    """Down to the given level."""
    connection, year = cursor.connection, {"year": fiscal_year}
    with connection.pipeline():  # everything is asked in one round trip
        book, unallocated, periods = (connection.execute(query, year) for query in (_BOOK, _UNALLOCATED, _PERIODS))
        nodes = connection.execute(_query(node, level).encode(), {**year, "node": path_text(node), "level": level})
        position = live(cursor).position
    currency, labels = _book(book)
    accounts = _unallocated(unallocated, currency)
    rows = [_row(values, currency, (ORGANIZATION_LABEL, *labels)) for values in nodes]
    return RollupReport(
        fiscal_year=fiscal_year,
        node=node,
        currency=currency,
        labels=labels,
        rows=tuple(sorted(rows, key=lambda row: row.path)),
        unallocated=accounts,
        unallocated_total=tidy(total([account.amount for account in accounts]), currency),
        periods=_periods(periods, currency),
        position=position,
    )


def _book(found: Cursor[Any]) -> tuple[str, tuple[str, ...]]:
    book = found.fetchone()
    if book is None:
        return "", DEFAULT_LABELS
    return book[0], tuple(book[1] or DEFAULT_LABELS)


def _query(node: NodePath, level: int) -> str:
    """One statement each, because one plan for all of them would be wrong for most."""
    rows = _PRODUCTS if level == PRODUCT_LEVEL else _NODES
    where = "" if node == NodePath.ROOT else f" AND {_AT_OR_BELOW}"
    return f"{rows} AND r.level <= %(level)s{where}"


def _row(values: tuple[Any, ...], currency: str, labels: Sequence[str]) -> RollupRow:
    text, level, annual, planned, actual, lines, approved, state, over_budget, withdrawn = values
    path = NodePath.parse(text)
    return RollupRow(
        path=path,
        level=level,
        name=path.name,
        label=labels[level],
        annual=tidy(annual, currency),
        planned=tidy(planned, currency),
        unallocated=tidy(total([annual, -planned]), currency),
        actual=tidy(actual, currency),
        variance=tidy(total([planned, -actual]), currency),
        products=lines,
        approved=approved,
        state=State(state or State.DRAFT) if path.level == PRODUCT_LEVEL and lines else None,
        over_budget=bool(over_budget),
        withdrawn=bool(withdrawn),
    )


def _unallocated(found: Cursor[Any], currency: str) -> tuple[UnallocatedAccount, ...]:
    """By account; one without a row has spent something, and nothing else is known of it yet."""
    months: dict[Account, dict[Month, Decimal]] = {}
    since: dict[str, date] = {}
    for account_id, name, lifecycle, period, amount, first_day in found:
        months.setdefault((account_id, name, lifecycle), {})[Month.of(period)] = tidy(amount, currency)
        since.setdefault(account_id, first_day)
    accounts = [
        UnallocatedAccount(
            account_id=account_id,
            name=name,
            amount=tidy(total(list(amounts.values())), currency),
            since=since[account_id],
            months=amounts,
            lifecycle=Lifecycle(lifecycle or Lifecycle.UNKNOWN),
        )
        for (account_id, name, lifecycle), amounts in months.items()
    ]
    return tuple(sorted(accounts, key=lambda account: (-account.amount, account.account_id)))


def _periods(found: Cursor[Any], currency: str) -> tuple[PeriodCheck, ...]:
    return tuple(_period(values, currency) for values in found)


def _period(values: tuple[Any, ...], currency: str) -> PeriodCheck:
    period, version, reports, is_final, products, unallocated, booked_here, booked_elsewhere, metric = values
    charge_types: dict[str, list[Decimal]] = {}
    for totals in reports:
        for name, amount in totals.items():
            charge_types.setdefault(name, []).append(Decimal(amount))
    by_type = {name: total(amounts) for name, amounts in sorted(charge_types.items())}
    report = total(list(by_type.values()))
    shown = total([products, unallocated, booked_elsewhere, -booked_here])
    return PeriodCheck(
        billing_period=Month.of(period),
        report_version=version,
        report=tidy(report, currency),
        products=tidy(products, currency),
        unallocated=tidy(unallocated, currency),
        difference=tidy(total([report, -shown]), currency),
        charge_types={name: tidy(amount, currency) for name, amount in by_type.items()},
        booked_here=tidy(booked_here, currency),
        booked_elsewhere=tidy(booked_elsewhere, currency),
        metric=metric,
        is_final=is_final,
    )
