"""CostWatch looks for new versions of a cost report; CostImport brings in one of them.

One CostImport per version, by its id. Importing the same version again is harmless: the ledger says "unchanged".
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    ChildWorkflowError,
    WorkflowAlreadyStartedError,
)

with workflow.unsafe.imports_passed_through():
    from activities.contracts import (
        FIND_TIMEOUT,
        FIRST_BILLS_TIMEOUT,
        HEARTBEAT_TIMEOUT,
        IMPORT_DEADLINE,
        IMPORT_TIMEOUT,
        RESTATEMENTS_TIMEOUT,
        RETRIES,
        ActivityName,
        Deliveries,
        FirstBillsRequest,
        FirstBillsResult,
        RestatementsRequest,
        RestatementsResult,
    )
    from domain.calendar import Month
    from domain.errors import AllotError, BadInput, DamagedReport
    from domain.process import (
        COST_QUEUE,
        CostDelivery,
        CostImportResult,
        CostSource,
        CostWatchResult,
        ManifestProblem,
        WorkflowName,
        cost_import_process_id,
    )
    from domain.process_texts import cost_import_summary, plain_text
    from workflows import search_attributes
    from workflows.recording import UNREADABLE, answer_of, failure_of, given

FOUND_WITHIN = timedelta(minutes=30)
FIRST_BILLS_WITHIN = timedelta(minutes=10)
"""All attempts; whoever waits for the import waits for this, too."""
RESTATEMENTS_WITHIN = timedelta(minutes=20)
PERIODS_AT_ONCE_MAX = 4
"""Billing periods imported side by side; the versions of one period go in order, because the last one counts."""
DELIVERIES_MAX = 500
"""Of one pass: forty years of months. More children would make its history too long."""
PROBLEMS_SHOWN_MAX = 5
SCHEDULED_WAIT = timedelta(minutes=30)
"""A scheduled look waits so long for one import, which goes on by itself: the next look must not be kept waiting."""
SUPERSEDED = "Superseded"
"""Code of an import whose manifest was overwritten meanwhile."""
JOIN_PAUSE = timedelta(seconds=2)
JOIN_PAUSE_MAX = timedelta(minutes=2)
MISSING_PART = "MissingPart"
"""Type of the failure that may heal by itself, and code of the DamagedReport that it else becomes."""


@workflow.defn(name=WorkflowName.COST_WATCH, failure_exception_types=UNREADABLE)
class CostWatch:
    """One look at where cost reports are delivered; imports what was found."""

    def __init__(self) -> None:
        self._found = 0
        self._results: list[CostImportResult] = []
        self._problems: tuple[ManifestProblem, ...] = ()
        self._at_once = asyncio.Semaphore(PERIODS_AT_ONCE_MAX)

    @workflow.run
    async def run(self, started_with: CostSource | None = None) -> CostWatchResult:
        source = given(started_with)
        await self._pass(source)
        if source.scheduled and any(result.code == SUPERSEDED for result in self._results):
            self._results = [result for result in self._results if result.code != SUPERSEDED]
            await self._pass(source)  # once: what is delivered from here on is told by an event, or found by the next
        ordered = sorted(self._results, key=lambda result: (result.billing_period, result.report_version))
        return CostWatchResult(imports=tuple(ordered), problems=self._problems)

    async def _pass(self, source: CostSource) -> None:
        try:
            found = await self._find(source)
        except ActivityError as error:
            raise failure_of(error) from error
        deliveries, self._problems = found.deliveries, found.problems
        if len(deliveries) > DELIVERIES_MAX:
            raise ApplicationError(
                f"There are {len(deliveries):,} report versions in {source.source}, and at most {DELIVERIES_MAX:,} "
                "are imported at once: name a billing period.",
                "TooManyDeliveries",
                type=BadInput.__name__,
                non_retryable=True,
            )
        self._found = len(deliveries)
        self._show()
        by_period: dict[Month, list[CostDelivery]] = {}
        for delivery in deliveries:
            waits = delivery.wait_for_parts or source.wait_for_parts
            delivery = delivery.model_copy(update={"wait_for_parts": waits})
            by_period.setdefault(delivery.report.billing_period, []).append(delivery)
        await asyncio.gather(*(self._import_period(of_period) for of_period in by_period.values()))

    async def _find(self, source: CostSource) -> Deliveries:
        found: Deliveries = await answer_of(
            ActivityName.FIND_DELIVERIES,
            source,
            Deliveries,
            task_queue=COST_QUEUE,
            start_to_close_timeout=FIND_TIMEOUT,
            schedule_to_close_timeout=FOUND_WITHIN,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=RETRIES,
            summary="Look for report versions",
        )
        return found

    async def _import_period(self, deliveries: Sequence[CostDelivery]) -> None:
        async with self._at_once:
            for delivery in deliveries:
                self._results.append(await self._import(delivery))
                self._show()

    async def _import(self, delivery: CostDelivery) -> CostImportResult:
        """The child's result; a child that failed is a result too, so that one broken report stops no other."""
        pause, until = JOIN_PAUSE, workflow.now() + IMPORT_DEADLINE
        while True:
            try:
                child = await workflow.start_child_workflow(
                    CostImport.run,
                    delivery,
                    id=cost_import_process_id(delivery.report),
                    parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                    static_summary=cost_import_summary(delivery.report),
                )
                return await (_while_scheduled(child, delivery) if delivery.scheduled else child)
            except ChildWorkflowError as error:
                return _failed(delivery, error.cause)
            except WorkflowAlreadyStartedError:
                if delivery.scheduled:
                    return _waiting(delivery)
                # Somebody else's watch imports this version now. A process cannot wait for another one's result, so
                # wait for it to end and import again, which then only says what became of it.
                if workflow.now() >= until:
                    return _failed(delivery, None)
                await workflow.sleep(pause, summary="This version is being imported already")
                pause = min(pause * 2, JOIN_PAUSE_MAX)

    def _show(self) -> None:
        lines = [
            f"| {result.billing_period} | {plain_text(result.report_version)} | {result.status} | "
            f"{plain_text(result.message)} |"
            for result in self._results[-12:]
        ]
        table = ["", "| Billing period | Version | Result | |", "|---|---|---|---|", *lines] if lines else []
        text = f"**{len(self._results):,}** of {self._found:,} report versions dealt with."
        damaged = [f"- {plain_text(problem.message)}" for problem in self._problems[:PROBLEMS_SHOWN_MAX]]
        if damaged:
            damaged = ["", f"**Damaged manifests: {len(self._problems):,}**", "", *damaged]
        workflow.set_current_details("\n".join([text, *table, *damaged]))


