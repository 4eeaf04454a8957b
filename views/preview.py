"""What an allocation would move, in money, before it is recorded: with the code that splits actual spend."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal, localcontext
from typing import Any

from psycopg import Cursor
from psycopg.sql import Identifier

from domain.allocation import Allocation, checked_shares, with_allocation
from domain.calendar import Month
from domain.hierarchy import NodePath
from domain.money import EXACT, decimals_of, total
from views.account_models import AllocationPreview, MonthPreview, MovedSpend
from views.account_rows import AllocationRow, history
from views.batch import ZERO
from views.models import tidy
from views.paths import text_path
from views.spend import MonthSpend, months_of, split_months

_DAILY = Identifier("daily_spend")
_HISTORY = f"SELECT {', '.join(AllocationRow._fields)} FROM allocations WHERE account_id = %s"  # noqa: S608 - our own columns
# Reports are in the organization's currency, or they are not imported.
_CURRENCY = "(SELECT currency FROM cost_periods LIMIT 1) UNION ALL (SELECT currency FROM budget_books LIMIT 1) LIMIT 1"


def preview(cursor: Cursor[Any], account_id: str, allocation: Allocation) -> AllocationPreview:
    """Raises Refusal where the shares are not a whole."""
    new = allocation.model_copy(update={"shares": checked_shares(allocation.shares)})
    now = history(AllocationRow(*row) for row in cursor.execute(_HISTORY.encode(), [account_id]))
    found = cursor.execute(_CURRENCY).fetchone()
    currency = found[0] if found else ""
    return AllocationPreview(
        account_id=account_id,
        allocation=new,
        currency=currency,
        months=_months(cursor, account_id, now, with_allocation(now, new), currency),
    )


def _months(
    cursor: Cursor[Any], account_id: str, now: Sequence[Allocation], then: Sequence[Allocation], currency: str
) -> tuple[MonthPreview, ...]:
    months = sorted(months_of(cursor, _DAILY, [account_id]))
    if not months:
        return ()
    decimals = decimals_of(currency)
    with localcontext(EXACT):
        before = split_months(cursor, _DAILY, months, {account_id: now}, decimals)
        after = split_months(cursor, _DAILY, months, {account_id: then}, decimals)
    previews = (_month(month[1], _by_product(before[month]), _by_product(after[month]), currency) for month in months)
    return tuple(one for one in previews if any(moved.difference for moved in one.moved))


def _by_product(spend: MonthSpend) -> dict[NodePath | None, Decimal]:
    """Unallocated spend first."""
    unallocated: dict[NodePath | None, Decimal] = {None: spend.unallocated[0]} if spend.unallocated else {}
    return unallocated | {text_path(product): amount for product, amount in sorted(spend.products.items())}


def _month(
    period: date, before: dict[NodePath | None, Decimal], after: dict[NodePath | None, Decimal], currency: str
) -> MonthPreview:
    parts = {product: (before.get(product, ZERO), after.get(product, ZERO)) for product in before | after}
    ordered = sorted(parts.items(), key=lambda part: (part[0] is not None, part[0] or NodePath.ROOT))
    moved = tuple(
        MovedSpend(
            product=product,
            before=tidy(old, currency),
            after=tidy(new, currency),
            difference=tidy(total([new, -old]), currency),
        )
        for product, (old, new) in ordered
        if old or new
    )
    return MonthPreview(month=Month.of(period), moved=moved)
