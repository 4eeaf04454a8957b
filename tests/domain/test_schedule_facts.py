"""What a schedule is after its facts: state, turn, what is in force, and what it remembers."""

from __future__ import annotations

from decimal import Decimal

import pytest

from domain.decision import Event, Fact
from domain.schedule import (
    DECISIONS_KEPT_MAX,
    HISTORY_KEPT_MAX,
    Schedule,
    State,
    evolve,
)
from tests.domain import schedule_given as given
from tests.domain.schedule_given import schedule_of
from tests.domain.specs import amounts, person


def test_a_schedule_keeps_what_was_submitted_by_whom_and_in_whose_place() -> None:
    schedule = schedule_of([*given.OPEN, given.submitted(amounts("50.00"), by="delegate", behalf="owner")])
    assert schedule == Schedule(
        state=State.PENDING,
        version=1,
        turn=1,
        amounts=amounts("50.00"),
        submitters=frozenset({person("delegate"), person("owner")}),
        history=schedule.history,
    )
    assert (schedule.asked, schedule.planned, schedule.round) == (Decimal("600.00"), Decimal(0), 1)


def test_what_was_approved_stays_in_force_until_its_successor_is() -> None:
    pending = schedule_of(given.PENDING_AGAIN)
    assert (pending.planned, pending.asked) == (Decimal("1200.00"), Decimal("1080.00"))
    assert schedule_of([*given.PENDING_AGAIN, given.approved(5)]).planned == Decimal("1080.00")


def test_a_turn_begins_with_its_state_and_not_with_what_happens_in_it() -> None:
    assert [schedule_of(facts).turn for facts in (given.DRAFT, given.PENDING, given.APPROVED)] == [0, 1, 2]
    over = schedule_of(given.OVER_BUDGET)
    assert (over.version, over.turn, over.state, over.over_budget) == (3, 2, State.APPROVED, True)
    assert schedule_of([*given.ATTACHED, given.granted(3), given.approved(3)]).turn == 5


def test_the_reason_is_that_of_the_last_no_and_gone_with_a_yes() -> None:
    assert schedule_of(given.REJECTED).reason == "too flat"
    assert schedule_of(given.REQUESTED).reason == "peak moves"
    assert schedule_of([*given.REQUESTED, given.denied(3)]).reason == "no need"
    assert schedule_of([*given.PENDING, given.returned()]).reason == "less"
    assert schedule_of([*given.PENDING_AGAIN, given.approved(5)]).reason == ""


RETURNED = [
    (given.PENDING, State.DRAFT),
    (given.PENDING_AGAIN, State.RESCHEDULING),
    (given.ATTACHED, State.APPROVED),
]


@pytest.mark.parametrize(("facts", "state"), RETURNED)
def test_what_no_longer_fits_goes_back_to_where_it_can_be_changed(facts: list[Event], state: State) -> None:
    before, after = schedule_of(facts), schedule_of([*facts, given.returned()])
    assert (after.state, after.attached, after.approved) == (state, False, before.approved)
    assert after.version == after.turn == before.version + 1


ENDED = [
    (given.PENDING, State.CLOSED),
    (given.REJECTED, State.CLOSED),
    (given.PENDING_AGAIN, State.APPROVED),
    (given.ATTACHED, State.APPROVED),
    (given.RESCHEDULING, State.APPROVED),
]


@pytest.mark.parametrize(("facts", "state"), ENDED)
def test_a_year_that_ends_leaves_what_was_approved_or_nothing(facts: list[Event], state: State) -> None:
    after = schedule_of([*facts, given.year_ended(schedule_of(facts).round)])
    assert (after.state, after.attached) == (state, False)


def test_over_budget_is_a_flag_that_an_approval_or_a_new_budget_takes_away() -> None:
    assert schedule_of(given.OVER_BUDGET).over_budget
    assert not schedule_of([*given.OVER_BUDGET, given.came_within()]).over_budget
    again = [*given.OVER_BUDGET, given.requested(months=amounts("70.00")), given.granted(4)]
    assert schedule_of(again).over_budget
    assert not schedule_of([*again, given.approved(4)]).over_budget


def test_the_history_tells_each_step_and_the_amounts_where_they_changed() -> None:
    told = [(change.version, change.text) for change in schedule_of([*given.ATTACHED, given.denied(3)]).history]
    assert told == [
        (1, "submitted, 1,200.00 USD in all"),
        (2, "approved"),
        (3, "a reschedule was requested, 1,080.00 USD in all"),
        (4, "denied"),
    ]
    assert [change.amounts is not None for change in schedule_of(given.ATTACHED).history] == [True, False, True]
    others = [*given.REJECTED, given.revised(), given.submitted(), given.withdrawn(), given.submitted()]
    others += [given.returned(), given.submitted(), given.approved(8), given.went_over(), given.came_within()]
    others += [given.requested(), given.granted(12), given.year_ended()]
    assert [change.text for change in schedule_of(others).history if change.amounts is None] == [
        "rejected",
        "revised",
        "withdrawn",
        "returned to its owner",
        "approved",
        "over budget: the annual budget became 1,000.00",
        "within budget again: the annual budget became 1,200.00",
        "a reschedule was requested",
        "granted",
        "ended with its fiscal year",
    ]


def test_the_history_holds_the_last_twenty_changes() -> None:
    back_and_forth = [given.submitted(), given.withdrawn()] * (HISTORY_KEPT_MAX // 2)
    assert [c.version for c in schedule_of(back_and_forth).history] == list(range(1, HISTORY_KEPT_MAX + 1))
    one_past = [*back_and_forth, given.submitted()]
    assert [c.version for c in schedule_of(one_past).history] == list(range(2, HISTORY_KEPT_MAX + 2))


def test_the_last_two_hundred_decisions_are_remembered() -> None:
    decided = [
        event
        for n in range(DECISIONS_KEPT_MAX)
        for event in (given.submitted(), given.rejected(3 * n + 1), given.revised())
    ]
    assert schedule_of(decided).decision_on(1) == "rejected"
    one_past = schedule_of([*decided, given.submitted(), given.rejected(3 * DECISIONS_KEPT_MAX + 1)])
    assert one_past.decision_on(1) is None
    assert one_past.decision_on(4) == "rejected"
    assert len(one_past.decisions) == DECISIONS_KEPT_MAX


def test_a_fact_of_something_else_is_no_fact_of_a_schedule() -> None:
    class Other(Fact):
        fact_name = "other.Fact"

    with pytest.raises(TypeError, match="Other is no fact of a schedule"):
        evolve(Schedule(), Other())  # type: ignore[arg-type]  # what the types forbid


def test_what_was_attached_is_over_with_its_request() -> None:
    """However it ends; a later request without amounts must not find it again."""
    ends = [given.withdrawn(), given.denied(3), given.returned(), given.year_ended(2)]
    for end in ends:
        assert schedule_of([*given.ATTACHED, end]).attached is False
    approved = [*given.ATTACHED, given.granted(3), given.approved(3)]
    assert schedule_of(approved).attached is False
    assert schedule_of([*given.ATTACHED, given.granted(3)]).state is State.PENDING
    assert schedule_of([*given.ATTACHED, given.submitted()]).attached is False
    assert schedule_of([*given.OVER_BUDGET, given.came_within()]).over_budget is False
