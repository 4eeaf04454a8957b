"""`allot account allocate`, `propose`, `accept`, `decline`: which products an account's spend belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from command_line.account_preview import show_preview
from command_line.account_terms import (
    AccountArgument,
    FromOption,
    SharesArgument,
    TypeOption,
    WhyOption,
    account_id,
    shares,
    told,
)
from command_line.acting import acting
from command_line.decisions import carry_out, outcome_data
from command_line.doors import decide_on_account
from command_line.output import show
from command_line.session import Session, day
from domain.account_allocating import AccountCommand, AllocateAccount, ProposeAllocation, Wish
from domain.account_process import AccountUpdateName
from domain.account_proposals import AcceptProposal, DeclineProposal
from domain.allocation import Share
from domain.decision import Accepted
from views.account_models import AllocationDetail, ShareDetail

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
        show_preview(session, wish.pop("account_id"), Wish.model_validate(wish))
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
    show(data, session.as_json, lambda: [f"{outcome.message} {_meant(command, allocations)}".rstrip()])


def _meant(command: AccountCommand, allocations: Sequence[AllocationDetail]) -> str:
    """The products that it is about; whoever accepts has named a number only."""
    match command:
        case AllocateAccount() | ProposeAllocation():
            return _line(command.shares)
        case AcceptProposal():
            return next((_line(one.shares) for one in allocations if one.proposal == command.proposal), "")
    return ""


def _line(parts: Sequence[Share | ShareDetail]) -> str:
    return f"{'; '.join(told(parts))}."


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
