"""Each server alone: it answers, forgets what it should, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import boto3
import psutil
import psycopg
import pytest
from temporalio.client import Client

from embedded import temporal_server
from embedded.aws_server import AwsServer
from embedded.errors import Missing, StartFailed
from embedded.ports import free_port
from embedded.postgres import Postgres
from embedded.process import ROOT, Stopping, launch

DURABLE = ("fsync", "full_page_writes", "synchronous_commit")
"""What the servers of the tests go without in part, see tests/support/servers.py."""


def shown(server: Postgres, setting: str) -> str:
    with psycopg.connect(server.url("postgres")) as connection:
        (value,) = connection.execute("SELECT current_setting(%s)", (setting,)).fetchone() or ("",)
        return str(value)


def test_a_test_has_a_database_of_its_own(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE mine (id int)")


def test_the_next_test_does_not_see_it(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT to_regclass('mine')").fetchone() == (None,)


async def test_temporal_answers(temporal_client: Client) -> None:
    assert (await temporal_client.count_workflows("WorkflowType = 'none'")).count == 0


def test_aws_holds_nothing_at_the_start_of_a_test(aws_endpoint: str) -> None:
    assert boto3.client("s3").list_buckets()["Buckets"] == []
    boto3.client("s3").create_bucket(Bucket="reports")


def test_aws_forgot_the_bucket_of_the_test_before(aws_endpoint: str) -> None:
    assert boto3.client("s3").list_buckets()["Buckets"] == []


def test_accounts_joined_when_the_stand_in_was_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    joined = datetime(2025, 11, 3, 9, tzinfo=UTC)
    server = AwsServer(tmp_path / "aws.log", joined=joined)
    try:
        server.start()
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        organizations = boto3.client("organizations")
        organizations.create_organization(FeatureSet="ALL")
        organizations.create_account(AccountName="Web", Email="web@example.com")
        accounts = {account["Name"]: account for account in organizations.list_accounts()["Accounts"]}
    finally:
        server.stop()
    assert accounts["Web"]["JoinedTimestamp"] == joined


def test_postgres_keeps_its_data_for_good_in_a_directory_with_a_long_path(tmp_path: Path) -> None:
    directory = tmp_path / ("long" * 30) / "postgres"  # a socket there could not be opened
    server = Postgres(directory, tmp_path / "postgres.log")
    for expected in (True, False):
        try:
            server.start()
            assert server.create_database("kept") is expected
            assert [shown(server, name) for name in DURABLE] == ["on", "on", "on"]
        finally:
            server.stop()
    server.remove()
    assert not server.data.exists()


def test_a_process_that_fails_is_reported_with_its_last_words(tmp_path: Path) -> None:
    child = launch("Clock", ["sh", "-c", "echo out of springs; exit 3"], tmp_path / "clock.log")
    with pytest.raises(StartFailed, match=r"Clock ended with status 3 \(out of springs\); see .*clock.log"):
        child.wait_until(lambda: False, within_s=10)


def test_a_process_that_ignores_the_signal_is_killed_with_its_children(tmp_path: Path) -> None:
    script = "trap '' TERM; sleep 300 & echo ready; while :; do sleep 1; done"
    child = launch("Stubborn", ["sh", "-c", script], tmp_path / "log", stopping=[Stopping(signal.SIGTERM, 0.3)])
    child.wait_until(lambda: "ready" in (tmp_path / "log").read_text(), within_s=10)
    family = [psutil.Process(child.pid), *psutil.Process(child.pid).children(recursive=True)]
    child.stop()
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []


def test_a_missing_temporal_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEMPORAL_CLI", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(temporal_server, "ROOT", tmp_path)
    with pytest.raises(Missing, match="run `make env`") as caught:
        temporal_server.find_program(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.fixture
def own_ports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Preferred ports that nobody else prefers; answers with the lock file of who starts with them."""
    port, ui_port = free_port(), free_port()
    monkeypatch.setattr(temporal_server, "PORT", port)
    monkeypatch.setattr(temporal_server, "UI_PORT", ui_port)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / f"allot-{os.getuid()}-{port}.lock"


def test_two_servers_that_start_at_once_do_not_both_take_the_preferred_ports(own_ports: Path, tmp_path: Path) -> None:
    program = temporal_server.find_program(ROOT / ".allot")
    servers = [temporal_server.TemporalServer(program, tmp_path / f"{number}.log") for number in range(3)]
    try:
        for server in servers[:2]:
            server.launch(preferred_ports=True)  # the first one does not listen yet
        for server in servers[:2]:
            server.wait()
        servers[0].stop()
        servers[2].launch(preferred_ports=True)
        servers[2].wait()
    finally:
        for server in servers:
            server.stop()
    preferred = (temporal_server.PORT, temporal_server.UI_PORT)
    assert [(server.port, server.ui_port) == preferred for server in servers] == [True, False, True]


def test_the_lock_of_the_preferred_ports_follows_no_link(own_ports: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("theirs", encoding="utf-8")
    own_ports.symlink_to(victim)
    server = temporal_server.TemporalServer(temporal_server.find_program(ROOT / ".allot"), tmp_path / "log", ui=False)
    try:
        server.launch(preferred_ports=True)
        server.wait()
    finally:
        server.stop()
    assert server.port != temporal_server.PORT
    assert victim.read_text(encoding="utf-8") == "theirs"
