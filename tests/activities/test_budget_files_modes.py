"""Changes, overrides and dry runs of budget files, through the activity and the real ledger."""

from __future__ import annotations

import io
import threading
import time
from decimal import Decimal
from typing import Any
from uuid import uuid4

import openpyxl
import pytest
from temporalio.exceptions import ApplicationError

from activities import budget_files
from domain.budget import BudgetLine, book_stream, line_stream
from domain.calendar import FiscalCalendar
from domain.closing import CloseMonth
from domain.decision import Channel, Persona
from domain.hierarchy import NodePath
from domain.people_commands import GrantPersona
from domain.process import BudgetLoadResult
from domain.schedule import Schedule, State, schedule_stream
from domain.schedule_commands import SubmitSchedule
from domain.schedule_decisions import ApproveSchedule
from tests.activities.budget_loading import FINANCE, GOOD, HEADER, Loading, ledger, loading, make, must, store

__all__ = ["ledger", "loading", "store"]

CHECKOUT, SEARCH, CART = (NodePath(("Retail", "Digital", "Web", name)) for name in ("Checkout", "Search", "Cart"))
MONTHS = FiscalCalendar().months(2026)
OWNER, LEAD, ENGINEER = "owner@example.com", "lead@example.com", "engineer@example.com"
CHANGE = "Acme_2026_false_2026-07-01_false_Budget_v2.csv"
OVERRIDE = "Acme_2026_false_2026-07-01_true_Budget_v3.csv"


def rows(*products: str) -> str:
    return HEADER + "".join(f"Retail,Digital,Web,{product}\n" for product in products)


def line(loading: Loading, product: NodePath) -> BudgetLine:
    found: BudgetLine = loading.ledger.states([line_stream(2026, product)])[line_stream(2026, product)]
    return found


def schedule(loading: Loading, product: NodePath) -> Schedule:
    found: Schedule = loading.ledger.states([schedule_stream(2026, product)])[schedule_stream(2026, product)]
    return found


def loaded(loading: Loading, content: str = GOOD, **fields: Any) -> BudgetLoadResult:
    result = loading.load(loading.request(content, **fields))
    assert result.status == "loaded", result
    return result


def dry_run(loading: Loading, content: str, **fields: Any) -> BudgetLoadResult:
    return loading.load(loading.request(content, dry_run=True, **fields))


def submitted(loading: Loading, product: NodePath, each: str, *, approved: bool = False) -> None:
    if loading.ledger.people.find(OWNER) is None:
        make(loading.ledger, OWNER, Persona.PRODUCT_OWNER, CHECKOUT)
        make(loading.ledger, LEAD, Persona.PORTFOLIO_OWNER, product.portfolio)
    if product != CHECKOUT:
        grant: dict[str, Any] = {"actor": "system", "channel": Channel.SETUP, "person": OWNER, "node": product}
        must(loading.ledger, GrantPersona(command_id=uuid4(), persona=Persona.PRODUCT_OWNER, **grant))
    shared: dict[str, Any] = {"fiscal_year": 2026, "product": product}
    amounts = dict.fromkeys(MONTHS, Decimal(each))
    must(loading.ledger, SubmitSchedule(command_id=uuid4(), actor=OWNER, amounts=amounts, **shared))
    if approved:
        version = schedule(loading, product).version
        must(loading.ledger, ApproveSchedule(command_id=uuid4(), actor=LEAD, version=version, **shared))


def test_a_change_adds_and_changes_and_leaves_alone_what_is_not_in_the_file(loading: Loading) -> None:
    loaded(loading)
    change = rows("Checkout,1500.00,C-1,ann@example.com", "Cart,10,,new@example.com")
    result = loaded(loading, change, name=CHANGE)
    assert (result.mode, result.effective_on) == ("change", "2026-07-01")
    assert (result.added, result.changed, result.withdrawn, result.unchanged) == (1, 1, 0, 0)
    assert (result.old_total, result.new_total) == ("1200.05", "1510.05")
    assert result.message == (
        "Loaded for 2026 from 2026-07-01: 1 added, 1 changed, 0 withdrawn, 0 unchanged. "
        "The year's budget: USD 1,200.05 before, 1,510.05 after."
    )
    assert [(str(row.product), row.change, row.old, row.new) for row in loading.impact(result)] == [
        ("Retail/Digital/Web/Checkout", "changed", "1200.00", "1500.00"),
        ("Retail/Digital/Web/Cart", "added", "", "10"),
    ]
    assert str(line(loading, SEARCH).annual) == "USD 0.05"
    assert str(line(loading, CHECKOUT).effective_on) == "2026-07-01"
    assert line(loading, CART).owner == loading.ledger.people.find("new@example.com")


