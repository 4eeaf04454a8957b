"""What came from AWS and led to no account: vendings that failed, and messages that could not be understood."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from domain.account_trouble import FACTS, MessageRejected, VendingFailed
from domain.decision import RecordedEvent
from views.account_models import TroubleKind
from views.batch import Batch, Projection
from views.tables import Table


class TroubleRow(NamedTuple):
    kind: str
    """One of `views.account_models.TroubleKind`."""
    key: str
    """AWS's id of the request, or of the message."""
    reason: str
    account_name: str
    account_id: str
    excerpt: str
    """The beginning of a message."""
    at: datetime
    """When it happened, or was sent."""
    recorded_at: datetime
    position: int


TROUBLES = Table("account_troubles", TroubleRow, key=2, indexes=("(position)",))


def wants(batch: Batch, _: RecordedEvent, fact: VendingFailed | MessageRejected) -> None:
    batch.rows(TROUBLES).want(*_key(fact))


def fold(batch: Batch, event: RecordedEvent, fact: VendingFailed | MessageRejected) -> None:
    row = TroubleRow(
        *_key(fact),
        reason=fact.reason,
        account_name="",
        account_id="",
        excerpt="",
        at=event.recorded_at,
        recorded_at=event.recorded_at,
        position=event.position,
    )
    match fact:
        case VendingFailed():
            row = row._replace(account_name=fact.account_name, account_id=fact.account_id, at=fact.at)
        case MessageRejected():
            row = row._replace(excerpt=fact.excerpt, at=fact.sent_at)
    batch.rows(TROUBLES).put(row)


def _key(fact: VendingFailed | MessageRejected) -> tuple[str, str]:
    if isinstance(fact, VendingFailed):
        return TroubleKind.VENDING_FAILED.value, fact.request
    return TroubleKind.MESSAGE_REJECTED.value, fact.message_id


PROJECTION = Projection((TROUBLES,), FACTS, wants, fold)
