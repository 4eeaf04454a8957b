"""Activities that find cost reports and import them. They run on threads; the work itself knows nothing of Temporal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory, CancelledError

from activities.contracts import ActivityName, Deliveries, Progress
from activities.cost_delivery import find_deliveries
from activities.cost_files import Report
from activities.cost_import import CostImport
from activities.cost_store import CostStore
from activities.ledger_commands import origin_of_activity, reported
from domain.decision import Organization
from domain.errors import DamagedReport
from domain.process import CostDelivery, CostImportResult, CostSource
from ledger.ledger import Ledger

HEARTBEAT_INTERVAL_S = 1.0
MISSING_PART = "MissingPart"
"""Type of the error that is tried again, where the delivery says that its parts may still arrive."""
PART_WAIT = timedelta(minutes=1)
ERROR_CHARS_MAX = 2_000
"""Of a message that goes into a history."""


class CostReports:
    """Shared by the threads of a worker process."""

    def __init__(self, ledger: Ledger, database_url: str, organization: Organization, memory_mb: int) -> None:
        self._imports = CostImport(ledger, CostStore(database_url), organization, memory_mb)

    @activity.defn(name=ActivityName.FIND_DELIVERIES)
    def find_deliveries(self, source: CostSource) -> Deliveries:
        with reported(), _damage_reported(wait_for_parts=False):
            return Deliveries(deliveries=find_deliveries(source, _heartbeat()))

    @activity.defn(name=ActivityName.IMPORT_DELIVERY)
    def import_delivery(self, delivery: CostDelivery) -> CostImportResult:
        with reported(), _damage_reported(delivery.wait_for_parts):
            return self._imports.import_report(delivery, origin_of_activity(), _heartbeat())


def _heartbeat() -> Report:
    """Sends progress, not more often than is useful, and ends the work once it is cancelled."""
    sent_at = 0.0

    def send(progress: Progress) -> None:
        nonlocal sent_at
        if activity.is_cancelled():  # statements of the database engine end by this only
            raise CancelledError("the import was cancelled")
        if monotonic() - sent_at >= HEARTBEAT_INTERVAL_S:
            sent_at = monotonic()
            activity.heartbeat(progress)

    return send


@contextmanager
def _damage_reported(wait_for_parts: bool) -> Iterator[None]:
    """A damaged report is final, except where replication may bring its missing part after the manifest."""
    try:
        yield
    except DamagedReport as error:
        message = error.message[:ERROR_CHARS_MAX]
        if wait_for_parts and error.code == MISSING_PART:
            raise ApplicationError(
                message,
                error.code,
                type=MISSING_PART,
                next_retry_delay=PART_WAIT,
                category=ApplicationErrorCategory.BENIGN,  # expected: no alarm
            ) from error
        raise DamagedReport(message, code=error.code) from error
