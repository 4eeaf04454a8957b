"""Decisions on a schedule: approve, reject, grant, deny (product rules, section 4).

Deciding twice is answered with the first decision. A decision on a version that has moved is refused with what changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Literal

from pydantic import Field

from domain.closing import closing_stream
from domain.decision import (
    Action,
    Authority,
    Command,
    Context,
    Decision,
    Event,
    NoteText,
    Persona,
    PersonId,
    ReasonText,
    Rule,
    States,
    Stream,
)
from domain.errors import Refusal, StaleVersion
from domain.money import Money
from domain.people import Holders, holders_stream, require
from domain.schedule import (
    Approved,
    Rejected,
    RescheduleDenied,
    RescheduleGranted,
    Schedule,
    ScheduleFact,
    State,
    nobody_left,
)
from domain.schedule_commands import (
    MONTHS_SHOWN_MAX,
    ScheduleCommand,
    check_closed_months,
    known_line,
    reads,
    require_open_year,
    require_round,
)
from domain.waiting import Waiting, waiting_stream

CHANGES_SHOWN_MAX = 5
"""Last changes that a refusal of a stale version lists."""


class ScheduleDecision(ScheduleCommand):
    """What all decisions share: the version that the person saw."""

    version: Annotated[int, Field(ge=1)]


class ApproveSchedule(ScheduleDecision):
    kind: Literal["schedule.Approve"] = "schedule.Approve"
    note: NoteText = ""


class RejectSchedule(ScheduleDecision):
    kind: Literal["schedule.Reject"] = "schedule.Reject"
    reason: ReasonText


class GrantReschedule(ScheduleDecision):
    kind: Literal["schedule.GrantReschedule"] = "schedule.GrantReschedule"
    note: NoteText = ""


class DenyReschedule(ScheduleDecision):
    kind: Literal["schedule.DenyReschedule"] = "schedule.DenyReschedule"
    reason: ReasonText


def decide_approve(states: States, command: ApproveSchedule, context: Context) -> Decision:
    return _decide(states, command, context, State.PENDING, _approval)


def _approval(schedule: Schedule, command: ApproveSchedule, states: States, context: Context) -> list[ScheduleFact]:
    _check_still_fits(schedule, states, command)
    return [
        Approved(
            fiscal_year=command.fiscal_year,
            product=command.product,
            decided_version=command.version,
            decided_by=context.actor.person_id,
            note=command.note,
        )
    ]


def decide_reject(states: States, command: RejectSchedule, context: Context) -> Decision:
    return _decide(states, command, context, State.PENDING, _rejection)


def _rejection(_schedule: Schedule, command: RejectSchedule, _states: States, context: Context) -> list[ScheduleFact]:
    return [
        Rejected(
            fiscal_year=command.fiscal_year,
            product=command.product,
            decided_version=command.version,
            decided_by=context.actor.person_id,
            reason=command.reason,
        )
    ]


def decide_grant(states: States, command: GrantReschedule, context: Context) -> Decision:
    return _decide(states, command, context, State.RESCHEDULE_REQUESTED, _granting)


def _granting(schedule: Schedule, command: GrantReschedule, states: States, context: Context) -> list[ScheduleFact]:
    shared = {"fiscal_year": command.fiscal_year, "product": command.product}
    decided = {"decided_version": command.version, "decided_by": context.actor.person_id, "note": command.note}
    facts: list[ScheduleFact] = [RescheduleGranted.model_validate(shared | decided)]
    if schedule.attached:  # one decision does both
        _check_still_fits(schedule, states, command)
        facts.append(Approved.model_validate(shared | decided))
    return facts


def decide_deny(states: States, command: DenyReschedule, context: Context) -> Decision:
    return _decide(states, command, context, State.RESCHEDULE_REQUESTED, _denial)


def _denial(_schedule: Schedule, command: DenyReschedule, _states: States, context: Context) -> list[ScheduleFact]:
    return [
        RescheduleDenied(
            fiscal_year=command.fiscal_year,
            product=command.product,
            decided_version=command.version,
            decided_by=context.actor.person_id,
            reason=command.reason,
        )
    ]


_WORDS: dict[type[ScheduleDecision], str] = {
    ApproveSchedule: "Approved",
    RejectSchedule: "Rejected",
    GrantReschedule: "Granted",
    DenyReschedule: "Denied",
}
_ACTIONS: dict[State, Action] = {
    State.PENDING: Action.DECIDE_SCHEDULE,
    State.RESCHEDULE_REQUESTED: Action.DECIDE_RESCHEDULE,
}
_INSTEAD: dict[State, str] = {
    State.PENDING: " A schedule was submitted: approve or reject it.",
    State.RESCHEDULE_REQUESTED: " A reschedule was requested: grant or deny it.",
}


def _decide[C: ScheduleDecision](
    states: States,
    command: C,
    context: Context,
    state: State,
    facts: Callable[[Schedule, C, States, Context], list[ScheduleFact]],
) -> Decision:
    """What all decisions share: rights, the first decision for whoever decides again, and the version."""
    known_line(states, command)
    schedule: Schedule = states[command.subject]
    first = schedule.decision_on(command.version)
    # To hear what was decided already, it does not matter who submitted what waits now.
    submitters = frozenset[PersonId]() if first else schedule.submitters
    authority = _authority(states, schedule, command, context, _ACTIONS[state], submitters)
    if first:
        return Decision(message=f"Version {command.version} was {first} already; that decision stands.")
    if not schedule.version:
        raise Refusal(f"Nothing was submitted for {command.product} yet.", code="NothingSubmitted")
    require_open_year(command, context)
    require_round(command, schedule.round)
    if schedule.version != command.version:
        raise StaleVersion(_what_changed(schedule, command))
    if schedule.state is not state:
        raise Refusal(
            f"The schedule of {command.product} for {command.fiscal_year} is {schedule.state}, so this cannot be "
            f"decided.{_INSTEAD.get(schedule.state, '')}",
            code="NotDecidable",
        )
    recorded = facts(schedule, command, states, context)
    word = _WORDS[type(command)] if len(recorded) == 1 else "Granted and approved"
    message = f"{word} version {command.version}."
    return Decision([Event(command.subject, fact) for fact in recorded], message, authority)


def _authority(
    states: States,
    schedule: Schedule,
    command: ScheduleDecision,
    context: Context,
    action: Action,
    submitted_by: frozenset[PersonId],
) -> Authority:
    waiting: Waiting = states[waiting_stream(command.subject)]
    holders: Holders = states[portfolio_holders(command)]
    # Whoever stood in must hear of their own decision, even though their turn is over with it.
    decided = schedule.decision_on(command.version) is not None
    stand_in = decided or waiting.escalated(schedule.turn) or nobody_left(schedule, holders)
    return require(context, action, command.product, submitted_by=submitted_by, stand_in=stand_in)


def _what_changed(schedule: Schedule, command: ScheduleDecision) -> str:
    since = [change for change in schedule.history if change.version > command.version]
    told = "; ".join(f"version {change.version} {change.text}" for change in since[-CHANGES_SHOWN_MAX:])
    seen = next((c.amounts for c in reversed(schedule.history) if c.version <= command.version and c.amounts), None)
    now = schedule.amounts or {}
    moved = [str(month) for month in sorted(now) if seen and now[month] != seen.get(month)]
    more = len(moved) - MONTHS_SHOWN_MAX
    listed = ", ".join(moved[:MONTHS_SHOWN_MAX]) + (f" and {more} more" if more > 0 else "")
    months = f" The amounts of {listed} differ." if moved else ""
    changed = f" Since then: {told}." if told else ""
    return (
        f"You decided on version {command.version}, but the schedule of {command.product} is now at version "
        f"{schedule.version} ({schedule.state}).{changed}{months} Look at it again with `allot schedule show`."
    )


def _check_still_fits(schedule: Schedule, states: States, command: ScheduleDecision) -> None:
    annual = known_line(states, command)
    if annual.amount < schedule.asked:
        raise Refusal(
            f"The months add up to {Money(schedule.asked, annual.currency)}, and the annual budget is {annual} by now.",
            code="OverAnnual",
        )
    closed = states[closing_stream(command.fiscal_year)]
    check_closed_months(schedule.amounts or {}, schedule, closed, annual.currency)


def portfolio_holders(command: ScheduleCommand) -> Stream:
    """Who owns the portfolio of the product."""
    return holders_stream(Persona.PORTFOLIO_OWNER, command.product.portfolio)


def reads_of_a_decision(command: ScheduleCommand, context: Context) -> Sequence[Stream]:
    return (*reads(command, context), waiting_stream(command.subject), portfolio_holders(command))


RULES: dict[type[Command], Rule] = {
    ApproveSchedule: Rule(reads_of_a_decision, decide_approve),
    RejectSchedule: Rule(reads_of_a_decision, decide_reject),
    GrantReschedule: Rule(reads_of_a_decision, decide_grant),
    DenyReschedule: Rule(reads_of_a_decision, decide_deny),
}
