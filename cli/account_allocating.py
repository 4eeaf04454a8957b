"""`allot account allocate`, `propose`, `accept`, `decline`: which products an account's spend belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from cli.account_terms import (
    AccountArgument,
    FromOption,
    SharesArgument,
    TypeOption,
    WhyOption,
    account_id,
    known_account,
    shares,
    told,
)
from cli.acting import acting
from cli.decisions import carry_out, outcome_data
from cli.doors import decide_on_account
from cli.output import Column, figures, money, show, table
from cli.session import Session, day
from domain.account_allocating import AccountCommand, AllocateAccount, ProposeAllocation
from domain.account_process import AccountUpdateName
from domain.account_proposals import AcceptProposal, DeclineProposal
from domain.allocation import Allocation, check_from, checked_shares, default_from
from domain.calendar import Month
from domain.decision import Accepted
from views.account_models import AccountDetail, AllocationPreview
from views.queries import Views

ProposalOption = Annotated[int, typer.Option(metavar="NUMBER", min=1, help="Number of the proposal that you saw.")]
PreviewOption = Annotated[
    bool, typer.Option("--preview", help="Only show what it would move, in money and by month; nothing is recorded.")
]


@acting
def allocate(
    session: Session,
    account: AccountArgument,
    shares_: SharesArgument,
    account_type: TypeOption,
    effective_on: FromOption = None,
    note: WhyOption = "",
    preview: PreviewOption = False,
) -> None:
    """Allocate an account's spend to products, in percent, from a date on."""
    wish = _wish(account, shares_, account_type, effective_on, note)
    if preview:
        _show_preview(session, account, wish)
        return
    _decide(session, AccountUpdateName.ALLOCATE, AllocateAccount(**session.shared(), **wish))


@acting
def propose(
    session: Session,
    account: AccountArgument,
    shares_: SharesArgument,
    account_type: TypeOption,
    effective_on: FromOption = None,
    note: WhyOption = "",
) -> None:
    """Suggest an allocation; somebody else who may allocate accounts decides on it."""
    wish = _wish(account, shares_, account_type, effective_on, note)
    _decide(session, AccountUpdateName.PROPOSE, ProposeAllocation(**session.shared(), **wish))


@acting
def accept(session: Session, account: AccountArgument, proposal: ProposalOption, note: WhyOption = "") -> None:
    """Allocate an account as it was proposed."""
    about = {"account_id": account_id(account), "proposal": proposal, "note": note}
    _decide(session, AccountUpdateName.ACCEPT, AcceptProposal(**session.shared(), **about))


@acting
def decline(
    session: Session,
    account: AccountArgument,
    proposal: ProposalOption,
    reason: Annotated[str, typer.Option(help="Why; kept with the event.")],
) -> None:
    """Decline a proposed allocation, with a reason. An account that has an allocation keeps it."""
    about = {"account_id": account_id(account), "proposal": proposal, "reason": reason}
    _decide(session, AccountUpdateName.DECLINE, DeclineProposal(**session.shared(), **about))


def _wish(account: str, texts: list[str], account_type: Any, effective_on: str | None, note: str) -> dict[str, Any]:
    return {
        "account_id": account_id(account),
        "account_type": account_type,
        "shares": shares(texts),
        "effective_on": day(effective_on, "--from") if effective_on else None,
        "note": note,
    }


def _decide(session: Session, update: AccountUpdateName, command: AccountCommand) -> None:
    outcome = sent(session, update, command)
    with session.views() as views:
        allocations = views.allocations(command.account_id, session.today())
    data = {
        **outcome_data(session, outcome),
        "account_id": command.account_id,
        "allocations": [dict(one) for one in allocations],
    }
    last = "; ".join(line for one in allocations[-1:] for line in told(one.shares))
    show(data, session.as_json, lambda: [f"{outcome.message} {last}".rstrip()])


def sent(session: Session, update: AccountUpdateName, command: AccountCommand) -> Accepted:
    """Through the process of the account's alignment where one is open; else it waits for nobody."""
    with session.views() as views:
        found = views.accounts(command.account_id, session.today())
    occasion = found[0].occasion if found and found[0].open_reason else 0
    if not occasion:
        return carry_out(session, command)  # type: ignore[arg-type]  # each of them may come from outside
    return carry_out(
        session,
        command,  # type: ignore[arg-type]  # as above
        lambda: decide_on_account(session, update, command, occasion),
    )


def _show_preview(session: Session, account: str, wish: dict[str, Any]) -> None:
    """What the decision would be taken on is looked at by the same rules; the decision itself looks again."""
    with session.views() as views:
        detail = known_account(views, session, account)
        new = _planned(views, session, detail, wish)
        found = views.preview(account, new)
    data = {"account_id": account, "allocation": dict(new), "months": [dict(month) for month in found.months]}
    show(data, session.as_json, lambda: _previewed(found))


def _planned(views: Views, session: Session, detail: AccountDetail, wish: dict[str, Any]) -> Allocation:
    """Raises Refusal where it could not be recorded like that."""
    history = [
        Allocation.model_validate(one.model_dump(include={"effective_on", "account_type", "shares"}))
        for one in views.allocations(detail.account_id, session.today())
    ]
    today = datetime.now(UTC).date()
    since = detail.joined_at.date() if detail.joined_at else detail.first_billed_on or today
    calendar = session.organization.calendar
    first = Month.of(wish["effective_on"]) if wish["effective_on"] else Month.of(today).plus(-1)
    years = range(calendar.fiscal_year_of(first), calendar.fiscal_year_of(Month.of(today)) + 1)
    closed = {one.month for year in years for one in views.closed_months(year)}
    chosen = wish["effective_on"] or default_from(since, today, is_remap=bool(history), closed=closed)
    check_from(chosen, history, closed, is_remap=bool(history))
    return Allocation(effective_on=chosen, account_type=wish["account_type"], shares=checked_shares(wish["shares"]))


def _previewed(found: AllocationPreview) -> Iterator[Any]:
    new = found.allocation
    yield f"Account {found.account_id} from {new.effective_on}: {'; '.join(told(new.shares))}, {new.account_type}."
    if not found.months:
        yield "It would move nothing that has been spent so far. Nothing was recorded."
        return
    columns = (Column("Month"), Column("Product", fold=True), *figures("Before", "After", "Difference"))
    rows = [
        (
            month.month if place == 0 else "",
            moved.product or "Unallocated",
            *(money(amount, found.currency) for amount in (moved.before, moved.after, moved.difference)),
        )
        for month in found.months
        for place, moved in enumerate(month.moved)
    ]
    yield table(f"What it would move, in {found.currency}", columns, rows)
    yield "Nothing was recorded."
