"""Notifications: one channel, from the outbox to people, for ever. One process a channel, so none waits for another.

What is to be told stands in the outbox; this process only sees to it that it is filled and emptied, and shows in the
Temporal UI whether the channel works.
"""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.contracts import (
        HEARTBEAT_TIMEOUT,
        NOTIFICATIONS_SEND_TIMEOUT,
        NOTIFICATIONS_WATCH_TIMEOUT,
        RETRIES,
        ActivityName,
        ChannelReport,
    )
    from domain.process import NOTIFICATIONS_QUEUE, NotificationChannel, WorkflowName
    from domain.process_texts import plain_text
    from workflows.recording import UNREADABLE, answer_of, failure_of, given

ONCE = RetryPolicy(maximum_attempts=1)
"""The outbox says when to try again, and this process then does."""
AFTER_A_FAILURE = timedelta(seconds=30)
UNKNOWN_FOR = timedelta(seconds=30)
UNKNOWN_MAX = 10
"""Times in a row that workers do not know the channel: during a deployment old ones may still answer."""


@workflow.defn(name=WorkflowName.NOTIFICATIONS, failure_exception_types=UNREADABLE)
class Notifications:
    """Ends only where no worker has the channel in its settings any more."""

    def __init__(self) -> None:
        self._sent = 0
        self._unknown = 0

    @workflow.run
    async def run(self, started_with: NotificationChannel | None = None) -> NotificationChannel:
        request = given(started_with)
        self._sent = request.sent
        while self._unknown < UNKNOWN_MAX:
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(self._so_far(request))
            await self._step(request)
        self._show(request, "Ended: the channel is not configured any more.")
        return self._so_far(request)

    async def _step(self, request: NotificationChannel) -> None:
        try:
            report = await self._pass(request)
        except ActivityError as error:
            self._show(request, f"**Does not work**: {plain_text(failure_of(error).message)}")
            await workflow.sleep(AFTER_A_FAILURE, summary="Try again")
            return
        if not report.known:
            self._unknown += 1
            await workflow.sleep(UNKNOWN_FOR, summary="No worker knows this channel; ask again")
            return
        self._unknown = 0
        self._sent += report.sent
        self._show(request, _told(report))
        if report.busy:
            await workflow.sleep(AFTER_A_FAILURE, summary="Wait for a message that is still under way")

    async def _pass(self, request: NotificationChannel) -> ChannelReport:
        """Waits until something is due, and sends it."""
        waited: ChannelReport = await answer_of(
            ActivityName.COLLECT_NOTIFICATIONS,
            request,
            ChannelReport,
            task_queue=NOTIFICATIONS_QUEUE,
            start_to_close_timeout=NOTIFICATIONS_WATCH_TIMEOUT,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=RETRIES,
            summary="Watch the log",
        )
        if not waited.due:
            return waited
        sent: ChannelReport = await answer_of(
            ActivityName.SEND_NOTIFICATIONS,
            request,
            ChannelReport,
            task_queue=NOTIFICATIONS_QUEUE,
            start_to_close_timeout=NOTIFICATIONS_SEND_TIMEOUT,
            retry_policy=ONCE,
            summary=f"Send what is due: {waited.due}",
        )
        return sent

    def _so_far(self, request: NotificationChannel) -> NotificationChannel:
        return request.model_copy(update={"sent": self._sent})

    def _show(self, request: NotificationChannel, text: str) -> None:
        head = f"### Channel {plain_text(request.channel)}"
        end = "Every message and what became of it: `allot notify status`."
        workflow.set_current_details("\n\n".join([head, text, f"**{self._sent:,}** sent by this process. {end}"]))


def _told(report: ChannelReport) -> str:
    if report.failing_since is None:
        status = "**Works.**"
    else:
        status = f"**Fails** since {report.failing_since:%Y-%m-%d %H:%M} UTC: {plain_text(report.last_error)}."
    if report.busy:
        status += " A message is still under way."
    waiting = f"{report.waiting:,} wait, {report.failed:,} were given up."
    if report.next_try_at:
        waiting += f" Next try at {report.next_try_at:%H:%M:%S} UTC."
    if report.failed:
        waiting += " `allot notify retry` tries those again."
    return f"{status}\n\n{waiting}"
