"""What an allocation would move, in money, before it is recorded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from domain.allocation import Allocation
from domain.errors import Refusal
from domain.hierarchy import NodePath
from tests.views.given import ORGANIZATION, ListLog, allocated, allocated_to, cost, imported, line, store_costs, vended
from tests.views.given import loaded as book
from tests.views.given_accounts import allocation
from tests.views.random_company import RandomCompany
from views.account_models import AllocationPreview, MonthPreview
from views.projector import Projector
from views.queries import Views

ONE, TWO = "000000000001", "000000000002"
CART, BOOKS = "Retail/Digital/Web/Cart", "Retail/Digital/Web/Books"
NEW_YEAR = date(2026, 1, 1)
ACTUAL = (
    "SELECT billing_period, product, amount FROM account_shares WHERE account_id = '{0}' "
    "UNION ALL SELECT billing_period, '', amount FROM unallocated_spend WHERE account_id = '{0}'"
)
Ask = Callable[[str], list[tuple[Any, ...]]]
Figures = list[tuple[str, str, str, str]]


def figures(month: MonthPreview) -> Figures:
    return [
        (str(moved.product or "unallocated"), str(moved.before), str(moved.after), str(moved.difference))
        for moved in month.moved
    ]


def shown(preview: AllocationPreview) -> dict[str, Figures]:
    return {str(month.month): figures(month) for month in preview.months}


@pytest.fixture
def spent(log: ListLog, projector: Projector, database_url: str) -> None:
    """In two months, by an account whose spend belongs to Cart from the 10th of May on."""
    costs = [
        cost(ONE, "2026-05-03", "10"),
        cost(ONE, "2026-05-20", "100.00"),
        cost(ONE, "2026-06-02", "30.0000000001"),
        cost(TWO, "2026-06-02", "7"),
    ]
    store_costs(database_url, costs)
    log.add(line(CART, "1"), vended(ONE), allocated(ONE, date(2026, 5, 10), Cart="100"))
    log.add(imported(costs, "2026-05"), imported(costs, "2026-06"))
    projector.catch_up()


@pytest.mark.usefixtures("spent")
def test_a_remap_is_shown_by_month_and_product(views: Views) -> None:
    preview = views.preview(ONE, allocation(date(2026, 5, 24), Books="40", Cart="60"))
    assert preview.currency == "USD"
    assert shown(preview) == {
        "2026-06": [
            (BOOKS, "0.00", "12.00", "12.00"),
            (CART, "30.0000000001", "18.0000000001", "-12.00"),
        ]
    }


@pytest.mark.usefixtures("spent")
def test_unallocated_spend_moves_as_of_the_effective_date(views: Views) -> None:
    assert shown(views.preview(ONE, allocation(date(2026, 5, 1), Books="100"))) == {
        "2026-05": [
            ("unallocated", "10.00", "0.00", "-10.00"),
            (BOOKS, "0.00", "10.00", "10.00"),
            (CART, "100.00", "100.00", "0.00"),
        ]
    }
    assert shown(views.preview(TWO, allocation(NEW_YEAR, Books="100"))) == {
        "2026-06": [("unallocated", "7.00", "0.00", "-7.00"), (BOOKS, "0.00", "7.00", "7.00")]
    }


@pytest.mark.usefixtures("spent")
def test_where_nothing_changes_no_month_is_shown(views: Views) -> None:
    assert views.preview(ONE, allocation(date(2026, 5, 10), Cart="100")).months == ()
    assert views.preview(ONE, allocation(date(2026, 7, 1), Books="100")).months == ()
    assert views.preview("000000000009", allocation(NEW_YEAR, Books="100")).months == ()


def test_before_anything_was_spent_there_is_nothing_to_move(log: ListLog, projector: Projector, views: Views) -> None:
    assert views.preview(ONE, allocation(NEW_YEAR, Cart="100")).currency == ""
    log.add(book(), vended(ONE))
    projector.catch_up()
    preview = views.preview(ONE, allocation(NEW_YEAR, Cart="100"))
    assert (preview.currency, preview.months) == ("USD", ())


def test_shares_that_are_no_whole_cannot_be_previewed(views: Views) -> None:
    with pytest.raises(Refusal, match="add up to 90 %"):
        views.preview(ONE, allocation(NEW_YEAR, Cart="90"))


@pytest.mark.parametrize("seed", [1, 2])
def test_what_was_shown_is_what_happens(seed: int, views: Views, rows: Ask, database_url: str) -> None:
    """Of any allocation of any account: the preview, then the allocation itself, and the views again."""
    company = RandomCompany(seed, accounts=12, products=20, import_every=300)
    log, random = ListLog(*company.events(2_500)), Random(seed)
    store_costs(database_url, company.costs)
    projector = Projector(log, database_url, ORGANIZATION)
    projector.catch_up()
    months = 0
    for account_id in views.present_accounts():
        new = _any_allocation(random, company.products)
        preview = views.preview(account_id, new)
        before = _spent(rows(ACTUAL.format(account_id)))
        shares = {str(share.product): str(share.percent) for share in new.shares}
        log.add(allocated_to(account_id, new.effective_on, shares))
        projector.catch_up()
        after = _spent(rows(ACTUAL.format(account_id)))
        moved = {
            (month.month.first_day, str(part.product or "")): (part.before, part.after)
            for month in preview.months
            for part in month.moved
            if part.difference
        }
        expected = {
            key: (before.get(key, Decimal(0)), after.get(key, Decimal(0)))
            for key in before | after
            if before.get(key) != after.get(key)
        }
        assert moved == expected
        for month in preview.months:
            assert sum(part.difference for part in month.moved) == 0
            months += 1
    assert months > 10


def _any_allocation(random: Random, products: list[NodePath]) -> Allocation:
    parts = random.choice((("100",), ("33.3333", "33.3333", "33.3334"), ("12.5", "87.5")))
    effective_on = date(2026, random.randrange(1, 13), random.randrange(1, 29))
    new = allocation(effective_on, **dict(zip("abc", parts, strict=False)))
    chosen = random.sample(products, len(parts))
    shares = tuple(
        share.model_copy(update={"product": product}) for share, product in zip(new.shares, chosen, strict=True)
    )
    return new.model_copy(update={"shares": shares})  # in no order


def _spent(found: list[tuple[Any, ...]]) -> dict[tuple[date, str], Decimal]:
    return {(period, product): amount for period, product, amount in found}
