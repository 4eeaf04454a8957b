"""The queries of exports: rows, what they must add up to, and what the reports say, each within the asked scope."""

from __future__ import annotations

from typing import Any, NamedTuple

from domain.calendar import Month
from domain.cost_metric import DEFAULT_METRIC
from domain.export import ExportKind, ExportRequest
from domain.hierarchy import NodePath
from views.paths import path_text
from views.scopes import at_or_below

CURRENCY = """
SELECT currency FROM budget_books WHERE fiscal_year = %(year)s
UNION ALL SELECT currency FROM cost_periods WHERE fiscal_year = %(year)s LIMIT 1"""
METRIC = """
SELECT metric FROM cost_metrics WHERE fiscal_year <= %(year)s ORDER BY fiscal_year DESC LIMIT 1"""
KNOWN_NODE = """
SELECT EXISTS (SELECT FROM rollup WHERE fiscal_year = %(year)s AND path = %(node)s)"""

# Spend by whose it is. Whatever else is asked for, only what is in this is ever read of it.
_SPEND = """
    SELECT s.product AS path, s.account_id, s.workload, s.billing_period, s.day, s.{metric} AS amount
    FROM daily_shares s
    WHERE s.billing_period BETWEEN %(first)s AND %(last)s AND {wanted} AND ({scope} OR {unallocated})"""
_NODES = """
SELECT n.level, n.path, '' AS account_id, '' AS workload, n.annual, coalesce({planned}, 0), n.actual, n.lines, p.state
FROM (
    SELECT path, coalesce(r.level, s.level) AS level, coalesce(r.annual, 0) AS annual, r.planned,
        coalesce(s.amount, 0) AS actual, coalesce(r.lines, 0) AS lines
    FROM (SELECT * FROM rollup WHERE fiscal_year = %(year)s AND {node_scope}) r
    FULL JOIN (
        SELECT level, CASE level WHEN 0 THEN '/' ELSE array_to_string((string_to_array(path, '/'))[1:level], '/') END
            COLLATE "C" AS path, sum(amount) AS amount
        FROM spend CROSS JOIN generate_series(%(level)s, 4) AS level WHERE path <> '' GROUP BY 1, 2
    ) s USING (path)
) n
LEFT JOIN rollup_months m ON m.fiscal_year = %(year)s AND m.path = n.path AND m.month = %(month)s
LEFT JOIN schedules p ON p.fiscal_year = %(year)s AND p.product = n.path AND n.level = 4
UNION ALL"""
# A product stands after the nodes above it, its accounts after the product, each account's workloads after the account.
# Paths are ordered by their parts, because `Web 2` comes before `Web/Checkout` as text.
_ROLLUP = """
WITH spend AS ({spend})
SELECT t.level, t.path, t.account_id, coalesce(a.name, ''), t.workload, t.annual, t.planned, t.actual, t.lines, t.state
FROM ({nodes}
    SELECT 5, path, account_id, '', NULL, NULL, sum(amount), NULL, NULL FROM spend GROUP BY path, account_id
    UNION ALL
    SELECT 6, path, account_id, workload, NULL, NULL, sum(amount), NULL, NULL FROM spend
    WHERE workload <> '' GROUP BY path, account_id, workload
) AS t (level, path, account_id, workload, annual, planned, actual, lines, state)
LEFT JOIN accounts a ON a.account_id = t.account_id
ORDER BY t.path = '', string_to_array(nullif(t.path, '/'), '/') NULLS FIRST, t.account_id, t.workload, t.level"""
_DAILY = """
WITH spend AS ({spend})
SELECT s.day, s.billing_period, s.path, s.account_id, coalesce(a.name, ''), s.workload, s.amount
FROM spend s LEFT JOIN accounts a ON a.account_id = s.account_id
WHERE s.amount <> 0 ORDER BY s.day, s.path = '', s.path, s.account_id, s.workload"""
# What budgets are compared with is summed up in the rollup; any other metric stands in the days alone.
_CONTROL = """
WITH chosen AS (
    SELECT coalesce((SELECT metric FROM cost_metrics WHERE fiscal_year <= %(year)s ORDER BY fiscal_year DESC LIMIT 1),
        %(default)s) = %(metric)s AND {is_whole_node} AS in_rollup
),
spend AS ({spend})
SELECT CASE WHEN in_rollup
        THEN coalesce((SELECT actual FROM {table} r WHERE r.fiscal_year = %(year)s AND r.path = %(node)s {month}), 0)
        ELSE coalesce((SELECT sum(amount) FROM spend WHERE path <> ''), 0) END,
    CASE WHEN in_rollup
        THEN coalesce((SELECT sum(amount) FROM unallocated_spend u
            WHERE u.billing_period BETWEEN %(first)s AND %(last)s AND {unallocated_allowed}), 0)
        ELSE coalesce((SELECT sum(amount) FROM spend WHERE path = ''), 0) END
FROM chosen"""
# What was booked into one of the months from a closed one is in them, and what was booked elsewhere is not.
_REPORT = """
SELECT coalesce((SELECT sum(amount::numeric)
        FROM cost_periods p, jsonb_each_text(p.totals -> %(metric)s) AS t(name, amount)
        WHERE p.billing_period BETWEEN %(first)s AND %(last)s), 0)
    + coalesce((SELECT sum({metric}) FROM cost_adjustments
        WHERE booked_in BETWEEN %(first)s AND %(last)s AND booked_in <> billing_period), 0)
    - coalesce((SELECT sum({metric}) FROM cost_adjustments
        WHERE billing_period BETWEEN %(first)s AND %(last)s AND booked_in <> billing_period), 0)"""


