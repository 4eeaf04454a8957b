"""Budget loads of 2026 and what they record, for the specs of their rules."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from domain.budget import AnnualApproved, Book, BudgetLoaded, BudgetRow, ProductWithdrawn, book_stream, line_stream
from domain.budget_load import (
    LoadBudget,
)
from domain.decision import Decision, Event, Stream
from domain.hierarchy import NodePath
from tests.domain.specs import (
    ADMIN,
    CHECKOUT,
    SEARCH,
    command_id,
    decide,
    fold,
)

CART = NodePath(("Retail", "Digital", "App", "Cart"))
LABELS = ("Unit", "Department", "Portfolio", "Product")
JULY = date(2026, 7, 1)
ALL = (CHECKOUT, SEARCH, CART)


def row(product: NodePath = CHECKOUT, annual: str = "1200.00", **fields: Any) -> BudgetRow:
    return BudgetRow(product=product, annual=Decimal(annual), **fields)


def load(*rows: BudgetRow, **fields: Any) -> LoadBudget:
    shared = {
        "command_id": command_id(),
        "actor": "x",
        "fiscal_year": 2026,
        "content_hash": "a" * 64,
        "customer": "Acme",
        "option": "Budget",
        "file_version": "v1",
        "is_new": False,
        "is_override": False,
        "effective_on": JULY,
        "labels": LABELS,
        "rows": rows,
    }
    return LoadBudget.model_validate(shared | fields)


def change(*rows: BudgetRow, **fields: Any) -> LoadBudget:
    return load(*rows, **({"content_hash": "c" * 64} | fields))


def override(*rows: BudgetRow, **fields: Any) -> LoadBudget:
    return load(*rows, **({"content_hash": "d" * 64, "is_override": True, "known": ALL} | fields))


FIRST = load(row(), row(SEARCH, "600.00"), row(CART, "0.05"), is_new=True)
LOADED = list(decide(FIRST, ADMIN).events)


def facts_of(decision: Decision, stream: Stream) -> list[Any]:
    return [event.fact for event in decision.events if event.stream == stream]


def book_of(events: Iterable[Event]) -> Book:
    found: Book = fold(events, [book_stream(2026)])[book_stream(2026)]
    return found


def entry(decision: Decision) -> BudgetLoaded:
    (fact,) = facts_of(decision, book_stream(2026))
    assert isinstance(fact, BudgetLoaded)
    return fact


def line_fact(decision: Decision, product: NodePath) -> AnnualApproved | ProductWithdrawn | None:
    found = facts_of(decision, line_stream(2026, product))
    assert len(found) < 2
    return found[0] if found else None


def with_schedule(facts: list[Event]) -> list[Event]:
    """A year whose Checkout has this schedule and a budget of 1,200.00."""
    return [*LOADED, *(event for event in facts if event.stream.category in ("schedule", "closing"))]
