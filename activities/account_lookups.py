"""What activities on accounts ask the views: hints only, each checked where it is decided on.

A connection for each question: they are few, and far between.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from domain.account_process import AlignmentRound
from domain.calendar import Month
from domain.decision import Organization
from domain.hierarchy import NodePath
from views.queries import Views

VIEWS_WITHIN_S = 5.0
"""How long the views may need to show what was recorded before; then the activity is tried again."""
OPEN_MAX = 100_000
"""Open alignments looked at in one go."""


class AccountLookups:
    """The views of this installation, as far as accounts are concerned."""

    def __init__(self, database_url: str, organization: Organization) -> None:
        self._database_url, self._organization = database_url, organization

    def present(self) -> Sequence[str]:
        """Ids of accounts that were in the organization last."""
        with Views(self._database_url) as views:
            return views.present_accounts()

    def open_alignments(self, position: int = 0) -> Sequence[AlignmentRound]:
        """What is open once the views have come to that place of the log."""
        with Views(self._database_url) as views:
            if position:
                views.wait_for(position, VIEWS_WITHIN_S)
            found = views.open_alignments(OPEN_MAX)
        return [AlignmentRound(account_id=account_id, occasion=occasion) for account_id, occasion in found]

    def coded(self, code: str) -> Sequence[NodePath]:
        """Products with that code in the budget of the present year."""
        today = self._organization.business.day_of(datetime.now(UTC))
        fiscal_year = self._organization.calendar.fiscal_year_of(Month.of(today))
        with Views(self._database_url) as views:
            return views.products_coded(code, fiscal_year)

    def named(self, keys: Sequence[str]) -> dict[str, str]:
        """Ids of accounts that are known by an address or a name, by the key under which they would be expected."""
        with Views(self._database_url) as views:
            return dict(views.accounts_named(keys))
