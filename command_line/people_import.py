"""`allot person import`: many people and their grants at once, from a file that is checked whole."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any

import typer

from command_line.acting import working
from command_line.files import bytes_of, file_store, handed_in, stored_rows
from command_line.output import show
from command_line.problems import Report, tell_problems
from command_line.session import Session
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
        problems = stored_rows(session, file_store(session), result.report)
        if session.as_json:
            show(data | {"problems": problems}, True, list)
        else:
            tell_problems(Report(file.name, result.problems, result.report, "nobody was imported"), problems)
        raise typer.Exit(BadInput.exit_code)
    if result.status == "refused":
        raise error_named(result.error, result.message, result.code or None)
    show(data, session.as_json, lambda: [result.message])


def _import(session: Session, file: Path) -> PeopleImportResult:
    content = bytes_of(file, "a file of people", PEOPLE_FILE_BYTES_MAX)
    request = PeopleFile(**session.shared(), content_hash=hashlib.sha256(content).hexdigest(), file_name=file.name)
    process_id = people_import_process_id(request.content_hash)
    return handed_in(session, content, WorkflowName.PEOPLE_IMPORT, request, process_id, PeopleImportResult)
