"""Numbered SQL files are run once."""

from __future__ import annotations

import multiprocessing
import shutil
import time
from pathlib import Path

import psycopg
import pytest

from domain.errors import BadInput
from ledger import migrate as module
from ledger.migrate import DIRECTORY, migrate
from tests.ledger.jars import scalar
from tests.ledger.writers import migrate_once

spawn = multiprocessing.get_context("spawn")
FILES = len(list(DIRECTORY.glob("*.sql")))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    directory = tmp_path / "migrations"
    directory.mkdir()
    for name in ("0001_ledger.sql", "0002_people.sql"):
        shutil.copy(DIRECTORY / name, directory)
    return directory


def test_each_file_is_run_once_in_order(empty_database_url: str, files: Path) -> None:
    assert migrate(empty_database_url, files) == 2
    assert migrate(empty_database_url, files) == 0
    (files / "0100_more.sql").write_text("CREATE TABLE more (n int); INSERT INTO more VALUES (100);")
    assert migrate(empty_database_url, files) == 1
    (files / "0050_between.sql").write_text("INSERT INTO more VALUES (50);")  # another room's, merged later
    assert migrate(empty_database_url, files) == 1
    assert scalar(empty_database_url, "SELECT sum(n) FROM more") == 150


def test_eight_processes_that_start_at_once_migrate_once(empty_database_url: str) -> None:
    pipes = [spawn.Pipe(duplex=False) for _ in range(8)]
    at = time.time() + 2.5
    starts = [spawn.Process(target=migrate_once, args=(empty_database_url, at, sender)) for _, sender in pipes]
    for start in starts:
        start.start()
    counts = [receiver.recv() for receiver, _ in pipes]
    for start in starts:
        start.join()
    assert sorted(counts) == [0] * 7 + [FILES]


def test_a_file_edited_after_it_was_applied_is_refused(empty_database_url: str, files: Path) -> None:
    migrate(empty_database_url, files)
    with (files / "0002_people.sql").open("a") as file:
        file.write("-- a comment\n")
    with pytest.raises(BadInput, match=r"0002_people\.sql was changed .* next number"):
        migrate(empty_database_url, files)


def test_a_file_that_fails_leaves_nothing_behind(empty_database_url: str, files: Path) -> None:
    (files / "0003_half.sql").write_text("CREATE TABLE half (n int); SELECT 1/0;")
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(empty_database_url, files)
    assert scalar(empty_database_url, "SELECT to_regclass('half')") is None
    (files / "0003_half.sql").write_text("CREATE TABLE half (n int);")
    assert migrate(empty_database_url, files) == 1


def test_two_files_with_one_number_are_refused(empty_database_url: str, files: Path) -> None:
    (files / "0002_other.sql").write_text("SELECT 1")
    with pytest.raises(BadInput, match="number 0002"):
        migrate(empty_database_url, files)


def test_a_server_that_is_too_old_is_refused(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POSTGRES_VERSION_MIN", 99)
    with pytest.raises(BadInput, match="needs 99 or later"):
        migrate(empty_database_url)
