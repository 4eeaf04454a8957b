"""What the process of an alignment learns from the ledger: how the account is, what is proposed, when what is due."""

from __future__ import annotations

from collections.abc import Sequence

from activities.waiting_times import waiting_times
from domain.account import Account, account_stream, lifecycle
from domain.account_facts import AlignmentOpened
from domain.account_process import AlignmentRound, AlignmentView
from domain.allocation import Share
from domain.decision import Organization, Persona
from domain.money import plain
from domain.waiting import Waiting, waiting_stream
from ledger.ledger import Ledger


def read_alignment(ledger: Ledger, organization: Organization, account_id: str) -> AlignmentView:
    """The occasion is the ledger's last one: a process that finds another one than its own there is over."""
    account_of = account_stream(account_id)
    waiting_of = waiting_stream(account_of)
    states = ledger.states([account_of, waiting_of])
    account: Account = states[account_of]
    view = _view(account_id, account)
    if not account.is_open:
        return view
    opened = (e for e in ledger.read(account_of) if isinstance(e.fact, AlignmentOpened))
    since = next(event.recorded_at for event in opened if event.fact.occasion == account.occasion)  # type: ignore[attr-defined] # filtered above
    waiting: Waiting = states[waiting_of]
    reminded = ledger.read(waiting_of) if waiting.reminded(account.occasion) else ()
    times = waiting_times(organization.business, waiting, reminded, account.occasion, since)
    return view.model_copy(update={"since": since, "awaiting": Persona.FINANCIAL_ADMIN.value, **times._asdict()})


def open_rounds(ledger: Ledger, account_ids: Sequence[str]) -> list[AlignmentRound]:
    """The occasions of these accounts that are open now."""
    streams = {account_id: account_stream(account_id) for account_id in account_ids}
    states = ledger.states(streams.values())
    found: list[AlignmentRound] = []
    for account_id, stream in streams.items():
        account: Account = states[stream]
        if account.is_open:
            found.append(AlignmentRound(account_id=account_id, occasion=account.occasion))
    return found


def _view(account_id: str, account: Account) -> AlignmentView:
    seen, proposal = account.seen, account.proposal
    last = account.allocations[-1] if account.allocations else None
    return AlignmentView(
        account_id=account_id,
        occasion=account.occasion,
        open=account.is_open,
        reason=account.open_reason or "",
        lifecycle=lifecycle(account),
        name=seen.name if seen else "",
        state=seen.state if seen else "",
        ou_path=seen.ou_path if seen else "",
        known=seen is not None,
        joined_at=seen.joined_at if seen else None,
        allocated=last is not None,
        account_type=last.account_type if last else "",
        shares=_texts(last.shares) if last else {},
        effective_on=last.effective_on.isoformat() if last else "",
        proposal=proposal.number if proposal else 0,
        proposed_type=proposal.account_type if proposal else "",
        proposed_shares=_texts(proposal.shares) if proposal else {},
        proposed_by_rule=proposal.rule if proposal else "",
    )


def _texts(shares: Sequence[Share]) -> dict[str, str]:
    return {str(share.product): plain(share.percent) for share in shares}
