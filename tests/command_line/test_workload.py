"""`allot workload` and `allot resource`, through the processes of a real worker: from an estimate to its drift."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from domain.calendar import Month
from domain.claim import ResourceName
from domain.claim_commands import ClaimResources
from domain.cost import ImportPeriod, ReportVersion
from domain.estimate_commands import SubmitEstimate
from domain.estimate_decisions import ApproveEstimate
from domain.metric_choice import ChooseMetric
from domain.workload_commands import CreateWorkload
from tests.command_line.account_company import LABS, LAST_MONTH, PAYER, SHOP, TODAY, AccountCompany
from tests.command_line.company import CHECKOUT
from tests.support.cost_mart import Spent, write_mart

Allot = Callable[..., Any]
PRODUCT = str(CHECKOUT)
MONTH, BEFORE = Month.of(TODAY), Month.of(LAST_MONTH)
WEB, DATABASE = "arn:aws:ec2:i-web", "arn:aws:rds:db"


def data(answer: Any) -> Any:
    assert answer.status == 0, answer.err
    return json.loads(answer.out)


@pytest.fixture
def grace_days() -> int:
    return 36_500


def billed(company: AccountCompany, month: Month, **more: Any) -> None:
    report = ReportVersion(source="cur", billing_period=month, version="v1", payer_account_id=PAYER)
    total = {"Usage": Decimal("46.00")}
    read = {"currencies": ("USD",), "payers": (PAYER,), "lines": 2, "rows": 2, "rounding": "exact"}
    sums = {"totals_in": total, "totals_out": total, "manifest_hash": "0" * 64}
    company.by_allot(ImportPeriod, report=report, **sums, **read, **more)


def test_an_estimate_is_submitted_approved_and_made_a_schedule_and_resources_are_claimed_for_it(
    working_accounts: AccountCompany, allot: Allot, tmp_path: Path
) -> None:
    company = working_accounts
    company.vend(SHOP)
    company.vend(LABS, "labs")
    company.allocate(SHOP, Checkout="60", Search="40")
    mart = tmp_path / "worker" / ".allot" / "cost-mart"
    spent = [
        Spent(SHOP, WEB, "AmazonEC2", "40", MONTH.first_day, {"Name": "web"}),
        Spent(SHOP, DATABASE, "AmazonRDS", "6", MONTH.first_day),
    ]
    billed(company, MONTH, detail=write_mart(mart, str(MONTH), "v1", spent))
    company.show()
    ann, pat = ("--as", "ann@example.com"), ("--as", "pat@example.com")
    basket = (PRODUCT, "Basket")

    months = ("--launch", str(MONTH), "--end", str(MONTH))
    answer = allot("workload", "create", *basket, "--account", LABS, *months, *ann)
    assert (answer.status, "is not allocated to" in answer.err) == (3, True)
    created = data(allot("workload", "create", *basket, "--account", SHOP, *months, *ann, "--json"))
    assert created["workload"]["account_id"] == SHOP

    too_much = tmp_path / "estimate.csv"
    too_much.write_text(f"component,month,amount\napplication,{MONTH},1000.00\ndatabase,{MONTH},200.01\n")
    submitted = data(allot("workload", "submit", *basket, "--file", str(too_much), *ann, "--json"))
    assert (submitted["workload"]["state"], submitted["workload"]["version"]) == ("SUBMITTED", 2)
    assert "Approve or reject the estimate" in allot("tasks", *pat).out
    assert f"allot workload approve {PRODUCT} Basket --version 2" in allot("tasks", *pat).out
    rejected = allot("workload", "reject", *basket, "--reason", "too high", *pat)
    assert rejected.out == "Rejected version 2.\n"
    assert "Revise the estimate" in allot("tasks", *ann).out

    answer = allot("workload", "estimate", *basket)
    assert answer.out == f"component,month,amount\napplication,{MONTH},1000.00\ndatabase,{MONTH},200.01\n"
    allot("workload", "submit", *basket, "--monthly", "application=1000", "--monthly", "database=200.01", *ann)
    data(allot("workload", "approve", *basket, *pat, "--json"))
    again = allot("workload", "approve", *basket, *pat)
    assert "was approved already; that decision stands." in again.out

    draft = data(allot("workload", "to-schedule", PRODUCT, "--year", str(MONTH.year), "--json"))
    assert (draft["planned"], draft["annual"], draft["over"], draft["fits"]) == ("1200.01", "1200.00", "0.01", False)
    assert draft["months"][str(MONTH)] == "1200.01"
    assert len(draft["months"]) == 12
    told = allot("workload", "to-schedule", PRODUCT, "--year", str(MONTH.year), "--file", str(tmp_path / "draft.csv"))
    assert "OVER BUDGET by 0.01 USD" in told.out
    refused = allot(
        "schedule", "submit", PRODUCT, "--year", str(MONTH.year), "--file", str(tmp_path / "draft.csv"), *ann
    )
    assert (refused.status, "over the annual budget" in refused.err) == (3, True)
    shown = data(allot("schedule", "show", PRODUCT, "--year", str(MONTH.year), "--json"))
    assert shown["workload_estimates"] == {str(MONTH): "1200.01"}
    assert "Workload estimates" in allot("schedule", "show", PRODUCT, "--year", str(MONTH.year)).out

    found = data(allot("resource", "search", "--open", "--service", "ec2", "--json"))
    assert [(one["resource"], one["cost"]) for one in found["resources"]] == [(WEB, "40.000000000000")]
    claimed = allot("resource", "claim", *basket, "--search", "--component", "ui", *ann)
    tomorrow = TODAY + timedelta(days=1)
    if Month.of(tomorrow) != MONTH:  # the workload ends with the month
        assert claimed.status == 3
        return
    assert claimed.out == f"2 resources claimed by Basket from {tomorrow} on.\n"
    assert data(allot("resource", "list", "--open", "--json"))["resources"] == []
    shown = allot("workload", "show", *basket)
    assert "Approved estimate and actual cost" in shown.out
    assert WEB in shown.out
    released = allot("resource", "release", "--account", SHOP, "--resource", WEB, *ann)
    assert released.out == f"1 resource released from {tomorrow} on.\n"
    assert data(allot("workload", "list", "--json"))["workloads"][0]["claims"] == 1


def test_drift_is_what_claimed_resources_cost_against_the_approved_estimate(
    accounts: AccountCompany, allot: Allot, database_url: str
) -> None:
    """Claimed for the last month: 30.00 were estimated for the application and nothing for the database."""
    company = accounts
    company.now = datetime.combine(BEFORE.first_day, time(12), UTC)
    company.vend(SHOP)
    company.allocate(SHOP, on=BEFORE.first_day, Checkout="60", Search="40")
    about: dict[str, Any] = {"product": CHECKOUT, "workload": "Basket"}
    company.do(CreateWorkload, "Ann", account_id=SHOP, launch_month=BEFORE, end_month=MONTH, **about)
    amounts = {"application": {str(BEFORE): "30.00", str(MONTH): "10.00"}}
    company.do(SubmitEstimate, "Ann", amounts=amounts, **about)
    company.do(ApproveEstimate, "Pat", version=2, **about)
    for key, component in ((WEB, "application"), (DATABASE, "database")):
        names = (ResourceName(account_id=SHOP, resource=key),)
        company.do(ClaimResources, "Ann", resources=names, component=component, **about)
    first = BEFORE.first_day
    rows = [
        (WEB, first, "5.00"),  # the day before the claim takes effect
        (WEB, first + timedelta(days=1), "20.00"),
        (WEB, first + timedelta(days=2), "25.00"),
        (DATABASE, first + timedelta(days=1), "1.000000000001"),
        ("somebody else's", first + timedelta(days=1), "900.00"),
    ]
    insert = "INSERT INTO claimed_cost_rows VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
    with psycopg.connect(database_url) as connection:
        for version in ("v0", "v1"):  # only the version in force counts
            for key, day, cost in rows:
                sums = [*[Decimal(cost)] * 3, Decimal(cost) / 2]
                connection.execute(insert, [first, version, SHOP, key, day, *sums])
    billed(company, BEFORE)
    company.show()

    shown = data(allot("workload", "show", PRODUCT, "Basket", "--json"))
    lines = [(one["month"], one["component"], one["estimate"], one["actual"], one["drift"]) for one in shown["months"]]
    assert lines == [
        (str(BEFORE), "application", "30.00", "45.00", "15.00"),
        (str(BEFORE), "database", "0.00", "1.000000000001", "1.000000000001"),
        (str(MONTH), "application", "10.00", "0.00", None),
    ]
    text = allot("workload", "show", PRODUCT, "Basket").out
    assert "actual cost (unblended), USD" in text
    assert "+50.0 %" in text
    assert "-100.0 %" not in text  # this month was not billed yet
    assert "Drift is of months that were billed." in text
    (whole,) = [
        one for one in text.splitlines() if "Total" in one and "application" not in one and "database" not in one
    ]
    assert re.findall(r"[\d.,+-]+", whole) == ["40.00", "46.00", "16.00", "+53.3"]
    assert "Total" in text

    company.do(ChooseMetric, "Fin", fiscal_year=BEFORE.year, metric="net_amortized")
    company.show()
    shown = data(allot("workload", "show", PRODUCT, "Basket", "--json"))
    assert (shown["metric"], shown["months"][0]["actual"]) == ("net_amortized", "22.50")


def test_a_claim_in_an_account_that_went_to_other_products_is_marked(accounts: AccountCompany, allot: Allot) -> None:
    company = accounts
    company.now -= timedelta(days=20)
    company.vend(SHOP)
    company.allocate(SHOP, Checkout="100")
    about: dict[str, Any] = {"product": CHECKOUT, "workload": "Basket"}
    launch = Month.of(company.now.date())
    company.do(CreateWorkload, "Ann", account_id=SHOP, launch_month=launch, end_month=launch.plus(3), **about)
    names = (ResourceName(account_id=SHOP, resource=WEB),)
    company.do(ClaimResources, "Cleo", resources=names, **about)
    company.now += timedelta(days=20)
    company.allocate(SHOP, on=MONTH.first_day, Search="100")
    company.show()
    (claim,) = data(allot("workload", "show", PRODUCT, "Basket", "--json"))["resources"]
    assert claim["problem"] == "account not allocated"
    told = " ".join(allot("workload", "show", PRODUCT, "Basket").out.split())
    assert "its claims hold until they are released" in told


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("workload", "show", PRODUCT, "Nothing"), "has no workload Nothing"),
        (("workload", "show", "Retail", "x"), "A product is named by its whole path"),
        (("resource", "list", "--open", "--claimed"), "give one of --open and --claimed"),
        (("resource", "list", "--workload", "x"), "--product PRODUCT --workload NAME"),
        (("resource", "list", "--tag", "x"), "write KEY=VALUE"),
        (("resource", "list", "--account", "12"), "is not an account id"),
        (("resource", "release", "--resource", "i-1", "--as", "ann@example.com"), "say in which account it is"),
        (("resource", "release", "--account", SHOP, "--as", "ann@example.com"), "Name the resources"),
    ],
)
def test_what_cannot_be_meant_is_said(
    accounts: AccountCompany, allot: Allot, words: tuple[str, ...], message: str
) -> None:
    accounts.show()
    answer = allot(*words)
    assert answer.status in (2, 5)
    assert message in answer.err
