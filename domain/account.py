"""AWS accounts as known from Organizations: their life, from vending on (product rules, section 5).

    VENDED ──► PROPOSED ──► ALIGNED ──► BILLING ──► SUSPENDED ──► CLOSED
       └──────────────────────▲   │
       └─► SPENDING (a bill without an allocation)    DEPARTED (left the organization; may come back)

    UNKNOWN: it has spent something, and Organizations has never shown it

One stream per account (`account/100000000001`). Where nobody has said yet which products an account's spend belongs to,
or a move calls for others, an alignment is open: an *occasion*. Each occasion has a process of its own, which ends with
the occasion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum

from domain.account_facts import (
    AccountSeen,
    AlignmentEnded,
    AlignmentOpened,
    Allocated,
    AllocationProposed,
    Basis,
    Departed,
    FirstBilled,
    Observed,
    Occasion,
    OrganizationSeen,
    ProposalDeclined,
)
from domain.allocation import AccountType, Allocation, Share, with_allocation
from domain.decision import PersonId, Stream

DECISIONS_KEPT_MAX = 50
"""Last proposals that can be answered a second time with what became of them."""
CLOSED_STATE = "CLOSED"
ENDING_STATES = frozenset({"SUSPENDED", "PENDING_CLOSURE"})
"""States, in the words of AWS, in which an account is not used any more."""


class Lifecycle(StrEnum):
    VENDED = "VENDED"
    PROPOSED = "PROPOSED"
    ALIGNED = "ALIGNED"
    BILLING = "BILLING"
    SPENDING = "SPENDING_UNALLOCATED"
    SUSPENDED = "SUSPENDED"
    CLOSED = "CLOSED"
    DEPARTED = "DEPARTED"
    UNKNOWN = "UNKNOWN_TO_ORGANIZATIONS"


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is suggested, and waits for a decision."""

    number: int
    account_type: AccountType
    shares: tuple[Share, ...]
    effective_on: date | None
    basis: Basis
    rule: str
    proposed_by: PersonId | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    seen: AccountSeen | None = None
    as_of: datetime | None = None
    """When that was so; None where an old fact does not say."""
    departed_at: datetime | None = None
    allocations: tuple[Allocation, ...] = ()
    """Ordered by effective date; a later decision for the same date has taken the place of the earlier one."""
    first_billed_on: date | None = None
    occasion: int = 0
    """Occasions so far."""
    open_reason: Occasion | None = None
    """Why the last occasion is still open; None where it is over."""
    proposals: int = 0
    """So far."""
    proposal: Proposal | None = None
    decided: tuple[tuple[int, str], ...] = ()
    """Numbers of proposals that were decided on, and how."""
    declined: tuple[tuple[AccountType, tuple[Share, ...]], ...] = ()
    """What was declined in this occasion: it is not suggested again."""

    @property
    def is_open(self) -> bool:
        return self.open_reason is not None

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to come of it: closed, or not in the organization any more."""
        return self.departed_at is not None or (self.seen is not None and self.seen.state == CLOSED_STATE)

    @property
    def spends_unallocated(self) -> bool:
        return self.first_billed_on is not None and not self.allocations

    @property
    def since(self) -> date | None:
        """From when there is something to allocate: its vending date; else, for one that only the bill knows, its first
        day there. None for an account that nobody has ever seen."""
        return self.seen.joined_at.date() if self.seen else self.first_billed_on

    def decision_on(self, proposal: int) -> str | None:
        return next((word for number, word in self.decided if number == proposal), None)


@dataclass(frozen=True, slots=True)
class AwsOrganization:
    organization_id: str = ""
    management_account_id: str = ""


type AccountFact = (
    Observed
    | Departed
    | FirstBilled
    | AlignmentOpened
    | AlignmentEnded
    | AllocationProposed
    | ProposalDeclined
    | Allocated
)


def evolve(account: Account, fact: AccountFact) -> Account:
    match fact:
        case Observed():
            seen = AccountSeen.model_validate({name: getattr(fact, name) for name in AccountSeen.model_fields})
            return replace(account, seen=seen, as_of=fact.observed_at or account.as_of, departed_at=None)
        case Departed():
            return replace(account, departed_at=fact.at)
        case FirstBilled():
            return replace(account, first_billed_on=fact.first_usage_on)
        case AlignmentOpened():
            return replace(account, occasion=fact.occasion, open_reason=fact.reason, proposal=None, declined=())
        case AlignmentEnded():
            return replace(account, open_reason=None, proposal=None)
        case _:
            return _allocating(account, fact)


def _allocating(account: Account, fact: AllocationProposed | ProposalDeclined | Allocated) -> Account:
    match fact:
        case AllocationProposed():
            proposal = Proposal(
                fact.proposal,
                fact.account_type,
                fact.shares,
                fact.effective_on,
                fact.basis,
                fact.rule,
                fact.proposed_by,
                fact.note,
            )
            return replace(account, proposal=proposal, proposals=fact.proposal)
        case ProposalDeclined():
            proposal_then = account.proposal
            was = ((proposal_then.account_type, proposal_then.shares),) if proposal_then else ()
            decided = _decided(account, fact.proposal, "declined")
            return replace(account, proposal=None, declined=(*account.declined, *was), decided=decided)
        case Allocated():
            new = Allocation(effective_on=fact.effective_on, account_type=fact.account_type, shares=fact.shares)
            allocated = replace(
                account, allocations=with_allocation(account.allocations, new), open_reason=None, proposal=None
            )
            return (
                replace(allocated, decided=_decided(account, fact.proposal, "accepted")) if fact.proposal else allocated
            )


def _decided(account: Account, proposal: int, word: str) -> tuple[tuple[int, str], ...]:
    return (*account.decided, (proposal, word))[-DECISIONS_KEPT_MAX:]


def evolve_organization(_: AwsOrganization, fact: OrganizationSeen) -> AwsOrganization:
    return AwsOrganization(fact.organization_id, fact.management_account_id)


def lifecycle(account: Account) -> Lifecycle:
    """Where the account stands in its life."""
    return lifecycle_of(
        aws_state=account.seen.state if account.seen else None,
        departed=account.departed_at is not None,
        allocated=bool(account.allocations),
        billed=account.first_billed_on is not None,
        proposed=account.proposal is not None,
    )


def lifecycle_of(*, aws_state: str | None, departed: bool, allocated: bool, billed: bool, proposed: bool) -> Lifecycle:
    """The same from what a view keeps; `aws_state` is None for an account that Organizations has never shown.

    A closed account leaves the list of Organizations after 90 days: one that was suspended and is gone was closed.
    """
    if aws_state is None:
        return Lifecycle.UNKNOWN
    if aws_state == CLOSED_STATE or (departed and aws_state in ENDING_STATES):
        return Lifecycle.CLOSED
    if departed:
        return Lifecycle.DEPARTED
    if aws_state in ENDING_STATES:
        return Lifecycle.SUSPENDED
    if allocated:
        return Lifecycle.BILLING if billed else Lifecycle.ALIGNED
    if billed:
        return Lifecycle.SPENDING
    return Lifecycle.PROPOSED if proposed else Lifecycle.VENDED


def account_stream(account_id: str) -> Stream:
    return Stream("account", account_id)


def account_streams(account_ids: Sequence[str]) -> tuple[Stream, ...]:
    return tuple(account_stream(account_id) for account_id in dict.fromkeys(account_ids))


ORGANIZATION_STREAM = Stream("organization", "aws")
"""One installation serves one organization."""
