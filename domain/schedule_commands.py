"""What a product owner does with a schedule: submit, withdraw, revise, request a reschedule (product rules, section 4).

What is shared with the decisions on it, in `domain.schedule_decisions`, stands here too: commands, streams, checks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from domain.budget import BudgetLine, line_stream
from domain.calendar import FISCAL_YEAR_MAX, FISCAL_YEAR_MIN, MONTHS_OF_YEAR, Month
from domain.closing import ClosedMonths, closing_stream
from domain.decision import (
    Action,
    Command,
    Context,
    Decision,
    Event,
    NoteText,
    Organization,
    ReasonText,
    Rule,
    States,
    Stream,
)
from domain.errors import NotFound, Refusal
from domain.hierarchy import NodePath
from domain.money import Amount, Money, decimals_of, fits_currency, total
from domain.people import require
from domain.schedule import (
    EDITABLE,
    RescheduleRequested,
    Revised,
    Schedule,
    State,
    Submitted,
    Withdrawn,
    schedule_stream,
)

FiscalYear = Annotated[int, Field(ge=FISCAL_YEAR_MIN, le=FISCAL_YEAR_MAX)]
ROUNDS_MAX = 10_000
MONTHS_SHOWN_MAX = 3
"""Months named in a refusal."""
Amounts = Annotated[dict[Month, Amount], Field(max_length=MONTHS_OF_YEAR * 2)]
"""More than twelve are refused with a better message than a length's."""


class ScheduleCommand(Command):
    """What all commands to a schedule share."""

    hints: ClassVar[frozenset[str]] = frozenset({"round"})

    fiscal_year: FiscalYear
    product: NodePath
    round: Annotated[int, Field(ge=1, le=ROUNDS_MAX)] | None = None
    """Of the process that it came through, which says so itself: what belongs to another round is refused there."""

    @property
    def subject(self) -> Stream:
        return schedule_stream(self.fiscal_year, self.product)


class SubmitSchedule(ScheduleCommand):
    """The product owner asks for approval of twelve monthly amounts."""

    kind: Literal["schedule.Submit"] = "schedule.Submit"
    amounts: Amounts
    note: NoteText = ""


class WithdrawSchedule(ScheduleCommand):
    """The product owner takes back what waits for a decision, or gives up a reschedule."""

    kind: Literal["schedule.Withdraw"] = "schedule.Withdraw"
    note: NoteText = ""


class ReviseSchedule(ScheduleCommand):
    """The product owner takes up a rejected schedule again."""

    kind: Literal["schedule.Revise"] = "schedule.Revise"


class RequestReschedule(ScheduleCommand):
    """The product owner asks to change an approved schedule; with the new amounts, one decision does both."""

    kind: Literal["schedule.RequestReschedule"] = "schedule.RequestReschedule"
    reason: ReasonText
    amounts: Amounts = {}


def year_ends_at(fiscal_year: int, organization: Organization) -> datetime:
    """From then on nothing is decided on the schedules of that year: its last day in the office, and days of grace."""
    last_day = organization.calendar.months(fiscal_year)[-1].last_day
    return organization.business.start_of(last_day + timedelta(days=1 + organization.business.year_grace_days))


def require_open_year(command: ScheduleCommand, context: Context) -> None:
    """Raises Refusal once the fiscal year and its days of grace are over."""
    ends_at = year_ends_at(command.fiscal_year, context.organization)
    if context.now >= ends_at:
        raise Refusal(
            f"The fiscal year {command.fiscal_year} was over by {context.organization.business.day_of(ends_at)}: "
            "its schedules are not decided on any more.",
            code="YearEnded",
        )


def known_line(states: States, command: ScheduleCommand) -> Money:
    """The annual budget. Raises NotFound for a product that is not in the year's budget."""
    line: BudgetLine = states[line_stream(command.fiscal_year, command.product)]
    if line.annual is None:
        raise NotFound(
            f"There is no product {command.product} in the budget of {command.fiscal_year}: "
            "check the path, or load its budget with `allot budget load`.",
            code="UnknownProduct",
        )
    return line.annual


