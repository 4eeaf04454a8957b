"""Accounts, their allocations and expected accounts with all that a page shows of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import groupby
from typing import Any
from uuid import UUID

from psycopg import Cursor
from psycopg.rows import dict_row

from domain.account_rules import AccountRule
from domain.allocation import is_expiring, is_new, status_on
from domain.hierarchy import NodePath
from views import directory
from views.account_models import (
    AccountDetail,
    AccountRulesDetail,
    AllocationDetail,
    ExpectationStatus,
    ExpectedAccountDetail,
    ProposalDetail,
    ShareDetail,
)
from views.account_rows import AllocationRow

_ACCOUNTS = """
SELECT account_id, name, email, state, joined_method, joined_at, ou_path, coalesce(tags, '{}') AS tags, source,
    first_seen_at, departed_at, departed_how, first_billed_on, billed_at, aligned_at, allocated_since, occasion,
    open_reason, opened_at, ended_reason, proposal, reminders, escalated_at, lifecycle, updated_at
FROM accounts WHERE %(id)s::text IS NULL OR account_id = %(id)s ORDER BY 1"""
_ALLOCATIONS = (
    f"SELECT {', '.join(AllocationRow._fields)} FROM allocations "  # noqa: S608 - columns from our own code
    "WHERE %(id)s::text IS NULL OR account_id = %(id)s ORDER BY account_id, effective_on, ordinal"
)
_EXPECTED = """
SELECT key, email, name, account_type, shares, registered_by, registered_at, note, status, account_id, appeared_at,
    reason
FROM expected_accounts WHERE %(status)s::text IS NULL OR status = %(status)s ORDER BY registered_at, key"""
_RULE_SET = "SELECT version, set_by, set_at, note FROM account_rule_sets ORDER BY version DESC LIMIT 1"
_RULES = "SELECT rule FROM account_rules WHERE version = %s ORDER BY ordinal"

Names = Mapping[UUID | None, str]


def accounts(cursor: Cursor[Any], account_id: str | None, today: date | None) -> tuple[AccountDetail, ...]:
    """All of them, or the one asked for."""
    with cursor.connection.cursor(row_factory=dict_row) as rows:
        found = rows.execute(_ACCOUNTS, {"id": account_id}).fetchall()
    entries: dict[str, list[AllocationDetail]] = {}
    for entry in allocations(cursor, account_id, today):
        entries.setdefault(entry.account_id, []).append(entry)
    proposers = [UUID(row["proposal"]["proposed_by"]) for row in found if (row["proposal"] or {}).get("proposed_by")]
    names = directory.names(cursor, proposers)
    return tuple(
        AccountDetail.model_validate(
            row
            | {
                "proposal": _proposal(row["proposal"], names),
                "allocation": current(entries.get(row["account_id"], ()), today),
            }
        )
        for row in found
    )


def current(entries: Sequence[AllocationDetail], today: date | None) -> AllocationDetail | None:
    """The one in effect on that day, else the next one; the last one where there is no day."""
    if today is None:
        return entries[-1] if entries else None
    in_effect = [entry for entry in entries if entry.effective_on <= today]
    return in_effect[-1] if in_effect else next(iter(entries), None)


def _proposal(stored: Mapping[str, Any] | None, names: Names) -> ProposalDetail | None:
    if stored is None:
        return None
    proposed_by = UUID(stored["proposed_by"]) if stored["proposed_by"] else None
    return ProposalDetail.model_validate({**stored, "proposed_by_name": names.get(proposed_by, "")})


def allocations(cursor: Cursor[Any], account_id: str | None, today: date | None) -> list[AllocationDetail]:
    """By account and effective date, as they stand on that day."""
    rows = [AllocationRow(*row) for row in cursor.execute(_ALLOCATIONS.encode(), {"id": account_id})]
    names = directory.names(cursor, [row.allocated_by for row in rows])
    entries = groupby(rows, lambda row: (row.account_id, row.effective_on))
    return [_allocation(list(entry), names, today) for _, entry in entries]


def _allocation(entry: Sequence[AllocationRow], names: Names, today: date | None) -> AllocationDetail:
    """Of the rows of its shares."""
    first = entry[0]
    return AllocationDetail(
        account_id=first.account_id,
        account_type=first.account_type,
        effective_on=first.effective_on,
        effective_to=first.effective_to,
        shares=tuple(ShareDetail(product=NodePath.parse(r.product), percent=r.percent.normalize()) for r in entry),
        allocated_by=first.allocated_by,
        allocated_by_name=names.get(first.allocated_by, ""),
        note=first.note,
        recorded_at=first.recorded_at,
        basis=first.basis,
        rule=first.rule,
        proposal=first.proposal,
        status=None if today is None else status_on(first.effective_on, first.effective_to, today),
        is_new=today is not None and is_new(first.effective_on, today),
        is_expiring=today is not None and is_expiring(first.effective_to, today),
    )


def expected_accounts(cursor: Cursor[Any], status: ExpectationStatus | None) -> tuple[ExpectedAccountDetail, ...]:
    """In the order in which they were registered."""
    with cursor.connection.cursor(row_factory=dict_row) as rows:
        found = rows.execute(_EXPECTED, {"status": status}).fetchall()
    names = directory.names(cursor, [row["registered_by"] for row in found])
    return tuple(
        ExpectedAccountDetail.model_validate(row | {"registered_by_name": names.get(row["registered_by"], "")})
        for row in found
    )


def rules_in_force(cursor: Cursor[Any]) -> AccountRulesDetail:
    found = cursor.execute(_RULE_SET).fetchone()
    if found is None:
        return AccountRulesDetail()
    version, set_by, set_at, note = found
    names = directory.names(cursor, [set_by])
    return AccountRulesDetail(
        rules=tuple(AccountRule.model_validate(rule) for (rule,) in cursor.execute(_RULES, [version])),
        set_by_name=names.get(set_by, ""),
        set_at=set_at,
        version=version,
        note=note,
    )
