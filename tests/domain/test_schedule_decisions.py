"""Who decides on which version, what the late are told, and what those are told who decide twice."""

from __future__ import annotations

from decimal import Decimal

import pytest
from pydantic import ValidationError

from domain.decision import Actor, Command, Event, Persona, PersonId
from domain.errors import Forbidden, Refusal, StaleVersion
from domain.hierarchy import NodePath
from domain.schedule import DECISIONS_KEPT_MAX, nobody_left
from domain.schedule_decisions import CHANGES_SHOWN_MAX
from domain.waiting import Overdue
from tests.domain import schedule_given as given
from tests.domain.schedule_given import HEAD, NOBODY, PORTFOLIO, SECOND, refused, schedule_of
from tests.domain.specs import ADMIN, CHECKOUT, LEAD, MONTHS, OWNER, RIGHTS, SEARCH, actor, amounts, decide, person

BOTH = actor("both", (Persona.PRODUCT_OWNER, CHECKOUT), (Persona.PORTFOLIO_OWNER, PORTFOLIO))


def decisions(version: int) -> list[Command]:
    return [given.approve(version), given.reject(version), given.grant(version), given.deny(version)]


def on_pending(version: int = 1) -> list[Command]:
    return decisions(version)[:2]


def on_request(version: int = 3) -> list[Command]:
    return decisions(version)[2:]


# What is recorded


def test_a_decision_names_the_version_and_whoever_decided() -> None:
    assert decide(given.approve(1), SECOND, given.PENDING).events == [given.approved(1, by="second")]
    assert decide(given.reject(1), SECOND, given.PENDING).events == [given.rejected(1, by="second")]
    assert decide(given.grant(3), SECOND, given.REQUESTED).events == [given.granted(3, by="second")]
    assert decide(given.deny(3), SECOND, given.REQUESTED).events == [given.denied(3, by="second")]


def test_a_version_is_1_or_more() -> None:
    for decision in (given.approve, given.reject, given.grant, given.deny):
        with pytest.raises(ValidationError):
            decision(0)


# A version that moved


def test_a_decision_on_a_version_that_moved_is_refused_with_what_changed() -> None:
    """In words, and by the months that differ from those the person saw."""
    moved = amounts() | {MONTHS[1]: Decimal("50.00"), MONTHS[4]: Decimal("149.00")}
    facts = [*given.PENDING, given.withdrawn(), given.submitted(moved)]
    refusal = refused(given.approve(1), LEAD, facts)
    assert isinstance(refusal, StaleVersion)
    assert refusal.message == (
        "You decided on version 1, but the schedule of Retail/Digital/Web/Checkout is now at version 3 (PENDING). "
        "Since then: version 2 withdrawn; version 3 submitted, 1,199.00 USD in all. "
        "The amounts of 2026-02, 2026-05 differ. Look at it again with `allot schedule show`."
    )


@pytest.mark.parametrize("before", [given.PENDING, given.REQUESTED, given.ATTACHED])
def test_every_decision_is_on_the_newest_version(before: list[Event]) -> None:
    facts = [*before, given.withdrawn()]
    for command in decisions(schedule_of(before).version):
        assert isinstance(refused(command, LEAD, facts), StaleVersion)
    for command in decisions(schedule_of(facts).version + 1):
        assert isinstance(refused(command, LEAD, facts), StaleVersion)


def test_nothing_differs_where_the_same_was_submitted_again() -> None:
    refusal = refused(given.approve(1), LEAD, [*given.PENDING, given.withdrawn(), given.submitted()])
    assert "differ" not in refusal.message
    assert "version 3 submitted, 1,200.00 USD in all. Look at it again" in refusal.message


def test_a_version_that_is_still_to_come_has_no_changes_to_tell() -> None:
    assert refused(given.approve(7), LEAD, given.PENDING).message == (
        "You decided on version 7, but the schedule of Retail/Digital/Web/Checkout is now at version 1 (PENDING). "
        "Look at it again with `allot schedule show`."
    )


