"""The schedule of a product, as a table of what may happen in each state, and as a machine that must keep its rules."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from domain.calendar import Month
from domain.decision import Event, Persona
from domain.errors import AllotError, Forbidden, NotFound, Refusal, StaleVersion
from domain.hierarchy import NodePath
from domain.schedule import (
    Approved,
    ApproveSchedule,
    Rejected,
    RejectSchedule,
    Schedule,
    State,
    SubmitSchedule,
    Submitted,
    schedule_stream,
)
from tests.domain.specs import (
    CHECKOUT,
    LEAD,
    MONTHS,
    OWNER,
    SEARCH,
    actor,
    amounts,
    command_id,
    decide,
    fold,
    line,
    person,
)

STREAM = schedule_stream(2026, CHECKOUT)


def submit(months: dict[Month, Decimal] | None = None, product: NodePath = CHECKOUT) -> SubmitSchedule:
    return SubmitSchedule(
        command_id=command_id(), actor="x", fiscal_year=2026, product=product, amounts=months or amounts()
    )


def approve(version: int = 1) -> ApproveSchedule:
    return ApproveSchedule(command_id=command_id(), actor="x", fiscal_year=2026, product=CHECKOUT, version=version)


def reject(version: int = 1, reason: str = "too flat") -> RejectSchedule:
    return RejectSchedule(
        command_id=command_id(), actor="x", fiscal_year=2026, product=CHECKOUT, version=version, reason=reason
    )


def submitted() -> Event:
    return Event(
        STREAM,
        Submitted(
            fiscal_year=2026,
            product=CHECKOUT,
            amounts=amounts(),
            annual=Decimal("1200.00"),
            currency="USD",
            submitted_by=person("owner"),
        ),
    )


PENDING = [line(), submitted()]
APPROVED = [
    *PENDING,
    Event(STREAM, Approved(fiscal_year=2026, product=CHECKOUT, decided_version=1, decided_by=person("lead"))),
]
REJECTED = [
    *PENDING,
    Event(
        STREAM,
        Rejected(fiscal_year=2026, product=CHECKOUT, decided_version=1, decided_by=person("lead"), reason="no"),
    ),
]


def test_the_owner_submits_twelve_months_that_fit() -> None:
    decision = decide(submit(), OWNER, [line()])
    assert decision.events == [submitted()]


def test_equal_to_the_annual_budget_is_fine_and_one_cent_over_is_not() -> None:
    one_cent_over = amounts() | {MONTHS[11]: Decimal("100.01")}
    with pytest.raises(Refusal) as refused:
        decide(submit(one_cent_over), OWNER, [line()])
    assert refused.value.code == "OverAnnual"
    assert refused.value.message == (
        "The months add up to USD 1,200.01, which is USD 0.01 over the annual budget of USD 1,200.00."
    )


@pytest.mark.parametrize(
    ("months", "code"),
    [
        (amounts() | {MONTHS[0]: Decimal("-0.01")}, "NegativeAmount"),
        (amounts("1") | {MONTHS[0]: Decimal("0.001")}, "TooManyDecimals"),
        ({month: Decimal(1) for month in MONTHS[:11]}, "WrongMonths"),
        (amounts("1") | {Month(2027, 1): Decimal(1)}, "WrongMonths"),
        ({month.plus(1): Decimal(1) for month in MONTHS}, "WrongMonths"),
    ],
)
def test_amounts_that_are_no_schedule_are_refused(months: dict[Month, Decimal], code: str) -> None:
    with pytest.raises(Refusal) as refused:
        decide(submit(months), OWNER, [line()])
    assert refused.value.code == code


def test_trailing_zeros_are_not_decimals() -> None:
    assert decide(submit(amounts("1.1000")), OWNER, [line()]).events


def test_a_product_without_a_budget_line_is_unknown() -> None:
    for command in (submit(), approve(), reject()):
        with pytest.raises(NotFound) as refused:
            decide(command, LEAD, [line(SEARCH)])
        assert refused.value.code == "UnknownProduct"
        assert "Retail/Digital/Web/Checkout in the budget of 2026" in refused.value.message


def test_only_the_owner_of_that_product_submits() -> None:
    neighbour = actor("neighbour", (Persona.PRODUCT_OWNER, SEARCH))
    for other in (neighbour, LEAD, actor("nobody")):
        with pytest.raises(Forbidden):
            decide(submit(), other, [line()])


def test_only_the_owner_of_that_portfolio_decides() -> None:
    neighbour = actor("neighbour", (Persona.PORTFOLIO_OWNER, NodePath(("Retail", "Digital", "App"))))
    for other in (neighbour, OWNER, actor("nobody")):
        for command in (approve(), reject()):
            with pytest.raises(Forbidden):
                decide(command, other, PENDING)


def test_nobody_decides_on_their_own_submission_whatever_they_hold() -> None:
    both = actor("owner", (Persona.PRODUCT_OWNER, CHECKOUT), (Persona.PORTFOLIO_OWNER, CHECKOUT.portfolio))
    for command in (approve(), reject()):
        with pytest.raises(Forbidden) as refused:
            decide(command, both, PENDING)
        assert refused.value.code == "OwnSubmission"


def test_approval_and_rejection_name_the_version_decided_on() -> None:
    assert decide(approve(), LEAD, PENDING).events == [APPROVED[-1]]
    assert decide(reject(reason=" no "), LEAD, PENDING).events == [REJECTED[-1]]


def test_deciding_twice_is_answered_with_the_first_decision() -> None:
    for command in (approve(), reject()):
        assert decide(command, LEAD, APPROVED).message == "Version 1 was approved already; that decision stands."
        assert decide(command, LEAD, REJECTED).message == "Version 1 was rejected already; that decision stands."
        assert decide(command, LEAD, APPROVED).events == ()


def test_a_decision_on_a_version_that_moved_is_refused_with_what_changed() -> None:
    again = [*REJECTED, submitted()]
    with pytest.raises(StaleVersion) as refused:
        decide(approve(2), LEAD, again)
    assert "now at version 3 (PENDING)" in refused.value.message
    assert decide(approve(3), LEAD, again).events
    with pytest.raises(StaleVersion):
        decide(approve(1), LEAD, again)  # decided once, but another submission is pending now


def test_nothing_is_decided_before_something_is_submitted() -> None:
    with pytest.raises(Refusal) as refused:
        decide(approve(), LEAD, [line()])
    assert refused.value.code == "NothingSubmitted"


def test_pending_and_approved_schedules_are_locked() -> None:
    for given in (PENDING, APPROVED):
        with pytest.raises(Refusal) as refused:
            decide(submit(), OWNER, given)
        assert refused.value.code == "NotSubmittable"


def test_a_rejected_schedule_is_submitted_again_in_the_same_round() -> None:
    assert decide(submit(), OWNER, REJECTED).events


class ScheduleMachine(RuleBasedStateMachine):
    """Submissions and decisions in any order, by anybody, on any version, against what must always hold."""

    def __init__(self) -> None:
        super().__init__()
        self.facts: list[Event] = [line()]
        self.submitters: list[str] = []
        self.decisions: dict[int, int] = {}

    def try_(self, command: SubmitSchedule | ApproveSchedule | RejectSchedule, who: str) -> bool:
        grants = ((Persona.PRODUCT_OWNER, CHECKOUT), (Persona.PORTFOLIO_OWNER, CHECKOUT.portfolio))
        try:
            decision = decide(command, actor(who, *grants), self.facts)
        except AllotError:
            return False
        self.facts.extend(decision.events)
        return bool(decision.events)

    @rule(who=st.sampled_from("ab"), each=st.decimals(0, 110, places=2))
    def submit(self, who: str, each: Decimal) -> None:
        if self.try_(submit(amounts(str(each))), who):
            self.submitters.append(who)

    @precondition(lambda self: len(self.facts) > 1)
    @rule(who=st.sampled_from("abc"), version=st.integers(1, 12), yes=st.booleans())
    def decide(self, who: str, version: int, yes: bool) -> None:
        if self.try_(approve(version) if yes else reject(version), who):
            self.decisions[version] = self.decisions.get(version, 0) + 1
            assert who != self.submitters[-1]
            assert version == len(self.facts) - 2  # the newest version, and no other

    def schedule(self) -> Schedule:
        found: Schedule = fold(self.facts, [STREAM])[STREAM]
        return found

    @invariant()
    def what_is_in_force_fits_the_annual_budget(self) -> None:
        assert sum((self.schedule().approved or {}).values()) <= Decimal("1200.00")

    @invariant()
    def one_decision_for_each_version(self) -> None:
        assert all(count == 1 for count in self.decisions.values())

    @invariant()
    def an_approved_schedule_is_the_end_of_the_round(self) -> None:
        approvals = [n for n, event in enumerate(self.facts) if isinstance(event.fact, Approved)]
        assert approvals in ([], [len(self.facts) - 1])
        assert (self.schedule().state is State.APPROVED) == bool(approvals)

    @invariant()
    def the_version_counts_the_facts(self) -> None:
        assert self.schedule().version == len(self.facts) - 1


TestScheduleMachine = ScheduleMachine.TestCase
TestScheduleMachine.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)


@pytest.mark.slow
class TestScheduleMachineAtLength(ScheduleMachine.TestCase):  # type: ignore[misc,valid-type]  # made at run time
    """The same rules for many more lives."""

    settings = settings(max_examples=5_000, stateful_step_count=50, deadline=None)