def test_a_change_leaves_alone_what_its_columns_do_not_speak_of(loading: Loading) -> None:
    months = ",".join(map(str, MONTHS))
    loaded(
        loading,
        HEADER.strip() + f",Estimated,{months}\nRetail,Digital,Web,Checkout,12,C-1,ann@example.com,7{',1' * 12}\n",
    )
    before = line(loading, CHECKOUT)
    head = "Business Unit,Department,Portfolio,Product,Annual\nRetail,Digital,Web,Checkout,"
    assert loaded(loading, f"{head}12\n", name=CHANGE).unchanged == 1
    assert line(loading, CHECKOUT) == before
    loaded(loading, f"{head}13\n", name=CHANGE)
    after = line(loading, CHECKOUT)
    assert (after.code, after.owner, after.estimated) == ("C-1", before.owner, Decimal(7))
    assert after.proposal is None, "its months add up to another annual budget"
    loaded(loading, rows("Checkout,13,,"), name=CHANGE)  # an empty cell says that there is none
    assert (line(loading, CHECKOUT).code, line(loading, CHECKOUT).owner) == ("", None)


def test_an_override_withdraws_what_it_does_not_name_and_keeps_it_in_the_ledger(loading: Loading) -> None:
    loaded(loading, rows("Checkout,1200,,", "Search,600,,", "Cart,60,,"))
    submitted(loading, SEARCH, "50", approved=True)
    loading.catch_up()
    result = loaded(loading, rows("Checkout,1000,,"), name=OVERRIDE)
    assert (result.mode, result.added, result.changed, result.withdrawn) == ("override", 0, 1, 2)
    # Six months of Search were approved before the start date.
    assert (result.old_total, result.new_total, result.schedules_over_budget) == ("1860", "1300", 1)
    assert {(row.product.name, row.change, row.new, row.schedule) for row in loading.impact(result)} == {
        ("Checkout", "changed", "1000", ""),
        ("Search", "withdrawn", "300", "over_budget"),
        ("Cart", "withdrawn", "0", ""),
    }
    assert line(loading, CART).withdrawn
    assert len(loading.ledger.read(line_stream(2026, CART))) == 2
    assert "Approved schedules over budget: 1." in result.message


def test_what_was_withdrawn_comes_back_with_a_change(loading: Loading) -> None:
    loaded(loading)
    loading.catch_up()
    loaded(loading, rows("Checkout,1200.00,C-1,ann@example.com"), name=OVERRIDE)
    assert line(loading, SEARCH).withdrawn
    result = loaded(loading, rows("Search,0,,"), name=CHANGE)
    assert (result.added, result.changed) == (0, 1)
    assert not line(loading, SEARCH).withdrawn


def test_months_that_are_closed_stay_with_a_withdrawn_product(loading: Loading) -> None:
    loaded(loading, rows("Checkout,1200,,", "Search,600,,"))
    submitted(loading, SEARCH, "50", approved=True)
    must(loading.ledger, CloseMonth(command_id=uuid4(), actor=FINANCE, month=MONTHS[0]))
    loading.catch_up()
    loaded(loading, rows("Checkout,1200,,"), name="Acme_2026_true_2026-01-01_true_Budget_v4.csv")
    assert str(line(loading, SEARCH).annual) == "USD 50.00"


def test_an_override_waits_until_the_views_know_every_product(loading: Loading) -> None:
    loaded(loading)
    late = threading.Timer(0.7, loading.catch_up)
    late.start()
    started = time.monotonic()
    result = loaded(loading, rows("Checkout,1200,,"), name=OVERRIDE)
    assert result.withdrawn == 1
    assert time.monotonic() - started > 0.6
    late.join()


