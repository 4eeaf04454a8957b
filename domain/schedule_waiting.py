"""What time does to a schedule (product rules, section 4): reminders, escalation, the end of the fiscal year.

These commands are made by Allot itself, in the process of a round; nobody outside may send them.
"""

from __future__ import annotations

from typing import Literal

from domain.decision import Command, Context, Decision, Event, Persona, Rule, States
from domain.errors import Forbidden
from domain.hierarchy import NodePath
from domain.schedule import LIVING, Schedule, YearEnded, awaited, nobody_left
from domain.schedule_commands import ScheduleCommand, year_ends_at
from domain.schedule_decisions import portfolio_holders, reads_of_a_decision
from domain.waiting import REMINDERS_MAX, Escalated, Overdue, Reminded, Waiting, waiting_stream


class RemindSchedule(ScheduleCommand):
    """Allot reminds whoever a schedule waits for; never accepted from outside."""

    kind: Literal["schedule.Remind"] = "schedule.Remind"
    turn: int
    count: int


class EscalateSchedule(ScheduleCommand):
    """Allot gives the task to the level above, too; never accepted from outside."""

    kind: Literal["schedule.Escalate"] = "schedule.Escalate"
    turn: int


class EndScheduleYear(ScheduleCommand):
    """Allot closes a round that its fiscal year has overtaken; never accepted from outside."""

    kind: Literal["schedule.EndYear"] = "schedule.EndYear"


def decide_remind(states: States, command: RemindSchedule, context: Context) -> Decision:
    """Nothing where the turn is over, or where somebody was reminded that often already."""
    waits = _waits(states, command, context)
    waiting: Waiting = states[waiting_stream(command.subject)]
    if waits is None or waiting.reminded(command.turn) >= min(command.count, REMINDERS_MAX):
        return Decision(message="There is nobody to be reminded.")
    persona, node = waits
    fact = Reminded(
        subject=str(command.subject),
        turn=command.turn,
        count=command.count,
        persona=persona,
        node=node,
        fiscal_year=command.fiscal_year,
        product=command.product,
    )
    return Decision([Event(waiting_stream(command.subject), fact)], "Reminded.")


def decide_escalate(states: States, command: EscalateSchedule, context: Context) -> Decision:
    waits = _waits(states, command, context)
    waiting: Waiting = states[waiting_stream(command.subject)]
    if waits is None or waiting.escalated(command.turn):
        return Decision(message="There is nothing to escalate.")
    persona, node = waits
    left = persona is not Persona.PORTFOLIO_OWNER or not nobody_left(
        states[command.subject], states[portfolio_holders(command)]
    )
    fact = Escalated(
        subject=str(command.subject),
        turn=command.turn,
        persona=persona,
        node=node,
        reason=Overdue.WAITED_TOO_LONG if left else Overdue.NOBODY_LEFT,
        fiscal_year=command.fiscal_year,
        product=command.product,
    )
    return Decision([Event(waiting_stream(command.subject), fact)], "Escalated.")


def _waits(
    states: States, command: RemindSchedule | EscalateSchedule, context: Context
) -> tuple[Persona, NodePath] | None:
    _require_system(context)
    schedule: Schedule = states[command.subject]
    if schedule.turn != command.turn or schedule.state not in LIVING:
        return None
    return awaited(schedule, command.product)


def decide_end_year(states: States, command: EndScheduleYear, context: Context) -> Decision:
    _require_system(context)
    schedule: Schedule = states[command.subject]
    if schedule.state not in LIVING or context.now < year_ends_at(command.fiscal_year, context.organization):
        return Decision(message="No round is open, or the year has not ended.")
    fact = YearEnded(
        fiscal_year=command.fiscal_year,
        product=command.product,
        round=schedule.round,
        open_state=schedule.state,
    )
    return Decision([Event(command.subject, fact)], f"Ended with the fiscal year {command.fiscal_year}.")


def _require_system(context: Context) -> None:
    if not context.actor.is_system:
        raise Forbidden("Only Allot itself reminds, escalates and ends a year.", code="SystemOnly")


RULES: dict[type[Command], Rule] = {
    RemindSchedule: Rule(reads_of_a_decision, decide_remind),
    EscalateSchedule: Rule(reads_of_a_decision, decide_escalate),
    EndScheduleYear: Rule(reads_of_a_decision, decide_end_year),
}
