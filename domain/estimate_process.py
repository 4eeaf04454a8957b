"""The process of a workload's estimate: its first message, what it knows, its id; beside `domain.process`, as data."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, Field

from domain.calendar import Month
from domain.hierarchy import NodePath
from domain.model import Model
from domain.process import ROUNDS_MAX, bounded
from domain.workload import FIRST_ROUND, Component, State, WorkloadName, workload_key


class EstimateUpdateName(StrEnum):
    """Updates and signals of WorkloadEstimate; both carry the same command."""

    SUBMIT = "submit"
    APPROVE = "approve"
    REJECT = "reject"
    WITHDRAW = "withdraw"
    REVISE = "revise"


class EstimateRound(Model):
    """Starts WorkloadEstimate: one workload, and one round of submission and approval of its estimate."""

    product: NodePath
    workload: WorkloadName
    round: Annotated[int, Field(ge=FIRST_ROUND, le=ROUNDS_MAX)] = FIRST_ROUND


class EstimateView(Model):
    """What the process of an estimate knows; the answer to its query."""

    product: NodePath
    workload: str
    round: int
    """The workload's last one; a process that finds another one than its own there is over."""
    state: State = State.DRAFT
    version: int = 0
    """0 where there is no such workload."""
    title: str = ""
    account_id: str = ""
    launch_month: str = ""
    end_month: str = ""
    currency: str = ""
    fiscal_year: int = 0
    amounts: Mapping[Component, Mapping[Month, str]] = {}
    """As last submitted."""
    approved: Mapping[Component, Mapping[Month, str]] = {}
    """What counts."""
    calculator_url: str = ""
    reason: str = ""
    """Of the last rejection."""
    awaiting: str = ""
    """Persona whose turn it is; empty for nobody."""
    turn: int = 0
    """Version at which that turn began."""
    since: AwareDatetime | None = None
    reminders: int = 0
    escalated: bool = False
    remind_at: AwareDatetime | None = None
    escalate_at: AwareDatetime | None = None
    year_ends_at: AwareDatetime | None = None
    """From then on nothing is decided: the end of the fiscal year in which the workload ends."""
    looked: bool = False
    """Whether the ledger was asked yet."""
    refusals: int = 0
    """Messages refused in this run."""
    last_refusal: str = ""


def estimate_process_id(product: NodePath, workload: str, round_: int = FIRST_ROUND) -> str:
    return bounded(f"workload-estimate/{workload_key(product, workload)}/{round_}")
