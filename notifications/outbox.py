"""The outbox: a row for each event, channel and recipient, so that an event is told once however often it is looked at.

Filling it and moving on in the log are one statement. Sending is outside of any transaction: a row is claimed (its
next try is put off), sent, and then marked. Where a process ends between sending and marking, the claim runs out and
the row is sent again: at least once, never not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from domain.decision import PersonId
from ledger.arrays import Texts, Uuids
from ledger.connection import Connections

ROOM = "room"
"""The recipient of a channel that many read."""
ATTEMPTS_MAX = 30
"""Tries of one message; the later ones are an hour apart, so about a day passes."""
BACKOFF_MIN_S, BACKOFF_MAX_S = 30, 3_600
CLAIM_S = 300
"""Until a claimed row is tried again: longer than any channel takes to answer or to be given up."""
FAILURES_IN_A_ROW_MAX = 3
"""After so many the channel rests, so that a queue of messages is not tried one by one against what is down."""
REST_S = 60
KEPT_DAYS = 90
"""What is done with is removed after so long."""
ERROR_CHARS_MAX = 500

_BEGIN = """
INSERT INTO notification_channels (channel, position) VALUES (%s::text, %s::bigint)
ON CONFLICT (channel) DO NOTHING RETURNING position"""
_POSITION = "SELECT position FROM notification_channels WHERE channel = %s::text"
_FILL = """
WITH moved AS (
    UPDATE notification_channels SET position = %s::bigint WHERE channel = %s::text AND position = %s::bigint
    RETURNING channel
), added AS (
    INSERT INTO notification_outbox (channel, event_id, recipient, kind, subject, body)
    SELECT channel, event_id, recipient, kind, subject, body
    FROM moved, unnest(%b::uuid[], %b::text[], %b::text[], %b::text[], %b::text[])
        AS entry (event_id, recipient, kind, subject, body)
    ON CONFLICT (event_id, channel, recipient) DO NOTHING RETURNING id
)
SELECT (SELECT count(*) FROM moved), (SELECT count(*) FROM added)"""
# A claim that ran out after the last try: whoever held it never came back.
_GIVE_UP = """
UPDATE notification_outbox SET status = 'failed', last_error = coalesce(nullif(last_error, ''), 'the sender ended')
WHERE channel = %s::text AND status = 'pending' AND next_try_at <= now() AND attempts >= %s::int RETURNING id"""
_PRUNE = """
DELETE FROM notification_outbox
WHERE channel = %s::text AND status IN ('sent', 'skipped') AND created_at < now() - make_interval(days => %s::int)
RETURNING id"""
_DUE = """
SELECT EXISTS (
    SELECT FROM notification_outbox o JOIN notification_channels c USING (channel)
    WHERE o.channel = %s::text AND o.status = 'pending' AND o.next_try_at <= now() AND o.attempts < %s::int
        AND coalesce(c.resume_at <= now(), true)
)"""
_CLAIM = """
UPDATE notification_outbox SET attempts = attempts + 1, next_try_at = now() + make_interval(secs => %s::int)
WHERE id = (
    SELECT id FROM notification_outbox o
    WHERE channel = %s::text AND status = 'pending' AND next_try_at <= now() AND attempts < %s::int
        AND NOT EXISTS (SELECT FROM notification_channels c WHERE c.channel = o.channel AND c.resume_at > now())
    ORDER BY next_try_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
)
RETURNING id, event_id, recipient, kind, subject, body, attempts"""
_SENT = """
WITH done AS (
    UPDATE notification_outbox SET status = 'sent', sent_at = now(), last_error = '' WHERE id = %s::bigint
    RETURNING channel
)
UPDATE notification_channels c
SET failures = 0, failing_since = NULL, resume_at = NULL, last_error = '', last_sent_at = now()
FROM done WHERE c.channel = done.channel RETURNING c.channel"""
_NOT_SENT = """
WITH tried AS (
    UPDATE notification_outbox
    SET status = CASE WHEN attempts >= %s::int THEN 'failed' ELSE 'pending' END,
        next_try_at = now() + make_interval(secs => %s::int), last_error = %s::text
    WHERE id = %s::bigint AND status = 'pending' RETURNING channel, status, last_error
)
UPDATE notification_channels c
SET failures = failures + 1, failing_since = coalesce(failing_since, now()), last_error = tried.last_error,
    resume_at = CASE WHEN failures + 1 >= %s::int THEN now() + make_interval(secs => %s::int) END
FROM tried WHERE c.channel = tried.channel RETURNING tried.status, c.failures"""
_SKIP = """
UPDATE notification_outbox SET status = 'skipped', last_error = %s::text WHERE id = %s::bigint RETURNING id"""
_RETRY = """
WITH ready AS (
    UPDATE notification_channels SET resume_at = NULL WHERE channel = coalesce(%s::text, channel) RETURNING channel
), again AS (
    UPDATE notification_outbox o SET status = 'pending', attempts = 0, next_try_at = now()
    FROM ready
    WHERE o.channel = ready.channel AND (o.status = 'failed' OR (o.status = 'pending' AND o.last_error <> ''))
    RETURNING o.id
)
SELECT (SELECT count(*) FROM ready), (SELECT count(*) FROM again)"""
_TEST = """
INSERT INTO notification_outbox (channel, event_id, recipient, kind, subject, body)
SELECT channel, %s::uuid, %s::text, 'test', %s::text, %s::text FROM notification_channels WHERE channel = %s::text
RETURNING id"""
_ROW = "SELECT status, attempts, last_error FROM notification_outbox WHERE event_id = %s::uuid"
_STATUS = """
SELECT c.channel, c.position, c.failing_since, c.last_error, c.last_sent_at, c.resume_at,
    count(*) FILTER (WHERE o.status = 'pending'), count(*) FILTER (WHERE o.status = 'sent'),
    count(*) FILTER (WHERE o.status = 'failed'), count(*) FILTER (WHERE o.status = 'skipped'),
    count(*) FILTER (WHERE o.status = 'pending' AND o.next_try_at <= now() AND coalesce(c.resume_at <= now(), true)),
    min(o.created_at) FILTER (WHERE o.status = 'pending'), min(o.next_try_at) FILTER (WHERE o.status = 'pending')
