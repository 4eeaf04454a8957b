"""`allot budget`: Finance loads the approved budget."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import ConsoleRenderable

from command_line import options
from command_line.budget_results import (
    IMPACT_FIELDS,
    IMPACT_PRINTED_MAX,
    IMPACT_SHOWN_MAX,
    check_report,
    impact_rows,
    impact_table,
    write_report,
)
from command_line.budget_terms import Flags, terms_of
from command_line.files import bytes_of, file_store, handed_in, stored_rows
from command_line.output import Column, figures, moment, money, note, show, table
from command_line.problems import PROBLEM_FIELDS, Report, tell_problems
from command_line.session import Session
from domain.budget_file import FILE_BYTES_MAX
from domain.calendar import FISCAL_YEAR_MAX, FISCAL_YEAR_MIN
from domain.decision import Channel
from domain.errors import BadInput, error_named
from domain.process import (
    BudgetFile,
    BudgetLoadResult,
    LoadTerms,
    WorkflowName,
    budget_load_process_id,
)

if TYPE_CHECKING:
    from views.models import BudgetLoadDetail

app = typer.Typer(no_args_is_help=True, help="Load the approved budget of a fiscal year.")
NAME_HINT = "Customer_2026_true_2026-01-01_false_Budget_v1.csv"
HASH_CHARS = 12
"""Of a file's hash, in a table; enough to tell the files of one year apart."""


@app.command()
def load(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help=f"CSV or XLSX, named like {NAME_HINT} unless flags say the same.")
    ],
    year: Annotated[
        int | None, typer.Option("--year", min=FISCAL_YEAR_MIN, max=FISCAL_YEAR_MAX, help="Fiscal year.")
    ] = None,
    is_new: Annotated[
        bool | None, typer.Option("--new/--change", help="The year's first load, or a change to it.")
    ] = None,
    is_override: Annotated[
        bool, typer.Option("--override", help="The file replaces the year: what it does not name is withdrawn.")
    ] = False,
    effective_on: Annotated[
        str | None,
        typer.Option(
            "--from", "--effective-on", metavar="DATE", help="Start date, YYYY-MM-DD: the 1st of a month of the year."
        ),
    ] = None,
    customer: Annotated[str | None, typer.Option(help="A label; by default the file's name.")] = None,
    option: Annotated[str | None, typer.Option(help="A label; by default Budget.")] = None,
    file_version: Annotated[str | None, typer.Option(help="A label; by default v1.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change; record nothing.")] = False,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="PATH", help="Write all that changes, or all problems: .csv or .json."),
    ] = None,
    actor: options.As = None,
    as_json: options.Json = False,
    timeout_s: options.WorkWithin = options.WORK_WITHIN_S,
    command_id: options.CommandId = None,
) -> None:
    """Load a budget file: checked whole, then recorded whole, or not at all."""
    session = Session.open(as_json, actor, timeout_s, command_id)
    flags = Flags(customer, year, is_new, effective_on, is_override or None, option, file_version)
    calendar = session.settings.organization().calendar
    terms = terms_of(file.name, flags, calendar) if flags.given() else None
    check_report(report)
    content = bytes_of(file, "a budget file", FILE_BYTES_MAX)
    if terms is None:
        terms_of(file.name, flags, calendar)  # says at once what the process would say
    result = _load(session, file.name, content, terms, dry_run=dry_run)
    if result.status == "refused":
        raise error_named(result.error, result.message, result.code or None)
    _show(session, file, result, report)
    if result.status == "invalid":
        raise typer.Exit(BadInput.exit_code)


@app.command()
def loads(year: options.Year = None, as_json: options.Json = False) -> None:
    """List the budget files that were loaded for a fiscal year, in order."""
    session = Session.open(as_json)
    fiscal_year = session.fiscal_year(year)
    with session.views() as views:
        found, labels = views.loads(fiscal_year), views.labels(fiscal_year)
    data = {"fiscal_year": fiscal_year, "labels": labels, "loads": found}
    show(data, as_json, lambda: [_loads_table(fiscal_year, labels, found) if found else _no_loads(fiscal_year)])


