"""Numbered SQL files, each run once: the tables of the ledger and of every other room."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import psycopg

from domain.errors import BadInput, Unavailable
from ledger.connection import CONNECT_TIMEOUT_S, parse_url, server_name

DIRECTORY = Path(__file__).parent / "migrations"
POSTGRES_VERSION_MIN = 17
"""The first one with transaction_timeout, which ends a writer that is stuck."""
WAIT_S = 60
"""Seconds to wait for another process that is migrating, or for a lock on a table."""

_LOCK = 0x414C4C4F_4D494752  # "ALLOMIGR"; any number that nobody else locks
_CREATE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now()
)"""


def migrate(database_url: str, directory: Path = DIRECTORY) -> int:
    """Runs the files that this database has not seen, in order of their numbers; how many those were.

    Safe to call from any number of processes at once, and from an older version of Allot on a newer database.
    """
    parameters = parse_url(database_url)
    name = server_name(parameters)
    try:
        connection = psycopg.connect(**{"connect_timeout": CONNECT_TIMEOUT_S, **parameters}, autocommit=True)
    except psycopg.OperationalError as error:
        reason = str(error).strip()
        raise Unavailable(f"PostgreSQL at {name} does not answer ({reason}): start it with `allot up`.") from None
    with connection:
        if (version := connection.info.server_version // 10_000) < POSTGRES_VERSION_MIN:
            raise BadInput(f"PostgreSQL at {name} is version {version}; Allot needs {POSTGRES_VERSION_MIN} or later.")
        connection.execute(f"SET lock_timeout = '{WAIT_S}s'")
        connection.execute("SET client_min_messages = warning")  # "relation already exists, skipping"
        try:
            connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))  # held until the connection is closed
        except psycopg.errors.LockNotAvailable:
            raise Unavailable(f"Another process has been migrating {name} for {WAIT_S} s: try again later.") from None
        connection.execute(_CREATE)
        return _run_pending(connection, directory)


def _run_pending(connection: psycopg.Connection, directory: Path) -> int:
    applied: dict[str, str] = dict(connection.execute("SELECT name, sha256 FROM schema_migrations").fetchall())
    count = 0
    for file in _files(directory):
        content = file.read_bytes()
        digest = sha256(content).hexdigest()
        if (known := applied.get(file.name)) == digest:
            continue
        if known is not None:
            raise BadInput(
                f"The migration {file.name} was changed after it had been applied to this database: "
                "restore the file, and put the change into a new one with the next number.",
                code="MigrationEdited",
            )
        with connection.transaction():
            connection.execute(content)
            connection.execute("INSERT INTO schema_migrations VALUES (%s, %s)", (file.name, digest))
        count += 1
    return count


def _files(directory: Path) -> list[Path]:
    files = sorted(directory.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    numbers = [file.name[:4] for file in files]
    if twice := {number for number in numbers if numbers.count(number) > 1}:
        raise BadInput(f"Two migrations have the number {min(twice)}: give one of them the next free number.")
    return files
