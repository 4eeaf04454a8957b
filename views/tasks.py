"""Open tasks: what somebody must decide, as which persona, on which node. A task goes when it is done."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from domain.account import Allocated, Changed, Vended
from domain.decision import Fact, Persona, RecordedEvent
from domain.hierarchy import NodePath
from domain.schedule import Approved, Rejected, Submitted
from views.accounts import ACCOUNTS
from views.batch import Batch, Projection
from views.paths import path_text
from views.tables import Table

CLOSED = "CLOSED"
"""State of an account, in the words of AWS, in which nothing is left to allocate."""


class TaskKind(StrEnum):
    APPROVE_SCHEDULE = "approve_schedule"
    REVISE_SCHEDULE = "revise_schedule"
    ALLOCATE_ACCOUNT = "allocate_account"


class TaskRow(NamedTuple):
    subject: str
    """A product path, or an account id."""
    fiscal_year: int
    """0 for a task of no year."""
    kind: str
    persona: str
    """Who must decide: a holder of this persona …"""
    node: str
    """… over this node …"""
    not_by: UUID | None
    """… but never this person, who submitted it."""
    version: int
    """What is to be decided on."""
    detail: str
    """The submitter's note, the reason of a rejection, or the account's name."""
    since: datetime
    position: int


TASKS = Table("tasks", TaskRow, key=2, indexes=("(since, position)",))
"""One open task a subject and year: of a schedule it is always one person's turn."""

_FACTS = (Submitted, Approved, Rejected, Vended, Changed, Allocated)


def wants(batch: Batch, _: RecordedEvent, fact: Fact) -> None:
    match fact:
        case Submitted() | Approved() | Rejected():
            batch.rows(TASKS).want(path_text(fact.product), fact.fiscal_year)
        case Vended() | Changed() | Allocated():
            batch.rows(TASKS).want(fact.account_id, 0)
            batch.rows(ACCOUNTS).want(fact.account_id)


def fold(batch: Batch, event: RecordedEvent, fact: Fact) -> None:
    tasks = batch.rows(TASKS)
    match fact:
        case Submitted():
            node, by, note = path_text(fact.product.portfolio), fact.submitted_by, fact.note
            kind, persona = TaskKind.APPROVE_SCHEDULE, Persona.PORTFOLIO_OWNER
            tasks.put(_task(event, path_text(fact.product), fact.fiscal_year, kind, persona, node, by, note))
        case Rejected():
            node, reason = path_text(fact.product), fact.reason
            kind, persona = TaskKind.REVISE_SCHEDULE, Persona.PRODUCT_OWNER
            tasks.put(_task(event, path_text(fact.product), fact.fiscal_year, kind, persona, node, None, reason))
        case Approved():
            tasks.delete(path_text(fact.product), fact.fiscal_year)
        case Vended() | Changed():
            _fold_account(batch, event, fact)
        case Allocated():
            tasks.delete(fact.account_id, 0)


def _fold_account(batch: Batch, event: RecordedEvent, fact: Vended | Changed) -> None:
    tasks, account = batch.rows(TASKS), batch.rows(ACCOUNTS).get(fact.account_id)
    open_task = tasks.get(fact.account_id, 0)
    if fact.state == CLOSED or (account is not None and account.allocated_since is not None):
        tasks.delete(fact.account_id, 0)
    elif open_task is not None:
        tasks.put(open_task._replace(detail=fact.name))
    else:
        kind, persona = TaskKind.ALLOCATE_ACCOUNT, Persona.FINANCIAL_ADMIN
        tasks.put(_task(event, fact.account_id, 0, kind, persona, str(NodePath.ROOT), None, fact.name))


def _task(
    event: RecordedEvent,
    subject: str,
    fiscal_year: int,
    kind: TaskKind,
    persona: Persona,
    node: str,
    not_by: UUID | None,
    detail: str,
) -> TaskRow:
    return TaskRow(
        subject=subject,
        fiscal_year=fiscal_year,
        kind=kind.value,
        persona=persona.value,
        node=node,
        not_by=not_by,
        version=event.stream_version,
        detail=detail,
        since=event.recorded_at,
        position=event.position,
    )


PROJECTION = Projection((TASKS,), _FACTS, wants, fold)
