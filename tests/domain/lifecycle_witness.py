"""What must hold whatever happens, judged from the facts alone: a witness that knows neither the rules nor the folds.

Each method is one promise of the product rules; its words are in the failure, by which a control knows it again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from domain.budget import AnnualApproved, BudgetLoaded, ProductWithdrawn
from domain.calendar import Month
from domain.closing import MonthClosed, MonthReopened
from domain.decision import Command, Fact, Grant, Persona, PersonId, Stream
from domain.hierarchy import NodePath
from domain.people import Delegated, DelegationEnded, Granted, GrantWithdrawn
from domain.schedule import (
    Approved,
    CameWithinBudget,
    Rejected,
    RescheduleDenied,
    RescheduleGranted,
    RescheduleRequested,
    ScheduleFact,
    Submitted,
    WentOverBudget,
    schedule_stream,
)
from domain.waiting import Escalated
from tests.domain.lifecycle_recorder import MemoryRecorder, Told

DECISIONS = (Approved, Rejected, RescheduleGranted, RescheduleDenied)

type Amounts = Mapping[Month, Decimal]


class Witness:
    def __init__(self, recorder: MemoryRecorder) -> None:
        self.recorder = recorder
        self.annual: dict[NodePath, Decimal] = {}
        self.asked: dict[NodePath, Amounts] = {}
        self.asked_by: dict[NodePath, frozenset[PersonId]] = {}
        self.in_force: dict[NodePath, Amounts] = {}
        self.flagged: set[NodePath] = set()
        self.versions: dict[NodePath, int] = defaultdict(int)
        self.winners: dict[tuple[NodePath, int], UUID] = {}
        self.escalated: set[NodePath] = set()
        self.closed: set[Month] = set()
        self.grants: dict[PersonId, set[Grant]] = defaultdict(set)
        self.delegated: list[Delegated] = []
        self.broken = False
        """Whether a promise was: what comes after that says nothing more."""

    def saw(self, command: Command, told: Told, now: datetime) -> None:
        """One command that was sent for the first time, and its answer."""
        version, self.broken = self.versions.copy(), True
        for event in told.events:  # one decision may be two facts: both are judged on what was before it
            if isinstance(event.fact, DECISIONS):
                self._one_winner(event.fact, command, version[event.fact.product])
                self._not_their_own(event.fact, told)
                self._entitled(event.fact, told, now)
            if isinstance(event.fact, Approved):
                self._closed_months_stay(event.fact)
        for event in told.events:
            self._note(event.fact)
        if any(isinstance(event.fact, BudgetLoaded | ScheduleFact) for event in told.events):
            self._plans_fit(self.in_force)
            self._children_fit_their_parents()
        self._replay_equals_live({event.stream for event in told.events} | set(self.recorder.read))
        self.broken = False

    # The promises

    def _one_winner(self, fact: Fact, command: Command, version: int) -> None:
        assert isinstance(fact, DECISIONS)
        assert fact.decided_version == version, f"decided on a version that moved: {fact.decided_version} of {version}"
        winner = self.winners.setdefault((fact.product, version), command.command_id)
        assert winner == command.command_id, f"a version was decided on twice: {version} of {fact.product}"

    def _not_their_own(self, fact: Fact, told: Told) -> None:
        assert isinstance(fact, DECISIONS)
        deciding = {told.actor, told.authority.on_behalf_of}
        assert not deciding & self.asked_by[fact.product], "somebody decided on their own submission"

    def _entitled(self, fact: Fact, told: Told, now: datetime) -> None:
        assert isinstance(fact, DECISIONS)
        behalf = told.authority.on_behalf_of
        if behalf is not None:
            today = self.recorder.organization.business.day_of(now)
            assert any(
                (d.person_id, d.delegated_by) == (told.actor, behalf) and d.first_day <= today <= d.last_day
                for d in self.delegated
            ), "somebody decided in another's place without a delegation"
        held = self.grants[behalf or told.actor]
        portfolio = Grant(Persona.PORTFOLIO_OWNER, fact.product.portfolio)
        owners = {person for person, grants in self.grants.items() if portfolio in grants}
        above = {Grant(Persona.DEPARTMENT_OWNER, portfolio.node.parent)}
        if behalf is None:
            above.add(Grant(Persona.FINANCIAL_ADMIN, NodePath.ROOT))
        stands_in = fact.product in self.escalated or not owners - self.asked_by[fact.product]
        assert portfolio in held or (stands_in and held & above), "somebody decided without being entitled to"

    def _closed_months_stay(self, fact: Approved) -> None:
        new, old = self.asked[fact.product], self.in_force.get(fact.product)
        moved = [month for month in self.closed if old and new[month] != old[month]]
        assert not moved, f"a closed month changed: {moved}"

    def _plans_fit(self, products: Iterable[NodePath]) -> None:
        """Planned is at most annual, or the schedule is flagged as over budget; and no other is."""
        for product in products:
            if product in self.in_force:
                over = sum(self.in_force[product].values()) > self.annual[product]
                assert over == (product in self.flagged), f"over budget and not told, or told and not so: {product}"
            else:
                assert product not in self.flagged, f"over budget without an approved schedule: {product}"

    def _children_fit_their_parents(self) -> None:
        """A portfolio's annual budget is the sum of its products'; what is planned in it never exceeds that, but for
        products that are over budget."""
        for portfolio in {product.portfolio for product in self.annual}:
            products = [product for product in self.annual if product.portfolio == portfolio]
            lines = [self.recorder.state(Stream("budget_line", f"2026/{product}")).annual for product in products]
            annual = sum(line.amount for line in lines)
            assert annual == sum(self.annual[product] for product in products), "a portfolio is not the sum of its own"
            fitting = [p for p in products if p in self.in_force and p not in self.flagged]
            planned = sum(sum(self.in_force[product].values()) for product in fitting)
            room = sum(self.annual[product] for product in fitting)
            assert planned <= room <= annual, f"children exceed their parent {portfolio}"

    def _replay_equals_live(self, streams: Iterable[Stream]) -> None:
        for stream in streams:
            live = self.recorder.states.get(stream)
            if live is not None:
                assert live == self.recorder.replayed(stream), f"replay differs from live: {stream}"

    def everything_replays(self) -> None:
        self._replay_equals_live(list(self.recorder.states))
        for product, asked in self.in_force.items():
            assert self.recorder.state(schedule_stream(2026, product)).approved == asked, "another schedule in force"

    def records(self) -> int:
        """Facts so far, refusals aside."""
        return sum(len(facts) for stream, facts in self.recorder.facts.items() if stream.category != "refusal")

    # The notes

    def _note(self, fact: Fact) -> None:
        match fact:
            case ScheduleFact():
                self.versions[fact.product] += 1
                self._note_schedule(fact)
            case AnnualApproved() | ProductWithdrawn():
                self.annual[fact.product] = fact.annual
            case MonthClosed():
                self.closed.add(fact.month)
            case MonthReopened():
                self.closed.discard(fact.month)
            case Granted():
                self.grants[fact.person_id].add(Grant(fact.persona, fact.node))
            case GrantWithdrawn():
                self.grants[fact.person_id].discard(Grant(fact.persona, fact.node))
            case Delegated():
                self.delegated.append(fact)
            case DelegationEnded():
                ended = (fact.person_id, fact.delegated_by)
                self.delegated = [d for d in self.delegated if (d.person_id, d.delegated_by) != ended]
            case Escalated():
                self.escalated.add(fact.product)

    def _note_schedule(self, fact: ScheduleFact) -> None:
        product = fact.product
        match fact:
            case Submitted():
                self.asked[product] = fact.amounts
                self.asked_by[product] = frozenset({fact.submitted_by, fact.submitted_for or fact.submitted_by})
            case RescheduleRequested():
                self.asked[product] = fact.amounts or self.asked[product]
                self.asked_by[product] = frozenset({fact.requested_by, fact.requested_for or fact.requested_by})
            case Approved():
                self.in_force[product] = self.asked[product]
                self.flagged.discard(product)
            case WentOverBudget():
                self.flagged.add(product)
            case CameWithinBudget():
                self.flagged.discard(product)
        if not isinstance(fact, WentOverBudget | CameWithinBudget):
            self.escalated.discard(product)  # another state, so another turn
