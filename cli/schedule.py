"""`allot schedule`: a product owner spreads the annual budget over months, the portfolio owner decides."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import ConsoleRenderable

from cli import options
from cli.decisions import carry_out, outcome_data, similar_products
from cli.doors import decide_on_schedule
from cli.output import Column, figures, money, note, show, table
from cli.session import Session, product_path
from domain.calendar import MONTHS_OF_YEAR, Month
from domain.errors import BadInput, NotFound
from domain.hierarchy import NodePath
from domain.money import Money, exact, total
from domain.process import FIRST_ROUND, TURN_OF, UpdateName
from domain.schedule import ApproveSchedule, RejectSchedule, State, SubmitSchedule
from views.models import ScheduleDetail
from views.queries import Views

app = typer.Typer(no_args_is_help=True, help="Spread a product's annual budget over months, and decide on it.")
FILE_BYTES_MAX = 65_536
"""Bytes of a file with twelve amounts."""


@app.command()
def submit(
    product: options.ProductArgument,
    year: options.Year = None,
    even: Annotated[bool, typer.Option("--even", help="Spread the annual budget evenly, to the last cent.")] = False,
    amounts: Annotated[
        str | None, typer.Option(metavar="A,B,…", help="Twelve amounts, from the fiscal year's first month on.")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="CSV file with two columns: month (YYYY-MM) and amount.")] = None,
    note: Annotated[str, typer.Option(help="What whoever decides should know.")] = "",
    actor: options.As = None,
    as_json: options.Json = False,
    timeout_s: options.AnswerWithin = options.ANSWER_WITHIN_S,
    command_id: options.CommandId = None,
) -> None:
    """Submit a schedule for approval, as the product's owner."""
    session = Session.open(as_json, actor, timeout_s, command_id)
    path, fiscal_year, actor = product_path(product), session.fiscal_year(year), session.person()
    months = session.settings.organization().calendar.months(fiscal_year)
    if (even, amounts is not None, file is not None).count(True) != 1:
        raise BadInput("Say how the budget is spread: one of --even, --amounts or --file.")
    if file is not None:
        spread = _from_file(file)
    elif amounts is not None:
        spread = _from_list(amounts, months)
    else:
        spread = _evenly(session, path, fiscal_year, months)
    command = SubmitSchedule(
        command_id=session.new_command_id(),
        actor=actor,
        fiscal_year=fiscal_year,
        product=path,
        amounts=spread,
        note=note,
    )
    _decided(session, UpdateName.SUBMIT, command)


@app.command()
def approve(
    product: options.ProductArgument,
    year: options.Year = None,
    version: Annotated[int | None, typer.Option(min=1, help="The version you saw; default: the one shown now.")] = None,
    note: Annotated[str, typer.Option(help="Kept with the decision.")] = "",
    actor: options.As = None,
    as_json: options.Json = False,
    timeout_s: options.AnswerWithin = options.ANSWER_WITHIN_S,
    command_id: options.CommandId = None,
) -> None:
    """Approve a submitted schedule, as the owner of its portfolio. It is locked then."""
    session = Session.open(as_json, actor, timeout_s, command_id)
    path, fiscal_year = product_path(product), session.fiscal_year(year)
    command = ApproveSchedule(
        command_id=session.new_command_id(),
        actor=session.person(),
        fiscal_year=fiscal_year,
        product=path,
        version=version or _shown_version(session, path, fiscal_year),
        note=note,
    )
    _decided(session, UpdateName.APPROVE, command)


@app.command()
def reject(
    product: options.ProductArgument,
    reason: Annotated[str, typer.Option(help="What has to change.")],
    year: options.Year = None,
    version: Annotated[int | None, typer.Option(min=1, help="The version you saw; default: the one shown now.")] = None,
    actor: options.As = None,
    as_json: options.Json = False,
    timeout_s: options.AnswerWithin = options.ANSWER_WITHIN_S,
    command_id: options.CommandId = None,
) -> None:
    """Send a submitted schedule back with a reason, as the owner of its portfolio."""
    session = Session.open(as_json, actor, timeout_s, command_id)
    path, fiscal_year = product_path(product), session.fiscal_year(year)
    command = RejectSchedule(
        command_id=session.new_command_id(),
        actor=session.person(),
        fiscal_year=fiscal_year,
        product=path,
        version=version or _shown_version(session, path, fiscal_year),
        reason=reason,
    )
    _decided(session, UpdateName.REJECT, command)


@app.command("show")
def show_schedule(product: options.ProductArgument, year: options.Year = None, as_json: options.Json = False) -> None:
    """Show a product's schedule: months, state, version and whose turn it is."""
    session = Session.open(as_json)
    path, fiscal_year = product_path(product), session.fiscal_year(year)
    with session.views() as views:
        schedule = _found(views, path, fiscal_year)
    show(schedule_data(schedule), as_json, lambda: schedule_tables(schedule))


def _decided(session: Session, update: UpdateName, command: SubmitSchedule | ApproveSchedule | RejectSchedule) -> None:
    with session.views() as views:
        before = _found(views, command.product, command.fiscal_year)
    round_ = _round_of(update, before)
    outcome = carry_out(session, command, lambda: decide_on_schedule(session, update, command, round_))
    with session.views() as views:
        schedule = _found(views, command.product, command.fiscal_year)
    data = {**outcome_data(session, outcome), "schedule": schedule_data(schedule)}
    show(data, session.as_json, lambda: _answer(outcome.message, update, schedule))


