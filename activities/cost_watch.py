"""Keeps an eye on a long DuckDB statement, which shows no sign of life and does not end when it is cancelled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from threading import Event, Thread

import duckdb

from activities.contracts import Progress
from activities.cost_files import Report

INTERVAL_S = 1.0
PERCENT = 100


@contextmanager
def watched(connection: duckdb.DuckDBPyConnection, report: Report, step: str) -> Iterator[None]:
    """Reports progress from a second thread. Where that raises, as it does on cancellation, the statement is ended."""
    done = Event()
    stopped_by: list[BaseException] = []

    def watch() -> None:
        try:
            while not done.wait(INTERVAL_S):
                percent = max(0, int(connection.query_progress()))  # -1 while it is not known
                report(Progress(step=step, done=percent, whole=PERCENT))
        except BaseException as error:  # carried over to the thread that waits for the statement
            stopped_by.append(error)
            connection.interrupt()

    # The context says which activity this is, for the heartbeat.
    watcher = Thread(target=copy_context().run, args=(watch,), name="cost-watch", daemon=True)
    watcher.start()
    try:
        yield
    except duckdb.InterruptException:
        if not stopped_by:
            raise
    finally:
        done.set()
        watcher.join()
    if stopped_by:
        raise stopped_by[0]
