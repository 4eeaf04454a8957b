"""Cost rows, allocations and the calendar: whose spend it is, to the last digit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from domain.calendar import FiscalCalendar
from domain.decision import Organization
from tests.views.given import (
    ORGANIZATION,
    ListLog,
    allocated,
    allocated_to,
    cost,
    imported,
    line,
    store_costs,
    vended,
)
from tests.views.random_company import RandomCompany
from views.projector import Projector
from views.queries import Views

Ask = Callable[[str], list[tuple[Any, ...]]]
ONE, TWO = "000000000001", "000000000002"
CART, BOOKS = "Retail/Digital/Web/Cart", "Retail/Digital/Web/Books"
SHARES = "SELECT account_id, product, trim_scale(amount)::text FROM account_shares ORDER BY 1, billing_period, 2"
UNALLOCATED = "SELECT account_id, trim_scale(amount)::text, since FROM unallocated_spend ORDER BY 1, billing_period"
ACTUAL = "SELECT month, trim_scale(actual)::text, parts FROM rollup_months WHERE path = '{}' ORDER BY 1"


def test_spend_without_an_allocation_is_unallocated(
    log: ListLog, projector: Projector, rows: Ask, database_url: str
) -> None:
    costs = [cost(ONE, "2026-05-03", "1.25"), cost(ONE, "2026-05-09", "0.0000000001", charge_type="Tax")]
    store_costs(database_url, costs)
    log.add(imported(costs, "2026-05"))
    projector.catch_up()
    assert rows(UNALLOCATED) == [(ONE, "1.2500000001", date(2026, 5, 3))]
    assert rows(SHARES) == []
    monthly = "SELECT service, charge_type, trim_scale(unblended)::text FROM monthly_actuals ORDER BY 2"
    assert rows(monthly) == [("AmazonEC2", "Tax", "0.0000000001"), ("AmazonEC2", "Usage", "1.25")]


def test_an_allocation_made_later_moves_the_spend_from_its_effective_date(
    log: ListLog, projector: Projector, rows: Ask, database_url: str
) -> None:
    costs = [cost(ONE, "2026-05-03", "1"), cost(ONE, "2026-05-10", "2"), cost(ONE, "2026-05-31", "4")]
    store_costs(database_url, costs)
    log.add(vended(ONE), imported(costs, "2026-05"))
    projector.catch_up()
    log.add(allocated(ONE, date(2026, 5, 10), Cart="100"))
    projector.catch_up()
    assert rows(UNALLOCATED) == [(ONE, "1", date(2026, 5, 3))]
    assert rows(SHARES) == [(ONE, CART, "6")]
    log.add(allocated(ONE, date(2026, 5, 31), Books="100"), allocated(ONE, date(2026, 5, 3), Cart="100"))
    projector.catch_up()
    assert rows(UNALLOCATED) == []
    assert rows(SHARES) == [(ONE, BOOKS, "4"), (ONE, CART, "3")]
    assert rows(ACTUAL.format("/")) == [("2026-05", "7", 2)]


def test_a_product_that_loses_its_spend_leaves_nothing_behind(
    log: ListLog, projector: Projector, rows: Ask, database_url: str
) -> None:
    store_costs(database_url, costs := [cost(ONE, "2026-05-03", "1")])
    log.add(vended(ONE), imported(costs, "2026-05"), allocated(ONE, date(2026, 5, 1), Cart="100"))
    projector.catch_up()
    assert rows(ACTUAL.format(CART)) == [("2026-05", "1", 1)]
    log.add(allocated(ONE, date(2026, 5, 1), Books="100"))
    projector.catch_up()
    assert rows(ACTUAL.format(CART)) == []
    assert rows(f"SELECT * FROM rollup WHERE path = '{CART}'") == []


def test_thirds_add_up_to_the_whole(log: ListLog, projector: Projector, rows: Ask, database_url: str) -> None:
    store_costs(database_url, costs := [cost(ONE, "2026-05-03", "100.0000000007")])
    log.add(vended(ONE), allocated(ONE, date(2026, 5, 1), A="33.3333", B="33.3333", C="33.3334"))
    log.add(imported(costs, "2026-05"))
    projector.catch_up()
    assert [amount for _, _, amount in rows(SHARES)] == ["33.33", "33.33", "33.3400000007"]
    assert rows(ACTUAL.format("/")) == [("2026-05", "100.0000000007", 3)]


def test_a_restated_month_takes_the_place_of_the_earlier_one(
    log: ListLog, projector: Projector, rows: Ask, database_url: str
) -> None:
    costs = [
        cost(ONE, "2026-05-03", "5"),
        cost(TWO, "2026-05-03", "7"),
        cost(TWO, "2026-05-04", "1.5", version="v2"),
    ]
    store_costs(database_url, costs)
    log.add(vended(ONE), vended(TWO), allocated(ONE, date(2026, 1, 1), Cart="100"), imported(costs, "2026-05"))
    projector.catch_up()
    log.add(imported(costs, "2026-05", "v2"))
    projector.catch_up()
    assert rows(SHARES) == []
    assert rows(UNALLOCATED) == [(TWO, "1.5", date(2026, 5, 4))]
    assert rows("SELECT report_version, trim_scale(total)::text FROM cost_periods") == [("v2", "1.5")]


def test_usage_dated_outside_of_its_month_counts_for_the_month_it_is_billed_in(
    log: ListLog, projector: Projector, rows: Ask, database_url: str
) -> None:
    costs = [cost(ONE, "2026-04-29", "1", period="2026-05"), cost(ONE, "2026-06-01", "2", period="2026-05")]
    store_costs(database_url, costs)
    log.add(vended(ONE), allocated(ONE, date(2026, 5, 31), Cart="100"), imported(costs, "2026-05"))
    projector.catch_up()
    assert rows(UNALLOCATED) == [(ONE, "1", date(2026, 5, 1))]
    assert rows(SHARES) == [(ONE, CART, "2")]


def test_credits_may_make_a_share_negative(log: ListLog, projector: Projector, rows: Ask, database_url: str) -> None:
    costs = [cost(ONE, "2026-05-03", "1"), cost(ONE, "2026-05-03", "-11.01", charge_type="Credit")]
    store_costs(database_url, costs)
    log.add(vended(ONE), allocated(ONE, date(2026, 5, 1), Cart="50", Books="50"), imported(costs, "2026-05"))
    projector.catch_up()
    assert rows(SHARES) == [(ONE, BOOKS, "-5.01"), (ONE, CART, "-5")]


def test_a_month_belongs_to_the_fiscal_year_it_is_in(log: ListLog, rows: Ask, database_url: str) -> None:
    organization = Organization(calendar=FiscalCalendar(first_month=4))
    costs = [cost(ONE, "2026-03-31", "1"), cost(ONE, "2026-04-01", "2")]
    store_costs(database_url, costs)
    log.add(imported(costs, "2026-03"), imported(costs, "2026-04"), vended(ONE))
    log.add(allocated(ONE, date(2026, 4, 1), Cart="100"))
    Projector(log, database_url, organization).catch_up()
    assert rows("SELECT fiscal_year, trim_scale(amount)::text FROM unallocated_spend") == [(2026, "1")]
    assert rows("SELECT fiscal_year, trim_scale(actual)::text FROM rollup WHERE path = '/'") == [(2027, "2")]


def test_spend_in_a_year_without_a_budget_line_is_not_lost(
    log: ListLog, projector: Projector, views: Views, database_url: str
) -> None:
    store_costs(database_url, costs := [cost(ONE, "2027-01-03", "5")])
    log.add(line(CART, "100"), vended(ONE), allocated(ONE, date(2026, 1, 1), Cart="100"), imported(costs, "2027-01"))
    projector.catch_up()
    report = views.rollup(2027)
    assert [(str(row.path), row.actual, row.products, row.state) for row in report.rows][-1] == (
        CART,
        Decimal("5.00"),
        0,
        None,
    )
    assert report.reconciles
    assert views.rollup(2026).rows[-1].actual == 0


@pytest.mark.parametrize("seed", [11, 12])
def test_products_and_unallocated_spend_add_up_to_every_report(seed: int, views: Views, database_url: str) -> None:
    company = RandomCompany(seed, accounts=40, products=60)
    log = ListLog(*company.events(4_000))
    store_costs(database_url, company.costs)
    Projector(log, database_url, ORGANIZATION).catch_up()
    reports = [views.rollup(year) for year in (2026, 2027)]
    periods = [period for report in reports for period in report.periods]
    assert len(periods) > 5
    for period in periods:
        assert period.report + period.booked_here == period.products + period.unallocated + period.booked_elsewhere
    assert sum(0 not in (period.products, period.unallocated) for period in periods) > 5
    for report in reports:
        products = [row for row in report.rows if row.level == 4]
        assert report.rows[0].actual == sum(row.actual for row in products)
        booked = sum(period.booked_here - period.booked_elsewhere for period in report.periods)
        assert report.rows[0].actual + report.unallocated_total == sum(p.report for p in report.periods) + booked
        assert report.rows[0].planned == sum(row.planned for row in products)
        assert report.rows[0].annual == sum(row.annual for row in products)


def test_a_difference_to_the_report_is_shown(
    log: ListLog, projector: Projector, views: Views, database_url: str
) -> None:
    store_costs(database_url, [cost(ONE, "2026-05-03", "5.00")])
    log.add(imported([cost(ONE, "2026-05-03", "5.0000000001")], "2026-05"))
    projector.catch_up()
    report = views.rollup(2026)
    assert (report.periods[0].difference, report.reconciles) == (Decimal("0.0000000001"), False)


def test_paths_with_any_character_are_told_apart(
    log: ListLog, projector: Projector, views: Views, database_url: str
) -> None:
    names = ["Retail/Books/Web/A", "Retail/Bookshop/Web/A", "Retail/A%2FB/50%25/x", "Retail/A/B/50%25"]
    costs = [cost(f"{n:012d}", "2026-05-03", f"{10**n}") for n in range(4)]
    store_costs(database_url, costs)
    for n, product in enumerate(names):
        product = product if product.count("/") == 3 else product + "/y"
        log.add(line(product, "1"), vended(f"{n:012d}"))
        log.add(allocated_to(f"{n:012d}", date(2026, 1, 1), {product: "100"}))
    log.add(imported(costs, "2026-05"))
    projector.catch_up()
    actual = {str(row.path): row.actual for row in views.rollup(2026).rows}
    assert actual["Retail/Books"] == 1
    assert actual["Retail/Bookshop"] == 10
    assert actual["Retail/A%2FB"] == 100
    assert actual["Retail/A"] == 1000
    assert actual["Retail"] == 1111
