"""The projector, all views at once, side by side with a pure SQL fold of the same log into the same tables.

    python -m bench.projector

The SQL (projector_fold.sql) is given everything at once: the whole log, no position, no earlier rows, one pass a table.
The projector works through it in batches, each of which leaves all tables and the position right. Both write tables
with the same columns, keys and indexes, and every row is compared before anything is timed.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from bench.rows import Row
from domain.decision import Organization
from embedded.postgres import Postgres
from ledger.ledger import Ledger
from ledger.migrate import migrate
from rights.cedar import CedarRights
from tests.views.given import append, store_costs
from tests.views.random_company import RandomCompany
from views.generations import MIGRATED_GENERATION, create_next, drop_all_but_live
from views.projector import CATCH_UP_EVENTS_MAX, LIVE_EVENTS_MAX, connect, fold_batch
from views.registry import TABLES

EVENTS = 20_000
PRODUCTS = 4_000
ACCOUNTS = 400
PERIODS = 12
IMPORT_EVERY = 2_000
"""Events from one import of a cost report to the next; each has 12 rows an account."""
ROUNDS = 3
AIM = 0.25
SEED = 4
SQL_GENERATION = 0
FOLD = (Path(__file__).parent / "projector_fold.sql").read_bytes()


def measure() -> list[Row]:
    with (
        database() as url,
        Ledger(url, Organization(), rights=CedarRights(), pool_size=1) as ledger,
        connect(url) as connection,
    ):
        by_sql(connection)
        by_projector(connection, ledger, CATCH_UP_EVENTS_MAX)
        check_same(connection)
        rounds = [one_round(connection, ledger) for _ in range(ROUNDS)]
    rates = [EVENTS / statistics.median(seconds) for seconds in zip(*rounds, strict=True)]
    ratios = [statistics.median(one[0] / one[way] for one in rounds) for way in (1, 2)]
    peer = f"{rates[0]:,.0f}/s"
    return [
        Row(
            f"projector, {LIVE_EVENTS_MAX} events a transaction, to a SQL fold",
            f"{rates[1]:,.0f}/s",
            peer,
            ratios[0],
            AIM,
        ),
        Row(f"projector, {CATCH_UP_EVENTS_MAX:,} events, as in a rebuild", f"{rates[2]:,.0f}/s", peer, ratios[1], AIM),
    ]


@contextmanager
def database() -> Iterator[str]:
    """With a log of mixed events and the cost rows that it names."""
    company = RandomCompany(
        SEED,
        accounts=ACCOUNTS,
        products=PRODUCTS,
        periods=PERIODS,
        import_every=IMPORT_EVERY,
        whole_process=False,  # the SQL knows submissions and decisions; rows of all facts are compared in tests/views
    )
    with tempfile.TemporaryDirectory() as directory:
        server = Postgres(Path(directory) / "postgres", Path(directory) / "postgres.log")
        try:
            server.start()
            migrate(server.url())
            append(server.url(), company.events(EVENTS))
            store_costs(server.url(), company.costs)
            with psycopg.connect(server.url(), autocommit=True) as connection:
                connection.execute("VACUUM ANALYZE")
            yield server.url()
        finally:
            server.stop()
            server.remove()


def one_round(connection: psycopg.Connection[Any], ledger: Ledger) -> tuple[float, float, float]:
    """Seconds of the SQL fold, and of the projector in small and in large batches."""
    return (
        by_sql(connection),
        by_projector(connection, ledger, LIVE_EVENTS_MAX),
        by_projector(connection, ledger, CATCH_UP_EVENTS_MAX),
    )


def by_sql(connection: psycopg.Connection[Any]) -> float:
    """Into tables of the same shape, which stay for comparison."""
    for table in TABLES:
        connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(table.named(SQL_GENERATION)))
        for statement in table.create(SQL_GENERATION):
            connection.execute(statement.encode())
    started = time.perf_counter()
    with connection.transaction():
        connection.execute(FOLD)
    return time.perf_counter() - started


def by_projector(connection: psycopg.Connection[Any], ledger: Ledger, batch_events_max: int) -> float:
    """Into a generation of its own, which stays for comparison until the next one."""
    drop_all_but_live(connection)
    generation = create_next(connection)
    started = time.perf_counter()
    while events := ledger.follow(generation.position, batch_events_max):
        with connection.transaction():
            moved = fold_batch(connection, generation, events, Organization())
        assert moved is not None
        generation = moved
    return time.perf_counter() - started


def check_same(connection: psycopg.Connection[Any]) -> None:
    """Raises where the two disagree in a single row."""
    query = sql.SQL("SELECT t::text FROM {} t ORDER BY 1")
    for table in TABLES:
        sides = [
            [text for (text,) in connection.execute(query.format(table.named(generation)))]
            for generation in (SQL_GENERATION, MIGRATED_GENERATION + 1)
        ]
        if sides[0] != sides[1]:
            different = sorted(set(sides[0]) ^ set(sides[1]))[:4]
            raise AssertionError(f"{table.name}: {len(sides[0])} and {len(sides[1])} rows, such as {different}")


if __name__ == "__main__":
    for row in measure():
        print(f"{row.what}: {row.ours} to {row.peer}, ratio {row.ratio:.2f}")
