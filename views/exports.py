"""What is exported: rows read one batch after the other, and the check that they add up to what the views show.

All is read in one snapshot and at one log position, by a cursor on the server, so that a file of any length takes the
memory of one batch. The rows come from whose spend it is; what they must add up to comes from the rollup and from the
reports, which were summed on other ways.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple, cast
from uuid import uuid4

from psycopg import Cursor

from domain.calendar import FiscalCalendar
from domain.errors import DamagedReport, NotFound
from domain.export import ExportKind, ExportRequest
from domain.hierarchy import NodePath
from domain.money import EXACT, plain
from views import books, export_sql
from views.batch import ZERO
from views.export_tables import (
    ACCOUNT_LEVEL,
    Column,
    DailyFound,
    RollupFound,
    Row,
    columns_of,
    daily_row,
    rollup_row,
)
from views.generations import live
from views.models import tidy

BATCH_ROWS = 5_000
STATEMENT_TIMEOUT_MS = 600_000
"""For all rows to be found and sorted, before the first one comes."""


class Totals(NamedTuple):
    """What a file adds up to, to the last digit."""

    rows: int
    total: Decimal
    """Of actual spend; of it …"""
    unallocated: Decimal
    """… what belongs to nobody's budget. Nothing of it is in the scope of a node below the organization."""
    report: Decimal | None
    """What the cost reports say of the same months; none where the file has only a part of them."""


class OpenExport:
    """One export while it is read: ask for `batches` once, to the end, and then for `totals`."""

    def __init__(self, cursor: Cursor[Any], request: ExportRequest, calendar: FiscalCalendar) -> None:
        """Raises NotFound where there is nothing to export."""
        months = (request.billing_period,) if request.billing_period else calendar.months(request.fiscal_year)
        self._cursor, self._query = cursor, export_sql.of(request, months[0], months[-1])
        cursor.execute(f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS}")
        self.request = request
        self.currency = self._currency()
        self.labels = books.labels(cursor, request.fiscal_year)
        self.columns: tuple[Column, ...] = columns_of(request.what, self.labels, request.metric)
        self.position = live(cursor).position
        self._rows, self._spent, self._of_nodes, self._unallocated = 0, ZERO, ZERO, ZERO

    def count(self) -> int:
        """Rows there will be."""
        return int(self._one(f"SELECT count(*) FROM ({self._query.rows}) AS rows")[0])  # noqa: S608 - our own query

    def batches(self) -> Iterator[list[Row]]:
        """Every row, a limited number at a time. Raises DamagedReport at the end where they do not add up."""
        with self._cursor.connection.cursor(name=f"export_{uuid4().hex}") as rows:
            rows.execute(self._query.rows.encode(), self._query.parameters)
            while found := rows.fetchmany(BATCH_ROWS):
                yield [self._row(values) for values in found]
        self._check()

    @property
    def totals(self) -> Totals:
        """Once all batches were read."""
        return Totals(
            rows=self._rows,
            total=tidy(EXACT.add(self._spent, self._unallocated), self.currency),
            unallocated=tidy(self._unallocated, self.currency),
            report=tidy(self._report(), self.currency) if self._query.is_whole else None,
        )

    def _row(self, values: tuple[Any, ...]) -> Row:
        self._rows += 1
        if self.request.what is ExportKind.DAILY:
            day = DailyFound._make(values)
            self._add(day.path, day.amount)
            return daily_row(day, self.currency)
        found = RollupFound._make(values)
        if found.level == ACCOUNT_LEVEL:
            self._add(found.path, found.actual)
        elif found.level == self.request.node.level:
            self._of_nodes = EXACT.add(self._of_nodes, found.actual)
        return rollup_row(found, self.labels, self.currency, self.request.billing_period is not None)

    def _add(self, path: str, amount: Decimal) -> None:
        if path:
            self._spent = EXACT.add(self._spent, amount)
        else:
            self._unallocated = EXACT.add(self._unallocated, amount)

    def _check(self) -> None:
        """The rows against the rollup, the node's row against the rows below it, and all against the reports."""
        query = self._query
        shown, without = self._one(query.control)
        pairs = [("spend", self._spent, shown), ("unallocated spend", self._unallocated, without)]
        if query.has_nodes:
            pairs.append(("the node's own row", self._of_nodes, self._spent))
        if query.is_whole:
            pairs.append(("the cost reports", EXACT.add(self._spent, self._unallocated), self._report()))
        if wrong := [f"{name}: {plain(a)} against {plain(b)}" for name, a, b in pairs if a != b]:
            raise DamagedReport(
                f"The export does not add up ({'; '.join(wrong)}), so it was not written: compute the views anew with "
                "`allot view rebuild`, and report this if it stays.",
                code="NotReconciled",
            )

    def _report(self) -> Decimal:
        return Decimal(self._one(self._query.report)[0])

    def _currency(self) -> str:
        found = self._cursor.execute(export_sql.CURRENCY, {"year": self.request.fiscal_year}).fetchone()
        if found is None:
            raise NotFound(
                f"There is no budget and no spend for {self.request.fiscal_year}: nothing to export.",
                code="UnknownYear",
            )
        if self.request.node != NodePath.ROOT and not self._one(export_sql.KNOWN_NODE)[0]:
            raise NotFound(
                f"There is no {self.request.node} in {self.request.fiscal_year}: see `allot rollup`.",
                code="UnknownNode",
            )
        return str(found[0])

    def _one(self, query: str) -> tuple[Any, ...]:
        found = self._cursor.execute(query.encode(), self._query.parameters).fetchone()
        return cast(tuple[Any, ...], found)
