"""Fixtures of the views' tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.views.given import ORGANIZATION, ListLog
from views.projector import Projector
from views.queries import Views
from views.registry import TABLES

Rows = list[tuple[Any, ...]]


@pytest.fixture
def log() -> ListLog:
    return ListLog()


@pytest.fixture
def projector(log: ListLog, database_url: str) -> Projector:
    return Projector(log, database_url, ORGANIZATION)


@pytest.fixture
def views(database_url: str) -> Iterator[Views]:
    with Views(database_url) as views:
        yield views


@pytest.fixture
def rows(database_url: str) -> Callable[[str], Rows]:
    """The rows of a query."""

    def ask(query: str) -> Rows:
        with psycopg.connect(database_url) as connection:
            return connection.execute(query.encode()).fetchall()

    return ask


@pytest.fixture
def every_row(database_url: str) -> Callable[[], dict[str, list[str]]]:
    """Every row of every view, as text."""

    def ask() -> dict[str, list[str]]:
        with psycopg.connect(database_url) as connection:
            return {
                table.name: [text for (text,) in connection.execute(query.format(sql.Identifier(table.name)))]
                for table in TABLES
            }

    query = sql.SQL("SELECT t::text FROM {} t ORDER BY 1")
    return ask
