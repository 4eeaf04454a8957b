"""`allot account allocate --preview`: what it would move, in money and by month, before anything is recorded."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from command_line.account_terms import known_account, seen, told
from command_line.decisions import similar_products
from command_line.output import Column, figures, money, show, table
from command_line.session import Session
from domain.account import Account
from domain.account_allocating import Wish, planned, reads_for
from domain.actor import SYSTEM_ID, Actor
from domain.allocation import Allocation
from domain.budget import BudgetLine
from domain.closing import closing_stream
from domain.decision import Context, States, Stream
from domain.errors import NotFound, Refusal
from domain.hierarchy import NodePath
from domain.money import Money
from views.account_models import AccountDetail, AllocationPreview
from views.queries import Views

NEEDS_NOTE = "NeedsNote"
"""Code of the refusal of what reaches back further than usual, and says not why: it can be looked at without."""
_ANY_NOTE = "for the preview"
_CLOSING = closing_stream(0).category


class Planned(NamedTuple):
    """The entry that would be recorded, and what is still missing for it."""

    allocation: Allocation
    lacks: str = ""


def show_preview(session: Session, account_id: str, wish: Wish) -> None:
    """It is looked at by the rules of the decision, on what the views know; the decision itself looks again."""
    with session.views() as views:
        detail = known_account(views, session, account_id)
        plan = _planned(views, session, detail, wish)
        found = views.preview(account_id, plan.allocation)
    data = {
        "account_id": account_id,
        "allocation": dict(plan.allocation),
        "currency": found.currency,
        "months": [dict(month) for month in found.months],
        "lacks": plan.lacks,
    }
    show(data, session.as_json, lambda: _shown(found, plan))


def _planned(views: Views, session: Session, detail: AccountDetail, wish: Wish) -> Planned:
    """Raises Refusal where it could not be recorded like that."""
    context = _context(session)
    states = States({stream: (_state(views, session, stream), 0) for stream in reads_for(wish, context)})
    account = _account(views, session, detail)
    try:
        return Planned(planned(states, account, detail.account_id, wish, context))
    except NotFound as error:
        raise _with_similar(views, wish, error) from None
    except Refusal as refusal:
        if refusal.code != NEEDS_NOTE:
            raise
        explained = wish.model_copy(update={"note": _ANY_NOTE})
        return Planned(planned(states, account, detail.account_id, explained, context), refusal.message)


def _context(session: Session) -> Context:
    from rights.cedar import CedarRights  # noqa: PLC0415 - its engine is loaded by no other command

    return Context(datetime.now(UTC), Actor(SYSTEM_ID), session.organization, {}, CedarRights())


def _state(views: Views, session: Session, stream: Stream) -> object:
    """Of what a wish is judged by: the closed months of a year, or a product's line in its budget."""
    year, _, product = stream.key.partition("/")
    if stream.category == _CLOSING:
        return frozenset(closed.month for closed in views.closed_months(int(year)))
    there = NodePath.parse(product) in views.known_products(int(year), product)
    return BudgetLine(annual=Money(Decimal(0), session.currency)) if there else BudgetLine()


def _account(views: Views, session: Session, detail: AccountDetail) -> Account:
    history = views.allocations(detail.account_id, session.today())
    return Account(
        seen=seen(detail) if detail.joined_at else None,
        allocations=tuple(
            Allocation.model_validate(one.model_dump(include={"effective_on", "account_type", "shares"}))
            for one in history
        ),
        first_billed_on=detail.first_billed_on,
    )


def _with_similar(views: Views, wish: Wish, error: NotFound) -> NotFound:
    found = (similar_products(views, year, share.product) for share in wish.shares for year in views.fiscal_years())
    return NotFound(error.message + next(filter(None, found), ""), code=error.code)


def _shown(found: AllocationPreview, plan: Planned) -> Iterator[Any]:
    new = found.allocation
    yield f"Account {found.account_id} from {new.effective_on}: {'; '.join(told(new.shares))}, {new.account_type}."
    if found.months:
        columns = (Column("Month"), Column("Product", fold=True), *figures("Before", "After", "Difference"))
        yield table(f"What it would move, in {found.currency}", columns, _rows(found))
    else:
        yield "It would move nothing that has been spent so far."
    if plan.lacks:
        yield f"{plan.lacks} Add --note WHY."
    yield "Nothing was recorded."


def _rows(found: AllocationPreview) -> Iterator[tuple[object, ...]]:
    """The month stands beside the first of its products."""
    for month in found.months:
        for place, moved in enumerate(month.moved):
            amounts = (money(amount, found.currency) for amount in (moved.before, moved.after, moved.difference))
            yield (month.month if place == 0 else "", moved.product or "Unallocated", *amounts)
