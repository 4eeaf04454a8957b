"""`allot budget`: Finance loads the approved budget."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import options
from cli.decisions import wait_for_views
from cli.doors import run
from cli.output import Column, console, print_whole, show, table
from cli.session import Session
from cli.works import Step, progress_shown, work
from domain.budget_file import FILE_BYTES_MAX
from domain.calendar import FISCAL_YEAR_MAX, FISCAL_YEAR_MIN
from domain.errors import AllotError, BadInput, Unavailable, error_named
from domain.process import (
    BudgetFile,
    BudgetLoadResult,
    LoadTerms,
    WorkflowName,
    budget_load_process_id,
)

if TYPE_CHECKING:
    from file_store import FileStore

app = typer.Typer(no_args_is_help=True, help="Load the approved budget of a fiscal year.")
PROBLEMS_SHOWN_MAX = 20
NAME_HINT = "Customer_2026_true_2026-01-01_false_Budget_v1.csv"


@app.callback()
def group() -> None:
    """Makes `load` a command of its own although it is the only one so far."""


@app.command()
def load(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help=f"CSV file, named like {NAME_HINT} unless flags are given.")
    ],
    year: Annotated[
        int | None,
        typer.Option("--year", min=FISCAL_YEAR_MIN, max=FISCAL_YEAR_MAX, help="Fiscal year; starts the flags."),
    ] = None,
    customer: Annotated[str, typer.Option(help="Label of the file.")] = "",
    is_new: Annotated[bool, typer.Option("--new/--change", help="The year's first load, or a change to it.")] = True,
    effective_on: Annotated[str, typer.Option("--from", metavar="DATE", help="Start date, YYYY-MM-DD.")] = "",
    is_override: Annotated[bool, typer.Option("--override", help="The file replaces the year.")] = False,
    option: Annotated[str, typer.Option(help="As in the file's name.")] = "Budget",
    file_version: Annotated[str, typer.Option(help="As in the file's name.")] = "v1",
    actor: options.As = None,
    as_json: options.Json = False,
    timeout_s: options.WorkWithin = options.WORK_WITHIN_S,
    command_id: options.CommandId = None,
) -> None:
    """Load a budget file: checked whole, then recorded whole, or not at all."""
    session = Session.open(as_json, actor, timeout_s, command_id)
    terms = None
    if year is not None:
        if not effective_on:
            raise BadInput("With --year, say the start date as well: --from 2026-01-01.")
        terms = LoadTerms(
            customer=customer or file.stem,
            fiscal_year=year,
            is_new=is_new,
            effective_on=effective_on,
            is_override=is_override,
            option=option,
            file_version=file_version,
        )
    elif customer or effective_on or is_override or not is_new:
        raise BadInput("Flags take the place of the file's name only together: give --year and --from as well.")
    result = _load(session, file, terms)
    if result.status == "invalid":
        _show_problems(session, file, result)
        raise typer.Exit(BadInput.exit_code)
    if result.status == "refused":
        raise error_named(result.error, result.message, result.code or None)
    data = {"command_id": session.command_id, **_result_data(result)}
    show(data, as_json, lambda: [result.message])


def _load(session: Session, file: Path, terms: LoadTerms | None) -> BudgetLoadResult:
    content = _bytes_of(file)
    request = BudgetFile(
        command_id=session.new_command_id(),
        actor=session.person(),
        content_hash=hashlib.sha256(content).hexdigest(),
        file_name=file.name,
        terms=terms,
    )
    with session.views() as views, progress_shown() as step:
        views.position()  # says at once where PostgreSQL is down
        step("Uploading the file", 0, 0)
        _store(session).put(content)
        result = run(_watched(session, request, step))
        if result.position:
            wait_for_views(views, result.position, step, session.timeout_s)
    return result


async def _watched(session: Session, request: BudgetFile, step: Step) -> BudgetLoadResult:
    process_id = budget_load_process_id(request.content_hash)
    return await work(session, WorkflowName.BUDGET_LOAD, request, process_id, BudgetLoadResult, step)


def _store(session: Session) -> FileStore:
    from file_store import FileStore  # noqa: PLC0415 - boto3 behind it takes half a second that no other command needs

    return FileStore(session.settings.file_store)


def _bytes_of(file: Path) -> bytes:
    try:
        size = file.stat().st_size
        if size > FILE_BYTES_MAX:
            raise BadInput(f"{file} has {size:,} bytes; a budget file has at most {FILE_BYTES_MAX:,}: split it.")
        return file.read_bytes()
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror or error}.") from None


def _result_data(result: BudgetLoadResult) -> dict[str, Any]:
    return {
        "status": result.status,
        "message": result.message,
        "fiscal_year": result.fiscal_year,
        "products": result.products,
        "position": result.position,
        "problems_total": result.problems,
        "problems": [],
        "report": result.report,
    }


def _show_problems(session: Session, file: Path, result: BudgetLoadResult) -> None:
    """The list of problems: on stdout for a machine, else the first of them on stderr as a table."""
    problems = _problems(session, result)
    if session.as_json:
        show({"command_id": session.command_id, **_result_data(result), "problems": problems}, True, list)
        return
    columns = (
        Column("Row", right=True),
        Column("Column"),
        Column("Value", fold=True),
        Column("What is wrong", fold=True),
        Column("What would be right", fold=True),
    )
    screen = console(stderr=True)
    title = f"{file.name}: {result.problems:,} problem{'s' * (result.problems != 1)}; nothing was loaded"
    print_whole(screen, table(title, columns, _rows(problems)))
    if result.problems > PROBLEMS_SHOWN_MAX:
        more = f"These are the first {min(len(problems), PROBLEMS_SHOWN_MAX)} of {result.problems:,}."
        screen.print(
            f"{more} --json prints the first {len(problems):,}; they are kept as {result.report} in the file store."
        )


def _rows(problems: list[dict[str, Any]]) -> Iterable[tuple[object, ...]]:
    for problem in problems[:PROBLEMS_SHOWN_MAX]:
        yield tuple("" if (cell := problem.get(name)) is None else cell for name in PROBLEM_FIELDS)


PROBLEM_FIELDS = ("row", "column", "value", "problem", "remedy")


def _problems(session: Session, result: BudgetLoadResult) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = json.loads(_store(session).get(result.report))
    except (AllotError, OSError, ValueError) as error:
        raise Unavailable(
            f"The file has {result.problems:,} problems, but their list {result.report} cannot be read from the file "
            f"store {session.settings.file_store} ({error}): this command and the worker must use the same one."
        ) from None
    return found
