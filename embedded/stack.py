"""The whole of Allot's surroundings on one machine: PostgreSQL, Temporal, a stand-in for AWS and workers.

A part whose address the environment names is not started; everything else is the same, so the code path is one.

    with Stack(state_dir, aws=True, fresh=False, progress=print) as stack:
        stack.start_worker()
        stack.wait()
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Protocol, Self

import psutil

from embedded.account_events import QUEUE_VARIABLE, lay_account_events
from embedded.aws_server import OWN_AWS_VARIABLES, AwsServer
from embedded.errors import StartFailed
from embedded.postgres import Postgres
from embedded.process import ROOT, Child, Recorded, Stopping, end_leftover, launch
from embedded.state import State
from embedded.temporal_server import TemporalServer, find_program

POSTGRES_DIRECTORY = "postgres"
WATCH_INTERVAL_S = 0.2
WORKER_GRACE_S = 10
"""Seconds that an activity under way gets when the stack stops; elsewhere ALLOT_GRACEFUL_SHUTDOWN_S says it."""
YEAR_GRACE_DAYS = 36_500
"""Days after its end in which a fiscal year can still be worked on: the demo's is fixed by its sample data, and whoever
tries Allot on their own machine may load any year; elsewhere ALLOT_YEAR_GRACE_DAYS says it, which is 0 by default."""
WORKER_STOPPING = (Stopping(signal.SIGTERM, WORKER_GRACE_S + 10.0),)
OWNER_STOP_WITHIN_S = 60.0
"""Seconds that `stop` waits for the owner; each of its parts has a shorter bound of its own."""
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Part(Protocol):
    """PostgreSQL, Temporal or the stand-in for AWS."""

    def wait(self) -> None: ...


class Stack:
    """Owns a state directory and the processes in it. Use it in the main thread."""

    def __init__(
        self,
        state_dir: Path,
        *,
        aws: bool,
        fresh: bool = False,
        progress: Callable[[str], None] = lambda line: None,
        accounts_joined: tuple[datetime, int] | None = None,
    ) -> None:
        self.state_dir = state_dir.resolve()
        self._aws, self._fresh, self._progress = aws, fresh, progress
        self._joined = accounts_joined or (None, None)
        self._state = State(state_dir)
        self._children: list[Child] = []
        self._handlers: dict[int, Any] = {}
        self._environment: dict[str, str] = {}
        self.embedded: frozenset[str] = frozenset()
        """Which parts are ours: `postgres`, `temporal`, `aws`. Sample data belongs into our own AWS only."""

    @property
    def database_url(self) -> str:
        return self._environment["ALLOT_DATABASE_URL"]

    @property
    def temporal_address(self) -> str:
        return self._environment["ALLOT_TEMPORAL_ADDRESS"]

    @property
    def ui_url(self) -> str:
        return self._environment.get("ALLOT_TEMPORAL_UI_URL", "")

    def environment(self) -> dict[str, str]:
        """The variables by which a child process finds the stack, to be added to its own environment."""
        return dict(self._environment)

    def __enter__(self) -> Self:
        self._state.lock()
        try:
            self._take_signals()
            self._end_leftovers()
            self._write_state()
            self._start()
        except BaseException:  # Ctrl-C as well: whatever was started must end
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self, name: str, command: Sequence[str], stopping: Sequence[Stopping] = WORKER_STOPPING) -> Child:
        """Starts a process of ours that knows the stack; it ends with it."""
        log = self.state_dir / "logs" / f"{name.replace(' ', '-')}.log"
        python_path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        environment = {**os.environ, **self._environment, "PYTHONPATH": python_path, "PYTHONUNBUFFERED": "1"}
        return self._own(launch(name, command, log, environment=environment, stopping=stopping))

    def start_worker(self) -> Child:
        """Starts one more worker."""
        number = sum(child.name.startswith("worker") for child in self._children)
        return self.start(f"worker-{number + 1}" if number else "worker", [sys.executable, "-m", "worker"])

    def wait(self) -> None:
        """Returns at Ctrl-C or SIGTERM; raises StartFailed when a process ends by itself."""
        try:
            while True:
                self.check()
                time.sleep(WATCH_INTERVAL_S)
        except KeyboardInterrupt:
            return

    def check(self) -> None:
        """Raises StartFailed when a process has ended by itself."""
        for child in self._children:
            if child.status is not None:
                words = child.last_words()
                raise StartFailed(f"{child.name} ended with status {child.status}{words}; see {child.log}")

    def close(self) -> None:
        """Stops everything in reverse order. A second Ctrl-C does not interrupt it: every wait in it is bounded."""
        if threading.current_thread() is threading.main_thread():
            for number in self._handlers:
                signal.signal(number, signal.SIG_IGN)
        for child in reversed(self._children):
            child.stop()
        self._children.clear()
        self._state.clear()
        self._state.unlock()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers.clear()

    def _start(self) -> None:
        """Starts all parts at once, then waits for each: they do not need one another."""
        self._environment = {
            "ALLOT_STATE_DIR": str(self.state_dir),
            "ALLOT_FILE_STORE": os.environ.get("ALLOT_FILE_STORE", str(self.state_dir / "files")),
            "ALLOT_ACCEPT_CLAIMED_ACTORS": os.environ.get("ALLOT_ACCEPT_CLAIMED_ACTORS", "true"),
            "ALLOT_YEAR_GRACE_DAYS": os.environ.get("ALLOT_YEAR_GRACE_DAYS", str(YEAR_GRACE_DAYS)),
            "ALLOT_GRACEFUL_SHUTDOWN_S": os.environ.get("ALLOT_GRACEFUL_SHUTDOWN_S", str(WORKER_GRACE_S)),
        }
        parts: dict[str, Part] = {}
        if not self._given("ALLOT_DATABASE_URL", "ALLOT_DATABASE_URL"):
            parts["postgres"] = self._launch_postgres()
        if not self._given("ALLOT_TEMPORAL_ADDRESS", "TEMPORAL_ADDRESS", "ALLOT_TEMPORAL_ADDRESS"):
            parts["temporal"] = self._launch_temporal()
        elif ui_url := os.environ.get("ALLOT_TEMPORAL_UI_URL"):
            self._environment["ALLOT_TEMPORAL_UI_URL"] = ui_url
        if self._aws and not any(os.environ.get(name) for name in OWN_AWS_VARIABLES):
            parts["aws"] = self._launch_aws()
        self.embedded = frozenset(parts)
        for part in parts.values():
            part.wait()
        if "postgres" in parts:
            self._progress("PostgreSQL is ready")
        if "temporal" in parts:
            self._progress(f"Temporal is ready: {self.ui_url}")
        if "aws" in parts:
            self._environment |= self._account_events()
            self._progress("The stand-in for AWS is ready")
        self._state.write_environment(self._environment)
        self._write_state()

    def _given(self, setting: str, *names: str) -> bool:
        """Whether the user names a server of their own; if so, ours is not started and theirs is passed on."""
        for name in names:  # the first one wins, as it does for clients
            if value := os.environ.get(name):
                self._environment[setting] = value
                self._progress(f"Using the server that {name} names")
                return True
        return False

    def _launch_postgres(self) -> Postgres:
        postgres = Postgres(self.state_dir / POSTGRES_DIRECTORY, self.state_dir / "logs" / "postgres.log")
        if self._fresh:
            postgres.remove()
        self._own(postgres.launch())
        self._environment["ALLOT_DATABASE_URL"] = postgres.url()
        return postgres

    def _launch_temporal(self) -> TemporalServer:
        database = self.state_dir / "temporal" / "temporal.db"
        if self._fresh:
            for file in database.parent.glob("temporal.db*"):
                file.unlink()
        program = find_program(self.state_dir)
        temporal = TemporalServer(program, self.state_dir / "logs" / "temporal.log", database)
        self._own(temporal.launch(preferred_ports=True))
        self._environment["ALLOT_TEMPORAL_ADDRESS"] = temporal.address
        # Also for Temporal's own programs, and over an address in the user's configuration file of Temporal.
        self._environment["TEMPORAL_ADDRESS"] = temporal.address
        self._environment["ALLOT_TEMPORAL_UI_URL"] = temporal.ui_url
        return temporal

    def _launch_aws(self) -> AwsServer:
        aws = AwsServer(self.state_dir / "logs" / "aws.log", *self._joined)
        self._own(aws.launch())
        self._environment.update(aws.environment())
        return aws

    def _account_events(self) -> dict[str, str]:
        """A queue for messages about accounts, as an installation on AWS has it, unless the user names one."""
        if os.environ.get(QUEUE_VARIABLE):
            return {}
        return lay_account_events(self._environment["AWS_ENDPOINT_URL"])

    def _own(self, child: Child) -> Child:
        self._children.append(child)
        self._write_state()
        return child

    def _write_state(self) -> None:
        me = psutil.Process()
        stopping = (Stopping(signal.SIGTERM, OWNER_STOP_WITHIN_S),)
        owner = Recorded("allot", me.pid, me.create_time(), me.cmdline()[0], stopping)
        self._state.write(owner, [child.recorded for child in self._children], self.ui_url)

    def _end_leftovers(self) -> None:
        end_leftovers(self._state, self._progress)

    def _take_signals(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for number in STOP_SIGNALS:
            self._handlers[number] = signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def end_leftovers(state: State, progress: Callable[[str], None] = lambda line: None) -> bool:
    """Ends what a killed owner left running; whether there was anything. Call it with the directory locked."""
    ended = [child.name for child in reversed(state.children()) if end_leftover(child)]
    if ended:
        progress(f"Cleaned up after a run that was killed: {', '.join(ended)}")
    state.clear()
    return bool(ended)


def stop(state_dir: Path) -> bool:
    """Stops the stack of a state directory, from another process; whether anything ran."""
    state = State(state_dir)
    if not state.directory.is_dir():
        return False
    if not state.is_locked():
        return end_leftovers(state)
    owner = state.owner()
    process = owner.find() if owner else None
    if process is None:
        raise StartFailed(f"The stack in {state.directory} is just starting or stopping: try again in a moment")
    process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + OWNER_STOP_WITHIN_S
    while state.is_locked():
        if time.monotonic() > deadline:
            raise StartFailed(f"The stack in {state.directory} (pid {process.pid}) did not stop: end it with kill -9")
        time.sleep(WATCH_INTERVAL_S)
    return True


def remove(state_dir: Path) -> None:
    """Stops the stack of a state directory and deletes its data, for good; programs built there stay."""
    stop(state_dir)
    Postgres(state_dir / POSTGRES_DIRECTORY, state_dir / "logs" / "postgres.log").remove()
    for name in ("temporal", "files", "logs"):
        shutil.rmtree(state_dir / name, ignore_errors=True)