def require_round(command: ScheduleCommand, wanted: int) -> None:
    """Raises Refusal where a command came through the process of another round, which would not learn of it."""
    if command.round not in (None, wanted):
        raise Refusal(
            f"This belongs to round {wanted} of {command.product} for {command.fiscal_year}, and came through the "
            f"process of round {command.round}: send it to the process of round {wanted}.",
            code="OtherRound",
        )


def check_amounts(command: SubmitSchedule | RequestReschedule, annual: Money, context: Context) -> None:
    """Raises Refusal unless there are twelve amounts that fit the currency and the annual budget."""
    months = context.organization.calendar.months(command.fiscal_year)
    if set(command.amounts) != set(months):
        raise Refusal(
            f"A schedule for {command.fiscal_year} needs an amount for each of the twelve months "
            f"{months[0]} to {months[-1]}, and no other.",
            code="WrongMonths",
        )
    for month, amount in command.amounts.items():
        if amount < 0:
            raise Refusal(f"{month}: {Money(amount, annual.currency)} is below zero.", code="NegativeAmount")
        if not fits_currency(amount, annual.currency):
            raise Refusal(
                f"{month}: {amount} has more decimals than {annual.currency} has ({decimals_of(annual.currency)}).",
                code="TooManyDecimals",
            )
    planned = Money(total(list(command.amounts.values())), annual.currency)
    if annual < planned:
        raise Refusal(
            f"The months add up to {planned}, which is {planned - annual} over the annual budget of {annual}.",
            code="OverAnnual",
        )


def check_closed_months(
    amounts: Mapping[Month, Decimal], schedule: Schedule, closed: ClosedMonths, currency: str
) -> None:
    """Raises Refusal where a closed month would change. Before anything is approved there is nothing to keep."""
    if schedule.approved is None:
        return
    fixed = schedule.approved
    moved = [month for month in sorted(closed) if month in fixed and amounts.get(month) != fixed[month]]
    if moved:
        shown = "; ".join(f"{month} stays {Money(fixed[month], currency)}" for month in moved[:MONTHS_SHOWN_MAX])
        more = f"; and {len(moved) - MONTHS_SHOWN_MAX} more" if len(moved) > MONTHS_SHOWN_MAX else ""
        raise Refusal(f"Closed months do not change any more: {shown}{more}.", code="ClosedMonth")


def decide_submit(states: States, command: SubmitSchedule, context: Context) -> Decision:
    annual = known_line(states, command)
    authority = require(context, Action.SUBMIT_SCHEDULE, command.product)
    require_open_year(command, context)
    schedule: Schedule = states[command.subject]
    require_round(command, schedule.round)
    if schedule.state not in EDITABLE:
        raise Refusal(
            f"The schedule of {command.product} for {command.fiscal_year} is {schedule.state}: "
            f"only a draft or a rejected schedule can be submitted.{_instead(schedule)}",
            code="NotSubmittable",
        )
    check_amounts(command, annual, context)
    check_closed_months(command.amounts, schedule, states[closing_stream(command.fiscal_year)], annual.currency)
    fact = Submitted(
        fiscal_year=command.fiscal_year,
        product=command.product,
        amounts=dict(sorted(command.amounts.items())),
        annual=annual.amount,
        currency=annual.currency,
        submitted_by=context.actor.person_id,
        submitted_for=authority.on_behalf_of,
        note=command.note,
    )
    events = [Event(command.subject, fact)]
    if schedule.state is State.REJECTED:  # a rejected schedule that is submitted again has been revised
        revised = Revised(fiscal_year=command.fiscal_year, product=command.product)
        events.insert(0, Event(command.subject, revised))
    return Decision(events, f"Submitted; version {schedule.version + len(events)} awaits approval.", authority)


