"""The rows of workloads, which tasks and claims look at, too."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from domain.decision import Stream
from domain.hierarchy import PRODUCT_LEVEL, NodePath
from domain.waiting import Escalated, Reminded
from domain.workload import workload_key, workload_stream
from views.paths import PATHS_REMEMBERED_MAX, path_text, text_path
from views.tables import Json, Table

_WORKLOAD = f"{workload_stream(NodePath.ROOT, 'x').category}/"


class WorkloadRow(NamedTuple):
    product: str
    workload: str
    """The name under which it was created."""
    title: str
    account_id: str
    launch_month: str
    end_month: str
    """The last one."""
    ends_on: date
    """The first day that does not belong to it any more."""
    withdrawn_on: date | None
    created_by: UUID
    created_at: datetime
    state: str
    """Of the newest estimate."""
    version: int
    turn: int
    """Version at which that state began …"""
    since: datetime
    since_position: int
    """… and when, and where the log says so."""
    round: int
    fiscal_year: int
    """Of the newest estimate; 0 where nothing was submitted."""
    currency: str
    submitted: Json
    """Amounts by component and month, as last submitted."""
    submitted_total: Decimal
    submitted_by: UUID | None
    submitted_for: UUID | None
    submitted_at: datetime | None
    calculator_url: str
    note: str
    approved: Json | None
    """What counts; months after the end of the workload do not."""
    decided_by: UUID | None
    decided_for: UUID | None
    decided_at: datetime | None
    reason: str
    """Of the last rejection, or the note of the last approval."""
    reminders: int
    escalated_at: datetime | None
    updated_at: datetime

    @property
    def subject(self) -> str:
        """Under which its task stands."""
        return key_text(self.product, self.workload)


WORKLOADS = Table("workloads", WorkloadRow, key=2, indexes=("(account_id)",))


@lru_cache(PATHS_REMEMBERED_MAX)
def key_text(product: str, workload: str) -> str:
    """`Retail/Digital/Web/Checkout/Basket`: the product's path, and the name below it."""
    return workload_key(text_path(product), workload)


@lru_cache(PATHS_REMEMBERED_MAX)
def text_key(text: str) -> tuple[str, str]:
    """The product and the name."""
    product, _, name = text.rpartition("/")
    return product, NodePath.parse(name).name


def product_of(subject: str) -> str:
    """The product of a task's subject: itself, or what it is a workload of."""
    return subject.rpartition("/")[0] if is_workload(subject) else subject


def is_workload(subject: str) -> bool:
    """Whether a task's subject is a workload: one part more than a product has."""
    return subject.count("/") == PRODUCT_LEVEL


def waiting_workload(fact: Reminded | Escalated) -> tuple[str, str] | None:
    """The product and name of the workload that somebody is waited for; None where it is something else."""
    return text_key(fact.subject.removeprefix(_WORKLOAD)) if fact.subject.startswith(_WORKLOAD) else None


def stream_of(product: str, workload: str) -> Stream:
    return workload_stream(text_path(product), workload)


def key_of(product: NodePath, workload: str) -> tuple[str, str]:
    return path_text(product), workload
