"""What a product owner does with a workload itself (product rules, section 6): create, rename, end and withdraw it.

Its estimates are in `domain.estimate_commands`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Annotated, Literal

from pydantic import Field

from domain.account import Account, account_stream
from domain.account_facts import AccountId
from domain.allocation import allocation_on
from domain.calendar import FISCAL_YEAR_MAX, FISCAL_YEAR_MIN, MONTHS_OF_YEAR, Month
from domain.closing import ClosedMonths, closing_stream
from domain.decision import (
    Action,
    Command,
    Context,
    Decision,
    Event,
    LineText,
    NoteText,
    Organization,
    ReasonText,
    Rule,
    States,
    Stream,
)
from domain.errors import NotFound, Refusal
from domain.hierarchy import NODE_NAME_CHARS_MAX, PRODUCT_LEVEL, NodePath
from domain.people import require
from domain.workload import (
    LIVING,
    WORKLOAD_MONTHS_MAX,
    Created,
    EndMoved,
    Renamed,
    Withdrawn,
    Workload,
    WorkloadName,
    workload_stream,
)

YEARS_READ_MAX = 2 * WORKLOAD_MONTHS_MAX // MONTHS_OF_YEAR
"""A wish for an end that is centuries away is refused before its years would be looked at."""

Title = Annotated[LineText, Field(min_length=1, max_length=NODE_NAME_CHARS_MAX)]


class WorkloadCommand(Command):
    """What all commands to a workload share."""

    product: NodePath
    workload: WorkloadName

    @property
    def subject(self) -> Stream:
        return workload_stream(self.product, self.workload)


class CreateWorkload(WorkloadCommand):
    """The product gets a workload of that name, in an account that is allocated to it."""

    kind: Literal["workload.Create"] = "workload.Create"
    account_id: AccountId
    launch_month: Month
    end_month: Month | None = None
    """The last one; default: that of the fiscal year in which it is launched."""
    note: NoteText = ""


class RenameWorkload(WorkloadCommand):
    """The workload is shown under another title; it keeps the name under which it was created."""

    kind: Literal["workload.Rename"] = "workload.Rename"
    title: Title


class EndWorkload(WorkloadCommand):
    """The workload ends with that month: earlier than was said before, or later."""

    kind: Literal["workload.End"] = "workload.End"
    end_month: Month
    reason: NoteText = ""


class WithdrawWorkload(WorkloadCommand):
    """The workload is given up, from tomorrow on."""

    kind: Literal["workload.Withdraw"] = "workload.Withdraw"
    reason: ReasonText


def decide_create(states: States, command: CreateWorkload, context: Context) -> Decision:
    _require_product(command)
    authority = require(context, Action.SUBMIT_ESTIMATE, command.product)
    _check_year(command.launch_month, context)
    end = command.end_month or last_month_of_year(command.launch_month, context.organization)
    fact = Created(
        product=command.product,
        workload=command.workload,
        account_id=command.account_id,
        launch_month=command.launch_month,
        end_month=end,
        created_by=context.actor.person_id,
        note=command.note,
    )
    workload: Workload = states[command.subject]
    if workload.created is not None:
        return Decision(message=_already_there(workload, fact))
    check_months(command.launch_month, end, context)
    day = max(context.today, command.launch_month.first_day)
    require_allocated(states[account_stream(command.account_id)], command.account_id, command.product, day)
    message = f"{command.product} has the workload {command.workload}, from {command.launch_month} to {end}."
    return Decision([Event(command.subject, fact)], message, authority)


def _already_there(workload: Workload, wanted: Created) -> str:
    there = workload.created
    assert there is not None
    if wanted.model_copy(update={"created_by": there.created_by, "note": there.note}) != there:
        raise Refusal(
            f"{wanted.product} has a workload {wanted.workload} already, in account {there.account_id} from "
            f"{there.launch_month}: take another name.",
            code="WorkloadExists",
        )
    return f"{wanted.product} has that workload already; nothing changed."


def decide_rename(states: States, command: RenameWorkload, context: Context) -> Decision:
    workload = known_workload(states, command)
    authority = require(context, Action.SUBMIT_ESTIMATE, command.product)
    if workload.title == command.title:
        return Decision(message=f"It is called {command.title} already; nothing changed.")
    fact = Renamed(product=command.product, workload=command.workload, title=command.title)
    message = f"The workload {command.workload} is shown as {command.title}."
    return Decision([Event(command.subject, fact)], message, authority)


def decide_end(states: States, command: EndWorkload, context: Context) -> Decision:
    """Its claims end with it, so it can neither end in the past nor come back once it has ended."""
    workload = known_workload(states, command)
    authority = require(context, Action.SUBMIT_ESTIMATE, command.product)
    created = workload.created
    assert created is not None
    if workload.end_month == command.end_month:
        return Decision(message=f"It ends with {command.end_month} already; nothing changed.")
    require_living(workload, command, context)
    _require_nobody_waits(workload, command)
    check_months(created.launch_month, command.end_month, context)
    if command.end_month < context.this_month:
        raise Refusal(
            f"{command.end_month} is over: the workload {command.workload} can end with {context.this_month} at the "
            "earliest.",
            code="EndInThePast",
        )
    assert workload.end_month is not None
    _check_closed_from(min(command.end_month, workload.end_month).plus(1).first_day, states)
    fact = EndMoved(
        product=command.product, workload=command.workload, end_month=command.end_month, reason=command.reason
    )
    message = f"The workload {command.workload} ends with {command.end_month}, and its claims with it."
    return Decision([Event(command.subject, fact)], message, authority)


def decide_withdraw(states: States, command: WithdrawWorkload, context: Context) -> Decision:
    workload = known_workload(states, command)
    authority = require(context, Action.SUBMIT_ESTIMATE, command.product)
    if workload.withdrawn_on is not None:
        return Decision(message=f"It was withdrawn from {workload.withdrawn_on} on already; nothing changed.")
    require_living(workload, command, context)
    _require_nobody_waits(workload, command)
    effective_on = context.today + timedelta(days=1)
    _check_closed_from(effective_on, states)
    fact = Withdrawn(
        product=command.product, workload=command.workload, effective_on=effective_on, reason=command.reason
    )
    message = f"The workload {command.workload} is withdrawn from {effective_on} on, and its claims end."
    return Decision([Event(command.subject, fact)], message, authority)


def known_workload(states: States, command: WorkloadCommand) -> Workload:
    """Raises NotFound where the product has no such workload."""
    workload: Workload = states[command.subject]
    if workload.created is None:
        raise NotFound(
            f"{command.product} has no workload {command.workload}: see `allot workload list`, or create it first.",
            code="UnknownWorkload",
        )
    return workload


def require_living(workload: Workload, command: WorkloadCommand, context: Context) -> None:
    """Raises Refusal once the workload has ended, or was withdrawn."""
    if workload.withdrawn_on is not None or workload.ends_on <= context.today:
        how = "was withdrawn" if workload.withdrawn_on is not None else "has ended"
        raise Refusal(
            f"The workload {command.workload} {how}, as of {workload.ends_on}: create one with another name.",
            code="WorkloadEnded",
        )


def _require_nobody_waits(workload: Workload, command: WorkloadCommand) -> None:
    if workload.state in LIVING:
        raise Refusal(
            f"The estimate of {command.workload} is {workload.state}, with the months as they are: withdraw it first.",
            code="EstimateOpen",
        )


def require_allocated(account: Account, account_id: str, product: NodePath, day: date) -> None:
    """Raises Refusal where the account is not allocated to the product on that day, NotFound for an unknown one."""
    if account.since is None:
        raise NotFound(
            f"Account {account_id} is not known from AWS Organizations: check the id with `allot account list`.",
            code="UnknownAccount",
        )
    if not is_allocated(account, product, day):
        raise Refusal(
            f"Account {account_id} is not allocated to {product} on {day}: allocate it first (`allot account show "
            f"{account_id}` shows to whom it belongs).",
            code="NotAllocated",
        )


def is_allocated(account: Account, product: NodePath, day: date) -> bool:
    """Whether the product has a share of the account on that day."""
    allocation = allocation_on(account.allocations, day)
    return allocation is not None and any(share.product == product for share in allocation.shares)


def last_month_of_year(month: Month, organization: Organization) -> Month:
    calendar = organization.calendar
    return calendar.months(calendar.fiscal_year_of(month))[-1]


def check_months(launch: Month, end: Month, context: Context) -> None:
    """Raises Refusal where a workload would end before its launch, or last too long."""
    _check_year(end, context)
    if end < launch:
        raise Refusal(f"A workload that is launched in {launch} cannot end with {end}.", code="EndBeforeLaunch")
    if end.plus(1 - WORKLOAD_MONTHS_MAX) > launch:
        raise Refusal(
            f"A workload lasts at most {WORKLOAD_MONTHS_MAX} months; {launch} to {end} is more.", code="TooLong"
        )


def _check_year(month: Month, context: Context) -> None:
    """Raises Refusal for a month from which no other one could be counted."""
    earliest = FISCAL_YEAR_MIN + WORKLOAD_MONTHS_MAX // MONTHS_OF_YEAR
    if not earliest <= context.organization.calendar.fiscal_year_of(month) <= FISCAL_YEAR_MAX:
        raise Refusal(
            f"A workload lies within the fiscal years {earliest} to {FISCAL_YEAR_MAX}, and {month} does not.",
            code="WrongMonths",
        )


def _check_closed_from(day: date, states: States) -> None:
    """Raises Refusal where claims would end, or go on, in a month that is closed."""
    if touched := sorted(month for month in closed_months(states) if month.last_day >= day):
        raise Refusal(
            f"This would change what is claimed in {touched[0]}, which is closed: have the month reopened.",
            code="ClosedMonth",
        )


def closed_months(states: States) -> ClosedMonths:
    """All closed months of what was read."""
    return frozenset(month for stream in states if stream.category == "closing" for month in states[stream])


def _require_product(command: WorkloadCommand) -> None:
    if command.product.level != PRODUCT_LEVEL:
        raise Refusal(f"{command.product} is no product: a workload belongs to one.", code="NoProduct")


def reads(command: WorkloadCommand, _context: Context) -> Sequence[Stream]:
    return (command.subject,)


def closing_streams(states: States, command: WorkloadCommand, context: Context) -> Sequence[Stream]:
    """Of all fiscal years in which the workload lasts, and of this one."""
    workload: Workload = states[command.subject]
    if workload.created is None or workload.end_month is None:
        return ()
    calendar = context.organization.calendar
    months = [workload.created.launch_month, workload.end_month, context.this_month]
    months += [command.end_month] if isinstance(command, EndWorkload) else []
    years = [calendar.fiscal_year_of(month) for month in months]
    last = min(max(years), min(years) + YEARS_READ_MAX)
    return tuple(closing_stream(year) for year in range(min(years), last + 1))


RULES: dict[type[Command], Rule] = {
    CreateWorkload: Rule(lambda command, _: (command.subject, account_stream(command.account_id)), decide_create),
    RenameWorkload: Rule(reads, decide_rename),
    EndWorkload: Rule(reads, decide_end, closing_streams),
    WithdrawWorkload: Rule(reads, decide_withdraw, closing_streams),
}
