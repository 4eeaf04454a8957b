"""What is wrong in a file that somebody handed in: a table of the first problems, or all that are kept, as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from cli.output import Column, console, print_whole, show, table
from cli.session import Session
from domain.errors import AllotError, Unavailable

if TYPE_CHECKING:
    from file_store import FileStore

PROBLEMS_SHOWN_MAX = 20
_FIELDS = ("row", "column", "value", "problem", "remedy")
_COLUMNS = (
    Column("Row", right=True),
    Column("Column"),
    Column("Value", fold=True),
    Column("What is wrong", fold=True),
    Column("What would be right", fold=True),
)


class Report(NamedTuple):
    """What a process has found wrong with a file."""

    file_name: str
    problems: int
    """All of them."""
    name: str
    """Of the list in the file store, which holds the first of them."""
    nothing_done: str
    """Such as `nothing was loaded`."""


def file_store(session: Session) -> FileStore:
    from file_store import FileStore  # noqa: PLC0415 - boto3 behind it takes half a second that no other command needs

    return FileStore(session.settings.file_store)


def show_problems(session: Session, report: Report, data: Mapping[str, Any]) -> None:
    """On stdout for a machine, else the first of them on stderr as a table."""
    problems = _problems(session, report)
    if session.as_json:
        show({**data, "problems_total": report.problems, "problems": problems}, True, list)
        return
    screen = console(stderr=True)
    title = f"{report.file_name}: {report.problems:,} problem{'s' * (report.problems != 1)}; {report.nothing_done}"
    print_whole(screen, table(title, _COLUMNS, _rows(problems)))
    if report.problems > PROBLEMS_SHOWN_MAX:
        screen.print(
            f"These are the first {min(len(problems), PROBLEMS_SHOWN_MAX)} of {report.problems:,}. --json prints the "
            f"first {len(problems):,}; they are kept as {report.name} in the file store."
        )


def _rows(problems: list[dict[str, Any]]) -> Iterable[tuple[object, ...]]:
    for problem in problems[:PROBLEMS_SHOWN_MAX]:
        yield tuple("" if (cell := problem.get(name)) is None else cell for name in _FIELDS)


def _problems(session: Session, report: Report) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = json.loads(file_store(session).get(report.name))
    except (AllotError, OSError, ValueError) as error:
        raise Unavailable(
            f"The file has {report.problems:,} problems, but their list {report.name} cannot be read from the file "
            f"store {session.settings.file_store} ({error}): this command and the worker must use the same one."
        ) from None
    return found
