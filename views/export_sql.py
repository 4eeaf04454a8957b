"""The queries of exports: rows, what they must add up to, and what the reports say, each within the asked scope."""

from __future__ import annotations

from typing import Any, NamedTuple

from domain.export import ExportKind, ExportRequest
from domain.hierarchy import NodePath
from views.paths import path_text
from views.scopes import at_or_below

CURRENCY = """
SELECT currency FROM budget_books WHERE fiscal_year = %(year)s
UNION ALL SELECT currency FROM cost_periods WHERE fiscal_year = %(year)s LIMIT 1"""
KNOWN_NODE = """
SELECT EXISTS (SELECT FROM rollup WHERE fiscal_year = %(year)s AND path = %(node)s)"""

# Spend by whose it is. Whatever else is asked for, only what is in this is ever read of it.
_SPEND = """
    SELECT s.product AS path, s.account_id, '' AS workload, s.billing_period, s.amount
    FROM account_shares s WHERE s.fiscal_year = %(year)s AND {scope} AND {spend}"""
_UNALLOCATED = """
    SELECT u.account_id, u.billing_period, u.amount FROM unallocated_spend u
    WHERE u.fiscal_year = %(year)s AND {unallocated}"""
_NODES = """
SELECT n.level, n.path, '' AS account_id, '' AS workload, n.annual, coalesce({planned}, 0), n.actual, n.lines, p.state
FROM (
    SELECT path, coalesce(r.level, s.level) AS level, coalesce(r.annual, 0) AS annual, r.planned,
        coalesce(s.amount, 0) AS actual, coalesce(r.lines, 0) AS lines
    FROM (SELECT * FROM rollup WHERE fiscal_year = %(year)s AND {node_scope}) r
    FULL JOIN (
        SELECT level, CASE level WHEN 0 THEN '/' ELSE array_to_string((string_to_array(path, '/'))[1:level], '/') END
            COLLATE "C" AS path, sum(amount) AS amount
        FROM spend CROSS JOIN generate_series(%(level)s, 4) AS level GROUP BY 1, 2
    ) s USING (path)
) n
LEFT JOIN rollup_months m ON m.fiscal_year = %(year)s AND m.path = n.path AND m.month = %(month)s
LEFT JOIN schedules p ON p.fiscal_year = %(year)s AND p.product = n.path AND n.level = 4
UNION ALL"""
# A product stands after the nodes above it, its accounts after the product, each account's workloads after the account.
# Paths are ordered by their parts, because `Web 2` comes before `Web/Checkout` as text.
_ROLLUP = """
WITH spend AS ({spend_rows}), unallocated AS ({unallocated_rows})
SELECT t.level, t.path, t.account_id, coalesce(a.name, ''), t.workload, t.annual, t.planned, t.actual, t.lines, t.state
FROM ({nodes}
    SELECT 5, path, account_id, '', NULL, NULL, sum(amount), NULL, NULL FROM spend GROUP BY path, account_id
    UNION ALL
    SELECT 6, path, account_id, workload, NULL, NULL, sum(amount), NULL, NULL FROM spend
    WHERE workload <> '' GROUP BY path, account_id, workload
    UNION ALL
    SELECT 5, '', account_id, '', NULL, NULL, sum(amount), NULL, NULL FROM unallocated GROUP BY account_id
) AS t (level, path, account_id, workload, annual, planned, actual, lines, state)
LEFT JOIN accounts a ON a.account_id = t.account_id
ORDER BY t.path = '', string_to_array(nullif(t.path, '/'), '/') NULLS FIRST, t.account_id, t.workload, t.level"""
_CONTROL_OF_NODE = """
SELECT coalesce((SELECT {actual} FROM {table} r WHERE r.fiscal_year = %(year)s AND r.path = %(node)s {month}), 0),
    coalesce((SELECT sum(amount) FROM unallocated_spend u WHERE u.fiscal_year = %(year)s AND {unallocated}), 0)"""
_CONTROL_OF_PART = """
WITH spend AS ({spend_rows}), unallocated AS ({unallocated_rows})
SELECT coalesce((SELECT sum(amount) FROM spend), 0), coalesce((SELECT sum(amount) FROM unallocated), 0)"""
_REPORT = """
SELECT coalesce(sum(p.total), 0) FROM cost_periods p WHERE p.fiscal_year = %(year)s AND {period}"""


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


def of(request: ExportRequest) -> Queries:
    is_part = bool(request.account_id or request.workload)
    scope, parameters = at_or_below("s.product", "node", request.node)
    node_scope, _ = at_or_below("path", "node", request.node)
    parts = {
        "scope": scope,
        "node_scope": node_scope,
        "spend": _conditions(request, "s", workload=True),
        "unallocated": _conditions(request, "u") if _may_have_unallocated(request) else "false",
        "planned": "m.planned" if request.billing_period else "n.planned",
        "period": _conditions(request, "p", account=False),
        "actual": "actual",
        "table": "rollup_months" if request.billing_period else "rollup",
        "month": "AND r.month = %(month)s" if request.billing_period else "",
    }
    parts |= {"spend_rows": _SPEND.format(**parts), "unallocated_rows": _UNALLOCATED.format(**parts)}
    parts["nodes"] = "" if is_part else _NODES.format(**parts)
    return Queries(
        rows=_ROLLUP.format(**parts),
        control=(_CONTROL_OF_PART if is_part else _CONTROL_OF_NODE).format(**parts),
        report=_REPORT.format(**parts),
        is_whole=request.node == NodePath.ROOT and not is_part,
        has_nodes=request.what is ExportKind.ROLLUP and not is_part,
        parameters={
            **parameters,
            "year": request.fiscal_year,
            "node": path_text(request.node),
            "level": request.node.level,
            "month": str(request.billing_period) if request.billing_period else None,
            "period": request.billing_period.first_day if request.billing_period else None,
            "account": request.account_id,
            "workload": request.workload,
        },
    )


def _may_have_unallocated(request: ExportRequest) -> bool:
    """What belongs to nobody is in the scope of the whole organization alone, and in no workload."""
    return request.node == NodePath.ROOT and not request.workload


def _conditions(request: ExportRequest, table: str, *, account: bool = True, workload: bool = False) -> str:
    conditions = []
    if request.billing_period:
        conditions.append(f"{table}.billing_period = %(period)s")
    if account and request.account_id:
        conditions.append(f"{table}.account_id = %(account)s")
    if workload and request.workload:
        conditions.append("false")
    return " AND ".join(conditions) or "true"
