"""All that may be asked about workloads and claims; a part of `views.queries.Views`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from psycopg import Cursor
from psycopg.rows import dict_row
from psycopg.sql import SQL, Literal

from domain.calendar import Month
from domain.cost_metric import DEFAULT_METRIC
from domain.hierarchy import NodePath
from domain.money import total
from domain.workload import Amounts, Component, State, Workload, awaited, by_month, counted
from views import directory
from views.account_queries import AccountViews
from views.claims import ever_claimed
from views.models import tidy
from views.paths import path_text, text_path
from views.spend import IN_METRIC
from views.workload_models import ByMonth, ClaimDetail, ComponentMonth, WorkloadDetail, WorkloadSummary

WORKLOADS_MAX = 5_000
CLAIMS_SHOWN_MAX = 1_000

_SELECT = """
SELECT w.*, (SELECT count(*) FROM claims c WHERE (c.product, c.workload) = (w.product, w.workload)
    AND c.since < coalesce(c.until, 'infinity') AND coalesce(c.until, 'infinity') > %(today)s) AS claims
FROM workloads w """
# A path is above another one where its text with a slash begins the other's; `0` is what comes after the slash.
_BELOW = """(%(node)s = '/' OR w.product = %(node)s OR (w.product > %(node)s || '/' AND w.product < %(node)s || '0'))"""
_LIST = f"{_SELECT} WHERE {_BELOW} ORDER BY w.product, w.workload LIMIT %(limit)s"
_ONE = f"{_SELECT} WHERE w.product = %(node)s AND w.workload = %(workload)s"
# A usage date outside of its billing period counts for the first or last day of that, as in all actual spend.
_DAY = SQL(
    "least(greatest(r.usage_date, r.billing_period), (r.billing_period + interval '1 month' - interval '1 day')::date)"
)
# What claimed resources have cost on the days on which the workload had them, in the version that is shown.
_ACTUAL = """
SELECT c.component, r.billing_period, metric, sum(CASE metric {in_metric} END) FROM claims c
JOIN claimed_cost_rows r ON (r.account_id, r.resource) = (c.account_id, c.resource)
    AND {day} >= c.since AND {day} < coalesce(c.until, 'infinity')
JOIN cost_periods p ON (p.billing_period, p.shown_version) = (r.billing_period, r.report_version),
LATERAL (
    SELECT coalesce((SELECT m.metric FROM cost_metrics m WHERE m.fiscal_year <= p.fiscal_year
        ORDER BY m.fiscal_year DESC LIMIT 1), {default}) AS metric
) chosen
WHERE c.product = %(node)s AND c.workload = %(workload)s GROUP BY 1, 2, 3"""
_CLAIMS = """
SELECT c.account_id, c.resource, c.component, c.since, c.until, EXISTS (
    SELECT FROM allocations a WHERE a.account_id = c.account_id AND a.product = c.product
        AND a.effective_on <= %(today)s AND coalesce(a.effective_to, 'infinity') > %(today)s) AS allocated
FROM claims c WHERE c.product = %(node)s AND c.workload = %(workload)s
    AND c.since < coalesce(c.until, 'infinity') AND coalesce(c.until, 'infinity') > %(today)s
