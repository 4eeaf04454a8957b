"""`allot schedule`: a product owner spreads the annual budget over months, the portfolio owner decides."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from command_line import amounts, options
from command_line.acting import acting
from command_line.decisions import carry_out, outcome_data, similar_products
from command_line.doors import decide_on_schedule
from command_line.output import note as say
from command_line.output import show
from command_line.schedule_shown import Picture, answer, schedule_data, schedule_tables
from command_line.session import Session, product_path
from domain.calendar import Month
from domain.errors import BadInput, NotFound, Refusal
from domain.hierarchy import NodePath
from domain.money import Money
from domain.process import UpdateName
from domain.schedule import RescheduleGranted, State, schedule_stream
from domain.schedule_commands import (
    RequestReschedule,
    ReviseSchedule,
    SubmitSchedule,
    WithdrawSchedule,
)
from domain.schedule_decisions import (
    ApproveSchedule,
    DenyReschedule,
    GrantReschedule,
    RejectSchedule,
    ScheduleDecision,
)
from views.models import ScheduleDetail
from views.queries import Views

app = typer.Typer(no_args_is_help=True, help="Spread a product's annual budget over months, and decide on it.")

Version = Annotated[int | None, typer.Option(min=1, help="The version you saw; default: the one shown now.")]
type AnyScheduleCommand = (
    SubmitSchedule
    | WithdrawSchedule
    | ReviseSchedule
    | RequestReschedule
    | ApproveSchedule
    | RejectSchedule
    | GrantReschedule
    | DenyReschedule
)
OF_REQUESTS = frozenset({UpdateName.GRANT, UpdateName.DENY})
LOOKED_BACK_EVENTS = 10
"""About a schedule, among which is the last decision where it was the last that moved it."""
DECIDABLE = frozenset({State.PENDING, State.RESCHEDULE_REQUESTED})


@app.command()
@acting
def submit(
    session: Session,
    product: options.ProductArgument,
    year: options.Year = None,
    even: amounts.Even = False,
    listed: amounts.Listed = None,
    file: amounts.InFile = None,
    note: Annotated[str, typer.Option(help="What whoever decides should know.")] = "",
) -> None:
    """Submit a schedule for approval, as the product's owner."""
    about = _about(session, product, year)
    if not (spread := _spread(session, about, even, listed, file)):
        raise BadInput("Say how the budget is spread: one of --even, --amounts or --file.")
    _decide(session, UpdateName.SUBMIT, SubmitSchedule(**about, amounts=spread, note=note))


@app.command()
@acting
def approve(
    session: Session,
    product: options.ProductArgument,
    year: options.Year = None,
    version: Version = None,
    note: options.Note = "",
) -> None:
    """Approve a submitted schedule, as the owner of its portfolio. It is locked then."""
    _decide_on(session, UpdateName.APPROVE, ApproveSchedule, _about(session, product, year), version, note=note)


@app.command()
@acting
def reject(
    session: Session,
    product: options.ProductArgument,
    reason: Annotated[str, typer.Option(help="What has to change.")],
    year: options.Year = None,
    version: Version = None,
) -> None:
    """Send a submitted schedule back with a reason, as the owner of its portfolio."""
    _decide_on(session, UpdateName.REJECT, RejectSchedule, _about(session, product, year), version, reason=reason)


@app.command()
@acting
def withdraw(
    session: Session, product: options.ProductArgument, year: options.Year = None, note: options.Note = ""
) -> None:
    """Take back what waits for a decision, or give up a reschedule, as the product's owner."""
    _decide(session, UpdateName.WITHDRAW, WithdrawSchedule(**_about(session, product, year), note=note))


@app.command()
@acting
def revise(session: Session, product: options.ProductArgument, year: options.Year = None) -> None:
    """Take up a rejected schedule again, as the product's owner. Submitting it again does so by itself."""
    _decide(session, UpdateName.REVISE, ReviseSchedule(**_about(session, product, year)))


@app.command()
@acting
def request(
    session: Session,
    product: options.ProductArgument,
    reason: Annotated[str, typer.Option(help="Why the approved schedule has to change.")],
    year: options.Year = None,
    even: amounts.Even = False,
    listed: amounts.Listed = None,
    file: amounts.InFile = None,
) -> None:
    """Ask to change an approved schedule, as the product's owner. With the new amounts, one decision does both."""
    about = _about(session, product, year)
    spread = _spread(session, about, even, listed, file)
    _decide(session, UpdateName.REQUEST, RequestReschedule(**about, reason=reason, amounts=spread))


@app.command()
@acting
def grant(
    session: Session,
    product: options.ProductArgument,
    year: options.Year = None,
    version: Version = None,
    note: options.Note = "",
) -> None:
    """Grant a reschedule, as the owner of its portfolio; a schedule attached to the request is approved with it."""
    _decide_on(session, UpdateName.GRANT, GrantReschedule, _about(session, product, year), version, note=note)


@app.command()
@acting
def deny(
    session: Session,
    product: options.ProductArgument,
    reason: Annotated[str, typer.Option(help="Why the approved schedule stays as it is.")],
    year: options.Year = None,
    version: Version = None,
) -> None:
    """Deny a reschedule with a reason, as the owner of its portfolio. The approved schedule stays as it is."""
    _decide_on(session, UpdateName.DENY, DenyReschedule, _about(session, product, year), version, reason=reason)


