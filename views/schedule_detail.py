"""One schedule with all that a page shows of it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from psycopg import Cursor
from psycopg.rows import dict_row

from domain.calendar import Month
from domain.hierarchy import NodePath
from domain.process import FIRST_ROUND
from domain.schedule import State
from views.directory import names
from views.models import ScheduleDetail, tidy
from views.paths import path_text

# A first draft waits since its product came into the budget.
_SCHEDULE = """
SELECT coalesce(s.state, 'DRAFT') AS state, coalesce(s.version, 0) AS version, coalesce(s.turn, 0) AS turn,
    coalesce(s.since, l.added_at) AS since, coalesce(s.round, %(first)s) AS round,
    s.over_budget_since IS NOT NULL AS over_budget, coalesce(s.attached, false) AS attached,
    coalesce(s.returned, false) AS returned,
    l.currency, l.annual, l.effective_on, l.withdrawn, l.estimated, l.code, l.owner, l.proposal,
    s.submitted, coalesce(s.submitted_total, 0) AS submitted_total, s.submitted_by, s.submitted_for, s.submitted_at,
    coalesce(s.note, '') AS note, s.approved, coalesce(s.planned, 0) AS planned,
    s.decided_by, s.decided_for, s.decided_at, coalesce(s.reason, '') AS reason,
    coalesce(s.reminders, 0) AS reminders, s.escalated_at IS NOT NULL AS escalated,
    coalesce(s.updated_at, l.recorded_at) AS updated_at
FROM budget_lines l LEFT JOIN schedules s USING (fiscal_year, product)
WHERE fiscal_year = %(year)s AND product = %(product)s"""
_PERSONS = ("submitted_by", "submitted_for", "decided_by", "decided_for", "owner")


def schedule_detail(cursor: Cursor[Any], fiscal_year: int, product: NodePath) -> ScheduleDetail | None:
    """None for a product without a budget line in that year."""
    parameters = {"year": fiscal_year, "product": path_text(product), "first": FIRST_ROUND}
    with cursor.connection.cursor(row_factory=dict_row) as rows:
        found = rows.execute(_SCHEDULE, parameters).fetchone()
    if found is None:
        return None
    currency = found["currency"]
    actual = {month: amount for month, _, amount in months(cursor, fiscal_year, product) if amount}
    known = names(cursor, [found[person] for person in _PERSONS])
    fields = found | {
        "annual": tidy(found["annual"], currency),
        "estimated": None if found["estimated"] is None else tidy(found["estimated"], currency),
        "planned": tidy(found["planned"], currency),
        "unallocated": tidy(found["annual"] - found["planned"], currency),
        "submitted_total": tidy(found["submitted_total"], currency),
        "actual": _by_month(actual, currency),
    }
    fields |= {column: _by_month(found[column], currency) for column in ("submitted", "approved", "proposal")}
    fields |= {f"{person}_name": known.get(found[person], "") for person in _PERSONS}
    return ScheduleDetail(fiscal_year=fiscal_year, product=product, **fields)


def current_round(cursor: Cursor[Any], fiscal_year: int, product: NodePath, for_request: bool) -> int:
    query = "SELECT round, state FROM schedules WHERE fiscal_year = %s AND product = %s"
    found = cursor.execute(query, [fiscal_year, path_text(product)]).fetchone()
    if found is None:
        return FIRST_ROUND
    return int(found[0]) + (for_request and found[1] == State.APPROVED)


def months(cursor: Cursor[Any], fiscal_year: int, node: NodePath) -> list[tuple[str, Decimal, Decimal]]:
    """What was planned and spent; months without either are left out."""
    query = "SELECT month, planned, actual FROM rollup_months WHERE fiscal_year = %s AND path = %s ORDER BY month"
    return cursor.execute(query, [fiscal_year, path_text(node)]).fetchall()


def _by_month(amounts: Mapping[str, Any] | None, currency: str) -> dict[Month, Decimal]:
    return {Month.parse(month): tidy(Decimal(amount), currency) for month, amount in (amounts or {}).items()}
