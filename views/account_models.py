"""What queries answer about accounts: frozen and typed; see `views.models` for everything else."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from domain.account import Lifecycle
from domain.account_rules import AccountRule
from domain.allocation import Allocation, AllocationStatus
from domain.calendar import Month
from domain.hierarchy import NodePath
from domain.model import Model
from domain.money import Amount


class ShareDetail(Model):
    product: NodePath
    percent: Amount


class AllocationDetail(Model):
    account_id: str
    account_type: str
    effective_on: date
    effective_to: date | None
    """Exclusive; None for the last one."""
    shares: tuple[ShareDetail, ...]
    allocated_by: UUID
    allocated_by_name: str
    note: str
    recorded_at: datetime
    basis: str
    """What it goes back to; one of `domain.account_facts.Basis`."""
    rule: str
    """Name of the rule, or under what the account was expected; empty for what was done by hand."""
    proposal: int
    """Number of the proposal that was accepted; 0 for none."""
    status: AllocationStatus | None = None
    """On the day that was asked for; None where none was."""
    is_new: bool = False
    """Whether it is in its first days."""
    is_expiring: bool = False
    """Whether another one takes its place soon."""


class ProposalDetail(Model):
    """What is proposed for an account, and waits for a decision."""

    number: int
    """What a decision must name."""
    account_type: str
    shares: tuple[ShareDetail, ...]
    effective_on: date | None
    """None for the usual day when it is accepted."""
    basis: str
    rule: str
    """Name of the rule, where one suggests it."""
    proposed_by: UUID | None
    """None for a rule."""
    proposed_by_name: str = ""
    note: str
    proposed_at: datetime


class AccountDetail(Model):
    account_id: str
    name: str
    """Empty, as all that Organizations says, for an account that only the bill knows."""
    email: str
    state: str
    """In the words of AWS."""
    joined_method: str
    joined_at: datetime | None
    """None while Organizations has never shown the account."""
    ou_path: str
    tags: dict[str, str]
    source: str
    """Where it was seen first."""
    first_seen_at: datetime | None
    departed_at: datetime | None
    departed_how: str
    first_billed_on: date | None
    billed_at: datetime | None
    aligned_at: datetime | None
    allocated_since: date | None
    occasion: int
    open_reason: str | None
    """Why somebody has to say where it belongs; None where nobody has to."""
    opened_at: datetime | None
    """When the last occasion was opened."""
    ended_reason: str
    """Why the last occasion ended without another allocation."""
    proposal: ProposalDetail | None
    reminders: int
    escalated_at: datetime | None
    lifecycle: Lifecycle
    updated_at: datetime
    allocation: AllocationDetail | None
    """The one in effect on the day that was asked for, else the next one; the last one where no day was."""


class ExpectationStatus(StrEnum):
    WAITING = "waiting"
    APPEARED = "appeared"
    WITHDRAWN = "withdrawn"


class ExpectedAccountDetail(Model):
    key: str
    email: str
    name: str
    account_type: str
    shares: tuple[ShareDetail, ...]
    registered_by: UUID
    registered_by_name: str
    registered_at: datetime
    note: str
    status: ExpectationStatus
    account_id: str
    """Empty until it appeared."""
    appeared_at: datetime | None
    reason: str
    """Why it was withdrawn."""


class AccountRulesDetail(Model):
    """The rules in force."""

    rules: tuple[AccountRule, ...] = ()
    """The first one that fits takes the account."""
    set_by_name: str = ""
    set_at: datetime | None = None
    """None where there never were any."""
    version: int = 0
    note: str = ""


class TroubleKind(StrEnum):
    VENDING_FAILED = "vending_failed"
    MESSAGE_REJECTED = "message_rejected"


class AccountTrouble(Model):
    """What came from AWS and led to no account."""

    kind: TroubleKind
    key: str
    """AWS's id of the request, or of the message."""
    reason: str
    account_name: str
    account_id: str
    excerpt: str
    at: datetime
    """When it happened, or was sent."""
    recorded_at: datetime


class OpenAlignment(NamedTuple):
    account_id: str
    occasion: int


class AccountTimes(Model):
    """The way of one account from vending to its first bill."""

    account_id: str
    name: str
    lifecycle: Lifecycle
    vended_at: datetime | None
    """When it joined the organization; None while Organizations has never shown it."""
    known_at: datetime | None
    aligned_at: datetime | None
    billed_at: datetime | None
    """When its first line was imported."""
    counted: bool
    """Whether it counts for the durations: it joined after Allot had begun to look."""


class Durations(Model):
    """How long it took, over so many accounts."""

    accounts: int = 0
    median: timedelta | None = None
    p90: timedelta | None = None
    """Nine of ten accounts took no longer."""


class AlignmentTimes(Model):
    """How fast accounts get from vending to known, to a budget, and to their first bill."""

    since: datetime | None
    accounts: tuple[AccountTimes, ...]
    """First seen since then, in that order."""
    left_out: int
    """Of these, the ones that do not count, because they are older than what Allot has seen."""
    to_known: Durations
    to_aligned: Durations
    to_first_bill: Durations


class MovedSpend(Model):
    """What an allocation changes for one product in one month."""

    product: NodePath | None
    """None for spend that is unallocated."""
    before: Amount
    after: Amount
    difference: Amount
    """after − before"""


class MonthPreview(Model):
    month: Month
    moved: tuple[MovedSpend, ...]
    """All that has a part of the month's spend before or after; the differences add up to 0."""


class AllocationPreview(Model):
    """What an allocation would change in what has been spent."""

    account_id: str
    allocation: Allocation
    currency: str
    """Empty where no cost report was imported and no budget loaded yet."""
    months: tuple[MonthPreview, ...]
    """Those in which anything changes, in order."""
