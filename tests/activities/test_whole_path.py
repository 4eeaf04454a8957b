"""One path through all activities and views, for other currencies, fiscal years and names than the usual ones."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio.testing import ActivityEnvironment

from activities.budget_files import BudgetFiles
from activities.cost_delivery import find_deliveries
from activities.cost_import import CostImport, unheard
from activities.cost_store import CostStore
from domain.account_allocating import AllocateAccount
from domain.account_facts import AccountSeen
from domain.account_observing import ObserveAccounts
from domain.allocation import AccountType, Share
from domain.calendar import FiscalCalendar, Month
from domain.decision import SYSTEM, Accepted, Channel, Command, Organization, Origin, Persona
from domain.hierarchy import NodePath
from domain.money import Money
from domain.people_commands import GrantPersona, RegisterPerson
from domain.process import BudgetFile, CostSource
from domain.schedule_commands import SubmitSchedule
from domain.schedule_decisions import ApproveSchedule
from file_store import FileStore
from ledger.ledger import Ledger
from rights.cedar import CedarRights
from tests.support.cost_reports import PAYER, MadeReport, line
from views.projector import Projector
from views.queries import Views

FINANCE, OWNER, LEAD = "fin@example.com", "Owner@Example.com", "lead@example.com"
ACCOUNT = "000000000042"
NOW = datetime(2026, 6, 15, tzinfo=UTC)
NASTY = NodePath(('R/D "x"', "100%", "50%2F50 'y'", "🛒 %25/ü"))


class Company:
    """An installation in one process."""

    def __init__(self, database_url: str, organization: Organization, folder: Path, ledger: Ledger) -> None:
        self.url, self.organization, self.folder, self.ledger = database_url, organization, folder, ledger

    def do(self, kind: type[Command], actor: str, **fields: Any) -> Accepted:
        outcome = self.ledger.record(kind(command_id=uuid4(), actor=actor, **fields))
        assert isinstance(outcome, Accepted), outcome
        return outcome

    def people(self, product: NodePath) -> None:
        for email, persona, node in (
            (FINANCE, Persona.FINANCIAL_ADMIN, NodePath.ROOT),
            (OWNER, Persona.PRODUCT_OWNER, product),
            (LEAD, Persona.PORTFOLIO_OWNER, product.portfolio),
        ):
            self.ledger.people.ensure(email, "")
            self.do(RegisterPerson, SYSTEM, channel=Channel.SETUP, person=email)
            self.do(GrantPersona, SYSTEM, channel=Channel.SETUP, person=email, persona=persona, node=node)

    def load(self, content: str, name: str) -> str:
        store = FileStore(str(self.folder / "files"))
        request = BudgetFile(
            command_id=uuid4(), actor=FINANCE, content_hash=store.put(content.encode()), file_name=name
        )
        result = ActivityEnvironment().run(BudgetFiles(self.ledger, store, self.organization).load, request)
        assert result.status == "loaded", result
        return result.message

    def schedule(self, year: int, product: NodePath, annual: Decimal) -> None:
        months = self.organization.calendar.months(year)
        shares = Money(annual, self.organization.currency).split([Decimal(1)] * 12)
        amounts = {month: share.amount for month, share in zip(months, shares, strict=True)}
        self.do(SubmitSchedule, OWNER.lower(), fiscal_year=year, product=product, amounts=amounts)  # in another case
        self.do(ApproveSchedule, LEAD.upper(), fiscal_year=year, product=product, version=1)

    def spend(self, cost: str, product: NodePath) -> None:
        seen = AccountSeen(account_id=ACCOUNT, name="a", state="ACTIVE", joined_at=datetime(2026, 1, 1, tzinfo=UTC))
        self.do(
            ObserveAccounts,
            SYSTEM,
            channel=Channel.WORKFLOW,
            organization_id="o-1",
            management_account_id=PAYER,
            accounts=(seen,),
        )
        self.do(
            AllocateAccount,
            FINANCE,
            account_id=ACCOUNT,
            account_type=AccountType.PRODUCTION,
            shares=(Share(product=product, percent=Decimal(100)),),
        )
        MadeReport([[line(cost, CurrencyCode=self.organization.currency)]]).write(self.folder / "cur")
        (delivery,) = find_deliveries(CostSource(source=str(self.folder / "cur"), actor=FINANCE), unheard).deliveries
        imports = CostImport(self.ledger, CostStore(self.url), self.organization, 128)
        result = imports.import_report(
            delivery.model_copy(update={"channel": Channel.CLI}), Origin(workflow_run_id=str(uuid4()))
        )
        assert result.status == "imported", result

    def views(self) -> Views:
        Projector(self.ledger, self.url, self.organization).catch_up()
        return Views(self.url)


@pytest.fixture
def company(database_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Company]:
    organization: Organization = request.param
    with Ledger(database_url, organization, rights=CedarRights(), pool_size=4, clock=lambda: NOW) as ledger:
        yield Company(database_url, organization, tmp_path, ledger)


PRODUCT = NodePath(("Retail", "Digital", "Web", "Checkout"))
HEADER = "Business Unit,Department,Portfolio,Product,"


@pytest.mark.parametrize("company", [Organization(calendar=FiscalCalendar(4))], indirect=True)
def test_a_fiscal_year_from_april_to_march(company: Company) -> None:
    company.people(PRODUCT)
    months = company.organization.calendar.months(2027)
    assert (str(months[0]), str(months[-1])) == ("2026-04", "2027-03")
    header = HEADER + ",".join(map(str, months))
    company.load(f"{header}\nRetail,Digital,Web,Checkout{',100.00' * 12}\n", "C_2027_true_2026-04-01_false_B_v1.csv")
    company.schedule(2027, PRODUCT, Decimal("1200.00"))
    company.spend("1.25", PRODUCT)
    with company.views() as views:
        assert views.fiscal_years() == (2027,)
        (row,) = views.rollup(2027, PRODUCT).rows
        schedule = views.schedule(2027, PRODUCT)
        report = views.rollup(2027)
    assert (row.annual, row.planned, row.actual) == (Decimal("1200.00"), Decimal("1200.00"), Decimal("1.25"))
    assert report.reconciles
    assert schedule is not None
    assert schedule.actual == {Month(2026, 5): Decimal("1.25")}
    assert sorted(schedule.approved) == list(months)


@pytest.mark.parametrize(
    ("company", "annual", "cost", "shown"),
    [
        (Organization(currency="JPY"), "1000", "12.5", ("1000", "1000", "0", "12.5")),
        (Organization(currency="KWD"), "1000.001", "0.0005", ("1000.001", "1000.001", "0.000", "0.0005")),
        (Organization(currency="USD"), "26000", "7", ("26000.00", "26000.00", "0.00", "7.00")),
    ],
    indirect=["company"],
)
def test_amounts_have_the_decimals_of_their_currency(
    company: Company, annual: str, cost: str, shown: tuple[str, ...]
) -> None:
    company.people(PRODUCT)
    message = company.load(
        f"{HEADER}Annual\nRetail,Digital,Web,Checkout,{annual}\n", "C_2026_true_2026-01-01_false_B_v1.csv"
    )
    assert str(Money(Decimal(annual), company.organization.currency)) in message
    company.schedule(2026, PRODUCT, Decimal(annual))
    company.spend(cost, PRODUCT)
    with company.views() as views:
        (row,) = views.rollup(2026, PRODUCT).rows
        assert views.rollup(2026).reconciles
    assert tuple(map(str, (row.annual, row.planned, row.unallocated, row.actual))) == shown


@pytest.mark.parametrize("company", [Organization()], indirect=True)
def test_names_may_hold_anything_printable(company: Company) -> None:
    company.people(NASTY)
    names = ",".join('"' + part.replace('"', '""') + '"' for part in NASTY.parts)
    company.load(f"{HEADER}Annual\n{names},1200.00\n", "C_2026_true_2026-01-01_false_B_v1.csv")
    company.schedule(2026, NASTY, Decimal("1200.00"))
    company.spend("1.25", NASTY)
    assert NodePath.parse(str(NASTY)) == NASTY
    with company.views() as views:
        rows = {row.path: row for row in views.rollup(2026).rows}
        (task_free, audit) = views.tasks(), views.audit(str(NASTY))
    for node in NASTY.lineage():
        assert (rows[node].planned, rows[node].actual) == (Decimal("1200.00"), Decimal("1.25"))
        assert rows[node].name == node.name
    assert task_free == ()
    facts = {entry.fact_name for entry in audit}
    assert {"budget_line.AnnualApproved", "schedule.Submitted", "schedule.Approved"} <= facts
