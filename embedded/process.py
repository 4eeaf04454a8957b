"""A child process: in a session of its own, with a log file, known by pid and start time, stopped in bounded time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

from embedded.errors import StartFailed
from embedded.leash import KEEP_ID

ROOT = Path(__file__).resolve().parent.parent
POLL_S = 0.02
KILL_WAIT_S = 5.0
"""Seconds that the kernel gets to remove a process after SIGKILL."""
START_TIME_TOLERANCE_S = 2.0
"""Start times are computed from a boot time that moves a little when the clock is set."""
LOG_TAIL_BYTES = 4_096
LOG_LINE_CHARS_MAX = 300


class User(NamedTuple):
    """Whom a process runs as."""

    uid: int = KEEP_ID
    gid: int = KEEP_ID


class Stopping(NamedTuple):
    """A signal, and the seconds that a process gets to end after it."""

    signal: int
    within_s: float


GENTLY = (Stopping(signal.SIGTERM, 10.0),)


class Recorded(NamedTuple):
    """A process as written down, to be recognised after its owner was killed."""

    name: str
    pid: int
    started: float
    executable: str
    stopping: Sequence[Stopping] = GENTLY

    def find(self) -> psutil.Process | None:
        """The process, if it still runs. A pid is used again by the system, hence start time and command."""
        try:
            process = psutil.Process(self.pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return None
            same_start = abs(process.create_time() - self.started) <= START_TIME_TOLERANCE_S
            return process if same_start and self.executable in " ".join(process.cmdline()) else None
        except psutil.Error:
            return None


class Child:
    """A process that belongs to this one."""

    def __init__(self, name: str, popen: subprocess.Popen[bytes], log: Path, recorded: Recorded) -> None:
        self.name, self.log, self.recorded = name, log, recorded
        self._popen = popen

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def status(self) -> int | None:
        """Exit status, or None while it runs."""
        return self._popen.poll()

    def wait_until(self, ready: Callable[[], bool], within_s: float) -> None:
        """Raises StartFailed when the process ends, or is not ready in time."""
        deadline = time.monotonic() + within_s
        while not ready():
            if self.status is not None:
                raise StartFailed(f"{self.name} ended with status {self.status}{self.last_words()}; see {self.log}")
            if time.monotonic() > deadline:
                words = self.last_words()
                raise StartFailed(f"{self.name} did not answer within {within_s:.0f} s{words}; see {self.log}")
            time.sleep(POLL_S)

    def last_words(self) -> str:
        """The last line of the log, to be shown in a message."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - LOG_TAIL_BYTES))
                lines = file.read().decode(errors="replace").strip().splitlines()
        except OSError:
            return ""
        return f" ({lines[-1].strip()[:LOG_LINE_CHARS_MAX]})" if lines else ""

    def stop(self) -> None:
        """Ends the process and whatever it left in its session. Calling it again does nothing."""
        for signal_number, within_s in self.recorded.stopping:
            if self.status is not None:
                break
            self._popen.send_signal(signal_number)
            try:
                self._popen.wait(within_s)
            except subprocess.TimeoutExpired:
                continue
        if self.status is None:
            self._popen.kill()
        self._popen.wait(KILL_WAIT_S)
        kill_group(self.pid)


def kill_group(leader_pid: int) -> None:
    """Kills what remains of a process group; the leader's pid is not used again while the group has members."""
    try:
        os.killpg(leader_pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # nobody is left; macOS answers EPERM for a group of zombies
        return


def launch(
    name: str,
    command: Sequence[str],
    log: Path,
    *,
    environment: Mapping[str, str] | None = None,
    user: User | None = None,
    stopping: Sequence[Stopping] = GENTLY,
    cwd: Path | None = None,
) -> Child:
    """Starts a command in its own session: Ctrl-C in the terminal reaches only the owner, who stops all in order.

    Call it from the main thread: Linux ends the child with the *thread* that started it.
    """
    uid, gid = user or User()
    leash = [sys.executable, "-I", "-S", str(ROOT / "embedded" / "leash.py")]
    limits = [str(os.getpid()), str(int(stopping[0].signal)), str(uid), str(gid)]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        popen = subprocess.Popen(  # noqa: S603 - the command is ours, not a user's
            [*leash, *limits, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=None if environment is None else dict(environment),
            start_new_session=True,
            cwd=cwd,
        )
    try:
        started = psutil.Process(popen.pid).create_time()
    except psutil.NoSuchProcess:  # ended at once; the caller sees its status
        started = 0.0
    return Child(name, popen, log, Recorded(name, popen.pid, started, command[0], stopping))


def end_leftover(recorded: Recorded) -> bool:
    """Ends a process whose owner was killed; whether it was still there."""
    if (process := recorded.find()) is None:
        return False
    for signal_number, within_s in recorded.stopping:
        process.send_signal(signal_number)
        try:
            process.wait(within_s)
            break
        except psutil.TimeoutExpired:
            continue
    else:
        process.kill()
        process.wait(KILL_WAIT_S)
    kill_group(recorded.pid)
    return True
