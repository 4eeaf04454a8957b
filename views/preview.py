"""What an allocation would move, in money, before it is recorded: with the code that splits actual spend."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from psycopg import Cursor
from psycopg.sql import SQL, Literal

from domain.allocation import Allocation, checked_shares, with_allocation
from domain.calendar import Month
from domain.cost_metric import DEFAULT_METRIC
from domain.hierarchy import NodePath
from domain.money import decimals_of, total
from views.account_models import AllocationPreview, MonthPreview, MovedSpend
from views.account_rows import AllocationRow, history
from views.batch import ZERO
from views.models import tidy
from views.paths import path_text, text_path
from views.spend import IN_METRIC, PUBLIC, AccountMonth, Days, asked, months_of, of_currency, shares_query

_ASSUMED = SQL(
    "(SELECT * FROM unnest(%(account_ids)s::text[], %(effective_ons)s::date[], %(ordinals)s::bigint[], "
    "%(products)s::text[], %(percents)s::numeric[], %(effective_tos)s::date[]) "
    "AS a(account_id, effective_on, ordinal, product, percent, effective_to))"
)
_SPENT = SQL("""
WITH {fresh},
years AS (
    SELECT billing_period, fiscal_year FROM cost_periods UNION SELECT booked_in, fiscal_year FROM cost_adjustments
)
SELECT account_id, billing_period, product, sum(CASE metric {in_metric} END)
FROM fresh JOIN years y USING (billing_period),
LATERAL (SELECT coalesce((SELECT m.metric FROM cost_metrics m WHERE m.fiscal_year <= y.fiscal_year
    ORDER BY m.fiscal_year DESC LIMIT 1), {default}) AS metric) AS chosen
GROUP BY account_id, billing_period, product ORDER BY account_id, billing_period, product""").format(
    fresh=shares_query(PUBLIC._replace(allocations=_ASSUMED)),
    in_metric=IN_METRIC,
    default=Literal(DEFAULT_METRIC.value),
)
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
    months = sorted(months_of(cursor, PUBLIC, [account_id]))
    if not months:
        return ()
    before, after = (_spent(cursor, months, allocations, currency) for allocations in (now, then))
    previews = (_month(month[1], before[month], after[month], currency) for month in months)
    return tuple(one for one in previews if any(moved.difference for moved in one.moved))


def _spent(
    cursor: Cursor[Any], months: Sequence[AccountMonth], allocations: Sequence[Allocation], currency: str
) -> dict[AccountMonth, dict[NodePath | None, Decimal]]:
    """By month and product, unallocated spend first, if these were the account's allocations."""
    days = [Days(*month, month[1], Month.of(month[1]).last_day) for month in months]
    parameters = {**asked(days), **of_currency(decimals_of(currency)), **_as_rows(months[0][0], allocations)}
    found: dict[AccountMonth, dict[NodePath | None, Decimal]] = {month: {} for month in months}
    for *month, product, amount in cursor.execute(_SPENT, parameters):
        found[month[0], month[1]][text_path(product) if product else None] = amount
    return found


def _as_rows(account_id: str, allocations: Sequence[Allocation]) -> dict[str, Any]:
    """The history as columns of the table of allocations."""
    ends = [*(entry.effective_on for entry in allocations[1:]), None]
    rows = [
        (account_id, entry.effective_on, ordinal, path_text(share.product), share.percent, end)
        for entry, end in zip(allocations, ends, strict=False)  # there is an end too many where there is none
        for ordinal, share in enumerate(entry.shares)
    ]
    columns = list(map(list, zip(*rows, strict=True))) or [[]] * 6
    names = ("account_ids", "effective_ons", "ordinals", "products", "percents", "effective_tos")
    return dict(zip(names, columns, strict=True))


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
