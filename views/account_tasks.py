"""The task of an account: somebody has to say where it belongs, or to decide on what is proposed.

It is a function of the account's row alone, and is there while an occasion is open; for an account from the time before
occasions, while it needs one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json

from domain.account_facts import Occasion
from domain.decision import Persona
from domain.hierarchy import NodePath
from views.account_rows import AccountRow
from views.paths import path_text
from views.task_rows import TaskKind, TaskRow, new_task

NO_YEAR = 0
"""Fiscal year of a task of an account."""
SHARES_SHOWN_MAX = 3
_NODE = path_text(NodePath.ROOT)
_CALLED_FOR = frozenset({Occasion.MOVED, Occasion.RETURNED, Occasion.TAGS_CHANGED})
"""Occasions that say why an account that may be allocated already has to be looked at again."""


def task_of_account(row: AccountRow) -> TaskRow | None:
    """What the account waits for, but not yet who has it; None where nobody has to do anything."""
    is_open = row.open_reason is not None
    if not (is_open or row.needs_alignment):
        return None
    since, position = (row.opened_at, row.opened_position) if is_open else (row.first_seen_at, row.first_seen_position)
    assert since is not None
    assert position is not None
    proposal = from_json(row.proposal) if row.proposal else None
    kind = TaskKind.DECIDE_ALLOCATION if proposal else TaskKind.ALLOCATE_ACCOUNT
    task = new_task(row.account_id, NO_YEAR, kind, Persona.FINANCIAL_ADMIN, _NODE, since, position)
    return task._replace(
        not_by=[proposal["proposed_by"]] if proposal and proposal["proposed_by"] else [],
        version=proposal["number"] if proposal else 0,
        detail=_detail(row, proposal),
        timed=is_open,
        reminders=row.reminders,
        escalated=row.escalated_at is not None,
    )


def with_stand_ins(task: TaskRow, row: AccountRow) -> TaskRow:
    """Cloud engineers may make a first allocation, where the financial admins have not, or none is left."""
    if row.allocated_since is not None or not (task.vacant or task.escalated):
        return task
    return task._replace(above_persona=Persona.CLOUD_ENGINEER.value, above_node=_NODE)


def _detail(row: AccountRow, proposal: Mapping[str, Any] | None) -> str:
    """The account's name, and what has to be known of it before it is opened."""
    name = row.name or "unknown to AWS Organizations"
    said = []
    if proposal:
        said.append(_proposed(proposal))
    elif row.open_reason in _CALLED_FOR:
        said.append(str(row.open_reason))
    if row.spends_unallocated:
        said.append(f"spends without an allocation since {row.first_billed_on}")
    return f"{name}: {'; '.join(said)}" if said else name


def _proposed(proposal: Mapping[str, Any]) -> str:
    """`100 % Retail/Digital/Web/Checkout, Production (rule 'prod')`."""
    shares = [f"{share['percent']} % {share['product']}" for share in proposal["shares"]]
    shown = shares[:SHARES_SHOWN_MAX]
    if (more := len(shares) - len(shown)) > 0:
        shown.append(f"{more} more")
    effective_on = f", from {proposal['effective_on']}" if proposal["effective_on"] else ""
    rule = f" (rule '{proposal['rule']}')" if proposal["rule"] else ""
    return f"{', '.join(shown)}, {proposal['account_type']}{effective_on}{rule}"
