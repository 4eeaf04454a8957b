"""`allot tasks`: what waits for somebody, oldest first, with the command that does it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple

import typer
from rich.console import ConsoleRenderable
from rich.text import Text

from command_line import options
from command_line.decisions import known_person
from command_line.output import Column, Styled, WholeTable, money, persona_words, show, table
from command_line.session import Session
from domain.business_days import BusinessCalendar
from domain.decision import Persona
from domain.errors import BadInput
from domain.hierarchy import NodePath
from domain.workload import split_key
from views.models import PersonDetail, ScheduleDetail, TaskDetail, Why
from views.queries import TASKS_MAX, Views
from views.tasks import TaskKind

WORDS = {
    TaskKind.SUBMIT_SCHEDULE: "Submit the schedule",
    TaskKind.APPROVE_SCHEDULE: "Approve or reject the schedule",
    TaskKind.REVISE_SCHEDULE: "Revise the schedule",
    TaskKind.RESCHEDULE: "Reschedule: over budget",
    TaskKind.DECIDE_RESCHEDULE: "Grant or deny a reschedule",
    TaskKind.ALLOCATE_ACCOUNT: "Allocate the account",
    TaskKind.DECIDE_ALLOCATION: "Accept or decline an allocation",
    TaskKind.APPROVE_ESTIMATE: "Approve or reject the estimate",
    TaskKind.REVISE_ESTIMATE: "Revise the estimate",
}
HOW_TO_REFUSE = {
    TaskKind.APPROVE_SCHEDULE: "`reject` in place of `approve`",
    TaskKind.APPROVE_ESTIMATE: "`reject` in place of `approve`",
    TaskKind.DECIDE_RESCHEDULE: "`deny` in place of `grant`",
    TaskKind.DECIDE_ALLOCATION: "`decline` in place of `accept`",
}
OF_ESTIMATES = frozenset({TaskKind.APPROVE_ESTIMATE, TaskKind.REVISE_ESTIMATE})
COMMANDS_SHOWN_MAX = 20
"""Tasks whose command is written out; --json has all of them."""
OVERDUE = "red"
COLUMNS = (
    Column("#", right=True),
    Column("To do"),
    Column("Of", fold=True),
    Column("Year", right=True),
    Column("Business days", right=True),
    Column("Due"),
    Column("Why", fold=True),
    Column("Detail", fold=True),
)
All = Annotated[bool, typer.Option("--all", help="What waits for everybody, instead of for one person.")]


class Doer(NamedTuple):
    """Whose command line the commands are written for."""

    email: str = "EMAIL"
    is_admin: bool = False
    """Whether they may grant others something."""

    @classmethod
    def of(cls, person: PersonDetail) -> Doer:
        return cls(person.email, any(grant.persona is Persona.FINANCIAL_ADMIN for grant in person.grants))


ANYBODY = Doer()


def tasks(actor: options.As = None, everybody: All = False, as_json: options.Json = False) -> None:
    """List what waits for the person named by --as, oldest first: what to do, since when, until when, and why."""
    session = Session.open(as_json, actor)
    email = None if everybody else (actor or "").strip()
    if email == "":
        raise BadInput("Say whose tasks: --as EMAIL, or --all for everybody's.", code="NoActor")
    with session.views() as views:
        person = known_person(views, email) if email else None
        found = views.tasks(person.person_id if person else None, session.today())
        details = {} if as_json else _details(views, found[:COMMANDS_SHOWN_MAX])
    business, now = session.organization.business, datetime.now(UTC)
    doer = Doer.of(person) if person else ANYBODY
    data = {"person": email, "tasks": [task_data(task, business, now, doer) for task in found]}
    if not found:
        show(data, as_json, lambda: [f"Nothing waits{f' for {email}' if email else ''}."])
        return
    whose = f" of {person.name or email}" if person else ""
    title = f"Tasks{whose}" + (f", the oldest {TASKS_MAX:,}" if len(found) == TASKS_MAX else "")
    show(data, as_json, lambda: _shown(title, found, details, business, now, doer))


def task_data(task: TaskDetail, business: BusinessCalendar, now: datetime, doer: Doer) -> dict[str, Any]:
    due = task.due_at(business)
    return {
        **dict(task),
        "age_business_days": task.age_days(business, now),
        "due_at": due,
        "overdue": due is not None and due <= now,
        "command": command_for(task, doer),
    }


def task_table(title: str, found: Sequence[TaskDetail], business: BusinessCalendar, now: datetime) -> WholeTable:
    return table(title, COLUMNS, [_row(n, task, task.detail, business, now) for n, task in enumerate(found, start=1)])


def _shown(
    title: str,
    found: Sequence[TaskDetail],
    details: dict[int, str],
    business: BusinessCalendar,
    now: datetime,
    doer: Doer,
) -> Iterable[ConsoleRenderable | str]:
    if doer is ANYBODY:
        rows = [_row(n, task, details.get(n, task.detail), business, now) for n, task in enumerate(found, start=1)]
        yield table(title, COLUMNS, rows)
        return
    yield title
    kinds = {TaskKind(task.kind) for task in found if _may_act(task)}
    for words in (words for kind, words in HOW_TO_REFUSE.items() if kind in kinds):
        yield f"To refuse, write {words}, and add --reason WHY."
    for number, task in enumerate(found[:COMMANDS_SHOWN_MAX], start=1):
        yield ""
        yield from _entry(number, task, details.get(number, task.detail), business, now, doer)
    if len(found) > COMMANDS_SHOWN_MAX:
        yield f"\n… and {len(found) - COMMANDS_SHOWN_MAX:,} more; --json has all of them."


def _entry(
    number: int, task: TaskDetail, detail: str, business: BusinessCalendar, now: datetime, doer: Doer
) -> Iterable[ConsoleRenderable | str]:
    """A few short lines, which fit any window, and the command on a line of its own to copy."""
    due = task.due_at(business)
    late = due is not None and due <= now
    age = task.age_days(business, now)
    days = "today" if not age else "for 1 business day" if age == 1 else f"for {age:,} business days"
    until = f"; {'OVERDUE since' if late else 'due'} {business.day_of(due)}" if due else ""
    headline = f"{number:>3}  {WORDS.get(TaskKind(task.kind), task.kind)}: waits {days}{until}"
    yield Text(headline, style=OVERDUE if late else "bold")
    yield f"     {task.subject}{f', {task.fiscal_year}' if task.fiscal_year else ''}"
    yield f"     Why: {why(task)}. {detail}".rstrip()
    yield f"     {command_for(task, doer)}"


def _row(number: int, task: TaskDetail, detail: str, business: BusinessCalendar, now: datetime) -> Styled:
    due = task.due_at(business)
    late = due is not None and due <= now
    cells = (
        number,
        WORDS.get(TaskKind(task.kind), task.kind),
        task.subject,
        task.fiscal_year or "",
        task.age_days(business, now),
        f"{business.day_of(due)}{' OVERDUE' if late else ''}" if due else "",
        why(task),
        detail,
    )
    return Styled(cells, OVERDUE if late else "")


def why(task: TaskDetail) -> str:
    """Why the person has it, or whose it is."""
    owner = persona_words(task.persona)
    match task.why:
        case Why.ESCALATED:
            words = f"stand-in: the {owner} has not acted" if _may_act(task) else f"to know: the {owner} has not acted"
        case Why.NOBODY_LEFT:
            words = f"no {owner} is left"
        case _:
            more = ", nobody is left" if task.vacant else ", escalated" if task.escalated else ""
            words = f"{owner}{more}"
    return f"{words}, in place of {task.on_behalf_of_name}" if task.on_behalf_of else words


def _may_act(task: TaskDetail) -> bool:
    """The level above may decide in place of a portfolio owner; nobody submits in place of a product owner."""
    return task.why is Why.OWNER or task.persona is not Persona.PRODUCT_OWNER


def command_for(task: TaskDetail, doer: Doer) -> str:
    """What to copy; what stands in capitals is to be filled in."""
    who = ["--as", doer.email]
    product = [task.subject, "--year", str(task.fiscal_year)]
    seen = ["--version", str(task.version)]
    if task.kind in OF_ESTIMATES:
        return shlex.join(["allot", *_of_estimate(task, doer)])
    if not _may_act(task):
        if task.why is Why.NOBODY_LEFT and doer.is_admin:
            return shlex.join(["allot", "person", "grant", "SOMEBODY", f"product_owner:{task.subject}", *who])
        return shlex.join(["allot", "schedule", "show", *product])
    match TaskKind(task.kind):
        case TaskKind.APPROVE_SCHEDULE:
            words = ["schedule", "approve", *product, *seen, *who]
        case TaskKind.DECIDE_RESCHEDULE:
            words = ["schedule", "grant", *product, *seen, *who]
        case TaskKind.SUBMIT_SCHEDULE | TaskKind.REVISE_SCHEDULE:
            words = ["schedule", "submit", *product, "--amounts", "A,B,…", *who]
        case TaskKind.RESCHEDULE:
            words = ["schedule", "request", *product, "--reason", "WHY", "--amounts", "A,B,…", *who]
        case TaskKind.DECIDE_ALLOCATION:
            words = ["account", "accept", task.subject, "--proposal", str(task.version), *who]
        case _:
            words = ["account", "allocate", task.subject, "PRODUCT=100", "--type", "TYPE", *who]
    return shlex.join(["allot", *words])


def _of_estimate(task: TaskDetail, doer: Doer) -> list[str]:
    product, name = split_key(task.subject)
    workload = [str(product), name]
    if not _may_act(task):
        if task.why is Why.NOBODY_LEFT and doer.is_admin:
            return ["person", "grant", "SOMEBODY", f"product_owner:{product}", "--as", doer.email]
        return ["workload", "show", *workload]
    if task.kind == TaskKind.APPROVE_ESTIMATE:
        return ["workload", "approve", *workload, "--version", str(task.version), "--as", doer.email]
    return ["workload", "submit", *workload, "--file", "FILE", "--as", doer.email]


def _details(views: Views, found: Sequence[TaskDetail]) -> dict[int, str]:
    """With the amounts that it is about, by the number of the row."""
    details = {}
    for number, task in enumerate(found, start=1):
        if task.kind in OF_ESTIMATES:
            details[number] = _of_workload(views, task)
            continue
        schedule = views.schedule(task.fiscal_year, NodePath.parse(task.subject)) if task.fiscal_year else None
        if schedule:
            details[number] = _detail(task, schedule)
    return details


def _of_workload(views: Views, task: TaskDetail) -> str:
    workload = views.workload(*split_key(task.subject))
    amount = f"{money(workload.submitted_total, workload.currency)} {workload.currency} in all." if workload else ""
    return " ".join(filter(None, [amount, f"“{task.detail}”" if task.detail else ""]))


def _detail(task: TaskDetail, schedule: ScheduleDetail) -> str:
    if task.kind == TaskKind.RESCHEDULE:
        return task.detail  # our own words, which name both amounts
    said = f"“{task.detail}”" if task.detail else ""
    return " ".join(filter(None, [_amounts(task, schedule), said]))


def _amounts(task: TaskDetail, schedule: ScheduleDetail) -> str:
    annual = f"{money(schedule.annual, schedule.currency)} {schedule.currency}"
    if task.kind == TaskKind.APPROVE_SCHEDULE or schedule.attached:
        return f"{money(schedule.submitted_total, schedule.currency)} of {annual}."
    return f"Annual budget {annual}."
