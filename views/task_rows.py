"""The rows of open tasks."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

from domain.decision import Persona
from views.tables import Table


class TaskKind(StrEnum):
    SUBMIT_SCHEDULE = "submit_schedule"
    APPROVE_SCHEDULE = "approve_schedule"
    REVISE_SCHEDULE = "revise_schedule"
    RESCHEDULE = "reschedule"
    DECIDE_RESCHEDULE = "decide_reschedule"
    ALLOCATE_ACCOUNT = "allocate_account"
    DECIDE_ALLOCATION = "decide_allocation"
    APPROVE_ESTIMATE = "approve_estimate"
    REVISE_ESTIMATE = "revise_estimate"


class TaskRow(NamedTuple):
    subject: str
    """A product path, an account id, or a workload: its product's path and its name below that."""
    fiscal_year: int
    """0 for a task of no year."""
    kind: str
    persona: str
    """Its seat: a holder of this persona …"""
    node: str
    """… on this node …"""
    not_by: list[str]
    """… but none of these persons, who asked for it, nor anybody in their place."""
    vacant: bool
    """Nobody is left on its seat."""
    above_persona: str | None
    """The seat above, where it has the task, too."""
    above_node: str | None
    to_admins: bool
    """Whether financial admins have it, besides those of its seat."""
    version: int
    """What is to be decided on, the number of a proposal for an account; 0 where nothing was submitted or proposed."""
    detail: str
    """The submitter's note, the reason of whoever sent it back, or the account's name and what is proposed for it."""
    since: datetime
    position: int
    """Where the log says so: the oldest task has the lowest."""
    timed: bool
    """Whether reminders and escalation come; without a process nobody is reminded."""
    reminders: int
    escalated: bool
    until: date | None
    """The last day in the office on which it can be done."""


TASKS = Table(
    "tasks",
    TaskRow,
    key=2,
    indexes=(
        "(persona, node, position)",
        "(above_node, position) WHERE above_node IS NOT NULL",
        "(fiscal_year, position) WHERE to_admins",
        "(fiscal_year, position)",
    ),
)
"""One open task a subject and year: of a schedule, an account, an estimate, it is always one person's turn."""


def new_task(
    subject: str, fiscal_year: int, kind: TaskKind, persona: Persona, node: str, since: datetime, position: int
) -> TaskRow:
    return TaskRow(
        subject=subject,
        fiscal_year=fiscal_year,
        kind=kind.value,
        persona=persona.value,
        node=node,
        not_by=[],
        vacant=False,
        above_persona=None,
        above_node=None,
        to_admins=False,
        version=0,
        detail="",
        since=since,
        position=position,
        timed=False,
        reminders=0,
        escalated=False,
        until=None,
    )
