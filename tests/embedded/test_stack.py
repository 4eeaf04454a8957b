"""The stack as a user has it: one owner process, which may be stopped, killed or started twice."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from dotenv import dotenv_values

from embedded import stack
from embedded.aws_server import OWN_AWS_VARIABLES
from embedded.errors import AlreadyRunning, StartFailed
from embedded.process import ROOT, Recorded
from embedded.stack import Stack

READY_WITHIN_S = 60
OWNER = """
import sys
from pathlib import Path
from embedded.stack import Stack
with Stack(Path(sys.argv[1]), aws=False, progress=lambda line: print(line, flush=True)) as stack:
    stack.start("sleeper", ["sleep", "1000"])
    try:
        print("READY", flush=True)
        stack.wait()
    except KeyboardInterrupt:  # the signal may come before it waits
        pass
print("STOPPED", flush=True)
"""


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without servers of the developer's own."""
    for name in ("ALLOT_DATABASE_URL", "ALLOT_TEMPORAL_ADDRESS", "TEMPORAL_ADDRESS", *OWN_AWS_VARIABLES):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def state_dir(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / ".allot"
    yield directory
    stack.remove(directory)


def start_owner(state_dir: Path) -> tuple[subprocess.Popen[str], list[str]]:
    """A stack in a process of its own, and what it said until it was ready."""
    owner = subprocess.Popen([sys.executable, "-c", OWNER, state_dir], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    lines: list[str] = []
    for line in owner.stdout:
        if line == "READY\n":
            return owner, lines
        lines.append(line.strip())
    raise AssertionError(f"the stack did not start: {lines}")


def processes_of(state_dir: Path) -> list[psutil.Process]:
    """Everything that the running stack started, down to the last."""
    content: dict[str, Any] = json.loads((state_dir / "running.json").read_text())
    found = [psutil.Process(child["pid"]) for child in content["children"]]
    return [*found, *(below for process in found for below in process.children(recursive=True))]


def assert_gone(processes: list[psutil.Process], within_s: float = 10) -> None:
    _, alive = psutil.wait_procs(processes, timeout=within_s)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []


@pytest.mark.parametrize("stop_signal", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_stack_leaves_nothing_running(state_dir: Path, stop_signal: signal.Signals) -> None:
    owner, _ = start_owner(state_dir)
    processes = processes_of(state_dir)
    assert len(processes) > 3  # PostgreSQL with its background processes, Temporal, the sleeper
    owner.send_signal(stop_signal)
    output, _ = owner.communicate(timeout=30)
    assert (owner.returncode, output) == (0, "STOPPED\n")
    assert_gone(processes, within_s=0.5)
    assert not (state_dir / "embedded.env").exists()
    assert not (state_dir / "running.json").exists()


def test_a_second_start_is_refused_and_the_first_one_goes_on(state_dir: Path) -> None:
    owner, _ = start_owner(state_dir)
    expected = rf"already running in {state_dir} \(pid {owner.pid}, Temporal UI http://localhost:\d+\); .*`allot down`"
    with pytest.raises(AlreadyRunning, match=expected), Stack(state_dir, aws=False):
        pass
    assert owner.poll() is None
    assert stack.stop(state_dir) is True
    assert owner.communicate(timeout=30)[0] == "STOPPED\n"
    assert stack.stop(state_dir) is False


def test_a_killed_stack_takes_its_processes_with_it_and_keeps_its_data(state_dir: Path) -> None:
    owner, _ = start_owner(state_dir)
    processes = processes_of(state_dir)
    url = environment_file(state_dir)["ALLOT_DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (id int)")
    owner.kill()
    owner.communicate()
    if sys.platform == "linux":
        assert_gone(processes)
    with Stack(state_dir, aws=False) as second, psycopg.connect(second.database_url) as connection:
        assert_gone(processes)
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    with Stack(state_dir, aws=False, fresh=True) as third, psycopg.connect(third.database_url) as connection:
        assert connection.execute("SELECT to_regclass('kept')").fetchone() == (None,)


def test_the_next_start_ends_what_a_killed_owner_left(state_dir: Path) -> None:
    """As on a system that does not end children with their parent."""
    said: list[str] = []
    left = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    innocent = subprocess.Popen(["sleep", "1001"], start_new_session=True)
    try:
        started = psutil.Process(left.pid).create_time()
        records = [
            Recorded("sleeper", left.pid, started, "sleep"),
            Recorded("reused pid, other start", innocent.pid, started - 1_000, "sleep"),
            Recorded("reused pid, other program", innocent.pid, started, "postgres"),
        ]
        state_dir.mkdir()
        content = {"owner": records[0]._asdict(), "ui_url": "", "children": [record._asdict() for record in records]}
        (state_dir / "running.json").write_text(json.dumps(content))
        with Stack(state_dir, aws=False, progress=said.append):
            assert left.poll() is not None
            assert innocent.poll() is None
    finally:
        left.kill()
        innocent.kill()
        left.wait()
        innocent.wait()
    assert said[0] == "Cleaned up after a run that was killed: sleeper"


def test_children_find_the_stack_by_their_environment_and_by_the_file(state_dir: Path) -> None:
    state_dir = state_dir / ("a long path, isn't it; " * 7)
    with Stack(state_dir, aws=True) as running:
        assert running.embedded == {"postgres", "temporal", "aws"}
        assert environment_file(state_dir) == running.environment()
        assert (state_dir / "embedded.env").stat().st_mode & 0o077 == 0
        script = "import os; print(os.environ['AWS_ENDPOINT_URL'], os.environ['ALLOT_TEMPORAL_ADDRESS'])"
        child = running.start("printer", [sys.executable, "-c", script])
        deadline = time.monotonic() + READY_WITHIN_S
        while child.status is None and time.monotonic() < deadline:
            time.sleep(0.02)
        seen = (state_dir / "logs" / "printer.log").read_text().split()
        assert seen == [running.environment()["AWS_ENDPOINT_URL"], running.temporal_address]
        with pytest.raises(StartFailed, match="printer ended with status 0"):
            running.wait()
    stack.remove(state_dir)


def test_servers_of_the_user_are_not_started(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOT_DATABASE_URL", "postgresql://db.example.com/allot")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "temporal.example.com:7233")
    monkeypatch.setenv("AWS_PROFILE", "finops")
    said: list[str] = []
    with Stack(state_dir, aws=True, progress=said.append) as running:
        assert running.embedded == frozenset()
        assert running.database_url == "postgresql://db.example.com/allot"
        assert running.temporal_address == "temporal.example.com:7233"
        assert "AWS_ENDPOINT_URL" not in running.environment()
    assert said == [
        "Using the server that ALLOT_DATABASE_URL names",
        "Using the server that TEMPORAL_ADDRESS names",
    ]


def environment_file(state_dir: Path) -> dict[str, str]:
    return {name: value or "" for name, value in dotenv_values(state_dir / "embedded.env").items()}
