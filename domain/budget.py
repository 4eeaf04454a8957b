"""The approved budget of a fiscal year, as Finance loads it (product rules, section 3).

Two kinds of streams: the book of a fiscal year (`budget/2026`: labels and which files were loaded) and one budget line
per product and year (`budget_line/2026/Retail/Digital/Web/Checkout`). A load writes all its lines and its entry in
the book in one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import ClassVar

from domain.calendar import Month
from domain.decision import (
    Fact,
    PersonId,
    Stream,
)
from domain.hierarchy import NodePath
from domain.model import Model
from domain.money import Amount, Money

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
    """Rows of the file."""
    total: Amount
    """Of the rows of the file."""
    mode: str = "new"
    """new, change or override."""
    added: int | None = None
    """Products that the year did not have before; None in an old fact, where all of them were."""
    changed: int = 0
    withdrawn: int = 0
    year_total: Amount | None = None
    """Of all products of the year after the load; None in an old fact, where the file had all of them."""


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


class ProductWithdrawn(Fact):
    """The product is not in the year's budget any more: nothing from the effective day on. It is never erased."""

    fact_name: ClassVar[str] = "budget_line.Withdrawn"
    fiscal_year: int
    product: NodePath
    annual: Amount
    """What remains: the approved months before the effective day."""
    currency: str
    effective_on: date
    content_hash: str


@dataclass(frozen=True, slots=True)
class Book:
    """What is known of a fiscal year's budget as a whole."""

    labels: tuple[str, ...] = ()
    loaded: tuple[str, ...] = ()
    """Content hashes, in order."""
    products: int = 0
    """Different products that the year has ever had; withdrawn ones stay among them."""
    total: Decimal = Decimal(0)
    """Of their annual budgets."""


@dataclass(frozen=True, slots=True)
class BudgetLine:
    """A product's approved annual budget; None before it is loaded."""

    annual: Money | None = None
    proposal: Mapping[Month, Decimal] | None = None
    effective_on: date | None = None
    withdrawn: bool = False
    estimated: Decimal | None = None
    code: str = ""
    owner: PersonId | None = None

    def is_in_budget(self, day: date) -> bool:
        """Whether the product is in the year's budget on that day; one that is withdrawn is until it takes effect."""
        gone = self.withdrawn and self.effective_on is not None and self.effective_on <= day
        return self.annual is not None and not gone


def evolve_book(book: Book, fact: BudgetLoaded) -> Book:
    added = fact.products if fact.added is None else fact.added
    year_total = fact.total if fact.year_total is None else fact.year_total
    return Book(fact.labels, (*book.loaded, fact.content_hash), book.products + added, year_total)


def evolve_line(line: BudgetLine, fact: AnnualApproved | ProductWithdrawn) -> BudgetLine:
    annual = Money(fact.annual, fact.currency)
    if isinstance(fact, ProductWithdrawn):
        return replace(line, annual=annual, proposal=None, effective_on=fact.effective_on, withdrawn=True)
    return BudgetLine(
        annual=annual,
        proposal=fact.proposal or None,
        effective_on=fact.effective_on,
        estimated=fact.estimated,
        code=fact.code,
        owner=fact.owner,
    )


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


FACTS: tuple[type[Fact], ...] = (BudgetLoaded, AnnualApproved, ProductWithdrawn)
