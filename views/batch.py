"""One batch of events, folded into all tables of one generation in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, localcontext
from typing import Any, cast

from psycopg import Cursor

from domain.cost import PeriodImported
from domain.decision import Fact, Organization, RecordedEvent
from domain.money import EXACT
from views.tables import Rows, Table

ZERO = Decimal(0)


class BrokenLog(Exception):
    """An event that the views cannot make sense of. They stop here rather than skip it."""


@dataclass(slots=True)
class Change:
    """What a batch adds to a product's year, or to one month of it."""

    parts: int = 0
    """Budget lines, approved schedules and account shares that contribute; a row without any does not exist."""
    lines: int = 0
    approved: int = 0
    annual: Decimal = ZERO
    planned: Decimal = ZERO
    actual: Decimal = ZERO

    def add(self, other: Change) -> None:
        """Most changes are of one amount only, and exact sums take their time."""
        self.parts += other.parts
        self.lines += other.lines
        self.approved += other.approved
        if other.annual:
            self.annual += other.annual
        if other.planned:
            self.planned += other.planned
        if other.actual:
            self.actual += other.actual


def add_to[K](changes: dict[K, Change], key: K, change: Change) -> None:
    known = changes.get(key)
    if known is None:
        known = changes[key] = Change()
    known.add(change)


@dataclass(slots=True)
class Changes:
    """What the folds of a batch leave to be settled together at its end."""

    years: dict[tuple[int, str], Change] = field(default_factory=dict)
    """By fiscal year and product."""
    months: dict[tuple[int, str, str], Change] = field(default_factory=dict)
    """By fiscal year, product and month."""
    imported: list[tuple[PeriodImported, str]] = field(default_factory=list)
    """Imports, each with the version of the same payer that was in force before; empty for the first one."""
    realigned: dict[str, set[date]] = field(default_factory=dict)
    """Accounts with new allocations, and the days from which these hold."""
    claimed: dict[str, date] = field(default_factory=dict)
    """Accounts in which resources were claimed or released, and the first day that this changes."""
    measured_from: int | None = None
    """The first fiscal year that another metric was chosen for."""
    products: dict[tuple[str, int], None] = field(default_factory=dict)
    """Products and years whose schedule or budget line changed, or that somebody was reminded of; in order."""
    accounts: dict[str, None] = field(default_factory=dict)
    """Accounts of which anything was recorded, or whose turn somebody was reminded of; in order."""
    seats: set[tuple[str, str]] = field(default_factory=set)
    """Personas on nodes whose holders changed."""

    def year(self, fiscal_year: int, product: str, change: Change) -> None:
        add_to(self.years, (fiscal_year, product), change)

    def month(self, fiscal_year: int, product: str, month: str, change: Change) -> None:
        """Counts for the year as well."""
        add_to(self.months, (fiscal_year, product, month), change)
        add_to(self.years, (fiscal_year, product), change)


class Batch:
    """The rows and changes of one batch."""

    def __init__(self, cursor: Cursor[Any], generation: int, organization: Organization) -> None:
        self.cursor = cursor
        self.generation = generation
        self.organization = organization
        self.changes = Changes()
        self._rows: dict[str, Rows[Any]] = {}

    def rows[R: tuple[Any, ...]](self, table: Table[R]) -> Rows[R]:
        if (rows := self._rows.get(table.name)) is None:
            rows = self._rows[table.name] = Rows(table, self.generation)
        return cast("Rows[R]", rows)

    def load(self) -> None:
        """Every table is asked before the first answer is read: one round trip."""
        connection = self.cursor.connection
        with connection.pipeline():
            asked = [(rows, answer) for rows in self._rows.values() if (answer := rows.ask(connection)) is not None]
        for rows, answer in asked:
            rows.take(answer)

    def write(self, *tables: Table[Any]) -> None:
        """Before the end of the batch, for what is computed from these tables where they are stored."""
        for table in tables:
            self.rows(table).flush(self.cursor)

    def flush(self) -> None:
        """The server writes the rows of one table while those of the next one are packed."""
        with self.cursor.connection.pipeline():
            for rows in self._rows.values():
                rows.flush(self.cursor)


type Step = Callable[[Batch, RecordedEvent, Any], None]


@dataclass(frozen=True, slots=True)
class Projection:
    """A family of tables and how events change them; only the log and the cost rows it names may be read."""

    tables: tuple[Table[Any], ...]
    facts: tuple[type[Fact], ...] = ()
    wants: Step = lambda batch, event, fact: None
    """Announces the rows that `fold` will ask for."""
    fold: Step = lambda batch, event, fact: None
    settle: Callable[[Batch], None] = lambda batch: None
    """Runs once at the end of a batch, for what is a function of other rows; in the order of the registry."""


def apply_events(batch: Batch, events: Sequence[RecordedEvent], projections: Iterable[Projection]) -> None:
    """Folds the events, in order, and writes the rows. The caller owns the transaction and the position."""
    projections = tuple(projections)
    handlers: dict[type[Fact], list[Projection]] = {}
    for projection in projections:
        for fact_type in projection.facts:
            handlers.setdefault(fact_type, []).append(projection)
    for event in events:
        if type(event.fact) not in handlers:
            raise BrokenLog(f"No view knows the fact {event.fact.fact_name!r} at log position {event.position}.")
        for projection in handlers[type(event.fact)]:
            projection.wants(batch, event, event.fact)
    batch.load()
    with localcontext(EXACT):  # so that + and - of amounts never round
        for event in events:
            for projection in handlers[type(event.fact)]:
                projection.fold(batch, event, event.fact)
        for projection in projections:
            projection.settle(batch)
    batch.flush()


def missing(event: RecordedEvent, what: str) -> BrokenLog:
    return BrokenLog(f"{event.fact.fact_name} at log position {event.position}: there is no {what}.")
