"""All that may be asked about accounts; a part of `views.queries.Views`."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime

from psycopg.rows import class_row

from domain.allocation import Allocation
from domain.hierarchy import NodePath
from views import account_detail
from views.account_models import (
    AccountDetail,
    AccountRulesDetail,
    AccountTrouble,
    AlignmentTimes,
    AllocationDetail,
    AllocationPreview,
    ExpectationStatus,
    ExpectedAccountDetail,
    OpenAlignment,
)
from views.account_times import alignment_times
from views.database import Database
from views.preview import preview

KNOWN_MAX = 200_000
"""As many products as one budget file may have."""
TROUBLES_MAX = 1_000

_PRESENT = """
SELECT account_id FROM accounts WHERE joined_at IS NOT NULL AND departed_at IS NULL ORDER BY 1 LIMIT %s"""
_OPEN = """
SELECT account_id, occasion FROM accounts WHERE open_reason IS NOT NULL ORDER BY opened_position LIMIT %s"""
_TROUBLES = """
SELECT kind, key, reason, account_name, account_id, excerpt, at, recorded_at FROM account_troubles
ORDER BY position DESC LIMIT %s"""
# Of several with the same name the one that has its allocation is the one that was expected.
_NAMED = """
SELECT DISTINCT ON (k.key) k.key, a.account_id FROM accounts a CROSS JOIN unnest(a.keys) AS k(key)
WHERE a.keys && %(keys)s::text[] AND k.key = ANY(%(keys)s::text[]) AND a.departed_at IS NULL
ORDER BY k.key, a.allocated_since IS NULL, a.account_id"""
_CODED = """
SELECT product FROM budget_lines WHERE code = %s AND code <> '' AND fiscal_year = %s AND NOT withdrawn
ORDER BY 1 LIMIT %s"""


class AccountViews(Database):
    """The views of accounts."""

    def accounts(self, account_id: str | None = None, today: date | None = None) -> tuple[AccountDetail, ...]:
        """All of them, or the one asked for, each with the allocation in effect on that day, else with its next one.

        Without a day, which is the one in the office, it is the last allocation of the history.
        """
        with self.snapshot() as cursor:
            return account_detail.accounts(cursor, account_id, today)

    def allocations(self, account_id: str, today: date | None = None) -> tuple[AllocationDetail, ...]:
        """The whole history, by effective date; with what it is on that day in the office: past, current or future."""
        with self.snapshot() as cursor:
            return tuple(account_detail.allocations(cursor, account_id, today))

    def preview(self, account_id: str, allocation: Allocation) -> AllocationPreview:
        """What an allocation would change in what has been spent. Raises Refusal where its shares are not a whole."""
        with self.snapshot() as cursor:
            return preview(cursor, account_id, allocation)

    def known_accounts(self, limit: int = KNOWN_MAX) -> tuple[str, ...]:
        """Account ids, for suggestions."""
        with self.snapshot() as cursor:
            found = cursor.execute("SELECT account_id FROM accounts ORDER BY 1 LIMIT %s", [limit])
            return tuple(account_id for (account_id,) in found)

    def present_accounts(self, limit: int = KNOWN_MAX) -> tuple[str, ...]:
        """Ids of those that Organizations has shown and that have not left it; closed ones stay while it lists them."""
        with self.snapshot() as cursor:
            return tuple(account_id for (account_id,) in cursor.execute(_PRESENT, [limit]))

    def accounts_named(self, keys: Collection[str]) -> dict[str, str]:
        """Ids of accounts that are there, by the keys under which they would be expected: `email:…`, `name:…`."""
        with self.snapshot() as cursor:
            return dict(cursor.execute(_NAMED, {"keys": list(keys)}).fetchall())

    def open_alignments(self, limit: int = KNOWN_MAX) -> tuple[OpenAlignment, ...]:
        """The open occasions, oldest first."""
        with self.snapshot() as cursor:
            return tuple(OpenAlignment(*row) for row in cursor.execute(_OPEN, [limit]))

    def expected_accounts(self, status: ExpectationStatus | None = None) -> tuple[ExpectedAccountDetail, ...]:
        """In the order in which they were registered: all of them, or those that wait, appeared or were withdrawn."""
        with self.snapshot() as cursor:
            return account_detail.expected_accounts(cursor, status)

    def account_rules(self) -> AccountRulesDetail:
        """Those in force, in their order."""
        with self.snapshot() as cursor:
            return account_detail.rules_in_force(cursor)

    def account_troubles(self, limit: int = TROUBLES_MAX) -> tuple[AccountTrouble, ...]:
        """Vendings that failed and messages that could not be understood, the latest first."""
        with self.snapshot() as cursor, cursor.connection.cursor(row_factory=class_row(AccountTrouble)) as rows:
            return tuple(rows.execute(_TROUBLES, [limit]))

    def account_times(self, since: datetime | None = None) -> AlignmentTimes:
        """How long accounts first seen since then took from vending to known, to a budget, and to their first bill."""
        with self.snapshot() as cursor:
            return alignment_times(cursor, since)

    def products_coded(self, code: str, fiscal_year: int, limit: int = KNOWN_MAX) -> tuple[NodePath, ...]:
        """Products with this code in that year's budget."""
        with self.snapshot() as cursor:
            return tuple(NodePath.parse(text) for (text,) in cursor.execute(_CODED, [code, fiscal_year, limit]))
