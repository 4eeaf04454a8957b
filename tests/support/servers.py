"""Fixtures of real servers, each started once a session (and once a process under xdist), and only when asked for."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from embedded import aws_server
from embedded.aws_server import AwsServer
from embedded.postgres import ROLE, Postgres
from embedded.process import ROOT
from embedded.temporal_server import TemporalServer, find_program
from tests.support.temporal import register_search_attributes

TEMPLATE = "allot_template"
TEST_SERVER_VARIABLE = "TEMPORAL_TEST_SERVER"
TEST_SERVER = ROOT / ".allot" / "test-server" / "temporal-test-server"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the session's servers keep data and logs."""
    return tmp_path_factory.mktemp("servers")


@pytest.fixture(scope="session")
def postgres(server_dir: Path) -> Iterator[Postgres]:
    """An embedded PostgreSQL as in the product, but for what only a loss of power or an attacker would show."""
    server = Postgres(server_dir / "postgres", server_dir / "postgres.log")
    try:
        server.start()
        _make_cheap(server)
        yield server
    finally:
        server.stop()
        server.remove()


def _make_cheap(server: Postgres) -> None:
    """Tests kill processes, which loses nothing that the system has taken; they never cut its power, so nothing waits
    for the disk. A password is hashed once and not 4,096 times for each of their thousands of connections."""
    password = conninfo_to_dict(server.url("postgres"))["password"]
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        for name in ("fsync", "full_page_writes"):
            connection.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(name)))
        connection.execute("SELECT pg_reload_conf()")
        connection.execute("SET scram_iterations = 1")
        connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(ROLE), sql.Literal(password)))


@pytest.fixture(scope="session")
def postgres_url(postgres: Postgres) -> str:
    """Of the server's own database; use `database_url` for Allot's tables."""
    return postgres.url("postgres")


@pytest.fixture(scope="session")
def template(postgres: Postgres) -> str:
    """A database with all migrations applied, to be copied."""
    postgres.create_database(TEMPLATE)
    from ledger.migrate import migrate  # the library behind it patches dataclasses: only where needed

    migrate(postgres.url(TEMPLATE))
    return TEMPLATE


@pytest.fixture
def database_url(postgres: Postgres, template: str) -> Iterator[str]:
    """A migrated, empty database for this test alone."""
    name = f"test_{next(_numbers)}"
    postgres.create_database(name, template)
    try:
        yield postgres.url(name)
    finally:
        with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def temporal_server(server_dir: Path) -> Iterator[TemporalServer]:
    """A Temporal development server in memory, without UI."""
    server = TemporalServer(find_program(ROOT / ".allot"), server_dir / "temporal.log", ui=False)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
async def temporal_client(temporal_server: TemporalServer) -> Client:
    """A client of the development server, which knows our search attributes."""
    client = await Client.connect(temporal_server.address, data_converter=pydantic_data_converter)
    await register_search_attributes(client)
    return client


@pytest.fixture(scope="session")
async def temporal(temporal_server: TemporalServer, temporal_client: Client) -> str:
    """Address of the development server."""
    return temporal_server.address


@pytest.fixture(scope="session")
async def time_skipping_env() -> AsyncIterator[WorkflowEnvironment]:
    """The test server whose clock jumps over waits. Tests share it: give every workflow an id of its own."""
    async with _time_skipping() as environment:
        yield environment


@pytest.fixture
async def own_time_skipping_env() -> AsyncIterator[WorkflowEnvironment]:
    """One for a single test: where a process outlives the one that started it, the server's clock stands still from
    then on, and who waits for it afterwards waits in vain."""
    async with _time_skipping() as environment:
        yield environment


@asynccontextmanager
async def _time_skipping() -> AsyncIterator[WorkflowEnvironment]:
    program = os.environ.get(TEST_SERVER_VARIABLE) or (str(TEST_SERVER) if TEST_SERVER.exists() else None)
    try:
        environment = await WorkflowEnvironment.start_time_skipping(
            data_converter=pydantic_data_converter, test_server_existing_path=program
        )
    except RuntimeError as error:
        reason = f"no time-skipping test server: install Java and Maven, then `make env-test` ({error})"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    async with environment:
        await register_search_attributes(environment.client)
        yield environment


@pytest.fixture(scope="session")
def aws_stand_in(server_dir: Path) -> Iterator[AwsServer]:
    server = AwsServer(server_dir / "aws.log")
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def aws_endpoint(aws_stand_in: AwsServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """A stand-in for AWS that holds nothing yet; boto3 finds it by the environment."""
    for name in aws_server.OWN_AWS_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in aws_stand_in.environment().items():
        monkeypatch.setenv(name, value)
    aws_server.reset(aws_stand_in.endpoint_url)
    return aws_stand_in.endpoint_url
