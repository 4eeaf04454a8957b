"""What counts as a product of a budget, for whoever names one: an allocation, a rule, an expected account."""

from __future__ import annotations

from datetime import date

from domain.budget import BudgetLine, line_stream
from domain.calendar import Month
from domain.decision import Context, States, Stream
from domain.errors import NotFound
from domain.hierarchy import PRODUCT_LEVEL, NodePath


def require_product(states: States, product: NodePath, effective_on: date | None, context: Context) -> None:
    """Raises NotFound for what is no product of a budget, now or when it takes effect."""
    if is_product(states, product, effective_on, context):
        return
    if _known(states, product, effective_on, context):
        raise NotFound(
            f"The product {product} was withdrawn from the budget: name another one, or load its budget again first.",
            code="WithdrawnProduct",
        )
    raise NotFound(
        f"There is no product {product} in the budget: check the path, or load its budget first.",
        code="UnknownProduct",
    )


def is_product(states: States, product: NodePath, effective_on: date | None, context: Context) -> bool:
    """By the latest of these years whose budget has the product: the one to come may not be loaded yet."""
    known = _known(states, product, effective_on, context)
    return bool(known) and known[-1].is_in_budget(effective_on or context.today)


def _known(states: States, product: NodePath, effective_on: date | None, context: Context) -> list[BudgetLine]:
    lines: list[BudgetLine] = [states[stream] for stream in line_streams(product, effective_on, context)]
    return [line for line in lines if line.annual is not None]


def line_streams(product: NodePath, effective_on: date | None, context: Context) -> list[Stream]:
    """Its budget of this year and of the year in which something takes effect, in their order."""
    calendar = context.organization.calendar
    months = {context.this_month, Month.of(effective_on or context.today)}
    years = sorted({calendar.fiscal_year_of(month) for month in months})
    return [line_stream(year, product) for year in years] if product.level == PRODUCT_LEVEL else []
