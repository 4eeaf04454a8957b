"""What time does to an account that nobody allocates: reminders and escalation, on a clock that jumps."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import uuid5

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from activities.alignments import command_of
from activities.contracts import AlignmentStepRequest
from domain.business_days import BusinessCalendar
from domain.decision import NAMESPACE, Persona, Refused
from domain.waiting import REMINDERS_MAX, Escalated, Overdue, Reminded
from tests.workflows.account_stage import ENGINEER, SEARCH, AccountStage, rule, split
from tests.workflows.simulated_accounts import accounts_simulated
from tests.workflows.stage import OWNER

DAILY = BusinessCalendar(reminder_days=1)
IDS_USED_UP = 10
MONTHS = 20
"""More than as many business days as there are reminders."""


def days_of(stage: AccountStage, start: datetime, kind: type) -> list[int]:
    """Days after the start on which that was recorded."""
    return [
        (event.recorded_at - start).days
        for event in stage.ledger.follow(0, 10_000)
        if isinstance(event.fact, kind) and event.recorded_at >= start
    ]


async def test_the_admins_are_reminded_and_then_the_cloud_engineers_are_asked_too(
    time_skipping_env: WorkflowEnvironment, database_url: str
) -> None:
    async with accounts_simulated(time_skipping_env, database_url) as simulation:
        stage, monday = simulation.stage, await simulation.next_monday()
        before = await stage.vend()
        await simulation.pass_until(monday + timedelta(days=7, hours=1))
        after, details = await stage.view(), await stage.details()
        await stage.allocate(actor=ENGINEER)
        await stage.ended()

        assert (before.reminders, before.escalated) == (0, False)
        assert before.since
        assert (before.remind_at, before.escalate_at) == (
            before.since + timedelta(days=2),
            before.since + timedelta(days=7),  # with a weekend among them
        )
        assert (after.reminders, after.escalated, after.escalate_at) == (2, True, None)
        assert days_of(stage, monday, Reminded) == [2, 4]
        assert days_of(stage, monday, Escalated) == [7]
        assert "the cloud engineers have the task, too" in details
        assert "(2 so far)" in details
        assert {fact.persona for fact in stage.waits()} == {Persona.FINANCIAL_ADMIN}
        assert [fact.reason for fact in stage.waits() if isinstance(fact, Escalated)] == [Overdue.WAITED_TOO_LONG]


async def test_nobody_is_reminded_of_what_is_allocated(
    time_skipping_env: WorkflowEnvironment, database_url: str
) -> None:
    async with accounts_simulated(time_skipping_env, database_url) as simulation:
        stage, monday = simulation.stage, await simulation.next_monday()
        await stage.vend()
        await simulation.pass_until(monday + timedelta(days=1))
        await stage.allocate()
        await stage.ended()
        await simulation.pass_days(14)

        assert stage.waits() == []


async def test_what_spends_without_an_allocation_is_escalated_at_once(
    time_skipping_env: WorkflowEnvironment, database_url: str
) -> None:
    async with accounts_simulated(time_skipping_env, database_url) as simulation:
        stage, monday = simulation.stage, await simulation.next_monday()
        await stage.vend()
        await simulation.pass_until(monday + timedelta(hours=5))
        stage.bill()
        await stage.start()
        spending, details = await stage.until(lambda view: view.escalated), await stage.details()
        await simulation.pass_until(monday + timedelta(days=7, hours=1))
        later = await stage.view()

        assert (spending.lifecycle, spending.escalate_at) == ("SPENDING_UNALLOCATED", None)
        assert "Escalated: the cloud engineers have the task, too." in details
        assert [fact.reason for fact in stage.waits() if isinstance(fact, Escalated)] == [Overdue.SPENDING]
        assert days_of(stage, monday, Escalated) == [0]
        assert days_of(stage, monday, Reminded) == [2, 4]
        assert (later.open, later.reminders) == (True, 2)


async def test_spend_of_an_account_that_nobody_has_seen_waits_for_somebody_too(
    time_skipping_env: WorkflowEnvironment, database_url: str
) -> None:
    async with accounts_simulated(time_skipping_env, database_url) as simulation:
        stage = simulation.stage
        await stage.set_rules(rule(apply=True))
        stage.bill()
        await stage.start()
        unknown, details = await stage.until(lambda view: bool(view.looked)), await stage.details()
        stage.observe()
        await stage.start()
        known = await stage.ended()

        assert (unknown.known, unknown.reason, unknown.escalated) == (False, "spends without an allocation", True)
        assert unknown.lifecycle == "UNKNOWN_TO_ORGANIZATIONS"
        assert unknown.looked == "No rule is asked about an account that is not in the organization."
        assert "AWS Organizations has never shown this account" in details
        assert (known.open, known.lifecycle, known.occasion) == (False, "BILLING", 1)


async def test_a_proposal_neither_ends_the_waiting_nor_begins_it_anew(
    time_skipping_env: WorkflowEnvironment, database_url: str
) -> None:
    async with accounts_simulated(time_skipping_env, database_url) as simulation:
        stage, monday = simulation.stage, await simulation.next_monday()
        before = await stage.vend()
        await simulation.pass_until(monday + timedelta(days=1, hours=1))
        await stage.propose()
        proposed = await stage.until(lambda view: view.proposal == 1)
        await simulation.pass_until(monday + timedelta(days=7, hours=1))

        assert days_of(stage, monday, Reminded) == [2, 4]
        assert days_of(stage, monday, Escalated) == [7]
        assert (proposed.since, proposed.remind_at) == (before.since, before.remind_at)


async def test_each_occasion_has_times_of_its_own(time_skipping_env: WorkflowEnvironment, database_url: str) -> None:
    async with accounts_simulated(time_skipping_env, database_url, DAILY) as simulation:
        stage, monday = simulation.stage, await simulation.next_monday()
        await stage.set_rules(rule(), rule("search", ou_path="/Search", shares=split("100", products=(SEARCH,))))
        await stage.vend()
        await simulation.pass_until(monday + timedelta(days=1, hours=1))
        await stage.accept()
        await stage.ended()
        stage.observe(ou_path="/Search")
        await stage.start()
        second = stage.in_occasion(2)
        view = await second.until(lambda view: view.proposal == 2)
        await simulation.pass_until(monday + timedelta(days=2, hours=2))

        assert (view.reminders, view.reason) == (0, "moved")
        assert view.since
        assert view.remind_at == view.since + timedelta(days=1)
        assert view.since >= monday + timedelta(days=1, hours=1)
        reminders = [(fact.turn, fact.count) for fact in stage.waits() if isinstance(fact, Reminded)]
        assert reminders == [(1, 1), (2, 1)]


async def test_nobody_keeps_a_reminder_back_by_using_its_command_id(
    time_skipping_env: WorkflowEnvironment, database_url: str
) -> None:
    """These ids follow from what is known to everybody."""
    async with accounts_simulated(time_skipping_env, database_url) as simulation:
        stage, monday = simulation.stage, await simulation.next_monday()
        await stage.vend()
        for step in ("remind", "escalate"):
            count = 1 if step == "remind" else 0
            request = AlignmentStepRequest.model_validate(stage.round.model_dump() | {"step": step, "count": count})
            used = {"command_id": command_of(request).command_id}
            with pytest.raises(ApplicationError):
                await stage.send("allocate", stage.allocation(actor=OWNER).model_copy(update=used))
        await simulation.pass_until(monday + timedelta(days=7, hours=1))
        view = await stage.view()

        assert (view.reminders, view.escalated) == (2, True)
        assert days_of(stage, monday, Reminded) == [2, 4]
        assert days_of(stage, monday, Escalated) == [7]


async def test_nobody_stops_a_process_by_using_the_id_of_its_next_look(
    time_skipping_env: WorkflowEnvironment, database_url: str
) -> None:
    """They follow from the id of the run and the number of its activity, which the Temporal UI shows."""
    async with accounts_simulated(time_skipping_env, database_url) as simulation:
        stage = simulation.stage
        await stage.vend()
        run_id = (await stage.handle.describe()).run_id
        for number in range(2, 2 + IDS_USED_UP):
            used = {"command_id": uuid5(NAMESPACE, f"align/{run_id}/{number}")}
            assert isinstance(await stage.decide(stage.allocation(actor=OWNER).model_copy(update=used)), Refused)
        stage.observe(name="renamed")
        await stage.start()
        waits = await stage.view()
        await simulation.pass_days(2)

        assert waits.open
        assert (await stage.view()).name == "renamed"
        await stage.allocate()
        assert not (await stage.ended()).open


@pytest.mark.slow
async def test_an_account_that_nobody_ever_allocates_is_reminded_of_long_enough(
    time_skipping_env: WorkflowEnvironment, database_url: str
) -> None:
    async with accounts_simulated(time_skipping_env, database_url, DAILY) as simulation:
        stage = simulation.stage
        await stage.vend()
        for _ in range(MONTHS):
            await simulation.pass_days(30)
        view, details = await stage.view(), await stage.details()

        reminders = [fact.count for fact in stage.waits() if isinstance(fact, Reminded)]
        assert reminders == list(range(1, REMINDERS_MAX + 1))
        assert sum(isinstance(fact, Escalated) for fact in stage.waits()) == 1
        assert (view.open, view.remind_at) == (True, None)
        assert f"Reminded {REMINDERS_MAX} times." in details
