"""Cost reports, stood in for: what a report holds is not the business of the processes that import it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.contracts import (
    ActivityName,
    Deliveries,
    FirstBillsRequest,
    FirstBillsResult,
    RestatementsRequest,
    RestatementsResult,
)
from activities.cost_reports import MISSING_PART
from activities.errors import to_application_error
from domain.calendar import Month
from domain.cost import ReportVersion
from domain.errors import AllotError, DamagedReport
from domain.process import CostDelivery, CostImportResult, CostSource, ManifestProblem

MAY, JUNE = Month(2026, 5), Month(2026, 6)
ALWAYS = 1_000_000
PART_WAIT = timedelta(minutes=30)
"""Longer than the real one, for fewer tries in a day."""
IN_A_DAY = timedelta(days=1) // PART_WAIT
BENIGN = ApplicationErrorCategory.BENIGN


class Reports:
    """Stands in for reports in a folder. `broken` says how often the import of a version fails, and why."""

    def __init__(self) -> None:
        self.source = f"folder-{uuid4().hex[:8]}"
        self.found: list[CostDelivery] = []
        self.problems: list[ManifestProblem] = []
        self.broken: dict[str, tuple[str, int]] = {}
        self.imports: Counter[str] = Counter()
        self.billed: list[FirstBillsRequest] = []
        """Versions whose accounts were looked at."""
        self.compared: list[RestatementsRequest] = []
        """Versions that were compared with the ones before them."""
        self.restated = RestatementsResult()
        """What came of it."""
        self.uncompared: AllotError | None = None
        """Why they cannot be compared."""
        self.unbilled: AllotError | None = None
        """Why first bills cannot be recorded."""
        self.open = threading.Event()
        self.open.set()

    def add(self, version: str, month: Month = MAY) -> CostDelivery:
        report = ReportVersion(
            source=self.source, billing_period=month, version=version, payer_account_id="111122223333"
        )
        delivery = CostDelivery(report=report, manifest="manifest.json", source=self.source, actor="system")
        self.found.append(delivery)
        return delivery

    @activity.defn(name=ActivityName.FIND_DELIVERIES)
    def find(self, source: CostSource) -> Deliveries:
        found = (delivery.model_copy(update={"scheduled": source.scheduled}) for delivery in self.found)
        return Deliveries(deliveries=tuple(found), problems=tuple(self.problems))

    @activity.defn(name=ActivityName.IMPORT_DELIVERY)
    def bring_in(self, delivery: CostDelivery) -> CostImportResult:
        version = delivery.report.version
        while not self.open.wait(0.05):
            activity.heartbeat()
        self.imports[version] += 1
        code, times = self.broken.get(version, ("", 0))
        if self.imports[version] <= times:
            message = f"Version {version} is broken"
            if delivery.wait_for_parts and code == MISSING_PART:
                raise ApplicationError(message, code, type=code, next_retry_delay=PART_WAIT, category=BENIGN)
            raise to_application_error(DamagedReport(message, code=code))
        status = "imported" if self.imports[version] == 1 + times else "unchanged"
        return CostImportResult.model_validate(
            {
                "billing_period": delivery.report.billing_period,
                "report_version": version,
                "status": status,
                "message": status,
            }
        )

    @activity.defn(name=ActivityName.RECORD_FIRST_BILLS)
    def record_first_bills(self, request: FirstBillsRequest) -> FirstBillsResult:
        self.billed.append(request)
        if self.unbilled:
            raise to_application_error(self.unbilled)
        return FirstBillsResult(accounts=1_200, billed=2, position=9)

    @activity.defn(name=ActivityName.RECORD_RESTATEMENTS)
    def record_restatements(self, request: RestatementsRequest) -> RestatementsResult:
        self.compared.append(request)
        if self.uncompared:
            raise to_application_error(self.uncompared)
        return self.restated

    @property
    def activities(self) -> tuple[Callable[..., Any], ...]:
        return self.find, self.bring_in, self.record_first_bills, self.record_restatements
