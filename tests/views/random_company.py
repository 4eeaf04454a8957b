"""Many random events of one company, for tests that compare and for benches."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from random import Random

from domain.account import ORGANIZATION_STREAM, OrganizationSeen
from domain.calendar import Month
from domain.decision import Event, Persona
from domain.hierarchy import NodePath
from domain.people import LEVEL_OF_PERSONA
from tests.views.given import (
    ANN,
    EVE,
    CostRow,
    allocated_to,
    approved,
    changed,
    granted,
    imported,
    line,
    loaded,
    person,
    refused,
    registered,
    rejected,
    submitted,
    vended,
)

PERSONAS = tuple(Persona)


class RandomCompany:
    """Random events of one company, each possible after those before it; the same ones for the same seed."""

    YEARS = (2026, 2027)

    def __init__(
        self, seed: int, *, accounts: int = 60, products: int = 200, periods: int = 18, import_every: int = 400
    ) -> None:
        self.random = Random(seed)
        names = [f"Product {n}" for n in range(products - 4)] + ["Books", "Bookshop", "A/B test", "50% off"]
        self.products = [
            NodePath((f"Unit {n % 2}", f"Team {n % 4}", f"Folio {n % 16}/{n % 2}%", name))
            for n, name in enumerate(names)
        ]
        self.accounts = [f"{n:012d}" for n in range(1, accounts + 1)]
        self.periods = [Month(2026, 1).plus(n) for n in range(periods)]
        self.costs: list[CostRow] = []
        self._open: dict[tuple[int, NodePath], int] = {}
        self._versions: dict[tuple[int, NodePath], int] = {}
        self._vended: list[str] = []
        self._lines: set[tuple[int, NodePath]] = set()
        self._imports: dict[Month, int] = {}
        self._import_every = import_every

    def events(self, count: int) -> list[Event]:
        made: list[Event] = [loaded(fiscal_year=year) for year in self.YEARS]
        makers = (self._line, self._submit, self._decide, self._account, self._allocate, self._grant, self._refuse)
        weights = (22, 25, 25, 8, 6, 8, 6)
        while len(made) < count:
            if len(made) % self._import_every == self._import_every - 1:
                made.append(self._import())
            maker = self.random.choices(makers, weights)[0]
            if (event := maker()) is not None:
                made.append(event)
        return made[:count]

    def _money(self) -> str:
        return f"{self.random.randrange(0, 10_000_000) / 100:.2f}"

    def _line(self) -> Event:
        year, product = self.random.choice(self.YEARS), self.random.choice(self.products)
        self._lines.add((year, product))
        return line(str(product), self._money(), year, code=f"C{self.random.randrange(99)}")

    def _submit(self) -> Event | None:
        key = self.random.choice(self.YEARS), self.random.choice(self.products)
        if key in self._open:
            return None
        self._open[key] = self._versions[key] = self._versions.get(key, 0) + 1
        amounts = [self._money() for _ in range(12)]
        return submitted(str(key[1]), *amounts, fiscal_year=key[0], by=self.random.choice((ANN, EVE)))

    def _decide(self) -> Event | None:
        if not self._open:
            return None
        key = self.random.choice(list(self._open))
        version = self._open.pop(key)
        self._versions[key] += 1
        if self.random.random() < 0.7:
            return approved(str(key[1]), key[0], version, note="fine")
        return rejected(str(key[1]), "too early", key[0], version)

    def _account(self) -> Event:
        account_id = self.random.choice(self.accounts)
        if account_id not in self._vended:
            self._vended.append(account_id)
            return vended(account_id, f"account {account_id}")
        state = self.random.choice(("ACTIVE", "ACTIVE", "SUSPENDED", "CLOSED"))
        return changed(account_id, f"name {self.random.randrange(9)}", state)

    def _allocate(self) -> Event | None:
        if not self._vended:
            return None
        parts = self.random.choice((("100",), ("33.3333", "33.3333", "33.3334"), ("12.5", "87.5")))
        chosen = self.random.sample(self.products, len(parts))
        day = date(2026, 1, 1) + timedelta(days=self.random.randrange(400))
        shares = {str(product): part for product, part in zip(chosen, parts, strict=True)}
        return allocated_to(self.random.choice(self._vended[: len(self.accounts) * 3 // 4]), day, shares)

    def _grant(self) -> Event:
        persona = self.random.choice(PERSONAS)
        node = NodePath(self.random.choice(self.products).parts[: LEVEL_OF_PERSONA[persona]])
        who = person(f"somebody {self.random.randrange(40)}")
        return self.random.choice((granted(who, persona, str(node)), registered(who)))

    def _refuse(self) -> Event:
        if self.random.random() < 0.1:
            fact = OrganizationSeen(organization_id="o-example", management_account_id=self.accounts[0])
            return Event(ORGANIZATION_STREAM, fact)
        return refused(self.random.getrandbits(100), f"schedule/2026/{self.random.choice(self.products)}")

    def _import(self) -> Event:
        month = self.random.choice(self.periods)
        number = self._imports[month] = self._imports.get(month, 0) + 1
        rows = [self._cost(month, f"v{number}", account_id) for account_id in self.accounts for _ in range(12)]
        rows = list({row[:6]: row for row in rows}.values())
        self.costs.extend(rows)
        return imported(rows, str(month), f"v{number}")

    def _cost(self, month: Month, version: str, account_id: str) -> CostRow:
        day = month.first_day + timedelta(days=self.random.randrange(-2, 33))
        kind = self.random.choice(("Usage", "Usage", "Usage", "Tax", "Credit"))
        units = self.random.randrange(1, 10**13) * (-1 if kind == "Credit" else 1)
        service = self.random.choice(("AmazonEC2", "AmazonS3", "AWSLambda"))
        return CostRow(month.first_day, version, account_id, service, kind, day, Decimal(units).scaleb(-10))
