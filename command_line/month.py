"""`allot month`: Finance closes months; what was planned in them does not change any more."""

from __future__ import annotations

from typing import Annotated

import typer

from command_line import options
from command_line.acting import acting
from command_line.decisions import carry_out, outcome_data
from command_line.output import Column, moment, show, table
from command_line.session import Session, month
from domain.closing import CloseMonth, ReopenMonth

app = typer.Typer(no_args_is_help=True, help="Closed months, in which no schedule changes any more.")

MonthArgument = Annotated[str, typer.Argument(metavar="MONTH", help="The month, YYYY-MM.")]


@app.command()
@acting
def close(session: Session, month_: MonthArgument, note: options.Note = "") -> None:
    """Close a month that has ended: approved amounts in it are fixed."""
    _decide(session, CloseMonth(**session.shared(), month=month(month_, "MONTH"), note=note))


@app.command()
@acting
def reopen(
    session: Session,
    month_: MonthArgument,
    reason: Annotated[str, typer.Option(help="Why; kept with the event.")],
) -> None:
    """Open a closed month again, with a reason."""
    _decide(session, ReopenMonth(**session.shared(), month=month(month_, "MONTH"), reason=reason))


@app.command("list")
def list_months(year: options.Year = None, as_json: options.Json = False) -> None:
    """List the closed months of a fiscal year."""
    session = Session.open(as_json)
    fiscal_year = session.fiscal_year(year)
    with session.views() as views:
        closed = views.closed_months(fiscal_year)
    data = {"fiscal_year": fiscal_year, "closed": [dict(one) for one in closed]}
    if not closed:
        show(data, as_json, lambda: [f"No month of {fiscal_year} is closed."])
        return
    columns = (Column("Month"), Column("Closed at"), Column("By", fold=True), Column("Note", fold=True))
    rows = [(one.month, moment(one.closed_at), one.closed_by_name, one.note) for one in closed]
    show(data, as_json, lambda: [table(f"Closed months of {fiscal_year}", columns, rows)])


def _decide(session: Session, command: CloseMonth | ReopenMonth) -> None:
    outcome = carry_out(session, command)
    data = {**outcome_data(session, outcome), "month": command.month}
    show(data, session.as_json, lambda: [outcome.message])
