"""An owner lets somebody else decide in their place, and nobody decides on their own submission that way."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from domain.business_days import BusinessCalendar
from domain.decision import (
    NOTE_CHARS_MAX,
    Action,
    Actor,
    Authority,
    Context,
    Decision,
    Event,
    Organization,
    Persona,
    PersonId,
)
from domain.errors import Forbidden, NotFound, Refusal
from domain.hierarchy import NodePath
from domain.people import Deactivated, DelegationEnded, Person, delegators_of, person_stream, require
from domain.people_commands import DELEGATION_DAYS_MAX, DELEGATIONS_MAX, Delegate, EndDelegation
from tests.domain.people_specs import ANN, PEOPLE, REGISTERED, about_ann, delegated
from tests.domain.specs import (
    ADMIN,
    CHECKOUT,
    LEAD,
    NOW,
    ORGANIZATION,
    OWNER,
    RIGHTS,
    SEARCH,
    SYSTEM_ACTOR,
    actor,
    command_id,
    decide,
    fold,
    person,
)

TODAY = NOW.date()
DAY = timedelta(days=1)
PORTFOLIO = CHECKOUT.portfolio
NOBODY = Actor(ANN)


def delegate(first_day: date = TODAY, last_day: date = TODAY, to: str = "ann@example.com", note: str = "") -> Delegate:
    return Delegate(command_id=command_id(), actor="x", person=to, first_day=first_day, last_day=last_day, note=note)


def decided(command: Delegate | EndDelegation, by: Actor = LEAD, given: tuple[Event, ...] = (REGISTERED,)) -> Decision:
    return decide(command, by, given, people=PEOPLE)


def test_an_owner_delegates_for_days_that_both_count() -> None:
    decision = decided(delegate(TODAY, TODAY + 2 * DAY, note="on leave"))
    assert decision.events == [delegated(LEAD.person_id, TODAY, TODAY + 2 * DAY, "on leave")]
    assert decision.authority == (("delegate",), RIGHTS.version, None)
    states = fold([REGISTERED, *decision.events], [person_stream(ANN)])
    days = [TODAY + n * DAY for n in range(-1, 4)]
    assert [bool(delegators_of(states, ANN, day)) for day in days] == [False, True, True, True, False]


@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_every_owner_may_delegate(level: int) -> None:
    personas = [Persona.BU_OWNER, Persona.DEPARTMENT_OWNER, Persona.PORTFOLIO_OWNER, Persona.PRODUCT_OWNER]
    owner = actor("owner", (personas[level - 1], NodePath(CHECKOUT.parts[:level])))
    assert decided(delegate(), owner).events


def test_whoever_owns_nothing_has_nothing_to_delegate() -> None:
    for other in (ADMIN, actor("nobody")):
        with pytest.raises(Forbidden, match="To delegate on / one must be bu_owner or department_owner or"):
            decided(delegate(), other)


def test_what_was_delegated_is_not_passed_on() -> None:
    """Neither as one's own nor as the delegator's."""
    for other in (actor("bob"), actor("bob", (Persona.FINANCIAL_ADMIN, NodePath.ROOT))):
        with pytest.raises(Forbidden) as refused:
            decide(delegate(), other, [REGISTERED], people=PEOPLE, delegators=(LEAD,))
        assert refused.value.code == "NotGranted"
        assert refused.value.policies == ("no-passing-on",)


def test_a_delegation_goes_to_somebody_else_who_is_here() -> None:
    with pytest.raises(Refusal, match="somebody else"):
        decided(delegate(), actor("ann", (Persona.PORTFOLIO_OWNER, PORTFOLIO)))
    with pytest.raises(Refusal, match="allot person add"):
        decided(delegate(), given=())
    with pytest.raises(Refusal, match="allot person reactivate"):
        decided(delegate(), given=(REGISTERED, about_ann(Deactivated(person_id=ANN))))
    with pytest.raises(NotFound):
        decided(delegate(to="bob@example.com"))


def test_a_delegation_is_at_most_a_year_long() -> None:
    last = TODAY + (DELEGATION_DAYS_MAX - 1) * DAY
    assert decided(delegate(TODAY, last)).events
    with pytest.raises(Refusal, match="at most 366 days long"):
        decided(delegate(TODAY, last + DAY))


def test_a_delegation_ends_after_it_begins_and_not_in_the_past() -> None:
    assert decided(delegate(TODAY - 5 * DAY, TODAY)).events
    for first, last in [(TODAY - 5 * DAY, TODAY - DAY), (TODAY + DAY, TODAY)]:
        with pytest.raises(Refusal) as refused:
            decided(delegate(first, last))
        assert refused.value.code == "WrongDays"


def test_today_is_the_offices_day() -> None:
    """Late in the evening of UTC, the office in Auckland is in its next day."""
    evening = datetime(2026, 6, 17, 20, 0, tzinfo=UTC)
    auckland = Organization(
        "USD", ORGANIZATION.calendar, None, BusinessCalendar(time_zone=ZoneInfo("Pacific/Auckland"))
    )
    yesterday = delegate(TODAY, TODAY)
    assert decide(yesterday, LEAD, [REGISTERED], people=PEOPLE, now=evening).events
    with pytest.raises(Refusal, match="cannot end before today, 2026-06-18"):
        decide(yesterday, LEAD, [REGISTERED], people=PEOPLE, now=evening, organization=auckland)


def test_a_person_is_given_a_limited_number_of_delegations() -> None:
    given = [REGISTERED, *(delegated(person(f"owner {n}"), TODAY, TODAY) for n in range(DELEGATIONS_MAX - 1))]
    decision = decided(delegate(), given=tuple(given))
    assert decision.events
    with pytest.raises(Refusal, match="At most 100 delegations") as refused:
        decided(delegate(TODAY, TODAY + DAY), OWNER, (*given, *decision.events))
    assert refused.value.code == "TooManyDelegations"


def test_delegations_that_are_over_do_not_count_towards_the_limit() -> None:
    """Else an assistant who stands in each week could not be delegated to any more after two years."""
    over = [delegated(person(f"owner {n}"), TODAY - 2 * DAY, TODAY - DAY) for n in range(DELEGATIONS_MAX)]
    assert decided(delegate(), given=(REGISTERED, *over)).events


def test_a_note_is_of_limited_length() -> None:
    assert decided(delegate(note="n" * NOTE_CHARS_MAX)).events
    with pytest.raises(ValidationError):
        delegate(note="n" * (NOTE_CHARS_MAX + 1))


def test_one_takes_back_what_one_has_delegated_and_nothing_else() -> None:
    end = EndDelegation(command_id=command_id(), actor="x", person="ann@example.com")
    given = (REGISTERED, delegated(LEAD.person_id, TODAY, TODAY), delegated(OWNER.person_id, TODAY, TODAY))
    decision = decided(end, LEAD, given)
    assert decision.events == [about_ann(DelegationEnded(person_id=ANN, delegated_by=LEAD.person_id))]
    states = fold([*given, *decision.events], [person_stream(ANN)])
    assert delegators_of(states, ANN, TODAY) == (OWNER.person_id,)
    assert decided(end, LEAD, (*given, *decision.events)).events == ()
    assert decided(end, ADMIN, given).events == ()


def test_the_same_days_delegated_twice_change_nothing() -> None:
    first = decided(delegate())
    again = decided(delegate(), given=(REGISTERED, *first.events))
    assert (again.events, "nothing changed" in again.message) == ((), True)


def test_whoever_delegates_twice_is_one_delegator() -> None:
    given = [REGISTERED, delegated(LEAD.person_id, TODAY, TODAY), delegated(LEAD.person_id, TODAY, TODAY + DAY)]
    ann: Person = fold(given, [person_stream(ANN)])[person_stream(ANN)]
    assert ann.delegators(TODAY) == ann.delegators(TODAY + DAY) == (LEAD.person_id,)


def authority(
    by: Actor,
    delegators: tuple[Actor, ...] = (),
    action: Action = Action.DECIDE_SCHEDULE,
    node: NodePath = CHECKOUT,
    submitted_by: tuple[PersonId, ...] = (),
    stand_in: bool = False,
) -> Authority:
    context = Context(NOW, by, ORGANIZATION, {}, RIGHTS, delegators)
    return require(context, action, node, submitted_by=submitted_by, stand_in=stand_in)


def test_a_delegate_decides_on_behalf_of_the_owner() -> None:
    assert authority(NOBODY, (LEAD,)) == (("schedule-decide",), RIGHTS.version, LEAD.person_id)
    with pytest.raises(
        Forbidden, match=r"^To decide schedule on Retail/Digital/Web/Checkout one must be portfolio_own"
    ):
        authority(NOBODY)


def test_ones_own_grants_come_first() -> None:
    both = Actor(ANN, LEAD.grants)
    assert authority(both, (LEAD,)).on_behalf_of is None


def test_each_delegator_is_asked_for_what_they_hold() -> None:
    assert authority(NOBODY, (OWNER, LEAD)).on_behalf_of == LEAD.person_id
    assert authority(NOBODY, (OWNER, LEAD), Action.SUBMIT_SCHEDULE).on_behalf_of == OWNER.person_id
    with pytest.raises(Forbidden):
        authority(NOBODY, (OWNER, LEAD), Action.SUBMIT_SCHEDULE, SEARCH)


def test_an_office_is_not_delegated() -> None:
    for action in (Action.MANAGE_GRANTS, Action.MANAGE_USERS, Action.LOAD_BUDGET, Action.IMPORT_COST):
        assert authority(ADMIN, action=action, node=NodePath.ROOT).policies
        with pytest.raises(Forbidden):
            authority(NOBODY, (ADMIN,), action, NodePath.ROOT)
    assert authority(ADMIN, stand_in=True).policies == ("schedule-stand-in-finance",)
    with pytest.raises(Forbidden, match="one must be department_owner or financial_admin or portfolio_owner there"):
        authority(NOBODY, (ADMIN,), stand_in=True)


def test_nobody_decides_on_their_own_submission_through_somebody_else() -> None:
    """Neither does the delegate who submitted, nor the owner's delegate on what the owner submitted."""
    for submitter in (ANN, LEAD.person_id):
        with pytest.raises(Forbidden, match="Nobody decides on their own submission") as refused:
            authority(NOBODY, (LEAD,), submitted_by=(submitter, OWNER.person_id))
        assert (refused.value.code, refused.value.policies) == ("OwnSubmission", ("own-submission",))
    assert authority(NOBODY, (LEAD,), submitted_by=(OWNER.person_id,)).on_behalf_of == LEAD.person_id


def test_a_second_delegator_may_decide_where_the_first_submitted() -> None:
    second = actor("second lead", (Persona.PORTFOLIO_OWNER, PORTFOLIO))
    assert authority(NOBODY, (LEAD, second), submitted_by=(LEAD.person_id,)).on_behalf_of == second.person_id


def test_standing_in_does_not_lift_the_separation_of_duties() -> None:
    assert authority(ADMIN, stand_in=True).policies
    with pytest.raises(Forbidden, match="own submission"):
        authority(ADMIN, stand_in=True, submitted_by=(ADMIN.person_id,))
    with pytest.raises(Forbidden, match="one must be portfolio_owner there"):
        authority(ADMIN)


def test_what_allot_does_itself_needs_no_grant() -> None:
    assert authority(SYSTEM_ACTOR) == (("allot-itself",), RIGHTS.version, None)
