"""The company of the demo, as `demo/company.toml` describes it."""

from __future__ import annotations

import tomllib
from datetime import date, datetime
from pathlib import Path
from typing import Self

from domain.allocation import AccountType
from domain.model import Model

DIRECTORY = Path(__file__).resolve().parent.parent / "demo"
REPORTS = DIRECTORY / "cur"


class Person(Model):
    email: str
    name: str
    grants: tuple[str, ...]
    """As `allot person add --grant` takes them."""


class Decided(Model):
    """A schedule that is submitted and decided on in the demo."""

    product: str
    owner: str
    decided_by: str
    amounts: str = ""
    """As `--amounts` takes them; empty for `--even`."""
    note: str = ""
    reason: str = ""
    better_amounts: str = ""
    """What the owner submits after the rejection."""
    fitting_amounts: str = ""
    """What fits once the budget has been lowered."""


class DemoWorkload(Model):
    """A workload whose estimate is approved, and which claims resources."""

    product: str
    name: str
    account: str
    """By its name."""
    launch: str
    owner: str
    decided_by: str
    monthly: tuple[str, ...]
    """As `--monthly` takes them."""
    resource: str


class Delegation(Model):
    """Somebody lets somebody else decide in their place."""

    by: str
    to: str
    days: int
    note: str


class Allocated(Model):
    """How an account is allocated; without shares it stays unallocated."""

    type: AccountType
    shares: tuple[str, ...]
    """As `allot account allocate` takes them."""


class DemoAccount(Allocated):
    sample_id: str
    """The account of the sample report whose lines it gets."""
    name: str
    ou: str
    """Names of the organizational units from the root down."""


class VendedAccount(DemoAccount):
    """An account that is vended while the demo runs."""

    sample_id: str = ""
    email: str
    tags: dict[str, str] = {}


class Company(Model):
    name: str
    fiscal_year: int
    currency: str
    budget_file: str
    change_file: str
    """A change to the budget, which puts a product over it."""
    accounts_joined: datetime
    billing_periods: tuple[str, ...]
    delivered_until: date
    """What the last month's first delivery reaches to."""
    source_bucket: str
    """Where AWS delivers the report; its manifests name it."""
    replica_bucket: str
    """Where it is replicated to, and read from."""
    prefix: str
    sample_payer: str
    people: tuple[Person, ...]
    approved: Decided
    rejected: Decided
    delegation: Delegation
    rescheduled: Decided
    management_account: Allocated
    accounts: tuple[DemoAccount, ...]
    rules_file: str
    """Rules that say where new accounts belong."""
    expected: VendedAccount
    """Registered before it is vended."""
    by_rule: VendedAccount
    """A rule suggests where it belongs."""
    workload: DemoWorkload

    @classmethod
    def read(cls) -> Self:
        return cls.model_validate(tomllib.loads((DIRECTORY / "company.toml").read_text(encoding="utf-8")))

    @property
    def budget_path(self) -> Path:
        return DIRECTORY / self.budget_file

    @property
    def old_accounts(self) -> tuple[datetime, int]:
        """When its accounts joined, and how many: what is vended in the demo is new."""
        return self.accounts_joined, len(self.accounts) + 1  # and the management account

    @property
    def rules_path(self) -> Path:
        return DIRECTORY / self.rules_file

    @property
    def change_path(self) -> Path:
        return DIRECTORY / self.change_file

    @property
    def admin(self) -> Person:
        """The first Financial Admin."""
        return self.people[0]

    @property
    def engineer(self) -> Person:
        """Imports the cost reports."""
        return self.people[1]
