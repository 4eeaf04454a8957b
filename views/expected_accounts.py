"""Accounts that are expected: those that still wait, those that have appeared, and those that were withdrawn."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from pydantic_core import to_json

from domain.decision import Fact, RecordedEvent
from domain.expectation import FACTS, Appeared, Registered, Withdrawn
from views.account_models import ExpectationStatus
from views.batch import Batch, Projection, missing
from views.tables import Json, Table


class ExpectedRow(NamedTuple):
    key: str
    """By which the account is recognised: `email:…` or `name:…`."""
    email: str
    name: str
    account_type: str
    shares: Json
    registered_by: UUID
    registered_at: datetime
    note: str
    status: str
    """One of `views.account_models.ExpectationStatus`."""
    account_id: str
    """Empty until it appeared."""
    appeared_at: datetime | None
    reason: str
    """Why it was withdrawn; else empty."""
    updated_at: datetime


EXPECTED = Table("expected_accounts", ExpectedRow, key=1, indexes=("(status, registered_at)", "(account_id)"))
"""The last registration under each key."""


def wants(batch: Batch, _: RecordedEvent, fact: Registered | Withdrawn | Appeared) -> None:
    batch.rows(EXPECTED).want(fact.key)


def fold(batch: Batch, event: RecordedEvent, fact: Fact) -> None:
    rows = batch.rows(EXPECTED)
    if isinstance(fact, Registered):
        rows.put(_registered(event, fact))
        return
    assert isinstance(fact, Withdrawn | Appeared)
    before = rows.get(fact.key)
    if before is None:
        raise missing(event, f"expected account {fact.key}")
    after = before._replace(updated_at=event.recorded_at)
    if isinstance(fact, Withdrawn):
        rows.put(after._replace(status=ExpectationStatus.WITHDRAWN.value, reason=fact.reason))
    else:
        appeared = ExpectationStatus.APPEARED.value
        rows.put(after._replace(status=appeared, account_id=fact.account_id, appeared_at=event.recorded_at))


def _registered(event: RecordedEvent, fact: Registered) -> ExpectedRow:
    return ExpectedRow(
        key=fact.key,
        email=fact.email,
        name=fact.name,
        account_type=fact.account_type.value,
        shares=Json(to_json(fact.shares).decode()),
        registered_by=fact.registered_by,
        registered_at=event.recorded_at,
        note=fact.note,
        status=ExpectationStatus.WAITING.value,
        account_id="",
        appeared_at=None,
        reason="",
        updated_at=event.recorded_at,
    )


PROJECTION = Projection((EXPECTED,), FACTS, wants, fold)
