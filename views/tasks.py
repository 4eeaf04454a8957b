"""Open tasks: what somebody must decide or do, whose it is, and who has it too. A task goes when it is done.

A product's task is a function of its schedule and its budget line, and who has it a function of the task and of the
grants: so they are worked out once at the end of a batch, for the products that it touched and the seats (a persona on
a node) whose holders it changed. Who has a task:

    its seat         whoever holds the persona on the node, but for those who asked for what is to be decided
    the seat above   once it was escalated, or where nobody is left on its seat: the department owner for a decision,
                     the portfolio owner for what is the product owner's (to know of it: only an owner can submit)
    financial admin  with the seat above for a decision; else where nobody is left there either
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

from psycopg.sql import SQL

from domain.account import Allocated, Changed, Vended
from domain.budget import AnnualApproved, ProductWithdrawn
from domain.decision import Fact, Organization, Persona, RecordedEvent
from domain.hierarchy import NodePath
from domain.money import figure
from domain.people import Granted, GrantWithdrawn
from domain.schedule import FACTS as SCHEDULE_FACTS
from domain.schedule import LIVING, State
from domain.waiting import Escalated, Reminded
from views.accounts import ACCOUNTS
from views.batch import Batch, Projection
from views.budgets import LINES, LineRow
from views.paths import above, path_text
from views.people import GRANTS
from views.schedule_rows import SCHEDULES, ScheduleRow
from views.tables import Table

CLOSED = "CLOSED"
"""State of an account, in the words of AWS, in which nothing is left to allocate."""


class TaskKind(StrEnum):
    SUBMIT_SCHEDULE = "submit_schedule"
    APPROVE_SCHEDULE = "approve_schedule"
    REVISE_SCHEDULE = "revise_schedule"
    RESCHEDULE = "reschedule"
    DECIDE_RESCHEDULE = "decide_reschedule"
    ALLOCATE_ACCOUNT = "allocate_account"


DECISIONS = frozenset({TaskKind.APPROVE_SCHEDULE, TaskKind.DECIDE_RESCHEDULE})


class TaskRow(NamedTuple):
    subject: str
    """A product path, or an account id."""
    fiscal_year: int
    """0 for a task of no year."""
    kind: str
    persona: str
    """Its seat: a holder of this persona …"""
    node: str
    """… on this node …"""
    not_by: list[str]
    """… but none of these persons, who asked for it, nor anybody in their place."""
    vacant: bool
    """Nobody is left on its seat."""
    above_persona: str | None
    """The seat above, where it has the task, too."""
    above_node: str | None
    to_admins: bool
    """Whether financial admins have it, besides those of its seat."""
    version: int
    """What is to be decided on; 0 where nothing was submitted."""
    detail: str
    """The submitter's note, the reason of whoever sent it back, or the account's name."""
    since: datetime
    position: int
    """Where the log says so: the oldest task has the lowest."""
    timed: bool
    """Whether reminders and escalation come; without a process nobody is reminded."""
    reminders: int
    escalated: bool
    until: date | None
    """The last day in the office on which it can be done."""


TASKS = Table(
    "tasks",
    TaskRow,
    key=2,
    indexes=(
        "(persona, node, position)",
        "(above_node, position) WHERE above_node IS NOT NULL",
        "(fiscal_year, position) WHERE to_admins",
        "(fiscal_year, position)",
    ),
)
"""One open task a subject and year: of a schedule it is always one person's turn."""

_SEATS = frozenset({Persona.PRODUCT_OWNER, Persona.PORTFOLIO_OWNER})
"""Personas whose tasks go elsewhere when nobody holds them."""
_OF_SEATS = """
SELECT t.subject, t.fiscal_year FROM {tasks} t JOIN unnest(%s::text[], %s::text[]) AS s(persona, node)
    ON t.persona = s.persona AND t.node = s.node
UNION SELECT t.subject, t.fiscal_year FROM {tasks} t JOIN unnest(%s::text[], %s::text[]) AS s(persona, node)
    ON t.above_persona = s.persona AND t.above_node = s.node"""