def test_an_override_is_tried_again_where_the_views_stay_behind(
    loading: Loading, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded(loading)
    monkeypatch.setattr(budget_files, "KNOWN_WITHIN_S", 0.5)
    head = loading.ledger.settled_head()
    with pytest.raises(ApplicationError) as failed:
        loading.load(loading.request(rows("Checkout,1200,,"), name=OVERRIDE))
    assert (failed.value.type, failed.value.non_retryable) == ("Contention", False)
    assert loading.ledger.settled_head() == head


def test_an_override_of_a_year_that_is_not_loaded_is_its_first_load_where_it_is_new(loading: Loading) -> None:
    result = loading.load(loading.request(GOOD, name=OVERRIDE))
    assert (result.status, result.code) == ("refused", "YearNotLoaded")
    assert loaded(loading, name="Acme_2026_true_2026-01-01_true_Budget_v1.csv").mode == "new"


def test_a_change_with_its_levels_in_another_order_is_refused(loading: Loading) -> None:
    loaded(loading)
    other = GOOD.replace("Business Unit,Department", "Department,Business Unit")
    result = loading.load(loading.request(other, name=CHANGE))
    assert (result.status, result.code) == ("refused", "OtherLabels")
    assert "'Department', 'Business Unit', 'Portfolio', 'Product', and in 2026 they are" in result.message
    loading.catch_up()
    assert loaded(loading, other, name=OVERRIDE).labels[0] == "Department"


def test_schedules_that_do_not_fit_any_more_are_recorded_with_the_load(loading: Loading) -> None:
    loaded(loading, rows("Checkout,1200,,", "Search,600,,"))
    submitted(loading, CHECKOUT, "100")
    submitted(loading, SEARCH, "50", approved=True)
    smaller = rows("Checkout,1100,,", "Search,500,,")
    foreseen = dry_run(loading, smaller, name=CHANGE)
    assert schedule(loading, CHECKOUT).state is State.PENDING
    result = loaded(loading, smaller, name=CHANGE)
    assert (result.schedules_returned, result.schedules_over_budget) == (1, 1)
    assert (schedule(loading, CHECKOUT).state, schedule(loading, SEARCH).over_budget) == (State.DRAFT, True)
    assert [row.schedule for row in loading.impact(result)] == ["returned", "over_budget"]
    assert loading.impact(foreseen) == loading.impact(result)
    again = loaded(loading, rows("Checkout,1100,,", "Search,600,,"), name=CHANGE)
    assert [row.schedule for row in loading.impact(again)] == ["within_budget"]


def test_a_retry_of_a_change_is_answered_as_the_first_time(loading: Loading) -> None:
    loaded(loading)
    request = loading.request(rows("Checkout,1500.00,C-1,ann@example.com", "Cart,10,,"), name=CHANGE)
    first = loading.load(request)
    loaded(loading, rows("Cart,20,,"), name=CHANGE)
    assert loading.load(request) == first


def test_the_same_bytes_twice_change_nothing_in_any_mode(loading: Loading) -> None:
    loaded(loading)
    change = rows("Cart,10,,new@example.com")
    loaded(loading, change, name=CHANGE)
    loading.catch_up()
    head = loading.ledger.settled_head()
    for name in (CHANGE, OVERRIDE, "Acme_2026_true_2026-01-01_false_Budget_v9.csv"):
        for dry in (True, False):
            result = loading.load(loading.request(change, name=name, dry_run=dry))
            assert (result.status, result.impact) == ("unchanged", "")
    assert loading.ledger.settled_head() == head


@pytest.mark.parametrize(
    ("name", "counts"),
    [(CHANGE, (1, 1, 0, 0)), (OVERRIDE, (1, 1, 1, 0))],
)
def test_a_dry_run_says_what_a_load_does_and_records_nothing(
    loading: Loading, name: str, counts: tuple[int, int, int, int]
) -> None:
    loaded(loading)
    loading.catch_up()
    head = loading.ledger.settled_head()
    content = rows("Checkout,1500.00,C-1,ann@example.com", "Cart,10,,new@example.com")
    foreseen = dry_run(loading, content, name=name)
    assert (foreseen.status, foreseen.position) == ("dry_run", 0)
    assert (foreseen.added, foreseen.changed, foreseen.withdrawn, foreseen.unchanged) == counts
    assert foreseen.message.startswith(f"Nothing is recorded. As a{'n override' if counts[2] else ' change'} from")
    assert loading.ledger.settled_head() == head
    assert loading.ledger.people.find("new@example.com") is None
    result = loaded(loading, content, name=name)
    same = {"status", "message", "position"}
    assert foreseen.model_dump(exclude=same) == result.model_dump(exclude=same)


def test_a_dry_run_of_a_first_load(loading: Loading) -> None:
    head = loading.ledger.settled_head()
    foreseen = dry_run(loading, GOOD)
    assert (foreseen.status, foreseen.mode, foreseen.added, foreseen.new_total) == ("dry_run", "new", 2, "1200.05")
    assert loading.ledger.settled_head() == head
    assert loading.ledger.people.find("ann@example.com") is None


def test_a_cloud_engineer_may_look_but_not_load(loading: Loading) -> None:
    make(loading.ledger, ENGINEER, Persona.CLOUD_ENGINEER)
    assert dry_run(loading, GOOD, actor=ENGINEER).status == "dry_run"
    result = loading.load(loading.request(GOOD, actor=ENGINEER))
    assert (result.status, result.error) == ("refused", "Forbidden")
    assert loading.ledger.people.find("ann@example.com") is None


def test_who_may_not_upload_sees_nothing_and_leaves_no_trace(loading: Loading) -> None:
    make(loading.ledger, OWNER, Persona.PRODUCT_OWNER, CHECKOUT)
    head = loading.ledger.settled_head()
    result = dry_run(loading, GOOD, actor=OWNER)
    assert (result.status, result.error, result.impact) == ("refused", "Forbidden", "")
    assert dry_run(loading, GOOD, actor="nobody@example.com").code == "UnknownPerson"
    assert loading.ledger.settled_head() == head


def test_a_dry_run_is_refused_as_the_load_would_be(loading: Loading) -> None:
    assert dry_run(loading, GOOD, name=CHANGE).code == "YearNotLoaded"
    loaded(loading)
    assert dry_run(loading, rows("Cart,1,,")).code == "YearAlreadyLoaded"
    assert dry_run(loading, rows("Cart,x,,"), name=CHANGE).code == "InvalidBudgetFile"


def test_a_refused_change_leaves_no_owner_in_the_directory(loading: Loading) -> None:
    loaded(loading)
    other = HEADER.replace("Product", "Item") + "Retail,Digital,Web,Cart,1,,new@example.com\n"
    assert loading.load(loading.request(other, name=CHANGE)).code == "OtherLabels"
    assert loading.ledger.people.find("new@example.com") is None


def test_a_workbook_is_loaded_as_a_csv_file_is(loading: Loading) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (HEADER.strip().split(","), ["Retail", "Digital", "Web", "Cart", 10.5, 1001, "ann@example.com"]):
        sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    result = loading.load(loading.request(out.getvalue(), name="Acme_2026_true_2026-01-01_false_Budget_v1.xlsx"))
    assert (result.status, result.new_total) == ("loaded", "10.5")
    assert line(loading, CART).code == "1001"


def test_the_book_knows_the_years_total_after_every_load(loading: Loading) -> None:
    loaded(loading)
    loaded(loading, rows("Checkout,1,,", "Cart,2,,"), name=CHANGE)
    loading.catch_up()
    loaded(loading, rows("Cart,3,,"), name=OVERRIDE)
    book = loading.ledger.states([book_stream(2026)])[book_stream(2026)]
    lines = loading.ledger.states([line_stream(2026, product) for product in (CHECKOUT, SEARCH, CART)])
    assert book.total == sum(state.annual.amount for state in lines.values()) == 3
    assert book.products == 3