ORDER BY c.account_id, c.resource, c.since LIMIT %(limit)s"""
_APPROVED = "SELECT currency, approved, ends_on FROM workloads WHERE product = %s AND approved IS NOT NULL"
_CLAIMS_ON = """
SELECT account_id, resource, product, workload, component, since FROM claims
WHERE since <= %(day)s AND coalesce(until, 'infinity') > %(day)s"""
_PERSONS = ("created_by", "submitted_by", "submitted_for", "decided_by")


class WorkloadViews(AccountViews):
    """The views of workloads, their estimates and claims."""

    def workloads(self, node: NodePath | None = None, today: date = date.min) -> tuple[WorkloadSummary, ...]:
        """All on the node and below it, by product and name. Claims that are over by that day do not count."""
        parameters = {"node": path_text(node or NodePath.ROOT), "today": today, "limit": WORKLOADS_MAX}
        with self.snapshot() as cursor, cursor.connection.cursor(row_factory=dict_row) as rows:
            return tuple(WorkloadSummary.model_validate(_summary(row)) for row in rows.execute(_LIST, parameters))

    def workload(self, product: NodePath, name: str, today: date = date.min) -> WorkloadDetail | None:
        """With estimate and actual cost by month and component; None where the product has none of that name."""
        about = {"node": path_text(product), "workload": name, "today": today}
        with self.snapshot() as cursor:
            with cursor.connection.cursor(row_factory=dict_row) as rows:
                found = rows.execute(_ONE, about).fetchone()
            if found is None:
                return None
            actual, metric = _actual(cursor, about)
            newest = _newest_period(cursor)
            claims = cursor.execute(_CLAIMS, about | {"limit": CLAIMS_SHOWN_MAX}).fetchall()
            names = directory.names(cursor, [found[person] for person in _PERSONS])
        summary = _summary(found)
        approved = _by_month(found["approved"], found["currency"])
        return WorkloadDetail(
            **summary,
            **{name: found[name] for name in ("fiscal_year", "created_at", "submitted_at", "decided_at")},
            **{name: found[name] for name in ("calculator_url", "note", "reason", *_PERSONS)},
            **{f"{person}_name": names.get(found[person], "") for person in _PERSONS},
            submitted=_by_month(found["submitted"], found["currency"]),
            approved=counted(approved, found["ends_on"]),
            months=_months(counted(approved, found["ends_on"]), actual, found["currency"], newest),
            metric=metric,
            resources=tuple(_claim(row) for row in claims),
        )

    def estimated(self, product: NodePath) -> dict[Month, Decimal]:
        """What all approved estimates of the product's workloads come to by month, in any fiscal year."""
        with self.snapshot() as cursor:
            rows = cursor.execute(_APPROVED, [path_text(product)]).fetchall()
        sums: dict[Month, list[Decimal]] = {}
        for currency, approved, ends_on in rows:
            for month, amount in by_month(counted(_by_month(approved, currency), ends_on)).items():
                sums.setdefault(month, []).append(amount)
        return {month: total(sums[month]) for month in sorted(sums)}

    def newest_period(self) -> Month | None:
        """The last month of which a cost report was imported."""
        with self.snapshot() as cursor:
            return _newest_period(cursor)

    def claims_on(self, day: date) -> list[tuple[str, str, str, str, str, date]]:
        """Account, resource, product, workload, component and first day of every claim that holds on that day."""
        with self.snapshot() as cursor:
            return cursor.execute(_CLAIMS_ON, {"day": day}).fetchall()

    def ever_claimed(self, account_ids: Iterable[str] | None = None) -> list[tuple[str, str]]:
        """Accounts and keys of all resources that were claimed at any time; see `views.claims.ever_claimed`."""
        with self.snapshot() as cursor:
            return ever_claimed(cursor, account_ids)


def _newest_period(cursor: Cursor[Any]) -> Month | None:
    found = cursor.execute("SELECT max(billing_period) FROM cost_periods").fetchone()
    return Month.of(found[0]) if found and found[0] else None


def _summary(row: Mapping[str, Any]) -> dict[str, Any]:
    product, state, currency = text_path(row["product"]), State(row["state"]), row["currency"]
    waits = awaited(Workload(state=state), product)
    approved = counted(_by_month(row["approved"], currency), row["ends_on"])
    same = ("workload", "title", "account_id", "ends_on", "withdrawn_on", "version", "turn", "since", "round")
    return {
        **{name: row[name] for name in (*same, "reminders", "currency", "claims")},
        "product": product,
        "launch_month": Month.parse(row["launch_month"]),
        "end_month": Month.parse(row["end_month"]),
        "state": state,
        "awaiting": waits[0] if waits else "",
        "escalated": row["escalated_at"] is not None,
        "submitted_total": tidy(row["submitted_total"], currency),
        "approved_total": tidy(total(list(by_month(approved).values())), currency),
    }


def _by_month(amounts: Mapping[str, Mapping[str, str]] | None, currency: str) -> ByMonth:
    return {
        Component(component): {Month.parse(month): tidy(Decimal(text), currency) for month, text in months.items()}
        for component, months in (amounts or {}).items()
    }


type Actual = Mapping[tuple[Month, Component], Decimal]


def _actual(cursor: Cursor[Any], about: Mapping[str, Any]) -> tuple[Actual, str]:
    """With the metrics that it is in: that with which budgets are compared in each fiscal year."""
    query = SQL(_ACTUAL).format(in_metric=IN_METRIC, day=_DAY, default=Literal(DEFAULT_METRIC.value))
    rows = cursor.execute(query, about).fetchall()
    actual = {(Month.of(period), Component(component)): amount for component, period, _, amount in rows}
    return actual, " and ".join(sorted({metric for _, _, metric, _ in rows})) or DEFAULT_METRIC.value


def _months(
    estimate: Amounts, actual: Actual, currency: str, newest_period: Month | None
) -> tuple[ComponentMonth, ...]:
    """By month, then component; what has neither is left out."""
    estimated = {(month, component): months[month] for component, months in estimate.items() for month in months}
    order = list(Component)
    keys = sorted({*estimated, *actual}, key=lambda key: (key[0], order.index(key[1])))
    return tuple(
        ComponentMonth(
            month=month,
            component=component,
            estimate=tidy(estimated.get((month, component), Decimal(0)), currency),
            actual=tidy(actual.get((month, component), Decimal(0)), currency),
            billed=newest_period is not None and month <= newest_period,
        )
        for month, component in keys
    )


def _claim(row: tuple[Any, ...]) -> ClaimDetail:
    account_id, resource, component, since, until, allocated = row
    return ClaimDetail(
        account_id=account_id,
        resource=resource,
        component=component,
        since=since,
        until=until,
        problem="" if allocated else "account not allocated",
    )
