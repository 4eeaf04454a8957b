"""AccountEvents: messages about accounts from the queue, for ever. What was missed, the next full read finds."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.contracts import (
        ACCOUNT_EVENTS_TIMEOUT,
        HEARTBEAT_TIMEOUT,
        RETRIES,
        AccountEventsReport,
        ActivityName,
    )
    from domain.account_process import ACCOUNT_EVENTS_QUEUE, AccountEventsRequest
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


@workflow.defn(name=WorkflowName.ACCOUNT_EVENTS, failure_exception_types=UNREADABLE)
class AccountEvents:
    """Ends only where no worker has the queue in its settings any more."""

    def __init__(self) -> None:
        self._handled = self._rejected = self._unknown = 0
        self._told = self._rejection = ""

    @workflow.run
    async def run(self, started_with: AccountEventsRequest | None = None) -> AccountEventsRequest:
        request = started_with or AccountEventsRequest()
        self._handled, self._rejected = request.handled, request.rejected
        self._show("Waits for messages.")
        passes = 0
        while self._unknown < UNKNOWN_MAX:
            if passes >= PASSES_MAX or workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(self._so_far())
            await self._pass()
            passes += 1
        self._show("Ended: no queue is configured any more.")
        return self._so_far()

    async def _pass(self) -> None:
        try:
            report: AccountEventsReport = await answer_of(
                ActivityName.RECEIVE_ACCOUNT_EVENTS,
                AccountEventsRequest(),
                AccountEventsReport,
                task_queue=ACCOUNT_EVENTS_QUEUE,
                start_to_close_timeout=ACCOUNT_EVENTS_TIMEOUT,
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                retry_policy=RETRIES,
                summary="Wait for messages about accounts",
            )
        except ActivityError as error:
            problem = plain_text(failure_of(error).message)
            self._show(f"**Does not work**: {problem}")
            await workflow.sleep(AFTER_A_FAILURE, summary="Try again")
            self._show(f"Waits for messages again. Before, it **did not work**: {problem}")
            return
        if not report.configured:
            self._unknown += 1
            self._show(f"**Waits for a queue**: none is configured, times asked: {self._unknown} of {UNKNOWN_MAX}.")
            await workflow.sleep(UNKNOWN_FOR, summary="No worker has a queue for messages; ask again")
            return
        self._unknown = 0
        self._take(report)

    def _take(self, report: AccountEventsReport) -> None:
        self._handled += report.handled
        self._rejected += report.rejected
        if report.handled or report.retried:
            at = f" at {report.last_at:%Y-%m-%d %H:%M:%S} UTC" if report.last_at else ""
            self._told = (
                f"The last messages came{at}: {report.handled:,} handled, of which {report.recorded:,} changed "
                f"something and {report.ignored:,} are of no account; {report.retried:,} are tried again."
            )
        if report.last_rejection:
            self._rejection = f"The last one put aside: {plain_text(report.last_rejection)}"
        self._show("**Works.** Waits for messages.")

    def _so_far(self) -> AccountEventsRequest:
        return AccountEventsRequest(handled=self._handled, rejected=self._rejected)

    def _show(self, text: str) -> None:
        count = f"**{self._handled:,}** messages handled by this process, {self._rejected:,} put aside."
        more = "What could not be understood: `allot account events`."
        workflow.set_current_details("\n\n".join(filter(None, [text, self._told, self._rejection, f"{count} {more}"])))
