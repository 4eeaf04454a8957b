"""A small company in a real ledger, and what its people do at times of the test's choosing."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

from domain.budget import BudgetRow
from domain.budget_load import LoadBudget
from domain.business_days import BusinessCalendar
from domain.calendar import FiscalCalendar, Month
from domain.decision import SYSTEM, Accepted, Channel, Command, Organization, Persona
from domain.hierarchy import NodePath
from domain.people_commands import GrantPersona, RegisterPerson
from ledger.ledger import Ledger
from rights.cedar import CedarRights
from views.projector import Projector

YEAR = 2026
MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
GRACE_DAYS = 36_500
"""So that the tests' year is open whenever they run."""
ORGANIZATION = Organization("USD", FiscalCalendar(), None, BusinessCalendar(year_grace_days=GRACE_DAYS))
CHECKOUT = NodePath(("Retail", "Digital", "Web", "Checkout"))
LABELS = ("Sector", "Division", "Suite", "Service")
PEOPLE = {
    "Fin": (Persona.FINANCIAL_ADMIN, NodePath.ROOT),
    "Ann": (Persona.PRODUCT_OWNER, CHECKOUT),
    "Pat": (Persona.PORTFOLIO_OWNER, CHECKOUT.portfolio),
    "Dot": (Persona.DEPARTMENT_OWNER, CHECKOUT.portfolio.parent),
    "Bea": (Persona.BU_OWNER, NodePath(("Retail",))),
}


def address(name: str) -> str:
    return f"{name.lower()}@example.com"


class Company:
    """Its ledger, with a clock that stands where the test puts it."""

    def __init__(self, database_url: str, now: datetime = MONDAY, organization: Organization = ORGANIZATION) -> None:
        self.now = now
        self._url, self._organization = database_url, organization
        self.ledger = Ledger(
            database_url, organization, rights=CedarRights(), pool_size=2, clock=lambda: self.now
        ).open()

    def found(self, year: int = YEAR, annual: str = "1200.00") -> None:
        """With its people, and one product in the budget."""
        setup: dict[str, Any] = {"actor": SYSTEM, "channel": Channel.SETUP}
        for name, (persona, node) in PEOPLE.items():
            self.ledger.people.ensure(address(name), name)
            person = {"person": address(name)}
            self.record(RegisterPerson(command_id=uuid4(), **setup, **person))
            self.record(GrantPersona(command_id=uuid4(), **setup, **person, persona=persona, node=node))
        self.load(year, annual)

    def load(self, year: int, annual: str) -> None:
        self._load(year, annual, is_new=True, effective_on=Month(year, 1).first_day)

    def change(self, annual: str) -> None:
        """Another annual budget of the product, from December on."""
        self._load(YEAR, annual, effective_on=Month(YEAR, 12).first_day)

    def withdraw_all(self) -> None:
        """Another product takes the place of the only one."""
        other = NodePath((*CHECKOUT.portfolio.parts, "Search"))
        first_day = Month(YEAR, 1).first_day
        self._load(YEAR, "10.00", other, is_override=True, effective_on=first_day, known=(CHECKOUT,))

    def _load(self, year: int, annual: str, product: NodePath = CHECKOUT, is_new: bool = False, **how: Any) -> None:
        command = LoadBudget.model_validate(
            {
                "command_id": uuid4(),
                "actor": address("Fin"),
                "fiscal_year": year,
                "content_hash": f"{year * 10 + is_new:064d}",
                "customer": "Acme",
                "option": "Budget",
                "file_version": "v1",
                "is_new": is_new,
                "is_override": False,
                "labels": LABELS,
                "rows": (BudgetRow(product=product, annual=Decimal(annual)),),
                **how,
            }
        )
        self.record(command)

    def record(self, command: Command) -> Accepted:
        outcome = self.ledger.record(command)
        assert isinstance(outcome, Accepted), outcome
        return outcome

    def say(self, kind: type[Command], name: str, **said: Any) -> Accepted:
        """What a person wants of the product's schedule."""
        about = {"command_id": uuid4(), "actor": address(name), "fiscal_year": YEAR, "product": CHECKOUT}
        return self.record(kind.model_validate({**about, **said}))

    def show(self) -> None:
        """Brings the views up to date."""
        Projector(self.ledger, self._url, self._organization).catch_up()


def amounts(each: str = "100.00", year: int = YEAR) -> dict[Month, Decimal]:
    return {month: Decimal(each) for month in ORGANIZATION.calendar.months(year)}
