"""What a product owner does with the estimate of a workload (product rules, section 6): submit, withdraw, revise.

What is shared with the decisions on it, in `domain.estimate_decisions`, stands here too: commands, streams, checks.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from domain.closing import ClosedMonths
from domain.decision import Action, Command, Context, Decision, Event, NoteText, Organization, Rule, States
from domain.errors import Refusal
from domain.money import Money, decimals_of, fits_currency
from domain.people import require
from domain.schedule_commands import MONTHS_SHOWN_MAX, ROUNDS_MAX, year_ends_at
from domain.workload import (
    EDITABLE,
    Amounts,
    Component,
    Estimate,
    EstimateRevised,
    EstimateSubmitted,
    EstimateWithdrawn,
    State,
    Workload,
)
from domain.workload_commands import (
    WorkloadCommand,
    closed_months,
    closing_streams,
    known_workload,
    reads,
    require_living,
)

AMOUNT_MAX = Decimal(10) ** 12
"""Of one component in one month, in units of the currency."""
LINK_CHARS_MAX = 500
CALCULATOR_HOST = "calculator.aws"
"""Of the AWS Pricing Calculator; its estimates are shared as `https://calculator.aws/#/estimate?id=…`."""


def calculator_link(text: str) -> str:
    """Raises ValueError for what is no link to the AWS Pricing Calculator. Nobody ever follows it but a person."""
    if not text:
        return text
    parts = urlsplit(text)  # raises ValueError for what is no address at all
    plain = text.isascii() and text.isprintable() and " " not in text
    if not plain or parts.scheme != "https" or parts.netloc != CALCULATOR_HOST:
        raise ValueError(f"an estimate's link must begin with https://{CALCULATOR_HOST}/")
    return text


CalculatorLink = Annotated[str, Field(max_length=LINK_CHARS_MAX), AfterValidator(calculator_link)]


class EstimateCommand(WorkloadCommand):
    """What belongs to one round of a workload's estimate."""

    hints: ClassVar[frozenset[str]] = frozenset({"round"})

    round: Annotated[int, Field(ge=1, le=ROUNDS_MAX)] | None = None
    """Of the process that it came through, which says so itself: what belongs to another round is refused there."""


class SubmitEstimate(EstimateCommand):
    """The product owner asks for approval of monthly amounts by component."""

    kind: Literal["workload.SubmitEstimate"] = "workload.SubmitEstimate"
    amounts: Annotated[Estimate, Field(min_length=1)]
    calculator_url: CalculatorLink = ""
    note: NoteText = ""


class WithdrawEstimate(EstimateCommand):
    """The product owner takes back what waits for a decision, or gives up what was rejected."""

    kind: Literal["workload.WithdrawEstimate"] = "workload.WithdrawEstimate"
    note: NoteText = ""


class ReviseEstimate(EstimateCommand):
    """The product owner takes up a rejected estimate again."""

    kind: Literal["workload.ReviseEstimate"] = "workload.ReviseEstimate"


def decide_submit(states: States, command: SubmitEstimate, context: Context) -> Decision:
    workload = known_workload(states, command)
    authority = require(context, Action.SUBMIT_ESTIMATE, command.product)
    require_living(workload, command, context)
    if workload.state not in EDITABLE:
        raise Refusal(
            f"The estimate of {command.workload} is {workload.state}: withdraw it first, to change it.",
            code="NotSubmittable",
        )
    round_ = next_round(workload)
    require_round(command, round_)
    if round_ > ROUNDS_MAX:
        raise Refusal(f"An estimate has at most {ROUNDS_MAX:,} rounds.", code="TooManyRounds")
    check_estimate(command.amounts, workload, context.organization.currency)
    check_closed_months(command.amounts, workload, closed_months(states))
    assert workload.end_month is not None
    fact = EstimateSubmitted(
        product=command.product,
        workload=command.workload,
        round=round_,
        fiscal_year=context.organization.calendar.fiscal_year_of(workload.end_month),
        amounts={component: dict(sorted(command.amounts[component].items())) for component in _present(command)},
        currency=context.organization.currency,
        calculator_url=command.calculator_url,
        submitted_by=context.actor.person_id,
        submitted_for=authority.on_behalf_of,
        note=command.note,
    )
    events = [Event(command.subject, fact)]
    if workload.state is State.REJECTED:  # a rejected estimate that is submitted again has been revised
        revised = EstimateRevised(product=command.product, workload=command.workload)
        events.insert(0, Event(command.subject, revised))
    return Decision(events, f"Submitted; version {workload.version + len(events)} awaits approval.", authority)