def test_the_months_seen_are_those_of_the_version_decided_on() -> None:
    facts = [*given.PENDING, given.withdrawn(), given.submitted(amounts("90.00")), given.withdrawn()]
    facts += [given.submitted(amounts("90.00") | {MONTHS[0]: Decimal("91.00")})]
    assert "The amounts of 2026-01 differ." in refused(given.approve(4), LEAD, facts).message
    assert "The amounts of 2026-01, 2026-02, 2026-03 and 9 more differ." in (
        refused(given.approve(1), LEAD, facts).message
    )


def test_three_months_are_named_and_no_more() -> None:
    three = amounts() | {month: Decimal("90.00") for month in MONTHS[:3]}
    refusal = refused(given.approve(1), LEAD, [*given.PENDING, given.withdrawn(), given.submitted(three)])
    assert "The amounts of 2026-01, 2026-02, 2026-03 differ." in refusal.message
    four = three | {MONTHS[3]: Decimal("90.00")}
    refusal = refused(given.approve(1), LEAD, [*given.PENDING, given.withdrawn(), given.submitted(four)])
    assert "The amounts of 2026-01, 2026-02, 2026-03 and 1 more differ." in refusal.message


def test_the_last_five_changes_are_told() -> None:
    back_and_forth = [given.withdrawn(), given.submitted()] * CHANGES_SHOWN_MAX
    message = refused(given.approve(1), LEAD, [*given.PENDING, *back_and_forth]).message
    assert "Since then: version 7 submitted" in message
    assert message.count("version ") == CHANGES_SHOWN_MAX + 2


def test_a_load_that_returned_it_is_told_too() -> None:
    message = refused(given.approve(1), LEAD, [*given.PENDING, given.returned()]).message
    assert "Since then: version 2 returned to its owner." in message


# Deciding twice

FIRST = [
    ("approved", given.PENDING, given.approved(1), 1),
    ("rejected", given.PENDING, given.rejected(1), 1),
    ("granted", given.REQUESTED, given.granted(3), 3),
    ("denied", given.REQUESTED, given.denied(3), 3),
]


@pytest.mark.parametrize(("word", "before", "first", "version"), FIRST)
def test_deciding_twice_is_answered_with_the_first_decision(
    word: str, before: list[Event], first: Event, version: int
) -> None:
    for command in decisions(version):
        again = decide(command, SECOND, [*before, first])
        assert again.events == ()
        assert again.message == f"Version {version} was {word} already; that decision stands."


def test_one_decision_that_grants_and_approves_is_told_as_granted() -> None:
    facts = [*given.ATTACHED, given.granted(3), given.approved(3)]
    assert decide(given.approve(3), LEAD, facts).message == "Version 3 was granted already; that decision stands."


def test_the_first_decision_is_remembered_after_further_rounds_and_after_the_year() -> None:
    facts = [*given.REJECTED, given.revised(), given.submitted(), given.approved(4)]
    facts += [given.requested(2), given.denied(6), given.requested(3), given.granted(8), given.submitted()]
    told = {version: schedule_of(facts).decision_on(version) for version in range(1, 12)}
    assert {version: word for version, word in told.items() if word} == {
        1: "rejected",
        4: "approved",
        6: "denied",
        8: "granted",
    }
    facts += [given.year_ended(3)]
    for version, word in ((1, "rejected"), (6, "denied")):
        for round_ in (None, 1, 2):
            command = given.approve(version, round_=round_)
            assert word in decide(command, LEAD, facts).message


def test_whoever_submitted_it_is_told_the_first_decision_too() -> None:
    facts = [*given.OPEN, given.appointed("second"), given.submitted(by="both"), given.approved(1, by="second")]
    assert decide(given.approve(1), BOTH, facts).message == "Version 1 was approved already; that decision stands."


def test_whoever_stood_in_is_told_their_own_decision_when_the_turn_is_over() -> None:
    escalated = [*given.PENDING, given.escalated(1)]
    facts = [*escalated, *decide(given.approve(1), HEAD, escalated).events]
    for somebody in (HEAD, ADMIN):
        assert decide(given.approve(1), somebody, facts).message == (
            "Version 1 was approved already; that decision stands."
        )
    with pytest.raises(Forbidden):
        decide(given.approve(1), NOBODY, facts)
    with pytest.raises(Forbidden):
        decide(given.approve(2), HEAD, facts)


