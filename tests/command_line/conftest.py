"""Runs commands in this process, with an environment of their own."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest

import starter
from tests.command_line.account_company import AccountCompany
from tests.command_line.company import GRACE_DAYS
from tests.support.workers import own_namespace, start_worker, stop_worker, worker_environment
from tests.workflows.replay import replay_all_ended


class Answer(NamedTuple):
    status: int
    out: str
    err: str


type Allot = Callable[..., Answer]


@pytest.fixture
def allot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Allot:
    """`allot("tasks", "--json")`: exit status, stdout and stderr. No server is configured unless the test does it."""
    for name in list(os.environ):
        if name.startswith(("ALLOT_", "TEMPORAL_ADDRESS", "TEMPORAL_PROFILE")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALLOT_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("ALLOT_DATABASE_URL", "postgresql://allot@127.0.0.1:1/allot")
    monkeypatch.setenv("ALLOT_TEMPORAL_ADDRESS", "127.0.0.1:1")

    def run(*arguments: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["allot", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            starter.main()
        code = end.value.code
        assert isinstance(code, int | None)
        return Answer(code or 0, *capsys.readouterr())

    return run


@pytest.fixture
def grace_days() -> int:
    """Days in which a year that has ended can still be decided on; a test may ask for some."""
    return 0


@pytest.fixture
async def namespace(temporal: str, database_url: str, tmp_path: Path, grace_days: int) -> AsyncIterator[str]:
    """With a worker in it."""
    client = await own_namespace(temporal, f"commands-{uuid4().hex[:8]}")
    directory = tmp_path / "worker"
    surroundings = worker_environment(client, database_url, directory)
    worker = start_worker(surroundings, directory, ALLOT_YEAR_GRACE_DAYS=str(grace_days))
    try:
        yield client.namespace
        assert await replay_all_ended(client, at_least=1) > 0
    finally:
        stop_worker(worker)


@pytest.fixture
def accounts(allot: Allot, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[AccountCompany]:
    """A company whose accounts the commands read; nothing is there to decide anything."""
    monkeypatch.setenv("ALLOT_DATABASE_URL", database_url)
    monkeypatch.setenv("ALLOT_YEAR_GRACE_DAYS", str(GRACE_DAYS))
    company = AccountCompany(database_url)
    yield company
    company.ledger.close()


@pytest.fixture
def working_accounts(
    accounts: AccountCompany, namespace: str, temporal: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AccountCompany:
    """The same with a worker, so that decisions are taken."""
    monkeypatch.setenv("ALLOT_TEMPORAL_ADDRESS", temporal)
    monkeypatch.setenv("TEMPORAL_NAMESPACE", namespace)
    monkeypatch.setenv("ALLOT_FILE_STORE", str(tmp_path / "worker" / "files"))
    return accounts
