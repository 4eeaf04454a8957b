"""Deciding on a proposed allocation: accept it, or decline it with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from domain.account import Account, Proposal
from domain.account_allocating import AccountCommand, Wish, allocated, planned, reads_for, until_then
from domain.account_facts import AlignmentEnded, Basis, ProposalDeclined
from domain.decision import (
    Action,
    Authority,
    Command,
    Context,
    Decision,
    Event,
    NoteText,
    ReasonText,
    Rule,
    States,
    Stream,
)
from domain.errors import NotFound, Refusal, StaleVersion
from domain.expectation import met_by, streams_before
from domain.hierarchy import NodePath
from domain.people import require


class ProposalDecision(AccountCommand):
    """Names the proposal that somebody has seen."""

    proposal: int

    @property
    def word(self) -> str:
        raise NotImplementedError


class AcceptProposal(ProposalDecision):
    """The account is allocated as proposed."""

    kind: Literal["account.AcceptProposal"] = "account.AcceptProposal"
    note: NoteText = ""


class DeclineProposal(ProposalDecision):
    """The account is not allocated like that."""

    kind: Literal["account.DeclineProposal"] = "account.DeclineProposal"
    reason: ReasonText


def decide_accept(states: States, command: AcceptProposal, context: Context) -> Decision:
    account: Account = states[command.subject]
    if answered := _answered(account, command):
        return answered
    proposal = _pending(account, command)
    authority = _require(account, proposal, context)
    wish = _wish(proposal, command.note)
    new = planned(states, account, command.account_id, wish, context)
    fact = allocated(command.account_id, new, context, note=wish.note, basis=Basis.PROPOSAL)
    fact = fact.model_copy(update={"proposal": proposal.number, "rule": proposal.rule})
    message = f"Proposal {proposal.number} accepted: account {command.account_id} is allocated from {new.effective_on}."
    message += until_then(account, new, context)
    return Decision([Event(command.subject, fact), *met_by(states, account)], message, authority)


def decide_decline(states: States, command: DeclineProposal, context: Context) -> Decision:
    account: Account = states[command.subject]
    if answered := _answered(account, command):
        return answered
    proposal = _pending(account, command)
    authority = _require(account, proposal, context)
    fact = ProposalDeclined(
        account_id=command.account_id,
        occasion=account.occasion,
        proposal=proposal.number,
        declined_by=context.actor.person_id,
        reason=command.reason,
    )
    events = [Event(command.subject, fact)]
    message = f"Proposal {proposal.number} declined; account {command.account_id} still waits for an allocation."
    if account.allocations:  # it stays as it is allocated now
        ended = AlignmentEnded(account_id=command.account_id, occasion=account.occasion, reason="declined")
        events.append(Event(command.subject, ended))
        message = f"Proposal {proposal.number} declined; account {command.account_id} stays as it is allocated."
    return Decision(events, message, authority)


def _answered(account: Account, command: ProposalDecision) -> Decision | None:
    """Deciding twice is answered with the first decision."""
    word = account.decision_on(command.proposal)
    return Decision(message=f"Proposal {command.proposal} was {word} already; nothing changed.") if word else None


def _pending(account: Account, command: ProposalDecision) -> Proposal:
    proposal = account.proposal
    if command.proposal > account.proposals:
        raise NotFound(
            f"There is no proposal {command.proposal} for account {command.account_id}: see "
            f"`allot account show {command.account_id}`.",
            code="UnknownProposal",
        )
    if proposal is None:
        raise Refusal(
            f"There is no proposal for account {command.account_id} that waits for a decision: see "
            f"`allot account show {command.account_id}`.",
            code="NoProposal",
        )
    if proposal.number != command.proposal:
        raise StaleVersion(
            f"Proposal {command.proposal} for account {command.account_id} was replaced by proposal "
            f"{proposal.number}: look at that one, and decide again.",
            code="ProposalReplaced",
        )
    return proposal


def _require(account: Account, proposal: Proposal, context: Context) -> Authority:
    """Nobody decides on what they have proposed themselves."""
    action = Action.REMAP_ACCOUNT if account.allocations else Action.ALLOCATE_ACCOUNT
    by = [proposal.proposed_by] if proposal.proposed_by else []
    return require(context, action, NodePath.ROOT, submitted_by=by)


def _wish(proposal: Proposal, note: str = "") -> Wish:
    """The proposer's note counts where whoever decides writes none: both have seen it."""
    return Wish(
        account_type=proposal.account_type,
        shares=proposal.shares,
        effective_on=proposal.effective_on,
        note=note or proposal.note,
    )


def _reads(command: ProposalDecision, _context: Context) -> Sequence[Stream]:
    return (command.subject,)


def _reads_more(states: States, command: ProposalDecision, context: Context) -> Sequence[Stream]:
    """What the proposal itself is judged by, and under what the account is expected; only the account says both."""
    account: Account = states[command.subject]
    if account.proposal is None:
        return ()
    return (*reads_for(_wish(account.proposal), context), *streams_before(account))


RULES: dict[type[Command], Rule] = {
    AcceptProposal: Rule(_reads, decide_accept, _reads_more),
    DeclineProposal: Rule(_reads, decide_decline),
}
