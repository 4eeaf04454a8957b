"""What was added up of a report is kept: account rows in PostgreSQL, the detail by resource in the cost mart.

Both are written side by side, read back, and compared with the report. Neither is seen before the ledger has the event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

import pyarrow as pa

from activities.contracts import Progress
from activities.cost_aggregate import Aggregate
from activities.cost_files import Report
from activities.cost_mart import DETAIL, RESOURCES, CostMart, MartFiles, write_detail, write_resources
from activities.cost_store import Stored, VersionRows
from domain.cost import ReportVersion
from domain.errors import DamagedReport

REPORT_INTERVAL_S = 1.0

ClaimedResources = Callable[[], Iterable[tuple[str, str]]]
"""Account and key of each resource that was ever claimed: what they cost is kept by day."""


def nothing_claimed() -> Iterable[tuple[str, str]]:
    return ()


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where, and what of it."""

    mart: CostMart | None = None
    claimed: ClaimedResources = nothing_claimed

    def keep(
        self, held: VersionRows, aggregate: Aggregate, version: ReportVersion, scratch: Path, report: Report
    ) -> Stored:
        """Raises DamagedReport where what is kept is not to the last digit what the report says."""
        stop = Event()
        with ThreadPoolExecutor(1, thread_name_prefix="cost-mart") as pool:
            try:
                writing = pool.submit(copy_context().run, self._written, aggregate, scratch, stop)
                stored = held.replace(aggregate.lines(), aggregate.control.rows, report)
                if claimed := sorted(set(self.claimed())):
                    held.replace_claimed(aggregate.claimed(claimed))
                files = _awaited(writing, report)
            except DamagedReport:
                held.discard()
                raise
            finally:
                stop.set()  # where one fails, nobody waits for the other
        if files is None or self.mart is None:
            return stored
        return replace(stored, detail=self.mart.publish(version, files))

    def discard(self, held: VersionRows, stored: Stored) -> None:
        """Takes away what was kept of a version that was refused."""
        held.discard()
        if self.mart is not None and stored.detail:
            self.mart.remove(stored.detail)

    def _written(self, aggregate: Aggregate, scratch: Path, stop: Event) -> MartFiles | None:
        if self.mart is None:
            return None
        files = MartFiles(
            write_detail(_until(stop, aggregate.detail()), scratch / DETAIL),
            write_resources(_until(stop, aggregate.resources()), scratch / RESOURCES),
        )
        aggregate.require_same(files.detail)
        return files


class _StoppedError(Exception):
    """Ends work whose result is not wanted any more; it never leaves this module."""


def _until(stop: Event, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        if stop.is_set():
            raise _StoppedError
        yield batch


def _awaited(writing: Future[MartFiles | None], report: Report) -> MartFiles | None:
    while wait([writing], REPORT_INTERVAL_S).not_done:
        report(Progress(step="writing the cost mart", done=0, whole=1))
    return writing.result()
