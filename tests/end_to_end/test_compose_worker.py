"""The worker as docker-compose.yml says: its command, its environment and its health check, as plain processes."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from temporalio.client import Client

from domain.decision import Accepted
from domain.process import TASK_QUEUE, RegisterPersonRequest, WorkflowName
from embedded.process import ROOT
from tests.support.compose import process_environment, service

ADMIN = "admin@example.com"
READY_WITHIN_S = 30.0
STOPPED_WITHIN_S = 30.0


def environment_of(name: str, database_url: str, temporal: str, directory: Path) -> dict[str, str]:
    """As in the file, with names that only containers resolve replaced by where things are in this test."""
    overrides = {
        "ALLOT_DATABASE_URL": database_url,
        "ALLOT_TEMPORAL_ADDRESS": temporal,
        "ALLOT_FILE_STORE": str(directory / "files"),
        "PATH": f"{ROOT / '.venv/bin'}:/usr/bin:/bin",
        "HOME": str(directory),
    }
    return process_environment(name, overrides)


async def finished(
    command: Sequence[str], environment: dict[str, str], directory: Path
) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run, command, env=environment, cwd=directory, capture_output=True, text=True, check=False
    )


def start(environment: dict[str, str], directory: Path) -> subprocess.Popen[bytes]:
    with (directory / "worker.log").open("wb") as log:
        return subprocess.Popen(service("worker").command, env=environment, cwd=directory, stdout=log, stderr=log)


async def wait_until_healthy(process: subprocess.Popen[bytes], environment: dict[str, str], directory: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while True:
        assert process.poll() is None, (directory / "worker.log").read_text()
        check = await finished(service("worker").healthcheck, environment, directory)
        if check.returncode == 0 and "working" in check.stdout:
            return
        assert time.monotonic() < deadline, check.stdout + (directory / "worker.log").read_text()
        await asyncio.sleep(0.3)


async def test_the_worker_of_the_compose_file_sets_up_works_is_healthy_and_stops(
    database_url: str, temporal: str, temporal_client: Client, tmp_path: Path
) -> None:
    environment = environment_of("worker", database_url, temporal, tmp_path)
    setup = await finished([*service("setup").command, "--admin", ADMIN], environment, tmp_path)
    assert setup.returncode == 0, setup.stderr
    process = start(environment, tmp_path)
    try:
        await wait_until_healthy(process, environment, tmp_path)
        command_id = uuid4()
        request = RegisterPersonRequest(command_id=command_id, actor=ADMIN, email="ann@example.com", name="Ann")
        outcome = await temporal_client.execute_workflow(
            WorkflowName.PERSON_REGISTRATION,
            request,
            id=f"compose-{command_id}",
            task_queue=TASK_QUEUE,
            result_type=Accepted,
        )
        assert outcome.events == 1
    finally:
        process.terminate()
        status = await asyncio.to_thread(process.wait, STOPPED_WITHIN_S)
    assert status == 0, (tmp_path / "worker.log").read_text()
    gone = await finished(service("worker").healthcheck, environment, tmp_path)
    assert gone.returncode == 1  # the check sees that nobody works any more
