"""Files that somebody hands in: read within a limit, handed to a process, and the lists that it keeps about them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from command_line.decisions import wait_for_views
from command_line.doors import run
from command_line.output import show
from command_line.problems import Report, tell_problems
from command_line.session import Session
from command_line.works import progress_shown, work
from domain.account_process import AccountFile, AccountImportResult
from domain.errors import AllotError, BadInput, Unavailable, error_named
from domain.process import BudgetFile, BudgetLoadResult, PeopleFile, PeopleImportResult, WorkflowName

if TYPE_CHECKING:
    from file_store import FileStore


def file_store(session: Session) -> FileStore:
    from file_store import FileStore  # noqa: PLC0415 - boto3 behind it takes half a second that no other command needs

    return FileStore(session.settings.file_store)


def bytes_of(file: Path, what: str, bytes_max: int) -> bytes:
    """Raises BadInput for what cannot be read, or is too large."""
    try:
        size = file.stat().st_size
        if size > bytes_max:
            raise BadInput(f"{file} has {size:,} bytes; {what} has at most {bytes_max:,}: split it.")
        return file.read_bytes()
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror or error}.") from None


def handed_in[R: (BudgetLoadResult, PeopleImportResult, AccountImportResult)](
    session: Session,
    content: bytes,
    name: WorkflowName,
    request: BudgetFile | PeopleFile | AccountFile,
    process_id: str,
    kind: type[R],
) -> R:
    """What the process has made of the file, once the views show it."""
    with session.views() as views, progress_shown() as step:
        views.position()  # says at once where PostgreSQL is down
        step("Uploading the file", 0, 0)
        file_store(session).put(content)
        result = run(work(session, name, request, process_id, kind, step))
        if result.position:
            wait_for_views(views, result.position, step, session.timeout_s)
    return result


def tell_import(
    session: Session,
    file_name: str,
    result: PeopleImportResult | AccountImportResult,
    counts: Mapping[str, int],
    nothing_done: str,
) -> None:
    """What came of a file that was handed in; ends the command where it is invalid or was refused.

    `counts` are the import's own numbers in the JSON; `nothing_done` says so, such as `nobody was imported`.
    """
    data: dict[str, Any] = {
        "command_id": session.command_id,
        "status": result.status,
        "message": result.message,
        **counts,
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
            tell_problems(Report(file_name, result.problems, result.report, nothing_done), problems)
        raise typer.Exit(BadInput.exit_code)
    if result.status == "refused":
        raise error_named(result.error, result.message, result.code or None)
    show(data, session.as_json, lambda: [result.message])


def stored_rows(session: Session, store: FileStore, name: str) -> list[dict[str, Any]]:
    """A list that the worker has put into the file store."""
    try:
        found: list[dict[str, Any]] = json.loads(store.get(name))
    except (AllotError, OSError, ValueError) as error:
        raise Unavailable(
            f"The list {name} cannot be read from the file store {session.settings.file_store} ({error}): this command "
            "and the worker must use the same one."
        ) from None
    return found
