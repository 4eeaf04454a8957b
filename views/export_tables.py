"""The tables that are exported: their columns, and a row of each as it is made from what a query found.

A cell is a text, a whole number, a day, an exact amount, or nothing. How it is written is the business of each format.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from enum import Enum, auto
from typing import Any, NamedTuple

from domain.calendar import Month
from domain.cost_metric import CostMetric
from domain.export import ExportKind
from domain.hierarchy import PRODUCT_LEVEL
from domain.money import total
from domain.schedule import State
from views.models import tidy
from views.paths import text_path
from views.report import ORGANIZATION_LABEL

type Cell = str | int | date | Decimal | None
type Row = tuple[Cell, ...]

ACCOUNT_LEVEL = PRODUCT_LEVEL + 1
WORKLOAD_LEVEL = PRODUCT_LEVEL + 2
ACCOUNT, WORKLOAD, UNALLOCATED = "Account", "Workload", "Unallocated account"


class Kind(Enum):
    """What a column holds."""

    TEXT = auto()
    WHOLE = auto()
    DAY = auto()
    BUDGET = auto()
    """An amount with no more decimals than the currency."""
    COST = auto()
    """An amount with all decimals of a cost report."""


class Column(NamedTuple):
    """A column of an export; its name is the same in every file, its title is for people."""

    name: str
    title: str
    kind: Kind


def columns_of(what: ExportKind, labels: Sequence[str], metric: CostMetric) -> tuple[Column, ...]:
    """In the order of the cells of a row."""
    where = (
        Column("node", "Node", Kind.TEXT),
        *(Column(f"e{level}", label, Kind.TEXT) for level, label in enumerate(labels, 1)),
        Column("account_id", "Account", Kind.TEXT),
        Column("account_name", "Account name", Kind.TEXT),
        Column("workload", "Workload", Kind.TEXT),
    )
    currency = Column("currency", "Currency", Kind.TEXT)
    if what is ExportKind.DAILY:
        days = (Column("day", "Day (UTC)", Kind.DAY), Column("billing_period", "Billing period", Kind.TEXT))
        return (*days, *where, Column(metric.value, _words(metric), Kind.COST), currency)
    return (
        Column("level", "Level", Kind.WHOLE),
        Column("kind", "Kind", Kind.TEXT),
        *where,
        Column("annual", "Annual", Kind.BUDGET),
        Column("planned", "Planned", Kind.BUDGET),
        Column("unallocated", "Unallocated", Kind.BUDGET),
        Column("actual", "Actual", Kind.COST),
        Column("variance", "Variance", Kind.COST),
        Column("state", "Schedule", Kind.TEXT),
        currency,
    )


def _words(metric: CostMetric) -> str:
    return metric.value.replace("_", " ").capitalize() + " cost"


class RollupFound(NamedTuple):
    """One row of the query."""

    level: int
    path: str
    """Empty for an account without an allocation."""
    account_id: str
    account_name: str
    workload: str
    annual: Decimal | None
    planned: Decimal | None
    actual: Decimal
    lines: int | None
    state: str | None


def rollup_row(found: RollupFound, labels: Sequence[str], currency: str, by_month: bool) -> Row:
    """An account and a workload have no budget of their own; a month has a part of the plan, and none of the annual."""
    annual, planned = _tidy(found.annual, currency), _tidy(found.planned, currency)
    actual = tidy(found.actual, currency)
    unplanned = None if annual is None or planned is None or by_month else tidy(total([annual, -planned]), currency)
    variance = None if planned is None else tidy(total([planned, -actual]), currency)
    state = State(found.state or State.DRAFT) if found.level == PRODUCT_LEVEL and found.lines else None
    return (
        found.level,
        _kind(found, labels),
        *_where(found.path, found.account_id, found.account_name, found.workload),
        annual,
        planned,
        unplanned,
        actual,
        variance,
        state.value if state else "",
        currency,
    )


def _kind(found: RollupFound, labels: Sequence[str]) -> str:
    if not found.path:
        return UNALLOCATED
    return (ORGANIZATION_LABEL, *labels, ACCOUNT, WORKLOAD)[found.level]


class DailyFound(NamedTuple):
    day: date
    billing_period: date
    path: str
    """Empty for spend without an allocation."""
    account_id: str
    account_name: str
    workload: str
    amount: Decimal


def daily_row(found: DailyFound, currency: str) -> Row:
    where = _where(found.path, found.account_id, found.account_name, found.workload)
    amount = tidy(found.amount, currency)
    return (found.day, str(Month.of(found.billing_period)), *where, amount, currency)


def _where(path: str, account_id: str, account_name: str, workload: str) -> tuple[str, ...]:
    names = text_path(path).parts if path else ()
    return (path, *names, *[""] * (PRODUCT_LEVEL - len(names)), account_id, account_name, workload)


def _tidy(amount: Any, currency: str) -> Decimal | None:
    return None if amount is None else tidy(amount, currency)
