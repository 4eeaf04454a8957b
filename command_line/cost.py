"""`allot cost`: actual spend, from cost reports."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import ConsoleRenderable

from command_line import options
from command_line.acting import acting
from command_line.cost_shown import history_shown, period_shown
from command_line.decisions import carry_out, outcome_data, wait_for_views
from command_line.doors import run
from command_line.output import Column, figures, money, note, show, table
from command_line.session import Session, month
from command_line.works import progress_shown, work
from domain.calendar import FISCAL_YEAR_MAX, FISCAL_YEAR_MIN, Month
from domain.cost_metric import CostMetric
from domain.decision import Channel
from domain.errors import NotFound, error_named
from domain.metric_choice import ChooseMetric
from domain.money import total
from domain.process import (
    COST_SOURCE_NAME,
    CostImportResult,
    CostSource,
    CostWatchResult,
    WorkflowName,
    cost_watch_process_id,
)
from views.models import tidy

app = typer.Typer(no_args_is_help=True, help="Actual spend, from cost reports.")


@app.command("import")
def import_costs(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Folder, s3://bucket/prefix or name of a source.")],
    period: Annotated[str | None, typer.Option(metavar="YYYY-MM", help="Only this billing period.")] = None,
    actor: options.As = None,
    as_json: options.Json = False,
    timeout_s: options.WorkWithin = options.WORK_WITHIN_S,
) -> None:
    """Import every report version that is new, whole or not at all."""
    session = Session.open(as_json, actor, timeout_s)
    request = CostSource(
        source=_whole(source),
        actor=session.person(),
        channel=Channel.CLI,
        billing_period=month(period, "--period") if period else None,
    )
    with session.views() as views, progress_shown() as step:
        views.position()  # says at once where PostgreSQL is down
        process_id = cost_watch_process_id(request.source)
        done = run(work(session, WorkflowName.COST_WATCH, request, process_id, CostWatchResult, step))
        if position := max((one.position for one in done.imports), default=0):
            wait_for_views(views, position, step, session.timeout_s)
    if not done.imports and not done.problems:
        which = f" for {period}" if period else ""
        raise NotFound(
            f"There is no cost report{which} in {request.source}: a report is found by its manifest, a file named "
            "…-Manifest.json. Check the place.",
            code="NoReport",
        )
    show(
        {
            "source": request.source,
            "imports": [_data(one, session.currency) for one in done.imports],
            "problems": [dict(problem) for problem in done.problems],
        },
        as_json,
        lambda: _shown(session, done),
    )
    failed = [error_named(problem.error, problem.message, problem.code or None) for problem in done.problems]
    failed += [
        error_named(one.error, f"{one.billing_period}: {one.message}", one.code or None)
        for one in done.imports
        if one.status == "refused"
    ]
    for error in failed[1:]:
        note(f"{error.code}: {error.message}", style="red")
    if failed:
        raise failed[0]


PeriodArgument = Annotated[str, typer.Argument(metavar="PERIOD", help="The billing period, YYYY-MM.")]


@app.command("show")
def show_period(period: PeriodArgument, as_json: options.Json = False) -> None:
    """Show what the newest reports say of a billing period, by charge type and metric."""
    session, wanted = Session.open(as_json), month(period, "PERIOD")
    with session.views() as views:
        detail = views.cost_period(wanted)
    if detail is None:
        raise _nothing_imported(wanted)
    show({**dict(detail), "difference": detail.difference}, as_json, lambda: period_shown(detail))


@app.command()
def history(
    period: PeriodArgument,
    account: Annotated[
        str, typer.Option(metavar="ACCOUNT", help="Also what each version has changed of this account.")
    ] = "",
    as_json: options.Json = False,
) -> None:
    """List the versions of a billing period's reports, and what each has changed."""
    session, wanted = Session.open(as_json), month(period, "PERIOD")
    with session.views() as views:
        versions = views.cost_history(wanted, account)
    if not versions:
        raise _nothing_imported(wanted)
    data = {"billing_period": wanted, "versions": [dict(version) for version in versions]}
    show(data, as_json, lambda: history_shown(versions))


@app.command()
@acting
def metric(
    session: Session,
    metric_: Annotated[CostMetric, typer.Argument(metavar="METRIC", help="One of: " + ", ".join(CostMetric) + ".")],
    fiscal_year: Annotated[
        int,
        typer.Option(
            metavar="YEAR",
            min=FISCAL_YEAR_MIN,
            max=FISCAL_YEAR_MAX,
            help="From this fiscal year on, until another choice.",
        ),
    ],
    note: options.Note = "",
) -> None:
    """Choose the cost metric that budgets are compared with. Refused where it would change a closed month."""
    command = ChooseMetric(**session.shared(), fiscal_year=fiscal_year, metric=metric_, note=note)
    outcome = carry_out(session, command)
    data = {**outcome_data(session, outcome), "fiscal_year": fiscal_year, "metric": metric_}
    show(data, session.as_json, lambda: [outcome.message])


def _nothing_imported(period: Month) -> NotFound:
    return NotFound(f"No cost report was imported for {period}: see `allot cost import`.", code="NoReport")


def _whole(source: str) -> str:
    """A folder by its whole path, since the worker may run somewhere else; a name of the worker's sources as it is."""
    if "://" in source or (re.fullmatch(COST_SOURCE_NAME, source) and not Path(source).is_dir()):
        return source
    return str(Path(source).resolve())


def _data(one: CostImportResult, currency: str) -> dict[str, Any]:
    return {
        "billing_period": one.billing_period,
        "report_version": one.report_version,
        "status": one.status,
        "message": one.message,
        "lines": one.lines,
        "rows": one.rows,
        "totals": {charge_type: tidy(Decimal(amount), currency) for charge_type, amount in one.totals.items()},
        "position": one.position,
        "error": one.error,
        "code": one.code,
    }


def _shown(session: Session, done: CostWatchResult) -> list[ConsoleRenderable | str]:
    columns = (Column("Period"), Column("Version"), Column("Status"), *figures("Lines", "Rows", session.currency))
    rows = [
        (
            one.billing_period,
            one.report_version,
            one.status,
            f"{one.lines:,}" if one.totals else "",
            f"{one.rows:,}" if one.totals else "",
            money(total([Decimal(amount) for amount in one.totals.values()]), session.currency) if one.totals else "",
        )
        for one in done.imports
    ]
    return [table("Cost reports", columns, rows)] if rows else []
