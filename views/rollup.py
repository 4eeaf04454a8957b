"""The rollup: annual, planned and actual of every node, for the year and by month.

Each fold says what it changes for a product; here these changes are added to the product and to all above it. Sums of
exact decimals do not depend on their order, so the rows are those that a fresh sum over all products would give.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from views.batch import Batch, Change, Projection, add_to
from views.paths import above
from views.tables import Table


class YearRow(NamedTuple):
    fiscal_year: int
    path: str
    """The organization itself is `/`."""
    level: int
    parent: str
    parts: int
    """Budget lines, approved months and account shares that contribute."""
    lines: int
    """Products in the budget: with a line, and not withdrawn."""
    approved: int
    """Products with an approved schedule, and not withdrawn."""
    annual: Decimal
    planned: Decimal
    actual: Decimal


class MonthRow(NamedTuple):
    fiscal_year: int
    path: str
    month: str
    parts: int
    planned: Decimal
    actual: Decimal


YEARS = Table("rollup", YearRow, key=2, indexes=("(fiscal_year, level)",))
MONTHS = Table("rollup_months", MonthRow, key=3)


def settle(batch: Batch) -> None:
    years, months = _for_all_above(batch)
    year_rows, month_rows = batch.rows(YEARS), batch.rows(MONTHS)
    for fiscal_year, path in years:
        year_rows.want(fiscal_year, path)
    for fiscal_year, path, month in months:
        month_rows.want(fiscal_year, path, month)
    batch.load()
    for (fiscal_year, path), change in years.items():
        _add_to_year(batch, fiscal_year, path, change)
    for (fiscal_year, path, month), change in months.items():
        old = month_rows.get(fiscal_year, path, month) or MonthRow(fiscal_year, path, month, 0, Decimal(0), Decimal(0))
        parts = old.parts + change.parts
        if parts:
            planned, actual = old.planned + change.planned, old.actual + change.actual
            month_rows.put(MonthRow(fiscal_year, path, month, parts, planned, actual))
        else:
            month_rows.delete(fiscal_year, path, month)


def _for_all_above(batch: Batch) -> tuple[dict[tuple[int, str], Change], dict[tuple[int, str, str], Change]]:
    """From the products up, level by level, so that what a node was told once is not added up again above it."""
    years: dict[tuple[int, str], Change] = {}
    months: dict[tuple[int, str, str], Change] = {}
    year_level, month_level = batch.changes.years, batch.changes.months
    while year_level:
        upper_years: dict[tuple[int, str], Change] = {}
        for (fiscal_year, path), change in year_level.items():
            add_to(years, (fiscal_year, path), change)
            if (parent := above(path)) is not None:
                add_to(upper_years, (fiscal_year, parent), change)
        year_level = upper_years
    while month_level:
        upper_months: dict[tuple[int, str, str], Change] = {}
        for (fiscal_year, path, month), change in month_level.items():
            add_to(months, (fiscal_year, path, month), change)
            if (parent := above(path)) is not None:
                add_to(upper_months, (fiscal_year, parent, month), change)
        month_level = upper_months
    return years, months


def _add_to_year(batch: Batch, fiscal_year: int, path: str, change: Change) -> None:
    rows = batch.rows(YEARS)
    old = rows.get(fiscal_year, path)
    if old is None:
        level = 0 if path == "/" else path.count("/") + 1
        parent = above(path) or ""
        old = YearRow(fiscal_year, path, level, parent, 0, 0, 0, Decimal(0), Decimal(0), Decimal(0))
    new = old._replace(
        parts=old.parts + change.parts,
        lines=old.lines + change.lines,
        approved=old.approved + change.approved,
        annual=old.annual + change.annual,
        planned=old.planned + change.planned,
        actual=old.actual + change.actual,
    )
    if new.parts:
        rows.put(new)
    else:
        rows.delete(fiscal_year, path)


PROJECTION = Projection((YEARS, MONTHS), settle=settle)
