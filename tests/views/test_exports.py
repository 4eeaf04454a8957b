"""An export holds exactly what is in its scope, and adds up to what the views and the reports show."""

from __future__ import annotations

import tracemalloc
from datetime import date
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from domain.calendar import Month
from domain.cost import PeriodImported
from domain.cost_metric import CostMetric
from domain.decision import Event, Persona
from domain.errors import DamagedReport, NotFound
from domain.export import ExportFormat, ExportKind, ExportRequest
from domain.hierarchy import NodePath
from tests.views.given import (
    ANN,
    BOB,
    CALENDAR,
    ORGANIZATION,
    ListLog,
    allocated_to,
    cost,
    granted,
    imported,
    line,
    loaded,
    store_costs,
    vended,
)
from tests.views.random_company import RandomCompany
from views.export_tables import Row
from views.exports import OpenExport, Totals
from views.projector import Projector
from views.queries import Views

ONE, TWO, NOBODYS = "000000000001", "000000000002", "000000000003"
CART, BOOKS = "Retail/Digital/Web/Cart", "Retail/Digital/Web/Books"
BESIDE = "Retail 2/Digital/Web/Cart"
"""Begins like the others' business unit, and is another."""
COSTS = [
    cost(ONE, "2026-05-03", "100.0000000007"),
    cost(ONE, "2026-06-03", "-11.01", charge_type="Credit"),
    cost(TWO, "2026-05-04", "8.5"),
    cost(NOBODYS, "2026-05-31", "0.000000000000000001"),
]


def request(node: str = "/", what: ExportKind = ExportKind.ROLLUP, **more: Any) -> ExportRequest:
    fields = {"what": what, "format": ExportFormat.CSV, "fiscal_year": 2026, "node": NodePath.parse(node), **more}
    return ExportRequest.model_validate(fields)


@pytest.fixture
def company(log: ListLog, projector: Projector, database_url: str) -> None:
    store_costs(database_url, COSTS)
    log.add(loaded(3, "0"), line(CART, "1200.00"), line(BOOKS, "50.00"), line(BESIDE, "7.00"))
    log.add(vended(ONE), vended(TWO), vended(NOBODYS))
    log.add(allocated_to(ONE, date(2026, 1, 1), {CART: "33.3333", BOOKS: "66.6667"}))
    log.add(allocated_to(TWO, date(2026, 1, 1), {BESIDE: "50", CART: "50"}))
    log.add(imported(COSTS, "2026-05"), imported(COSTS, "2026-06"))
    projector.catch_up()


def read(views: Views, wanted: ExportRequest) -> tuple[list[dict[str, Any]], Totals]:
    with views.export(wanted, CALENDAR) as export:
        rows = [row for batch in export.batches() for row in batch]
        assert export.count() == len(rows)
        return [_named(export.columns, row) for row in rows], export.totals


def _named(columns: Any, row: Row) -> dict[str, Any]:
    return dict(zip([column.name for column in columns], row, strict=True))


def told(rows: list[dict[str, Any]]) -> list[str]:
    return [f"{row['level']} {row['node']} {row['account_id']} {row['actual']:f}".replace("  ", " ") for row in rows]


def test_the_whole_rollup_adds_up_to_the_reports_with_what_belongs_to_nobody(views: Views, company: None) -> None:
    rows, totals = read(views, request())
    assert told(rows) == [
        "0 / 97.4900000007",
        "1 Retail 93.2400000007",
        "2 Retail/Digital 93.2400000007",
        "3 Retail/Digital/Web 93.2400000007",
        "4 Retail/Digital/Web/Books 59.3300000007",
        f"5 Retail/Digital/Web/Books {ONE} 59.3300000007",
        "4 Retail/Digital/Web/Cart 33.91",
        f"5 Retail/Digital/Web/Cart {ONE} 29.66",
        f"5 Retail/Digital/Web/Cart {TWO} 4.25",
        "1 Retail 2 4.25",
        "2 Retail 2/Digital 4.25",
        "3 Retail 2/Digital/Web 4.25",
        "4 Retail 2/Digital/Web/Cart 4.25",
        f"5 Retail 2/Digital/Web/Cart {TWO} 4.25",
        f"5 {NOBODYS} 0.000000000000000001",
    ]
    assert totals.total == totals.report == sum(row.unblended for row in COSTS)
    assert totals.unallocated == Decimal("1E-18")
    cart = rows[6]
    assert (cart["kind"], cart["e1"], cart["e4"], cart["currency"]) == ("Product", "Retail", "Cart", "USD")
    assert (cart["annual"], cart["unallocated"], cart["variance"], cart["state"]) == (
        1200,
        1200,
        Decimal("-33.91"),
        "DRAFT",
    )
    assert (rows[0]["kind"], rows[5]["kind"], rows[-1]["kind"]) == ("Organization", "Account", "Unallocated account")
    assert rows[5]["annual"] is rows[5]["variance"] is None, "an account has no budget of its own"


