"""Connections to PostgreSQL: a pool with a limit on every wait, and one error when the server does not answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import ConnectionPool, PoolTimeout

from domain.errors import BadInput, Unavailable

CONNECT_TIMEOUT_S = 3
POOL_TIMEOUT_S = 4.0
"""Seconds to wait for a free connection, a new one included."""
RECONNECT_GIVE_UP_S = 5.0
"""Seconds after which the pool stops trying by itself; the next caller makes it try again."""
LOST_ATTEMPTS_MAX = 3
"""Times that a statement is sent when connections break under it."""
LOCK_TIMEOUT_MS = 2_000
STATEMENT_TIMEOUT_MS = 8_000
TRANSACTION_TIMEOUT_MS = 9_000
"""Also ends a writer that froze while it was sending; longer than a statement, so that its error is seen."""
BULK_TIMEOUT_MS = 120_000
"""For statements that carry a whole budget file."""
KEEPALIVE_S = 10
SILENCE_MAX_MS = 20_000
"""Unanswered network packets for so long mean that the connection is gone."""

_SESSION = {
    "lock_timeout": LOCK_TIMEOUT_MS,
    "statement_timeout": STATEMENT_TIMEOUT_MS,
    "transaction_timeout": TRANSACTION_TIMEOUT_MS,
    # An append looks, after it has locked, at what is committed by then.
    "default_transaction_isolation": r"read\ committed",
    # Every statement of the ledger is by key. A plan made while a table was tiny must not stay a scan when it has
    # grown, and one plan for all parameters saves planning.
    "enable_seqscan": "off",
    "plan_cache_mode": "force_generic_plan",
}
_BULK = f"SET statement_timeout = {BULK_TIMEOUT_MS}; SET transaction_timeout = {BULK_TIMEOUT_MS}"
_NO_BULK = "RESET statement_timeout; RESET transaction_timeout"

# Subclasses of OperationalError that say "somebody else is in the way" and not "the server is gone".
BUSY = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)
LOST = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.TransactionTimeout)


class Connections:
    """A pool of autocommit connections: each statement is a transaction and one round trip. Thread-safe."""

    def __init__(self, database_url: str, pool_size: int) -> None:
        parameters = parse_url(database_url)
        self.server = server_name(parameters)
        self.pool: ConnectionPool[psycopg.Connection[tuple[Any, ...]]] = ConnectionPool(
            kwargs=_with_limits(parameters),
            min_size=min(1, pool_size),
            max_size=pool_size,
            open=False,
            timeout=POOL_TIMEOUT_S,
            reconnect_timeout=RECONNECT_GIVE_UP_S,
        )

    def open(self) -> None:
        """Connects once directly, because the pool waits long for a server that refuses at once."""
        try:
            with psycopg.connect(**self._kwargs()) as connection:
                found = connection.execute("SELECT to_regclass('ledger_events'), to_regclass('people')").fetchone()
        except psycopg.OperationalError as error:
            raise self.unavailable(error) from None
        if found is None or None in found:
            raise Unavailable(f"The database {self.server} has no ledger yet: run `allot setup`.", code="NotSetUp")
        self.pool.open()

    def close(self) -> None:
        self.pool.close()

    def query(self, statement: str, parameters: Sequence[Any], *, bulk: bool = False) -> list[tuple[Any, ...]]:
        """Sends a statement that may be repeated: it reads, or a repetition finds what the first time did."""
        for attempt in range(1, LOST_ATTEMPTS_MAX + 1):
            try:
                return self.query_once(statement, parameters, bulk=bulk)
            except BUSY:
                raise
            except (PoolTimeout, psycopg.errors.QueryCanceled) as error:  # these have waited long already
                raise self.unavailable(error) from None
            except LOST as error:
                if attempt == LOST_ATTEMPTS_MAX:
                    raise self.unavailable(error) from None
                self.pool.check()  # the other connections may be as dead as this one
        raise AssertionError("unreachable")

    def query_once(self, statement: str, parameters: Sequence[Any], *, bulk: bool = False) -> list[tuple[Any, ...]]:
        """Sends a statement that must not be repeated; the driver's errors come out as they are."""
        connection = self.pool.getconn()
        try:
            if bulk:
                with _patient(connection):
                    return connection.execute(statement, parameters, prepare=True, binary=True).fetchall()
            return connection.execute(statement, parameters, prepare=True, binary=True).fetchall()
        finally:
            self.pool.putconn(connection)  # throws it away if it broke

    def unavailable(self, error: BaseException) -> Unavailable:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        return Unavailable(f"PostgreSQL at {self.server} does not answer ({reason}): start it with `allot up`.")

    def _kwargs(self) -> dict[str, Any]:
        assert isinstance(self.pool.kwargs, dict)
        return self.pool.kwargs


@contextmanager
def _patient(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """A session setting and not SET LOCAL: the statement stays a transaction of its own, so that no lock is ever held
    while the server waits for the client."""
    connection.execute(_BULK, prepare=False)
    try:
        yield
    finally:
        if not connection.broken:
            connection.execute(_NO_BULK, prepare=False)


def parse_url(database_url: str) -> dict[str, Any]:
    """The parts of a connection string. The error does not repeat it, for it may hold a password."""
    try:
        return dict(conninfo_to_dict(database_url))
    except psycopg.ProgrammingError:
        raise BadInput(
            "The database address is not one that PostgreSQL understands: set ALLOT_DATABASE_URL to something like "
            "postgresql://user:password@host:5432/allot"
        ) from None


def server_name(parameters: dict[str, Any]) -> str:
    """For messages: host, port and database, never user or password."""
    host, port = parameters.get("host") or "localhost", parameters.get("port") or 5432
    return f"{host}:{port}/{parameters.get('dbname') or ''}"


def _with_limits(parameters: dict[str, Any]) -> dict[str, Any]:
    ours = " ".join(f"-c {name}={value}" for name, value in _SESSION.items())
    return {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "keepalives_idle": KEEPALIVE_S,
        "keepalives_interval": KEEPALIVE_S // 2,
        "tcp_user_timeout": SILENCE_MAX_MS,
        "application_name": "allot-ledger",
        **parameters,
        "options": f"{parameters.get('options') or ''} {ours}".strip(),
        "autocommit": True,
    }
