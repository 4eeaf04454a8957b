"""How a process of an alignment begins, what the Temporal UI shows of it, and how it goes on in another run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import ApplicationError

from activities.alignment_starting import AlignmentStarter
from domain.account_process import AlignmentRound
from domain.business_days import BusinessCalendar
from domain.decision import Organization
from domain.process import WorkflowName
from domain.waiting import Escalated, Reminded
from tests.workflows.account_stage import (
    ADMIN,
    AccountStage,
    new_account_id,
    on_account_stage,
    rule,
)
from tests.workflows.replay import replay, replay_all_runs
from tests.workflows.stage import PRODUCT, SetClock, code_of
from workflows import search_attributes

SIGNALS, ROUNDS = 60, 10
STARTERS = 10
DONE_WITHIN_S = 60.0
REMINDED_DAYS = 60
RUNS_MIN = 3


@pytest.fixture
async def stage(temporal_client: Client, database_url: str) -> AsyncIterator[AccountStage]:
    async with on_account_stage(temporal_client, database_url) as made:
        yield made


@pytest.fixture
async def impatient(impatient_client: Client, database_url: str) -> AsyncIterator[AccountStage]:
    async with on_account_stage(impatient_client, database_url) as made:
        yield made


async def attributes(stage: AccountStage) -> tuple[str | None, str | None, str | None]:
    """What the list of workflows can be filtered by: account, lifecycle, whose turn it is."""
    found = (await stage.handle.describe()).typed_search_attributes
    keys = (search_attributes.ACCOUNT_ID, search_attributes.BUDGET_STATE, search_attributes.AWAITING_ROLE)
    account_id, state, role = (found.get(key) for key in keys)
    return account_id, state, role


# How it begins


async def test_many_that_see_an_account_at_once_start_one_process(stage: AccountStage) -> None:
    stage.observe()
    other = AlignmentStarter(stage.client, asyncio.get_running_loop(), stage.queue)
    both = [starter.wake([stage.round]) for starter in (stage.starter, other) for _ in range(STARTERS)]
    from_threads = [asyncio.to_thread(starter.start, [stage.round]) for starter in (stage.starter, other)]
    woken = await asyncio.gather(*both, *from_threads)
    await stage.until(lambda view: bool(view.looked))
    run_id = (await stage.handle.describe()).run_id
    await stage.start()
    still = (await stage.handle.describe()).run_id
    await stage.allocate()
    await stage.ended()

    assert woken == [1] * len(woken)
    assert still == run_id
    assert stage.facts() == ["Vended", "AlignmentOpened", "Allocated"]
    assert await replay_all_runs(stage.client, stage.process_id) == 1


async def test_what_an_operator_has_ended_is_started_again_and_knows_how_it_stands(stage: AccountStage) -> None:
    await stage.set_rules(rule())
    before = await stage.vend()
    await stage.handle.terminate()
    started = await asyncio.to_thread(stage.starter.start_missing, [stage.round])
    again = await stage.until(lambda view: bool(view.looked))
    await stage.accept()

    assert started == 1
    assert again == before.model_copy(update={"looked": "There is nothing new to propose."})
    assert not (await stage.ended()).open


async def test_a_process_of_an_occasion_that_never_was_ends_at_once(stage: AccountStage) -> None:
    await stage.vend()
    future, unknown = stage.in_occasion(7), stage.another()
    for none in (future, unknown):
        await stage.starter.wake([none.round])
        view = await none.ended()
        assert view.looked == "The occasion is over."
        assert f"Occasion {none.occasion} is over." in await none.details()

    assert (await stage.view()).open
    assert unknown.facts() == []


@pytest.mark.parametrize(
    "message", [{"account_id": "1", "occasion": 1}, {"account_id": "1" * 12, "occasion": 0}, {"occasion": 1}, [], 7]
)
async def test_started_by_hand_with_what_does_not_fit_it_ends_and_says_so(stage: AccountStage, message: object) -> None:
    started = await stage.client.start_workflow(
        WorkflowName.ACCOUNT_ALIGNMENT, message, id=stage.process_id, task_queue=stage.queue
    )
    with pytest.raises(WorkflowFailureError) as failed:
        await started.result()

    assert isinstance(failed.value.cause, ApplicationError)
    assert "validation error" in failed.value.cause.message
    await stage.vend()  # its id is free for the one that belongs there
    assert (await stage.view()).open


async def test_started_by_hand_without_input_it_ends_and_takes_no_decision(stage: AccountStage) -> None:
    stage.observe()
    handle = await stage.client.start_workflow(
        WorkflowName.ACCOUNT_ALIGNMENT, id=stage.process_id, task_queue=stage.queue, start_signal="allocate"
    )
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()

    assert isinstance(failed.value.cause, ApplicationError)
    assert "started without input" in failed.value.cause.message
    assert stage.facts() == ["Vended", "AlignmentOpened"]


# What is shown


async def test_the_ui_shows_and_finds_what_it_is_about_at_each_step(stage: AccountStage) -> None:
    await stage.vend(name="shop <b>prod</b>")
    waiting, new = await attributes(stage), await stage.details()
    await stage.propose("60", "40")
    await stage.until(lambda view: view.proposal == 1)
    proposed, asked = await attributes(stage), await stage.details()
    with pytest.raises(ApplicationError):
        await stage.accept(7)
    await stage.handle.signal("accept", {"actor": ADMIN, "proposal": 7})
    await stage.refused(1, others=1)
    refused = await stage.details()
    await stage.accept(1)
    await stage.ended()
    over, done = await attributes(stage), await stage.details()
    description = await stage.handle.describe()

    assert waiting == (stage.account_id, "VENDED", "financial_admin")
    assert "### shop \\<b\\>prod\\</b\\>" in new
    assert "It is new. It is the turn of the **financial admin**, since " in new
    assert "Signal `allocate`" in new
    assert "Signal `accept`" not in new
    assert proposed == (stage.account_id, "PROPOSED", "financial_admin")
    assert "**Proposal 1, Shared**" in asked
    assert f"| {PRODUCT} | 60 |" in asked
    assert "Signal `accept`" in asked
    assert "Refused messages: 1" in refused
    assert over == (stage.account_id, "ALIGNED", None)
    assert "Occasion 1 is over. The account is **ALIGNED**." in done
    assert "Signal `" not in done
    assert await description.static_summary() == f"Align account {stage.account_id} with a budget, occasion 1"
    assert stage.account_id in str(await description.static_details())


async def test_addresses_are_shown_nowhere(stage: AccountStage) -> None:
    await stage.vend()
    await stage.propose()
    await stage.until(lambda view: view.proposal == 1)
    shown = (await stage.details()) + (await stage.view()).model_dump_json()

    assert "@" not in shown.replace("you@example.com", "")


# How it goes on


async def test_a_worker_that_starts_anew_goes_on_from_the_history(temporal_client: Client, database_url: str) -> None:
    """Without a cache, each task is one of a worker that was just deployed."""
    async with on_account_stage(temporal_client, database_url, max_cached_workflows=0) as stage:
        await stage.set_rules(rule())
        await stage.vend()
        await stage.handle.signal("accept", None)
        await stage.decline()
        await stage.refused(1)
        await stage.propose()
        await stage.until(lambda view: view.proposal == 2)
        await replay(await stage.handle.fetch_history())
        await stage.accept(2)

        assert (await stage.ended()).account_type == "Shared"


async def fire(stage: AccountStage) -> None:
    for number in range(SIGNALS):
        await stage.handle.signal("nonsense", number)


async def back_and_forth(stage: AccountStage) -> list[int]:
    """Proposals that are declined; how many facts each answer brought."""
    events = []
    for number in range(1, ROUNDS + 1):
        events.append((await stage.propose("60", "40")).events)
        events.append((await stage.decline(number)).events)
    return events


async def test_nothing_is_lost_while_it_continues_under_fire(impatient: AccountStage) -> None:
    stage = impatient
    await stage.vend()
    events, _ = await asyncio.gather(back_and_forth(stage), fire(stage))
    await stage.refused(SIGNALS)
    await stage.allocate()
    result = await stage.ended()

    assert events == [1] * (2 * ROUNDS)
    assert (result.open, result.refusals) == (False, SIGNALS)
    assert stage.facts() == [
        *("Vended", "AlignmentOpened"),
        *(["AllocationProposed", "ProposalDeclined"] * ROUNDS),
        "Allocated",
    ]
    assert await replay_all_runs(stage.client, stage.process_id) >= RUNS_MIN
    assert await attributes(stage) == (stage.account_id, "ALIGNED", None)


async def test_a_repeated_update_is_answered_the_same_by_the_next_run(impatient: AccountStage) -> None:
    stage = impatient
    await stage.vend()
    command = stage.proposal()
    first = await stage.send("propose", command)
    first_run = (await stage.handle.describe()).run_id
    async with asyncio.timeout(DONE_WITHIN_S):
        while (await stage.handle.describe()).run_id == first_run:
            await stage.handle.signal("nonsense")
    again = await stage.send("propose", command)

    assert again == first
    assert stage.facts() == ["Vended", "AlignmentOpened", "AllocationProposed"]
    assert (await stage.until(lambda view: bool(view.looked))).proposal == 1


async def test_reminders_go_on_while_it_continues(impatient_client: Client, database_url: str) -> None:
    """The ledger's clock stands far in the past, so that weeks of daily reminders come as fast as they can."""
    now = datetime.now(UTC)
    organization = Organization(business=BusinessCalendar(reminder_days=1))
    clock = SetClock(now - timedelta(days=REMINDED_DAYS))
    async with on_account_stage(impatient_client, database_url, organization=organization, clock=clock) as stage:
        await stage.vend()
        await stage.until(lambda view: view.remind_at is not None and view.remind_at > datetime.now(UTC))
        await stage.allocate()
        await stage.ended()

        reminders = [fact.count for fact in stage.waits() if isinstance(fact, Reminded)]
        assert reminders == list(range(1, organization.business.between(clock.at, now) + 1))
        assert sum(isinstance(fact, Escalated) for fact in stage.waits()) == 1
        assert await replay_all_runs(stage.client, stage.process_id) >= RUNS_MIN


async def test_a_run_takes_back_what_the_run_before_has_handed_on(stage: AccountStage) -> None:
    await stage.vend()
    await stage.allocate()
    await stage.ended()
    handed_on = TypedSearchAttributes([SearchAttributePair(search_attributes.AWAITING_ROLE, "financial_admin")])
    handle = await stage.client.start_workflow(
        WorkflowName.ACCOUNT_ALIGNMENT,
        stage.round,
        id=stage.process_id,
        task_queue=stage.queue,
        search_attributes=handed_on,
    )
    await handle.result()

    assert await attributes(stage) == (stage.account_id, "ALIGNED", None)


async def test_an_occasion_of_the_past_that_is_started_again_learns_that_it_is_over(stage: AccountStage) -> None:
    await stage.vend()
    await stage.allocate()
    await stage.ended()
    await stage.starter.tell([stage.round, AlignmentRound(account_id=new_account_id(), occasion=1)])
    await stage.starter.wake([stage.round])

    assert (await stage.ended()).lifecycle == "ALIGNED"
    assert (await stage.handle.describe()).status is WorkflowExecutionStatus.COMPLETED
    with pytest.raises(ApplicationError) as refused:
        await stage.decline()
    assert code_of(refused.value)[1] == "UnknownProposal"
