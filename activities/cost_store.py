"""Cost rows in PostgreSQL: one version of a report at a time, whole or not at all.

Which version is in force is said by the ledger alone. Rows of any other version are never seen; so a crash between the
rows and their event leaves nothing to be mended: the next attempt puts the same version's rows in their place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from activities.contracts import Progress
from activities.cost_aggregate import Lines
from activities.cost_control import Totals, trimmed
from activities.cost_damage import damaged
from activities.cost_files import Report
from activities.cost_grouping import METRICS
from domain.calendar import Month
from domain.cost import ReportVersion
from domain.errors import Contention, Unavailable

CONNECT_TIMEOUT_S = 3
LOCK_TIMEOUT_MS = 5_000
STATEMENT_TIMEOUT_MS = 900_000
"""A COPY of all rows that a version may have; also ends one whose sender is frozen."""
IDLE_TIMEOUT_MS = 120_000
"""Ends the session, and with it the hold on a version, of an import that is frozen between two statements."""

_COLUMNS = f"account_id, service, charge_type, usage_date, {', '.join(METRICS)}, billing_period, report_version"
_COPY = f"COPY cost_rows ({_COLUMNS}) FROM STDIN (FORMAT csv)"
_CLAIMED_COLUMNS = f"account_id, resource, usage_date, {', '.join(METRICS)}, billing_period, report_version"
_COPY_CLAIMED = f"COPY claimed_cost_rows ({_CLAIMED_COLUMNS}) FROM STDIN (FORMAT csv)"
_DELETE_CLAIMED = "DELETE FROM claimed_cost_rows WHERE billing_period = %s AND report_version = %s"
_DELETE = "DELETE FROM cost_rows WHERE billing_period = %s AND report_version = %s"
_TOTALS = f"""
SELECT charge_type, count(*), {", ".join(f"sum({metric})" for metric in METRICS)} FROM cost_rows
WHERE billing_period = %s AND report_version = %s GROUP BY charge_type
"""  # noqa: S608 - ours
_HAS_ROWS = "SELECT EXISTS (SELECT FROM cost_rows WHERE billing_period = %s AND report_version = %s)"
_PARTITIONS = """
SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
WHERE inhparent = 'cost_rows'::regclass ORDER BY relname
"""
_HAS_PARTITION = """
SELECT 1 FROM pg_inherits WHERE inhparent = 'cost_rows'::regclass AND inhrelid = to_regclass(%s)
"""
# Attached, because that lets others read and write meanwhile; CREATE … PARTITION OF would wait for all of them.
_CREATE_PARTITION = """
CREATE TABLE {partition} (LIKE cost_rows INCLUDING COMMENTS);
ALTER TABLE cost_rows ATTACH PARTITION {partition} FOR VALUES IN ({period})
"""
_PARTITIONS_LOCK = 0x434F5354_50415254  # "COSTPART"; any number that nobody else locks


@dataclass(frozen=True, slots=True)
class Stored:
    """What PostgreSQL holds of a version, as read back from it."""

    rows: int
    totals: Totals
    rows_hash: str
    """SHA-256 of the rows in their order, as CSV, without period and version: the same for the same rows."""
    detail: str = ""
    """Where the rest is, below the cost mart."""


class CostStore:
    """Opens a connection for each import: they are few and long, and their limits are other than the ledger's."""

    def __init__(self, database_url: str) -> None:
        options = (
            f"-c lock_timeout={LOCK_TIMEOUT_MS} -c statement_timeout={STATEMENT_TIMEOUT_MS} "
            f"-c idle_session_timeout={IDLE_TIMEOUT_MS} -c idle_in_transaction_session_timeout={IDLE_TIMEOUT_MS}"
        )
        parameters: dict[str, Any] = {"connect_timeout": CONNECT_TIMEOUT_S, **conninfo_to_dict(database_url)}
        parameters["options"] = f"{parameters.get('options') or ''} {options}".strip()
        self._parameters = parameters | {"application_name": "allot-cost"}

    @contextmanager
    def hold(self, version: ReportVersion) -> Iterator[VersionRows]:
        """The rows of one version. Raises Contention while somebody imports this or another version of its period.

        One at a time for a payer's whole period, because the version that is recorded last is the one in force.
        """
        with (
            _database_errors(str(version.billing_period)),
            psycopg.connect(**self._parameters, autocommit=True) as connection,
        ):
            key = f"cost-rows/{version.billing_period}/{version.payer_account_id}"
            found = connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (key,)).fetchone()
            if found != (True,):
                raise Contention(
                    f"A version of {version.billing_period} is being imported by somebody else: "
                    "wait for that import to end."
                )
            yield VersionRows(connection, version)

    def periods(self) -> list[Month]:
        """Billing periods of which there were ever rows."""
        with _database_errors("cost reports"), psycopg.connect(**self._parameters, autocommit=True) as connection:
            names = [name for (name,) in connection.execute(_PARTITIONS).fetchall()]
        return [Month(int(year), int(month)) for _, year, month in (name.rsplit("_", 2) for name in names)]

    def has_rows(self, version: ReportVersion) -> bool:
        what = str(version.billing_period)
        with _database_errors(what), psycopg.connect(**self._parameters, autocommit=True) as connection:
            key = (version.billing_period.first_day, version.version)
            return connection.execute(_HAS_ROWS, key).fetchone() == (True,)


