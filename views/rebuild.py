"""Builds all views anew from the first event, beside the live ones, and puts them in their place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.sql import SQL

from domain.decision import Organization
from domain.errors import Contention
from views.batch import Projection
from views.generations import Generation, create_next, drop_all_but_live, go_live, live
from views.projector import CATCH_UP_EVENTS_MAX, LIVE_EVENTS_MAX, Log, connect, fold_batch
from views.registry import PROJECTIONS
from views.tables import Table

SWAP_ATTEMPTS_MAX = 30
SWAP_PATIENCE_MS = 2_000
"""Longest wait for running queries at a swap; new queries wait behind it, so it gives up early and tries again."""

_REBUILD = 0x414C4C4F_52454255  # "ALLOREBU"; any number that nobody else locks

Progress = Callable[[int, int], None]
"""Called with the position reached and the head of the log."""


def rebuild(
    log: Log,
    database_url: str,
    organization: Organization,
    progress: Progress = lambda done, whole: None,
    *,
    batch_events_max: int = CATCH_UP_EVENTS_MAX,
    projections: Sequence[Projection] = PROJECTIONS,
) -> Generation:
    """The new live generation. Raises Contention while another rebuild is running."""
    tables = tuple(table for projection in projections for table in projection.tables)
    with connect(database_url) as connection:
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", [_REBUILD]).fetchone()
        if row is None or not row[0]:
            raise Contention("Another rebuild of the views is running: wait until it is done.", code="RebuildRunning")
        filling = _Filling(connection, log, organization, projections, create_next(connection, tables))
        while filling.step(batch_events_max) >= min(batch_events_max, LIVE_EVENTS_MAX):
            progress(filling.generation.position, log.settled_head())
        # The planner knows nothing of new tables, and must not guess on the first query.
        for table in tables:
            connection.execute(SQL("ANALYZE {}").format(table.named(filling.generation.number)))
        _swap(connection, filling, tables)
        drop_all_but_live(connection)
        progress(filling.generation.position, filling.generation.position)
        return filling.generation


class _Filling:
    """A generation on its way to the head of the log."""

    def __init__(
        self,
        connection: Connection[Any],
        log: Log,
        organization: Organization,
        projections: Sequence[Projection],
        generation: Generation,
    ) -> None:
        self.generation = generation
        self._connection = connection
        self._log = log
        self._organization = organization
        self._projections = projections

    def step(self, limit: int) -> int:
        """Folds the next events, in a transaction of their own or in the one that is open; how many."""
        events = self._log.follow(self.generation.position, limit)
        if events:
            with self._connection.transaction():
                moved = fold_batch(self._connection, self.generation, events, self._organization, self._projections)
            if moved is None:
                raise Contention("The tables of this rebuild were taken away: start it again.", code="RebuildRunning")
            self.generation = moved
        return len(events)


def _swap(connection: Connection[Any], filling: _Filling, tables: Sequence[Table[Any]]) -> None:
    for attempt in range(1, SWAP_ATTEMPTS_MAX + 1):
        while filling.step(CATCH_UP_EVENTS_MAX):
            pass
        before = filling.generation
        try:
            with connection.transaction(), connection.cursor() as cursor:
                cursor.execute(SQL("SET LOCAL lock_timeout = {}").format(SWAP_PATIENCE_MS))
                cursor.execute("LOCK TABLE view_generations IN ACCESS EXCLUSIVE MODE")
                # Whoever saw the old views at a position must not see the new ones at an earlier one.
                while filling.generation.position < live(cursor).position:
                    filling.step(CATCH_UP_EVENTS_MAX)
                go_live(cursor, filling.generation.number, tables)
            return
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            filling.generation = before  # rolled back
            if attempt == SWAP_ATTEMPTS_MAX:
                raise Contention(
                    "The rebuilt views could not be put in place, because somebody keeps reading the old ones: "
                    "end long queries, then start the rebuild again.",
                    code="ViewsInUse",
                ) from None