def wants(batch: Batch, _: RecordedEvent, fact: Any) -> None:
    match fact:
        case Granted() | GrantWithdrawn():
            batch.rows(GRANTS).want(fact.persona.value, path_text(fact.node))
        case Vended() | Changed() | Allocated():
            batch.rows(TASKS).want(fact.account_id, 0)
            batch.rows(ACCOUNTS).want(fact.account_id)
        case _:
            product = path_text(fact.product)
            batch.rows(SCHEDULES).want(fact.fiscal_year, product)
            batch.rows(LINES).want(fact.fiscal_year, product)
            _want_task(batch, product, fact.fiscal_year)


def _want_task(batch: Batch, product: str, fiscal_year: int) -> None:
    """With the seats that it may depend on."""
    batch.rows(TASKS).want(product, fiscal_year)
    grants = batch.rows(GRANTS)
    grants.want(Persona.PRODUCT_OWNER.value, product)
    grants.want(Persona.PORTFOLIO_OWNER.value, _portfolio(product))


def fold(batch: Batch, event: RecordedEvent, fact: Any) -> None:
    match fact:
        case Granted() | GrantWithdrawn():
            if fact.persona in _SEATS:
                batch.changes.seats.add((fact.persona.value, path_text(fact.node)))
        case Vended() | Changed():
            _fold_account(batch, event, fact)
        case Allocated():
            batch.rows(TASKS).delete(fact.account_id, 0)
        case _:
            batch.changes.products[path_text(fact.product), fact.fiscal_year] = None


def _fold_account(batch: Batch, event: RecordedEvent, fact: Vended | Changed) -> None:
    tasks, account = batch.rows(TASKS), batch.rows(ACCOUNTS).get(fact.account_id)
    open_task = tasks.get(fact.account_id, 0)
    if fact.state == CLOSED or (account is not None and account.allocated_since is not None):
        tasks.delete(fact.account_id, 0)
    elif open_task is not None:
        tasks.put(open_task._replace(detail=fact.name))
    else:
        persona, node = Persona.FINANCIAL_ADMIN, str(NodePath.ROOT)
        begun = event.recorded_at, event.position
        task = _task(fact.account_id, 0, TaskKind.ALLOCATE_ACCOUNT, persona, node, *begun)
        tasks.put(task._replace(version=event.stream_version, detail=fact.name))


def settle(batch: Batch) -> None:
    tasks, touched = batch.rows(TASKS), batch.changes.products
    of_seats = [key for key in _of_seats(batch) if key not in touched]
    for subject, fiscal_year in of_seats:
        _want_task(batch, subject, fiscal_year)
    batch.load()
    for subject, fiscal_year in touched:
        task = _of_product(batch, subject, fiscal_year)
        if task is None:
            tasks.delete(subject, fiscal_year)
        elif (addressed := _addressed(batch, task)) != tasks.get(subject, fiscal_year):
            tasks.put(addressed)
    for subject, fiscal_year in of_seats:
        if (task := tasks.get(subject, fiscal_year)) and (addressed := _addressed(batch, task)) != task:
            tasks.put(addressed)


def _of_seats(batch: Batch) -> list[tuple[str, int]]:
    """Stored tasks that may change hands, because the holders of a seat changed."""
    if not batch.changes.seats:
        return []
    columns = [list(column) for column in zip(*sorted(batch.changes.seats), strict=True)]
    query = SQL(_OF_SEATS).format(tasks=TASKS.named(batch.generation))
    return sorted(batch.cursor.execute(query, columns * 2).fetchall())


def _of_product(batch: Batch, product: str, fiscal_year: int) -> TaskRow | None:
    """What the product waits for, but not yet who has it."""
    line = batch.rows(LINES).get(fiscal_year, product)
    schedule = batch.rows(SCHEDULES).get(fiscal_year, product)
    if line is not None and line.withdrawn and (schedule is None or schedule.approved is None):
        return None  # nothing to plan, and nothing in force
    if schedule is None:
        return _first_draft(batch, line) if line else None
    found = _kind(schedule)
    if found is None:
        return None
    kind, persona = found
    node = product if persona is Persona.PRODUCT_OWNER else _portfolio(product)
    since, position, detail = schedule.since, schedule.since_position, schedule.reason
    if kind is TaskKind.APPROVE_SCHEDULE:
        detail = schedule.note
    if kind is TaskKind.RESCHEDULE:
        since = max(since, schedule.over_budget_since or since)
        position = max(position, schedule.over_budget_position or position)
        detail = _over_budget(schedule, line)
    by = [schedule.submitted_by, schedule.submitted_for] if kind in DECISIONS else []
    return _task(product, fiscal_year, kind, persona, node, since, position)._replace(
        not_by=sorted({str(person) for person in by if person}),
        version=schedule.version,
        detail=detail,
        timed=schedule.state in LIVING,
        reminders=schedule.reminders,
        escalated=schedule.escalated_at is not None,
        until=last_day(batch.organization, fiscal_year),
    )


