"""What waits for somebody: the open tasks of their seats, of the seats of those in whose place they may decide today,
and of seats below theirs that nobody holds or whose task was escalated.

Each seat is asked for its oldest tasks by an index, so an answer costs what it shows and not what waits elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Cursor

from domain.decision import Persona
from domain.people import OWNERS
from views.models import TaskDetail, Why

_COLUMNS = (
    "kind, subject, fiscal_year, persona, node, version, detail, since, position, timed, reminders, escalated, vacant, "
    "until"
)
_OPEN = "(t.until IS NULL OR %(today)s::date IS NULL OR t.until >= %(today)s)"
# Nobody has a task that they asked for themselves, or that whoever they decide for asked for.
_OLDEST = f"""SELECT {_COLUMNS} FROM tasks t WHERE {{}} AND NOT t.not_by && s.persons AND {_OPEN}
        ORDER BY t.position LIMIT %(limit)s"""  # noqa: S608 - columns from our own code
_OF_PERSON = f"""
WITH principal AS (
    SELECT %(person)s::uuid AS person_id, NULL::uuid AS on_behalf_of
    UNION ALL SELECT DISTINCT delegated_by, delegated_by FROM delegations
    WHERE person_id = %(person)s AND ended_at IS NULL AND %(today)s::date BETWEEN first_day AND last_day
),
seat AS MATERIALIZED (
    SELECT g.persona, g.node, p.on_behalf_of, ARRAY[%(person)s::uuid::text, p.person_id::text] AS persons
    FROM principal p JOIN grants g USING (person_id) WHERE p.on_behalf_of IS NULL OR g.persona = ANY(%(owners)s)
),
found AS (
    SELECT t.*, s.on_behalf_of, 0 AS place FROM seat s CROSS JOIN LATERAL (
        {_OLDEST.format("t.persona = s.persona AND t.node = s.node")}) t
    UNION ALL SELECT t.*, s.on_behalf_of, 1 FROM seat s CROSS JOIN LATERAL (
        {_OLDEST.format("t.above_node = s.node AND t.above_persona = s.persona")}) t
    UNION ALL SELECT t.*, s.on_behalf_of, 2 FROM seat s CROSS JOIN LATERAL (
        {_OLDEST.format("t.to_admins")}) t WHERE s.persona = '{Persona.FINANCIAL_ADMIN}'
)
SELECT {_COLUMNS}, place, on_behalf_of FROM (
    SELECT DISTINCT ON (subject, fiscal_year) * FROM found
    ORDER BY subject, fiscal_year, on_behalf_of IS NOT NULL, on_behalf_of, place
) AS once ORDER BY position LIMIT %(limit)s"""  # noqa: S608
_OF_ALL = f"""
SELECT {_COLUMNS}, 0 AS place, NULL::uuid AS on_behalf_of FROM tasks t WHERE {_OPEN}
ORDER BY t.position LIMIT %(limit)s"""  # noqa: S608


class Found(NamedTuple):
    """A task as the query gives it."""

    kind: str
    subject: str
    fiscal_year: int
    persona: str
    node: str
    version: int
    detail: str
    since: Any
    position: int
    timed: bool
    reminders: int
    escalated: bool
    vacant: bool
    until: date | None
    place: int
    """0 on its own seat, 1 on the one above, 2 as a financial admin."""
    on_behalf_of: UUID | None


def found_tasks(cursor: Cursor[Any], person_id: UUID | None, today: date | None, limit: int) -> list[Found]:
    parameters = {"person": person_id, "today": today, "limit": limit, "owners": sorted(OWNERS)}
    query = _OF_ALL if person_id is None else _OF_PERSON
    return [Found(*row) for row in cursor.execute(query.encode(), parameters).fetchall()]


def task_details(found: list[Found], names: dict[UUID | None, str]) -> Iterator[TaskDetail]:
    for task in found:
        fields = task._asdict()
        for internal in ("position", "place"):
            del fields[internal]
        yield TaskDetail(**fields, why=_why(task), on_behalf_of_name=names.get(task.on_behalf_of, ""))


def _why(task: Found) -> Why:
    if not task.place:
        return Why.OWNER
    return Why.NOBODY_LEFT if task.vacant else Why.ESCALATED
