"""The rows of accounts and of their allocations, which tasks, actual spend and previews look at, too."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from domain.account import CLOSED_STATE, ENDING_STATES, Lifecycle, account_stream, lifecycle_of
from domain.allocation import AccountType, Allocation, Share
from domain.waiting import Escalated, Reminded
from views.paths import PATHS_REMEMBERED_MAX, text_path
from views.tables import Json, Table

_ACCOUNT = f"{account_stream('').category}/"


class AccountRow(NamedTuple):
    account_id: str
    name: str
    """Empty, as all that Organizations says, for an account that only the bill knows."""
    email: str
    state: str
    joined_method: str
    joined_at: datetime | None
    """Null while Organizations has never shown the account."""
    ou_path: str
    tags: Json | None
    keys: list[str]
    """Under which it may be expected."""
    source: str
    """Where it was seen first."""
    first_seen_at: datetime | None
    """When Organizations had first shown it; null while it never has."""
    first_seen_position: int | None
    departed_at: datetime | None
    """Since when it is not in the organization any more; null while it is."""
    departed_how: str
    first_billed_on: date | None
    """The first usage date that was ever billed."""
    billed_at: datetime | None
    """When its first line was imported."""
    aligned_at: datetime | None
    """When its first allocation was recorded."""
    allocated_since: date | None
    """The first day that belongs to a product."""
    occasion: int
    """Occasions so far."""
    open_reason: str | None
    """Why the last one is still open; null where it is over."""
    opened_at: datetime | None
    """When the last one was opened …"""
    opened_position: int | None
    """… and where the log says so."""
    ended_reason: str
    """Why the last one ended without another allocation; else empty."""
    proposal: Json | None
    """What is proposed, and waits for a decision; see `views.account_models.ProposalDetail`."""
    reminders: int
    """In the last occasion."""
    escalated_at: datetime | None
    """In the last occasion."""
    lifecycle: str
    """As `domain.account.lifecycle` says of the account's stream."""
    updated_at: datetime

    @property
    def is_over(self) -> bool:
        """Whether it is closed, or not in the organization any more."""
        return self.departed_at is not None or self.state == CLOSED_STATE

    @property
    def spends_unallocated(self) -> bool:
        return self.first_billed_on is not None and self.allocated_since is None

    @property
    def needs_alignment(self) -> bool:
        """As `domain.account_observing.needs_alignment`: ledgers of before have accounts without any occasion."""
        if self.open_reason is not None or self.allocated_since is not None or self.joined_at is None:
            return False
        return self.spends_unallocated or not (self.is_over or self.state in ENDING_STATES)


class AllocationRow(NamedTuple):
    account_id: str
    effective_on: date
    ordinal: int
    """Place of the share: they are ordered by product path."""
    product: str
    percent: Decimal
    account_type: str
    effective_to: date | None
    """Exclusive; null while it is the last one."""
    allocated_by: UUID
    note: str
    basis: str
    """One of `domain.account_facts.Basis`."""
    rule: str
    """Name of the rule, or under what it was expected; empty for what was done by hand."""
    proposal: int
    """Number of the proposal that was accepted; 0 for none."""
    recorded_at: datetime


ACCOUNTS = Table(
    "accounts",
    AccountRow,
    key=1,
    indexes=("USING gin (keys)", "(opened_position) WHERE open_reason IS NOT NULL"),
)
ALLOCATIONS = Table("allocations", AllocationRow, key=3, group=1, indexes=("(product)",))


def unseen(account_id: str, at: datetime) -> AccountRow:
    """An account of which nothing is known yet."""
    return AccountRow(
        account_id=account_id,
        name="",
        email="",
        state="",
        joined_method="",
        joined_at=None,
        ou_path="",
        tags=None,
        keys=[],
        source="",
        first_seen_at=None,
        first_seen_position=None,
        departed_at=None,
        departed_how="",
        first_billed_on=None,
        billed_at=None,
        aligned_at=None,
        allocated_since=None,
        occasion=0,
        open_reason=None,
        opened_at=None,
        opened_position=None,
        ended_reason="",
        proposal=None,
        reminders=0,
        escalated_at=None,
        lifecycle=Lifecycle.UNKNOWN,
        updated_at=at,
    )


def with_lifecycle(row: AccountRow) -> AccountRow:
    """The row where it stands by what is in it."""
    lifecycle = lifecycle_of(
        aws_state=row.state if row.joined_at is not None else None,
        departed=row.departed_at is not None,
        allocated=row.allocated_since is not None,
        billed=row.first_billed_on is not None,
        proposed=row.proposal is not None,
    )
    return row._replace(lifecycle=lifecycle.value)


def waiting_account(fact: Reminded | Escalated) -> str | None:
    """The account that somebody is waited for; None where it is a schedule."""
    return fact.subject.removeprefix(_ACCOUNT) if fact.subject.startswith(_ACCOUNT) else None


def history(rows: Iterable[AllocationRow]) -> tuple[Allocation, ...]:
    """An account's allocations as its stream would give them, in the shape that the rules of the domain take."""
    ordered = sorted(rows, key=lambda row: (row.effective_on, row.ordinal))
    return tuple(
        Allocation.model_construct(
            effective_on=effective_on,
            account_type=AccountType(entry[0].account_type),
            shares=tuple(_share(row.product, row.percent) for row in entry),
        )
        for effective_on, entry in ((day, list(group)) for day, group in groupby(ordered, lambda r: r.effective_on))
    )


@lru_cache(PATHS_REMEMBERED_MAX)
def _share(product: str, percent: Decimal) -> Share:
    return Share.model_construct(product=text_path(product), percent=percent)
