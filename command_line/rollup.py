"""`allot rollup`: where the money stands, from the business units down to the products."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import typer
from rich.console import ConsoleRenderable
from rich.text import Text

from command_line import options
from command_line.output import Column, Styled, WholeTable, figures, money, place, safe, show, table
from command_line.session import Session, node_path
from domain.errors import DamagedReport, NotFound
from domain.hierarchy import PRODUCT_LEVEL, NodePath
from domain.money import Money, total
from domain.schedule import State
from views.models import PeriodCheck, RollupReport, RollupRow

BUSINESS_UNIT = "bold"
ROWS_SHOWN_MAX = 2_000
"""Rows of a tree that somebody may still want to read; --json has them all."""
OVER_BUDGET = "red"
NOT_APPROVED = "dim"
"""Only approved schedules count; the rest is grey."""


def rollup(
    node: Annotated[
        str | None, typer.Argument(metavar="NODE", help="Path of a node; default: the whole organization.")
    ] = None,
    year: options.Year = None,
    depth: Annotated[
        int, typer.Option(metavar="LEVELS", min=0, max=PRODUCT_LEVEL, help="How many levels below the node.")
    ] = PRODUCT_LEVEL,
    as_json: options.Json = False,
) -> None:
    """Show annual, planned, unallocated, actual and variance of a node and all below it."""
    session = Session.open(as_json)
    report = read_rollup(session, session.fiscal_year(year), node_path(node) if node else None, depth)
    show(rollup_data(report), as_json, lambda: rollup_tables(report))
    if not report.reconciles:
        raise DamagedReport(
            f"The figures of {report.fiscal_year} do not add up to the cost reports: compute the views anew with "
            "`allot view rebuild`, and report this if it stays.",
            code="NotReconciled",
        )


def read_rollup(session: Session, fiscal_year: int, node: NodePath | None, depth: int = PRODUCT_LEVEL) -> RollupReport:
    """Raises NotFound where there is neither budget nor spend."""
    with session.views() as views:
        report, years = views.rollup(fiscal_year, node, depth), views.fiscal_years()
    if not report.rows and not report.periods:
        there = (
            f"There are figures for {', '.join(map(str, years))}." if years else "Load a budget: `allot budget load`."
        )
        raise NotFound(f"There is no budget and no spend for {fiscal_year}. {there}", code="UnknownYear")
    if node is not None and not report.rows:
        raise NotFound(
            f"There is no {node} in {fiscal_year}: see `allot rollup --year {fiscal_year}`.", code="UnknownNode"
        )
    return report


def rollup_data(report: RollupReport) -> dict[str, Any]:
    periods = [{**dict(period), "equal": period.equal} for period in report.periods]
    return {**dict(report), "periods": periods, "reconciles": report.reconciles}


def rollup_tables(report: RollupReport) -> list[ConsoleRenderable | str]:
    shown = _deepest_that_fits(report.rows)
    parts: list[ConsoleRenderable | str] = [_tree(report, shown)]
    if left_out := len(report.rows) - len(shown):
        parts += ["", f"{left_out:,} nodes further down are left out: name a node, or take --json for all of them."]
    if report.unallocated:
        parts += ["", _unallocated(report)]
    parts += ["", *(reconciliation(report) if report.periods else ["No cost report was imported for this year yet."])]
    return parts


def _deepest_that_fits(rows: Sequence[RollupRow]) -> Sequence[RollupRow]:
    """All rows down to a level, so that no sum is shown with only some of its parts."""
    for level in range(PRODUCT_LEVEL, 0, -1):
        shown = [row for row in rows if row.level <= level]
        if len(shown) <= ROWS_SHOWN_MAX:
            return shown
    return rows[:1]


def _tree(report: RollupReport, rows: Sequence[RollupRow]) -> WholeTable:
    where = "" if report.node == NodePath.ROOT else f", {place(report.node, report.labels)}"
    title = f"Fiscal year {report.fiscal_year}{where}, {report.currency}: {' › '.join(report.labels)}"
    columns = (
        Column("", fold=True),
        *figures("Annual", "Planned", "Unallocated", "Actual", "Variance"),
        Column("Schedules"),
    )
    top = min((row.level for row in rows), default=0)
    return table(title, columns, [_tree_row(row, top, report.currency) for row in rows])


def _tree_row(row: RollupRow, top: int, currency: str) -> Styled:
    name = Text("  " * (row.level - top) + safe("All" if row.level == 0 else row.name))
    style = BUSINESS_UNIT if row.level <= 1 else NOT_APPROVED if row.state and not _in_force(row) else ""
    if row.over_budget:
        style = OVER_BUDGET
    return Styled([name, *_figures(row, currency), _state(row)], style)


def _in_force(row: RollupRow) -> bool:
    return row.state is State.APPROVED or bool(row.planned)


def _figures(row: RollupRow, currency: str) -> list[str]:
    return [money(amount, currency) for amount in (row.annual, row.planned, row.unallocated, row.actual, row.variance)]


def _state(row: RollupRow) -> str:
    if row.withdrawn:
        return "withdrawn"
    if row.state is not None:
        return f"{row.state}, OVER BUDGET" if row.over_budget else row.state
    return f"{row.approved:,} of {row.products:,}" if row.products else ""


def _unallocated(report: RollupReport) -> WholeTable:
    today = datetime.now(UTC).date()
    months = [period.billing_period for period in report.periods]
    columns = (
        Column("Account"),
        Column("Name", fold=True),
        *figures(*(str(month) for month in months), "Total"),
        Column("Since", right=True),
        Column("Age", right=True),
        Column("State"),
    )
    rows = [
        (
            account.account_id,
            account.name,
            *(money(account.months.get(month), report.currency) for month in months),
            money(account.amount, report.currency),
            account.since,
            f"{account.age_days(today):,} d",
            account.lifecycle,
        )
        for account in report.unallocated
    ]
    return table(f"Unallocated accounts: spend that belongs to nobody's budget yet, {report.currency}", columns, rows)


def reconciliation(report: RollupReport) -> list[ConsoleRenderable | str]:
    """What was read against what is shown, with all digits."""
    whole = total([period.report for period in report.periods])
    products = total([period.products for period in report.periods])
    nobodys = total([period.unallocated for period in report.periods])
    periods = ", ".join(str(period.billing_period) for period in report.periods)
    if report.reconciles:
        line = (
            f"Reconciled to the last digit: products {_exact(products, report)} + "
            f"unallocated {_exact(nobodys, report)}{_booked(report)} = report {_exact(whole, report)} ({periods})."
        )
        return [Text(line, style="green")]
    wrong = [_wrong(period, report) for period in report.periods if not period.equal]
    return [Text("NOT RECONCILED: the figures do not add up to the report. " + "; ".join(wrong), style="bold red")]


def _wrong(period: PeriodCheck, report: RollupReport) -> str:
    terms = {
        "report": period.report,
        "products": period.products,
        "unallocated": period.unallocated,
        "booked elsewhere": period.booked_elsewhere,
        "booked here": period.booked_here,
        "difference": period.difference,
    }
    return f"{period.billing_period}: " + ", ".join(
        f"{name} {_exact(amount, report)}" for name, amount in terms.items() if amount or not name.startswith("booked")
    )


def _booked(report: RollupReport) -> str:
    """Adjustments of closed months, which are in the figures of other months than in the reports."""
    elsewhere = total([period.booked_elsewhere for period in report.periods])
    here = total([period.booked_here for period in report.periods])
    told = f" + booked elsewhere {_exact(elsewhere, report)}" if elsewhere else ""
    return f"{told} - booked here of other months {_exact(here, report)}" if here else told


def _exact(amount: Decimal, report: RollupReport) -> str:
    return str(Money(amount, report.currency))
