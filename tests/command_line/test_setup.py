"""`allot setup` may be run as often as one likes, and makes one first Financial Admin."""

from __future__ import annotations

import json

import psycopg
import pytest

from tests.command_line.conftest import Allot


@pytest.fixture
def servers(allot: Allot, database_url: str, temporal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOT_DATABASE_URL", database_url)
    monkeypatch.setenv("ALLOT_TEMPORAL_ADDRESS", temporal)


@pytest.mark.usefixtures("servers")
def test_setup_can_be_repeated_but_there_is_one_first_admin(allot: Allot, database_url: str) -> None:
    first = allot("setup", "--admin", "ann@example.com", "--name", "Ann", "--json")
    assert first.status == 0
    assert json.loads(first.out)["admin"]["email"] == "ann@example.com"
    assert allot("setup", "--admin", "ANN@example.com").status == 0
    assert allot("setup").status == 0
    other = allot("setup", "--admin", "bob@example.com", "--name", "Bob")
    assert other.status == 4
    assert "--grant financial_admin" in other.err
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT array_agg(email) FROM people").fetchone() == (["ann@example.com"],)


@pytest.mark.usefixtures("servers")
def test_views_can_be_rebuilt(allot: Allot) -> None:
    allot("setup", "--admin", "ann@example.com", "--name", "Ann")
    first, second = (allot("view", "rebuild", "--json") for _ in range(2))
    assert (first.status, second.status) == (0, 0)
    assert json.loads(second.out)["generation"] == json.loads(first.out)["generation"] + 1
