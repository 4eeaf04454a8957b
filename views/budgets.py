"""Approved budgets: the book of each fiscal year, its loads, its budget lines, and the hierarchy they stand in."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from pydantic_core import to_json

from domain.budget import AnnualApproved, BudgetLoaded, ProductWithdrawn
from domain.decision import Fact, RecordedEvent
from domain.money import plain
from views.batch import Batch, Change, Projection, missing
from views.paths import lineage, path_text
from views.schedule_rows import SCHEDULES
from views.tables import Json, Table


class BookRow(NamedTuple):
    fiscal_year: int
    labels: Json
    """What the customer calls the four levels, as the last file said."""
    currency: str
    loads: int
    products: int
    """Different ones that the year has ever had; withdrawn ones stay among them."""
    loaded_at: datetime


class LoadRow(NamedTuple):
    fiscal_year: int
    ordinal: int
    """First, second, … load of the year."""
    mode: str
    customer: str
    option: str
    file_version: str
    content_hash: str
    effective_on: date
    currency: str
    products: int
    """Rows of the file."""
    total: Decimal
    """Of the rows of the file."""
    added: int
    changed: int
    withdrawn: int
    loaded_by: UUID
    loaded_at: datetime


class LineRow(NamedTuple):
    fiscal_year: int
    product: str
    annual: Decimal
    currency: str
    effective_on: date
    withdrawn: bool
    """Not in the year's budget any more; `annual` is what remains."""
    estimated: Decimal | None
    code: str
    owner: UUID | None
    proposal: Json | None
    content_hash: str
    added_at: datetime
    """When it came into the budget, or came back."""
    added_position: int
    recorded_at: datetime


class NodeRow(NamedTuple):
    fiscal_year: int
    path: str
    level: int
    parent: str
    name: str


BOOKS = Table("budget_books", BookRow, key=1)
LOADS = Table("budget_loads", LoadRow, key=2)
LINES = Table("budget_lines", LineRow, key=2, indexes=("(code, fiscal_year) WHERE code <> ''",))
HIERARCHY = Table("hierarchy", NodeRow, key=2, indexes=("(fiscal_year, parent)",))


def wants(batch: Batch, event: RecordedEvent, fact: Fact) -> None:
    match fact:
        case BudgetLoaded():
            batch.rows(BOOKS).want(fact.fiscal_year)
            batch.rows(LOADS).want(fact.fiscal_year, event.stream_version)
        case AnnualApproved() | ProductWithdrawn():
            product = path_text(fact.product)
            batch.rows(LINES).want(fact.fiscal_year, product)
            batch.rows(SCHEDULES).want(fact.fiscal_year, product)
            for path in lineage(product)[1:]:
                batch.rows(HIERARCHY).want(fact.fiscal_year, path)


def fold(batch: Batch, event: RecordedEvent, fact: Fact) -> None:
    match fact:
        case BudgetLoaded():
            _fold_load(batch, event, fact)
        case AnnualApproved():
            _fold_line(batch, event, fact)
        case ProductWithdrawn():
            _fold_withdrawal(batch, event, fact)


def _fold_load(batch: Batch, event: RecordedEvent, fact: BudgetLoaded) -> None:
    books = batch.rows(BOOKS)
    before = books.get(fact.fiscal_year)
    added = fact.products if fact.added is None else fact.added
    books.put(
        BookRow(
            fiscal_year=fact.fiscal_year,
            labels=Json(to_json(fact.labels).decode()),
            currency=fact.currency,
            loads=(before.loads if before else 0) + 1,
            products=(before.products if before else 0) + added,
            loaded_at=event.recorded_at,
        )
    )
    batch.rows(LOADS).put(
        LoadRow(
            fiscal_year=fact.fiscal_year,
            ordinal=event.stream_version,
            mode=fact.mode,
            customer=fact.customer,
            option=fact.option,
            file_version=fact.file_version,
            content_hash=fact.content_hash,
            effective_on=fact.effective_on,
            currency=fact.currency,
            products=fact.products,
            total=fact.total,
            added=added,
            changed=fact.changed,
            withdrawn=fact.withdrawn,
            loaded_by=event.actor,
            loaded_at=event.recorded_at,
        )
    )


def _fold_line(batch: Batch, event: RecordedEvent, fact: AnnualApproved) -> None:
    lines, product = batch.rows(LINES), path_text(fact.product)
    before = lines.get(fact.fiscal_year, product)
    if before is None:
        _add_nodes(batch, fact, product)
        change = Change(parts=1, lines=1, annual=fact.annual)
    elif before.withdrawn:
        approved = _in_force(batch, fact.fiscal_year, product)
        change = Change(lines=1, approved=approved, annual=fact.annual - before.annual)
    else:
        change = Change(annual=fact.annual - before.annual)
    batch.changes.year(fact.fiscal_year, product, change)
    stayed = before if before is not None and not before.withdrawn else None
    proposal = {str(month): plain(amount) for month, amount in fact.proposal.items()}
    lines.put(
        LineRow(
            fiscal_year=fact.fiscal_year,
            product=product,
            annual=fact.annual,
            currency=fact.currency,
            effective_on=fact.effective_on,
            withdrawn=False,
            estimated=fact.estimated,
            code=fact.code,
            owner=fact.owner,
            proposal=Json(to_json(proposal).decode()) if proposal else None,
            content_hash=fact.content_hash,
            added_at=stayed.added_at if stayed else event.recorded_at,
            added_position=stayed.added_position if stayed else event.position,
            recorded_at=event.recorded_at,
        )
    )


def _fold_withdrawal(batch: Batch, event: RecordedEvent, fact: ProductWithdrawn) -> None:
    """What remains still counts; the product itself is none of those that have to be planned any more."""
    lines, product = batch.rows(LINES), path_text(fact.product)
    before = lines.get(fact.fiscal_year, product)
    if before is None:
        raise missing(event, f"budget line of {product} for {fact.fiscal_year}")
    change = Change(annual=fact.annual - before.annual)
    if not before.withdrawn:
        change.lines, change.approved = -1, -_in_force(batch, fact.fiscal_year, product)
    batch.changes.year(fact.fiscal_year, product, change)
    lines.put(
        before._replace(
            annual=fact.annual,
            currency=fact.currency,
            effective_on=fact.effective_on,
            withdrawn=True,
            proposal=None,
            content_hash=fact.content_hash,
            recorded_at=event.recorded_at,
        )
    )


def _in_force(batch: Batch, fiscal_year: int, product: str) -> int:
    schedule = batch.rows(SCHEDULES).get(fiscal_year, product)
    return int(schedule is not None and schedule.approved is not None)


def _add_nodes(batch: Batch, fact: AnnualApproved, product: str) -> None:
    nodes, paths = batch.rows(HIERARCHY), lineage(product)
    for level in range(len(paths) - 1, 0, -1):
        if nodes.get(fact.fiscal_year, paths[level]) is not None:
            return  # and so are those above it
        name = fact.product.parts[level - 1]
        nodes.put(NodeRow(fact.fiscal_year, paths[level], level, paths[level - 1], name))


PROJECTION = Projection((BOOKS, LOADS, LINES, HIERARCHY), (BudgetLoaded, AnnualApproved, ProductWithdrawn), wants, fold)
