"""What a run of AccountAlignment starts with, what it takes, and what time does in its occasion: pure, to be tested."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NamedTuple

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.contracts import AlignmentStepRequest
    from domain.account import account_stream
    from domain.account_allocating import AccountCommand, AllocateAccount, ProposeAllocation
    from domain.account_process import AccountUpdateName, AlignmentRound, AlignmentView
    from domain.account_proposals import AcceptProposal, DeclineProposal
    from workflows.signals import Door, Message

COMMANDS: dict[str, type[AccountCommand]] = {
    AccountUpdateName.ALLOCATE: AllocateAccount,
    AccountUpdateName.PROPOSE: ProposeAllocation,
    AccountUpdateName.ACCEPT: AcceptProposal,
    AccountUpdateName.DECLINE: DeclineProposal,
}


class AlignmentRun(AlignmentRound):
    """What a run starts with: an occasion and, after continue-as-new, what the run before it leaves behind."""

    refusals: int = 0
    last_refusals: tuple[str, ...] = ()
    inbox: tuple[Message, ...] = ()


NOTHING = AlignmentRun(account_id="0" * 12, occasion=1)
"""Stands in for the input that a process started by hand may lack, until run() ends it."""


def is_open(view: AlignmentView, occasion: int) -> bool:
    """Whether somebody has to act in this occasion. The account may have gone on to another one."""
    return view.open and view.occasion == occasion


type Step = Literal["remind", "escalate"]


class Due(NamedTuple):
    """What time does next, and when."""

    at: datetime
    step: Step
    number: int
    """Which reminder, or which attempt."""
    attempt: int = 0

    def request(self, round_: AlignmentRound) -> AlignmentStepRequest:
        return AlignmentStepRequest(
            account_id=round_.account_id,
            occasion=round_.occasion,
            step=self.step,
            count=self.number,
            attempt=self.attempt,
        )


def next_due(view: AlignmentView, idle: int, not_before: datetime | None) -> Due | None:
    """The earliest step. `idle` steps have recorded nothing since something happened; none is tried again before
    `not_before`, so that a reminder that cannot be recorded does not keep back the escalation."""
    planned: tuple[tuple[datetime | None, Step, int, int], ...] = (
        (view.escalate_at, "escalate", idle, 0),
        (view.remind_at, "remind", view.reminders + 1, idle),
    )
    steps = [
        Due(at if not_before is None else max(at, not_before), step, number, attempt)
        for at, step, number, attempt in planned
        if at is not None
    ]
    return min(steps, key=lambda due: due.at, default=None)  # min keeps the order above where times are equal


def progress(view: AlignmentView) -> tuple[object, ...]:
    """What changes when a step of time, or a decision, was recorded."""
    return view.occasion, view.open, view.proposal, view.reminders, view.escalated


def address_problem(command: AccountCommand, round_: AlignmentRound) -> str | None:
    """Says so where a command is for another process."""
    if command.account_id == round_.account_id:
        return None
    return (
        f"This is the process of account {round_.account_id}, and the command is for {command.account_id}: send it to "
        "the process of that account."
    )


def door_of(round_: AlignmentRound) -> Door:
    """What signals the process takes."""
    return Door(
        commands=COMMANDS,
        subject=account_stream(round_.account_id),
        known={"account_id": round_.account_id},
        problem=lambda command: address_problem(command, round_),
    )
