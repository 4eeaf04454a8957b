"""`allot tasks`: what waits for somebody, oldest first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from cli import options
from cli.decisions import suggestion
from cli.output import Column, show, table
from cli.session import Session
from domain.errors import NotFound
from views.models import TaskDetail
from views.queries import TASKS_MAX, Views

WORDS = {
    "approve_schedule": "Approve or reject the schedule",
    "revise_schedule": "Revise the schedule",
    "allocate_account": "Allocate the account",
}
COLUMNS = (
    Column("Age", right=True),
    Column("What"),
    Column("Of", fold=True),
    Column("Year", right=True),
    Column("Version", right=True),
    Column("Who"),
    Column("Note", fold=True),
)


def tasks(actor: options.As = None, as_json: options.Json = False) -> None:
    """List what waits for a decision, oldest first: of the person named by --as, else of everybody."""
    session = Session.open(as_json, actor)
    with session.views() as views:
        person_id = _person_id(views, actor) if actor else None
        found = views.tasks(person_id)
    now = datetime.now(UTC)
    data = {"person": actor, "tasks": [{**dict(task), "age_seconds": _seconds(now - task.since)} for task in found]}
    whose = f" of {actor}" if actor else ""
    if not found:
        show(data, as_json, lambda: [f"Nothing waits{whose}."])
        return
    title = f"Tasks{whose}" + (f", the oldest {TASKS_MAX:,}" if len(found) == TASKS_MAX else "")
    show(data, as_json, lambda: [table(title, COLUMNS, (_row(task, now) for task in found))])


def _person_id(views: Views, email: str) -> UUID:
    if (person := views.person(email)) is None:
        known = [other.email for other in views.people()]
        raise NotFound(
            f"Nobody with the address {email} is known here.{suggestion([email], known)}", code="UnknownPerson"
        )
    return person.person_id


def _row(task: TaskDetail, now: datetime) -> tuple[object, ...]:
    return (
        age(now - task.since),
        WORDS.get(task.kind, task.kind),
        task.subject,
        task.fiscal_year or "",
        task.version if task.fiscal_year else "",
        task.persona.replace("_", " "),
        task.detail,
    )


def _seconds(passed: timedelta) -> int:
    return max(0, round(passed.total_seconds()))


def age(passed: timedelta) -> str:
    """In the largest unit that says something: 3 d, 5 h, 12 min, 40 s."""
    seconds = _seconds(passed)
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
