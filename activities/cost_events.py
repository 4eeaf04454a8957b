"""The activity of CostEvents: S3 tells of a manifest, and a look at that source and billing period is started.

A message is a hint. It is deleted once the look was accepted by Temporal; the look itself asks S3 what is there now, so
that a message that comes late, twice or out of order changes nothing. What it missed the sweep finds.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import TimeoutError as LateError
from datetime import UTC, datetime
from typing import Protocol

from temporalio import activity
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError

from activities.account_event_queue import EventQueue, QueueMessage
from activities.account_events import QueuePlace
from activities.aws_access import AwsAccess
from activities.contracts import COST_EVENTS_WATCH, ActivityName
from activities.cost_manifest import folder_period, is_pointer
from activities.cost_sources import CostPlaces
from activities.heartbeats import Beat, beating
from activities.ledger_commands import reported
from domain.cost_event import NotUnderstoodError, Written, written
from domain.cost_process import CostEventsReport, CostEventsRequest, cost_event_process_id
from domain.decision import SYSTEM, Channel
from domain.errors import Unavailable
from domain.process import TASK_QUEUE, CostSource, WorkflowName
from domain.process_texts import cost_watch_summary

STARTED_WITHIN_S = 30.0
NAMES = ("ALLOT_COST_EVENTS_QUEUE_URL", "ALLOT_COST_EVENTS_DEAD_LETTER_URL")
"""Settings of the queue and of its dead letters."""

log = logging.getLogger(__name__)


class StartsLooks(Protocol):
    def start(self, source: CostSource, process_id: str) -> None:
        """Returns once it is accepted; one that runs already will do. Raises Unavailable."""


class CostStarter:
    """For activities on threads beside the worker's loop."""

    def __init__(self, client: Client, loop: asyncio.AbstractEventLoop, task_queue: str = TASK_QUEUE) -> None:
        self._client, self._loop, self._task_queue = client, loop, task_queue

    def start(self, source: CostSource, process_id: str) -> None:
        future = asyncio.run_coroutine_threadsafe(self._start(source, process_id), self._loop)
        try:
            future.result(STARTED_WITHIN_S)
        except LateError:
            future.cancel()
            raise Unavailable("Temporal did not start the look at a cost report in time; it is tried again.") from None

    async def _start(self, source: CostSource, process_id: str) -> None:
        try:
            await self._client.start_workflow(
                WorkflowName.COST_WATCH,
                source,
                id=process_id,
                task_queue=self._task_queue,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                static_summary=cost_watch_summary(source),
            )
        except RPCError as error:
            raise Unavailable(f"Temporal could not start the look at a cost report ({error.message}).") from None


class CostEventIntake:
    """From the queue to looks at sources."""

    def __init__(
        self,
        access: AwsAccess,
        place: QueuePlace | None,
        places: CostPlaces,
        starter: StartsLooks,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._access, self._place, self._places = access, place, places
        self._starter, self._clock = starter, clock

    @activity.defn(name=ActivityName.RECEIVE_COST_EVENTS)
    def receive(self, _request: CostEventsRequest) -> CostEventsReport:
        """Returns once messages came and were dealt with, or after a while without any."""
        if self._place is None:
            return CostEventsReport(configured=False)
        with reported(), beating() as beat:
            client = self._access.sqs(self._place.queue_url, NAMES[0])
            queue = EventQueue(client, self._place.queue_url, self._place.dead_letter_url, NAMES)
            return self._watch(queue, self._place.wait_s, beat)

    def _watch(self, queue: EventQueue, wait_s: int, beat: Beat) -> CostEventsReport:
        report, ends_at = CostEventsReport(), time.monotonic() + COST_EVENTS_WATCH.total_seconds()
        while time.monotonic() < ends_at and not activity.is_worker_shutdown():
            beat.report("waiting for messages", report.handled)
            any_yet = bool(report.handled or report.rejected)
            messages = queue.receive(0 if any_yet else wait_s)
            if any_yet and not messages:
                break
            for message in messages:
                report = self._dealt_with(queue, message, report)
        return report

    def _dealt_with(self, queue: EventQueue, message: QueueMessage, report: CostEventsReport) -> CostEventsReport:
        counted = report.model_copy(update={"last_at": self._clock()})
        try:
            objects = written(message.body)
        except NotUnderstoodError as problem:
            log.warning("Message %s about cost reports was put aside: %s", message.message_id, problem.reason)
            queue.to_dead_letters(message, problem.reason)
            queue.delete(message)
            return counted.model_copy(update={"rejected": report.rejected + 1, "last_rejection": problem.reason})
        started = sum(self._started(one) for one in objects)
        queue.delete(message)
        return counted.model_copy(
            update={
                "handled": report.handled + 1,
                "started": report.started + started,
                "elsewhere": report.elsewhere + len(objects) - started,
            }
        )

    def _started(self, one: Written) -> bool:
        source = self._places.at(one.address) if one.may_be_manifest else None
        if source is None or not is_pointer(one.address):
            return False
        period = folder_period(one.address)
        look = CostSource(
            source=source.name,
            actor=SYSTEM,
            channel=Channel.WORKFLOW,
            billing_period=period,
            wait_for_parts=True,
            scheduled=True,
        )
        self._starter.start(look, cost_event_process_id(source.name, period, one.tag))
        return True
