"""Heartbeats of long activities, from a thread beside them.

An activity that waits for PostgreSQL or AWS cannot report meanwhile, and one that reads a million lines should not
think of it at each. So it only says how far it is, and a thread tells Temporal. What bounds a step that hangs is the
activity's own timeout, not its heartbeat.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from threading import Event, Thread

from temporalio import activity

from activities.contracts import Progress

HEARTBEAT_EVERY_S = 1.0
"""Well below HEARTBEAT_TIMEOUT, and often enough for a progress bar."""
STOP_WITHIN_S = 12.0
"""The SDK itself waits at most 10 s for a heartbeat to be taken."""

log = logging.getLogger(__name__)


class Beat:
    """How far the activity is."""

    def __init__(self) -> None:
        self._progress = Progress(step="starting")
        self._news, self._stopped = Event(), Event()

    def report(self, step: str, done: int = 0, whole: int = 0) -> None:
        """Cheap; a new step is told at once, progress within it every second."""
        new_step = step != self._progress.step
        self._progress = Progress(step=step, done=done, whole=whole)
        if new_step:
            self._news.set()

    def run(self) -> None:
        """Tells Temporal until stopped."""
        while not self._stopped.is_set():
            try:
                activity.heartbeat(self._progress)
            except Exception:  # a worker too busy to take it in time; if it stays so, the heartbeat timeout ends this
                log.warning("A heartbeat was not taken; the next one may be", exc_info=True)
            self._news.wait(HEARTBEAT_EVERY_S)
            self._news.clear()

    def stop(self) -> None:
        self._stopped.set()
        self._news.set()


@contextmanager
def beating() -> Iterator[Beat]:
    """Heartbeats while the block runs. A cancelled activity gets its exception in the block, as the SDK raises it."""
    beat = Beat()
    # The thread needs this activity's context to know whose heart beats.
    thread = Thread(target=copy_context().run, args=(beat.run,), name="heartbeat", daemon=True)
    thread.start()
    try:
        yield beat
    finally:
        beat.stop()
        thread.join(STOP_WITHIN_S)
