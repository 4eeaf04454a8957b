"""What is known of a fiscal year's budget as a whole: labels, loads, closed months."""

from __future__ import annotations

from typing import Any

from psycopg import Cursor

from domain.calendar import Month
from domain.hierarchy import DEFAULT_LABELS
from views.directory import names
from views.models import BudgetLoadDetail, ClosedMonth, tidy

_LOADS = """
SELECT ordinal, mode, customer, option, file_version, content_hash, effective_on, currency, products, total, added,
    changed, withdrawn, loaded_by, loaded_at
FROM budget_loads WHERE fiscal_year = %s ORDER BY ordinal"""
_CLOSED = "SELECT month, closed_by, closed_at, note FROM closed_months WHERE fiscal_year = %s ORDER BY month"


def labels(cursor: Cursor[Any], fiscal_year: int) -> tuple[str, ...]:
    found = cursor.execute("SELECT labels FROM budget_books WHERE fiscal_year = %s", [fiscal_year]).fetchone()
    return tuple(found[0]) if found else DEFAULT_LABELS


def loads(cursor: Cursor[Any], fiscal_year: int) -> tuple[BudgetLoadDetail, ...]:
    rows = cursor.execute(_LOADS, [fiscal_year]).fetchall()
    columns = [column.name for column in cursor.description or ()]
    found = [dict(zip(columns, row, strict=True)) for row in rows]
    known = names(cursor, [load["loaded_by"] for load in found])
    return tuple(
        BudgetLoadDetail(
            fiscal_year=fiscal_year,
            **load | {"total": tidy(load["total"], load["currency"])},
            loaded_by_name=known.get(load["loaded_by"], ""),
        )
        for load in found
    )


def closed_months(cursor: Cursor[Any], fiscal_year: int) -> tuple[ClosedMonth, ...]:
    rows = cursor.execute(_CLOSED, [fiscal_year]).fetchall()
    known = names(cursor, [row[1] for row in rows])
    return tuple(
        ClosedMonth(
            month=Month.parse(month),
            closed_by=closed_by,
            closed_by_name=known.get(closed_by, ""),
            closed_at=closed_at,
            note=note,
        )
        for month, closed_by, closed_at, note in rows
    )
