"""How others see whether a worker lives: a file that its event loop touches while everything in the process runs.

Neither Temporal nor PostgreSQL need be there for it: an outage of theirs must not make an orchestrator restart the
workers, which wait for them.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

FILE_NAME = "worker.alive"
BEAT_S = 2.0
SILENCE_MAX_S = 30.0
"""Age of the file from which on a worker counts as dead."""


class Health:
    """Beats until cancelled. `problem` says what does not run any more, or None."""

    def __init__(self, state_dir: Path) -> None:
        self.file = state_dir / FILE_NAME
        self.doing = "starting"
        self.problem: Callable[[], str | None] = lambda: None

    async def beat(self) -> None:
        while True:
            if self.problem() is None:
                self._touch()
            await asyncio.sleep(BEAT_S)

    def now(self, doing: str) -> None:
        """What the worker does from now on, for whoever checks."""
        self.doing = doing
        if self.problem() is None:
            self._touch()

    def forget(self) -> None:
        """At an orderly end, so that nobody takes the file for a sign of life."""
        self.file.unlink(missing_ok=True)

    def _touch(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        made = self.file.with_suffix(f".{os.getpid()}")
        made.write_text(self.doing, encoding="utf-8")
        made.replace(self.file)  # at once, so that nobody reads half of it


def check(state_dir: Path) -> tuple[bool, str]:
    """Whether the worker with that state directory lives, and a line about it."""
    file = state_dir / FILE_NAME
    try:
        age = time.time() - file.stat().st_mtime
        doing = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return False, f"unhealthy: no worker runs here ({file} is missing)"
    if age > SILENCE_MAX_S:
        return False, f"unhealthy: the last sign of life is {age:.0f} s old, and was: {doing}"
    return True, f"healthy: {doing}, {max(age, 0):.0f} s ago"
