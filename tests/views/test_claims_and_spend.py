"""What a claimed resource costs belongs wholly to its workload's product, on the days of the claim and no others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import psycopg

from domain.calendar import Month
from tests.views.given import CostRow, ListLog, allocated_to, imported, line, store_costs, vended
from tests.views.given_workloads import ACCOUNT, claimed, created, end_moved, released
from views.projector import Projector
from views.rebuild import rebuild

Ask = Callable[[str], list[tuple[Any, ...]]]
CART, BOOKS = "Retail/Digital/Web/Cart", "Retail/Digital/Web/Books"
JULY = date(2026, 7, 1)
DAYS = 6
SHARES = (
    "SELECT extract(day FROM day)::int, product, workload, trim_scale(unblended)::text FROM daily_shares "
    "WHERE product <> '' ORDER BY 1, 2, 3"
)


def store_claimed(database_url: str, resource: str, cost: str) -> None:
    """Of the 10.00 that the account costs each day, what the resource does."""
    insert = "INSERT INTO claimed_cost_rows VALUES (%s, 'v1', %s, %s, %s, %s, %s, %s, %s)"
    with psycopg.connect(database_url) as connection:
        for n in range(DAYS):
            day = JULY + timedelta(days=n)
            connection.execute(insert, [JULY, ACCOUNT, resource, day, *[Decimal(cost)] * 4])


def test_a_claim_takes_its_days_from_the_percentages_and_its_release_gives_them_back(
    log: ListLog, projector: Projector, database_url: str, rows: Ask, every_row: Callable[[], dict[str, list[str]]]
) -> None:
    costs = [
        CostRow(JULY, "v1", ACCOUNT, "AmazonEC2", "Usage", JULY + timedelta(days=n), Decimal("10.00"))
        for n in range(DAYS)
    ]
    store_costs(database_url, costs)
    store_claimed(database_url, "i-1", "4.00")
    log.add(line(CART, "1000"), line(BOOKS, "1000"), vended(ACCOUNT, "shop"), imported(costs, "2026-07", "v1"))
    log.add(allocated_to(ACCOUNT, JULY, {CART: "50", BOOKS: "50"}), created(CART, "Basket"))
    projector.catch_up()
    split = [(BOOKS, "", "5"), (CART, "", "5")]
    with_claim = [(BOOKS, "", "3"), (CART, "", "3"), (CART, "Basket", "4")]
    assert rows(SHARES) == [(day, *share) for day in range(1, DAYS + 1) for share in split]

    log.add(claimed(CART, "Basket", "i-1", date(2026, 7, 3)))
    projector.catch_up()
    log.add(released(CART, "Basket", "i-1", date(2026, 7, 5)))
    projector.catch_up()
    expected = [(day, *share) for day in (1, 2) for share in split]
    expected += [(day, *share) for day in (3, 4) for share in with_claim]
    expected += [(day, *share) for day in (5, 6) for share in split]
    assert rows(SHARES) == expected
    live = every_row()
    rebuild(log, database_url, projector._organization)
    assert every_row() == live


def test_the_end_of_a_workload_that_is_moved_recomputes_the_days_between(
    log: ListLog, projector: Projector, database_url: str, rows: Ask
) -> None:
    costs = [
        CostRow(JULY, "v1", ACCOUNT, "AmazonEC2", "Usage", JULY + timedelta(days=n), Decimal("10.00"))
        for n in range(DAYS)
    ]
    store_costs(database_url, costs)
    store_claimed(database_url, "i-1", "4.00")
    june = Month(2026, 6)
    log.add(line(CART, "1000"), vended(ACCOUNT, "shop"), imported(costs, "2026-07", "v1"))
    log.add(allocated_to(ACCOUNT, JULY, {CART: "100"}), created(CART, "Basket", june, june))
    log.add(claimed(CART, "Basket", "i-1", date(2026, 6, 20)))
    projector.catch_up()
    assert {row[2] for row in rows(SHARES)} == {""}
    log.add(end_moved(CART, "Basket", Month(2026, 7)))
    projector.catch_up()
    assert [row[2:] for row in rows(SHARES)] == [("", "6"), ("Basket", "4")] * DAYS
