"""What Allot does on its own in an alignment: looks, reminds, escalates, wakes; in a real ledger, beside Temporal."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.testing import ActivityEnvironment

from activities.contracts import AlignmentStepRequest, WakeRequest
from domain.account import Lifecycle
from domain.account_facts import Allocated, AllocationProposed, Basis
from domain.account_process import AlignmentRound, AlignmentView
from domain.account_rules import AccountRule
from domain.allocation import AccountType
from domain.decision import Persona
from domain.expected_account import ExpectAccounts, ExpectedAccount
from domain.waiting import Escalated, Overdue, Reminded
from tests.activities.aligning import CODE, CODED, Aligning, aligning_at, new_account_id, rule, whole
from tests.workflows.stage import ORGANIZATION, PRODUCT


@pytest.fixture
async def aligning(temporal_client: Client, database_url: str) -> AsyncIterator[Aligning]:
    async with aligning_at(temporal_client, database_url) as made:
        yield made


def stepped(aligning: Aligning, one: AlignmentRound, step: str, count: int, attempt: int = 0) -> AlignmentView:
    request = AlignmentStepRequest.model_validate({**dict(one), "step": step, "count": count, "attempt": attempt})
    view: AlignmentView = ActivityEnvironment().run(aligning.activities.step, request)
    return view


def requesting() -> AccountRule:
    """A rule that takes an account to the product which its tag names."""
    return rule(shares=(), ou_path="", product_tag="product", apply=True)


async def woken(aligning: Aligning, *account_ids: str, **more: object) -> int:
    request = WakeRequest.model_validate({"account_ids": account_ids, **more})
    return (await ActivityEnvironment().run(aligning.activities.wake, request)).informed


async def test_an_account_that_was_expected_is_allocated_at_once(aligning: Aligning) -> None:
    wanted = ExpectedAccount(email="AWS+Shop@example.com", account_type=AccountType.SANDBOX, shares=whole())
    aligning.record(ExpectAccounts, accounts=(wanted,))
    one = aligning.appears()
    view = aligning.align(one)
    assert (view.open, view.allocated, view.lifecycle) == (False, True, Lifecycle.ALIGNED)
    assert (view.account_type, view.shares) == ("Sandbox", {str(PRODUCT): "100"})
    assert view.looked.startswith(f"Expected: account {one.account_id} is allocated from ")
    allocated = aligning.facts(one.account_id)[-1]
    assert isinstance(allocated, Allocated)
    assert (allocated.basis, allocated.rule) == (Basis.EXPECTED, "aws+shop@example.com")


async def test_a_rule_that_says_so_is_applied(aligning: Aligning) -> None:
    aligning.rules(rule(apply=True))
    one = aligning.appears()
    view = aligning.align(one)
    assert (view.open, view.allocated, view.lifecycle) == (False, True, Lifecycle.ALIGNED)
    assert view.looked.startswith("Rule 'web' applied")


async def test_any_other_rule_is_a_proposal(aligning: Aligning) -> None:
    aligning.rules(rule())
    one = aligning.appears()
    view = aligning.align(one)
    assert (view.open, view.allocated, view.lifecycle) == (True, False, Lifecycle.PROPOSED)
    assert (view.proposal, view.proposed_by_rule, view.proposed_shares) == (1, "web", {str(PRODUCT): "100"})
    assert aligning.align(one).looked == "There is nothing new to propose."
    assert [isinstance(fact, AllocationProposed) for fact in aligning.facts(one.account_id)] == [False, False, True]


async def test_an_account_that_no_rule_takes_waits_for_somebody(aligning: Aligning) -> None:
    aligning.rules(rule(ou_path="/Sandbox"))
    one = aligning.appears()
    view = aligning.align(one)
    assert (view.open, view.occasion, view.awaiting) == (True, 1, Persona.FINANCIAL_ADMIN)
    assert view.looked == "No rule takes this account; somebody has to allocate it."
    business = ORGANIZATION.business
    assert view.since is not None
    assert view.remind_at == business.after(view.since, business.reminder_days)
    assert view.escalate_at == business.after(view.since, business.escalation_days)


@pytest.mark.parametrize("value", [CODE, str(CODED)])
async def test_a_product_is_requested_by_its_code_or_its_path(aligning: Aligning, value: str) -> None:
    aligning.rules(requesting())
    aligning.coded[CODE] = [CODED]
    view = aligning.align(aligning.appears(tags={"product": value}))
    assert (view.allocated, view.shares) == (True, {str(CODED): "100"})


async def test_what_the_views_say_of_a_code_is_checked_in_the_ledger(aligning: Aligning) -> None:
    aligning.rules(requesting())
    aligning.coded = {"P-18": [CODED], CODE: []}
    for value in ("P-18", CODE, "P-19", ""):  # another code now; not shown yet; none of ours; empty
        assert not aligning.align(aligning.appears(tags={"product": value})).allocated


async def test_a_look_that_is_tried_again_changes_nothing(aligning: Aligning) -> None:
    aligning.rules(rule(apply=True))
    one = aligning.appears()
    first = aligning.align(one, "7")
    head = aligning.ledger.settled_head()
    again = aligning.align(one, "7")
    assert again == first.model_copy(update={"looked": "The occasion is over."})
    assert aligning.ledger.settled_head() == head


async def test_a_look_in_an_occasion_that_is_over_changes_nothing(aligning: Aligning) -> None:
    one = aligning.appears()
    aligning.allocate(one.account_id)
    head = aligning.ledger.settled_head()
    view = aligning.align(one)
    assert (view.open, view.looked, aligning.ledger.settled_head()) == (False, "The occasion is over.", head)


async def test_an_account_that_nobody_knows_has_a_view(aligning: Aligning) -> None:
    view = aligning.align(AlignmentRound(account_id=new_account_id(), occasion=1))
    assert (view.open, view.known, view.lifecycle) == (False, False, Lifecycle.UNKNOWN)


async def test_time_reminds_and_escalates_once_each(aligning: Aligning) -> None:
    one = aligning.appears()
    reminded = stepped(aligning, one, "remind", 1)
    assert (reminded.reminders, reminded.escalated) == (1, False)
    assert reminded.since is not None
    business = ORGANIZATION.business
    assert reminded.remind_at == business.after(reminded.since, 2 * business.reminder_days)
    assert stepped(aligning, one, "remind", 1).reminders == 1
    assert stepped(aligning, one, "remind", 1, attempt=1).reminders == 1
    escalated = stepped(aligning, one, "escalate", 0)
    assert (escalated.escalated, escalated.escalate_at) == (True, None)
    stepped(aligning, one, "escalate", 1)
    first, second = aligning.waits(one.account_id)
    assert isinstance(first, Reminded)
    assert (first.turn, first.count, first.persona) == (1, 1, Persona.FINANCIAL_ADMIN)
    assert isinstance(second, Escalated)
    assert (second.turn, second.reason) == (1, Overdue.WAITED_TOO_LONG)


async def test_nobody_is_reminded_in_an_occasion_that_is_over(aligning: Aligning) -> None:
    one = aligning.appears()
    aligning.allocate(one.account_id)
    assert not stepped(aligning, one, "remind", 1).open
    assert not stepped(aligning, one, "escalate", 0).open
    assert aligning.waits(one.account_id) == []


async def test_waking_starts_the_process_of_an_open_occasion_once(aligning: Aligning) -> None:
    one = aligning.appears()
    assert await woken(aligning, one.account_id) == 1
    run_id = (await aligning.process(one).describe()).run_id
    assert await woken(aligning, one.account_id) == 1
    described = await aligning.process(one).describe()
    assert (described.run_id, described.status) == (run_id, WorkflowExecutionStatus.RUNNING)
    assert await aligning.signals(one) == 2
    assert one.account_id in str(await described.static_summary())


async def test_a_process_that_is_woken_looks_again(aligning: Aligning) -> None:
    one = aligning.appears()
    await woken(aligning, one.account_id)
    aligning.rules(rule(apply=True))
    await woken(aligning, one.account_id)
    last = await aligning.over(one)
    assert (last.allocated, last.lifecycle) == (True, Lifecycle.ALIGNED)
    assert aligning.names(one.account_id) == ["Vended", "AlignmentOpened", "Allocated"]


async def test_a_process_is_told_that_its_occasion_is_over(aligning: Aligning) -> None:
    one = aligning.appears()
    await woken(aligning, one.account_id)
    aligning.allocate(one.account_id)
    assert await aligning.status(one) is WorkflowExecutionStatus.RUNNING  # the control: nobody has told it
    assert await woken(aligning, one.account_id) == 0
    assert not (await aligning.over(one)).open


async def test_there_may_be_nobody_to_wake(aligning: Aligning) -> None:
    done = aligning.appears()
    aligning.allocate(done.account_id)
    assert await woken(aligning, done.account_id, new_account_id()) == 0
    assert await aligning.status(done) is None


async def test_all_that_the_views_show_to_be_open_are_woken(aligning: Aligning) -> None:
    aligning.open = [aligning.appears(), aligning.appears()]
    assert await woken(aligning, all_open=True, position=7) == 2
    assert aligning.positions == [7]
    assert {await aligning.status(one) for one in aligning.open} == {WorkflowExecutionStatus.RUNNING}