def test_what_was_decided_too_long_ago_is_a_version_that_moved() -> None:
    facts = list(given.OPEN)
    for n in range(DECISIONS_KEPT_MAX + 1):
        facts += [given.submitted(), given.rejected(3 * n + 1), given.revised()]
    with pytest.raises(StaleVersion):
        decide(given.approve(1), LEAD, facts)
    assert "rejected already" in decide(given.approve(4), LEAD, facts).message


# Whose decision it is


FAR = actor("far", (Persona.PORTFOLIO_OWNER, NodePath(("Retail", "Digital", "Website"))))


@pytest.mark.parametrize("other", [NOBODY, HEAD, ADMIN, FAR])
def test_only_the_owner_of_that_portfolio_decides(other: Actor) -> None:
    for command, before in [(c, given.PENDING) for c in on_pending()] + [(c, given.REQUESTED) for c in on_request()]:
        refusal = refused(command, other, before)
        assert isinstance(refusal, Forbidden)
        assert refusal.code == "NotGranted"
        action = "decide schedule" if before is given.PENDING else "decide reschedule"
        assert refusal.message == (
            f"To {action} on Retail/Digital/Web/Checkout one must be portfolio_owner there; "
            "ask a Financial Admin for a grant."
        )


def test_only_the_owner_of_that_product_submits() -> None:
    neighbour = actor("neighbour", (Persona.PRODUCT_OWNER, SEARCH))
    for other in (neighbour, LEAD, HEAD, ADMIN, NOBODY):
        for command, before, action in [
            (given.submit(), given.OPEN, "submit schedule"),
            (given.withdraw(), given.PENDING, "submit schedule"),
            (given.revise(), given.REJECTED, "submit schedule"),
            (given.request(), given.APPROVED, "request reschedule"),
        ]:
            assert refused(command, other, before).message == (
                f"To {action} on Retail/Digital/Web/Checkout one must be product_owner there; "
                "ask a Financial Admin for a grant."
            )


def test_a_delegate_decides_in_the_owners_place_and_both_are_kept() -> None:
    decision = decide(given.approve(1), NOBODY, given.PENDING, delegators=(OWNER, LEAD))
    assert decision.events == [given.approved(1, by="nobody")]
    assert decision.authority.on_behalf_of == person("lead")
    assert decision.authority.version == RIGHTS.version
    assert decide(given.approve(1), LEAD, given.PENDING, delegators=(SECOND,)).authority.on_behalf_of is None


# Separation of duties


def waiting_for(by: str, behalf: str | None = None) -> list[tuple[list[Event], list[Command]]]:
    """Schedules that one asked for, maybe in another's place, and which wait; with all decisions on them."""
    request = given.requested(by=by)
    if behalf:
        fact = request.fact.model_copy(update={"requested_for": person(behalf)})
        request = Event(request.stream, fact)
    attached = Event(request.stream, request.fact.model_copy(update={"amounts": amounts()}))
    opened = [*given.OPEN, given.appointed("second")]
    return [
        ([*opened, given.submitted(by=by, behalf=behalf)], on_pending()),
        ([*opened, given.submitted(), given.approved(1), request], on_request()),
        ([*opened, given.submitted(), given.approved(1), attached], on_request()),
    ]


OWN = "Nobody decides on their own submission: somebody else who may decide here must do it."


def test_nobody_decides_on_their_own_submission_whatever_they_hold() -> None:
    for facts, commands in waiting_for("both"):
        for command in commands:
            refusal = refused(command, BOTH, facts)
            assert isinstance(refusal, Forbidden)
            assert (refusal.code, refusal.message, refusal.policies) == ("OwnSubmission", OWN, ("own-submission",))
            assert decide(command, SECOND, facts).events


