"""Versions of reports that nobody needs any more: their rows and their detail are removed after a set time.

A version stays while figures are computed from it, now or in a rebuild of the views (`PayerPeriod.needed`): the one in
force, and both sides of each adjustment. Others stay for `ALLOT_COST_VERSIONS_KEPT_DAYS` after the next version of the
same payer has taken their place. What the ledger says of a version stays for ever, its totals and its hash included.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from time import monotonic

from activities.contracts import Progress
from activities.cost_files import Report
from activities.cost_mart import CostMart
from activities.cost_store import CostStore
from domain.calendar import Month
from domain.cost import CostPeriod, PeriodImported, ReportVersion, period_stream
from domain.errors import AllotError
from ledger.ledger import Ledger

INTERVAL_S = 86_400.0
VERSIONS_AT_ONCE_MAX = 20
"""Removed in one go; the rest is removed the next time."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Replaced:
    """A version that another one of the same payer has replaced."""

    version: ReportVersion
    at: datetime
    detail: str


class CostRetention:
    """Removes what is older than it has to be kept; may be run any number of times, by any number of workers."""

    def __init__(self, ledger: Ledger, store: CostStore, mart: CostMart | None, kept: timedelta) -> None:
        self._ledger, self._store, self._mart, self._kept = ledger, store, mart, kept
        self._lock = Lock()
        self._cleaned_at = -INTERVAL_S

    def clean_if_due(self, now: datetime, report: Report) -> None:
        """Once a day in each process. What goes wrong is logged, and tried again the next day: an import does not fail
        because old rows could not be removed."""
        with self._lock:
            if monotonic() - self._cleaned_at < INTERVAL_S:
                return
            self._cleaned_at = monotonic()
        try:
            removed = self.clean(now, report)
        except AllotError as error:
            log.warning("Old versions of cost reports were not all removed: %s", error.message)
        else:
            if removed:
                log.info("Removed rows and detail of %d replaced versions of cost reports.", len(removed))

    def clean(self, now: datetime, report: Report) -> list[ReportVersion]:
        """Says what was removed. Raises Contention while a version of the same period and payer is being imported."""
        removed: list[ReportVersion] = []
        for period in self._store.periods():
            for replaced in self.removable(period, now):
                if len(removed) == VERSIONS_AT_ONCE_MAX:
                    return removed
                report(Progress(step="removing old versions", done=len(removed), whole=VERSIONS_AT_ONCE_MAX))
                if self._remove(replaced):
                    removed.append(replaced.version)
        return removed

    def removable(self, period: Month, now: datetime) -> list[Replaced]:
        """Versions of a period that are not needed, and were replaced longer ago than they are kept."""
        stream = period_stream(period)
        state: CostPeriod = self._ledger.states([stream])[stream]
        needed = {version for payer in state.payers.values() for version in payer.needed}
        return [
            replaced
            for replaced in self._replaced(period)
            if replaced.version.version not in needed and now - replaced.at > self._kept
        ]

    def _replaced(self, period: Month) -> list[Replaced]:
        in_force: dict[str, PeriodImported] = {}
        found = []
        for event in self._ledger.read(period_stream(period)):
            if not isinstance(fact := event.fact, PeriodImported):
                continue
            if before := in_force.get(fact.payer_account_id):
                found.append(Replaced(_version(before), event.recorded_at, before.detail))
            in_force[fact.payer_account_id] = fact
        return found

    def _remove(self, replaced: Replaced) -> bool:
        """The detail first: while there are rows, the next run knows that there is something left to remove."""
        if not self._store.has_rows(replaced.version):
            return False
        with self._store.hold(replaced.version) as held:
            if self._mart is not None and replaced.detail:
                self._mart.remove(replaced.detail)
            held.discard()
        return True


def _version(fact: PeriodImported) -> ReportVersion:
    return ReportVersion(
        source=fact.source,
        billing_period=fact.billing_period,
        version=fact.report_version,
        payer_account_id=fact.payer_account_id,
    )
