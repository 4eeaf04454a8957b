"""The audit trail: every event with its envelope, found by whatever it is about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from pydantic_core import to_json

from domain import account_rules, account_trouble, expected_account
from domain.account_facts import (
    FACTS as ACCOUNT_FACTS,
)
from domain.account_facts import (
    AlignmentEnded,
    AlignmentOpened,
    Allocated,
    AllocationProposed,
    Departed,
    FirstBilled,
    Observed,
    OrganizationSeen,
    ProposalDeclined,
)
from domain.account_rules import RULES_STREAM, RulesReplaced
from domain.account_trouble import MessageRejected, VendingFailed
from domain.allocation import Share
from domain.budget import AnnualApproved, BudgetLoaded, ProductWithdrawn
from domain.closing import MonthClosed, MonthReopened
from domain.cost import PeriodImported
from domain.decision import CommandRefused, Fact, RecordedEvent
from domain.metric_choice import MetricChosen
from domain.people import (
    Deactivated,
    Delegated,
    DelegationEnded,
    Granted,
    GrantWithdrawn,
    HolderAppointed,
    HolderRemoved,
    Reactivated,
    Registered,
)
from domain.restatement import AccountRestated
from domain.schedule import FACTS as SCHEDULE_FACTS
from domain.schedule import ScheduleFact
from domain.waiting import Escalated, Reminded
from views.account_rows import waiting_account
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
    """Streams, product paths, account ids, persons' ids, billing periods, content hashes, names and addresses of
    expected accounts, the command's id."""
    actor: UUID
    on_behalf_of: UUID | None
    channel: str
    command_id: UUID
    workflow_id: str
    workflow_run_id: str
    activity_id: str
    policies: list[str]
    """Ids of the policies that allowed or, for a refusal, forbade it."""
    policy_version: str
    recorded_at: datetime
    fact: Json


AUDIT = Table("audit", AuditRow, key=1, indexes=("USING gin (subjects)",))

_FACTS: tuple[type[Fact], ...] = (
    CommandRefused,
    Registered,
    Granted,
    GrantWithdrawn,
    Deactivated,
    Reactivated,
    Delegated,
    DelegationEnded,
    HolderAppointed,
    HolderRemoved,
    BudgetLoaded,
    AnnualApproved,
    ProductWithdrawn,
    *SCHEDULE_FACTS,
    Reminded,
    Escalated,
    MonthClosed,
    MonthReopened,
    *ACCOUNT_FACTS,
    *account_rules.FACTS,
    *account_trouble.FACTS,
    *expected_account.FACTS,
    PeriodImported,
    AccountRestated,
    MetricChosen,
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
            policies=list(event.policies),
            policy_version=event.policy_version,
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
        case ScheduleFact():
            return [path_text(fact.product)]
        case Reminded() | Escalated():
            return [waiting_account(fact) or path_text(fact.product)]
        case AnnualApproved() | ProductWithdrawn():
            return [path_text(fact.product), fact.content_hash]
        case BudgetLoaded():
            return [str(fact.fiscal_year), fact.content_hash]
        case MonthClosed() | MonthReopened():
            return [str(fact.fiscal_year), str(fact.month)]
        case PeriodImported():
            return [str(fact.billing_period), fact.report_version]
        case AccountRestated():
            return [fact.account_id, str(fact.billing_period), fact.to_version]
        case MetricChosen():
            return [str(fact.fiscal_year)]
        case CommandRefused():
            return [fact.subject, *fact.subject.split("/", 1)[1:]]
        case _:
            return _subjects_of_accounts(fact)


def _subjects_of_accounts(fact: Fact) -> list[str]:
    match fact:
        case OrganizationSeen():
            return [fact.organization_id, fact.management_account_id]
        case Allocated() | AllocationProposed():
            return [fact.account_id, *_products(fact.shares)]
        case FirstBilled():
            return [fact.account_id, fact.billing_period, fact.report_version]
        case Observed() | Departed() | AlignmentOpened() | AlignmentEnded() | ProposalDeclined():
            return [fact.account_id]
        case RulesReplaced():
            return [RULES_STREAM.category, *_products([share for rule in fact.rules for share in rule.shares])]
        case expected_account.Registered():
            return [*_of_expected(fact.key), *_products(fact.shares)]
        case expected_account.Withdrawn():
            return _of_expected(fact.key)
        case expected_account.Appeared():
            return [*_of_expected(fact.key), fact.account_id]
        case VendingFailed():
            return [text for text in (fact.request, fact.account_name, fact.account_id) if text]
        case MessageRejected():
            return [fact.message_id]
        case _:
            return _subjects_of_people(fact)


def _of_expected(key: str) -> list[str]:
    """The key, and the address or name in it, as people write it."""
    return [key, key.partition(":")[2]]


def _products(shares: Sequence[Share]) -> list[str]:
    return [path_text(share.product) for share in shares]


def _subjects_of_people(fact: Fact) -> list[str]:
    match fact:
        case Registered() | Deactivated() | Reactivated():
            return [str(fact.person_id)]
        case Granted() | GrantWithdrawn():
            return [str(fact.person_id), path_text(fact.node)]
        case Delegated() | DelegationEnded():
            return [str(fact.person_id), str(fact.delegated_by)]
        case HolderAppointed() | HolderRemoved():  # the person and the node find the grant that it came with
            return [f"{fact.persona}/{fact.node}"]
        case _:
            raise BrokenLog(f"The audit trail does not know the subjects of {fact.fact_name!r}.")


PROJECTION = Projection((AUDIT,), _FACTS, fold=fold)
