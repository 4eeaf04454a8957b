"""Deciding on what was proposed: accept, decline, once, and by somebody else."""

from __future__ import annotations

from datetime import date

import pytest
from pydantic import ValidationError

from domain.account_facts import Occasion
from domain.account_proposals import DeclineProposal, ProposalDecision
from domain.decision import NOTE_CHARS_MAX, Event
from domain.errors import Forbidden, NotFound, Refusal, StaleVersion
from tests.domain import accounts_given as given
from tests.domain.accounts_given import (
    COLLEAGUE,
    ENGINEER,
    OPEN,
    VENDOR_MANAGER,
    accept,
    allocated,
    decline,
    events,
    proposed,
    refused,
)
from tests.domain.specs import ADMIN, OWNER, decide

BY_RULE = [*OPEN, proposed(1, "60", "40")]
BY_HAND = [*OPEN, proposed(1, "60", "40", by="engineer")]
REMAP = [*given.ALIGNED, given.opened(2, Occasion.PROPOSED), proposed(1, "60", "40", by="engineer", occasion=2)]
BOTH = [accept(), decline()]


def test_what_is_accepted_is_allocated_as_it_was_proposed() -> None:
    decision = decide(accept(note="fine"), ADMIN, BY_HAND)
    assert decision.message == "Proposal 1 accepted: account 100000000001 is allocated from 2026-05-01."
    assert decision.events == [
        allocated("60", "40", on=date(2026, 5, 1), note="fine", basis="proposal", proposal=1),
    ]


def test_what_a_rule_proposed_names_the_rule() -> None:
    assert events(accept(), ENGINEER, BY_RULE) == [
        allocated("60", "40", on=date(2026, 5, 1), by="engineer", basis="proposal", proposal=1, rule="web")
    ]


def test_a_proposal_with_a_day_holds_from_that_day() -> None:
    facts = [*OPEN, proposed(1, "60", "40", effective_on=date(2026, 6, 9))]
    assert events(accept(), ADMIN, facts) == [
        allocated("60", "40", on=date(2026, 6, 9), basis="proposal", proposal=1, rule="web")
    ]


def test_what_does_not_hold_any_more_cannot_be_accepted() -> None:
    without_budget = [event for event in BY_RULE if event not in given.BUDGET]
    assert refused(accept(), ADMIN, without_budget).code == "UnknownProduct"
    early = [*OPEN, proposed(1, "100", effective_on=date(2026, 4, 1))]
    assert refused(accept(), ADMIN, early).code == "NeedsNote"
    assert events(accept(note="history"), ADMIN, early)


def test_the_proposers_note_counts_where_whoever_accepts_writes_none() -> None:
    early = [*OPEN, proposed(1, "100", by="engineer", effective_on=date(2026, 4, 1), note="as agreed")]
    from_april = allocated("100", on=date(2026, 4, 1), basis="proposal", proposal=1)
    assert events(accept(), ADMIN, early) == [
        from_april._replace(fact=from_april.fact.model_copy(update={"note": "as agreed"}))
    ]
    assert events(accept(note="mine"), ADMIN, early) == [
        from_april._replace(fact=from_april.fact.model_copy(update={"note": "mine"}))
    ]


def test_what_is_declined_leaves_the_account_waiting() -> None:
    decision = decide(decline(reason="wrong team"), ADMIN, BY_HAND)
    assert decision.message == "Proposal 1 declined; account 100000000001 still waits for an allocation."
    assert decision.events == [given.declined(1, reason="wrong team")]
    assert given.account_of([*BY_HAND, *decision.events]).is_open


def test_an_allocated_account_stays_as_it_is_when_a_proposal_is_declined() -> None:
    decision = decide(decline(), ADMIN, REMAP)
    assert decision.message == "Proposal 1 declined; account 100000000001 stays as it is allocated."
    assert decision.events == [given.declined(1, occasion=2), given.ended(2, "declined")]


