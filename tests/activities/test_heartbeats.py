"""Heartbeats from a thread beside the activity."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from temporalio.testing import ActivityEnvironment

from activities import heartbeats
from activities.contracts import Progress
from activities.heartbeats import Beat, beating

WAIT_S = 10.0


def run(work: Callable[[Beat], None], on_heartbeat: Callable[[Progress], None]) -> None:
    def activity() -> None:
        with beating() as beat:
            work(beat)

    environment = ActivityEnvironment()
    environment.on_heartbeat = on_heartbeat
    environment.run(activity)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_new_step_is_told_at_once_and_progress_within_it_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeats, "HEARTBEAT_EVERY_S", 3_600)
    told: list[Progress] = []

    def work(beat: Beat) -> None:
        beat.report("reading", 1, 9)
        wait_until(lambda: told[-1:] == [Progress(step="reading", done=1, whole=9)])
        beat.report("writing", 1, 9)
        wait_until(lambda: told[-1:] == [Progress(step="writing", done=1, whole=9)])
        beat.report("writing", 2, 9)

    run(work, told.append)
    assert told[-1].done == 1


def test_the_heart_beats_while_the_activity_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeats, "HEARTBEAT_EVERY_S", 0.001)
    told: list[Progress] = []
    run(lambda _beat: wait_until(lambda: len(told) > 5), told.append)


def test_a_heartbeat_that_is_not_taken_does_not_stop_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeats, "HEARTBEAT_EVERY_S", 0.001)
    told: list[Progress] = []

    def refuse(progress: Progress) -> None:
        told.append(progress)
        raise TimeoutError

    run(lambda _beat: wait_until(lambda: len(told) > 5), refuse)


def test_no_thread_stays_behind_an_activity_that_fails() -> None:
    def fail(_beat: Beat) -> None:
        raise ValueError

    with pytest.raises(ValueError):
        run(fail, lambda _progress: None)
    assert not [thread for thread in threading.enumerate() if thread.name == "heartbeat"]
