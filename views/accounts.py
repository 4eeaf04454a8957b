"""AWS accounts: as last seen, on their way to a budget, and the whole history of their allocation.

The rows follow `domain.account.evolve`, from which decisions are made; a test compares the two on random events.
"""

from __future__ import annotations

from typing import Any

from pydantic_core import to_json

from domain.account_facts import (
    AlignmentEnded,
    AlignmentOpened,
    Allocated,
    AllocationProposed,
    Changed,
    Departed,
    FirstBilled,
    Observed,
    ProposalDeclined,
    Returned,
    Vended,
)
from domain.decision import Fact, RecordedEvent
from domain.expected_account import streams_for
from domain.waiting import Escalated, Reminded
from views.account_rows import (
    ACCOUNTS,
    ALLOCATIONS,
    AccountRow,
    AllocationRow,
    unseen,
    waiting_account,
    with_lifecycle,
)
from views.batch import Batch, Projection, missing
from views.paths import path_text
from views.tables import Json

FACTS: tuple[type[Fact], ...] = (
    Vended,
    Changed,
    Returned,
    Departed,
    FirstBilled,
    AlignmentOpened,
    AlignmentEnded,
    AllocationProposed,
    ProposalDeclined,
    Allocated,
)
"""All that is recorded in the stream of an account."""
_PROPOSED = frozenset({"account_type", "shares", "effective_on", "basis", "rule", "proposed_by", "note"})


def wants(batch: Batch, _: RecordedEvent, fact: Any) -> None:
    account_id = waiting_account(fact) if isinstance(fact, Reminded | Escalated) else fact.account_id
    if account_id is not None:
        batch.rows(ACCOUNTS).want(account_id)
    if isinstance(fact, Allocated):
        batch.rows(ALLOCATIONS).want(account_id)


def fold(batch: Batch, event: RecordedEvent, fact: Any) -> None:
    if isinstance(fact, Reminded | Escalated):
        _wait(batch, event, fact)
        return
    accounts = batch.rows(ACCOUNTS)
    before = accounts.get(fact.account_id)
    if before is None:
        if not isinstance(fact, Observed | FirstBilled):
            raise missing(event, f"account {fact.account_id}")
        before = unseen(fact.account_id, event.recorded_at)
    changes = _allocating(event, fact, before) if isinstance(fact, _ALLOCATING) else _living(event, fact, before)
    accounts.put(with_lifecycle(before._replace(updated_at=event.recorded_at, **changes)))
    if isinstance(fact, Allocated):
        _allocate(batch, event, fact)
        batch.changes.realigned.setdefault(fact.account_id, set()).add(fact.effective_on)


def _living(event: RecordedEvent, fact: Fact, before: AccountRow) -> dict[str, Any]:
    """What AWS has shown or billed."""
    match fact:
        case Observed():
            return _seen(event, fact, before)
        case Departed():
            return {"departed_at": fact.at, "departed_how": fact.how}
        case FirstBilled():
            return {"first_billed_on": fact.first_usage_on, "billed_at": before.billed_at or event.recorded_at}
    raise TypeError(f"{type(fact).__name__} is no fact of an account")


def _seen(event: RecordedEvent, fact: Observed, before: AccountRow) -> dict[str, Any]:
    first = {"source": fact.source, "first_seen_at": event.recorded_at, "first_seen_position": event.position}
    return (first if before.first_seen_at is None else {}) | {
        "name": fact.name,
        "email": fact.email,
        "state": fact.state,
        "joined_method": fact.joined_method,
        "joined_at": fact.joined_at,
        "ou_path": fact.ou_path,
        "tags": None if fact.tags is None else Json(to_json(fact.tags).decode()),
        "keys": [stream.key for stream in streams_for(fact)],
        "departed_at": None,
        "departed_how": "",
    }


def _allocating(event: RecordedEvent, fact: Fact, before: AccountRow) -> dict[str, Any]:
    """What people and rules have said."""
    match fact:
        case AlignmentOpened():
            return {
                "occasion": fact.occasion,
                "open_reason": fact.reason.value,
                "opened_at": event.recorded_at,
                "opened_position": event.position,
                "ended_reason": "",
                "proposal": None,
                "reminders": 0,
                "escalated_at": None,
            }
        case AlignmentEnded():
            return {"open_reason": None, "ended_reason": fact.reason, "proposal": None}
        case AllocationProposed():
            return {"proposal": _proposal(event, fact)}
        case ProposalDeclined():
            return {"proposal": None}
        case Allocated():
            return {
                "open_reason": None,
                "proposal": None,
                "aligned_at": before.aligned_at or event.recorded_at,
                "allocated_since": min(before.allocated_since or fact.effective_on, fact.effective_on),
            }
    raise TypeError(f"{type(fact).__name__} says nothing about an allocation")


_ALLOCATING = (AlignmentOpened, AlignmentEnded, AllocationProposed, ProposalDeclined, Allocated)


def _proposal(event: RecordedEvent, fact: AllocationProposed) -> Json:
    proposed = fact.model_dump(mode="json", include=set(_PROPOSED))
    return Json(to_json({**proposed, "number": fact.proposal, "proposed_at": event.recorded_at}).decode())


def _wait(batch: Batch, event: RecordedEvent, fact: Reminded | Escalated) -> None:
    """What was said about an earlier occasion is over with it."""
    account_id = waiting_account(fact)
    if account_id is None:  # a schedule
        return
    before = batch.rows(ACCOUNTS).get(account_id)
    if before is None:
        raise missing(event, f"account {account_id}")
    if fact.turn != before.occasion:
        return
    told = {"reminders": fact.count} if isinstance(fact, Reminded) else {"escalated_at": event.recorded_at}
    batch.rows(ACCOUNTS).put(before._replace(**told))


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
                basis=fact.basis.value,
                rule=fact.rule,
                proposal=fact.proposal,
                recorded_at=event.recorded_at,
            )
        )


PROJECTION = Projection((ACCOUNTS, ALLOCATIONS), (*FACTS, Reminded, Escalated), wants, fold)
