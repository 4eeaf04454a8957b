"""What changes after a month was closed counts for an open one, and everything still adds up to the reports."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import psycopg

from domain.calendar import Month
from domain.cost import InvoiceState
from domain.cost_metric import CostMetric
from tests.views.given import ListLog, allocated, cost, imported, measured, metric_chosen, store_costs, vended
from views.models import PeriodCheck
from views.projector import Projector
from views.queries import Views
from views.rebuild import rebuild

Ask = Callable[[str], list[tuple[Any, ...]]]
EveryRow = Callable[[], dict[str, list[str]]]
ONE, TWO = "000000000001", "000000000002"
CART, BOOKS = "Retail/Digital/Web/Cart", "Retail/Digital/Web/Books"
OTHER_PAYER = "222222222222"
JUNE = Month(2026, 6)
SHARES = (
    "SELECT billing_period::text, product, trim_scale(amount)::text FROM account_shares "
    "UNION ALL SELECT billing_period::text, '', trim_scale(amount)::text FROM unallocated_spend ORDER BY 1, 2"
)
INVOICED = InvoiceState(billing_entity="AWS", bill_type="Anniversary", lines=1, lines_without_invoice=0)


def checks(views: Views) -> dict[str, tuple[str, str, str, str, str]]:
    """report, products, unallocated, booked here and booked elsewhere by period, where everything adds up."""
    report = views.rollup(2026)
    assert report.reconciles
    return {str(one.billing_period): tuple(map(str, _figures(one))) for one in report.periods}  # type: ignore[misc]


def _figures(one: PeriodCheck) -> tuple[Decimal, ...]:
    return one.report, one.products, one.unallocated, one.booked_here, one.booked_elsewhere


def test_a_closed_month_keeps_its_figures_and_the_difference_counts_for_the_next_one(
    log: ListLog, projector: Projector, views: Views, rows: Ask, database_url: str, every_row: EveryRow
) -> None:
    costs = [
        cost(ONE, "2026-05-03", "10"),
        cost(TWO, "2026-05-04", "3"),
        cost(ONE, "2026-05-03", "12.50", version="v2"),
        cost(TWO, "2026-05-04", "2", version="v2"),
        cost(ONE, "2026-06-01", "1"),
        cost(ONE, "2026-06-02", "1"),
    ]
    store_costs(database_url, costs)
    log.add(vended(ONE), vended(TWO), allocated(ONE, date(2026, 1, 1), Cart="50", Books="50"))
    log.add(imported(costs, "2026-05"), imported(costs, "2026-05", "v2", booked_in=JUNE))
    projector.catch_up()
    assert checks(views) == {
        "2026-05": ("14.50", "10.00", "3.00", "0.00", "1.50"),
        "2026-06": ("0.00", "2.50", "-1.00", "1.50", "0.00"),
    }
    log.add(imported(costs, "2026-06"))
    projector.catch_up()
    assert checks(views)["2026-06"] == ("2.00", "4.50", "-1.00", "1.50", "0.00")
    assert rows(SHARES) == [
        ("2026-05-01", "", "3"),
        ("2026-05-01", BOOKS, "5"),
        ("2026-05-01", CART, "5"),
        ("2026-06-01", "", "-1"),
        ("2026-06-01", BOOKS, "2.25"),
        ("2026-06-01", CART, "2.25"),
    ]
    live = every_row()
    rebuild(log, database_url, projector._organization)
    assert every_row() == live


def test_an_adjustment_belongs_to_whoever_has_the_account_when_it_is_booked(
    log: ListLog, projector: Projector, views: Views, rows: Ask, database_url: str
) -> None:
    costs = [cost(ONE, "2026-05-03", "10"), cost(ONE, "2026-05-03", "11", version="v2")]
    store_costs(database_url, costs)
    log.add(vended(ONE), allocated(ONE, date(2026, 1, 1), Cart="100"), imported(costs, "2026-05"))
    log.add(imported(costs, "2026-05", "v2", booked_in=JUNE))
    projector.catch_up()
    log.add(allocated(ONE, date(2026, 6, 1), Books="100"))
    projector.catch_up()
    assert rows(SHARES) == [("2026-05-01", CART, "10"), ("2026-06-01", BOOKS, "1")]
    checks(views)


def test_a_reopened_month_follows_its_report_again_less_what_is_booked_elsewhere(
    log: ListLog, projector: Projector, views: Views, database_url: str
) -> None:
    costs = [cost(ONE, "2026-05-03", amount, version=f"v{n}") for n, amount in enumerate(("10", "11", "15", "16"), 1)]
    store_costs(database_url, costs)
    log.add(imported(costs, "2026-05"), imported(costs, "2026-05", "v2", booked_in=JUNE))
    projector.catch_up()
    log.add(imported(costs, "2026-05", "v3"))
    projector.catch_up()
    assert checks(views) == {
        "2026-05": ("15.00", "0.00", "14.00", "0.00", "1.00"),
        "2026-06": ("0.00", "0.00", "1.00", "1.00", "0.00"),
    }
    log.add(imported(costs, "2026-05", "v4", booked_in=Month(2026, 7)))
    projector.catch_up()
    assert checks(views)["2026-05"] == ("16.00", "0.00", "14.00", "0.00", "2.00")


def test_a_month_that_was_closed_before_its_first_report_is_booked_as_a_whole(
    log: ListLog, projector: Projector, views: Views, database_url: str
) -> None:
    store_costs(database_url, costs := [cost(ONE, "2026-05-03", "10")])
    log.add(imported(costs, "2026-05", booked_in=JUNE))
    projector.catch_up()
    assert checks(views) == {
        "2026-05": ("10.00", "0.00", "0.00", "0.00", "10.00"),
        "2026-06": ("0.00", "0.00", "10.00", "10.00", "0.00"),
    }


def test_an_adjustment_of_an_open_month_is_in_its_own_figures(
    log: ListLog, projector: Projector, views: Views, rows: Ask, database_url: str
) -> None:
    costs = [cost(ONE, "2026-05-03", "10"), cost(ONE, "2026-05-03", "11", version="v2")]
    store_costs(database_url, costs)
    log.add(imported(costs, "2026-05", invoices=(INVOICED,)))
    log.add(imported(costs, "2026-05", "v2", booked_in=Month(2026, 5), invoices=(INVOICED,)))
    projector.catch_up()
    assert checks(views) == {"2026-05": ("11.00", "0.00", "11.00", "0.00", "0.00")}
    assert rows("SELECT is_final, final_version, report_version, shown_version FROM cost_periods") == [
        (True, "v1", "v2", "v2")
    ]
    assert views.rollup(2026).periods[0].is_final


def test_one_payers_report_replaces_its_own_rows_alone(
    log: ListLog, projector: Projector, views: Views, rows: Ask, database_url: str
) -> None:
    costs = [
        cost(ONE, "2026-05-03", "10"),
        cost(ONE, "2026-05-03", "1.01", version="other-1"),
        cost(TWO, "2026-05-09", "4", version="other-1"),
        cost(ONE, "2026-05-03", "20", version="v2"),
    ]
    store_costs(database_url, costs)
    log.add(vended(ONE), allocated(ONE, date(2026, 1, 1), Cart="50", Books="50"), imported(costs, "2026-05"))
    log.add(imported(costs, "2026-05", "other-1", payer=OTHER_PAYER))
    projector.catch_up()
    # 11.01 of the account's day is split once, and not 10.00 and 1.01 each on its own.
    assert rows(SHARES) == [("2026-05-01", "", "4"), ("2026-05-01", BOOKS, "5.51"), ("2026-05-01", CART, "5.5")]
    log.add(imported(costs, "2026-05", "v2"))
    projector.catch_up()
    assert rows(SHARES) == [("2026-05-01", "", "4"), ("2026-05-01", BOOKS, "10.51"), ("2026-05-01", CART, "10.5")]
    assert checks(views) == {"2026-05": ("25.01", "21.01", "4.00", "0.00", "0.00")}
    assert views.rollup(2026).periods[0].report_version == "v2, other-1"


def test_another_metric_recomputes_the_months_of_its_fiscal_years(
    log: ListLog, projector: Projector, views: Views, rows: Ask, database_url: str, every_row: EveryRow
) -> None:
    costs = [
        measured(cost(ONE, "2026-05-03", "10"), "8", "9", "7"),
        measured(cost(TWO, "2026-05-04", "0"), "1", "0", "1"),
        measured(cost(ONE, "2027-05-03", "100"), "80", "90", "70"),
    ]
    store_costs(database_url, costs)
    log.add(vended(ONE), allocated(ONE, date(2026, 1, 1), Cart="100"))
    log.add(imported(costs, "2026-05"), imported(costs, "2027-05"))
    projector.catch_up()
    log.add(metric_chosen(CostMetric.AMORTIZED, 2027))
    projector.catch_up()
    assert rows(SHARES) == [("2026-05-01", CART, "10"), ("2027-05-01", CART, "80")]
    assert views.rollup(2027).reconciles
    log.add(metric_chosen(CostMetric.NET_AMORTIZED, 2026))
    projector.catch_up()
    assert rows(SHARES) == [("2026-05-01", "", "1"), ("2026-05-01", CART, "7"), ("2027-05-01", CART, "80")]
    assert checks(views) == {"2026-05": ("8.00", "7.00", "1.00", "0.00", "0.00")}
    assert views.rollup(2026).rows[0].actual == 7
    assert views.rollup(2026).periods[0].metric is CostMetric.NET_AMORTIZED
    live = every_row()
    rebuild(log, database_url, projector._organization)
    assert every_row() == live


def test_what_was_booked_elsewhere_and_forgotten_is_a_difference(
    log: ListLog, projector: Projector, views: Views, database_url: str
) -> None:
    """The control of the checks above."""

    costs = [cost(ONE, "2026-05-03", "10"), cost(ONE, "2026-05-03", "11", version="v2")]
    store_costs(database_url, costs)
    log.add(imported(costs, "2026-05"), imported(costs, "2026-05", "v2", booked_in=JUNE))
    projector.catch_up()
    with psycopg.connect(database_url) as connection:
        connection.execute("DELETE FROM cost_adjustments")
    report = views.rollup(2026)
    assert [(str(one.billing_period), str(one.difference)) for one in report.periods] == [("2026-05", "1.00")]
