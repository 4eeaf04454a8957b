"""A fresh database gets its views from a migration, which must be what the code declares; one in use by a rebuild."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import psycopg
import pytest
from psycopg import sql

from domain.registry import FACTS
from embedded.postgres import Postgres
from ledger.migrate import DIRECTORY
from tests.views.given import ORGANIZATION, ListLog, line
from views import audit
from views.generations import MIGRATED_GENERATION, OtherDefinition, definition, migration
from views.projector import Projector
from views.rebuild import rebuild
from views.registry import PROJECTIONS, TABLES
from views.tables import Rows


def test_the_newest_migration_is_what_the_code_declares() -> None:
    newest = max(DIRECTORY.glob("01??_views.sql"))
    assert newest.read_text() == migration(), "where it was released, raise MIGRATED_GENERATION and add the next one"


@pytest.fixture
def older(postgres: Postgres) -> Iterator[str]:
    """A database as the version before set it up."""
    postgres.create_database(name := "older_views")
    try:
        with psycopg.connect(postgres.url(name), autocommit=True) as connection:
            for migration_before in sorted(DIRECTORY.glob("01??_views.sql"))[:-1]:
                connection.execute(migration_before.read_bytes())
        yield postgres.url(name)
    finally:
        with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def test_views_that_have_shown_nothing_yet_are_made_anew(older: str) -> None:
    with psycopg.connect(older, autocommit=True) as connection:
        connection.execute(migration().encode())
        assert connection.execute("SELECT generation, position, live, definition FROM view_generations").fetchall() == [
            (MIGRATED_GENERATION, 0, True, definition())
        ]
        older_tables = f"SELECT count(*) FROM pg_class WHERE relname ~ '_v{MIGRATED_GENERATION - 1}$'"
        assert connection.execute(older_tables.encode()).fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM tasks").fetchone() == (0,)


def test_views_in_use_stay_until_they_are_rebuilt(older: str) -> None:
    log = ListLog(line("Retail/Digital/Web/Cart", "1"))
    with psycopg.connect(older, autocommit=True) as connection:
        connection.execute("UPDATE view_generations SET position = 1")
        connection.execute(migration().encode())
        assert connection.execute("SELECT generation FROM view_generations").fetchall() == [(MIGRATED_GENERATION - 1,)]
        with pytest.raises(OtherDefinition, match="allot view rebuild"):
            Projector(log, older, ORGANIZATION).catch_up()
        assert rebuild(log, older, ORGANIZATION).number == MIGRATED_GENERATION
        assert connection.execute("SELECT product FROM budget_lines").fetchall() == [("Retail/Digital/Web/Cart",)]


def test_every_fact_of_the_registry_is_folded_and_audited() -> None:
    folded = {fact for projection in PROJECTIONS for fact in projection.facts}
    assert folded == set(FACTS.values()) == set(audit.PROJECTION.facts)


def test_table_names_are_unique() -> None:
    assert len({table.name for table in TABLES}) == len(TABLES)


def test_a_row_that_was_not_announced_cannot_be_asked_for() -> None:
    rows = Rows(audit.AUDIT, 1)
    with pytest.raises(LookupError, match="not announced"):
        rows.get(1)


def test_amounts_have_room_for_the_largest_ones() -> None:
    kinds = {kind for table in TABLES for kind, _ in table.types if "numeric" in kind}
    assert kinds == {"numeric(60,18)"}
    assert Decimal(10) ** 42 > Decimal("9.99e38") * 1_000


def test_an_empty_list_is_not_a_list_of_one_empty_text(projector: Projector, log: ListLog, database_url: str) -> None:
    log.add(line("Retail/Digital/Web/Cart", "1"))
    projector.catch_up()
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT not_by, (SELECT policies FROM audit) FROM tasks").fetchall() == [([], [])]
