"""Facts of workloads, estimates and claims for the views; and random ones, each possible after those before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from random import Random
from typing import Any

from domain.calendar import Month
from domain.claim import Claim, Claimed, Released, Resource, claim_stream
from domain.claim import evolve as evolve_claim
from domain.decision import Event, Fact, Persona, PersonId
from domain.hierarchy import NodePath
from domain.waiting import Escalated, Overdue, Reminded, waiting_stream
from domain.workload import (
    Component,
    Created,
    EndMoved,
    EstimateApproved,
    EstimateLapsed,
    EstimateRejected,
    EstimateRevised,
    EstimateSubmitted,
    EstimateWithdrawn,
    Renamed,
    State,
    Withdrawn,
    Workload,
    awaited,
    evolve,
    workload_stream,
)
from tests.views.given import ANN, BOB, CALENDAR, EVE, path

ACCOUNT = "000000000001"
JULY, DECEMBER = Month(2026, 7), Month(2026, 12)
AMOUNTS = {"application": {"2026-07": "100.00", "2026-08": "50.00"}, "database": {"2026-07": "25.50"}}


def fact_of(kind: type[Fact], product: str, workload: str, **fields: Any) -> Event:
    fact = kind.model_validate({"product": product, "workload": workload} | fields)
    return Event(workload_stream(path(product), workload), fact)


def created(product: str, workload: str, launch: Month = JULY, end: Month = DECEMBER, **fields: Any) -> Event:
    known = {"account_id": ACCOUNT, "created_by": ANN, "launch_month": launch, "end_month": end}
    return fact_of(Created, product, workload, **known | fields)


def renamed(product: str, workload: str, title: str) -> Event:
    return fact_of(Renamed, product, workload, title=title)


def end_moved(product: str, workload: str, end: Month) -> Event:
    return fact_of(EndMoved, product, workload, end_month=end, reason="sooner")


def withdrawn(product: str, workload: str, on: date) -> Event:
    return fact_of(Withdrawn, product, workload, effective_on=on, reason="not built")


def submitted(product: str, workload: str, round_: int = 1, fiscal_year: int = 2026, **fields: Any) -> Event:
    known = {"amounts": AMOUNTS, "currency": "USD", "submitted_by": ANN}
    return fact_of(EstimateSubmitted, product, workload, round=round_, fiscal_year=fiscal_year, **known | fields)


def approved(product: str, workload: str, version: int) -> Event:
    return fact_of(EstimateApproved, product, workload, decided_version=version, decided_by=BOB, note="fine")


def rejected(product: str, workload: str, version: int) -> Event:
    return fact_of(EstimateRejected, product, workload, decided_version=version, decided_by=BOB, reason="too high")


def claimed(product: str, workload: str, resource: str, on: date, **fields: Any) -> Event:
    known = {"account_id": ACCOUNT, "component": Component.APPLICATION, "claimed_by": ANN}
    fact = Claimed.model_validate(
        {"product": product, "workload": workload, "resource": resource, "effective_on": on} | known | fields
    )
    return Event(claim_stream(fact.account_id, resource), fact)


def released(product: str, workload: str, resource: str, on: date, account_id: str = ACCOUNT) -> Event:
    fact = Released(
        account_id=account_id,
        resource=resource,
        product=path(product),
        workload=workload,
        effective_on=on,
        released_by=ANN,
    )
    return Event(claim_stream(account_id, resource), fact)


def reminded(product: str, workload: str, turn: int, count: int = 1) -> Event:
    return _waiting(Reminded, product, workload, turn=turn, count=count)


def escalated(product: str, workload: str, turn: int) -> Event:
    return _waiting(Escalated, product, workload, turn=turn, reason=Overdue.WAITED_TOO_LONG)


def _waiting(kind: type[Fact], product: str, workload: str, **fields: Any) -> Event:
    subject = workload_stream(path(product), workload)
    known = {"subject": str(subject), "fiscal_year": 2026, "product": product}
    who = {"persona": Persona.PORTFOLIO_OWNER, "node": str(path(product).portfolio)}
    return Event(waiting_stream(subject), kind.model_validate(known | who | fields))


type Key = tuple[NodePath, str]
type ResourceName = tuple[str, str]


class RandomWorkloads:
    """Random events, each possible after those before it; days go by on the way."""

    def __init__(self, random: Random, accounts: Sequence[str], products: Sequence[NodePath]) -> None:
        self.random = random
        self.today = date(2026, 3, 1)
        self.workloads: dict[Key, Workload] = {}
        """As the domain folds them: what the view must say, too."""
        self.resources: dict[ResourceName, Resource] = {}
        self._accounts = accounts
        self._products = products

    def planned(self) -> list[Event]:
        """A workload appears, or something becomes of its estimate."""
        self._time_passes()
        if len(self.workloads) < 3 or self.random.random() < 0.1:
            return self._created()
        key = self.random.choice(list(self.workloads))
        workload = self.workloads[key]
        if self._is_over(workload):
            return []
        steps: dict[State, tuple[Callable[[Key, Workload], list[Fact]], ...]] = {
            State.DRAFT: (self._submitted, self._moved),
            State.APPROVED: (self._submitted, self._moved),
            State.SUBMITTED: (self._decided, self._decided, self._waited, self._taken_back),
            State.REJECTED: (self._revised, self._waited),
        }
        facts = self.random.choice(steps[workload.state])(key, workload)
        return self._record(key, facts)

    def claimed(self) -> list[Event]:
        """Somebody claims or releases a resource, or it is left as it is."""
        self._time_passes()
        name = self.random.choice(self._accounts[:4]), f"i-{self.random.randrange(12)}"
        living = [key for key, workload in self.workloads.items() if not self._is_over(workload)]
        if not living:
            return []
        key, day = self.random.choice(living), self.today + timedelta(days=1)
        there = self._claim_on(name, day)
        if there is not None and (self.random.random() < 0.5 or (there.product, there.workload) != key):
            event = released(str(there.product), there.workload, name[1], max(day, there.since), name[0])
        elif self.workloads[key].ends_on > day:
            component = self.random.choice(list(Component))
            event = claimed(str(key[0]), key[1], name[1], day, account_id=name[0], component=component)
        else:
            return []
        assert isinstance(event.fact, Claimed | Released)
        self.resources[name] = evolve_claim(self.resources.get(name, Resource()), event.fact)
        return [event]

    def _claim_on(self, name: ResourceName, day: date) -> Claim | None:
        resource = self.resources.get(name, Resource())
        if resource.claim is None or resource.until is not None:
            return None
        holder = self.workloads[resource.claim.product, resource.claim.workload]
        return resource.claim if day < holder.ends_on else None

    def _time_passes(self) -> None:
        self.today += timedelta(days=self.random.random() < 0.08)

    def _is_over(self, workload: Workload) -> bool:
        return workload.withdrawn_on is not None or workload.ends_on <= self.today

    def _created(self) -> list[Event]:
        key = self.random.choice(self._products), f"W{len(self.workloads)}/%"
        if key in self.workloads:
            return []
        launch = Month.of(self.today)
        event = created(
            str(key[0]),
            key[1],
            launch,
            launch.plus(self.random.randrange(14)),
            account_id=self.random.choice(self._accounts),
        )
        return self._record(key, [event.fact])

    def _record(self, key: Key, facts: Sequence[Fact]) -> list[Event]:
        stream, events = workload_stream(*key), []
        for fact in facts:
            if isinstance(fact, Reminded | Escalated):
                events.append(Event(waiting_stream(stream), fact))
                continue
            self.workloads[key] = evolve(self.workloads.get(key, Workload()), fact)  # type: ignore[arg-type] # ours
            events.append(Event(stream, fact))
        return events

    def _fact(self, kind: type[Fact], key: Key, **fields: Any) -> list[Fact]:
        return [kind.model_validate({"product": key[0], "workload": key[1]} | fields)]

    def _submitted(self, key: Key, workload: Workload) -> list[Fact]:
        assert workload.end_month is not None
        amounts = {
            component: {str(workload.end_month): f"{self.random.randrange(10**6)}.{self.random.randrange(10)}0"}
            for component in self.random.sample(list(Component), 2)
        }
        fields: dict[str, Any] = {
            "round": workload.round + (workload.state is State.APPROVED),
            "fiscal_year": CALENDAR.fiscal_year_of(workload.end_month),
            "amounts": amounts,
            "currency": "USD",
            "submitted_by": self._somebody(),
            "submitted_for": self.random.choice((None, EVE)),
        }
        return self._fact(EstimateSubmitted, key, **fields)

    def _decided(self, key: Key, workload: Workload) -> list[Fact]:
        decided = {"decided_version": workload.version, "decided_by": self._somebody()}
        if self.random.random() < 0.6:
            return self._fact(EstimateApproved, key, **decided)
        return self._fact(EstimateRejected, key, reason="no", **decided)

    def _taken_back(self, key: Key, workload: Workload) -> list[Fact]:
        if self.random.random() < 0.2:
            return self._fact(EstimateLapsed, key, round=workload.round, open_state=workload.state)
        return self._fact(EstimateWithdrawn, key)

    def _revised(self, key: Key, workload: Workload) -> list[Fact]:
        revised = self._fact(EstimateRevised, key)
        return [*revised, *self._submitted(key, workload)] if self.random.random() < 0.7 else revised

    def _moved(self, key: Key, workload: Workload) -> list[Fact]:
        chance = self.random.random()
        if chance < 0.2:
            return self._fact(Renamed, key, title=f"Title {self.random.randrange(99)}")
        if chance < 0.9:
            end = Month.of(self.today).plus(self.random.randrange(14))
            return self._fact(EndMoved, key, end_month=end) if end != workload.end_month else []
        return self._fact(Withdrawn, key, effective_on=self.today + timedelta(days=1), reason="x")

    def _waited(self, key: Key, workload: Workload) -> list[Fact]:
        waits = awaited(workload, key[0])
        assert waits is not None
        fields = {
            "subject": str(workload_stream(*key)),
            "turn": workload.turn - (self.random.random() < 0.1),
            "persona": waits[0],
            "node": waits[1],
            "fiscal_year": workload.fiscal_year,
            "product": key[0],
        }
        if self.random.random() < 0.6:
            return [Reminded.model_validate(fields | {"count": self.random.randrange(1, 4)})]
        return [Escalated.model_validate(fields | {"reason": Overdue.WAITED_TOO_LONG})]

    def _somebody(self) -> PersonId:
        return self.random.choice((ANN, BOB, EVE))
