"""All that pages, the command line and activities may ask. Read-only; no decision is ever taken on an answer."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import groupby
from time import monotonic, sleep
from typing import Any
from uuid import UUID

from psycopg import Cursor

from domain.calendar import Month
from domain.decision import SYSTEM, SYSTEM_ID, PersonId
from domain.errors import Unavailable
from domain.hierarchy import PRODUCT_LEVEL, NodePath
from domain.process import FIRST_ROUND
from domain.schedule import State
from views.accounts import AllocationRow
from views.audit import subject_key
from views.database import Database
from views.generations import live
from views.models import (
    AccountDetail,
    AllocationDetail,
    AuditEntry,
    GrantDetail,
    MonthAmounts,
    PersonDetail,
    RollupReport,
    ScheduleDetail,
    ShareDetail,
    TaskDetail,
    tidy,
)
from views.paths import path_text
from views.report import rollup_report

AUDIT_ENTRIES_MAX = 10_000
TASKS_MAX = 1_000
KNOWN_MAX = 200_000
"""As many products as one budget file may have."""
WAIT_POLL_S = 0.015

_FISCAL_YEARS = "SELECT fiscal_year FROM rollup WHERE path = '/' UNION SELECT fiscal_year FROM cost_periods ORDER BY 1"
_KNOWN_PRODUCTS = """
SELECT DISTINCT product FROM budget_lines
WHERE (%(year)s::int IS NULL OR fiscal_year = %(year)s) AND starts_with(product, %(prefix)s)
ORDER BY 1 LIMIT %(limit)s"""
_CATEGORIES = ("schedule", "budget_line", "budget", "account", "cost", "person", "organization", "refusal")
_AUDIT = """
SELECT position, event_id, stream, stream_version, fact_name, fact, actor, on_behalf_of, channel, command_id,
    workflow_id, workflow_run_id, activity_id, recorded_at
FROM audit WHERE subjects && %(keys)s::text[]
    OR subjects && ARRAY(SELECT path::text FROM hierarchy
        WHERE level = 4 AND path > %(subject)s || '/' AND path < %(subject)s || '0')
ORDER BY position DESC LIMIT %(limit)s"""
# A grant over a node holds for all below it. In the text of a path every `/` separates parts.
_TASKS = """
SELECT kind, subject, fiscal_year, persona, node, version, detail, since FROM tasks t
WHERE %(person)s::uuid IS NULL OR (t.not_by IS DISTINCT FROM %(person)s AND EXISTS (
    SELECT 1 FROM grants g WHERE g.person_id = %(person)s AND g.persona = t.persona
    AND (g.node = '/' OR g.node = t.node OR starts_with(t.node, g.node || '/'))))
ORDER BY since, position LIMIT %(limit)s"""
_SCHEDULE = """
SELECT coalesce(s.state, 'DRAFT'), coalesce(s.version, 0), coalesce(s.round, 0), l.currency, l.annual,
    coalesce(s.planned, 0), s.submitted, coalesce(s.submitted_total, 0), s.submitted_by, s.submitted_at,
    coalesce(s.note, ''), s.approved, s.decided_by, s.decided_at, coalesce(s.reason, ''), l.proposal,
    coalesce(s.updated_at, l.recorded_at)
FROM budget_lines l LEFT JOIN schedules s USING (fiscal_year, product) WHERE fiscal_year = %s AND product = %s"""
_PEOPLE = """
SELECT p.person_id, p.email, p.name, r.person_id IS NOT NULL,
    coalesce(array_agg(g.persona || ' ' || g.node ORDER BY g.persona, g.node) FILTER (WHERE g.node IS NOT NULL), '{}')
