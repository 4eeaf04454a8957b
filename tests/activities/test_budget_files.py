"""Budget files into the real ledger: whole, once, or not at all."""

from __future__ import annotations

import gc
import threading
import time
from decimal import Decimal
from pathlib import Path

import pytest
from temporalio.exceptions import ApplicationError, CancelledError

from activities.budget_files import BudgetFiles
from activities.contracts import Progress
from domain.budget import AnnualApproved, BudgetLoaded, book_stream, line_stream
from domain.decision import Channel, Organization
from domain.errors import Unavailable
from domain.hierarchy import NodePath
from domain.process import BudgetLoadResult, LoadTerms
from file_store import FileStore
from ledger.ledger import Ledger
from tests.activities.budget_loading import (
    FILE_NAME,
    FINANCE,
    GOOD,
    HEADER,
    SEARCH,
    Loading,
    ledger,
    loading,
    store,
)

__all__ = ["ledger", "loading", "store"]


def test_a_good_file_is_recorded(loading: Loading) -> None:
    result = loading.load(loading.request(GOOD))
    assert result == BudgetLoadResult(
        status="loaded",
        message="Loaded 2 products for 2026, USD 1,200.05 in all.",
        fiscal_year=2026,
        mode="new",
        effective_on="2026-01-01",
        added=2,
        old_total="0",
        new_total="1200.05",
        labels=("Business Unit", "Department", "Portfolio", "Product"),
        products=2,
        position=result.position,
        impact=result.impact,
    )
    assert [row.change for row in loading.impact(result)] == ["added", "added"]
    assert result.position == loading.ledger.settled_head()
    (loaded,) = loading.ledger.read(book_stream(2026))
    assert isinstance(loaded.fact, BudgetLoaded)
    assert (loaded.fact.customer, loaded.fact.labels[0], loaded.fact.products) == ("Acme", "Business Unit", 2)
    assert (loaded.workflow_id, loaded.workflow_run_id, loaded.activity_id) == ("test", "test-run", "test")
    (line,) = loading.ledger.read(line_stream(2026, NodePath.parse("Retail/Digital/Web/Checkout")))
    assert isinstance(line.fact, AnnualApproved)
    assert (line.fact.annual, line.fact.code) == (Decimal("1200.00"), "C-1")
    assert line.fact.owner == loading.ledger.people.find("ann@example.com")


def test_an_owners_known_name_is_left_alone(loading: Loading) -> None:
    ann = loading.ledger.people.ensure("Ann@Example.com", "Ann Arbor")
    loading.load(loading.request(GOOD))
    assert loading.ledger.people.names([ann]) == {ann: "Ann Arbor"}


def test_an_owner_who_is_new_gets_the_name_before_the_at(loading: Loading) -> None:
    loading.load(loading.request(GOOD))
    ann = loading.ledger.people.find("ann@example.com")
    assert ann
    assert loading.ledger.people.names([ann]) == {ann: "ann"}


def test_the_same_activity_again_is_answered_with_the_first_outcome(loading: Loading) -> None:
    request = loading.request(GOOD)
    first = loading.load(request)
    head = loading.ledger.settled_head()
    assert loading.load(request) == first
    assert loading.ledger.settled_head() == head


def test_the_same_bytes_again_change_nothing(loading: Loading) -> None:
    first = loading.load(loading.request(GOOD))
    head = loading.ledger.settled_head()
    second = loading.load(loading.request(GOOD, name="Other_2026_true_2026-05-17_false_Budget_v2.csv"))
    assert (second.status, second.products) == ("unchanged", 2)
    assert second.message == "These bytes were loaded for 2026 already; nothing changed."
    assert second.position == first.position - 2  # that of the year's book
    assert loading.ledger.settled_head() == head


def test_a_second_first_load_of_a_year_is_refused_and_leaves_the_directory_alone(loading: Loading) -> None:
    loading.load(loading.request(GOOD))
    result = loading.load(loading.request(HEADER + "Retail,Digital,Web,Wishlist,1,,new@example.com\n"))
    assert (result.status, result.error, result.code) == ("refused", "Refusal", "YearAlreadyLoaded")
    assert result.message == (
        "The budget of 2026 is loaded already: load a change (isNew=false) or an override (isOverride=true) instead."
    )
    assert loading.ledger.people.find("new@example.com") is None