class VersionRows:
    """The rows of one version, while they are held."""

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]], version: ReportVersion) -> None:
        self._connection = connection
        self._version = version.version
        self._period = version.billing_period

    def replace(self, batches: Iterable[Lines], rows: int, report: Report) -> Stored:
        """Puts the rows in the place of what a broken-off import of the same version has left."""
        ensure_partition(self._connection, self._period)
        with self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.execute(_DELETE, self._key)
            done, digest = 0, sha256()
            with cursor.copy(_COPY) as copy:
                for batch in batches:
                    digest.update(batch.text)
                    copy.write(self._addressed(batch.text))
                    done += batch.rows
                    report(Progress(step="storing", done=done, whole=rows))
            stored = self._read_back(digest.hexdigest())
            if stored.rows != done:  # a row of zero cost would not be missed in the totals
                raise damaged(f"PostgreSQL has kept {stored.rows:,} of {done:,} rows", "NotReconciled")
            return stored

    def replace_claimed(self, batches: Iterable[Lines]) -> int:
        """The same for the rows of claimed resources. Answers with how many there are."""
        done = 0
        with self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.execute(_DELETE_CLAIMED, self._key)
            with cursor.copy(_COPY_CLAIMED) as copy:
                for batch in batches:
                    copy.write(self._addressed(batch.text))
                    done += batch.rows
        return done

    def discard(self) -> None:
        """Takes away the rows of a version that was refused, or that nobody needs any more."""
        with self._connection.transaction():
            self._connection.execute(_DELETE, self._key)
            self._connection.execute(_DELETE_CLAIMED, self._key)

    @property
    def _key(self) -> tuple[date, str]:
        return self._period.first_day, self._version

    def _addressed(self, lines: bytes) -> bytes:
        """With period and version at the end of each line."""
        version = self._version.replace('"', '""')
        return lines.replace(b"\n", f',{self._period.first_day},"{version}"\n'.encode())

    def _read_back(self, rows_hash: str) -> Stored:
        found = self._connection.execute(_TOTALS, self._key).fetchall()
        return Stored(
            rows=sum(count for _, count, *_ in found),
            totals={
                metric: trimmed({charge_type: sums[place] for charge_type, _, *sums in found})
                for place, metric in enumerate(METRICS)
            },
            rows_hash=rows_hash,
        )


def ensure_partition(connection: psycopg.Connection[tuple[Any, ...]], period: Month) -> None:
    """Makes the partition of a billing period, if nobody has; safe in any number of processes at once."""
    name = f"cost_rows_{period.year:04d}_{period.month:02d}"
    if connection.execute(_HAS_PARTITION, (name,)).fetchone():
        return
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_PARTITIONS_LOCK,))
        if not connection.execute(_HAS_PARTITION, (name,)).fetchone():
            statement = sql.SQL(_CREATE_PARTITION).format(
                partition=sql.Identifier(name), period=sql.Literal(period.first_day)
            )
            connection.execute(statement)


@contextmanager
def _database_errors(of: str) -> Iterator[None]:
    """Errors of the driver in our words: values that cannot be stored are the report's fault, the rest may pass."""
    what = f"The rows of {of}"
    try:
        yield
    except (psycopg.DataError, psycopg.IntegrityError) as error:
        raise damaged(f"{what} cannot be stored ({_first_line(error)})", "BadPart") from None
    except psycopg.Error as error:
        raise Unavailable(f"{what} could not be stored ({_first_line(error)}): it will be tried again.") from None


def _first_line(error: psycopg.Error) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
