"""The whole lifecycle as a machine: several products, people and months of a year, in any order and by anybody.

Every command runs on the real rules (`lifecycle_recorder`), is predicted by a reference (`lifecycle_model`) and judged
by a witness (`lifecycle_witness`).
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from domain.budget import line_stream
from domain.calendar import Month
from domain.closing import closing_stream
from domain.decision import SYSTEM, Grant, Persona
from domain.errors import CommandConflict
from domain.hierarchy import NodePath
from domain.people import person_stream
from domain.people_commands import (
    DeactivatePerson,
    Delegate,
    EndDelegation,
    GrantPersona,
    ReactivatePerson,
    WithdrawGrant,
)
from domain.schedule import State
from domain.schedule_commands import (
    RequestReschedule,
    ReviseSchedule,
    ScheduleCommand,
    SubmitSchedule,
    WithdrawSchedule,
)
from domain.schedule_decisions import ApproveSchedule, DenyReschedule, GrantReschedule, RejectSchedule
from domain.schedule_waiting import EndScheduleYear, EscalateSchedule, RemindSchedule
from tests.domain.lifecycle_company import (
    CART,
    CHECKOUT,
    COMMANDS_BEFORE_THE_END,
    GRANTS,
    MONTHS,
    NAMES,
    PRODUCTS,
    SEARCH,
    admins,
    anybody,
    behind,
    choices,
    deciders,
    delegates,
    delegators,
    products,
    through,
)
from tests.domain.lifecycle_loads import Loading
from tests.domain.lifecycle_model import YEAR, YEAR_OVER


class Lifecycle(Loading):
    """What people, Finance and time do, in any order."""

    # The way of a schedule: what fits its state, mostly by somebody who may

    def amounts(self, product: NodePath, each: int, keep: bool) -> dict[Month, Decimal]:
        """Flat, but for the closed months of what is in force, where these are kept."""
        flat = dict.fromkeys(MONTHS, Decimal(each))
        approved = self.schedule(product).approved if keep else None
        closed = self.recorder.state(closing_stream(YEAR))
        return flat | {month: approved[month] for month in closed if approved}

    def able(self, wanted: Grant, choice: int, product: NodePath | None = None) -> str:
        """Somebody who holds that or to whom it is delegated, and did not submit; else anybody."""
        held, delegated = self.witness.grants, self.witness.delegated
        submitters = self.schedule(product).submitters if product else frozenset()
        holders = [p for p, name in self.names.items() if wanted in held[p] and p not in submitters]
        delegates = [d.person_id for d in delegated if wanted in held[d.delegated_by]]
        found = holders + delegates * 2
        return self.names[found[choice % len(found)]] if found else NAMES[choice % len(NAMES)]

    def go_on(self, product: NodePath, choice: int) -> None:
        schedule = self.schedule(product)
        annual = self.recorder.state(line_stream(YEAR, product)).annual
        each = max(0, int(annual.amount) // 12 - choice % 4 * 5)
        owner = self.able(Grant(Persona.PRODUCT_OWNER, product), choice)
        portfolio = Grant(Persona.PORTFOLIO_OWNER, product.portfolio)
        if choice % 8 == 7:
            portfolio = self.go_up(product)
        round_, keep = (1 if choice % 11 == 10 else 0), choice % 3 > 0
        match schedule.state:
            case State.PENDING | State.RESCHEDULE_REQUESTED if choice % 5:
                decider = self.able(portfolio, choice // 2, product)
                stale = int(choice % 7 == 6)
                self.send(self.decision(decider, product, choice % 3 > 0, stale, round_, other=False))
            case State.PENDING | State.RESCHEDULE_REQUESTED:
                self.send(self.about(WithdrawSchedule, owner, product, round_))
            case State.REJECTED if choice % 2:
                self.send(self.about(ReviseSchedule, owner, product, round_))
            case State.APPROVED:
                amounts = self.amounts(product, each, keep) if choice % 2 else {}
                self.send(self.about(RequestReschedule, owner, product, round_, reason="peak moves", amounts=amounts))
            case _:
                self.send(self.about(SubmitSchedule, owner, product, amounts=self.amounts(product, each, keep)))

    def go_up(self, product: NodePath) -> Grant:
        """It waited too long, and the level above acts."""
        self.send(self.about(EscalateSchedule, SYSTEM, product, turn=self.schedule(product).turn))
        return Grant(Persona.DEPARTMENT_OWNER, product.portfolio.parent)

    @rule(choices=choices)
    def checkout_goes_on(self, choices: list[int]) -> None:
        for choice in choices:
            self.go_on(CHECKOUT, choice)

    @rule(choices=choices)
    def search_goes_on(self, choices: list[int]) -> None:
        for choice in choices:
            self.go_on(SEARCH, choice)

    @rule(choices=choices)
    def cart_goes_on(self, choices: list[int]) -> None:
        for choice in choices:
            self.go_on(CART, choice)

    # Anything by anybody

    @rule(who=anybody, product=products, each=st.integers(-111, 111), keep=st.booleans(), through=through)
    def ask(self, who: str, product: NodePath, each: int, keep: bool, through: int | None) -> None:
        amounts = self.amounts(product, abs(each), keep)
        if self.schedule(product).state in ("PENDING", "RESCHEDULE_REQUESTED") and each % 3:
            self.send(self.about(WithdrawSchedule if each % 2 else ReviseSchedule, who, product, through))
        elif each >= 0:
            self.send(self.about(SubmitSchedule, who, product, through, amounts=amounts))
        else:
            self.send(self.about(RequestReschedule, who, product, through, reason="peak moves", amounts=amounts))

    def decision(
        self, who: str, product: NodePath, yes: bool, behind: int, through: int | None, other: bool
    ) -> ScheduleCommand:
        """The one that fits the state, or the other pair; on this version, or one that moved."""
        schedule = self.schedule(product)
        requested = (schedule.state == "RESCHEDULE_REQUESTED") is not other
        version = max(1, schedule.version - behind)
        if requested and yes:
            return self.about(GrantReschedule, who, product, through, version=version)
        if requested:
            return self.about(DenyReschedule, who, product, through, version=version, reason="no need")
        if yes:
            return self.about(ApproveSchedule, who, product, through, version=version)
        return self.about(RejectSchedule, who, product, through, version=version, reason="too flat")

    @rule(who=deciders, product=products, yes=st.booleans(), behind=behind, through=through, other=st.booleans())
    def decide(self, who: str, product: NodePath, yes: bool, behind: int, through: int | None, other: bool) -> None:
        able = who or self.able(Grant(Persona.PORTFOLIO_OWNER, product.portfolio), behind, product)
        self.send(self.decision(able, product, yes, behind, through, other))

    @rule(product=products, yes=st.booleans(), second=deciders)
    def two_decide_at_once(self, product: NodePath, yes: bool, second: str) -> None:
        """Each on what they saw, which is the same version."""
        portfolio = Grant(Persona.PORTFOLIO_OWNER, product.portfolio)
        first, other = self.able(portfolio, 0, product), second or self.able(portfolio, 1, product)
        pairs = ((first, yes), (other, not yes))
        for command in [self.decision(who, product, each, 0, None, other=False) for who, each in pairs]:
            self.send(command)

    # People

    @rule(who=admins, person=st.sampled_from(NAMES[1:]), grant=st.sampled_from(GRANTS), act=st.integers(0, 7))
    def people_come_and_go(self, who: str, person: str, grant: Grant, act: int) -> None:
        away = [name for name in NAMES if self.recorder.state(person_stream(self.recorder.people[name])).deactivated]
        if away and act > 2:
            self.send(self.make(ReactivatePerson, who, person=away[0] if act > 4 else person))
        elif act == 0:
            self.send(self.make(DeactivatePerson, who, person=person))
        elif act < 3:
            self.send(self.make(WithdrawGrant, who, person=person, persona=grant.persona, node=grant.node))
        else:
            self.send(self.make(GrantPersona, who, person=person, persona=grant.persona, node=grant.node))

    @rule(
        by=delegators, to=delegates, first=st.integers(-3, 1), last=st.integers(-1, 9), end=st.sampled_from((0, 0, 1))
    )
    def delegate_or_end_it(self, by: str, to: str, first: int, last: int, end: int) -> None:
        if end == 2:
            made = self.witness.delegated
            if made and last % 2:
                by, to = self.names[made[0].delegated_by], self.names[made[0].person_id]
            self.send(self.make(EndDelegation, by, person=to))
        else:
            today = self.model.today
            days = {"first_day": today + timedelta(days=first), "last_day": today + timedelta(days=last)}
            self.send(self.make(Delegate, by, person=to, **days))

    # Time

    @rule(hours=st.sampled_from((1, 12, 24, 24 * 3, 24 * 20)))
    def time_passes(self, hours: int) -> None:
        self.model.now += timedelta(hours=hours)

    @precondition(lambda self: len(self.sent) > COMMANDS_BEFORE_THE_END)
    @rule(seconds=st.sampled_from((-1, 0)))
    def the_year_is_over(self, seconds: int) -> None:
        self.model.now = max(self.model.now, YEAR_OVER + timedelta(seconds=seconds))
        for product in PRODUCTS:
            self.send(self.about(EndScheduleYear, SYSTEM, product))

    @rule(product=products, stale=st.sampled_from((0, 0, 0, 1)), reminder=st.integers(0, 2))
    def remind_or_escalate(self, product: NodePath, stale: int, reminder: int) -> None:
        turn = max(0, self.schedule(product).turn - stale)
        if reminder:
            self.send(self.about(RemindSchedule, SYSTEM, product, turn=turn, count=reminder))
        else:
            self.send(self.about(EscalateSchedule, SYSTEM, product, turn=turn))

    # Deliveries

    @precondition(lambda self: self.sent)
    @rule(back=st.integers(0, 10))
    def deliver_again(self, back: int) -> None:
        """Nothing is recorded, and the first outcome is told, whatever is true by now."""
        command, first = self.sent[-1 - back % len(self.sent)]
        before = self.witness.records()
        assert self.recorder.record(command, self.model.now) == first, "a repetition was told something else"
        assert self.witness.records() == before, "a repetition was recorded"
        other = command.model_copy(update={"actor": "eve" if command.actor != "eve" else "bob"})
        try:
            self.recorder.record(other, self.model.now)
        except CommandConflict:
            return
        raise AssertionError("another command was taken for a repetition")

    # What is so after each step

    @invariant()
    def the_schedules_are_as_the_reference_has_them(self) -> None:
        if not self.predicts:
            return
        for product in PRODUCTS:
            live, row = self.schedule(product), self.model.rows[str(product)]
            assert (live.state, live.version, live.turn, live.round) == (row.state, row.steps, row.since, row.round)
            assert (live.over_budget, live.attached) == (row.over, row.attached)
            in_force = None if live.approved is None else tuple(live.approved.values())
            assert in_force == row.in_force
            assert dict(live.decisions) == row.decided

    @invariant()
    def the_people_and_months_are_as_the_reference_has_them(self) -> None:
        if not self.predicts:
            return
        for name in NAMES:
            person = self.recorder.state(person_stream(self.recorder.people[name]))
            assert {(grant.persona, str(grant.node)) for grant in person.grants} == self.model.held[name]
            assert person.deactivated == (name in self.model.inactive)
        assert {month.month for month in self.recorder.state(closing_stream(YEAR))} == self.model.closed

    def teardown(self) -> None:
        if not self.witness.broken:
            self.witness.everything_replays()
