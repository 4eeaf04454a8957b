"""A ledger, a store and the import over them."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg

from activities.cost_delivery import find_deliveries
from activities.cost_import import CostImport, unheard
from activities.cost_store import CostStore
from domain.calendar import Month
from domain.cost import period_stream
from domain.decision import Channel, CommandRefused, Organization, Origin
from domain.errors import DamagedReport
from domain.process import CostDelivery, CostImportResult, CostSource
from ledger.ledger import Ledger

MEMORY_MB = 128
MAY = Month(2026, 5)


class Here:
    """A ledger, a store and the import over them."""

    def __init__(self, ledger: Ledger, database_url: str) -> None:
        self.url = database_url
        self.ledger = ledger
        self.store = CostStore(database_url)
        self.imports = CostImport(ledger, self.store, Organization(), MEMORY_MB)

    def run(self, source: Path | str, month: Month = MAY, **changes: Any) -> CostImportResult:
        return self.imports.import_report(self.delivery(source, month, **changes), Origin(workflow_run_id=str(uuid4())))

    def delivery(self, source: Path | str, month: Month = MAY, **changes: Any) -> CostDelivery:
        wanted = CostSource(source=str(source), actor="system", channel=Channel.WORKFLOW, billing_period=month)
        found = find_deliveries(wanted, unheard)
        for problem in found.problems:
            raise DamagedReport(problem.message, code=problem.code)
        (delivery,) = found.deliveries
        return delivery.model_copy(update=changes)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(statement).fetchall()

    def situation(self) -> tuple[Any, ...]:
        """All that an import may change, refusals aside."""
        stream = period_stream(MAY)
        return self.ledger.read(stream), self.query("SELECT * FROM cost_rows ORDER BY 1, 2, 3, 4, 5, 6, 7")

    def refusals(self) -> list[CommandRefused]:
        return [event.fact for event in self.ledger.follow(0, 100) if isinstance(event.fact, CommandRefused)]
