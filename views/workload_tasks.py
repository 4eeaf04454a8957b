"""What a workload waits for: somebody to decide on its estimate, or its owner to revise it."""

from __future__ import annotations

from datetime import date

from domain.decision import Persona
from domain.workload import LIVING, State
from views.paths import above
from views.task_rows import TaskKind, TaskRow, new_task
from views.workload_rows import WorkloadRow


def task_of_workload(row: WorkloadRow, until: date) -> TaskRow | None:
    """As `domain.workload.awaited`; not yet who has it. `until`: the last day on which it can be decided."""
    state = State(row.state)
    if state not in LIVING:
        return None
    if state is State.SUBMITTED:
        kind, persona, node, detail = TaskKind.APPROVE_ESTIMATE, Persona.PORTFOLIO_OWNER, above(row.product), row.note
    else:
        kind, persona, node, detail = TaskKind.REVISE_ESTIMATE, Persona.PRODUCT_OWNER, row.product, row.reason
    by = (row.submitted_by, row.submitted_for) if state is State.SUBMITTED else ()
    return new_task(row.subject, row.fiscal_year, kind, persona, node or "", row.since, row.since_position)._replace(
        not_by=sorted({str(person) for person in by if person}),
        version=row.version,
        detail=detail,
        timed=True,
        reminders=row.reminders,
        escalated=row.escalated_at is not None,
        until=until,
    )
