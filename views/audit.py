"""The audit trail: every event with its envelope, found by whatever it is about."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from pydantic_core import to_json

from domain.account import Allocated, Changed, OrganizationSeen, Vended
from domain.budget import AnnualApproved, BudgetLoaded
from domain.cost import PeriodImported
from domain.decision import CommandRefused, Fact, RecordedEvent
from domain.people import Granted, Registered
from domain.schedule import Approved, Rejected, Submitted
from views.batch import Batch, BrokenLog, Projection
from views.paths import path_text
from views.tables import Json, Table

SUBJECT_BYTES_MAX = 2_000
"""Of one key in the index, which takes 2,704 at most; the longest product path has 1,603."""


class AuditRow(NamedTuple):
    position: int
    event_id: UUID
    stream: str
    stream_version: int
    fact_name: str
    subjects: list[str]
    """Streams, product paths, account ids, persons' ids, billing periods, content hashes, the command's id."""
    actor: UUID
    on_behalf_of: UUID | None
    channel: str
    command_id: UUID
    workflow_id: str
    workflow_run_id: str
    activity_id: str
    recorded_at: datetime
    fact: Json


AUDIT = Table("audit", AuditRow, key=1, indexes=("USING gin (subjects)",))

_FACTS = (
    CommandRefused,
    Registered,
    Granted,
    BudgetLoaded,
    AnnualApproved,
    Submitted,
    Approved,
    Rejected,
    OrganizationSeen,
    Vended,
    Changed,
    Allocated,
    PeriodImported,
)


def fold(batch: Batch, event: RecordedEvent, fact: Fact) -> None:
    keys = dict.fromkeys([event.stream, *subjects(fact), str(event.command_id)])
    batch.rows(AUDIT).append(
        AuditRow(
            position=event.position,
            event_id=event.event_id,
            stream=event.stream,
            stream_version=event.stream_version,
            fact_name=fact.fact_name,
            subjects=[subject_key(key) for key in keys],
            actor=event.actor,
            on_behalf_of=event.on_behalf_of,
            channel=event.channel,
            command_id=event.command_id,
            workflow_id=event.workflow_id,
            workflow_run_id=event.workflow_run_id,
            activity_id=event.activity_id,
            recorded_at=event.recorded_at,
            fact=Json(to_json(fact).decode()),
        )
    )


def subject_key(text: str) -> str:
    """As it stands in the index."""
    if len(text) * 4 <= SUBJECT_BYTES_MAX:
        return text
    return text.encode()[:SUBJECT_BYTES_MAX].decode(errors="ignore")


def subjects(fact: Fact) -> list[str]:
    """What a person may ask for to find this event, besides its stream and its command."""
    match fact:
        case Submitted() | Approved() | Rejected():
            return [path_text(fact.product)]
        case AnnualApproved():
            return [path_text(fact.product), fact.content_hash]
        case BudgetLoaded():
            return [str(fact.fiscal_year), fact.content_hash]
        case Vended() | Changed():
            return [fact.account_id]
        case Allocated():
            return [fact.account_id, *(path_text(share.product) for share in fact.shares)]
        case OrganizationSeen():
            return [fact.organization_id, fact.management_account_id]
        case Registered():
            return [str(fact.person_id)]
        case Granted():
            return [str(fact.person_id), str(fact.node)]
        case PeriodImported():
            return [str(fact.billing_period), fact.report_version]
        case CommandRefused():
            return [fact.subject, *fact.subject.split("/", 1)[1:]]
        case _:
            raise BrokenLog(f"The audit trail does not know the subjects of {fact.fact_name!r}.")


PROJECTION = Projection((AUDIT,), _FACTS, fold=fold)
