"""`allot person import`: many people and their grants at once, from a file that is checked whole."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.acting import working
from cli.decisions import wait_for_views
from cli.doors import run
from cli.output import show
from cli.problems import Report, file_store, show_problems
from cli.session import Session
from cli.works import Step, progress_shown, work
from domain.errors import BadInput, error_named
from domain.people_file import PEOPLE_FILE_BYTES_MAX
from domain.process import PeopleFile, PeopleImportResult, WorkflowName, people_import_process_id


@working
def import_people(
    session: Session,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV file with the columns email,name,persona,node.")],
) -> None:
    """Add the people of a file and grant them what it says, all of it or nothing. Nothing is taken away from anybody.

    Somebody may have several lines, one for each grant; a line without a persona only adds them.
    """
    result = _import(session, file)
    data: dict[str, Any] = {
        "command_id": session.command_id,
        "status": result.status,
        "message": result.message,
        "people": result.people,
        "grants": result.grants,
        "position": result.position,
        "problems_total": result.problems,
        "problems": [],
        "report": result.report,
    }
    if result.status == "invalid":
        show_problems(session, Report(file.name, result.problems, result.report, "nobody was imported"), data)
        raise typer.Exit(BadInput.exit_code)
    if result.status == "refused":
        raise error_named(result.error, result.message, result.code or None)
    show(data, session.as_json, lambda: [result.message])


def _import(session: Session, file: Path) -> PeopleImportResult:
    content = _bytes_of(file)
    request = PeopleFile(**session.shared(), content_hash=hashlib.sha256(content).hexdigest(), file_name=file.name)
    with session.views() as views, progress_shown() as step:
        views.position()  # says at once where PostgreSQL is down
        step("Uploading the file", 0, 0)
        file_store(session).put(content)
        result = run(_watched(session, request, step))
        if result.position:
            wait_for_views(views, result.position, step, session.timeout_s)
    return result


async def _watched(session: Session, request: PeopleFile, step: Step) -> PeopleImportResult:
    process_id = people_import_process_id(request.content_hash)
    return await work(session, WorkflowName.PEOPLE_IMPORT, request, process_id, PeopleImportResult, step)


def _bytes_of(file: Path) -> bytes:
    try:
        size = file.stat().st_size
        if size > PEOPLE_FILE_BYTES_MAX:
            raise BadInput(
                f"{file} has {size:,} bytes; a file of people has at most {PEOPLE_FILE_BYTES_MAX:,}: split it."
            )
        return file.read_bytes()
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror or error}.") from None
