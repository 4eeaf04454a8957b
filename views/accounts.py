"""AWS accounts as last seen, and the whole history of their allocation."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from pydantic_core import to_json

from domain.account import AccountType, Allocated, Allocation, Changed, Share, Vended
from domain.decision import Fact, RecordedEvent
from views.batch import Batch, Projection, missing
from views.paths import PATHS_REMEMBERED_MAX, path_text, text_path
from views.tables import Json, Table


class AccountRow(NamedTuple):
    account_id: str
    name: str
    email: str
    state: str
    joined_method: str
    joined_at: datetime
    ou_path: str
    tags: Json | None
    first_seen_at: datetime
    aligned_at: datetime | None
    """When its first allocation was recorded."""
    allocated_since: date | None
    """The first day that belongs to a product."""
    updated_at: datetime


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
    recorded_at: datetime


ACCOUNTS = Table("accounts", AccountRow, key=1)
ALLOCATIONS = Table("allocations", AllocationRow, key=3, group=1, indexes=("(product)",))


def wants(batch: Batch, _: RecordedEvent, fact: Vended | Changed | Allocated) -> None:
    batch.rows(ACCOUNTS).want(fact.account_id)
    if isinstance(fact, Allocated):
        batch.rows(ALLOCATIONS).want(fact.account_id)


def fold(batch: Batch, event: RecordedEvent, fact: Fact) -> None:
    accounts = batch.rows(ACCOUNTS)
    assert isinstance(fact, Vended | Changed | Allocated)
    before = accounts.get(fact.account_id)
    match fact:
        case Vended() | Changed():
            accounts.put(_seen(event, fact, before))
        case Allocated() if before is not None:
            since = min(before.allocated_since or fact.effective_on, fact.effective_on)
            accounts.put(
                before._replace(
                    aligned_at=before.aligned_at or event.recorded_at,
                    allocated_since=since,
                    updated_at=event.recorded_at,
                )
            )
            _allocate(batch, event, fact)
            batch.changes.realigned.add(fact.account_id)
        case _:
            raise missing(event, f"account {fact.account_id}")


def _seen(event: RecordedEvent, fact: Vended | Changed, before: AccountRow | None) -> AccountRow:
    return AccountRow(
        account_id=fact.account_id,
        name=fact.name,
        email=fact.email,
        state=fact.state,
        joined_method=fact.joined_method,
        joined_at=fact.joined_at,
        ou_path=fact.ou_path,
        tags=None if fact.tags is None else Json(to_json(fact.tags).decode()),
        first_seen_at=before.first_seen_at if before else event.recorded_at,
        aligned_at=before.aligned_at if before else None,
        allocated_since=before.allocated_since if before else None,
        updated_at=event.recorded_at,
    )


def _allocate(batch: Batch, event: RecordedEvent, fact: Allocated) -> None:
    """Puts the new entry in its place: instead of one of the same date, and up to the next one."""
    rows = batch.rows(ALLOCATIONS)
    starts = {row.effective_on for row in rows.having(fact.account_id)}
    for row in rows.having(fact.account_id):
        if row.effective_on == fact.effective_on:
            rows.delete(fact.account_id, row.effective_on, row.ordinal)
        elif row.effective_on == max((start for start in starts if start < fact.effective_on), default=None):
            rows.put(row._replace(effective_to=fact.effective_on))
    effective_to = min((start for start in starts if start > fact.effective_on), default=None)
    for ordinal, share in enumerate(fact.shares):
        rows.put(
            AllocationRow(
                account_id=fact.account_id,
                effective_on=fact.effective_on,
                ordinal=ordinal,
                product=path_text(share.product),
                percent=share.percent,
                account_type=fact.account_type.value,
                effective_to=effective_to,
                allocated_by=fact.allocated_by,
                note=fact.note,
                recorded_at=event.recorded_at,
            )
        )


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


PROJECTION = Projection((ACCOUNTS, ALLOCATIONS), (Vended, Changed, Allocated), wants, fold)
