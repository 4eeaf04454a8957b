"""The small company with accounts: what AWS, the bill, Allot itself and people do with them, at times of the test's
choosing. Its years are this one and the last one, so that the tests hold on any day."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from domain.account_allocating import AllocateAccount, ProposeAllocation
from domain.account_facts import AccountSeen
from domain.account_observing import ObserveAccounts
from domain.account_rules import AccountRule, ReplaceAccountRules
from domain.allocation import AccountType, Share
from domain.business_days import BusinessCalendar
from domain.calendar import Month
from domain.cost import ImportPeriod, ReportVersion
from domain.decision import SYSTEM, Accepted, Channel, Command, Organization, Persona, Refused
from domain.expected_account import ExpectAccounts, ExpectedAccount
from domain.first_bill import FirstLine, RecordFirstBills
from domain.hierarchy import NodePath
from domain.people_commands import GrantPersona, RegisterPerson
from tests.command_line.company import CHECKOUT, GRACE_DAYS, Company, address
from tests.views.given import CostRow, store_costs

SEARCH = NodePath((*CHECKOUT.portfolio.parts, "Search"))
SHOP, LABS, STRANGER = "100000000001", "100000000002", "100000000003"
PAYER = "999999999999"
BY_ALLOT: dict[str, Any] = {"actor": SYSTEM, "channel": Channel.WORKFLOW}
TODAY = datetime.now(UTC).date()
LAST_MONTH = Month.of(TODAY).plus(-1).first_day


def shares(**percents: str) -> tuple[Share, ...]:
    """`shares(Checkout="60", Search="40")`"""
    return tuple(
        Share(product=NodePath((*CHECKOUT.portfolio.parts, name)), percent=Decimal(percent))
        for name, percent in percents.items()
    )


def rule(name: str, **fields: Any) -> AccountRule:
    common = {"name": name, "account_type": AccountType.PRODUCTION, "shares": shares(Checkout="100")}
    return AccountRule.model_validate(common | fields)


class AccountCompany(Company):
    """With a budget of two products, a cloud engineer, and accounts as the test has them."""

    def __init__(self, database_url: str, now: datetime | None = None) -> None:
        organization = Organization(business=BusinessCalendar(year_grace_days=GRACE_DAYS))
        super().__init__(database_url, now or datetime.now(UTC), organization)
        self.found(TODAY.year)
        self.load(TODAY.year - 1, "1200.00")
        for year in (TODAY.year, TODAY.year - 1):
            self._load(year, "600.00", SEARCH, effective_on=Month(year, 12).first_day)
        self._engineer()

    def _engineer(self) -> None:
        self.ledger.people.ensure(address("Cleo"), "Cleo")
        person: dict[str, Any] = {"actor": SYSTEM, "channel": Channel.SETUP, "person": address("Cleo")}
        self.record(RegisterPerson(command_id=uuid4(), **person))
        grant = GrantPersona(command_id=uuid4(), **person, persona=Persona.CLOUD_ENGINEER, node=NodePath.ROOT)
        self.record(grant)

    def withdraw(self, product: NodePath = CHECKOUT) -> None:
        """The budget of this year has only the other product from its first day on."""
        (other,) = {CHECKOUT, SEARCH} - {product}
        first_day = Month(TODAY.year, 1).first_day
        how: dict[str, Any] = {
            "is_override": True,
            "effective_on": first_day,
            "known": (product,),
            "content_hash": "f" * 64,
        }
        self._load(TODAY.year, "600.00", other, **how)

    # AWS

    def vend(self, account_id: str = SHOP, name: str = "shop-prod", *, days_ago: int = 400, **seen: Any) -> None:
        """AWS Organizations shows the account; it joined so many days before now."""
        fields = {
            "account_id": account_id,
            "name": name,
            "email": f"aws+{name}@example.com",
            "state": "ACTIVE",
            "joined_method": "CREATED",
            "joined_at": self.now - timedelta(days=days_ago),
            "ou_path": "/Workloads/Production",
            "tags": {"team": "shop"},
            **seen,
        }
        self.by_allot(
            ObserveAccounts,
            organization_id="o-1",
            management_account_id=PAYER,
            accounts=(AccountSeen.model_validate(fields),),
            observed_at=self.now,
        )

    def bill(self, rows: Iterable[CostRow]) -> None:
        """The cost report of these rows, with the first bills of its accounts."""
        rows = tuple(rows)
        store_costs(self._url, rows)
        for period in sorted({row.billing_period for row in rows}):
            self._bill(Month.of(period), [row for row in rows if row.billing_period == period])

    def _bill(self, month: Month, rows: list[CostRow]) -> None:
        totals = {"Usage": sum((row.unblended for row in rows), Decimal(0))}
        report = ReportVersion(source="cur", billing_period=month, version="v1", payer_account_id=PAYER)
        read = {"currencies": ("USD",), "payers": (PAYER,), "lines": len(rows), "rows": len(rows)}
        about = {"report": report, "manifest_hash": "0" * 64, "totals_in": totals, "totals_out": totals, **read}
        self.do(ImportPeriod, "Cleo", **about)
        days = [(row.account_id, row.usage_date) for row in rows]
        first = [FirstLine(account_id=one, first_usage_on=min(d for a, d in days if a == one)) for one, _ in days]
        self.by_allot(RecordFirstBills, billing_period=month, report_version="v1", accounts=first)

    # People and Allot

    def allocate(self, account_id: str = SHOP, on: date | None = None, note: str = "As agreed.", **to: str) -> None:
        wish = {"account_type": AccountType.PRODUCTION, "shares": shares(**to), "effective_on": on, "note": note}
        self.do(AllocateAccount, "Fin", account_id=account_id, **wish)

    def propose(self, account_id: str = SHOP, by: str = "Cleo", **to: str) -> None:
        wish = {"account_type": AccountType.PRODUCTION, "shares": shares(**to)}
        self.do(ProposeAllocation, by, account_id=account_id, **wish)

    def expect(self, email: str = "", name: str = "", note: str = "", **to: str) -> None:
        wish = {"account_type": AccountType.SANDBOX, "shares": shares(**to), "note": note}
        account = ExpectedAccount.model_validate({"email": email, "name": name, **wish})
        self.do(ExpectAccounts, "Cleo", accounts=(account,))

    def rule(self, *rules: AccountRule, note: str = "") -> None:
        self.do(ReplaceAccountRules, "Fin", rules=rules, note=note)

    def do(self, kind: type[Command], who: str, /, **said: Any) -> Accepted:
        return self.record(kind.model_validate({"command_id": uuid4(), "actor": address(who), **said}))

    def step(self, kind: type[Command], account_id: str = SHOP, occasion: int = 1, **said: Any) -> Accepted:
        """What Allot does in an occasion: looks at rules, reminds, escalates."""
        return self.by_allot(kind, account_id=account_id, occasion=occasion, **said)

    def by_allot(self, kind: type[Command], **said: Any) -> Accepted:
        return self.record(kind.model_validate({"command_id": uuid4(), **BY_ALLOT, **said}))

    def refused(self, kind: type[Command], who: str, /, **said: Any) -> Refused:
        outcome = self.ledger.record(kind.model_validate({"command_id": uuid4(), "actor": address(who), **said}))
        assert isinstance(outcome, Refused), outcome
        return outcome
