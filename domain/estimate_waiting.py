"""What time does to the estimate of a workload (product rules, sections 4 and 6): reminders, escalation, the end.

These commands are made by Allot itself, in the process of a round; nobody outside may send them.
"""

from __future__ import annotations

from typing import Literal

from domain.decision import Command, Context, Decision, Event, Persona, Rule, States
from domain.errors import Forbidden
from domain.estimate_commands import EstimateCommand, estimate_ends_at
from domain.estimate_decisions import portfolio_holders, reads_of_a_decision
from domain.hierarchy import NodePath
from domain.waiting import REMINDERS_MAX, Escalated, Overdue, Reminded, Waiting, waiting_stream
from domain.workload import LIVING, EstimateLapsed, Workload, awaited, nobody_left


class RemindEstimate(EstimateCommand):
    """Allot reminds whoever an estimate waits for; never accepted from outside."""

    kind: Literal["workload.RemindEstimate"] = "workload.RemindEstimate"
    turn: int
    count: int


class EscalateEstimate(EstimateCommand):
    """Allot gives the task to the level above, too; never accepted from outside."""

    kind: Literal["workload.EscalateEstimate"] = "workload.EscalateEstimate"
    turn: int


class LapseEstimate(EstimateCommand):
    """Allot closes a round that its fiscal year has overtaken; never accepted from outside."""

    kind: Literal["workload.LapseEstimate"] = "workload.LapseEstimate"


def decide_remind(states: States, command: RemindEstimate, context: Context) -> Decision:
    """Nothing where the turn is over, or where somebody was reminded that often already."""
    waits = _waits(states, command, context)
    waiting: Waiting = states[waiting_stream(command.subject)]
    if waits is None or waiting.reminded(command.turn) >= min(command.count, REMINDERS_MAX):
        return Decision(message="There is nobody to be reminded.")
    persona, node = waits
    workload: Workload = states[command.subject]
    fact = Reminded(
        subject=str(command.subject),
        turn=command.turn,
        count=command.count,
        persona=persona,
        node=node,
        fiscal_year=workload.fiscal_year,
        product=command.product,
    )
    return Decision([Event(waiting_stream(command.subject), fact)], "Reminded.")


def decide_escalate(states: States, command: EscalateEstimate, context: Context) -> Decision:
    waits = _waits(states, command, context)
    waiting: Waiting = states[waiting_stream(command.subject)]
    if waits is None or waiting.escalated(command.turn):
        return Decision(message="There is nothing to escalate.")
    persona, node = waits
    workload: Workload = states[command.subject]
    left = persona is not Persona.PORTFOLIO_OWNER or not nobody_left(workload, states[portfolio_holders(command)])
    fact = Escalated(
        subject=str(command.subject),
        turn=command.turn,
        persona=persona,
        node=node,
        reason=Overdue.WAITED_TOO_LONG if left else Overdue.NOBODY_LEFT,
        fiscal_year=workload.fiscal_year,
        product=command.product,
    )
    return Decision([Event(waiting_stream(command.subject), fact)], "Escalated.")


def _waits(
    states: States, command: RemindEstimate | EscalateEstimate, context: Context
) -> tuple[Persona, NodePath] | None:
    _require_system(context)
    workload: Workload = states[command.subject]
    if workload.turn != command.turn or workload.state not in LIVING:
        return None
    return awaited(workload, command.product)


def decide_lapse(states: States, command: LapseEstimate, context: Context) -> Decision:
    _require_system(context)
    workload: Workload = states[command.subject]
    if workload.state not in LIVING or context.now < estimate_ends_at(workload, context.organization):
        return Decision(message="No round is open, or the year has not ended.")
    fact = EstimateLapsed(
        product=command.product, workload=command.workload, round=workload.round, open_state=workload.state
    )
    return Decision([Event(command.subject, fact)], f"Ended with the fiscal year {workload.fiscal_year}.")


def _require_system(context: Context) -> None:
    if not context.actor.is_system:
        raise Forbidden("Only Allot itself reminds, escalates and ends a year.", code="SystemOnly")


RULES: dict[type[Command], Rule] = {
    RemindEstimate: Rule(reads_of_a_decision, decide_remind),
    EscalateEstimate: Rule(reads_of_a_decision, decide_escalate),
    LapseEstimate: Rule(reads_of_a_decision, decide_lapse),
}