class Queries(NamedTuple):
    """Of one export; all have the same parameters."""

    rows: str
    control: str
    """What the views show elsewhere: spend in the scope, unallocated spend in the scope."""
    report: str
    is_whole: bool
    """Whether it holds all that the reports of its months say."""
    has_nodes: bool
    parameters: dict[str, Any]


def of(request: ExportRequest, first: Month, last: Month) -> Queries:
    """For the months from the first to the last."""
    is_part = bool(request.account_id or request.workload)
    by_month = request.billing_period is not None
    scope, parameters = at_or_below("s.product", "node", request.node)
    node_scope, _ = at_or_below("path", "node", request.node)
    parts = {
        "metric": request.metric.value,  # one of four names of columns
        "scope": f"(s.product <> '' AND {scope})",
        "node_scope": node_scope,
        "wanted": _wanted(request),
        "unallocated": "s.product = ''" if _may_have_unallocated(request) else "false",
        "unallocated_allowed": "true" if _may_have_unallocated(request) else "false",
        "is_whole_node": "false" if is_part else "true",
        "planned": "m.planned" if by_month else "n.planned",
        "table": "rollup_months" if by_month else "rollup",
        "month": "AND r.month = %(month)s" if by_month else "",
    }
    parts["spend"] = _SPEND.format(**parts)
    parts["nodes"] = "" if is_part else _NODES.format(**parts)
    is_rollup = request.what is ExportKind.ROLLUP
    return Queries(
        rows=(_ROLLUP if is_rollup else _DAILY).format(**parts),
        control=_CONTROL.format(**parts),
        report=_REPORT.format(**parts),
        is_whole=request.node == NodePath.ROOT and not is_part,
        has_nodes=is_rollup and not is_part,
        parameters={
            **parameters,
            "year": request.fiscal_year,
            "node": path_text(request.node),
            "level": request.node.level,
            "month": str(request.billing_period) if by_month else None,
            "first": first.first_day,
            "last": last.first_day,
            "metric": request.metric.value,
            "default": DEFAULT_METRIC.value,
            "account": request.account_id,
            "workload": request.workload,
        },
    )


def _may_have_unallocated(request: ExportRequest) -> bool:
    """What belongs to nobody is in the scope of the whole organization alone, and in no workload."""
    return request.node == NodePath.ROOT and not request.workload


def _wanted(request: ExportRequest) -> str:
    conditions = ["s.account_id = %(account)s"] * bool(request.account_id)
    conditions += ["s.workload = %(workload)s"] * bool(request.workload)
    return " AND ".join(conditions) or "true"