def _loads_table(fiscal_year: int, labels: tuple[str, ...], found: tuple[BudgetLoadDetail, ...]) -> ConsoleRenderable:
    columns = (
        Column("Loaded at"),
        Column("By"),
        Column("Mode"),
        Column("From"),
        *figures("In the file", "Added", "Changed", "Withdrawn", "Sum of the file"),
        Column("File"),
        Column("Hash"),
    )
    rows = (
        (
            moment(load.loaded_at),
            load.loaded_by_name,
            load.mode,
            load.effective_on,
            f"{load.products:,}",
            f"{load.added:,}",
            f"{load.changed:,}",
            f"{load.withdrawn:,}",
            money(load.total, load.currency),
            f"{load.customer} {load.option} {load.file_version}",
            load.content_hash[:HASH_CHARS],
        )
        for load in found
    )
    return table(f"Budget files of {fiscal_year}, {found[0].currency}: {' › '.join(labels)}", columns, rows)


def _no_loads(fiscal_year: int) -> str:
    return f"No budget is loaded for {fiscal_year}: `allot budget load FILE`."


def _load(
    session: Session, file_name: str, content: bytes, terms: LoadTerms | None, *, dry_run: bool
) -> BudgetLoadResult:
    request = BudgetFile(
        command_id=session.new_command_id(),
        actor=session.person(),
        channel=Channel.CLI,
        content_hash=hashlib.sha256(content).hexdigest(),
        file_name=file_name,
        terms=terms,
        dry_run=dry_run,
    )
    process_id = budget_load_process_id(request.content_hash, dry_run=request.dry_run)
    return handed_in(session, content, WorkflowName.BUDGET_LOAD, request, process_id, BudgetLoadResult)


def _show(session: Session, file: Path, result: BudgetLoadResult, report: Path | None) -> None:
    """On stdout for a machine, else as tables; in a file where one is asked for."""
    store = file_store(session)
    problems = stored_rows(session, store, result.report) if result.report else []
    changes = impact_rows(session, store, result)
    if result.status == "invalid":
        write_report(report, problems, PROBLEM_FIELDS)
    else:
        write_report(report, changes, IMPACT_FIELDS)
    if session.as_json:
        data = {"command_id": session.command_id, **_result_data(result)}
        show(data | {"problems": problems, "impact": changes[:IMPACT_PRINTED_MAX]}, True, list)
    elif result.status == "invalid":
        told = Report(file.name, result.problems, result.report, "nothing was loaded")
        tell_problems(told, problems, ", --report FILE keeps them")
    else:
        show({}, False, lambda: _for_people(session, result, changes))
        if report is None and len(changes) > IMPACT_SHOWN_MAX and _is_worth_a_table(result):
            note(f"These are {IMPACT_SHOWN_MAX} of {len(changes):,} products; --report FILE.csv writes all of them.")


def _for_people(
    session: Session, result: BudgetLoadResult, changes: list[dict[str, Any]]
) -> list[ConsoleRenderable | str]:
    shown: list[ConsoleRenderable | str] = [result.message]
    if changes and _is_worth_a_table(result):
        shown.append(impact_table(result, changes, session.currency))
    return shown


def _is_worth_a_table(result: BudgetLoadResult) -> bool:
    """Of a year's first load everything is new, and whoever has loaded it knows that."""
    return result.status == "dry_run" or result.mode != "new"


def _result_data(result: BudgetLoadResult) -> dict[str, Any]:
    left_out = {"error", "code", "impact", "problems"}
    return {
        **{name: getattr(result, name) for name in BudgetLoadResult.model_fields if name not in left_out},
        "problems_total": result.problems,
        "impact_total": result.added + result.changed + result.withdrawn,
        "impact_file": result.impact,
    }
