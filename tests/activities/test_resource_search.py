"""Resources are found by service, id, name and tag, the dearest first, with whoever has claimed them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from activities import claimed_resources
from activities.claimed_resources import EverClaimed
from activities.cost_mart import CostMart
from activities.resource_search import ResourceSearches
from domain.calendar import Month
from domain.claim import ResourceName
from domain.claim_commands import ClaimResources
from domain.cost import ImportPeriod, ReportVersion
from domain.errors import Unavailable
from domain.resource_search import ResourcePage, ResourceQuery
from domain.workload_commands import CreateWorkload
from tests.command_line.account_company import LABS, PAYER, SHOP, TODAY, AccountCompany
from tests.command_line.company import CHECKOUT
from tests.support.cost_mart import Spent, write_mart

PERIOD = Month.of(TODAY)
DAY = PERIOD.first_day
TOMORROW = TODAY + timedelta(days=1)
WEB, DATABASE, BUCKET, LAMBDA = "arn:aws:ec2:i-0Web", "arn:aws:rds:db-1", "my-bucket", "usage:AWSLambda/Requests/Invoke"
SPENT = [
    Spent(SHOP, WEB, "AmazonEC2", "10.000000000001", DAY, {"Name": "Web 1", "team": "shop"}),
    Spent(SHOP, WEB, "AmazonEC2", "5", DAY + timedelta(days=1), {"Name": "Web 1", "team": "shop"}),
    Spent(SHOP, DATABASE, "AmazonRDS", "30", DAY, {"user:env/~": "a'; DROP TABLE x; --", "team": "shop"}),
    Spent(SHOP, BUCKET, "AmazonS3", "0.5", DAY),
    Spent(LABS, BUCKET, "AmazonS3", "0.25", DAY, {"team": "labs"}),
    Spent(LABS, LAMBDA, "AWSLambda", "-1", DAY),
]


class Searching:
    """A company that has imported a report and claimed its web server."""

    def __init__(self, company: AccountCompany, database_url: str, folder: Path) -> None:
        self.company = company
        self.searches = ResourceSearches(company.ledger, database_url, CostMart(str(folder)))

    def found(self, **query: Any) -> list[tuple[str, str]]:
        return [(one.account_id, one.resource) for one in self.page(**query).resources]

    def page(self, **query: Any) -> ResourcePage:
        return self.searches.search(ResourceQuery.model_validate(query))


def import_version(company: AccountCompany, detail: str, version: str = "v1") -> None:
    report = ReportVersion(source="cur", billing_period=PERIOD, version=version, payer_account_id=PAYER)
    total = {"Usage": Decimal("44.750000000001")}
    read = {"currencies": ("USD",), "payers": (PAYER,), "lines": 6, "rows": 6, "detail": detail}
    sums = {"totals_in": total, "totals_out": total, "manifest_hash": "0" * 64, "rounding": "exact"}
    company.by_allot(ImportPeriod, report=report, **sums, **read)


@pytest.fixture
def searching(database_url: str, tmp_path: Path) -> Iterator[Searching]:
    company = AccountCompany(database_url)
    company.vend(SHOP)
    company.vend(LABS, "labs")
    company.allocate(SHOP, Checkout="60", Search="40")
    about = {"product": CHECKOUT, "workload": "Basket"}
    company.do(CreateWorkload, "Ann", account_id=SHOP, launch_month=PERIOD, end_month=PERIOD.plus(1), **about)
    names = (ResourceName(account_id=SHOP, resource=WEB),)
    company.do(ClaimResources, "Ann", resources=names, component="ui", **about)
    import_version(company, write_mart(tmp_path, str(PERIOD), "v1", SPENT))
    company.show()
    yield Searching(company, database_url, tmp_path)
    company.ledger.close()


def test_the_dearest_come_first_with_whoever_has_claimed_them(searching: Searching) -> None:
    page = searching.page()
    assert (page.billing_period, page.versions, page.currency, page.total) == (PERIOD, ("v1",), "USD", 5)
    assert [(one.resource, one.cost) for one in page.resources] == [
        (DATABASE, Decimal(30)),
        (WEB, Decimal("15.000000000001")),
        (BUCKET, Decimal("0.5")),
        (BUCKET, Decimal("0.25")),
        (LAMBDA, Decimal(-1)),
    ]
    web = page.resources[1]
    assert (web.name, web.product, web.workload, web.component) == ("Web 1", CHECKOUT, "Basket", "ui")
    assert web.since == TOMORROW
    assert page.resources[0].workload == ""


CASES: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    ({"account_ids": (LABS,)}, [(LABS, BUCKET), (LABS, LAMBDA)]),
    ({"service": "amazonS"}, [(SHOP, BUCKET), (LABS, BUCKET)]),
    ({"resource": "I-0WEB"}, [(SHOP, WEB)]),
    ({"resource": "%"}, []),
    ({"name": "web"}, [(SHOP, WEB)]),
    ({"tags": {"team": "shop"}}, [(SHOP, DATABASE), (SHOP, WEB)]),
    ({"tags": {"team": "sho"}}, []),
    ({"tags": {"team": "shop", "Name": "Web 1"}}, [(SHOP, WEB)]),
    ({"tags": {"user:env/~": "a'; DROP TABLE x; --"}}, [(SHOP, DATABASE)]),
    ({"claimed": True}, [(SHOP, WEB)]),
    ({"claimed": False, "account_ids": (SHOP,)}, [(SHOP, DATABASE), (SHOP, BUCKET)]),
    ({"product": CHECKOUT, "workload": "Basket"}, [(SHOP, WEB)]),
    ({"product": CHECKOUT, "workload": "Other"}, []),
    ({"limit": 2, "offset": 1}, [(SHOP, WEB), (SHOP, BUCKET)]),
    ({"billing_period": PERIOD.plus(-1)}, []),
]


def test_all_that_is_asked_must_hold(searching: Searching) -> None:
    assert [(query, searching.found(**query)) for query, _ in CASES] == CASES


def test_the_newest_version_is_searched(searching: Searching, tmp_path: Path) -> None:
    newer = [Spent(SHOP, "i-new", "AmazonEC2", "1", DAY)]
    import_version(searching.company, write_mart(tmp_path, str(PERIOD), "v2", newer), "v2")
    assert searching.found() == [(SHOP, "i-new")]


def test_a_detail_that_is_gone_is_said(searching: Searching) -> None:
    import_version(searching.company, f"billing_period={PERIOD}/version=gone", "gone")
    with pytest.raises(ApplicationError, match="are not in the cost mart") as refused:
        searching.page()
    assert (refused.value.type, refused.value.non_retryable) == ("NotFound", True)


def test_before_anything_was_imported_nothing_is_found(database_url: str, tmp_path: Path) -> None:
    company = AccountCompany(database_url)
    company.show()
    searches = ResourceSearches(company.ledger, database_url, CostMart(str(tmp_path)))
    assert searches.search(ResourceQuery()) == ResourcePage()
    company.ledger.close()


def test_an_import_knows_what_was_ever_claimed_and_does_not_go_on_while_the_views_are_behind(
    searching: Searching, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed = EverClaimed(searching.company.ledger, database_url)
    assert claimed() == [(SHOP, WEB)]
    names = (ResourceName(account_id=SHOP, resource=DATABASE),)
    searching.company.do(ClaimResources, "Ann", resources=names, component="ui", product=CHECKOUT, workload="Basket")
    monkeypatch.setattr(claimed_resources, "VIEWS_WITHIN_S", 0.05)
    with pytest.raises(Unavailable, match="not yet up to"):
        claimed()
    searching.company.show()
    assert set(claimed()) == {(SHOP, WEB), (SHOP, DATABASE)}