def _instead(schedule: Schedule) -> str:
    match schedule.state:
        case State.PENDING:
            return " Withdraw it first, to change it."
        case State.APPROVED:
            return " Request a reschedule, to change it."
        case State.RESCHEDULE_REQUESTED:
            return " The reschedule has to be granted first."
    return ""


def decide_withdraw(states: States, command: WithdrawSchedule, context: Context) -> Decision:
    known_line(states, command)
    authority = require(context, Action.SUBMIT_SCHEDULE, command.product)
    require_open_year(command, context)
    schedule: Schedule = states[command.subject]
    require_round(command, schedule.round)
    if schedule.state not in (State.PENDING, State.RESCHEDULE_REQUESTED, State.RESCHEDULING):
        raise Refusal(
            f"The schedule of {command.product} for {command.fiscal_year} is {schedule.state}: there is nothing to "
            "withdraw.",
            code="NothingToWithdraw",
        )
    fact = Withdrawn(fiscal_year=command.fiscal_year, product=command.product, note=command.note)
    message = "Withdrawn." if schedule.approved is None else "Withdrawn; the approved schedule stays in force."
    return Decision([Event(command.subject, fact)], message, authority)


def decide_revise(states: States, command: ReviseSchedule, context: Context) -> Decision:
    known_line(states, command)
    authority = require(context, Action.SUBMIT_SCHEDULE, command.product)
    require_open_year(command, context)
    schedule: Schedule = states[command.subject]
    require_round(command, schedule.round)
    if schedule.state is not State.REJECTED:
        raise Refusal(
            f"The schedule of {command.product} for {command.fiscal_year} is {schedule.state}: "
            "only a rejected schedule is revised.",
            code="NotRejected",
        )
    fact = Revised(fiscal_year=command.fiscal_year, product=command.product)
    return Decision([Event(command.subject, fact)], "It can be changed and submitted again.", authority)


def decide_request(states: States, command: RequestReschedule, context: Context) -> Decision:
    annual = known_line(states, command)
    authority = require(context, Action.REQUEST_RESCHEDULE, command.product)
    require_open_year(command, context)
    schedule: Schedule = states[command.subject]
    if schedule.state is not State.APPROVED:
        require_round(command, schedule.round)
        raise Refusal(
            f"The schedule of {command.product} for {command.fiscal_year} is {schedule.state}: only an approved "
            "schedule can be rescheduled.",
            code="NotApproved",
        )
    round_ = schedule.round + 1
    require_round(command, round_)
    if round_ > ROUNDS_MAX:
        raise Refusal(f"A schedule has at most {ROUNDS_MAX:,} rounds in a year.", code="TooManyRounds")
    if command.amounts:
        check_amounts(command, annual, context)
        check_closed_months(command.amounts, schedule, states[closing_stream(command.fiscal_year)], annual.currency)
    fact = RescheduleRequested(
        fiscal_year=command.fiscal_year,
        product=command.product,
        round=round_,
        reason=command.reason,
        requested_by=context.actor.person_id,
        requested_for=authority.on_behalf_of,
        amounts=dict(sorted(command.amounts.items())),
        annual=annual.amount,
        currency=annual.currency,
    )
    what = "with the new schedule attached" if command.amounts else "without a new schedule yet"
    message = f"Reschedule requested, {what}; version {schedule.version + 1} awaits a decision."
    return Decision([Event(command.subject, fact)], message, authority)


def reads(command: ScheduleCommand, _context: Context) -> Sequence[Stream]:
    """What every command to a schedule is decided on."""
    year = command.fiscal_year
    return (command.subject, line_stream(year, command.product), closing_stream(year))


RULES: dict[type[Command], Rule] = {
    SubmitSchedule: Rule(reads, decide_submit),
    WithdrawSchedule: Rule(reads, decide_withdraw),
    ReviseSchedule: Rule(reads, decide_revise),
    RequestReschedule: Rule(reads, decide_request),
}