def test_nothing_beside_or_above_a_node_is_in_its_export(views: Views, company: None) -> None:
    rows, totals = read(views, request("Retail"))
    assert {row["e1"] for row in rows} == {"Retail"}
    assert {row["account_id"] for row in rows} == {"", ONE, TWO}
    assert (totals.total, totals.unallocated, totals.report) == (Decimal("93.2400000007"), Decimal(0), None)
    other, _ = read(views, request("Retail 2"))
    assert told(other)[0] == "1 Retail 2 4.25"
    assert {row["node"].split("/")[0] for row in other} == {"Retail 2"}
    product, totals = read(views, request(CART))
    assert told(product) == [f"4 {CART} 33.91", f"5 {CART} {ONE} 29.66", f"5 {CART} {TWO} 4.25"]
    assert totals.total == Decimal("33.91")


def test_a_month_an_account_and_a_workload_are_parts(views: Views, company: None) -> None:
    may, totals = read(views, request(billing_period=Month(2026, 5)))
    assert told(may)[:1] == ["0 / 108.5000000007"]
    assert totals.total == totals.report == Decimal("108.500000000700000001")
    assert may[0]["unallocated"] is None, "a month has a part of the plan, and none of the annual budget"
    one, totals = read(views, request(account_id=ONE, billing_period=Month(2026, 6)))
    assert told(one) == [f"5 {BOOKS} {ONE} -7.34", f"5 {CART} {ONE} -3.67"]
    assert (totals.total, totals.report) == (Decimal("-11.01"), None)
    nobodys, totals = read(views, request(account_id=NOBODYS))
    assert told(nobodys) == [f"5 {NOBODYS} 0.000000000000000001"]
    assert totals.unallocated == totals.total
    assert read(views, request("Retail", account_id=NOBODYS))[0] == []
    assert read(views, request(workload="none"))[0] == []


def test_every_day_of_an_account_product_and_workload_is_a_row(views: Views, company: None, database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "UPDATE daily_shares SET workload = 'Launch' WHERE account_id = %s AND day < '2026-06-01'", [ONE]
        )
    rows, totals = read(views, request(what=ExportKind.DAILY))
    names = ("day", "billing_period", "e4", "account_id", "workload")
    assert [
        f"{' '.join(str(row[name]).removeprefix('00000000000') for name in names)} {row['unblended']:f}" for row in rows
    ] == [
        "2026-05-03 2026-05 Books 1 Launch 66.6700000007",
        "2026-05-03 2026-05 Cart 1 Launch 33.33",
        "2026-05-04 2026-05 Cart 2  4.25",
        "2026-05-04 2026-05 Cart 2  4.25",
        "2026-05-31 2026-05  3  0.000000000000000001",
        "2026-06-03 2026-06 Books 1  -7.34",
        "2026-06-03 2026-06 Cart 1  -3.67",
    ]
    assert totals.total == totals.report == sum(row.unblended for row in COSTS)
    assert sum(row["unblended"] for row in rows) == totals.total
    launch, totals = read(views, request(what=ExportKind.DAILY, workload="Launch"))
    assert {row["workload"] for row in launch} == {"Launch"}
    assert (totals.total, totals.report) == (Decimal("100.0000000007"), None)
    cart, totals = read(views, request(CART, ExportKind.DAILY, billing_period=Month(2026, 6)))
    assert (len(cart), totals.total) == (1, Decimal("-3.67"))
    tree, _ = read(views, request(CART))
    assert told(tree)[1:] == [f"5 {CART} {ONE} 29.66", f"6 {CART} {ONE} 33.33", f"5 {CART} {TWO} 4.25"]


def test_each_metric_adds_up_to_what_the_reports_say_of_it(
    views: Views, log: ListLog, projector: Projector, database_url: str
) -> None:
    store_costs(database_url, COSTS)
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "UPDATE cost_rows SET amortized = unblended * 2, net_amortized = 0, net_unblended = unblended"
        )
    log.add(vended(ONE), allocated_to(ONE, date(2026, 1, 1), {CART: "100"}))
    for period in ("2026-05", "2026-06"):
        stream, fact = imported(COSTS, period)
        assert isinstance(fact, PeriodImported)
        twice = {name: amount * 2 for name, amount in fact.totals.items()}
        metrics = {"amortized": twice, "net_unblended": fact.totals, "net_amortized": {}}
        log.add(Event(stream, fact.model_copy(update={"metric_totals": metrics})))
    projector.catch_up()
    whole = sum(row.unblended for row in COSTS)
    assert views.cost_metric(2026) is CostMetric.UNBLENDED
    for metric, total in (
        ("unblended", whole),
        ("amortized", whole * 2),
        ("net_unblended", whole),
        ("net_amortized", 0),
    ):
        for what in ExportKind:
            rows, totals = read(views, request(what=what, metric=metric))
            assert totals.total == totals.report == total, (metric, what)
            assert (rows == []) == (what is ExportKind.DAILY and metric == "net_amortized")


