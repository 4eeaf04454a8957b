"""What signals the process of a schedule takes."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from temporalio import workflow
from temporalio.common import RawValue

with workflow.unsafe.imports_passed_through():
    from domain.process import ScheduleRound, UpdateName
    from domain.schedule import schedule_stream
    from domain.schedule_commands import (
        RequestReschedule,
        ReviseSchedule,
        ScheduleCommand,
        SubmitSchedule,
        WithdrawSchedule,
    )
    from domain.schedule_decisions import ApproveSchedule, DenyReschedule, GrantReschedule, RejectSchedule
    from workflows import signals
    from workflows.signals import Door, Message

COMMANDS: dict[str, type[ScheduleCommand]] = {
    UpdateName.SUBMIT: SubmitSchedule,
    UpdateName.APPROVE: ApproveSchedule,
    UpdateName.REJECT: RejectSchedule,
    UpdateName.WITHDRAW: WithdrawSchedule,
    UpdateName.REVISE: ReviseSchedule,
    UpdateName.REQUEST: RequestReschedule,
    UpdateName.GRANT: GrantReschedule,
    UpdateName.DENY: DenyReschedule,
}


def read_signal(name: str, args: Sequence[RawValue], addressee: ScheduleRound, new_id: UUID) -> Message:
    """Never raises: that would leave the process stuck. `new_id` serves where the sender gave none."""
    return signals.read_signal(name, args, door_of(addressee), new_id)


def door_of(addressee: ScheduleRound) -> Door:
    return Door(
        commands=COMMANDS,
        subject=schedule_stream(addressee.fiscal_year, addressee.product),
        known={"fiscal_year": addressee.fiscal_year, "product": addressee.product},
        problem=lambda command: address_problem(command, addressee),
    )


def address_problem(command: ScheduleCommand, addressee: ScheduleRound) -> str | None:
    """Says so where a command is for another process."""
    if (command.fiscal_year, command.product) == (addressee.fiscal_year, addressee.product):
        return None
    return (
        f"This is the process of {addressee.product} for {addressee.fiscal_year}, and the command is for "
        f"{command.product} for {command.fiscal_year}: send it to the process of that product."
    )
