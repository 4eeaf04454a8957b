"""All that pages, the command line and activities may ask. Read-only; no decision is ever taken on an answer."""

from __future__ import annotations

from datetime import date
from time import monotonic, sleep
from uuid import UUID

from domain.calendar import Month
from domain.errors import Unavailable
from domain.hierarchy import PRODUCT_LEVEL, NodePath
from views import books, cost_history, directory
from views.account_queries import KNOWN_MAX, AccountViews
from views.audit import subject_key
from views.cost_models import CostPeriodDetail, CostVersion
from views.generations import live
from views.inbox import found_tasks, task_detail
from views.models import (
    AuditEntry,
    BudgetLoadDetail,
    ClosedMonth,
    DelegationDetail,
    MonthAmounts,
    PersonDetail,
    RollupReport,
    ScheduleDetail,
    TaskDetail,
)
from views.report import rollup_report
from views.schedule_detail import current_round, months, schedule_detail

AUDIT_ENTRIES_MAX = 10_000
TASKS_MAX = 1_000
WAIT_POLL_S = 0.005

_FISCAL_YEARS = "SELECT fiscal_year FROM rollup WHERE path = '/' UNION SELECT fiscal_year FROM cost_periods ORDER BY 1"
_KNOWN_PRODUCTS = """
SELECT DISTINCT product FROM budget_lines
WHERE (%(year)s::int IS NULL OR fiscal_year = %(year)s) AND starts_with(product, %(prefix)s)
ORDER BY 1 LIMIT %(limit)s"""
_CATEGORIES = (
    "schedule",
    "waiting",
    "waiting/schedule",
    "waiting/account",
    "budget_line",
    "budget",
    "closing",
    "account",
    "account_rules",
    "account_event",
    "expected_account",
    "vending",
    "account_cost",
    "cost",
    "cost_metric",
    "person",
    "holders",
    "organization",
    "refusal",
)
_AUDIT = """
SELECT position, event_id, stream, stream_version, fact_name, fact, actor, on_behalf_of, channel, command_id,
    workflow_id, workflow_run_id, activity_id, policies, policy_version, recorded_at
FROM audit WHERE subjects && %(keys)s::text[]
    OR subjects && ARRAY(SELECT path::text FROM hierarchy
        WHERE level = 4 AND path > %(subject)s || '/' AND path < %(subject)s || '0')
ORDER BY position DESC LIMIT %(limit)s"""


class Views(AccountViews):
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
            rows = months(cursor, fiscal_year, node or NodePath.ROOT)
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

    def known_people(self, limit: int = KNOWN_MAX) -> tuple[str, ...]:
        """Addresses of the directory, for suggestions."""
        with self.snapshot() as cursor:
            return tuple(email for (email,) in cursor.execute("SELECT email FROM people ORDER BY 1 LIMIT %s", [limit]))

    def labels(self, fiscal_year: int) -> tuple[str, ...]:
        """What the organization calls E1 to E4 in that year."""
        with self.snapshot() as cursor:
            return books.labels(cursor, fiscal_year)

    def loads(self, fiscal_year: int) -> tuple[BudgetLoadDetail, ...]:
        """The budget files that were loaded for that year, in order."""
        with self.snapshot() as cursor:
            return books.loads(cursor, fiscal_year)

    def closed_months(self, fiscal_year: int) -> tuple[ClosedMonth, ...]:
        """Months of that year that are closed now, in order."""
        with self.snapshot() as cursor:
            return books.closed_months(cursor, fiscal_year)

    # Cost reports

    def cost_history(self, period: Month, account_id: str = "") -> tuple[CostVersion, ...]:
        """Versions of the period in order of import, with what each changed; of one account, too, if it is named."""
        with self.snapshot() as cursor:
            return cost_history.history(cursor, period, account_id)

    def cost_period(self, period: Month) -> CostPeriodDetail | None:
        """What the newest reports say of the period; None where none was imported."""
        with self.snapshot() as cursor:
            return cost_history.period_detail(cursor, period)

    # Schedules

    def schedule(self, fiscal_year: int, product: NodePath) -> ScheduleDetail | None:
        """None for a product without a budget line in that year."""
        with self.snapshot() as cursor:
            return schedule_detail(cursor, fiscal_year, product)

    def current_round(self, fiscal_year: int, product: NodePath, *, for_request: bool = False) -> int:
        """The round whose process a message belongs to. A request to reschedule an approved one begins the next."""
        with self.snapshot() as cursor:
            return current_round(cursor, fiscal_year, product, for_request)

    # People and what they must do

    def tasks(
        self, person_id: UUID | None = None, today: date | None = None, limit: int = TASKS_MAX
    ) -> tuple[TaskDetail, ...]:
        """What waits for this person, oldest first; for nobody in particular: all open tasks.

        `today` is the day in the office: delegations count on their days, and tasks of a fiscal year that is over are
        left out. Without it no delegation counts, and nothing is over.
        """
        with self.snapshot() as cursor:
            found = found_tasks(cursor, person_id, today, limit)
            known = directory.names(cursor, [fields["on_behalf_of"] for fields, _ in found])
        return tuple(task_detail(task, known) for task in found)

    def people(self) -> tuple[PersonDetail, ...]:
        with self.snapshot() as cursor:
            return directory.people(cursor)

    def person(self, email: str) -> PersonDetail | None:
        with self.snapshot() as cursor:
            return next(iter(directory.people(cursor, email)), None)

    def delegations(self, person_id: UUID) -> tuple[DelegationDetail, ...]:
        """What this person was given and has given, by first day; those that are over or ended, too."""
        with self.snapshot() as cursor:
            return directory.delegations(cursor, person_id)

    # The past

    def audit(self, subject: str, limit: int = AUDIT_ENTRIES_MAX) -> tuple[AuditEntry, ...]:
        """Every event about a subject, in order; the latest where there are more than the limit.

        A subject is a product or a node above products, `2026/` and a product, an account, an expected account's
        address or name, `account_rules`, a billing period, a fiscal year, a person's address or id, a content hash, a
        command id, or a stream such as `schedule/2026/…`.
        """
        keys = [subject, *(f"{category}/{subject}" for category in _CATEGORIES)]
        with self.snapshot() as cursor:
            query = "SELECT person_id::text FROM people WHERE lower(email) = lower(%s)"
            keys += [found for (found,) in cursor.execute(query, [subject])]
            parameters = {"keys": [subject_key(key) for key in keys], "subject": subject, "limit": limit}
            rows = cursor.execute(_AUDIT, parameters).fetchall()
            columns = [column.name for column in cursor.description or ()]
            names = directory.names(cursor, [person for row in rows for person in (row[6], row[7])])
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