FAULTS = (
    "UPDATE daily_shares SET unblended = unblended + 0.000000000000000001 WHERE account_id = '000000000001'",
    "DELETE FROM daily_shares WHERE account_id = '000000000002'",
    "UPDATE unallocated_spend SET amount = amount + 0.000000000000000001",
    """UPDATE cost_periods SET totals = jsonb_set(totals, '{unblended,Usage}', '"100"')""",
    "UPDATE rollup SET actual = actual - 0.000000000000000001 WHERE path = '/'",
)


def test_an_export_that_does_not_add_up_is_not_written(views: Views, company: None, database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        for fault in FAULTS:
            with connection.transaction(force_rollback=True), connection.cursor() as cursor:
                cursor.execute(fault.encode())
                export = OpenExport(cursor, request(), CALENDAR)
                with pytest.raises(DamagedReport, match="does not add up") as wrong:
                    list(export.batches())
            assert wrong.value.code == "NotReconciled"


def test_what_is_not_there_is_not_found(views: Views, company: None) -> None:
    for wanted, code in ((request(fiscal_year=2031), "UnknownYear"), (request("Retail/Nothing"), "UnknownNode")):
        with pytest.raises(NotFound) as wrong:
            read(views, wanted)
        assert wrong.value.code == code


def test_somebody_holds_what_was_granted_and_delegated_to_them(
    views: Views, log: ListLog, projector: Projector
) -> None:
    log.add(granted(ANN, Persona.BU_OWNER, "Retail"), granted(ANN, Persona.PRODUCT_OWNER, CART))
    log.add(granted(BOB, Persona.FINANCIAL_ADMIN, "/"), granted(BOB, Persona.BU_OWNER, "Retail"))
    projector.catch_up()
    today, everything = date(2026, 6, 1), frozenset(Persona)
    assert views.held(ANN, today, everything) == (NodePath.parse("Retail"),), "the product stands in it"
    assert views.held(ANN, today, {Persona.PRODUCT_OWNER}) == (NodePath.parse(CART),)
    assert views.held(BOB, today, everything) == (NodePath.ROOT,)
    assert views.held(BOB, today, {Persona.VENDOR_MANAGER}) == ()


def test_units_and_what_belongs_to_nobody_are_the_whole_in_every_metric(views: Views, database_url: str) -> None:
    """With several payers, months that were closed and adjusted, and workloads."""
    company = RandomCompany(21, accounts=30, products=60)
    log = ListLog(*company.events(3_000))
    store_costs(database_url, company.costs)
    Projector(log, database_url, ORGANIZATION).catch_up()
    seen = 0
    for year in company.YEARS:
        for metric in CostMetric:
            for what in ExportKind:
                wanted: dict[str, Any] = {"what": what, "metric": metric, "fiscal_year": year}
                rows, whole = read(views, request(**wanted))
                units = [read(views, request(unit, **wanted))[1] for unit in sorted({row["e1"] for row in rows} - {""})]
                assert whole.total == whole.report == sum(unit.total for unit in units) + whole.unallocated
                assert all(unit.unallocated == 0 for unit in units)
                seen += bool(whole.total and whole.unallocated and len(units) > 1)
                if what is ExportKind.DAILY:
                    assert sum(row[metric] for row in rows) == whole.total
    assert seen > 8


ROWS = 100_000
MEMORY_MAX = 20_000_000
"""Bytes: some batches, and not all rows."""


@pytest.mark.slow
def test_a_long_export_is_read_in_the_memory_of_some_batches(views: Views, company: None, database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO daily_shares SELECT %s, '2026-05-01', date '2026-05-01' + n %% 31, %s, 'W' || n, n, n, n, n "
            "FROM generate_series(1, %s) AS n",
            [TWO, BOOKS, ROWS],
        )
    wanted = request(what=ExportKind.DAILY, account_id=TWO)
    tracemalloc.start()
    with views.export(wanted, CALENDAR) as export:
        read_rows = sum(len(batch) for batch in export.batches())
        assert export.totals.total == Decimal(ROWS * (ROWS + 1) // 2) + Decimal("8.5")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    assert read_rows == ROWS + 2
    assert peak < MEMORY_MAX
    with views.export(wanted, CALENDAR) as export:
        everything = [row for batch in export.batches() for row in batch]
    _, kept = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(everything) == read_rows
    assert kept > MEMORY_MAX, "the control: what all rows take"
