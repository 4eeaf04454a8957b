"""The activities of Notifications: fill a channel's outbox, and send what is due in it.

A channel that hangs holds one thread and nothing else: each channel has a process of its own, a lock keeps a second
message of it from being begun, and the task queue has room for all.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock

from temporalio import activity

from activities.contracts import NOTIFICATIONS_SEND_FOR, NOTIFICATIONS_WATCH, ActivityName, ChannelReport
from activities.heartbeats import beating
from activities.ledger_commands import reported
from domain.business_days import BusinessCalendar
from domain.process import NotificationChannel
from ledger.ledger import Ledger
from notifications.collect import Collector
from notifications.config import ChannelConfig
from notifications.delivery import NOTHING_SENT, Delivery, Sent
from notifications.outbox import Outbox, opened
from notifications.senders import Sender, sender_of
from views.database import Database

LOOK_EVERY_S = 1.0
SLOTS_PER_CHANNEL = 3
"""Threads: one that watches, one that sends, one that hangs."""
POOL_SIZE = 4

log = logging.getLogger(__name__)


class Notifying:
    """All channels of this worker."""

    def __init__(
        self,
        channels: Mapping[str, ChannelConfig],
        senders: Mapping[str, Sender],
        collector: Collector,
        outbox: Outbox,
        ledger: Ledger,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._channels, self._collector, self._outbox = channels, collector, outbox
        self._deliveries = {name: Delivery(name, sender, outbox, ledger) for name, sender in senders.items()}
        self._locks = {name: Lock() for name in channels}
        self._look_every_s = look_every_s

    @property
    def channels(self) -> tuple[str, ...]:
        return tuple(self._channels)

    @property
    def slots(self) -> int:
        return SLOTS_PER_CHANNEL * len(self._channels)

    @activity.defn(name=ActivityName.COLLECT_NOTIFICATIONS)
    def collect(self, request: NotificationChannel) -> ChannelReport:
        """Returns when something is due, or when it has watched for long enough."""
        name = request.channel
        if (config := self._channels.get(name)) is None:
            return ChannelReport(known=False)
        ends_at, collected = time.monotonic() + NOTIFICATIONS_WATCH.total_seconds(), 0
        with reported(), beating() as beat:
            self._outbox.tidy(name)
            while True:
                collected += self._collector.collect(name, config)
                if self._outbox.is_due(name) or time.monotonic() > ends_at or activity.is_worker_shutdown():
                    return self._report(name, collected=collected)
                beat.report("watching", collected)
                time.sleep(self._look_every_s)

    @activity.defn(name=ActivityName.SEND_NOTIFICATIONS)
    def send(self, request: NotificationChannel) -> ChannelReport:
        """What is due now, for a while. Begins nothing where an earlier message has not come to an end."""
        name = request.channel
        if (delivery := self._deliveries.get(name)) is None:
            return ChannelReport(known=False)
        lock = self._locks[name]
        with reported():
            if not lock.acquire(blocking=False):
                log.warning("Channel %s: an earlier message is still under way", name)
                return self._report(name).model_copy(update={"busy": True})
            try:
                sent = delivery.send(_for_a_while())
            finally:
                lock.release()
            return self._report(name, sent)

    def _report(self, channel: str, sent: Sent = NOTHING_SENT, collected: int = 0) -> ChannelReport:
        states = self._outbox.status(channel)
        if not states:
            return ChannelReport()
        state = states[0]
        next_try_at = max((t for t in (state.next_try_at, state.resume_at) if t), default=None)
        return ChannelReport(
            collected=collected,
            sent=sent.sent,
            not_sent=sent.not_sent,
            due=state.due,
            waiting=state.waiting,
            failed=state.failed,
            failing_since=state.failing_since,
            last_error=state.last_error,
            next_try_at=next_try_at if state.waiting else None,
        )


def _for_a_while() -> Callable[[], bool]:
    ends_at = time.monotonic() + NOTIFICATIONS_SEND_FOR.total_seconds()
    return lambda: time.monotonic() < ends_at and not activity.is_worker_shutdown()


@contextmanager
def notifying(
    channels: Mapping[str, ChannelConfig], ledger: Ledger, database_url: str, business: BusinessCalendar, ui_url: str
) -> Iterator[Notifying | None]:
    """With connections of its own; None where no channel is configured. Raises BadInput for one that cannot be."""
    if not channels:
        yield None
        return
    senders = {name: sender_of(name, config) for name, config in channels.items()}
    views = Database(database_url, POOL_SIZE)
    with opened(database_url, POOL_SIZE) as outbox, views:
        collector = Collector(ledger, views, outbox, business, ui_url)
        yield Notifying(channels, senders, collector, outbox, ledger)
