"""Decisions on the estimate of a workload: approve, reject (product rules, section 6).

Deciding twice is answered with the first decision. A decision on a version that has moved is refused with what changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Literal

from pydantic import Field

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
from domain.estimate_commands import EstimateCommand, estimate_ends_at, require_round
from domain.people import Holders, holders_stream, require
from domain.schedule_decisions import CHANGES_SHOWN_MAX
from domain.waiting import Waiting, waiting_stream
from domain.workload import EstimateApproved, EstimateRejected, State, Workload, WorkloadFact, nobody_left
from domain.workload_commands import known_workload


class EstimateDecision(EstimateCommand):
    """What all decisions share: the version that the person saw."""

    version: Annotated[int, Field(ge=1)]


class ApproveEstimate(EstimateDecision):
    """The estimate counts from now on."""

    kind: Literal["workload.ApproveEstimate"] = "workload.ApproveEstimate"
    note: NoteText = ""


class RejectEstimate(EstimateDecision):
    """The estimate goes back to its owner."""

    kind: Literal["workload.RejectEstimate"] = "workload.RejectEstimate"
    reason: ReasonText


def decide_approve(states: States, command: ApproveEstimate, context: Context) -> Decision:
    return _decide(states, command, context, _approval)


def _approval(command: ApproveEstimate, by: PersonId) -> EstimateApproved:
    return EstimateApproved(
        product=command.product,
        workload=command.workload,
        decided_version=command.version,
        decided_by=by,
        note=command.note,
    )


def decide_reject(states: States, command: RejectEstimate, context: Context) -> Decision:
    return _decide(states, command, context, _rejection)


def _rejection(command: RejectEstimate, by: PersonId) -> EstimateRejected:
    return EstimateRejected(
        product=command.product,
        workload=command.workload,
        decided_version=command.version,
        decided_by=by,
        reason=command.reason,
    )


def _decide[C: EstimateDecision](
    states: States, command: C, context: Context, fact_of: Callable[[C, PersonId], WorkloadFact]
) -> Decision:
    """What both decisions share: rights, the first decision for whoever decides again, and the version."""
    workload = known_workload(states, command)
    first = workload.decision_on(command.version)
    authority = _authority(states, workload, command, context)
    if first:
        return Decision(message=f"Version {command.version} was {first} already; that decision stands.")
    require_round(command, workload.round)
    if workload.version != command.version:
        raise StaleVersion(_what_changed(workload, command))
    if workload.state is not State.SUBMITTED:
        raise Refusal(
            f"The estimate of {command.workload} is {workload.state}, so this cannot be decided.", code="NotDecidable"
        )
    if context.now >= estimate_ends_at(workload, context.organization):
        raise Refusal(
            f"The fiscal year {workload.fiscal_year}, in which {command.workload} ends, is over: its estimate is not "
            "decided on any more.",
            code="YearEnded",
        )
    fact = fact_of(command, context.actor.person_id)
    word = "Approved" if isinstance(fact, EstimateApproved) else "Rejected"
    return Decision([Event(command.subject, fact)], f"{word} version {command.version}.", authority)


def _authority(states: States, workload: Workload, command: EstimateDecision, context: Context) -> Authority:
    waiting: Waiting = states[waiting_stream(command.subject)]
    holders: Holders = states[portfolio_holders(command)]
    # To hear what was decided already, it does not matter who submitted what waits now; and whoever stood in must hear
    # of their own decision, even though their turn is over with it.
    decided = workload.decision_on(command.version) is not None
    submitters = frozenset[PersonId]() if decided else workload.submitters
    stand_in = decided or waiting.escalated(workload.turn) or nobody_left(workload, holders)
    return require(context, Action.DECIDE_ESTIMATE, command.product, submitted_by=submitters, stand_in=stand_in)


def _what_changed(workload: Workload, command: EstimateDecision) -> str:
    since = [change for change in workload.history if change.version > command.version]
    told = "; ".join(f"version {change.version} {change.text}" for change in since[-CHANGES_SHOWN_MAX:])
    changed = f" Since then: {told}." if told else ""
    return (
        f"You decided on version {command.version}, but the workload {command.workload} is now at version "
        f"{workload.version} ({workload.state}).{changed} Look at it again with `allot workload show`."
    )


def portfolio_holders(command: EstimateCommand) -> Stream:
    """Who owns the portfolio of the product."""
    return holders_stream(Persona.PORTFOLIO_OWNER, command.product.portfolio)


def reads_of_a_decision(command: EstimateCommand, _context: Context) -> Sequence[Stream]:
    return (command.subject, waiting_stream(command.subject), portfolio_holders(command))


RULES: dict[type[Command], Rule] = {
    ApproveEstimate: Rule(reads_of_a_decision, decide_approve),
    RejectEstimate: Rule(reads_of_a_decision, decide_reject),
}