@pytest.mark.parametrize(
    ("actor", "error", "code"),
    [("ann@example.com", "Forbidden", "NotGranted"), ("nobody@example.com", "NotFound", "UnknownPerson")],
)
def test_who_may_not_load_is_refused(loading: Loading, actor: str, error: str, code: str) -> None:
    loading.ledger.people.ensure("ann@example.com", "Ann")
    result = loading.load(loading.request(GOOD, actor=actor))
    assert (result.status, result.error, result.code) == ("refused", error, code)
    assert loading.ledger.read(book_stream(2026)) == []


def test_a_bad_file_is_answered_with_a_report_and_records_nothing(loading: Loading) -> None:
    head = loading.ledger.settled_head()
    result = loading.load(loading.request(HEADER + "a,b,,d,(1),,\n" + SEARCH + "a,b,c,d,1,,not-an-address\n"))
    assert result == BudgetLoadResult(
        status="invalid",
        message="The file has 3 problems; nothing was loaded. "
        "Row 2, Portfolio: '' is missing: each product needs a name for E3. "
        "Row 2, Annual: '(1)' is below zero: a budget is zero or more. "
        "Row 4, Owner: '…' is not an e-mail address: write one such as ann@example.com, or leave the cell empty.",
        fiscal_year=2026,
        problems=3,
        report=result.report,
        error="BadInput",
        code="InvalidBudgetFile",
    )
    assert loading.problems(result)[2] == {
        "row": 4,
        "column": "Owner",
        "value": "not-an-address",
        "problem": "is not an e-mail address",
        "remedy": "write one such as ann@example.com, or leave the cell empty",
    }
    assert loading.ledger.settled_head() == head


def test_many_problems_are_told_in_part_and_reported_up_to_the_limit(loading: Loading) -> None:
    result = loading.load(loading.request(HEADER + "".join(f"a,b,c,{n},x,,\n" for n in range(1_200))))
    assert result.message.startswith("The file has 1,200 problems; nothing was loaded. Row 2, Annual: 'x' is not")
    assert result.message.endswith("And 1,197 more; the report lists the first 1,000.")
    assert (result.problems, len(loading.problems(result))) == (1_200, 1_000)


def test_terms_take_the_place_of_the_name(loading: Loading) -> None:
    terms = LoadTerms(customer="Acme", fiscal_year=2027, is_new=True, effective_on="2027-01-01", is_override=False)
    assert loading.load(loading.request(GOOD, name="budget.csv", terms=terms)).fiscal_year == 2027


def test_a_start_date_within_the_year_becomes_its_first_day_and_that_is_said(loading: Loading) -> None:
    result = loading.load(loading.request(GOOD, name="Acme_2026_true_2026-05-17_false_Budget_v1.csv"))
    assert result.message == (
        "Loaded 2 products for 2026, USD 1,200.05 in all. "
        "What is loaded with isNew=true takes effect on the year's first day, 2026-01-01, and not on 2026-05-17."
    )
    (loaded,) = loading.ledger.read(book_stream(2026))
    assert isinstance(loaded.fact, BudgetLoaded)
    assert loaded.fact.effective_on.isoformat() == "2026-01-01"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("budget.csv", "WrongFileName"),
        ("Acme_2026_true_2025-01-01_false_Budget_v1.csv", "YearMismatch"),
        ("Acme_2026_false_2026-01-02_false_Budget_v1.csv", "NotFirstOfMonth"),
        ("Acme_2026_false_2026-02-01_false_Budget_v1.csv", "YearNotLoaded"),
    ],
)
def test_a_name_that_cannot_be_followed_is_refused(loading: Loading, name: str, code: str) -> None:
    result = loading.load(loading.request(GOOD, name=name))
    assert (result.status, result.code, result.report) == ("refused", code, "")
    assert loading.ledger.read(book_stream(2026)) == []


def test_a_file_that_is_not_in_the_store_is_refused_and_not_tried_for_ever(loading: Loading, tmp_path: Path) -> None:
    request = loading.request(GOOD)
    (tmp_path / request.content_hash).unlink()
    result = loading.load(request)
    assert (result.status, result.error, result.code) == ("refused", "BadInput", "FileNotFound")