@app.command("show")
def show_schedule(product: options.ProductArgument, year: options.Year = None, as_json: options.Json = False) -> None:
    """Show a product's schedule: months, state, version, whose turn it is, since when, and until when."""
    session = Session.open(as_json)
    path, fiscal_year = product_path(product), session.fiscal_year(year)
    picture = _picture(session, path, fiscal_year)
    show(schedule_data(picture), as_json, lambda: schedule_tables(picture))


def _about(session: Session, product: str, year: int | None) -> dict[str, Any]:
    """What all commands to a schedule say."""
    path = product_path(product)
    return {**session.shared(), "fiscal_year": session.fiscal_year(year), "product": path}


def _spread(
    session: Session, about: Mapping[str, Any], even: bool, listed: str | None, file: Path | None
) -> dict[Month, Decimal]:
    """The amounts, where they are given; empty where they are not."""
    if (even, listed is not None, file is not None).count(True) > 1:
        raise BadInput("Say in one way how the budget is spread: one of --even, --amounts or --file.")
    months = session.organization.calendar.months(about["fiscal_year"])
    if file is not None:
        return amounts.from_file(file)
    if listed is not None:
        return amounts.from_list(listed, months)
    if not even:
        return {}
    schedule, _, closed, *_ = _picture(session, about["product"], about["fiscal_year"])
    fixed = {month: amount for month, amount in schedule.approved.items() if month in closed}
    return amounts.evenly(Money(schedule.annual, schedule.currency), months, fixed)


def _decide_on(
    session: Session,
    update: UpdateName,
    kind: type[ApproveSchedule | RejectSchedule | GrantReschedule | DenyReschedule],
    about: dict[str, Any],
    version: int | None,
    **said: str,
) -> None:
    if version is None:
        probe = kind.model_validate(
            {**about, **said, "version": 1}
        )  # what is wrong with it is said before anything else
        version = _shown_version(session, update, probe)
    _decide(session, update, kind.model_validate({**about, **said, "version": version}))


def _decide(session: Session, update: UpdateName, command: AnyScheduleCommand) -> None:
    with session.views() as views:
        _found(views, command.product, command.fiscal_year)
        begins = update is UpdateName.REQUEST
        round_ = views.current_round(command.fiscal_year, command.product, for_request=begins)
    try:
        outcome = carry_out(session, command, lambda: decide_on_schedule(session, update, command, round_))
    except Refusal as refusal:
        if refusal.code != "OtherRound":
            raise
        raise type(refusal)(
            f"The schedule of {command.product} for {command.fiscal_year} went on to another round meanwhile: look at "
            "it with `allot schedule show`, and give the command again if it still holds.",
            code=refusal.code,
        ) from None
    picture = _picture(session, command.product, command.fiscal_year)
    data = {**outcome_data(session, outcome), "schedule": schedule_data(picture)}
    show(data, session.as_json, lambda: answer(outcome.message, update, picture))


def _shown_version(session: Session, update: UpdateName, command: ScheduleDecision) -> int:
    """The version that the views show, which is what this person can have seen."""
    with session.views() as views:
        schedule = _found(views, command.product, command.fiscal_year)
    if not schedule.version:
        raise NotFound(
            f"Nothing was submitted for {command.product} in {command.fiscal_year} yet.", code="NothingSubmitted"
        )
    if schedule.state in DECIDABLE:
        version = schedule.version
    else:
        # Whoever decides a second time means the version that was decided on, which the decision has moved by one, or
        # by two where it granted a reschedule and approved what was attached to it.
        both = update in OF_REQUESTS and _granted_and_approved(session, schedule)
        version = max(1, schedule.turn - (2 if both else 1))
    what = f", {Money(schedule.submitted_total, schedule.currency)} in all"
    only_asked = schedule.state is State.RESCHEDULE_REQUESTED and not schedule.attached
    say(f"Deciding on version {version} of {command.product}{'' if only_asked else what}.")
    return version


def _granted_and_approved(session: Session, schedule: ScheduleDetail) -> bool:
    """Whether one decision granted the last request and approved what was attached to it."""
    if schedule.state is not State.APPROVED:
        return False
    stream = str(schedule_stream(schedule.fiscal_year, schedule.product))
    with session.views() as views:
        last = views.audit(stream, LOOKED_BACK_EVENTS)
    return any(
        entry.fact_name == RescheduleGranted.fact_name
        for entry in last
        if (entry.stream, entry.stream_version) == (stream, schedule.turn - 1)
    )


def _picture(session: Session, product: NodePath, fiscal_year: int) -> Picture:
    with session.views() as views:
        schedule = _found(views, product, fiscal_year)
        labels, closed = views.labels(fiscal_year), views.closed_months(fiscal_year)
        estimated = views.estimated(product)
    months = session.organization.calendar.months(fiscal_year)
    return Picture(
        schedule,
        labels,
        frozenset(one.month for one in closed),
        session.organization.business,
        {of: estimated[of] for of in months if of in estimated},
    )


def _found(views: Views, product: NodePath, fiscal_year: int) -> ScheduleDetail:
    schedule = views.schedule(fiscal_year, product)
    if schedule is None:
        similar = similar_products(views, fiscal_year, product)
        raise NotFound(
            f"There is no product {product} in the budget of {fiscal_year}.{similar} "
            "See `allot rollup` for all there are, or load the budget with `allot budget load`.",
            code="UnknownProduct",
        )
    return schedule