async def _while_scheduled(
    child: workflow.ChildWorkflowHandle[CostImport, CostImportResult], delivery: CostDelivery
) -> CostImportResult:
    done, _ = await workflow.wait([child], timeout=SCHEDULED_WAIT.total_seconds())
    return await child if done else _waiting(delivery)


def _waiting(delivery: CostDelivery) -> CostImportResult:
    return CostImportResult(
        billing_period=delivery.report.billing_period,
        report_version=delivery.report.version,
        status="waiting",
        message="The import is under way, or waits for parts that have not arrived yet; it goes on by itself.",
    )


def _failed(delivery: CostDelivery, cause: BaseException | None) -> CostImportResult:
    error = cause if isinstance(cause, ApplicationError) else None
    return CostImportResult(
        billing_period=delivery.report.billing_period,
        report_version=delivery.report.version,
        status="refused",
        message=error.message if error else "The import did not come to an end: see its process, and import it again.",
        error=(error.type if error else None) or AllotError.__name__,
        code=_code(error) if error else "",
    )


@workflow.defn(name=WorkflowName.COST_IMPORT, failure_exception_types=UNREADABLE)
class CostImport:
    """Brings one version of a report for one billing period in: whole, once, or not at all."""

    @workflow.run
    async def run(self, started_with: CostDelivery | None = None) -> CostImportResult:
        delivery = given(started_with)
        period = str(delivery.report.billing_period)
        workflow.upsert_search_attributes([search_attributes.BILLING_PERIOD.value_set(period)])
        _show(delivery, "is being imported; where a part has not arrived yet, it waits for it")
        try:
            result = await self._import(delivery)
        except ActivityError as error:
            failure = _named(failure_of(error))
            _show(delivery, f"was not imported: {failure.message}")
            raise failure from error
        _show(delivery, f"{result.status}: {result.message}")
        # The marks are for imports that were under way before there were these steps.
        told = ""
        if result.status != "refused" and workflow.patched("first-bills"):
            told = await self._record_first_bills(delivery)
            _show(delivery, f"{result.status}: {result.message}{told}")
        if result.status != "refused" and workflow.patched("restatements"):
            told += await self._record_restatements(delivery)
            _show(delivery, f"{result.status}: {result.message}{told}")
        return result

    async def _record_first_bills(self, delivery: CostDelivery) -> str:
        """Which accounts were billed for the first time, told in a sentence.

        The import stands whatever becomes of it; the next version of the period, or importing this one again, makes
        good for it.
        """
        report = delivery.report
        try:
            found: FirstBillsResult = await answer_of(
                ActivityName.RECORD_FIRST_BILLS,
                FirstBillsRequest(billing_period=report.billing_period, report_version=report.version),
                FirstBillsResult,
                task_queue=COST_QUEUE,
                start_to_close_timeout=FIRST_BILLS_TIMEOUT,
                schedule_to_close_timeout=FIRST_BILLS_WITHIN,
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                retry_policy=RETRIES,
                summary="Which accounts are billed for the first time",
            )
        except ActivityError as error:
            return f" First bills: {failure_of(error).message}"
        return f" Billed for the first time: {found.billed:,} accounts."

    async def _record_restatements(self, delivery: CostDelivery) -> str:
        """What the version has changed of accounts' days, told in a sentence.

        The import stands whatever becomes of it; importing the version again makes good for it.
        """
        report = delivery.report
        try:
            found: RestatementsResult = await answer_of(
                ActivityName.RECORD_RESTATEMENTS,
                RestatementsRequest(billing_period=report.billing_period, report_version=report.version),
                RestatementsResult,
                task_queue=COST_QUEUE,
                start_to_close_timeout=RESTATEMENTS_TIMEOUT,
                schedule_to_close_timeout=RESTATEMENTS_WITHIN,
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                retry_policy=RETRIES,
                summary="What this version has changed",
            )
        except ActivityError as error:
            return f" Restatements: {failure_of(error).message}"
        if not found.replaced:
            return ""
        return f" {'Adjusted' if found.adjustment else 'Restated'}: {found.restated:,} accounts."

    async def _import(self, delivery: CostDelivery) -> CostImportResult:
        """A part that may still arrive is waited for by the activity's retries, which add nothing to the history."""
        result: CostImportResult = await answer_of(
            ActivityName.IMPORT_DELIVERY,
            delivery,
            CostImportResult,
            task_queue=COST_QUEUE,
            start_to_close_timeout=IMPORT_TIMEOUT,
            schedule_to_close_timeout=IMPORT_DEADLINE,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=RETRIES,
            summary=f"Import {delivery.report.billing_period}",
        )
        return result


def _named(failure: ApplicationError) -> ApplicationError:
    """A part that was waited for in vain is a damaged report like any other."""
    if failure.type != MISSING_PART:
        return failure
    return ApplicationError(failure.message, MISSING_PART, type=DamagedReport.__name__, non_retryable=True)


def _code(failure: ApplicationError) -> str:
    """Which error of its class, as `activities.errors` puts it into the details."""
    return str(failure.details[0]) if failure.details else ""


def _show(delivery: CostDelivery, what: str) -> None:
    report = delivery.report
    workflow.set_current_details(
        f"Cost report **{plain_text(report.source)}** for **{report.billing_period}**, version "
        f"{plain_text(report.version)}: {plain_text(what)}"
    )
