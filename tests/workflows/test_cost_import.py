"""CostWatch and CostImport. What a report holds is not their business, so reports are stood in for here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from activities.contracts import RestatementsResult
from activities.cost_reports import MISSING_PART
from domain.errors import BadInput
from domain.process import (
    COST_QUEUE,
    CostSource,
    CostWatchResult,
    ManifestProblem,
    cost_import_process_id,
    cost_watch_process_id,
)
from tests.workflows.reports import ALWAYS, IN_A_DAY, JUNE, Reports
from tests.workflows.stage import at_work, current_details
from workflows.cost_import import DELIVERIES_MAX, CostImport, CostWatch


@asynccontextmanager
async def working(client: Client, reports: Reports) -> AsyncIterator[str]:
    async with (
        at_work(client, reports.activities, COST_QUEUE, workflows=()),
        at_work(client, []) as queue,
    ):
        yield queue


async def watch(
    client: Client, reports: Reports, queue: str, *, wait_for_parts: bool = False, scheduled: bool = False
) -> CostWatchResult:
    return await client.execute_workflow(
        CostWatch.run,
        CostSource(source=reports.source, actor="system", wait_for_parts=wait_for_parts, scheduled=scheduled),
        id=cost_watch_process_id(reports.source),
        task_queue=queue,
    )


def results(answer: CostWatchResult) -> list[tuple[str, str, str]]:
    return [(result.report_version, result.status, result.code) for result in answer.imports]


async def test_each_version_that_was_found_is_imported_once(temporal_client: Client) -> None:
    reports = Reports()
    reports.add("may-1"), reports.add("may-2"), reports.add("june-1", JUNE)
    async with working(temporal_client, reports) as queue:
        first = await watch(temporal_client, reports, queue)
        second = await watch(temporal_client, reports, queue)

    assert results(first) == [("may-1", "imported", ""), ("may-2", "imported", ""), ("june-1", "imported", "")]
    assert {result.status for result in second.imports} == {"unchanged"}


async def test_accounts_that_are_billed_for_the_first_time_are_looked_for_after_each_import(
    temporal_client: Client,
) -> None:
    reports = Reports()
    delivery = reports.add("may-1")
    reports.add("june-1", JUNE)
    reports.broken["june-1"] = ("BadPart", ALWAYS)
    async with working(temporal_client, reports) as queue:
        await watch(temporal_client, reports, queue)
        await watch(temporal_client, reports, queue)
        handle = temporal_client.get_workflow_handle(cost_import_process_id(delivery.report))
        details = await current_details(handle)

    assert [(str(one.billing_period), one.report_version) for one in reports.billed] == [("2026-05", "may-1")] * 2
    assert "version may\\-1: unchanged: unchanged Billed for the first time: 2 accounts." in details.replace("\\:", ":")


async def test_an_import_stands_whatever_becomes_of_first_bills(temporal_client: Client) -> None:
    reports = Reports()
    delivery = reports.add("may-1")
    reports.unbilled = BadInput("The ledger cannot be asked.")
    async with working(temporal_client, reports) as queue:
        answer = await watch(temporal_client, reports, queue)
        details = await current_details(temporal_client.get_workflow_handle(cost_import_process_id(delivery.report)))

    assert results(answer) == [("may-1", "imported", "")]
    assert "First bills\\: The ledger cannot be asked." in details
    assert len(reports.billed) == 1


async def test_what_a_version_has_changed_is_looked_for_after_each_import(temporal_client: Client) -> None:
    reports = Reports()
    delivery = reports.add("may-2")
    reports.restated = RestatementsResult(replaced="may-1", restated=1_200)
    async with working(temporal_client, reports) as queue:
        await watch(temporal_client, reports, queue)
        details = await current_details(temporal_client.get_workflow_handle(cost_import_process_id(delivery.report)))

    assert [(str(one.billing_period), one.report_version) for one in reports.compared] == [("2026-05", "may-2")]
    assert "Billed for the first time: 2 accounts. Restated: 1,200 accounts." in details.replace("\\:", ":")


async def test_an_import_stands_whatever_becomes_of_restatements(temporal_client: Client) -> None:
    reports = Reports()
    delivery = reports.add("may-1")
    reports.uncompared = BadInput("The rows cannot be read.")
    async with working(temporal_client, reports) as queue:
        answer = await watch(temporal_client, reports, queue)
        details = await current_details(temporal_client.get_workflow_handle(cost_import_process_id(delivery.report)))

    assert results(answer) == [("may-1", "imported", "")]
    assert "Restatements\\: The rows cannot be read." in details


async def test_a_damaged_report_is_told_and_stops_no_other(temporal_client: Client) -> None:
    reports = Reports()
    reports.add("may-1"), reports.add("may-2"), reports.add("june-1", JUNE)
    reports.broken["may-1"] = ("BadPart", ALWAYS)
    async with working(temporal_client, reports) as queue:
        answer = await watch(temporal_client, reports, queue)

    assert results(answer) == [("may-1", "refused", "BadPart"), ("may-2", "imported", ""), ("june-1", "imported", "")]
    assert (answer.imports[0].error, answer.imports[0].message) == ("DamagedReport", "Version may-1 is broken")
    assert reports.imports["may-1"] == 1


async def test_a_damaged_manifest_is_told_and_keeps_no_other_month_from_being_imported(temporal_client: Client) -> None:
    reports = Reports()
    reports.add("june-1", JUNE)
    problem = ManifestProblem(manifest="may.json", message="It is not JSON", error="DamagedReport", code="BadManifest")
    reports.problems.append(problem)
    async with working(temporal_client, reports) as queue:
        answer = await watch(temporal_client, reports, queue)

    assert results(answer) == [("june-1", "imported", "")]
    assert answer.problems == (problem,)


async def test_nothing_found_is_no_failure(temporal_client: Client) -> None:
    reports = Reports()
    async with working(temporal_client, reports) as queue:
        assert await watch(temporal_client, reports, queue) == CostWatchResult()


async def test_more_versions_than_one_pass_can_take_are_refused_before_the_first(temporal_client: Client) -> None:
    reports = Reports()
    reports.found = [reports.add("may-1")] * (DELIVERIES_MAX + 1)
    async with working(temporal_client, reports) as queue:
        with pytest.raises(WorkflowFailureError) as failed:
            await watch(temporal_client, reports, queue)

    assert isinstance(failed.value.cause, ApplicationError)
    assert (failed.value.cause.type, failed.value.cause.details) == ("BadInput", ("TooManyDeliveries",))
    assert not reports.imports


async def test_an_import_that_is_under_way_is_joined(temporal_client: Client) -> None:
    reports = Reports()
    delivery = reports.add("may-1")
    reports.open.clear()
    async with working(temporal_client, reports) as queue:
        elsewhere = await temporal_client.start_workflow(
            CostImport.run, delivery, id=cost_import_process_id(delivery.report), task_queue=queue
        )
        watching = asyncio.create_task(watch(temporal_client, reports, queue))
        await asyncio.sleep(0.5)
        reports.open.set()
        first, joined = await elsewhere.result(), await watching

    assert first.status == "imported"
    assert results(joined) == [("may-1", "unchanged", "")]


async def test_a_person_is_told_of_a_missing_part_at_once(temporal_client: Client) -> None:
    reports = Reports()
    delivery = reports.add("may-1")
    reports.broken["may-1"] = (MISSING_PART, ALWAYS)
    async with working(temporal_client, reports) as queue:
        with pytest.raises(WorkflowFailureError) as failed:
            await temporal_client.execute_workflow(
                CostImport.run, delivery, id=cost_import_process_id(delivery.report), task_queue=queue
            )

    assert isinstance(failed.value.cause, ApplicationError)
    assert (failed.value.cause.type, failed.value.cause.details) == ("DamagedReport", (MISSING_PART,))
    assert reports.imports["may-1"] == 1


async def test_a_watch_waits_for_a_part_that_arrives_later(time_skipping_env: WorkflowEnvironment) -> None:
    reports = Reports()
    reports.add("may-1")
    reports.broken["may-1"] = (MISSING_PART, 3)
    async with working(time_skipping_env.client, reports) as queue:
        answer = await watch(time_skipping_env.client, reports, queue, wait_for_parts=True)

    assert results(answer) == [("may-1", "imported", "")]
    assert reports.imports["may-1"] == 4


async def test_a_watch_gives_up_when_the_part_does_not_arrive_in_a_day(time_skipping_env: WorkflowEnvironment) -> None:
    reports = Reports()
    reports.add("may-1"), reports.add("june-1", JUNE)
    reports.broken |= {"may-1": (MISSING_PART, ALWAYS), "june-1": ("BadPart", ALWAYS)}
    async with working(time_skipping_env.client, reports) as queue:
        answer = await watch(time_skipping_env.client, reports, queue, wait_for_parts=True)

    assert results(answer) == [("may-1", "refused", MISSING_PART), ("june-1", "refused", "BadPart")]
    assert answer.imports[0].error == "DamagedReport"
    assert reports.imports["june-1"] == 1
    assert reports.imports["may-1"] in (IN_A_DAY - 1, IN_A_DAY, IN_A_DAY + 1)


async def test_a_scheduled_watch_leaves_an_import_that_waits_for_parts_to_itself(
    own_time_skipping_env: WorkflowEnvironment,
) -> None:
    reports = Reports()
    reports.add("may-1"), reports.add("june-1", JUNE)
    reports.broken["may-1"] = (MISSING_PART, 4)  # two hours
    client = own_time_skipping_env.client
    async with working(client, reports) as queue:
        answer = await watch(client, reports, queue, wait_for_parts=True, scheduled=True)
        assert results(answer) == [("may-1", "waiting", ""), ("june-1", "imported", "")]
        again = await watch(client, reports, queue, wait_for_parts=True, scheduled=True)
        assert results(again) == [("may-1", "waiting", ""), ("june-1", "unchanged", "")]
        joined = await watch(client, reports, queue, wait_for_parts=True)

    assert results(joined) == [("may-1", "unchanged", ""), ("june-1", "unchanged", "")]
    assert reports.imports["may-1"] == 6  # five by the import that went on by itself


async def test_a_scheduled_watch_looks_once_more_where_a_report_was_overwritten_meanwhile(
    temporal_client: Client,
) -> None:
    reports = Reports()
    reports.add("may-1")
    reports.broken["may-1"] = ("Superseded", 1)
    async with working(temporal_client, reports) as queue:
        assert results(await watch(temporal_client, reports, queue, scheduled=True)) == [("may-1", "imported", "")]
        reports.imports.clear()
        reports.broken["may-1"] = ("Superseded", ALWAYS)
        again = await watch(temporal_client, reports, queue, scheduled=True)

    assert results(again) == [("may-1", "refused", "Superseded")]
    assert reports.imports["may-1"] == 2
