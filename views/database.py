"""Connections for queries: each query sees one moment of all views, and no wait is without a limit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import psycopg
from psycopg import Connection, Cursor, IsolationLevel
from psycopg_pool import ConnectionPool, PoolTimeout

from domain.errors import Unavailable
from ledger.connection import CONNECT_TIMEOUT_S, KEEPALIVE_S, SILENCE_MAX_MS, parse_url, server_name

POOL_TIMEOUT_S = 4.0
STATEMENT_TIMEOUT_MS = 30_000
LOCK_TIMEOUT_MS = 10_000
"""Longer than the swap of a rebuild takes."""
POOL_SIZE = 4

_LOST = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout)


class Database:
    """A pool of read-only connections. Thread-safe; a context manager."""

    def __init__(self, database_url: str, pool_size: int = POOL_SIZE) -> None:
        parameters = parse_url(database_url)
        self._server = server_name(parameters)
        options = f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c lock_timeout={LOCK_TIMEOUT_MS} -c jit=off"
        self._parameters: dict[str, Any] = {
            "connect_timeout": CONNECT_TIMEOUT_S,
            "keepalives_idle": KEEPALIVE_S,
            "tcp_user_timeout": SILENCE_MAX_MS,
            "application_name": "allot-queries",
            **parameters,
            "options": f"{parameters.get('options') or ''} {options}".strip(),
        }
        self._pool: ConnectionPool[Connection[tuple[Any, ...]]] = ConnectionPool(
            kwargs=self._parameters,
            min_size=1,
            max_size=pool_size,
            open=False,
            timeout=POOL_TIMEOUT_S,
            configure=_configure,
            check=ConnectionPool.check_connection,  # a query after a restart of the server works
        )

    def open(self) -> Self:
        """Raises Unavailable where there is no server or no views."""
        try:  # directly, because the pool waits long for a server that refuses at once
            with psycopg.connect(**self._parameters) as connection:
                found = connection.execute("SELECT to_regclass('view_generations')").fetchone()
        except psycopg.OperationalError as error:
            raise self._unavailable(error) from None
        if found is None or None in found:
            raise Unavailable(f"The database {self._server} has no views yet: run `allot setup`.", code="NotSetUp")
        self._pool.open()
        return self

    def close(self) -> None:
        self._pool.close()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def snapshot(self) -> Iterator[Cursor[tuple[Any, ...]]]:
        """All statements in it see the views as of one and the same log position."""
        try:
            with self._pool.connection() as connection, connection.cursor() as cursor:
                # Before the snapshot is taken, and against the swap of a rebuild; see views.generations.
                cursor.execute("LOCK TABLE view_generations IN ACCESS SHARE MODE")
                yield cursor
        except _LOST as error:
            raise self._unavailable(error) from None

    def _unavailable(self, error: BaseException) -> Unavailable:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return Unavailable(f"PostgreSQL at {self._server} does not answer ({reason}): start it with `allot up`.")


def _configure(connection: Connection[Any]) -> None:
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    connection.read_only = True
