"""CostEvents: messages of S3 about manifests from the queue, for ever. What was missed, the next sweep finds."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.contracts import COST_EVENTS_TIMEOUT, HEARTBEAT_TIMEOUT, RETRIES, ActivityName
    from domain.cost_process import COST_EVENTS_QUEUE, CostEventsReport, CostEventsRequest
    from domain.process import WorkflowName
    from domain.process_texts import plain_text
    from workflows.recording import UNREADABLE, answer_of, failure_of

AFTER_A_FAILURE = timedelta(seconds=30)
"""Somebody has to act: a setting, or a permission. Less would fill the history, more would keep them waiting."""
UNKNOWN_FOR = timedelta(seconds=30)
UNKNOWN_MAX = 10
"""Times in a row that workers have no queue: during a deployment old ones may still answer."""
PASSES_MAX = 500
"""Of one run; the next one begins with a short history."""


@workflow.defn(name=WorkflowName.COST_EVENTS, failure_exception_types=UNREADABLE)
class CostEvents:
    """Ends only where no worker has the queue in its settings any more."""

    def __init__(self) -> None:
        self._so_far = CostEventsRequest()
        self._told = self._rejection = ""

    @workflow.run
    async def run(self, started_with: CostEventsRequest | None = None) -> CostEventsRequest:
        self._so_far = started_with or CostEventsRequest()
        self._show("Waits for messages.")
        unknown = passes = 0
        while unknown < UNKNOWN_MAX:
            if passes >= PASSES_MAX or workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(self._so_far)
            passes += 1
            if await self._pass():
                unknown = 0
                continue
            unknown += 1
            self._show(f"**Waits for a queue**: none is configured, times asked: {unknown} of {UNKNOWN_MAX}.")
            await workflow.sleep(UNKNOWN_FOR, summary="No worker has a queue for messages; ask again")
        self._show("Ended: no queue is configured any more.")
        return self._so_far

    async def _pass(self) -> bool:
        """Whether there is a queue."""
        try:
            report: CostEventsReport = await answer_of(
                ActivityName.RECEIVE_COST_EVENTS,
                CostEventsRequest(),
                CostEventsReport,
                task_queue=COST_EVENTS_QUEUE,
                start_to_close_timeout=COST_EVENTS_TIMEOUT,
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                retry_policy=RETRIES,
                summary="Wait for messages about cost reports",
            )
        except ActivityError as error:
            problem = plain_text(failure_of(error).message)
            self._show(f"**Does not work**: {problem}")
            await workflow.sleep(AFTER_A_FAILURE, summary="Try again")
            self._show(f"Waits for messages again. Before, it **did not work**: {problem}")
            return True
        if report.configured:
            self._take(report)
        return report.configured

    def _take(self, report: CostEventsReport) -> None:
        before = self._so_far
        self._so_far = CostEventsRequest(
            handled=before.handled + report.handled,
            started=before.started + report.started,
            rejected=before.rejected + report.rejected,
        )
        if report.handled:
            at = f" at {report.last_at:%Y-%m-%d %H:%M:%S} UTC" if report.last_at else ""
            self._told = (
                f"The last messages came{at}: {report.started:,} looks at reports were started; {report.elsewhere:,} "
                "objects are no current manifest of a configured source."
            )
        if report.last_rejection:
            self._rejection = f"The last one put aside: {plain_text(report.last_rejection)}"
        self._show("**Works.** Waits for messages.")

    def _show(self, text: str) -> None:
        so_far = self._so_far
        count = (
            f"**{so_far.handled:,}** messages handled by this process, {so_far.started:,} looks started, "
            f"{so_far.rejected:,} messages put aside."
        )
        workflow.set_current_details("\n\n".join(filter(None, [text, self._told, self._rejection, count])))