def test_a_file_store_that_is_down_is_worth_another_try(ledger: Ledger, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    loading = Loading(ledger, FileStore(str(tmp_path)))
    request = loading.request(GOOD)
    loading.files = BudgetFiles(ledger, FileStore(str(tmp_path / "file")), Organization())
    with pytest.raises(ApplicationError) as failed:
        loading.load(request)
    assert (failed.value.type, failed.value.non_retryable) == (Unavailable.__name__, False)


def wide(products: int) -> str:
    """A large file with every column."""
    months = [f"2026-{month:02}" for month in range(1, 13)]
    lines = [f"Business Unit,Department,Portfolio,Product,Annual,{','.join(months)},Estimated,Code,Owner"]
    for n in range(products):
        amounts = ",".join(f"{n + month}.50" for month in range(12))
        annual = f"{12 * n + 66 + 6}.00"
        lines.append(
            f"Unit {n % 4},Department {n % 40},Portfolio {n % 400},Product {n},{annual},{amounts},{n},P-{n},"
            f"owner{n % 50}@example.com"
        )
    return "\n".join(lines)


def test_50_000_products_are_recorded_in_one_go_with_progress(loading: Loading) -> None:
    started = time.monotonic()
    before = loading.ledger.settled_head()
    result = loading.load(loading.request(wide(50_000)))
    took_s = time.monotonic() - started
    assert (result.status, result.products) == ("loaded", 50_000)
    assert result.position == loading.ledger.settled_head()
    first, *_ = loading.ledger.follow(before, 1)
    (last,) = loading.ledger.follow(result.position - 1, 1)
    assert isinstance(first.fact, BudgetLoaded)
    assert first.fact.products == 50_000
    assert first.recorded_at == last.recorded_at
    assert first.command_id == last.command_id
    steps = [progress.step for progress in loading.progress]
    assert {"checking", "recording"} <= set(steps)
    assert len(steps) > took_s / 2, "a heartbeat a second, also while PostgreSQL works"


def test_one_bad_row_among_50_000_keeps_all_of_them_out(loading: Loading) -> None:
    lines = wide(50_000).split("\n")
    lines[37_001] = lines[37_001].replace(".50,", ".51,", 1)
    head = loading.ledger.settled_head()
    result = loading.load(loading.request("\n".join(lines)))
    assert (result.status, result.problems) == ("invalid", 1)
    assert result.message == (
        "The file has 1 problem; nothing was loaded. Row 37002, Annual: '444072.00' is 0.01 less than the months, "
        "which add up to 444,072.01: correct Annual or the months."
    )
    (problem,) = loading.problems(result)
    assert (problem["row"], problem["column"], problem["value"]) == (37_002, "Annual", "444072.00")
    assert loading.ledger.settled_head() == head
    assert loading.ledger.people.find("owner1@example.com") is None


def test_a_load_can_be_cancelled_while_it_checks(loading: Loading) -> None:
    request = loading.request(wide(50_000))

    def cancel_when_checking(progress: Progress) -> None:
        if progress.step == "checking":
            loading.environment.cancel()

    loading.environment.on_heartbeat = cancel_when_checking
    gc.disable()  # what is thrown into the thread is lost where it arrives in Hypothesis's own callback of a collection
    try:
        with pytest.raises(CancelledError):
            loading.load(request)
    finally:
        gc.enable()
    assert loading.ledger.read(book_stream(2026)) == []
    assert not [thread for thread in threading.enumerate() if thread.name == "heartbeat"]


@pytest.mark.parametrize("channel", [Channel.WORKFLOW, Channel.SETUP])
def test_a_load_started_by_hand_cannot_claim_to_be_the_system(loading: Loading, channel: Channel) -> None:
    result = loading.load(loading.request(GOOD, actor="system").model_copy(update={"channel": channel}))
    assert (result.status, result.code) == ("refused", "SystemActor")


@pytest.mark.parametrize(
    ("actor", "name"),
    [
        ("nobody@example.com", FILE_NAME),
        ("system", FILE_NAME),
        (FINANCE, "Acme_2026_false_2026-01-01_false_Budget_v1.csv"),
    ],
)
def test_a_load_that_is_refused_leaves_no_owner_in_the_directory(loading: Loading, actor: str, name: str) -> None:
    assert loading.load(loading.request(GOOD, actor=actor, name=name)).status == "refused"
    assert loading.ledger.people.find("ann@example.com") is None