def test_deciding_twice_is_answered_with_the_first_decision() -> None:
    accepted = [*BY_RULE, *events(accept(), ADMIN, BY_RULE)]
    declined = [*BY_RULE, *events(decline(), ADMIN, BY_RULE), proposed(2, "100")]
    for command in BOTH:
        for facts, word in ((accepted, "accepted"), (declined, "declined")):
            answer = decide(command, COLLEAGUE, facts)
            assert (answer.events, answer.message) == ((), f"Proposal 1 was {word} already; nothing changed.")


@pytest.mark.parametrize("command", BOTH)
def test_a_decision_names_the_proposal_that_somebody_has_seen(command: ProposalDecision) -> None:
    refusal = refused(command, ADMIN, [*BY_RULE, proposed(2, "100")])
    assert isinstance(refusal, StaleVersion)
    assert (refusal.code, refusal.message) == (
        "ProposalReplaced",
        "Proposal 1 for account 100000000001 was replaced by proposal 2: look at that one, and decide again.",
    )


@pytest.mark.parametrize("command", BOTH)
@pytest.mark.parametrize("facts", [OPEN, []])
def test_a_proposal_that_never_was_is_not_found(command: ProposalDecision, facts: list[Event]) -> None:
    refusal = refused(command, ADMIN, facts)
    assert isinstance(refusal, NotFound)
    assert (refusal.code, refusal.message) == (
        "UnknownProposal",
        "There is no proposal 1 for account 100000000001: see `allot account show 100000000001`.",
    )
    later = refused(command.model_copy(update={"proposal": 2}), ADMIN, BY_RULE)
    assert later.code == "UnknownProposal"


@pytest.mark.parametrize("command", BOTH)
@pytest.mark.parametrize("facts", [[*BY_RULE, given.ended()], [*BY_RULE, allocated("100")]])
def test_there_has_to_be_a_proposal(command: ProposalDecision, facts: list[Event]) -> None:
    refusal = refused(command, ADMIN, facts)
    assert type(refusal) is Refusal
    assert (refusal.code, refusal.message) == (
        "NoProposal",
        "There is no proposal for account 100000000001 that waits for a decision: see `allot account show "
        "100000000001`.",
    )


@pytest.mark.parametrize("command", BOTH)
def test_nobody_decides_on_their_own_proposal(command: ProposalDecision) -> None:
    by_admin = [*OPEN, proposed(1, "60", "40", by="admin")]
    for who, facts in ((ENGINEER, BY_HAND), (ADMIN, by_admin)):
        refusal = refused(command, who, facts)
        assert isinstance(refusal, Forbidden)
        assert (refusal.code, refusal.policies) == ("OwnSubmission", ("own-submission",))
        assert refusal.message == (
            "Nobody decides on their own submission: somebody else who may decide here must do it."
        )
    assert events(command, COLLEAGUE, by_admin)
    assert events(command, ENGINEER, by_admin)


@pytest.mark.parametrize("command", BOTH)
def test_a_cloud_engineer_decides_on_first_allocations_only(command: ProposalDecision) -> None:
    assert events(command, ENGINEER, BY_RULE)
    remap = [*given.ALIGNED, given.opened(2, Occasion.MOVED), proposed(1, "60", "40", occasion=2)]
    refusal = refused(command, ENGINEER, remap)
    assert (type(refusal), refusal.code) == (Forbidden, "NotGranted")
    assert events(command, ADMIN, remap)
    for who in (OWNER, VENDOR_MANAGER):
        assert isinstance(refused(command, who, BY_RULE), Forbidden)


def test_a_decline_has_a_reason_and_an_acceptance_may_have_a_note() -> None:
    assert decline(reason="  x ").reason == "x"
    assert len(accept(note="x" * NOTE_CHARS_MAX).note) == NOTE_CHARS_MAX
    for reason in ("", " ", "x" * (NOTE_CHARS_MAX + 1)):
        with pytest.raises(ValidationError, match="reason"):
            DeclineProposal.model_validate(decline().model_dump() | {"reason": reason})
    with pytest.raises(ValidationError, match="note"):
        accept(note="x" * (NOTE_CHARS_MAX + 1))


def test_each_decision_is_about_its_account() -> None:
    assert accept().subject == decline().subject == given.STREAM