def _present(command: SubmitEstimate) -> list[Component]:
    return [component for component in Component if component in command.amounts]


def decide_withdraw(states: States, command: WithdrawEstimate, context: Context) -> Decision:
    workload = known_workload(states, command)
    authority = require(context, Action.SUBMIT_ESTIMATE, command.product)
    require_round(command, workload.round)
    if workload.state not in (State.SUBMITTED, State.REJECTED):
        raise Refusal(
            f"The estimate of {command.workload} is {workload.state}: there is nothing to withdraw.",
            code="NothingToWithdraw",
        )
    fact = EstimateWithdrawn(product=command.product, workload=command.workload, note=command.note)
    message = "Withdrawn." if workload.approved is None else "Withdrawn; the approved estimate still counts."
    return Decision([Event(command.subject, fact)], message, authority)


def decide_revise(states: States, command: ReviseEstimate, context: Context) -> Decision:
    workload = known_workload(states, command)
    authority = require(context, Action.SUBMIT_ESTIMATE, command.product)
    require_round(command, workload.round)
    if workload.state is not State.REJECTED:
        raise Refusal(
            f"The estimate of {command.workload} is {workload.state}: only a rejected estimate is revised.",
            code="NotRejected",
        )
    fact = EstimateRevised(product=command.product, workload=command.workload)
    return Decision([Event(command.subject, fact)], "It can be changed and submitted again.", authority)


def require_round(command: EstimateCommand, wanted: int) -> None:
    """Raises Refusal where a command came through the process of another round, which would not learn of it."""
    if command.round not in (None, wanted):
        raise Refusal(
            f"This belongs to round {wanted} of the estimate of {command.workload}, and came through the process of "
            f"round {command.round}: send it to the process of round {wanted}.",
            code="OtherRound",
        )


def next_round(workload: Workload) -> int:
    """In which a submission stands: another one after each approval."""
    return workload.round + (workload.state is State.APPROVED)


def estimate_ends_at(workload: Workload, organization: Organization) -> datetime:
    """From then on nothing is decided on its estimate: the end of the fiscal year in which the workload ends."""
    assert workload.end_month is not None
    fiscal_year = workload.fiscal_year or organization.calendar.fiscal_year_of(workload.end_month)
    return year_ends_at(fiscal_year, organization)


def check_estimate(amounts: Amounts, workload: Workload, currency: str) -> None:
    """Raises Refusal unless all amounts are payable, and in months of the workload."""
    created, end = workload.created, workload.end_month
    assert created is not None
    assert end is not None
    for component, months in amounts.items():
        for month, amount in months.items():
            where = f"{component} in {month}"
            if not created.launch_month <= month <= end:
                raise Refusal(
                    f"{where}: the workload lasts from {created.launch_month} to {end}, and its estimate has no other "
                    "months.",
                    code="WrongMonths",
                )
            if amount < 0:
                raise Refusal(f"{where}: {Money(amount, currency)} is below zero.", code="NegativeAmount")
            if amount > AMOUNT_MAX:
                raise Refusal(
                    f"{where}: {Money(amount, currency)} is more than {Money(AMOUNT_MAX, currency)}, the most that is "
                    "taken for a month.",
                    code="AmountTooLarge",
                )
            if not fits_currency(amount, currency):
                raise Refusal(
                    f"{where}: {amount} has more decimals than {currency} has ({decimals_of(currency)}).",
                    code="TooManyDecimals",
                )


def check_closed_months(amounts: Amounts, workload: Workload, closed: ClosedMonths) -> None:
    """Raises Refusal where a closed month would change. Before anything is approved there is nothing to keep."""
    if workload.approved is None:
        return
    moved = sorted(
        {
            month
            for component in Component
            for month in closed
            if amounts.get(component, {}).get(month, 0) != workload.approved.get(component, {}).get(month, 0)
        }
    )
    if moved:
        shown = ", ".join(str(month) for month in moved[:MONTHS_SHOWN_MAX])
        more = f" and {len(moved) - MONTHS_SHOWN_MAX} more" if len(moved) > MONTHS_SHOWN_MAX else ""
        raise Refusal(f"Closed months do not change any more: {shown}{more} must stay as approved.", code="ClosedMonth")


RULES: dict[type[Command], Rule] = {
    SubmitEstimate: Rule(reads, decide_submit, closing_streams),
    WithdrawEstimate: Rule(reads, decide_withdraw),
    ReviseEstimate: Rule(reads, decide_revise),
}
