"""AccountAlignment on the real ledger: every way to an allocation, and every way that there is none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date

import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.exceptions import ApplicationError

from domain.account_facts import AlignmentEnded, Allocated, AllocationProposed, Basis
from domain.allocation import AccountType
from domain.decision import Accepted, Channel, Refused
from domain.process import REFRESH_SIGNAL, direct_decision_process_id
from tests.workflows.account_stage import (
    ADMIN,
    COLLEAGUE,
    EMAIL,
    ENGINEER,
    SEARCH,
    AccountStage,
    on_account_stage,
    rule,
    split,
)
from tests.workflows.stage import OWNER, PRODUCT, code_of, current_details


@pytest.fixture
async def stage(temporal_client: Client, database_url: str) -> AsyncIterator[AccountStage]:
    async with on_account_stage(temporal_client, database_url) as made:
        yield made


async def is_running(stage: AccountStage) -> bool:
    return (await stage.handle.describe()).status is WorkflowExecutionStatus.RUNNING


# Allot itself


async def test_an_account_that_was_expected_is_aligned_the_moment_it_appears(stage: AccountStage) -> None:
    await stage.expect()
    stage.observe()
    await stage.start()
    view, fact = await stage.ended(), stage.last(Allocated)

    assert stage.facts() == ["Vended", "AlignmentOpened", "Allocated"]
    assert (fact.basis, fact.rule, fact.account_type) == (Basis.EXPECTED, EMAIL, AccountType.SANDBOX)
    assert fact.allocated_by == stage.ledger.people.find(ENGINEER)
    assert (view.open, view.lifecycle, view.shares) == (False, "ALIGNED", {str(SEARCH): "100"})
    assert view.looked.startswith("Expected: account")


async def test_a_rule_that_says_so_is_applied_at_once(stage: AccountStage) -> None:
    await stage.set_rules(rule(apply=True))
    stage.observe()
    await stage.start()
    view, fact = await stage.ended(), stage.last(Allocated)

    assert stage.facts() == ["Vended", "AlignmentOpened", "Allocated"]
    assert (fact.basis, fact.rule, fact.allocated_by) == (Basis.RULE, "web", stage.ledger.people.find(ADMIN))
    assert (view.open, view.shares) == (False, {str(PRODUCT): "100"})


async def test_what_a_rule_suggests_is_accepted_and_the_process_ends(stage: AccountStage) -> None:
    await stage.set_rules(rule())
    proposed = await stage.vend()
    outcome = await stage.accept()
    view = await stage.ended()

    assert (proposed.open, proposed.lifecycle, proposed.awaiting) == (True, "PROPOSED", "financial_admin")
    assert (proposed.proposal, proposed.proposed_by_rule, proposed.proposed_shares) == (1, "web", {str(PRODUCT): "100"})
    assert outcome.message.startswith("Proposal 1 accepted")
    assert stage.facts() == ["Vended", "AlignmentOpened", "AllocationProposed", "Allocated"]
    assert stage.last(Allocated).basis is Basis.PROPOSAL
    assert (view.open, view.proposal, view.account_type, view.awaiting) == (False, 0, "Production", "")


async def test_what_is_declined_leaves_it_open_and_is_not_proposed_again(stage: AccountStage) -> None:
    await stage.set_rules(rule())
    await stage.vend()
    await stage.decline()
    declined = await stage.until(lambda view: view.looked == "There is nothing new to propose.")
    await stage.handle.signal(REFRESH_SIGNAL)
    await stage.set_rules(rule("another", shares=split("50", "50")))
    again = await stage.until(lambda view: view.proposal == 2)
    await stage.accept(2)

    assert (declined.open, declined.proposal, declined.lifecycle) == (True, 0, "VENDED")
    assert again.proposed_by_rule == "another"
    assert stage.facts()[2:] == ["AllocationProposed", "ProposalDeclined", "AllocationProposed", "Allocated"]
    assert (await stage.ended()).shares == {str(PRODUCT): "50", str(SEARCH): "50"}


async def test_rules_of_later_are_looked_at_by_whatever_waits(stage: AccountStage) -> None:
    before, other = await stage.vend(), stage.another()
    await other.vend(ou_path="/Sandbox", email="other@example.com")
    outcome = await stage.set_rules(rule(apply=True))
    view = await stage.ended()

    assert isinstance(outcome, Accepted)
    assert (before.open, before.looked) == (True, "No rule takes this account; somebody has to allocate it.")
    assert (view.lifecycle, stage.last(Allocated).basis) == ("ALIGNED", Basis.RULE)
    assert (await other.view()).open
    assert other.facts() == ["Vended", "AlignmentOpened"]


async def test_an_account_that_is_expected_after_it_came_is_aligned_then(stage: AccountStage) -> None:
    await stage.vend()
    await stage.expect()

    assert (await stage.ended()).shares == {str(SEARCH): "100"}
    assert stage.last(Allocated).basis is Basis.EXPECTED


# People


async def test_a_financial_admin_allocates_it(stage: AccountStage) -> None:
    waiting = await stage.vend()
    outcome = await stage.allocate("60", "40")
    view = await stage.ended()

    assert (waiting.lifecycle, waiting.awaiting, waiting.reason) == ("VENDED", "financial_admin", "first sight")
    assert outcome.events == 1
    assert (view.open, view.shares) == (False, {str(PRODUCT): "60", str(SEARCH): "40"})
    assert view.joined_at
    assert view.effective_on == view.joined_at.date().isoformat()
    assert stage.last(Allocated).allocated_by == stage.ledger.people.find(ADMIN)


async def test_a_cloud_engineer_makes_a_first_allocation_but_no_other(stage: AccountStage) -> None:
    await stage.vend()
    await stage.allocate(actor=ENGINEER)
    await stage.ended()
    with pytest.raises(ApplicationError) as refused:
        await stage.allocate("60", "40", actor=ENGINEER)

    assert code_of(refused.value) == ("Forbidden", "NotGranted")
    assert stage.facts().count("Allocated") == 1


async def test_nobody_accepts_what_they_proposed_themselves(stage: AccountStage) -> None:
    await stage.vend()
    await stage.propose("60", "40")
    proposed = await stage.until(lambda view: view.proposal == 1)
    with pytest.raises(ApplicationError) as refused:
        await stage.accept(actor=ENGINEER)
    still = await stage.view()
    await stage.accept(actor=COLLEAGUE)

    assert (proposed.proposed_by_rule, proposed.proposed_type, proposed.lifecycle) == ("", "Shared", "PROPOSED")
    assert proposed.looked == "No rule is asked while what somebody proposed waits for a decision."
    assert code_of(refused.value) == ("Forbidden", "OwnSubmission")
    assert (still.open, still.proposal) == (True, 1)
    assert stage.last(AllocationProposed).basis is Basis.HAND
    assert (await stage.ended()).shares == {str(PRODUCT): "60", str(SEARCH): "40"}


async def test_whoever_decides_past_the_process_wakes_it_and_it_ends(stage: AccountStage) -> None:
    await stage.vend()
    command = stage.allocation()
    outcome = await stage.decide(command)
    direct = stage.client.get_workflow_handle(direct_decision_process_id(command.command_id))

    assert isinstance(outcome, Accepted)
    assert outcome.events == 1
    assert "Its alignment was told" in await current_details(direct)
    assert (await stage.ended()).lifecycle == "ALIGNED"


async def test_what_somebody_proposes_past_any_process_starts_one(stage: AccountStage) -> None:
    await stage.vend()
    await stage.allocate()
    await stage.ended()
    second = stage.in_occasion(2)
    await stage.decide(stage.proposal("60", "40"))
    proposed = await second.until(lambda view: view.proposal == 1)
    await second.decline(1)

    assert (proposed.reason, proposed.allocated) == ("another allocation was proposed", True)
    assert (await second.ended()).open is False
    assert stage.last(AlignmentEnded).reason == "declined"


async def test_a_refusal_is_answered_and_recorded_and_the_process_goes_on(stage: AccountStage) -> None:
    await stage.vend()
    for actor, fields, code in (
        (OWNER, {}, ("Forbidden", "NotGranted")),
        (ADMIN, {"shares": split("60", "30")}, ("Refusal", "NotWhole")),
        (ADMIN, {"shares": split("100", products=(PRODUCT.parent,))}, ("NotFound", "UnknownProduct")),
        (ADMIN, {"effective_on": date(2020, 1, 1)}, ("Refusal", "BeforeVending")),
    ):
        with pytest.raises(ApplicationError) as refused:
            await stage.allocate(actor=actor, **fields)
        assert code_of(refused.value) == code
    view = await stage.view()

    assert (view.open, view.refusals, len(stage.refusals())) == (True, 0, 4)
    assert await is_running(stage)


async def test_a_repeated_update_gets_the_same_answer(stage: AccountStage) -> None:
    await stage.vend()
    command = stage.allocation()
    first = await stage.send("allocate", command)
    await stage.ended()
    again = await stage.send("allocate", command, update_id="another id")

    assert first == again
    assert stage.facts().count("Allocated") == 1
    with pytest.raises(ApplicationError) as conflict:
        await stage.send("allocate", stage.allocation("60", "40").model_copy(update={"command_id": command.command_id}))
    assert conflict.value.type == "CommandConflict"
    assert not (await stage.ended()).open


@pytest.mark.parametrize("channel", [Channel.SIGNAL, Channel.WORKFLOW, Channel.SETUP])
async def test_an_update_comes_through_a_door_for_updates_only(stage: AccountStage, channel: Channel) -> None:
    await stage.vend()
    with pytest.raises(ApplicationError, match="cannot come through the channel") as refused:
        await stage.send("allocate", stage.allocation().model_copy(update={"channel": channel, "actor": "system"}))

    assert refused.value.type == "BadInput"
    assert not stage.refusals()


async def test_an_update_for_another_account_is_sent_back(stage: AccountStage) -> None:
    await stage.vend()
    other = stage.another()
    with pytest.raises(ApplicationError, match=f"the command is for {other.account_id}: send it") as refused:
        await stage.send("allocate", other.allocation())

    assert refused.value.type == "BadInput"
    assert (await stage.view()).open


# What happens to accounts


async def test_a_closed_account_has_nothing_left_to_allocate(stage: AccountStage) -> None:
    await stage.vend()
    stage.observe(state="CLOSED")
    await stage.starter.tell([stage.round])
    view = await stage.ended()

    assert (view.open, view.lifecycle) == (False, "CLOSED")
    assert stage.last(AlignmentEnded).reason == "closed"


async def test_an_account_that_left_has_nothing_left_to_allocate(stage: AccountStage) -> None:
    await stage.vend()
    stage.depart()
    await stage.starter.tell([stage.round])
    left = await stage.ended()
    stage.observe()
    await stage.start()
    second = stage.in_occasion(2)
    back = await second.until(lambda view: bool(view.looked))

    assert (left.open, left.lifecycle) == (False, "DEPARTED")
    assert (back.open, back.reason, back.lifecycle) == (True, "returned", "VENDED")


async def test_a_move_that_calls_for_another_budget_has_a_process_of_its_own(stage: AccountStage) -> None:
    search = rule("search", ou_path="/Search", shares=split("100", products=(SEARCH,)))
    await stage.set_rules(rule(apply=True), search)
    await stage.vend()
    first = await stage.ended()
    stage.observe(ou_path="/Search/Production")
    await stage.start()
    second = stage.in_occasion(2)
    moved = await second.until(lambda view: view.proposal == 1)
    await second.accept(1)
    after = await second.ended()

    assert (first.open, first.occasion) == (False, 1)
    assert (moved.occasion, moved.reason, moved.allocated, moved.shares) == (2, "moved", True, {str(PRODUCT): "100"})
    assert (moved.proposed_by_rule, moved.proposed_shares) == ("search", {str(SEARCH): "100"})
    assert (after.open, after.shares) == (False, {str(SEARCH): "100"})
    assert not await is_running(stage)


async def test_a_move_within_what_the_rules_say_opens_nothing(stage: AccountStage) -> None:
    await stage.set_rules(rule(apply=True))
    await stage.vend()
    await stage.ended()
    stage.observe(ou_path="/Workloads/Test")

    assert stage.facts()[-1] == "Changed"


async def test_saying_what_holds_already_ends_the_occasion(stage: AccountStage) -> None:
    search = rule("search", ou_path="/Search", shares=split("100", products=(SEARCH,)))
    await stage.set_rules(rule(apply=True), search)
    joined_at = stage.clock().replace(day=1)  # so that it is allocated from where a remap would begin, too
    await stage.vend(joined_at=joined_at)
    await stage.ended()
    stage.observe(joined_at=joined_at, ou_path="/Search")
    await stage.start()
    second = stage.in_occasion(2)
    await second.until(lambda view: view.proposal == 1)
    await second.allocate()

    assert (await second.ended()).shares == {str(PRODUCT): "100"}
    assert stage.facts().count("Allocated") == 1
    assert stage.last(AlignmentEnded).occasion == 2


async def test_an_update_to_an_occasion_that_is_over_reaches_the_account_all_the_same(stage: AccountStage) -> None:
    """The process is started for it, answers, finds that there is nothing to wait for, and ends."""
    await stage.vend()
    await stage.allocate()
    await stage.ended()
    with pytest.raises(ApplicationError) as refused:
        await stage.accept()

    assert code_of(refused.value)[1] == "UnknownProposal"
    assert (await stage.ended()).lifecycle == "ALIGNED"


async def test_a_refused_command_past_the_process_wakes_nobody(stage: AccountStage) -> None:
    await stage.vend()
    before = (await stage.handle.describe()).history_length
    outcome = await stage.decide(stage.allocation(actor=OWNER))

    assert isinstance(outcome, Refused)
    assert (await stage.handle.describe()).history_length == before
