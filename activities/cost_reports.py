"""Activities that find cost reports and import them. They run on threads; the work itself knows nothing of Temporal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from time import monotonic
from uuid import uuid5

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory, CancelledError

from activities.admission import door
from activities.contracts import ActivityName, Deliveries, Progress
from activities.cost_delivery import find_deliveries
from activities.cost_engines import LOCAL, Engines
from activities.cost_files import Report
from activities.cost_import import CostImport
from activities.cost_keeping import Keeping
from activities.cost_retention import CostRetention
from activities.cost_sources import ANYWHERE, SETTING, CostPlaces
from activities.cost_store import CostStore
from activities.ledger_commands import origin_of_activity, reported
from domain.cost import require_importer
from domain.decision import NAMESPACE, SYSTEM, Channel, Organization, Stream
from domain.errors import BadInput, DamagedReport, Refusal
from domain.process import CostDelivery, CostImportResult, CostSource
from ledger.ledger import Ledger

HEARTBEAT_INTERVAL_S = 1.0
MISSING_PART = "MissingPart"
"""Type of the error that is tried again, where the delivery says that its parts may still arrive."""
PART_WAIT = timedelta(minutes=1)
VERSIONS_KEPT = timedelta(days=400)
"""The default of ALLOT_COST_VERSIONS_KEPT_DAYS."""
ERROR_CHARS_MAX = 2_000
"""Of a message that goes into a history."""


class CostReports:
    """Shared by the threads of a worker process."""

    def __init__(
        self,
        ledger: Ledger,
        database_url: str,
        organization: Organization,
        memory_mb: int,
        places: CostPlaces = ANYWHERE,
        keeping: Keeping = Keeping(),
        kept: timedelta = VERSIONS_KEPT,
        engines: Engines = LOCAL,
    ) -> None:
        self._ledger, self._places = ledger, places
        store = CostStore(database_url)
        self._imports = CostImport(ledger, store, organization, memory_mb, places, keeping, engines)
        self._retention = CostRetention(ledger, store, keeping.mart, kept)

    @activity.defn(name=ActivityName.FIND_DELIVERIES)
    def find_deliveries(self, source: CostSource) -> Deliveries:
        with reported(), _damage_reported(wait_for_parts=False):
            source = self._let_in(source)
            if refusal := self._ledger.may(source.actor, source.channel, require_importer):
                raise self._recorded(source, refusal)
            return find_deliveries(source, _heartbeat(), self._places)

    @activity.defn(name=ActivityName.IMPORT_DELIVERY)
    def import_delivery(self, delivery: CostDelivery) -> CostImportResult:
        with reported(), _damage_reported(delivery.wait_for_parts):
            delivery = self._let_in(delivery)
            heartbeat = _heartbeat()
            result = self._imports.import_report(delivery, origin_of_activity(), heartbeat)
            self._retention.clean_if_due(datetime.now(UTC), heartbeat)
            return result

    def _let_in[Message: (CostSource, CostDelivery)](self, message: Message) -> Message:
        """Allot itself acts where nobody asked: only on what the settings of this worker name, whoever sent it."""
        if not message.scheduled:
            return message.model_copy(update={"channel": door(message.channel)})
        if self._places.named(message.source) is None:
            raise BadInput(
                f"There is no source named {message.source!r} in {SETTING} of this worker: give all workers the same "
                "settings.",
                code="NoSource",
            )
        return message.model_copy(update={"actor": SYSTEM, "channel": Channel.WORKFLOW})

    def _recorded(self, source: CostSource, refusal: Refusal) -> Refusal:
        """The refusal of a look at reports, kept like that of any command; nobody gets to see what lies there."""
        origin = origin_of_activity()
        outcome = self._ledger.record_refusal(
            uuid5(NAMESPACE, f"cost-watch/{origin.workflow_run_id}/forbid"),
            Stream("cost", str(source.billing_period or "?")),
            ActivityName.FIND_DELIVERIES,
            refusal,
            source.actor,
            source.channel,
            origin,
        )
        return type(refusal)(outcome.message, code=outcome.code)


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
