"""A budget of 10,000 products with months, from the file store until the views show it, beside COPY of the same rows.

    python -m bench load

Ours reads the file, checks every cell, records an event a product and folds them into the views. COPY writes rows that
somebody else has made, the budget lines as the views hold them, into an equal table.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import psycopg
from temporalio.testing import ActivityEnvironment

from activities.budget_files import BudgetFiles
from bench.rows import Row
from domain.calendar import FiscalCalendar
from domain.decision import Accepted, Channel, Organization, Persona
from domain.people_commands import GrantPersona, RegisterPerson
from domain.process import BudgetFile, LoadTerms
from embedded.postgres import Postgres
from file_store import FileStore
from ledger.ledger import Ledger
from ledger.migrate import migrate
from rights.cedar import CedarRights
from views.projector import Projector

PRODUCTS = 10_000
PRODUCTS_OF_A_PORTFOLIO = 25
OWNERS = 50
ROUNDS = 3
FIRST_YEAR = 2026
FINANCE = "finance@example.com"
TABLE = "bench_lines"


class Took(NamedTuple):
    """Seconds."""

    recorded: float
    """From the file store to the answer."""
    visible: float
    """From the file store until the views show it."""
    copied: float


def measure() -> list[Row]:
    with (
        tempfile.TemporaryDirectory() as directory,
        database(Path(directory)) as url,
        Ledger(url, Organization(), rights=CedarRights(), pool_size=4) as ledger,
    ):
        _hire(ledger)
        desk = _Desk(url, ledger, FileStore(str(Path(directory) / "files")))
        desk.one_round(FIRST_YEAR)  # warms up
        return rows([desk.one_round(FIRST_YEAR + number) for number in range(1, ROUNDS + 1)])


def rows(rounds: list[Took]) -> list[Row]:
    """Which part of COPY's speed it reaches."""
    copied = _rate([took.copied for took in rounds])
    return [
        Row(f"budget load of {PRODUCTS:,} products {what} : COPY", _rate(seconds), copied, ratio)
        for what, seconds, ratio in (
            ("recorded", [t.recorded for t in rounds], statistics.median(t.copied / t.recorded for t in rounds)),
            ("visible", [t.visible for t in rounds], statistics.median(t.copied / t.visible for t in rounds)),
        )
    ]


def _rate(seconds: list[float]) -> str:
    return f"{PRODUCTS / statistics.median(seconds):,.0f} products/s"


class _Desk:
    """Finance with its files, and a table to compare with."""

    def __init__(self, url: str, ledger: Ledger, store: FileStore) -> None:
        self._url, self._store = url, store
        self._files = BudgetFiles(ledger, store, Organization(), url)
        self._projector = Projector(ledger, url, Organization())

    def one_round(self, year: int) -> Took:
        file = BudgetFile(
            command_id=uuid4(),
            actor=FINANCE,
            content_hash=self._store.put(content(year)),
            file_name="budget.csv",
            terms=LoadTerms(
                customer="Example", fiscal_year=year, is_new=True, effective_on=f"{year}-01-01", is_override=False
            ),
        )
        started = time.perf_counter()
        result = ActivityEnvironment().run(self._files.load, file)
        recorded = time.perf_counter() - started
        self._projector.catch_up()
        visible = time.perf_counter() - started
        if (result.status, result.products) != ("loaded", PRODUCTS):
            raise RuntimeError(result.message)
        return Took(recorded, visible, self._copied(year))

    def _copied(self, year: int) -> float:
        """Seconds for the year's budget lines, as text, into an empty table with the same columns and key."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(f"DROP TABLE IF EXISTS {TABLE}")
            connection.execute(f"CREATE TABLE {TABLE} AS TABLE budget_lines WITH NO DATA")
            connection.execute(f"ALTER TABLE {TABLE} ADD PRIMARY KEY (fiscal_year, product)")
            query = f"COPY (SELECT * FROM budget_lines WHERE fiscal_year = {int(year)}) TO STDOUT"  # noqa: S608 - a number
            with connection.cursor().copy(query.encode()) as out:
                data = b"".join(bytes(block) for block in out)
            if data.count(b"\n") != PRODUCTS:
                raise RuntimeError("The views do not hold what was loaded")
            started = time.perf_counter()
            with connection.transaction(), connection.cursor().copy(f"COPY {TABLE} FROM STDIN") as into:
                into.write(data)
            return time.perf_counter() - started


def content(year: int) -> bytes:
    """A file with every column."""
    months = FiscalCalendar().months(year)
    lines = [f"Business Unit,Department,Portfolio,Product,Annual,{','.join(map(str, months))},Estimated,Code,Owner"]
    for n in range(PRODUCTS):
        portfolio = n // PRODUCTS_OF_A_PORTFOLIO
        path = f"Unit {portfolio % 4},Department {portfolio % 40},Portfolio {portfolio},Product {n}"
        amounts = [Decimal(n + month) + Decimal("0.25") for month in range(len(months))]
        figures = ",".join(map(str, (sum(amounts), *amounts)))
        lines.append(f"{path},{figures},{n},P-{n},owner{n % OWNERS}@example.com")
    return "\n".join(lines).encode()


@contextmanager
def database(directory: Path) -> Iterator[str]:
    server = Postgres(directory / "postgres", directory / "postgres.log")
    server.start()
    try:
        migrate(server.url())
        yield server.url()
    finally:
        server.stop()
        server.remove()


def _hire(ledger: Ledger) -> None:
    ledger.people.ensure(FINANCE, "Finance")
    door = {"actor": "system", "channel": Channel.SETUP, "person": FINANCE}
    for command in (
        RegisterPerson(command_id=uuid4(), **door),
        GrantPersona(command_id=uuid4(), persona=Persona.FINANCIAL_ADMIN, **door),
    ):
        outcome = ledger.record(command)
        if not isinstance(outcome, Accepted):
            raise RuntimeError(outcome.message)
