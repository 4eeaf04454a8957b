"""Where a server is down, the command says which one, at which address and how to start it, within ten seconds."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command_line.conftest import Allot

SECONDS_MAX = 10
PRODUCT = "Retail/Digital/Web/Checkout"
BUDGET = "Acme_2026_true_2026-01-01_false_Budget_v1.csv"
READING = [("tasks", "--all"), ("rollup",), ("account", "list"), ("audit", "2026"), ("schedule", "show", PRODUCT)]
READING += [
    ("person", "list"),
    ("person", "show", "a@example.com"),
    ("month", "list"),
    ("tasks", "--as", "a@example.com"),
    ("account", "show", "1" * 12),
    ("account", "board"),
    ("account", "events"),
    ("account", "expected"),
    ("account", "rules", "list"),
    ("account", "rules", "test"),
    ("account", "allocate", "1" * 12, PRODUCT, "--type", "Shared", "--preview"),
]
DECIDING = [
    ("schedule", "submit", PRODUCT, "--even", "--as", "a@example.com"),
    ("schedule", "approve", PRODUCT, "--as", "a@example.com"),
    ("schedule", "request", PRODUCT, "--reason", "More traffic.", "--as", "a@example.com"),
    ("person", "import", "people.csv", "--as", "a@example.com"),
    ("person", "delegate", "--to", "b@example.com", "--until", "2026-12-31", "--as", "a@example.com"),
    ("month", "close", "2026-05", "--as", "a@example.com"),
    ("account", "allocate", "1" * 12, f"{PRODUCT}=100", "--type", "Shared", "--as", "a@example.com"),
    ("account", "accept", "1" * 12, "--proposal", "1", "--as", "a@example.com"),
    ("account", "expect", PRODUCT, "--type", "Shared", "--name", "shop", "--as", "a@example.com"),
    ("person", "add", "b@example.com", "Bob", "--as", "a@example.com"),
    ("cost", "import", ".", "--as", "a@example.com"),
    ("organization", "sync"),
    ("budget", "load", BUDGET, "--as", "a@example.com"),
    ("view", "rebuild"),
    ("setup",),
]
DIRECT = [
    command for command in DECIDING if command[0] in ("account", "month") or command[1:2] in (("add",), ("delegate",))
]


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.mark.parametrize("arguments", READING + DECIDING, ids=" ".join)
def test_postgresql_down(allot: Allot, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    for name in (BUDGET, "people.csv"):
        (tmp_path / name).write_text("x")
    started = time.monotonic()
    answer = allot(*arguments)
    assert time.monotonic() - started < SECONDS_MAX
    assert answer.status == 10
    assert answer.out == ""
    assert "PostgreSQL at 127.0.0.1:1/allot does not answer" in answer.err
    assert "`allot up`" in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize(
    "arguments",
    [*DIRECT, ("cost", "import", ".", "--as", "a@example.com"), ("organization", "sync"), ("setup",)],
    ids=" ".join,
)
def test_temporal_down(
    allot: Allot, database_url: str, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setenv("ALLOT_DATABASE_URL", database_url)
    started = time.monotonic()
    answer = allot(*arguments)
    assert time.monotonic() - started < SECONDS_MAX
    assert answer.status == 10
    assert "Temporal at 127.0.0.1:1 does not answer" in answer.err
    assert "`allot up`" in answer.err


def test_a_postgresql_that_takes_connections_and_never_answers(
    allot: Allot, silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALLOT_DATABASE_URL", f"postgresql://allot:secret-7c1@127.0.0.1:{silent}/allot")
    started = time.monotonic()
    answer = allot("tasks", "--all")
    assert time.monotonic() - started < SECONDS_MAX
    assert answer.status == 10
    assert f"PostgreSQL at 127.0.0.1:{silent}/allot" in answer.err
    assert "secret-7c1" not in answer.err


def test_a_temporal_that_takes_connections_and_never_answers(
    allot: Allot, silent: int, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALLOT_DATABASE_URL", database_url)
    monkeypatch.setenv("ALLOT_TEMPORAL_ADDRESS", f"127.0.0.1:{silent}")
    started = time.monotonic()
    answer = allot("organization", "sync")
    assert time.monotonic() - started < SECONDS_MAX
    assert answer.status == 10
    assert f"Temporal at 127.0.0.1:{silent} does not answer" in answer.err


@pytest.mark.parametrize("arguments", DIRECT, ids=" ".join)
def test_without_a_worker_nobody_waits_for_ever_and_the_command_can_be_repeated(
    allot: Allot, database_url: str, temporal: str, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setenv("ALLOT_DATABASE_URL", database_url)
    monkeypatch.setenv("ALLOT_TEMPORAL_ADDRESS", temporal)
    command_id = "5f0c3f9e-0c55-4b0e-9a67-0a4f2a5b7c11"
    started = time.monotonic()
    answer = allot(*arguments, "--timeout", "2", "--command-id", command_id)
    assert time.monotonic() - started < SECONDS_MAX
    assert answer.status == 10
    assert "no worker has taken it up" in answer.err
    assert f"--command-id {command_id}" in answer.err


def test_a_database_that_is_not_set_up(allot: Allot, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOT_DATABASE_URL", postgres_url)
    answer = allot("tasks", "--all")
    assert answer.status == 10
    assert "`allot setup`" in answer.err
