"""Follows the log and keeps the live views up to date: one loop, one active runner, rows and position together."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event
from typing import Any, Protocol

import psycopg
from psycopg import Connection

from domain.decision import Organization, RecordedEvent
from domain.errors import AllotError
from ledger.connection import CONNECT_TIMEOUT_S, KEEPALIVE_S, SILENCE_MAX_MS, parse_url, server_name
from views.batch import Batch, Projection, apply_events
from views.generations import Generation, advance, check_definition, live, locked
from views.registry import PROJECTIONS

LIVE_EVENTS_MAX = 500
"""Events of one transaction while the views are nearly up to date."""
CATCH_UP_EVENTS_MAX = 5_000
"""Events of one transaction while they are far behind, as after the load of a large budget, and in a rebuild."""
BACKOFF_MIN_S = 0.2
BACKOFF_MAX_S = 10.0
STANDBY_POLL_S = 0.5
"""How often a second runner looks whether the first one is gone."""
LOCK_TIMEOUT_MS = 10_000

_RUNNER = 0x414C4C4F_56494557  # "ALLOVIEW"; any number that nobody else locks
_log = logging.getLogger(__name__)


class Log(Protocol):
    """What a projector needs of the ledger."""

    def follow(self, after: int, limit: int) -> list[RecordedEvent]: ...

    def settled_head(self) -> int: ...


class Projector:
    """Folds events into the live generation."""

    def __init__(
        self,
        log: Log,
        database_url: str,
        organization: Organization,
        *,
        poll_ms: int = 50,
        news: Event | None = None,
        batch_events_max: int = LIVE_EVENTS_MAX,
        projections: Sequence[Projection] = PROJECTIONS,
    ) -> None:
        self._ledger = log
        self._database_url = database_url
        self._organization = organization
        self._poll_s = poll_ms / 1000
        self._news = news  # set by a ledger of this process that has recorded something: no need to wait for the poll
        self._batch_events_max = batch_events_max
        self._projections = tuple(projections)
        self._tables = tuple(table for projection in self._projections for table in projection.tables)

    def run(self, stop: Event) -> None:
        """Until told to stop. Waits while another runner is active; lost connections are made again.

        Raises what time does not heal: an event that no view knows, tables of another version.
        """
        pause_s = BACKOFF_MIN_S
        while not stop.is_set():
            try:
                with connect(self._database_url) as connection:
                    pause_s = BACKOFF_MIN_S
                    if self._wait_for_turn(connection, stop):
                        self._follow(connection, stop)
            except (psycopg.OperationalError, psycopg.InterfaceError, AllotError) as error:
                if isinstance(error, AllotError) and not error.retryable:
                    raise
                _log.warning("The views stand still, next try in %.1f s: %s", pause_s, str(error).strip())
                stop.wait(pause_s)
                pause_s = min(pause_s * 2, BACKOFF_MAX_S)

    def catch_up(self) -> int:
        """Folds all there is, and returns the position reached. May run beside an active runner."""
        with connect(self._database_url) as connection:
            generation = self._live(connection)
            while (moved := self._step(connection, generation, self._batch_events_max)) is not None:
                generation = moved
            return generation.position

    def _wait_for_turn(self, connection: Connection[Any], stop: Event) -> bool:
        # A session lock: it ends with the connection, however the runner dies.
        while not stop.is_set():
            row = connection.execute("SELECT pg_try_advisory_lock(%s)", [_RUNNER]).fetchone()
            if row is not None and row[0]:
                return True
            stop.wait(STANDBY_POLL_S)
        return False

    def _follow(self, connection: Connection[Any], stop: Event) -> None:
        generation, limit = self._live(connection), self._batch_events_max
        _log.info("The views are at position %s of the log, generation %s.", generation.position, generation.number)
        while not stop.is_set():
            moved = self._step(connection, generation, limit)
            if moved is None:
                self._rest(stop)
                limit = self._batch_events_max
                continue
            if moved.number == generation.number and moved.position - generation.position >= limit:
                limit = max(CATCH_UP_EVENTS_MAX, limit)
            generation = moved

    def _rest(self, stop: Event) -> None:
        """Until there may be something new."""
        if self._news is None:
            stop.wait(self._poll_s)
        elif self._news.wait(self._poll_s):
            self._news.clear()  # before the log is read, so that what comes after is not missed

    def _live(self, connection: Connection[Any]) -> Generation:
        with connection.cursor() as cursor:
            generation = live(cursor)
        check_definition(generation, self._tables)
        return generation

    def _step(self, connection: Connection[Any], generation: Generation, limit: int) -> Generation | None:
        """Folds the next events; None when there are none."""
        events = self._ledger.follow(generation.position, limit)
        if not events:
            return None
        with connection.transaction():
            moved = fold_batch(connection, generation, events, self._organization, self._projections)
        if moved is None:  # swapped by a rebuild, or moved by another projector: start from where it is
            return self._live(connection)
        return moved


def fold_batch(
    connection: Connection[Any],
    generation: Generation,
    events: Sequence[RecordedEvent],
    organization: Organization,
    projections: Sequence[Projection] = PROJECTIONS,
) -> Generation | None:
    """Folds events that follow the generation's position; None, and nothing done, when it is not there any more."""
    with connection.cursor() as cursor, collector_at_rest():
        # The position is checked under the lock, so even a runner that should have stopped folds nothing twice.
        if locked(cursor, generation.number) != generation or not _still_wanted(cursor, generation):
            return None
        apply_events(Batch(cursor, generation.number, organization), events, projections)
        position = events[-1].position
        advance(cursor, generation.number, position)
    return generation._replace(position=position)


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """A batch makes some hundred thousand objects without cycles, and lets go of all of them at its end. Looking
    through them again and again took the garbage collector a third of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _still_wanted(cursor: psycopg.Cursor[Any], generation: Generation) -> bool:
    """Not for a generation that was replaced and not yet dropped."""
    return generation.number >= live(cursor).number


@contextmanager
def connect(database_url: str) -> Iterator[Connection[Any]]:
    """A connection of its own for a projector, with a limit on every wait that is not work."""
    parameters = parse_url(database_url)
    _log.debug("Connecting to %s", server_name(parameters))
    connection: Connection[Any] = psycopg.connect(
        **{
            "connect_timeout": CONNECT_TIMEOUT_S,
            "keepalives_idle": KEEPALIVE_S,
            "keepalives_interval": KEEPALIVE_S // 2,
            "tcp_user_timeout": SILENCE_MAX_MS,
            "application_name": "allot-views",
            **parameters,
            # Statements differ in the size of their arrays: a plan for all of them would be wrong for most. And rows
            # and position are lost together or not at all, so a commit need not wait for the disk.
            "options": f"{parameters.get('options') or ''} -c lock_timeout={LOCK_TIMEOUT_MS} -c jit=off "
            "-c plan_cache_mode=force_custom_plan -c synchronous_commit=off",
        },
        autocommit=True,
    )
    try:
        yield connection
    finally:
        connection.close()