def test_nobody_decides_on_what_was_submitted_in_their_place() -> None:
    for facts, commands in waiting_for("delegate", "both"):
        for command in commands:
            assert refused(command, BOTH, facts).code == "OwnSubmission"


def test_nobody_decides_in_anothers_place_on_what_they_submitted() -> None:
    for facts, commands in waiting_for("owner"):
        for command in commands:
            assert refused(command, OWNER, facts, delegators=(LEAD,)).code == "OwnSubmission"


def test_nobody_decides_in_the_place_of_whoever_submitted_it() -> None:
    for facts, commands in waiting_for("both"):
        for command in commands:
            assert refused(command, NOBODY, facts, delegators=(BOTH,)).code == "OwnSubmission"
            behalf = decide(command, NOBODY, facts, delegators=(BOTH, SECOND)).authority.on_behalf_of
            assert behalf == person("second")


def test_who_submitted_earlier_may_decide_on_what_somebody_else_submitted() -> None:
    facts = [*given.OPEN, given.submitted(by="both"), given.withdrawn(), given.submitted(by="owner")]
    assert decide(given.approve(3), BOTH, facts).events


# Standing in


@pytest.mark.parametrize("stand_in", [HEAD, ADMIN])
def test_after_escalation_the_level_above_may_decide(stand_in: Actor) -> None:
    for before, commands in [(given.PENDING, on_pending()), (given.REQUESTED, on_request())]:
        turn = schedule_of(before).turn
        for command in commands:
            assert refused(command, stand_in, before).code == "NotGranted"
            assert refused(command, stand_in, [*before, given.reminded(turn)]).code == "NotGranted"
            assert decide(command, stand_in, [*before, given.escalated(turn)]).events
            assert decide(command, LEAD, [*before, given.escalated(turn)]).events


def test_a_refusal_after_escalation_says_who_may_decide_now() -> None:
    refusal = refused(given.approve(1), NOBODY, [*given.PENDING, given.escalated(1)])
    assert "one must be department_owner or financial_admin or portfolio_owner there" in refusal.message


def test_an_escalation_is_over_with_its_turn() -> None:
    again = [*given.PENDING, given.escalated(1), given.withdrawn(), given.submitted()]
    assert refused(given.approve(3), HEAD, again).code == "NotGranted"


def test_whoever_stands_in_does_not_decide_on_their_own_submission_either() -> None:
    head = actor("head", *HEAD.grants, (Persona.PRODUCT_OWNER, CHECKOUT))
    facts = [*given.OPEN, given.submitted(by="head"), given.escalated(1)]
    assert refused(given.approve(1), head, facts).code == "OwnSubmission"


def test_where_nobody_is_left_the_level_above_decides_at_once() -> None:
    left = [*given.PENDING, given.removed("lead")]
    for stand_in in (HEAD, ADMIN):
        for command in on_pending():
            assert decide(command, stand_in, left).events
            assert refused(command, stand_in, [*left, given.appointed("second")]).code == "NotGranted"


def test_where_only_the_submitter_is_left_the_level_above_decides_at_once() -> None:
    facts = [given.DRAFT[0], given.appointed("both"), given.submitted(by="both")]
    assert decide(given.approve(1), HEAD, facts).events
    holders: frozenset[PersonId] = frozenset({person("both")})
    assert nobody_left(schedule_of(facts), holders)
    assert nobody_left(schedule_of(facts), frozenset())
    assert not nobody_left(schedule_of(facts), holders | {person("lead")})


def test_overdue_has_three_reasons() -> None:
    assert [str(reason) for reason in Overdue] == [
        "waited too long",
        "nobody is left to decide",
        "it spends without an allocation",
    ]


def test_rights_are_asked_before_anything_is_told() -> None:
    """Whoever may not decide learns neither the state nor the version."""
    for facts in (given.OPEN, given.APPROVED, given.PENDING, given.CLOSED):
        for command in decisions(9):
            with pytest.raises(Refusal) as refusal:
                decide(command, NOBODY, facts)
            assert refusal.value.code == "NotGranted"
