"""Whose spend it is: an account's months, cut where its allocation changes, and split over the products of each piece.

Actual spend is stored like that, and the preview of an allocation is computed like that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from psycopg import Cursor
from psycopg.sql import SQL, Identifier

from domain.allocation import Allocation, intervals, split_spend
from domain.calendar import Month
from views.batch import ZERO
from views.paths import path_text

AccountMonth = tuple[str, date]


class Piece(NamedTuple):
    """Spend of an account over days with one and the same allocation."""

    account_id: str
    billing_period: date
    first: date
    last: date


class MonthSpend(NamedTuple):
    """What an account has spent in a month."""

    products: dict[str, Decimal]
    unallocated: tuple[Decimal, date] | None
    """With its first day; None where there is no day with spend before the first allocation."""


def months_of(cursor: Cursor[Any], daily: Identifier, accounts: Sequence[str]) -> list[AccountMonth]:
    """The months in which these accounts have spend."""
    if not accounts:
        return []
    query = SQL("SELECT DISTINCT account_id, billing_period FROM {} WHERE account_id = ANY(%s)")
    return cursor.execute(query.format(daily), [list(accounts)]).fetchall()


def split_months(
    cursor: Cursor[Any],
    daily: Identifier,
    months: Sequence[AccountMonth],
    histories: Mapping[str, Sequence[Allocation]],
    decimals: int,
) -> dict[AccountMonth, MonthSpend]:
    """By product, to the last digit. Call it in `localcontext(EXACT)`; `daily` is the table of daily spend."""
    cut = {
        Piece(account_id, period, first, last): allocation
        for account_id, period in months
        for first, last, allocation in intervals(histories[account_id], Month.of(period))
    }
    found = {month: MonthSpend({}, None) for month in months}
    for piece, amount, since in _sums(cursor, daily, list(cut)) if cut else ():
        allocation, month = cut[piece], piece[:2]
        if allocation is None:
            found[month] = found[month]._replace(unallocated=(amount, since))
            continue
        products = found[month].products
        for product, part in split_spend(amount, allocation.shares, decimals).items():
            name = path_text(product)
            products[name] = products.get(name, ZERO) + part
    return found


def _sums(cursor: Cursor[Any], daily: Identifier, pieces: list[Piece]) -> list[tuple[Piece, Decimal, date]]:
    """What each piece cost, and its first day with spend; in the order of the pieces."""
    query = SQL(
        "SELECT p.n, sum(d.amount), min(d.day) "
        "FROM unnest(%s::text[], %s::date[], %s::date[], %s::date[]) WITH ORDINALITY "
        "AS p(account_id, billing_period, first, last, n) "
        "JOIN {} d USING (account_id, billing_period) WHERE d.day BETWEEN p.first AND p.last GROUP BY p.n ORDER BY p.n"
    ).format(daily)
    found = cursor.execute(query, [list(column) for column in zip(*pieces, strict=True)])
    return [(pieces[n - 1], amount, since) for n, amount, since in found]