def _answer(message: str, update: UpdateName, schedule: ScheduleDetail) -> list[ConsoleRenderable | str]:
    """Who submits sees what was submitted; who decides has seen it."""
    tables = schedule_tables(schedule)
    return [message, *(tables if update is UpdateName.SUBMIT else tables[1:])]


def _round_of(update: UpdateName, schedule: ScheduleDetail) -> int:
    """A submission after an approval begins a round; a decision belongs to the round of what was submitted."""
    if not schedule.round:
        return FIRST_ROUND
    return schedule.round + (update is UpdateName.SUBMIT and schedule.state is State.APPROVED)


def _shown_version(session: Session, product: NodePath, fiscal_year: int) -> int:
    """The version that the views show, which is what this person can have seen."""
    with session.views() as views:
        schedule = _found(views, product, fiscal_year)
    if not schedule.version:
        raise NotFound(f"Nothing was submitted for {product} in {fiscal_year} yet.", code="NothingSubmitted")
    # A decision adds one to the version; whoever decides a second time means the version that was decided on.
    version = schedule.version if schedule.state is State.PENDING else max(1, schedule.version - 1)
    amount = Money(schedule.submitted_total, schedule.currency)
    note(f"Deciding on version {version} of {product}, {amount} in all.")
    return version


def _evenly(session: Session, product: NodePath, fiscal_year: int, months: tuple[Month, ...]) -> dict[Month, Decimal]:
    with session.views() as views:
        schedule = _found(views, product, fiscal_year)
    shares = Money(schedule.annual, schedule.currency).split([Decimal(1)] * len(months))
    return {month: share.amount for month, share in zip(months, shares, strict=True)}


def _from_list(text: str, months: tuple[Month, ...]) -> dict[Month, Decimal]:
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != len(months):
        raise BadInput(
            f"--amounts needs {MONTHS_OF_YEAR} amounts with commas between them, for {months[0]} to {months[-1]}; "
            f"{len(parts)} were given. Write 1234.50, without a comma for thousands."
        )
    return {month: _amount(part, str(month)) for month, part in zip(months, parts, strict=True)}


def _from_file(file: Path) -> dict[Month, Decimal]:
    try:
        if file.stat().st_size > FILE_BYTES_MAX:
            raise BadInput(f"{file} is larger than {FILE_BYTES_MAX:,} bytes, too large for twelve amounts.")
        rows = list(csv.reader(file.read_text(encoding="utf-8-sig").splitlines(), strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{file} cannot be read: {error}.") from None
    spread: dict[Month, Decimal] = {}
    for number, row in enumerate(rows, start=1):
        if not any(cell.strip() for cell in row) or (number == 1 and row[0].strip().lower() == "month"):
            continue
        if len(row) != 2:
            raise BadInput(f"{file}, line {number}: expected a month and an amount, such as 2026-05,1234.50.")
        try:
            month = Month.parse(row[0].strip())
        except ValueError as error:
            raise BadInput(f"{file}, line {number}: {error}.") from None
        if month in spread:
            raise BadInput(f"{file}, line {number}: {month} is there twice.")
        spread[month] = _amount(row[1].strip(), f"{file}, line {number}")
    if len(spread) != MONTHS_OF_YEAR:
        raise BadInput(f"{file} has {len(spread)} months; a schedule needs all {MONTHS_OF_YEAR}.")
    return spread


def _amount(text: str, where: str) -> Decimal:
    try:
        return exact(text)
    except ValueError as error:
        raise BadInput(f"{where}: {error}; {text!r} was given.") from None


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


def schedule_data(schedule: ScheduleDetail) -> dict[str, Any]:
    return {**dict(schedule), "awaiting": TURN_OF.get(schedule.state)}


def schedule_tables(schedule: ScheduleDetail) -> list[ConsoleRenderable | str]:
    """The months, side by side as submitted, approved and spent; then whose turn it is."""
    currency = schedule.currency
    series = [("Submitted", schedule.submitted), ("Approved", schedule.approved), ("Actual", schedule.actual)]
    shown = [(title, amounts) for title, amounts in series if amounts]
    months = sorted({month for _, amounts in shown for month in amounts})
    rows = [(str(month), *(money(amounts.get(month), currency) for _, amounts in shown)) for month in months]
    sums = ("Total", *(money(total(list(amounts.values())), currency) for _, amounts in shown))
    columns = (Column("Month"), *figures(*(title for title, _ in shown)))
    title = f"{schedule.product}, fiscal year {schedule.fiscal_year}, {currency}"
    made = table(title, columns, rows, sums if rows else None)
    money_line = (
        f"Annual {money(schedule.annual, currency)}, planned {money(schedule.planned, currency)}, "
        f"unallocated {money(schedule.unallocated, currency)}."
    )
    return [made if rows else title, money_line, _turn(schedule)]


def _turn(schedule: ScheduleDetail) -> str:
    turn = TURN_OF.get(schedule.state)
    whose = f"; it is the turn of the {turn.replace('_', ' ')}" if turn else ""
    if not schedule.version:
        return f"{schedule.state}, nothing submitted yet{whose}."
    by = schedule.decided_by_name if schedule.state is not State.PENDING else schedule.submitted_by_name
    said = schedule.reason if schedule.state is not State.PENDING else schedule.note
    return f"{schedule.state}, version {schedule.version}, by {by or 'somebody'}{whose}." + (
        f" “{said}”" if said else ""
    )
