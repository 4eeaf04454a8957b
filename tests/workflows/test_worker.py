"""The worker as a process of its own: it waits for what is not there, says whether it lives, and ends when told."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr
from temporalio.client import Client

import worker
from domain.process import TASK_QUEUE
from embedded.process import ROOT
from settings import Settings
from tests.workflows.stage import Stage, company
from views.queries import Views
from worker import Projection, connect_for_work
from worker_health import FILE_NAME, SILENCE_MAX_S, Health, check
from workflows import search_attributes

WITHIN_S = 40.0


@asynccontextmanager
async def started(state_dir: Path, **settings: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """`allot-worker` with these settings; killed at the end, if it has not ended before."""
    given = {f"ALLOT_{name.upper()}": value for name, value in settings.items()}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "worker",
        cwd=ROOT,
        env={**_environment(), "ALLOT_STATE_DIR": str(state_dir), **given},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("TEMPORAL_", "ALLOT_"))}


async def logged(process: asyncio.subprocess.Process, words: str) -> str:
    """All that was logged up to a line with these words."""
    assert process.stdout
    text = ""
    async with asyncio.timeout(WITHIN_S):
        while words not in text:
            line = await process.stdout.readline()
            assert line, f"the worker ended before it said {words!r}: {text}"
            text += line.decode()
    return text


async def end_of(process: asyncio.subprocess.Process) -> int:
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(WITHIN_S):
        await process.communicate()
    assert process.returncode is not None
    return process.returncode


async def test_a_worker_decides_shows_it_in_the_views_and_ends_when_told(
    temporal: str, temporal_client: Client, database_url: str, tmp_path: Path
) -> None:
    with company(database_url) as ledger:
        stage = Stage(temporal_client, ledger, TASK_QUEUE)
        async with started(tmp_path, temporal_address=temporal, database_url=database_url) as process:
            text = await logged(process, "Working for namespace default")
            submitted = await stage.submit()
            with Views(database_url) as views:
                await asyncio.to_thread(views.wait_for, submitted.position, WITHIN_S)
            healthy, line = check(tmp_path)
            assert await end_of(process) == 0

    assert submitted.version == 1
    assert healthy
    assert "working" in line
    assert "WARNING" not in text
    assert not check(tmp_path)[0]


async def test_without_postgresql_it_waits_says_so_lives_and_keeps_the_password(tmp_path: Path) -> None:
    url = "postgresql://allot:secret@127.0.0.1:1/allot"
    async with started(tmp_path, temporal_address="127.0.0.1:2", database_url=url) as process:
        text = await logged(process, "in 1.0 s")
        healthy, line = check(tmp_path)
        assert await end_of(process) == 0

    assert "PostgreSQL at 127.0.0.1:1/allot does not answer" in text
    assert "secret" not in text
    assert healthy
    assert "waiting for PostgreSQL" in line


async def test_without_temporal_it_waits_and_says_so(database_url: str, tmp_path: Path) -> None:
    async with started(tmp_path, temporal_address="127.0.0.1:2", database_url=database_url) as process:
        text = await logged(process, "in 1.0 s")
        assert check(tmp_path)[0]
        assert await end_of(process) == 0

    assert "Temporal at 127.0.0.1:2 does not answer" in text


async def test_a_wrong_setting_ends_it_at_once(tmp_path: Path) -> None:
    async with started(tmp_path, currency="GOLD", database_url="postgresql://x:secret@h/d") as process:
        output, _ = await process.communicate()

    assert process.returncode == 2
    assert "currency" in output.decode()
    assert "secret" not in output.decode()


async def test_the_check_of_the_program_says_one_line_and_exits_by_it(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "worker",
        "--check",
        cwd=ROOT,
        env={**_environment(), "ALLOT_STATE_DIR": str(tmp_path)},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()

    assert process.returncode == 1
    assert output.decode().splitlines() == [f"unhealthy: no worker runs here ({tmp_path / FILE_NAME} is missing)"]


async def test_the_sign_of_life_is_given_only_while_everything_runs(tmp_path: Path) -> None:
    health = Health(tmp_path)
    health.problem = lambda: "projector"
    beating = asyncio.create_task(health.beat())
    await asyncio.sleep(0.05)
    assert not check(tmp_path)[0]
    beating.cancel()
    health.problem = lambda: None
    beating = asyncio.create_task(health.beat())
    await asyncio.sleep(0.05)
    assert check(tmp_path) == (True, "healthy: starting, 0 s ago")
    beating.cancel()
    old = time.time() - SILENCE_MAX_S - 1
    os.utime(tmp_path / FILE_NAME, (old, old))

    assert check(tmp_path)[0] is False


class BrokenProjector:
    def run(self, stop: threading.Event) -> None:
        raise LookupError("an event that no view knows")


@pytest.mark.filterwarnings("error")
async def test_the_end_of_the_projector_is_noticed() -> None:
    projection = Projection(BrokenProjector())
    async with asyncio.timeout(WITHIN_S):
        await projection.ended.wait()
    projection.thread.join(WITHIN_S)

    assert not projection.thread.is_alive()


async def test_a_worker_does_not_go_on_without_its_projector(
    temporal_client: Client, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(worker, "Projector", lambda *_arguments, **_options: BrokenProjector())
    settings = Settings(state_dir=tmp_path, database_url=SecretStr(database_url), graceful_shutdown_s=5)
    health = Health(tmp_path)
    with company(database_url) as ledger:
        async with asyncio.timeout(WITHIN_S):
            status = await worker.work(temporal_client, settings, ledger, health, asyncio.Event())

    assert status == 1
    assert health.problem() is not None


async def test_a_server_that_is_not_set_up_is_waited_for(
    temporal: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from domain.errors import Unavailable

    async def none_there(_client: Client) -> list[str]:
        return ["BudgetState"]

    monkeypatch.setattr(search_attributes, "missing", none_there)
    with pytest.raises(Unavailable, match="allot setup"):
        await connect_for_work(Settings(temporal_address=temporal, state_dir=tmp_path))
