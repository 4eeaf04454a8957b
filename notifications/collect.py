"""Fills the outbox of a channel: follows the log from where the channel stands, no further than the views have come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

from domain.account_facts import AlignmentOpened
from domain.business_days import BusinessCalendar
from domain.decision import RecordedEvent, States, Stream
from domain.schedule import Approved, RescheduleGranted
from notifications.audience import Company
from notifications.config import ChannelConfig
from notifications.messages import Notice, notice_of, one_line
from notifications.outbox import ROOM, Entry, Outbox
from views.database import Database
from views.generations import live

EVENTS_MAX = 500
"""Events looked at in one go."""
NEWS_FOR = timedelta(days=7)
"""What is older when it is looked at is no news: the channel was switched off for that long."""
SEPARATE_MAX = 5
"""Messages of one kind, from one command, that somebody gets one by one; more of them become one with a list."""
LISTED_MAX = 50


class Log(Protocol):
    """What is needed of the ledger."""

    def follow(self, after: int, limit: int) -> list[RecordedEvent]: ...

    def settled_head(self) -> int: ...

    def states(self, streams: Iterable[Stream]) -> States: ...


class Collector:
    """For all channels; may run any number of times, also beside itself."""

    def __init__(
        self,
        ledger: Log,
        views: Database,
        outbox: Outbox,
        business: BusinessCalendar,
        ui_url: str = "",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._ledger, self._views, self._outbox = ledger, views, outbox
        self._business, self._ui_url, self._clock = business, ui_url, clock

    def collect(self, channel: str, config: ChannelConfig) -> int:
        """How many messages were added. The first time for a channel it only begins, at the log's present end."""
        after = self._outbox.position(channel)
        if after is None:
            self._outbox.begin(channel, self._ledger.settled_head())
            return 0
        with self._views.snapshot() as cursor:
            shown = live(cursor).position
            if shown <= after:
                return 0
            # The views say who holds what: events that they do not show yet wait for them.
            events = [e for e in self._ledger.follow(after, EVENTS_MAX) if e.position <= shown]
            if not events:
                return 0
            company = Company(cursor, self._ledger, self._business, self._clock())
            entries = self._entries(events, company, config)
        return self._outbox.fill(channel, after, events[-1].position, _bundled(entries))

    def _entries(
        self, events: Sequence[RecordedEvent], company: Company, config: ChannelConfig
    ) -> list[tuple[UUID, Entry]]:
        """With the command that each comes from."""
        oldest = self._clock() - NEWS_FOR
        approved = {event.command_id for event in events if isinstance(event.fact, Approved)}
        found = []
        for event in events:
            if event.recorded_at < oldest or not config.tells_of(event.fact.fact_name):
                continue
            if isinstance(event.fact, RescheduleGranted) and event.command_id in approved:
                continue  # the new schedule was attached: its approval says it all
            if isinstance(event.fact, AlignmentOpened) and not company.waits(event.fact):
                continue  # it was expected, or a rule took it: there is nothing to do any more
            if (notice := notice_of(event, self._ui_url)) is None:
                continue
            found += [(event.command_id, entry) for entry in _for_all(event, notice, company, config)]
        return found


def _for_all(event: RecordedEvent, notice: Notice, company: Company, config: ChannelConfig) -> list[Entry]:
    persons = company.members(notice.audience, event.actor)
    recipients = [str(person) for person in persons] if config.per_person else [ROOM]
    kind = event.fact.fact_name
    return [Entry(event.event_id, recipient, kind, notice.subject, notice.body) for recipient in recipients]


def _bundled(found: Sequence[tuple[UUID, Entry]]) -> list[Entry]:
    """A budget load or a first look at an organization concerns somebody a thousand times; they want one message."""
    bundles: dict[tuple[UUID, str, str], list[Entry]] = {}
    for command_id, entry in found:
        bundles.setdefault((command_id, entry.kind, entry.recipient), []).append(entry)
    entries: list[Entry] = []
    for bundle in bundles.values():
        entries += bundle if len(bundle) <= SEPARATE_MAX else [_list_of(bundle)]
    return entries


def _list_of(group: Sequence[Entry]) -> Entry:
    lines = [f"    {entry.subject}" for entry in group[:LISTED_MAX]]
    if (more := len(group) - LISTED_MAX) > 0:
        lines.append(f"    … and {more:,} more")
    end = f"The first of them in full:\n\n{group[0].body}"
    subject = one_line(f"{len(group):,} at once: {group[0].subject}, …")
    return group[0]._replace(subject=subject, body="\n\n".join(["\n".join(lines), end]))
