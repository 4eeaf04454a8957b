"""What becomes of the reference when a command is accepted, and when a budget is loaded."""

from __future__ import annotations

from collections.abc import Mapping

from domain.closing import CloseMonth, ReopenMonth
from domain.decision import Command
from domain.people_commands import (
    DeactivatePerson,
    Delegate,
    EndDelegation,
    GrantPersona,
    PersonCommand,
    ReactivatePerson,
    WithdrawGrant,
)
from domain.schedule_commands import (
    RequestReschedule,
    ReviseSchedule,
    ScheduleCommand,
    SubmitSchedule,
    WithdrawSchedule,
)
from domain.schedule_decisions import ApproveSchedule, DenyReschedule, GrantReschedule, RejectSchedule, ScheduleDecision
from domain.schedule_waiting import EndScheduleYear, EscalateSchedule, RemindSchedule
from tests.domain.lifecycle_model import Model, Row, dollars

_DECIDED = {
    ApproveSchedule: "approved",
    RejectSchedule: "rejected",
    GrantReschedule: "granted",
    DenyReschedule: "denied",
}


def accepted(model: Model, command: Command, behalf: str | None) -> None:
    """`behalf` is in whose place it was done."""
    match command:
        case PersonCommand():
            _people(model, command)
        case CloseMonth():
            model.closed.add(command.month.month)
        case ReopenMonth():
            model.closed.discard(command.month.month)
        case ScheduleDecision():
            _decided(model.rows[str(command.product)], command)
        case ScheduleCommand():
            _moved(model.rows[str(command.product)], command, behalf)


def _people(model: Model, command: PersonCommand) -> None:
    who, person = command.actor, command.person
    match command:
        case GrantPersona():
            model.held[person].add((str(command.persona), str(command.node)))
        case WithdrawGrant():
            model.held[person].discard((str(command.persona), str(command.node)))
        case DeactivatePerson():
            model.held[person].clear()
            model.inactive.add(person)
            model.delegated = [kept for kept in model.delegated if kept[1] != person]
        case ReactivatePerson():
            model.inactive.discard(person)
        case Delegate():
            model.delegated.append((who, person, command.first_day, command.last_day))
        case EndDelegation():
            model.delegated = [kept for kept in model.delegated if kept[:2] != (who, person)]


def _moved(row: Row, command: ScheduleCommand, behalf: str | None) -> None:
    by = frozenset({command.actor, behalf} - {None})
    match command:
        case SubmitSchedule():
            row.asked, row.asked_by, row.attached = dollars(command), by, False  # type: ignore[assignment]  # no None left
            if row.state == "REJECTED":
                row.step(row.back)
            row.step("PENDING")
        case WithdrawSchedule():
            row.attached = False
            row.step(row.back if row.state == "PENDING" else "APPROVED")
        case ReviseSchedule():
            row.step(row.back)
        case RequestReschedule():
            row.asked_by, row.attached = by, bool(command.amounts)  # type: ignore[assignment]  # no None left
            row.asked = dollars(command) or row.asked
            row.round += 1
            row.step("RESCHEDULE_REQUESTED")
        case RemindSchedule():
            row.reminders = (command.turn, command.count)
        case EscalateSchedule():
            row.escalated = command.turn
        case EndScheduleYear():
            row.attached = False
            row.step("CLOSED" if row.in_force is None else "APPROVED")


def _decided(row: Row, command: ScheduleDecision) -> None:
    row.decided[command.version] = _DECIDED[type(command)]
    match command:
        case ApproveSchedule():
            row.in_force = row.asked
            row.step("APPROVED")
        case RejectSchedule():
            row.step("REJECTED")
        case GrantReschedule() if row.attached:
            row.in_force, row.attached = row.asked, False
            row.step("PENDING")
            row.step("APPROVED")
        case GrantReschedule():
            row.step("RESCHEDULING")
        case DenyReschedule():
            row.attached = False
            row.step("APPROVED")


def loaded(model: Model, annual: Mapping[str, int], *, override: bool, from_month: int) -> None:
    """Rows of a file, or the whole year's where it overrides."""
    for path, row in model.rows.items():
        if path in annual:
            if not row.listed or row.annual != annual[path]:
                row.listed = True
                _new_annual(row, annual[path])
        elif override and row.listed:
            row.listed = False
            spent = enumerate(row.in_force or (), start=1)
            _new_annual(row, sum(each for n, each in spent if n < from_month or n in model.closed))


def _new_annual(row: Row, annual: int) -> None:
    was_over, row.annual = row.over, annual
    waits = row.state == "PENDING" or (row.state == "RESCHEDULE_REQUESTED" and row.attached)
    if waits and sum(row.asked or ()) > annual:
        row.attached = False
        row.step(row.back if row.state == "PENDING" else "APPROVED")
    if was_over != row.over:
        row.step()
