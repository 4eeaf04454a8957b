"""What waits for somebody: the open tasks of their seats, of the seats of those in whose place they may decide today,
and of seats below theirs that nobody holds or whose task was escalated.

Each seat is asked for its oldest tasks by an index, so an answer costs what it shows and not what waits elsewhere.
"""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from psycopg import Cursor

from domain.decision import Persona
from domain.people import OWNERS
from views.models import TaskDetail, Why

_OF_TASK = (
    "kind, subject, fiscal_year, persona, node, version, detail, since, timed, reminders, escalated, vacant, until"
)
_COLUMNS = f"{_OF_TASK}, on_behalf_of"
_OPEN = "(t.until IS NULL OR %(today)s::date IS NULL OR t.until >= %(today)s)"
# Years that are not over, each found by an index: what was never done in earlier years must not be read every time.
_YEARS = """years(n) AS (
    SELECT min(fiscal_year) FROM tasks
    UNION ALL SELECT (SELECT min(fiscal_year) FROM tasks WHERE fiscal_year > n) FROM years WHERE n IS NOT NULL
),
open_year AS MATERIALIZED (
    SELECT n FROM years WHERE n IS NOT NULL AND (%(today)s::date IS NULL OR coalesce(
        (SELECT until FROM tasks WHERE fiscal_year = n ORDER BY position DESC LIMIT 1), 'infinity') >= %(today)s)
)"""
# Nobody has a task that they asked for themselves, or that whoever they decide for asked for.
_OLDEST = f"""SELECT {_OF_TASK}, position FROM tasks t WHERE {{}} AND NOT t.not_by && s.persons AND {_OPEN}
        ORDER BY t.position LIMIT %(limit)s"""  # noqa: S608 - columns from our own code
_OF_PERSON = f"""
WITH RECURSIVE {_YEARS},
principal AS (
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
    UNION ALL SELECT t.*, s.on_behalf_of, 2 FROM seat s CROSS JOIN open_year CROSS JOIN LATERAL (
        {_OLDEST.format("t.to_admins AND t.fiscal_year = n")}) t WHERE s.persona = '{Persona.FINANCIAL_ADMIN}'
)
SELECT {_COLUMNS}, place FROM (
    SELECT DISTINCT ON (subject, fiscal_year) * FROM found
    ORDER BY subject, fiscal_year, on_behalf_of IS NOT NULL, on_behalf_of, place
) AS once ORDER BY position LIMIT %(limit)s"""  # noqa: S608
_OF_ALL = f"""
WITH RECURSIVE {_YEARS}
SELECT {_OF_TASK}, NULL::uuid AS on_behalf_of, 0 AS place FROM open_year CROSS JOIN LATERAL (
    SELECT {_OF_TASK}, position FROM tasks t WHERE t.fiscal_year = n AND {_OPEN}
    ORDER BY t.position LIMIT %(limit)s
) AS t ORDER BY position LIMIT %(limit)s"""  # noqa: S608
_FIELDS = tuple(column.strip() for column in _COLUMNS.split(","))

Found = tuple[dict[str, Any], int]
"""The fields of a task, and how far off it is: 0 on its own seat, 1 on the one above, 2 as a financial admin."""


def found_tasks(cursor: Cursor[Any], person_id: UUID | None, today: date | None, limit: int) -> list[Found]:
    parameters = {"person": person_id, "today": today, "limit": limit, "owners": sorted(OWNERS)}
    query = _OF_ALL if person_id is None else _OF_PERSON
    rows = cursor.execute(query.encode(), parameters).fetchall()
    return [(dict(zip(_FIELDS, row, strict=True)), place) for *row, place in rows]


def task_detail(found: Found, names: dict[UUID | None, str]) -> TaskDetail:
    fields, place = found
    why = Why.OWNER
    if place:
        why = Why.NOBODY_LEFT if fields["vacant"] else Why.ESCALATED
    return TaskDetail(**fields, why=why, on_behalf_of_name=names.get(fields["on_behalf_of"], ""))
