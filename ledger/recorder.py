"""The recorder of the eventsourcing library, on one-statement transactions.

The library's own recorder holds a table lock and sends a NOTIFY within a transaction of several round trips. That makes
all commits of an installation serial, and a writer that freezes in the middle stops everybody. Here the whole append
is one call of `ledger_append` (migrations/0003_serialisable.sql): writers share an advisory lock, a reader takes it
alone for an instant and so learns up to where the log is settled. The tables are the library's, so are the types.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from time import monotonic
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from eventsourcing.persistence import IntegrityError, Notification, StoredEvent, Subscription
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

from ledger.arrays import Bigints, Byteas, Texts, Uuids
from ledger.connection import Connections

EVENTS_TABLE = "ledger_events"
READER_PATIENCE_MS = 250
"""New writers queue behind a waiting reader, so it gives up early and keeps the head that it knows."""
READER_PAUSE_S = 0.25
"""After giving up a reader leaves the writers alone, so that they have at least half of the time."""
BULK_STREAMS_MIN = 2_000
"""Events in one append, or streams of one decision, from which on it may take as long as a whole file needs."""
FOLLOW_EVENTS_MAX = 10_000

_APPEND = """
SELECT positions, known_hash, known_answer FROM ledger_append(
    %b::uuid, %b::bytea, %b::text, %b::timestamptz, %b::uuid[], %b::bigint[], %b::text[], %b::bytea[],
    %b::uuid[], %b::bigint[], %b::bigint[], %b::bytea[]
)"""
_HEAD = "SELECT max(notification_id) FROM ledger_events"
_SETTLED_HEAD = "SELECT ledger_settled_head(%b::int)"
_FOLLOW = """
SELECT notification_id, originator_id, originator_version, topic, state FROM ledger_events
WHERE notification_id > %b::bigint AND notification_id <= %b::bigint ORDER BY notification_id LIMIT %b::int"""
_FOLLOW_TOPICS = _FOLLOW.replace("ORDER", "AND topic = ANY(%b::text[]) ORDER")
_STREAMS = """
SELECT notification_id, originator_id, originator_version, topic, state FROM ledger_events
WHERE originator_id = ANY(%b::uuid[]) ORDER BY originator_id, originator_version"""
# The receipt of a command travels with the streams of its decision, as a row of version 0.
_SITUATION = """
SELECT notification_id, originator_id, originator_version, topic, state
FROM unnest(%b::uuid[], %b::bigint[]) AS wanted (id, since)
JOIN ledger_events ON originator_id = wanted.id AND originator_version >= wanted.since
UNION ALL SELECT 0, command_id, 0, outcome::text, command_hash FROM ledger_receipts WHERE command_id = %b::uuid
ORDER BY 2, 3"""
_STREAM = """
SELECT originator_version, topic, state FROM ledger_events
WHERE originator_id = %b::uuid AND originator_version > %b::bigint AND originator_version <= %b::bigint
ORDER BY originator_version"""
_BIGINT_MAX = 2**63 - 1


class Row(NamedTuple):
    """An event as stored, with its place in the log."""

    position: int
    stream_id: UUID
    version: int
    topic: str
    state: bytes


class Receipt(NamedTuple):
    """What a command was answered, as stored. In an answer to an append, the position is filled in by the database."""

    command_id: UUID
    command_hash: bytes
    answer: str
    """JSON of the outcome."""
    recorded_at: datetime


class Known(NamedTuple):
    """The receipt of a command that was recorded earlier."""

    command_hash: bytes
    answer: str


class StreamEnd(NamedTuple):
    """The last event of a stream: version, place in the log, and SHA-256 of its state; zeros where it has none."""

    stream_id: UUID
    version: int
    position: int
    digest: bytes


class LedgerDatastore(PostgresDatastore):
    """What the library's recorder asks of a datastore. The tables exist (CREATE_TABLE=no, always), composite types are
    not used, and its own pool is never opened."""

    def __init__(self, connections: Connections) -> None:
        super().__init__(dbname="", host="", port="", user="", password="")
        self.connections = connections

    def register_type_adapters(self) -> None:
        """There are none."""

    def close(self) -> None:
        """The connections belong to the ledger."""


class LedgerRecorder(PostgresApplicationRecorder):
    """Appends without a gap, reads never past the settled head. Thread-safe."""

    def __init__(self, datastore: LedgerDatastore, *, events_table_name: str = EVENTS_TABLE) -> None:
        super().__init__(datastore, events_table_name=events_table_name)
        self._connections = datastore.connections
        self._head = 0  # settled, but maybe not the latest; threads may set it back for a moment, which is harmless
        self._pause_until = 0.0

    # Writing

    def append(
        self, events: Sequence[StoredEvent], receipt: Receipt, seen: Sequence[StreamEnd] = ()
    ) -> Sequence[int] | Known | None:
        """Records the events and their receipt, whole or not at all; their places in the log, or the receipt of the
        first time. May be repeated: that is what answers after a lost reply.

        None, and nothing recorded, where one of the streams that the decision has seen does not end there now.
        """
        parameters = (*receipt, *_columns(events), *_ends(seen))
        bulk = max(len(events), len(seen)) >= BULK_STREAMS_MIN
        ((positions, known_hash, known_answer),) = self._connections.query(_APPEND, parameters, bulk=bulk)
        if known_hash is not None:
            return Known(known_hash, known_answer)
        return None if positions is None else list(positions)

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int] | None:
        """For the library's own applications: events without a command, hence never sent twice."""
        parameters = (None, None, None, None, *_columns(stored_events), *_ends(()))
        try:
            ((positions, _hash, _answer),) = self._connections.query_once(_APPEND, parameters)
        except psycopg.IntegrityError as error:
            raise IntegrityError(str(error)) from error
        return list(positions)

    # Reading streams

    def select_streams(self, stream_ids: Sequence[UUID]) -> list[Row]:
        """All events of several streams, each stream's in order."""
        return [Row(*row) for row in self._connections.query(_STREAMS, (Uuids(stream_ids),))]

    def select_situation(
        self, stream_ids: Sequence[UUID], since_versions: Sequence[int], command_id: UUID | None
    ) -> tuple[list[Row], Known | None]:
        """What a decision needs in one round trip: each stream's events from a version on, in order, that version
        included; or the receipt, if the decision has been taken before."""
        parameters = (Uuids(stream_ids), Bigints(since_versions), command_id)
        bulk = len(stream_ids) >= BULK_STREAMS_MIN
        rows = [Row(*row) for row in self._connections.query(_SITUATION, parameters, bulk=bulk)]
        known = next((Known(row.state, row.topic) for row in rows if row.version == 0), None)
        return rows, known

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        bounds = (originator_id, gt or 0, _BIGINT_MAX if lte is None else lte)
        rows = self._connections.query(_STREAM, bounds)
        events = [StoredEvent(originator_id, *row) for row in (reversed(rows) if desc else rows)]
        return events[:limit]

    # Following the log

    def settled_head(self) -> int:
        """The highest place in the log below which nothing will appear any more."""
        if self.max_notification_id() in (None, self._head):
            return self._head  # nothing new: the writers need not be bothered
        if monotonic() < self._pause_until:
            return self._head
        ((head,),) = self._connections.query(_SETTLED_HEAD, (READER_PATIENCE_MS,))
        if head is None:
            self._pause_until = monotonic() + READER_PAUSE_S
        else:
            self._head = max(self._head, head)
        return self._head

    def max_notification_id(self) -> int | None:
        """The highest place that can be seen, settled or not."""
        ((highest,),) = self._connections.query(_HEAD, ())
        return None if highest is None else int(highest)

    def follow(self, after: int, limit: int, topics: Sequence[str] = ()) -> list[Row]:
        """Settled events in order, from the one after that place."""
        # Where a whole batch is known to be settled, the writers need not be asked again.
        head = self._head if self._head - after >= limit else self.settled_head()
        parameters: list[Any] = [after, head, min(limit, FOLLOW_EVENTS_MAX)]
        if topics:
            parameters.insert(2, Texts(topics))
        return [Row(*row) for row in self._connections.query(_FOLLOW_TOPICS if topics else _FOLLOW, parameters)]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        after = 0 if start is None else start - inclusive_of_start
        rows = self.follow(after, limit, topics)
        return [
            Notification(row.stream_id, row.version, row.topic, row.state, row.position)
            for row in rows
            if stop is None or row.position <= stop
        ]

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> Subscription[PostgresApplicationRecorder]:
        raise NotImplementedError("Nothing is notified: poll `follow`.")


def _columns(events: Sequence[StoredEvent]) -> tuple[Uuids, Bigints, Texts, Byteas]:
    return (
        Uuids(event.originator_id for event in events),  # type: ignore[misc]  # never a str here
        Bigints(event.originator_version for event in events),
        Texts(event.topic for event in events),
        Byteas(event.state for event in events),
    )


def _ends(ends: Sequence[StreamEnd]) -> tuple[Uuids, Bigints, Bigints, Byteas]:
    return (
        Uuids(end.stream_id for end in ends),
        Bigints(end.version for end in ends),
        Bigints(end.position for end in ends),
        Byteas(end.digest for end in ends),
    )
