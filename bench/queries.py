"""What waits for somebody, and the rollup, on 50,000 products of 12 months, side by side with the same SQL by hand.

    python -m bench queries

The views are filled by the projector from the events of a year: budget lines, grants, schedules submitted and approved,
some of them waiting and escalated. By hand means what somebody would type who knows the tables: one statement for one
question, its rows as they come. What the two find is compared before anything is timed.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

from bench.rows import Row
from domain.decision import Event, Organization, Persona, PersonId
from domain.hierarchy import NodePath
from domain.schedule import schedule_stream
from embedded.postgres import Postgres
from ledger.migrate import migrate
from tests.views.given import ListLog, approved, granted, line, loaded, person, registered, submitted, vended
from tests.views.given_process import escalated
from views.generations import live
from views.projector import CATCH_UP_EVENTS_MAX, Projector
from views.queries import TASKS_MAX, Views
from views.registry import TABLES

UNITS, DEPARTMENTS, PORTFOLIOS, PRODUCTS = 10, 10, 10, 50
"""Of each node above: 50,000 products in all. A portfolio's products have one owner, a department's portfolios, too."""
ACCOUNTS = 100
"""Not allocated yet."""
ESCALATED_EVERY = 25
"""One product of so many waits for its approval, and that was escalated."""
YEAR, TODAY = 2026, date(2026, 6, 1)
CALLS = 100
WARM_UP_CALLS = 10
P95_MAX_MS = 50
AMOUNT = "100.00"

DRAFTING = "Unit 0/Dept 0/Folio 0"
"""The portfolio where nothing was submitted: its products' owner has 50 tasks."""
DECIDING = "Unit 1/Dept 1"
"""The department where everything was submitted and nothing decided: its portfolios' owner has 500 tasks."""
ADMIN = person("financial admin")

_TASKS = """
SELECT t.kind, t.subject, t.fiscal_year, t.persona, t.node, t.version, t.detail, t.since FROM tasks t
JOIN grants g ON g.persona = t.persona AND g.node = t.node
WHERE g.person_id = %s AND NOT g.person_id::text = ANY(t.not_by) ORDER BY t.position LIMIT %s"""
_TASKS_OF_ADMINS = """
SELECT t.kind, t.subject, t.fiscal_year, t.persona, t.node, t.version, t.detail, t.since FROM tasks t
WHERE t.to_admins OR t.persona = 'financial_admin' ORDER BY t.position LIMIT %s"""
_TOP = """
SELECT path, annual, planned, actual, lines, approved FROM rollup
WHERE fiscal_year = %s AND level <= 2 ORDER BY path"""
_BELOW = """
SELECT r.path, r.annual, r.planned, r.actual, r.lines, r.approved, s.state FROM rollup r
LEFT JOIN schedules s ON s.fiscal_year = r.fiscal_year AND s.product = r.path
WHERE r.fiscal_year = %(year)s AND (r.path = %(node)s OR (r.path > %(node)s || '/' AND r.path < %(node)s || '0'))
ORDER BY r.path"""


class Question(NamedTuple):
    what: str
    ours: Callable[[Views], list[str]]
    """What it is about, for comparison."""
    sql: str
    parameters: Any
    column: int
    """Where the statement says the same."""


def measure() -> list[Row]:
    with database() as url, Views(url) as views, psycopg.connect(url, autocommit=True) as connection:
        for question in questions():
            by_hand = [row[question.column] for row in connection.execute(question.sql.encode(), question.parameters)]
            if sorted(question.ours(views)) != sorted(by_hand):
                raise AssertionError(f"{question.what}: the views and the statement by hand find different things")
        rows, slowest_ms = [], 0.0
        for question in questions():
            row, p95_ms = side_by_side(views, connection, question)
            rows.append(row)
            slowest_ms = max(slowest_ms, p95_ms)
    limit = Row(
        f"the slowest of them at p95, to {P95_MAX_MS} ms",
        f"{slowest_ms:.1f} ms",
        f"{P95_MAX_MS} ms",
        slowest_ms / P95_MAX_MS,
        1,
        at_most=True,
    )
    return [*rows, limit]


def side_by_side(views: Views, connection: psycopg.Connection[Any], question: Question) -> tuple[Row, float]:
    """The row of the table, and our 95th percentile in ms."""
    statement, ours, peer = question.sql.encode(), [], []
    for call in range(WARM_UP_CALLS + CALLS):
        started = time.perf_counter()
        question.ours(views)
        between = time.perf_counter()
        connection.execute(statement, question.parameters).fetchall()
        if call >= WARM_UP_CALLS:
            ours.append((between - started) * 1000)
            peer.append((time.perf_counter() - between) * 1000)
    ratio = statistics.median(a / b for a, b in zip(ours, peer, strict=True))
    return Row(question.what, _text(ours), _text(peer), ratio), _percentile(ours, 95)


