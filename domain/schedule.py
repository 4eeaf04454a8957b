"""The schedule of a product for a fiscal year (product rules, section 4): its annual budget spread over months.

                submit                approve
      DRAFT ────────────► PENDING ────────────► APPROVED (locked)
                            │ ▲
              reject(reason)▼ │ submit again
                           REJECTED

One stream per product and fiscal year; its version is what a decision is made on. Withdrawal, revision and
rescheduling add facts and states here; `State` already names them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, StringConstraints

from domain.budget import BudgetLine, line_stream
from domain.calendar import FISCAL_YEAR_MAX, FISCAL_YEAR_MIN, MONTHS_OF_YEAR, Month
from domain.decision import (
    NOTE_CHARS_MAX,
    Command,
    Context,
    Decision,
    Event,
    Fact,
    NoteText,
    Persona,
    PersonId,
    Rule,
    States,
    Stream,
    plain_text,
)
from domain.errors import NotFound, Refusal, StaleVersion
from domain.hierarchy import NodePath
from domain.money import Amount, Money, decimals_of, fits_currency, total
from domain.people import require, require_somebody_else

FiscalYear = Annotated[int, Field(ge=FISCAL_YEAR_MIN, le=FISCAL_YEAR_MAX)]
Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=NOTE_CHARS_MAX),
    AfterValidator(plain_text),
]


class State(StrEnum):
    DRAFT = "DRAFT"
    PENDING = "PENDING"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    RESCHEDULE_REQUESTED = "RESCHEDULE_REQUESTED"
    RESCHEDULING = "RESCHEDULING"


class Submitted(Fact):
    """The product owner asked for approval of twelve monthly amounts."""

    fact_name: ClassVar[str] = "schedule.Submitted"
    fiscal_year: int
    product: NodePath
    amounts: dict[Month, Amount]
    """All twelve months of the fiscal year."""
    annual: Amount
    """The annual budget it was checked against."""
    currency: str
    submitted_by: PersonId
    note: str = ""


class Approved(Fact):
    """The portfolio owner approved: the amounts are in force, and locked."""

    fact_name: ClassVar[str] = "schedule.Approved"
    fiscal_year: int
    product: NodePath
    decided_version: int
    decided_by: PersonId
    note: str = ""


class Rejected(Fact):
    """The portfolio owner sent the schedule back, with a reason."""

    fact_name: ClassVar[str] = "schedule.Rejected"
    fiscal_year: int
    product: NodePath
    decided_version: int
    decided_by: PersonId
    reason: str


@dataclass(frozen=True, slots=True)
class Schedule:
    state: State = State.DRAFT
    version: int = 0
    """Facts so far; what a decision must name."""
    amounts: Mapping[Month, Decimal] | None = None
    """As last submitted."""
    submitted_by: PersonId | None = None
    approved: Mapping[Month, Decimal] | None = None
    """In force."""
    decided_version: int = 0
    """The version that was last decided on."""
    decision: str = ""


def evolve(schedule: Schedule, fact: Submitted | Approved | Rejected) -> Schedule:
    moved = replace(schedule, version=schedule.version + 1)
    match fact:
        case Submitted():
            return replace(moved, state=State.PENDING, amounts=fact.amounts, submitted_by=fact.submitted_by)
        case Approved():
            return replace(
                moved,
                state=State.APPROVED,
                approved=schedule.amounts,
                decided_version=fact.decided_version,
                decision="approved",
            )
        case Rejected():
            return replace(moved, state=State.REJECTED, decided_version=fact.decided_version, decision="rejected")


def schedule_stream(fiscal_year: int, product: NodePath) -> Stream:
    return Stream("schedule", f"{fiscal_year}/{product}")


class ScheduleCommand(Command):
    """What all commands to a schedule share."""

    fiscal_year: FiscalYear
    product: NodePath

    @property
    def subject(self) -> Stream:
        return schedule_stream(self.fiscal_year, self.product)


class SubmitSchedule(ScheduleCommand):
    """The product owner asks for approval of twelve monthly amounts."""

    kind: Literal["schedule.Submit"] = "schedule.Submit"
    amounts: Annotated[dict[Month, Amount], Field(max_length=MONTHS_OF_YEAR * 2)]
    note: NoteText = ""


class ApproveSchedule(ScheduleCommand):
    kind: Literal["schedule.Approve"] = "schedule.Approve"
    version: Annotated[int, Field(ge=1)]
    """The version of the schedule that the person saw."""
    note: NoteText = ""


class RejectSchedule(ScheduleCommand):
    kind: Literal["schedule.Reject"] = "schedule.Reject"
    version: Annotated[int, Field(ge=1)]
    reason: Reason


def decide_submit(states: States, command: SubmitSchedule, context: Context) -> Decision:
    annual = _annual(states, command)
    require(context.actor, "submit a schedule", command.product, Persona.PRODUCT_OWNER)
    schedule: Schedule = states[command.subject]
    if schedule.state not in (State.DRAFT, State.REJECTED):
        raise Refusal(
            f"The schedule of {command.product} for {command.fiscal_year} is {schedule.state}: "
            "only a draft or a rejected schedule can be submitted.",
            code="NotSubmittable",
        )
    _check_amounts(command, annual, context)
    fact = Submitted(
        fiscal_year=command.fiscal_year,
        product=command.product,
        amounts=dict(sorted(command.amounts.items())),
        annual=annual.amount,
        currency=annual.currency,
        submitted_by=context.actor.person_id,
        note=command.note,
    )
    return Decision([Event(command.subject, fact)], f"Submitted; version {schedule.version + 1} awaits approval.")


def _annual(states: States, command: ScheduleCommand) -> Money:
    line: BudgetLine = states[line_stream(command.fiscal_year, command.product)]
    if line.annual is None:
        raise NotFound(
            f"There is no product {command.product} in the budget of {command.fiscal_year}: "
            "check the path, or load its budget with `allot budget load`.",
            code="UnknownProduct",
        )
    return line.annual


def _check_amounts(command: SubmitSchedule, annual: Money, context: Context) -> None:
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


def decide_approve(states: States, command: ApproveSchedule, context: Context) -> Decision:
    schedule = _to_be_decided(states, command, context)
    if isinstance(schedule, Decision):
        return schedule
    fact = Approved(
        fiscal_year=command.fiscal_year,
        product=command.product,
        decided_version=command.version,
        decided_by=context.actor.person_id,
        note=command.note,
    )
    return Decision([Event(command.subject, fact)], f"Approved version {command.version}.")


def decide_reject(states: States, command: RejectSchedule, context: Context) -> Decision:
    schedule = _to_be_decided(states, command, context)
    if isinstance(schedule, Decision):
        return schedule
    fact = Rejected(
        fiscal_year=command.fiscal_year,
        product=command.product,
        decided_version=command.version,
        decided_by=context.actor.person_id,
        reason=command.reason,
    )
    return Decision([Event(command.subject, fact)], f"Rejected version {command.version}.")


def _to_be_decided(states: States, command: ApproveSchedule | RejectSchedule, context: Context) -> Schedule | Decision:
    """The pending schedule; or the first decision, which answers whoever decides a second time."""
    _annual(states, command)
    require(context.actor, "decide on a schedule", command.product.portfolio, Persona.PORTFOLIO_OWNER)
    schedule: Schedule = states[command.subject]
    if schedule.decided_version == command.version and schedule.state is not State.PENDING:
        return Decision(message=f"Version {command.version} was {schedule.decision} already; that decision stands.")
    if schedule.submitted_by is None:
        raise Refusal(f"Nothing was submitted for {command.product} yet.", code="NothingSubmitted")
    if schedule.version != command.version or schedule.state is not State.PENDING:
        raise StaleVersion(
            f"You decided on version {command.version}, but the schedule of {command.product} is now at version "
            f"{schedule.version} ({schedule.state}): look at it again with `allot schedule show`.",
        )
    require_somebody_else(context.actor, schedule.submitted_by)
    return schedule


def _reads(command: ScheduleCommand, _context: Context) -> Sequence[Stream]:
    return (command.subject, line_stream(command.fiscal_year, command.product))


RULES: dict[type[Command], Rule] = {
    SubmitSchedule: Rule(_reads, decide_submit),
    ApproveSchedule: Rule(_reads, decide_approve),
    RejectSchedule: Rule(_reads, decide_reject),
}
FACTS: tuple[type[Fact], ...] = (Submitted, Approved, Rejected)