FROM notification_channels c LEFT JOIN notification_outbox o USING (channel)
WHERE c.channel = coalesce(%s::text, c.channel)
GROUP BY c.channel ORDER BY c.channel"""
_ADDRESS = "SELECT email FROM people WHERE person_id = %s::uuid"


class Entry(NamedTuple):
    """A row that is to be."""

    event_id: UUID
    recipient: str
    kind: str
    subject: str
    body: str


class Claimed(NamedTuple):
    """A row that is ours to send for a while."""

    id: int
    event_id: UUID
    recipient: str
    kind: str
    subject: str
    body: str
    attempts: int
    """This one included."""


class ChannelState(NamedTuple):
    channel: str
    position: int
    failing_since: datetime | None
    last_error: str
    last_sent_at: datetime | None
    resume_at: datetime | None
    waiting: int
    sent: int
    """Within the days that rows are kept."""
    failed: int
    skipped: int
    due: int
    """Of those that wait, how many may be tried now."""
    oldest_at: datetime | None
    """Of those that wait."""
    next_try_at: datetime | None


class Outbox:
    """All channels' rows. Thread-safe, as its connections are."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    # Filling

    def begin(self, channel: str, head: int) -> int:
        """The position of the channel; that of the head where it is new, so that nobody is told of the past."""
        self._connections.query(_BEGIN, (channel, head))
        position = self.position(channel)
        assert position is not None
        return position

    def position(self, channel: str) -> int | None:
        rows = self._connections.query(_POSITION, (channel,))
        return rows[0][0] if rows else None

    def fill(self, channel: str, after: int, position: int, entries: Sequence[Entry]) -> int:
        """Adds the entries and moves on, both or neither; how many were added. Nothing where somebody was faster."""
        columns: Any = list(zip(*entries, strict=True)) or [()] * len(Entry._fields)
        arrays = (Uuids(columns[0]), *(Texts(column) for column in columns[1:]))
        _moved, added = self._connections.query(_FILL, (position, channel, after, *arrays))[0]
        return int(added)

    def tidy(self, channel: str) -> int:
        """Gives up what nobody came back for, and forgets what is long done; how many were given up."""
        self._connections.query(_PRUNE, (channel, KEPT_DAYS))
        return len(self._connections.query(_GIVE_UP, (channel, ATTEMPTS_MAX)))

    # Sending

    def is_due(self, channel: str) -> bool:
        """Whether there is something to claim."""
        return bool(self._connections.query(_DUE, (channel, ATTEMPTS_MAX))[0][0])

    def claim(self, channel: str) -> Claimed | None:
        """The next row that is due; nobody else gets it until the claim runs out."""
        rows = self._connections.query(_CLAIM, (CLAIM_S, channel, ATTEMPTS_MAX))
        return Claimed(*rows[0]) if rows else None

    def sent(self, row: Claimed) -> None:
        self._connections.query(_SENT, (row.id,))

    def not_sent(self, row: Claimed, error: str) -> tuple[str, int]:
        """What became of the row, and how many tries of the channel have failed in a row."""
        pause, told = pause_after(row.attempts), error[:ERROR_CHARS_MAX]
        parameters = (ATTEMPTS_MAX, pause, told, row.id, FAILURES_IN_A_ROW_MAX, REST_S)
        rows = self._connections.query(_NOT_SENT, parameters)
        return rows[0] if rows else ("sent", 0)

    def skip(self, row: Claimed, why: str) -> None:
        """It cannot be sent, and trying again would not help."""
        self._connections.query(_SKIP, (why[:ERROR_CHARS_MAX], row.id))

    def address(self, person_id: PersonId) -> str | None:
        """Looked up when it is needed, and kept nowhere."""
        rows = self._connections.query(_ADDRESS, (person_id,))
        return rows[0][0] if rows else None

    # For operators

    def status(self, channel: str | None = None) -> list[ChannelState]:
        return [ChannelState(*row) for row in self._connections.query(_STATUS, (channel,))]

    def retry(self, channel: str | None = None) -> tuple[int, int]:
        """What was given up and what waits after a failure is due at once; number of channels, and of messages."""
        channels, messages = self._connections.query(_RETRY, (channel,))[0]
        return channels, messages

    def add_test(self, channel: str, event_id: UUID, recipient: str, subject: str, body: str) -> bool:
        """False where there is no such channel."""
        return bool(self._connections.query(_TEST, (event_id, recipient, subject, body, channel)))

    def outcome(self, event_id: UUID) -> tuple[str, int, str]:
        """Status, attempts and last error of a test."""
        status, attempts, error = self._connections.query(_ROW, (event_id,))[0]
        return status, attempts, error


@contextmanager
def opened(database_url: str, pool_size: int = 1) -> Iterator[Outbox]:
    """Raises Unavailable where there is no server or no ledger."""
    connections = Connections(database_url, pool_size)
    connections.open()
    try:
        yield Outbox(connections)
    finally:
        connections.close()


def pause_after(attempts: int) -> int:
    """Seconds until the next try: they double, up to an hour."""
    doublings = min(attempts - 1, (BACKOFF_MAX_S // BACKOFF_MIN_S).bit_length())
    return int(min(BACKOFF_MIN_S * 2**doublings, BACKOFF_MAX_S))
