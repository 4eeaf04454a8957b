"""The network, the server and other clients fail; commands are decided once all the same."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from domain.decision import Organization
from domain.errors import BadInput, Contention, Unavailable
from embedded.postgres import Postgres
from ledger import connection as limits
from ledger import ledger as module
from ledger.ledger import Ledger, command_hash
from ledger.migrate import migrate
from rights.cedar import CedarRights
from tests.ledger.jars import JARS, events_in, fill, open_ledger, scalar, seal, sql
from tests.ledger.proxy import Proxy

WITHIN_S = 10.0


@pytest.mark.parametrize("refused", [False, True])
def test_a_lost_reply_to_the_commit_is_answered_with_the_outcome(database_url: str, refused: bool) -> None:
    command = seal("a") if refused else fill("a")
    with Proxy(database_url) as proxy, open_ledger(proxy.url, pool_size=1) as ledger:
        ledger.record(fill("b"))
        proxy.drop_reply_to(command_hash(command))
        outcome = ledger.record(command)
        assert proxy.dropped.is_set()
        assert outcome.kind == ("refused" if refused else "accepted")
        assert outcome.position == 2
        assert ledger.record(command) == outcome
    assert events_in(database_url) == 2
    assert scalar(database_url, "SELECT count(*) FROM ledger_receipts") == 2


def test_connections_killed_by_the_server_are_replaced_unnoticed(database_url: str) -> None:
    with open_ledger(database_url, pool_size=4) as ledger, ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            list(pool.map(ledger.record, [fill() for _ in range(16)]))
            with sql(database_url) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE application_name = 'allot-ledger' AND datname = current_database()"
                )
        list(pool.map(ledger.record, [fill() for _ in range(16)]))
    assert events_in(database_url) == 64


@pytest.mark.parametrize("before", range(7))
def test_a_connection_stays_healthy_after_conflicts_and_timeouts(
    database_url: str, before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The driver prepares statements by counting their uses, so the errors are tried after different numbers of uses.
    monkeypatch.setattr(module, "ATTEMPTS_MAX", 1)
    monkeypatch.setitem(limits._SESSION, "lock_timeout", 100)
    with open_ledger(database_url, pool_size=1) as ledger, sql(database_url) as other:
        for _ in range(before):
            ledger.record(fill())
        with other.transaction():  # a receipt that is not committed yet
            command = fill("a")
            other.execute("INSERT INTO ledger_receipts VALUES (%s, '', '{}', '{}', now())", (command.command_id,))
            with pytest.raises(Contention):
                ledger.record(command)
            other.execute("DELETE FROM ledger_receipts WHERE command_id = %s", (command.command_id,))
        with other.transaction():  # a reader who takes very long
            other.execute("SELECT pg_advisory_xact_lock(1095519311, 'ledger_events'::regclass::oid::int)")
            with pytest.raises(Contention):
                ledger.record(command)
        for _ in range(8):
            again = fill()
            assert ledger.record(again) == ledger.record(again)
        assert ledger.record(command).kind == "accepted"


def test_postgresql_down_is_said_within_the_limit(tmp_path: Path) -> None:
    server = Postgres(tmp_path / "postgres", tmp_path / "log")
    server.start()
    try:
        migrate(server.url())
        with open_ledger(server.url()) as ledger:
            ledger.record(fill("a"))
            server.stop()
            started = time.monotonic()
            with pytest.raises(Unavailable) as error:
                ledger.record(command := fill("a"))
            assert time.monotonic() - started < WITHIN_S
            _says_where(error.value, server.url())
            for door in (lambda: open_ledger(server.url()), lambda: migrate(server.url())):
                started = time.monotonic()
                with pytest.raises(Unavailable) as error:
                    door()
                assert time.monotonic() - started < WITHIN_S / 2
                _says_where(error.value, server.url())
            port = server.port
            server.start()
            if server.port == port:  # else somebody else took it meanwhile
                assert ledger.record(command).kind == "accepted"
    finally:
        server.stop()
        server.remove()


def _says_where(error: Unavailable, url: str) -> None:
    where = psycopg.conninfo.conninfo_to_dict(url)
    assert f"{where['host']}:{where['port']}/allot" in error.message
    assert "allot up" in error.message
    assert str(where["password"]) not in error.message


def test_a_server_that_accepts_and_says_nothing_is_given_up(database_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        with pytest.raises(Unavailable):
            open_ledger(f"postgresql://allot:secret@127.0.0.1:{silent.getsockname()[1]}/allot")
    assert time.monotonic() - started < WITHIN_S / 2


def test_a_wrong_address_does_not_show_the_password() -> None:
    for url in ("postgresql://allot:secret@host:port:port/db?x", "password=secret oops", "secret"):
        with pytest.raises(BadInput) as error:
            Ledger(url, Organization(), rights=CedarRights(), pool_size=1)
        assert "secret" not in str(error.value)
        assert error.value.__cause__ is None


def test_a_database_without_tables_says_how_to_set_it_up(empty_database_url: str) -> None:
    with pytest.raises(Unavailable, match="allot setup"):
        Ledger(empty_database_url, Organization(), rights=CedarRights(), pool_size=1, registry=JARS).open()
