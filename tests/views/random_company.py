"""Many random events of one company, for tests that compare and for benches."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from random import Random

from domain.account import ORGANIZATION_STREAM
from domain.account_facts import OrganizationSeen
from domain.budget_load import after_annual_change
from domain.calendar import Month
from domain.cost_metric import CostMetric
from domain.decision import Event, Grant, Persona, PersonId
from domain.hierarchy import NodePath
from domain.money import Money
from domain.people import LEVEL_OF_PERSONA
from domain.schedule import EDITABLE, LIVING, Schedule, ScheduleFact, State, evolve, schedule_stream
from tests.views.given import (
    ANN,
    BOB,
    EVE,
    PAYER,
    CostRow,
    allocated_to,
    approved,
    changed,
    granted,
    imported,
    line,
    loaded,
    metric_chosen,
    person,
    refused,
    registered,
    rejected,
    restated,
    submitted,
    vended,
)
from tests.views.given_process import (
    appointed,
    closed,
    deactivated,
    delegated,
    delegation_ended,
    denied,
    escalated,
    grant_withdrawn,
    granted_request,
    product_withdrawn,
    reactivated,
    reminded,
    removed,
    reopened,
    requested,
    revised,
    withdrawn,
    year_ended,
)
from tests.views.random_accounts import RandomAccounts

OTHER_PAYER = "222222222222"
PERSONAS = tuple(Persona)
Key = tuple[int, NodePath]
Maker = Callable[[], list[Event]]


class RandomCompany:
    """Random events of one company, each possible after those before it; the same ones for the same seed."""

    YEARS = (2026, 2027)

    def __init__(
        self,
        seed: int,
        *,
        accounts: int = 60,
        products: int = 200,
        periods: int = 18,
        import_every: int = 400,
        whole_process: bool = True,
    ) -> None:
        """`whole_process`: with reschedules, reminders, withdrawn products, people who leave, closed months, and the
        whole life of accounts."""
        self.random = Random(seed)
        names = [f"Product {n}" for n in range(products - 4)] + ["Books", "Bookshop", "A/B test", "50% off"]
        self.products = [
            NodePath((f"Unit {n % 2}", f"Team {n % 4}", f"Folio {n % 16}/{n % 2}%", name))
            for n, name in enumerate(names)
        ]
        self.accounts = [f"{n:012d}" for n in range(1, accounts + 1)]
        self.periods = [Month(2026, 1).plus(n) for n in range(periods)]
        self.costs: list[CostRow] = []
        self.schedules: dict[Key, Schedule] = {}
        """As the domain folds them: what the view must say, too."""
        self._whole = whole_process
        self.aws = RandomAccounts(self.random, self.accounts, self.products)
        self._open: dict[Key, None] = {}
        """Schedules that wait for a decision."""
        self._lines: dict[Key, bool] = {}
        """Whether they are in the budget; false for withdrawn ones."""
        self._vended: list[str] = []
        self._grants: dict[tuple[PersonId, Grant], None] = {}
        self._people: dict[PersonId, bool] = {}
        """Whether they are active."""
        self._closed: dict[Month, None] = {}
        self._imports: dict[tuple[Month, str], list[str]] = {}
        """Versions by period and payer."""
        self._import_every = import_every

    def events(self, count: int) -> list[Event]:
        made: list[Event] = [loaded(fiscal_year=year) for year in self.YEARS]
        makers: dict[Maker, float] = {
            self._line: 22,
            self._submit: 25,
            self._decide: 25,
            self._account: 8,
            self._allocate: 6,
            self._grant: 8,
            self._refuse: 6,
        }
        if self._whole:
            makers |= {self._decide: 14, self._request: 16, self._owner_acts: 4, self._wait: 8, self._end_year: 1}
            del makers[self._account], makers[self._allocate]
            makers |= {self.aws.seen: 8, self.aws.said: 9, self.aws.beside: 1}
            makers |= {self._choose_metric: 0.1}
            makers |= {self._leave: 2, self._delegate: 3, self._close: 1, self._load: 1, self._withdraw_product: 2}
        next_import = self._import_every - 1
        while len(made) < count:
            if len(made) >= next_import:
                next_import += self._import_every
                made.extend(self._import())
            maker = self.random.choices(list(makers), list(makers.values()))[0]
            made.extend(maker())
        return made[:count]

    def _money(self) -> str:
        return f"{self.random.randrange(0, 10_000_000) / 100:.2f}"

    def _any(self) -> Key:
        return self.random.choice(self.YEARS), self.random.choice(self.products)

    def _in(self, *states: State) -> Key | None:
        """Some schedule in one of these states."""
        known = list(self.schedules)
        for _ in range(20 if known else 0):
            key = self.random.choice(known)
            if self.schedules[key].state in states:
                return key
        return None

    def _record(self, *events: Event) -> list[Event]:
        """Events of one schedule."""
        for stream, fact in events:
            if not isinstance(fact, ScheduleFact):
                continue
            key = fact.fiscal_year, fact.product
            assert stream == schedule_stream(*key)
            moved = self.schedules[key] = evolve(self.schedules.get(key, Schedule()), fact)
            if moved.state in (State.PENDING, State.RESCHEDULE_REQUESTED):
                self._open[key] = None
            else:
                self._open.pop(key, None)
        return list(events)

    def _after(self, key: Key, annual: Decimal) -> list[Event]:
        """What the change of an annual budget does to the schedule."""
        schedule = self.schedules.get(key)
        if schedule is None or not self._whole:
            return []
        facts = after_annual_change(schedule, *key, Money(annual, "USD"))
        return self._record(*(Event(schedule_stream(*key), fact) for fact in facts))

    def _line(self) -> list[Event]:
        key = self._any()
        self._lines[key] = True
        annual = str(self.random.choice((1, 12)) * Decimal(self._money()))
        event = line(str(key[1]), annual, key[0], code=f"C{self.random.randrange(99)}")
        return [event, *self._after(key, Decimal(annual))]

    def _withdraw_product(self) -> list[Event]:
        key = self._any()
        if not self._lines.get(key):
            return []
        self._lines[key] = False
        approved = list((self.schedules.get(key, Schedule()).approved or {}).values())
        left = sum(approved[: self.random.randrange(13)], Decimal(0))
        return [product_withdrawn(str(key[1]), str(left), key[0]), *self._after(key, left)]

    def _load(self) -> list[Event]:
        year, mode = self.random.choice(self.YEARS), self.random.choice(("change", "override"))
        return [loaded(3, "10", year, mode=mode, added=1, changed=2, withdrawn=self.random.randrange(3))]

    def _submit(self) -> list[Event]:
        key = self._any()
        schedule = self.schedules.get(key, Schedule())
        if schedule.state not in (EDITABLE if self._whole else (*EDITABLE, State.APPROVED)):
            return []
        amounts = [self._money() for _ in range(12)]
        event = submitted(str(key[1]), *amounts, fiscal_year=key[0], by=self.random.choice((ANN, EVE)))
        first = [revised(str(key[1]), key[0])] if schedule.state is State.REJECTED and self._whole else []
        return self._record(*first, event)

    def _decide(self) -> list[Event]:
        if not self._open:
            return []
        key = self.random.choice(list(self._open))
        schedule, product, year = self.schedules[key], str(key[1]), key[0]
        if schedule.state is State.RESCHEDULE_REQUESTED:
            if self.random.random() < 0.3:
                return self._record(denied(product, "not now", year, schedule.version))
            both = [approved(product, year, schedule.version)] if schedule.attached else []
            return self._record(granted_request(product, year, schedule.version), *both)
        if self.random.random() < 0.7:
            return self._record(approved(product, year, schedule.version, note="fine"))
        return self._record(rejected(product, "too early", year, schedule.version))

    def _request(self) -> list[Event]:
        if (key := self._in(State.APPROVED)) is None:
            return []
        amounts = [self._money() for _ in range(self.random.choice((0, 12)))]
        round_ = self.schedules[key].round + 1
        return self._record(requested(str(key[1]), round_, *amounts, fiscal_year=key[0], by=EVE, on_behalf_of=BOB))

    def _owner_acts(self) -> list[Event]:
        """Takes something back, or takes up what was rejected."""
        key = self._in(State.PENDING, State.RESCHEDULE_REQUESTED, State.RESCHEDULING, State.REJECTED)
        if key is None:
            return []
        if self.schedules[key].state is State.REJECTED:
            return self._record(revised(str(key[1]), key[0]))
        return self._record(withdrawn(str(key[1]), key[0]))

    def _wait(self) -> list[Event]:
        if (key := self._in(*LIVING)) is None:
            return []
        turn, product = self.schedules[key].turn - (self.random.random() < 0.1), str(key[1])
        if self.random.random() < 0.6:
            return [reminded(product, turn, self.random.randrange(1, 4), key[0])]
        return [escalated(product, turn, key[0])]

    def _end_year(self) -> list[Event]:
        key = self._in(*LIVING)
        return self._record(year_ended(str(key[1]), key[0])) if key else []

    def _grant(self) -> list[Event]:
        persona = self.random.choice((*PERSONAS, Persona.PRODUCT_OWNER, Persona.PORTFOLIO_OWNER))
        node = NodePath(self.random.choice(self.products).parts[: LEVEL_OF_PERSONA[persona]])
        who = self.random.choice((ANN, BOB, EVE, *(person(f"somebody {n}") for n in range(40))))
        if self._people.get(who) is None:
            self._people[who] = True
            return [registered(who)]
        if not self._people[who]:
            self._people[who] = True
            return [reactivated(who)]
        self._grants[who, Grant(persona, node)] = None
        return [granted(who, persona, str(node)), appointed(who, persona, str(node))]

    def _leave(self) -> list[Event]:
        """Somebody loses one grant, or all of them."""
        if not self._grants:
            return []
        who, grant = self.random.choice(list(self._grants))
        leaves = self.random.random() < 0.3
        gone = [held for held in self._grants if held[0] == who and (leaves or held[1] == grant)]
        for held in gone:
            del self._grants[held]
        events = [
            event
            for _, (persona, node) in gone
            for event in (grant_withdrawn(who, persona, str(node)), removed(who, persona, str(node)))
        ]
        if leaves:
            self._people[who] = False
            events.append(deactivated(who))
        return events

    def _delegate(self) -> list[Event]:
        delegate, by = (person(f"somebody {self.random.randrange(*numbers)}") for numbers in ((0, 5), (5, 25)))
        if self.random.random() < 0.3:
            return [delegation_ended(delegate, by)]
        first = date(2026, 1, 1) + timedelta(days=self.random.randrange(200))
        return [delegated(delegate, by, first, first + timedelta(days=self.random.randrange(200)))]

    def _close(self) -> list[Event]:
        month = self.random.choice(self.periods)
        if month in self._closed:
            del self._closed[month]
            return [reopened(str(month))]
        self._closed[month] = None
        return [closed(str(month))]

    def _account(self) -> list[Event]:
        account_id = self.random.choice(self.accounts)
        if account_id not in self._vended:
            self._vended.append(account_id)
            return [vended(account_id, f"account {account_id}")]
        state = self.random.choice(("ACTIVE", "ACTIVE", "SUSPENDED", "CLOSED"))
        return [changed(account_id, f"name {self.random.randrange(9)}", state)]

    def _allocate(self) -> list[Event]:
        if not self._vended:
            return []
        parts = self.random.choice((("100",), ("33.3333", "33.3333", "33.3334"), ("12.5", "87.5")))
        chosen = self.random.sample(self.products, len(parts))
        day = date(2026, 1, 1) + timedelta(days=self.random.randrange(400))
        shares = {str(product): part for product, part in zip(chosen, parts, strict=True)}
        return [allocated_to(self.random.choice(self._vended[: len(self.accounts) * 3 // 4]), day, shares)]

    def _refuse(self) -> list[Event]:
        if self.random.random() < 0.1:
            fact = OrganizationSeen(organization_id="o-example", management_account_id=self.accounts[0])
            return [Event(ORGANIZATION_STREAM, fact)]
        return [refused(self.random.getrandbits(100), f"schedule/2026/{self.random.choice(self.products)}")]

    def _import(self) -> list[Event]:
        month = self.random.choice(self.periods)
        payer = OTHER_PAYER if self._whole and self.random.random() < 0.2 else PAYER
        before = self._imports.setdefault((month, payer), [])
        version = f"v{len(before) + 1} of {payer}"
        rows = [self._cost(month, version, account_id) for account_id in self.accounts for _ in range(12)]
        rows = list({row[:6]: row for row in rows}.values())
        self.costs.extend(rows)
        booked_in = month.plus(self.random.randrange(3)) if self._whole and self.random.random() < 0.3 else None
        events = [imported(rows, str(month), version, payer=payer, booked_in=booked_in)]
        if before and self._whole:
            accounts = self.random.sample(self.accounts, 3)
            events += [restated(account_id, month, before[-1], version, payer, booked_in) for account_id in accounts]
        before.append(version)
        return events

    def _choose_metric(self) -> list[Event]:
        return [metric_chosen(self.random.choice(list(CostMetric)), self.random.choice(self.YEARS))]

    def _cost(self, month: Month, version: str, account_id: str) -> CostRow:
        day = month.first_day + timedelta(days=self.random.randrange(-2, 33))
        kind = self.random.choice(("Usage", "Usage", "Usage", "Tax", "Credit"))
        units = self.random.randrange(1, 10**13) * (-1 if kind == "Credit" else 1)
        service = self.random.choice(("AmazonEC2", "AmazonS3", "AWSLambda"))
        row = CostRow(month.first_day, version, account_id, service, kind, day, Decimal(units).scaleb(-10))
        if version.startswith("v1 "):
            return row  # of before there was more than one metric
        return row._replace(
            amortized=Decimal(units // 3).scaleb(-10),
            net_unblended=Decimal(units // 5).scaleb(-10),
            net_amortized=Decimal(units // 7 - 1).scaleb(-12),
        )
