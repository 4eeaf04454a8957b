"""Open tasks: what somebody must decide or do, whose it is, and who has it too. A task goes when it is done.

A product's task is a function of its schedule and its budget line, an account's one of the account, and who has it a
function of the task and of the grants: so they are worked out once at the end of a batch, for the products and accounts
that it touched and the seats (a persona on a node) whose holders it changed. Who has a task:

    its seat         whoever holds the persona on the node, but for those who asked for what is to be decided
    the seat above   once it was escalated, or where nobody is left on its seat: the department owner for a decision,
                     the portfolio owner for what is the product owner's (to know of it: only an owner can submit),
                     cloud engineers for the first allocation of an account
    financial admin  with the seat above for a decision; else where nobody is left there either
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache
from typing import Any

from psycopg.sql import SQL

from domain.budget import AnnualApproved, ProductWithdrawn
from domain.decision import Fact, Organization, Persona, RecordedEvent
from domain.hierarchy import NodePath
from domain.money import figure
from domain.people import Granted, GrantWithdrawn
from domain.schedule import FACTS as SCHEDULE_FACTS
from domain.schedule import LIVING, State
from domain.waiting import Escalated, Reminded
from domain.workload import FACTS as WORKLOAD_FACTS
from domain.workload import WorkloadFact
from views.account_rows import ACCOUNTS, waiting_account
from views.account_tasks import NO_YEAR, task_of_account, with_stand_ins
from views.accounts import FACTS as ACCOUNT_FACTS
from views.batch import Batch, Projection
from views.budgets import LINES, LineRow
from views.paths import above, path_text
from views.people import GRANTS
from views.schedule_rows import SCHEDULES, ScheduleRow
from views.task_rows import TASKS, TaskRow, new_task
from views.task_rows import TaskKind as TaskKind
from views.workload_rows import WORKLOADS, is_workload, product_of, text_key, waiting_workload
from views.workload_tasks import task_of_workload

DECISIONS = frozenset({TaskKind.APPROVE_SCHEDULE, TaskKind.DECIDE_RESCHEDULE})
"""On schedules."""
_SEATS = frozenset({Persona.PRODUCT_OWNER, Persona.PORTFOLIO_OWNER, Persona.FINANCIAL_ADMIN})
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
        case _ if (account_id := _account_of(fact)) is not None:
            _want_account(batch, account_id)
        case _ if (workload := _workload_of(fact)) is not None:
            batch.rows(WORKLOADS).want(*workload)
        case _:
            product = path_text(fact.product)
            batch.rows(SCHEDULES).want(fact.fiscal_year, product)
            batch.rows(LINES).want(fact.fiscal_year, product)
            _want_task(batch, product, fact.fiscal_year)


def _account_of(fact: Any) -> str | None:
    """The account that it is about; None for a schedule or a budget line."""
    if isinstance(fact, Reminded | Escalated):
        return waiting_account(fact)
    return str(fact.account_id) if type(fact) in ACCOUNT_FACTS else None


def _workload_of(fact: Any) -> tuple[str, str] | None:
    """The workload that it is about; its changes are noted by the fold of workloads, which comes before this one."""
    if isinstance(fact, Reminded | Escalated):
        return waiting_workload(fact)
    return (path_text(fact.product), fact.workload) if isinstance(fact, WorkloadFact) else None


def _want_task(batch: Batch, product: str, fiscal_year: int) -> None:
    """With the seats that it may depend on."""
    batch.rows(TASKS).want(product, fiscal_year)
    grants = batch.rows(GRANTS)
    grants.want(Persona.PRODUCT_OWNER.value, product_of(product))
    grants.want(Persona.PORTFOLIO_OWNER.value, _portfolio(product))


def _want_account(batch: Batch, account_id: str) -> None:
    batch.rows(TASKS).want(account_id, NO_YEAR)
    batch.rows(ACCOUNTS).want(account_id)
    batch.rows(GRANTS).want(Persona.FINANCIAL_ADMIN.value, path_text(NodePath.ROOT))


def fold(batch: Batch, _: RecordedEvent, fact: Any) -> None:
    match fact:
        case Granted() | GrantWithdrawn():
            if fact.persona in _SEATS:
                batch.changes.seats.add((fact.persona.value, path_text(fact.node)))
        case _ if (account_id := _account_of(fact)) is not None:
            batch.changes.accounts[account_id] = None
        case _ if _workload_of(fact) is not None:
            pass
        case _:
            batch.changes.products[path_text(fact.product), fact.fiscal_year] = None


def settle(batch: Batch) -> None:
    touched = {**batch.changes.products, **{(account_id, NO_YEAR): None for account_id in batch.changes.accounts}}
    touched |= _of_workloads(batch)
    of_seats = [key for key in _of_seats(batch) if key not in touched]
    for subject, fiscal_year in (*of_seats, *(key for key in touched if is_workload(key[0]))):
        if fiscal_year == NO_YEAR:
            _want_account(batch, subject)
        else:
            _want_task(batch, subject, fiscal_year)
    batch.load()
    for subject, fiscal_year in touched:
        _settle_subject(batch, subject, fiscal_year)
    tasks = batch.rows(TASKS)
    for subject, fiscal_year in of_seats:
        if (task := tasks.get(subject, fiscal_year)) and (addressed := _addressed(batch, task)) != task:
            tasks.put(addressed)


def _of_workloads(batch: Batch) -> dict[tuple[str, int], None]:
    """Tasks that may have changed with their workloads: under the year where they are now, and where they were."""
    workloads = batch.rows(WORKLOADS)
    rows = [row for key in batch.changes.workloads if (row := workloads.get(*key)) is not None]
    keys = [*sorted(batch.changes.tasks_over), *((row.subject, row.fiscal_year) for row in rows)]
    return {key: None for key in keys if key[1] != NO_YEAR}


def _settle_subject(batch: Batch, subject: str, fiscal_year: int) -> None:
    tasks = batch.rows(TASKS)
    task = _task_of(batch, subject, fiscal_year)
    if task is None:
        tasks.delete(subject, fiscal_year)
    elif (addressed := _addressed(batch, task)) != tasks.get(subject, fiscal_year):
        tasks.put(addressed)


def _task_of(batch: Batch, subject: str, fiscal_year: int) -> TaskRow | None:
    """What somebody has to do, but not yet who."""
    if is_workload(subject):
        row = batch.rows(WORKLOADS).get(*text_key(subject))
        if row is None or row.fiscal_year != fiscal_year:
            return None
        return task_of_workload(row, last_day(batch.organization, fiscal_year))
    if fiscal_year == NO_YEAR:
        return _of_account(batch, subject)
    return _of_product(batch, subject, fiscal_year)


def _of_seats(batch: Batch) -> list[tuple[str, int]]:
    """Stored tasks that may change hands, because the holders of a seat changed."""
    if not batch.changes.seats:
        return []
    columns = [list(column) for column in zip(*sorted(batch.changes.seats), strict=True)]
    query = SQL(_OF_SEATS).format(tasks=TASKS.named(batch.generation))
    return sorted(batch.cursor.execute(query, columns * 2).fetchall())


def _of_account(batch: Batch, account_id: str) -> TaskRow | None:
    row = batch.rows(ACCOUNTS).get(account_id)
    return task_of_account(row) if row is not None else None


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
    return new_task(product, fiscal_year, kind, persona, node, since, position)._replace(
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
    task = new_task(line.product, line.fiscal_year, kind, persona, line.product, *begun)
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
    if task.fiscal_year == NO_YEAR:
        account = batch.rows(ACCOUNTS).get(task.subject)
        return with_stand_ins(task, account) if account is not None else task
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


def _portfolio(subject: str) -> str:
    """Of a product, or of the product that a workload belongs to."""
    return above(product_of(subject)) or ""


_FACTS: tuple[type[Fact], ...] = (
    *SCHEDULE_FACTS,
    Reminded,
    Escalated,
    AnnualApproved,
    ProductWithdrawn,
    Granted,
    GrantWithdrawn,
    *ACCOUNT_FACTS,
    *WORKLOAD_FACTS,
)
PROJECTION = Projection((TASKS,), _FACTS, wants, fold, settle)
