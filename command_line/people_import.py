"""`allot person import`: many people and their grants at once, from a file that is checked whole."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

import typer

from command_line.acting import working
from command_line.files import bytes_of, handed_in, tell_import
from command_line.session import Session
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
    counts = {"people": result.people, "grants": result.grants}
    tell_import(session, file.name, result, counts, "nobody was imported")


def _import(session: Session, file: Path) -> PeopleImportResult:
    content = bytes_of(file, "a file of people", PEOPLE_FILE_BYTES_MAX)
    request = PeopleFile(**session.shared(), content_hash=hashlib.sha256(content).hexdigest(), file_name=file.name)
    process_id = people_import_process_id(request.content_hash)
    return handed_in(session, content, WorkflowName.PEOPLE_IMPORT, request, process_id, PeopleImportResult)
