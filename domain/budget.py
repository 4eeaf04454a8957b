"""The approved budget of a fiscal year, as Finance loads it (product rules, section 3).

Two kinds of streams: the book of a fiscal year (`budget/2026`: labels and which files were loaded) and one budget line
per product and year (`budget_line/2026/Retail/Digital/Web/Checkout`). A load writes all its lines and its entry in
the book in one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from domain.calendar import Month
from domain.decision import (
    Actor,
    Command,
    Context,
    Decision,
    Event,
    Fact,
    Persona,
    PersonId,
    Rule,
    States,
    Stream,
)
from domain.errors import Refusal
from domain.hierarchy import PRODUCT_LEVEL, NodePath
from domain.model import Model
from domain.money import Amount, Money, total
from domain.people import require

ROWS_MAX = 200_000
"""Products in one budget file."""


class BudgetLoaded(Fact):
    """A file was loaded, whole. Its lines are the `budget_line` facts of the same command."""

    fact_name: ClassVar[str] = "budget.Loaded"
    fiscal_year: int
    content_hash: str
    """SHA-256 of the file's bytes, hexadecimal."""
    customer: str
    option: str
    file_version: str
    labels: tuple[str, str, str, str]
    effective_on: date
    currency: str
    products: int
    total: Amount


class AnnualApproved(Fact):
    """The annual budget of a product, as approved by Finance."""

    fact_name: ClassVar[str] = "budget_line.AnnualApproved"
    fiscal_year: int
    product: NodePath
    annual: Amount
    currency: str
    effective_on: date
    content_hash: str
    estimated: Amount | None = None
    code: str = ""
    owner: PersonId | None = None
    proposal: dict[Month, Amount] = {}
    """A ready-made schedule proposal; empty, or all twelve months."""


@dataclass(frozen=True, slots=True)
class Book:
    """What is known of a fiscal year's budget as a whole."""

    labels: tuple[str, ...] = ()
    loaded: tuple[str, ...] = ()
    """Content hashes, in order."""


@dataclass(frozen=True, slots=True)
class BudgetLine:
    """A product's approved annual budget; None before it is loaded."""

    annual: Money | None = None
    proposal: Mapping[Month, Decimal] | None = None


def evolve_book(book: Book, fact: BudgetLoaded) -> Book:
    return replace(book, labels=fact.labels, loaded=(*book.loaded, fact.content_hash))


def evolve_line(line: BudgetLine, fact: AnnualApproved) -> BudgetLine:
    return replace(line, annual=Money(fact.annual, fact.currency), proposal=fact.proposal or None)


def book_stream(fiscal_year: int) -> Stream:
    return Stream("budget", str(fiscal_year))


def line_stream(fiscal_year: int, product: NodePath) -> Stream:
    return Stream("budget_line", f"{fiscal_year}/{product}")


class BudgetRow(Model):
    """One product of a budget file, checked."""

    product: NodePath
    annual: Amount
    estimated: Amount | None = None
    code: str = ""
    owner: str = ""
    """E-mail address as in the file; a person id takes its place in the event."""
    proposal: dict[Month, Amount] = {}


class LoadBudget(Command):
    """Loads a checked file. Made by the activity that parsed the file; too large for a Temporal history."""

    kind: Literal["budget.Load"] = "budget.Load"
    fiscal_year: int
    content_hash: str
    customer: str
    option: str
    file_version: str
    is_new: bool
    is_override: bool
    effective_on: date
    labels: tuple[str, str, str, str]
    rows: Annotated[tuple[BudgetRow, ...], Field(max_length=ROWS_MAX)]

    def people(self) -> tuple[str, ...]:
        return tuple({row.owner: None for row in self.rows if row.owner})

    @property
    def subject(self) -> Stream:
        return book_stream(self.fiscal_year)


def decide_load(states: States, command: LoadBudget, context: Context) -> Decision:
    require_loader(context.actor)
    book: Book = states[book_stream(command.fiscal_year)]
    if command.content_hash in book.loaded:
        return Decision(message=f"These bytes were loaded for {command.fiscal_year} already; nothing changed.")
    if book.loaded and not command.is_override:
        raise Refusal(
            f"The budget of {command.fiscal_year} is loaded already: load a change (isNew=false) "
            "or an override (isOverride=true) instead.",
            code="YearAlreadyLoaded",
        )
    if book.loaded or not command.is_new:
        raise Refusal(
            "This version loads the first budget of a year only (isNew=true); "
            "changes and overrides of a loaded year are not available yet.",
            code="LoadModeNotAvailable",
        )
    return Decision(
        [Event(book_stream(command.fiscal_year), _loaded(command, context)), *_lines(command, context)],
        f"Loaded {len(command.rows):,} products for {command.fiscal_year}.",
    )


def require_loader(actor: Actor) -> None:
    """Raises Forbidden for whoever may not load budgets."""
    require(actor, "load a budget", NodePath.ROOT, Persona.FINANCIAL_ADMIN, Persona.VENDOR_MANAGER)


def _loaded(command: LoadBudget, context: Context) -> BudgetLoaded:
    return BudgetLoaded(
        fiscal_year=command.fiscal_year,
        content_hash=command.content_hash,
        customer=command.customer,
        option=command.option,
        file_version=command.file_version,
        labels=command.labels,
        effective_on=context.organization.calendar.first_month_of(command.fiscal_year).first_day,
        currency=context.organization.currency,
        products=len(command.rows),
        total=total([row.annual for row in command.rows]),
    )


def _lines(command: LoadBudget, context: Context) -> list[Event]:
    effective_on = context.organization.calendar.first_month_of(command.fiscal_year).first_day
    return [
        Event(
            line_stream(command.fiscal_year, row.product),
            AnnualApproved(
                fiscal_year=command.fiscal_year,
                product=row.product,
                annual=row.annual,
                currency=context.organization.currency,
                effective_on=effective_on,
                content_hash=command.content_hash,
                estimated=row.estimated,
                code=row.code,
                owner=context.person(row.owner) if row.owner else None,
                proposal=row.proposal,
            ),
        )
        for row in command.rows
        if row.product.level == PRODUCT_LEVEL
    ]


def _reads(command: LoadBudget, _context: Context) -> Sequence[Stream]:
    return (book_stream(command.fiscal_year),)


RULES: dict[type[Command], Rule] = {LoadBudget: Rule(_reads, decide_load)}
FACTS: tuple[type[Fact], ...] = (BudgetLoaded, AnnualApproved)