def _first_draft(batch: Batch, line: LineRow) -> TaskRow:
    kind, persona, begun = TaskKind.SUBMIT_SCHEDULE, Persona.PRODUCT_OWNER, (line.added_at, line.added_position)
    task = _task(line.product, line.fiscal_year, kind, persona, line.product, *begun)
    return task._replace(until=last_day(batch.organization, line.fiscal_year))


def _kind(schedule: ScheduleRow) -> tuple[TaskKind, Persona] | None:
    """As `domain.schedule.awaited`, with the kind of what is to be done."""
    match State(schedule.state):
        case State.PENDING:
            return TaskKind.APPROVE_SCHEDULE, Persona.PORTFOLIO_OWNER
        case State.RESCHEDULE_REQUESTED:
            return TaskKind.DECIDE_RESCHEDULE, Persona.PORTFOLIO_OWNER
        case State.REJECTED:
            return TaskKind.REVISE_SCHEDULE, Persona.PRODUCT_OWNER
        case State.DRAFT | State.RESCHEDULING:
            kind = TaskKind.REVISE_SCHEDULE if schedule.returned else TaskKind.SUBMIT_SCHEDULE
            return kind, Persona.PRODUCT_OWNER
        case State.APPROVED if schedule.over_budget_since is not None:
            return TaskKind.RESCHEDULE, Persona.PRODUCT_OWNER
    return None


def _over_budget(schedule: ScheduleRow, line: LineRow | None) -> str:
    if line is None:
        return ""
    planned, annual = figure(schedule.planned, line.currency), figure(line.annual, line.currency)
    return f"Planned {planned} {line.currency}, which is over the annual budget of {annual} {line.currency}."


@lru_cache
def last_day(organization: Organization, fiscal_year: int) -> date:
    """On which schedules of that year are decided; see `domain.schedule_commands.year_ends_at`."""
    end = organization.calendar.months(fiscal_year)[-1].last_day
    return end + timedelta(days=organization.business.year_grace_days)


def _addressed(batch: Batch, task: TaskRow) -> TaskRow:
    """With who has it, by the grants as they are."""
    seat = _holders(batch, task.persona, task.node)
    vacant = not seat.difference(task.not_by)
    task = task._replace(vacant=vacant, above_persona=None, above_node=None, to_admins=False)
    if not (vacant or task.escalated):
        return task
    higher = above(task.node)
    if task.persona == Persona.PORTFOLIO_OWNER:
        return task._replace(above_persona=Persona.DEPARTMENT_OWNER.value, above_node=higher, to_admins=True)
    portfolio = Persona.PORTFOLIO_OWNER.value
    nobody = not _holders(batch, portfolio, higher or "")
    return task._replace(above_persona=portfolio, above_node=higher, to_admins=nobody)


def _holders(batch: Batch, persona: str, node: str) -> set[str]:
    return {str(row.person_id) for row in batch.rows(GRANTS).having(persona, node)}


def _portfolio(product: str) -> str:
    return above(product) or ""


def _task(
    subject: str, fiscal_year: int, kind: TaskKind, persona: Persona, node: str, since: datetime, position: int
) -> TaskRow:
    return TaskRow(
        subject=subject,
        fiscal_year=fiscal_year,
        kind=kind.value,
        persona=persona.value,
        node=node,
        not_by=[],
        vacant=False,
        above_persona=None,
        above_node=None,
        to_admins=False,
        version=0,
        detail="",
        since=since,
        position=position,
        timed=False,
        reminders=0,
        escalated=False,
        until=None,
    )


_FACTS: tuple[type[Fact], ...] = (
    *SCHEDULE_FACTS,
    Reminded,
    Escalated,
    AnnualApproved,
    ProductWithdrawn,
    Granted,
    GrantWithdrawn,
    Vended,
    Changed,
    Allocated,
)
PROJECTION = Projection((TASKS,), _FACTS, wants, fold, settle)
