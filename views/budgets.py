"""Approved budgets: the book of each fiscal year, its budget lines, and the hierarchy they stand in."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from pydantic_core import to_json

from domain.budget import AnnualApproved, BudgetLoaded
from domain.decision import Fact, RecordedEvent
from domain.money import plain
from views.batch import Batch, Change, Projection
from views.paths import lineage, path_text
from views.tables import Json, Table


class BookRow(NamedTuple):
    fiscal_year: int
    labels: Json
    """What the customer calls the four levels."""
    customer: str
    option: str
    file_version: str
    content_hash: str
    effective_on: date
    currency: str
    products: int
    total: Decimal
    loaded_at: datetime


class LineRow(NamedTuple):
    fiscal_year: int
    product: str
    annual: Decimal
    currency: str
    effective_on: date
    estimated: Decimal | None
    code: str
    owner: UUID | None
    proposal: Json | None
    content_hash: str
    recorded_at: datetime


class NodeRow(NamedTuple):
    fiscal_year: int
    path: str
    level: int
    parent: str
    name: str


BOOKS = Table("budget_books", BookRow, key=1)
LINES = Table("budget_lines", LineRow, key=2)
HIERARCHY = Table("hierarchy", NodeRow, key=2, indexes=("(fiscal_year, parent)",))


def wants(batch: Batch, _: RecordedEvent, fact: Fact) -> None:
    match fact:
        case BudgetLoaded():
            batch.rows(BOOKS).want(fact.fiscal_year)
        case AnnualApproved():
            product = path_text(fact.product)
            batch.rows(LINES).want(fact.fiscal_year, product)
            for path in lineage(product)[1:]:
                batch.rows(HIERARCHY).want(fact.fiscal_year, path)


def fold(batch: Batch, event: RecordedEvent, fact: Fact) -> None:
    match fact:
        case BudgetLoaded():
            batch.rows(BOOKS).put(_book(event, fact))
        case AnnualApproved():
            _fold_line(batch, event, fact)


def _book(event: RecordedEvent, fact: BudgetLoaded) -> BookRow:
    return BookRow(
        fiscal_year=fact.fiscal_year,
        labels=Json(to_json(fact.labels).decode()),
        customer=fact.customer,
        option=fact.option,
        file_version=fact.file_version,
        content_hash=fact.content_hash,
        effective_on=fact.effective_on,
        currency=fact.currency,
        products=fact.products,
        total=fact.total,
        loaded_at=event.recorded_at,
    )


def _fold_line(batch: Batch, event: RecordedEvent, fact: AnnualApproved) -> None:
    lines, product = batch.rows(LINES), path_text(fact.product)
    before = lines.get(fact.fiscal_year, product)
    if before is None:
        _add_nodes(batch, fact, product)
        change = Change(parts=1, lines=1, annual=fact.annual)
    else:
        change = Change(annual=fact.annual - before.annual)
    batch.changes.year(fact.fiscal_year, product, change)
    proposal = {str(month): plain(amount) for month, amount in fact.proposal.items()}
    lines.put(
        LineRow(
            fiscal_year=fact.fiscal_year,
            product=product,
            annual=fact.annual,
            currency=fact.currency,
            effective_on=fact.effective_on,
            estimated=fact.estimated,
            code=fact.code,
            owner=fact.owner,
            proposal=Json(to_json(proposal).decode()) if proposal else None,
            content_hash=fact.content_hash,
            recorded_at=event.recorded_at,
        )
    )


def _add_nodes(batch: Batch, fact: AnnualApproved, product: str) -> None:
    nodes, paths = batch.rows(HIERARCHY), lineage(product)
    for level in range(len(paths) - 1, 0, -1):
        if nodes.get(fact.fiscal_year, paths[level]) is not None:
            return  # and so are those above it
        name = fact.product.parts[level - 1]
        nodes.put(NodeRow(fact.fiscal_year, paths[level], level, paths[level - 1], name))


PROJECTION = Projection((BOOKS, LINES, HIERARCHY), (BudgetLoaded, AnnualApproved), wants, fold)