FROM people p LEFT JOIN persons r USING (person_id) LEFT JOIN grants g ON g.person_id = p.person_id
WHERE %(email)s::text IS NULL OR lower(p.email) = lower(%(email)s)
GROUP BY p.person_id, p.email, p.name, r.person_id ORDER BY p.email"""


class Views(Database):
    """The views of one database."""

    # Figures

    def rollup(self, fiscal_year: int, node: NodePath | None = None, depth: int = PRODUCT_LEVEL) -> RollupReport:
        """A node (the organization by default) and so many levels below it."""
        start = node or NodePath.ROOT
        with self.snapshot() as cursor:
            return rollup_report(cursor, fiscal_year, start, min(start.level + depth, PRODUCT_LEVEL))

    def months(self, fiscal_year: int, node: NodePath | None = None) -> tuple[MonthAmounts, ...]:
        """What was planned and spent by month; months without either are left out."""
        with self.snapshot() as cursor:
            rows = _months(cursor, fiscal_year, node or NodePath.ROOT)
        return tuple(
            MonthAmounts(month=Month.parse(month), planned=planned, actual=actual) for month, planned, actual in rows
        )

    def fiscal_years(self) -> tuple[int, ...]:
        """Those with a budget or with spend, in order."""
        with self.snapshot() as cursor:
            return tuple(year for (year,) in cursor.execute(_FISCAL_YEARS))

    def known_products(
        self, fiscal_year: int | None = None, prefix: str = "", limit: int = KNOWN_MAX
    ) -> tuple[NodePath, ...]:
        """Products with a budget line, in this year or any, whose path begins with this text; for suggestions."""
        parameters = {"year": fiscal_year, "prefix": prefix, "limit": limit}
        with self.snapshot() as cursor:
            return tuple(NodePath.parse(text) for (text,) in cursor.execute(_KNOWN_PRODUCTS, parameters))

    def known_accounts(self, limit: int = KNOWN_MAX) -> tuple[str, ...]:
        """Account ids, for suggestions."""
        with self.snapshot() as cursor:
            found = cursor.execute("SELECT account_id FROM accounts ORDER BY 1 LIMIT %s", [limit])
            return tuple(account_id for (account_id,) in found)

    def known_people(self, limit: int = KNOWN_MAX) -> tuple[str, ...]:
        """Addresses of the directory, for suggestions."""
        with self.snapshot() as cursor:
            return tuple(email for (email,) in cursor.execute("SELECT email FROM people ORDER BY 1 LIMIT %s", [limit]))

    # Schedules

    def schedule(self, fiscal_year: int, product: NodePath) -> ScheduleDetail | None:
        """None for a product without a budget line in that year."""
        with self.snapshot() as cursor:
            found = cursor.execute(_SCHEDULE, [fiscal_year, path_text(product)]).fetchone()
            if found is None:
                return None
            actual = {month: amount for month, _, amount in _months(cursor, fiscal_year, product) if amount}
            names = _names(cursor, [found[8], found[12]])
        return _schedule(fiscal_year, product, found, actual, names)

    def current_round(self, fiscal_year: int, product: NodePath) -> int:
        """The round that a new message about this schedule belongs to: the open one, or the one it would begin."""
        schedule = self.schedule(fiscal_year, product)
        if schedule is None or not schedule.round:
            return FIRST_ROUND
        return schedule.round + (schedule.state is State.APPROVED)

    # Accounts

    def accounts(self, account_id: str | None = None) -> tuple[AccountDetail, ...]:
        """All of them, or the one asked for."""
        where = "WHERE %(id)s::text IS NULL OR account_id = %(id)s"
        columns = (
            "account_id, name, email, state, joined_method, joined_at, ou_path, tags, first_seen_at, aligned_at, "
            "allocated_since"
        )
        with self.snapshot() as cursor:
            rows = cursor.execute(f"SELECT {columns} FROM accounts {where} ORDER BY 1", {"id": account_id}).fetchall()  # noqa: S608
            last = {entry.account_id: entry for entry in _allocations(cursor, account_id)}
        return tuple(
            AccountDetail(
                **dict(zip(columns.split(", "), row, strict=True)) | {"tags": row[7] or {}}, allocation=last.get(row[0])
            )
            for row in rows
        )

    def allocations(self, account_id: str) -> tuple[AllocationDetail, ...]:
        """The whole history, by effective date."""
        with self.snapshot() as cursor:
            return tuple(_allocations(cursor, account_id))

    # People and what they must do

    def tasks(self, person_id: UUID | None = None, limit: int = TASKS_MAX) -> tuple[TaskDetail, ...]:
        """What this person must decide, oldest first; for nobody in particular: all open tasks."""
        names = ("kind", "subject", "fiscal_year", "persona", "node", "version", "detail", "since")
        with self.snapshot() as cursor:
            rows = cursor.execute(_TASKS, {"person": person_id, "limit": limit}).fetchall()
        return tuple(TaskDetail.model_validate(dict(zip(names, row, strict=True))) for row in rows)

    def people(self) -> tuple[PersonDetail, ...]:
        with self.snapshot() as cursor:
            return tuple(_person(row) for row in cursor.execute(_PEOPLE, {"email": None}))

    def person(self, email: str) -> PersonDetail | None:
        with self.snapshot() as cursor:
            found = cursor.execute(_PEOPLE, {"email": email}).fetchone()
        return _person(found) if found else None

    # The past

    def audit(self, subject: str, limit: int = AUDIT_ENTRIES_MAX) -> tuple[AuditEntry, ...]:
        """Every event about a subject, in order; the latest where there are more than the limit.

        A subject is a product or a node above products, `2026/` and a product, an account, a billing period, a
        fiscal year, a person's address or id, a content hash, a command id, or a stream such as `schedule/2026/…`.
        """
        keys = [subject, *(f"{category}/{subject}" for category in _CATEGORIES)]
        with self.snapshot() as cursor:
            query = "SELECT person_id::text FROM people WHERE lower(email) = lower(%s)"
            keys += [found for (found,) in cursor.execute(query, [subject])]
            parameters = {"keys": [subject_key(key) for key in keys], "subject": subject, "limit": limit}
            rows = cursor.execute(_AUDIT, parameters).fetchall()
            columns = [column.name for column in cursor.description or ()]
            names = _names(cursor, [person for row in rows for person in (row[6], row[7])])
        return tuple(
            AuditEntry(
                **dict(zip(columns, row, strict=True)),
                actor_name=names.get(row[6], ""),
                on_behalf_of_name=names.get(row[7], ""),
            )
            for row in reversed(rows)
        )

    def position(self) -> int:
        """Log position that the views have reached."""
        with self.snapshot() as cursor:
            return live(cursor).position

    def wait_for(self, position: int, timeout_s: float = 10.0) -> int:
        """Returns as soon as the views show the log up to that position. Raises Unavailable when they do not get there.

        Whoever has just recorded something waits for the position in the answer, and then reads what they wrote.
        """
        deadline = monotonic() + timeout_s
        while (reached := self.position()) < position:
            if monotonic() > deadline:
                raise Unavailable(
                    f"The views show the log up to {reached} and not yet up to {position}: what you did is recorded, "
                    "and will show when a worker runs (`allot up`, or `allot-worker`).",
                    code="ViewsBehind",
                )
            sleep(WAIT_POLL_S)
        return reached


def _months(cursor: Cursor[Any], fiscal_year: int, node: NodePath) -> list[tuple[str, Decimal, Decimal]]:
    query = "SELECT month, planned, actual FROM rollup_months WHERE fiscal_year = %s AND path = %s ORDER BY month"
    return cursor.execute(query, [fiscal_year, path_text(node)]).fetchall()


def _names(cursor: Cursor[Any], person_ids: Sequence[UUID | None]) -> dict[UUID | None, str]:
    """Empty for those who are not in the directory any more."""
    query = "SELECT person_id, coalesce(nullif(name, ''), email) FROM people WHERE person_id = ANY(%s)"
    wanted = list({person_id for person_id in person_ids if person_id})
    return {SYSTEM_ID: SYSTEM, **dict(cursor.execute(query, [wanted]).fetchall())}


def _schedule(
    fiscal_year: int,
    product: NodePath,
    found: tuple[Any, ...],
    actual: dict[str, Decimal],
    names: dict[UUID | None, str],
) -> ScheduleDetail:
    state, version, round_, currency, annual, planned, submitted, submitted_total, submitted_by = found[:9]
    submitted_at, note, approved, decided_by, decided_at, reason, proposal, updated_at = found[9:]
    return ScheduleDetail(
        fiscal_year=fiscal_year,
        product=product,
        state=state,
        version=version,
        round=round_,
        currency=currency,
        annual=tidy(annual, currency),
        planned=tidy(planned, currency),
        unallocated=tidy(annual - planned, currency),
        submitted=_by_month(submitted, currency),
        submitted_total=tidy(submitted_total, currency),
        submitted_by=submitted_by,
        submitted_by_name=names.get(submitted_by, ""),
        submitted_at=submitted_at,
        note=note,
        approved=_by_month(approved, currency),
        decided_by=decided_by,
        decided_by_name=names.get(decided_by, ""),
        decided_at=decided_at,
        reason=reason,
        proposal=_by_month(proposal, currency),
        actual=_by_month(actual, currency),
        updated_at=updated_at,
    )


def _by_month(amounts: dict[str, Any] | None, currency: str) -> dict[Month, Decimal]:
    return {Month.parse(month): tidy(Decimal(amount), currency) for month, amount in (amounts or {}).items()}


def _allocations(cursor: Cursor[Any], account_id: str | None) -> list[AllocationDetail]:
    query = (
        f"SELECT {', '.join(AllocationRow._fields)} FROM allocations "  # noqa: S608 - columns from our own code
        "WHERE %(id)s::text IS NULL OR account_id = %(id)s ORDER BY account_id, effective_on, ordinal"
    )
    rows = [AllocationRow(*row) for row in cursor.execute(query, {"id": account_id})]
    names = _names(cursor, [row.allocated_by for row in rows])
    entries = [list(entry) for _, entry in groupby(rows, lambda row: (row.account_id, row.effective_on))]
    return [
        AllocationDetail(
            account_id=entry[0].account_id,
            account_type=entry[0].account_type,
            effective_on=entry[0].effective_on,
            effective_to=entry[0].effective_to,
            shares=tuple(ShareDetail(product=NodePath.parse(r.product), percent=r.percent.normalize()) for r in entry),
            allocated_by=entry[0].allocated_by,
            allocated_by_name=names.get(entry[0].allocated_by, ""),
            note=entry[0].note,
            recorded_at=entry[0].recorded_at,
        )
        for entry in entries
    ]


def _person(row: tuple[Any, ...]) -> PersonDetail:
    person_id, email, name, registered, grants = row
    return PersonDetail(
        person_id=PersonId(person_id),
        email=email,
        name=name,
        registered=registered,
        grants=tuple(
            GrantDetail.model_validate({"persona": persona, "node": node})
            for persona, node in (grant.split(" ", 1) for grant in grants)
        ),
    )