def questions() -> list[Question]:
    def tasks(who: PersonId) -> Callable[[Views], list[str]]:
        return lambda views: [task.subject for task in views.tasks(who, TODAY)]

    def rollup(node: NodePath, depth: int) -> Callable[[Views], list[str]]:
        return lambda views: [str(row.path) for row in views.rollup(YEAR, node, depth).rows]

    owner, decider = product_owner(DRAFTING), portfolio_owner(DECIDING)
    return [
        Question("tasks of a product owner, 50", tasks(owner), _TASKS, [owner, TASKS_MAX], 1),
        Question("tasks of a portfolio owner, 500", tasks(decider), _TASKS, [decider, TASKS_MAX], 1),
        Question(f"tasks of a financial admin, {TASKS_MAX:,}", tasks(ADMIN), _TASKS_OF_ADMINS, [TASKS_MAX], 1),
        Question("rollup of the organization, 2 levels", rollup(NodePath.ROOT, 2), _TOP, [YEAR], 0),
        Question(
            "rollup of a portfolio and its products",
            rollup(NodePath.parse(f"{DECIDING}/Folio 3"), 1),
            _BELOW,
            {"year": YEAR, "node": f"{DECIDING}/Folio 3"},
            0,
        ),
    ]


@contextmanager
def database() -> Iterator[str]:
    """With views of a year's events."""
    with tempfile.TemporaryDirectory() as directory:
        server = Postgres(Path(directory) / "postgres", Path(directory) / "postgres.log")
        try:
            server.start()
            migrate(server.url())
            fill(server.url())
            yield server.url()
        finally:
            server.stop()
            server.remove()


def fill(database_url: str) -> None:
    log = ListLog(*events())
    Projector(log, database_url, Organization(), batch_events_max=CATCH_UP_EVENTS_MAX).catch_up()
    with psycopg.connect(database_url, autocommit=True) as connection:
        with connection.cursor() as cursor:
            number = live(cursor).number
        for table in TABLES:
            connection.execute(f"VACUUM ANALYZE {table.name}_v{number}".encode())


def events() -> Iterator[Event]:
    products = list(all_products())
    yield loaded(len(products), str(1200 * len(products)), YEAR)
    yield from (line(product, "1200.00", YEAR) for product in products)
    yield from (registered(ADMIN), granted(ADMIN, Persona.FINANCIAL_ADMIN))
    for product in products:
        yield granted(product_owner(product.rpartition("/")[0]), Persona.PRODUCT_OWNER, product)
    for portfolio in dict.fromkeys(product.rpartition("/")[0] for product in products):
        yield granted(portfolio_owner(portfolio.rpartition("/")[0]), Persona.PORTFOLIO_OWNER, portfolio)
    yield from (vended(f"{number:012d}") for number in range(1, ACCOUNTS + 1))
    _, template = submitted(products[0], AMOUNT, fiscal_year=YEAR)
    for number, product in enumerate(products):
        if product.startswith(f"{DRAFTING}/"):
            continue
        path, owner = NodePath.parse(product), product_owner(product.rpartition("/")[0])
        fact = template.model_copy(update={"product": path, "submitted_by": owner})
        yield Event(schedule_stream(YEAR, path), fact)
        if number % ESCALATED_EVERY == 0:
            yield escalated(product, 1, YEAR)
        elif not product.startswith(f"{DECIDING}/"):
            yield approved(product, YEAR)


def all_products() -> Iterator[str]:
    for unit in range(UNITS):
        for department in range(DEPARTMENTS):
            for portfolio in range(PORTFOLIOS):
                for product in range(PRODUCTS):
                    yield f"Unit {unit}/Dept {department}/Folio {portfolio}/Product {product}"


@lru_cache(UNITS * DEPARTMENTS * PORTFOLIOS)
def product_owner(portfolio: str) -> PersonId:
    return person(f"product owner of {portfolio}")


def portfolio_owner(department: str) -> PersonId:
    return person(f"portfolio owner of {department}")


def _text(times_ms: list[float]) -> str:
    return f"{_percentile(times_ms, 50):.1f} ms, p95 {_percentile(times_ms, 95):.1f} ms"


def _percentile(times_ms: list[float], percent: int) -> float:
    return statistics.quantiles(times_ms, n=100)[percent - 1]


if __name__ == "__main__":
    for row in measure():
        print(f"{row.what}: {row.ours} to {row.peer}, ratio {row.ratio:.2f}")
