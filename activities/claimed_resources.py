"""Which resources were ever claimed, as an import must know it: up to date with the ledger at the moment it asks."""

from __future__ import annotations

from ledger.ledger import Ledger
from views.queries import Views

VIEWS_WITHIN_S = 30.0


class EverClaimed:
    """Called by each import. Raises Unavailable while the views are behind, so that the import is tried again: of a
    version that was kept without a claimed resource, its cost would be the account's until the next one comes."""

    def __init__(self, ledger: Ledger, database_url: str) -> None:
        self._ledger, self._database_url = ledger, database_url

    def __call__(self) -> list[tuple[str, str]]:
        """Account and resource key of each."""
        with Views(self._database_url) as views:
            views.wait_for(self._ledger.settled_head(), VIEWS_WITHIN_S)
            return views.ever_claimed()
