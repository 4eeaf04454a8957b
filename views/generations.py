"""Generations of the views' tables: one is live, behind the public names; a rebuild fills the next one beside it.

All views change generation together, so that they never show two different pasts. `view_generations` holds the log
position of each generation. Everybody meets at that table:

    a query      LOCK … IN ACCESS SHARE MODE, before its snapshot: its views stay of one generation until it is done
    a batch      SELECT … FOR NO KEY UPDATE of its generation's row: one batch at a time, rows and position together
    the swap     LOCK … IN ACCESS EXCLUSIVE MODE: nobody reads or folds while the names move
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from psycopg import Connection, Cursor
from psycopg.sql import SQL, Identifier

from domain.errors import Unavailable
from views.registry import TABLES
from views.tables import Table

FOLD_VERSION = 1
"""Raise it when a fold gives other rows than before: the views then want a rebuild, as for a new column."""
FIRST_GENERATION = 1
DEFINITION_CHARS = 16


class Generation(NamedTuple):
    number: int
    position: int
    """Log position up to which all its tables are folded."""
    definition: str


class OtherDefinition(Unavailable):
    """The live tables were made by another version of Allot."""

    retryable = False


def definition(tables: Sequence[Table[Any]] = TABLES) -> str:
    """Tells tables of different shape or meaning apart."""
    text = ";".join([str(FOLD_VERSION), *(line for table in tables for line in table.create(0))])
    return sha256(text.encode()).hexdigest()[:DEFINITION_CHARS]


def live(cursor: Cursor[Any]) -> Generation:
    return _one(cursor, "WHERE live")


def locked(cursor: Cursor[Any], generation: int) -> Generation | None:
    """The generation, for this transaction alone; None when it has been replaced."""
    found = cursor.execute(_SELECT + "WHERE generation = %s FOR NO KEY UPDATE", [generation]).fetchone()
    return Generation(*found) if found else None


def check_definition(generation: Generation, tables: Sequence[Table[Any]] = TABLES) -> None:
    """Raises OtherDefinition where this version of Allot cannot fold into the generation's tables."""
    if generation.definition != definition(tables):
        raise OtherDefinition(
            "The views were built by another version of Allot: run `allot view rebuild`; "
            "what they show stays as it is until then."
        )


def advance(cursor: Cursor[Any], generation: int, position: int) -> None:
    cursor.execute("UPDATE view_generations SET position = %s WHERE generation = %s", [position, generation])


def create_next(connection: Connection[Any], tables: Sequence[Table[Any]] = TABLES) -> Generation:
    """Empty tables beside the live ones; what an interrupted rebuild left behind is removed."""
    drop_all_but_live(connection)
    with connection.transaction(), connection.cursor() as cursor:
        number = live(cursor).number + 1
        for statement in _create(number, tables):
            cursor.execute(statement.encode())
        cursor.execute(
            "INSERT INTO view_generations (generation, position, live, definition) VALUES (%s, 0, false, %s)",
            [number, definition(tables)],
        )
    return Generation(number, 0, definition(tables))


def go_live(cursor: Cursor[Any], generation: int, tables: Sequence[Table[Any]] = TABLES) -> None:
    """Moves the public names. The caller holds `view_generations` exclusively."""
    for table in tables:
        cursor.execute(SQL("DROP VIEW IF EXISTS {}").format(Identifier(table.name)))
        cursor.execute(_named(table, generation).encode())
    cursor.execute("UPDATE view_generations SET live = false WHERE live")
    cursor.execute("UPDATE view_generations SET live = true WHERE generation = %s", [generation])


def drop_all_but_live(connection: Connection[Any]) -> None:
    """Drops by name pattern, because an older generation may have tables that this version does not know."""
    with connection.transaction(), connection.cursor() as cursor:
        numbers = cursor.execute("SELECT generation FROM view_generations WHERE NOT live FOR UPDATE").fetchall()
        for (number,) in numbers:
            suffix = f"_v{number}"
            for (name,) in cursor.execute(_TABLES_OF, [len(suffix), suffix]).fetchall():
                cursor.execute(SQL("DROP TABLE {} CASCADE").format(Identifier(name)))
            cursor.execute("DELETE FROM view_generations WHERE generation = %s", [number])


def initial_migration() -> str:
    """The text of `ledger/migrations/0100_views.sql`."""
    statements = [
        *_create(FIRST_GENERATION, TABLES),
        *(_named(table, FIRST_GENERATION) for table in TABLES),
        _VIEW_GENERATIONS,
        "CREATE UNIQUE INDEX view_generations_one_live ON view_generations (live) WHERE live",
        _FIRST.format(number=FIRST_GENERATION, definition=definition()),
    ]
    return _HEADING + ";\n\n".join(statements) + ";\n"


def _create(number: int, tables: Sequence[Table[Any]]) -> list[str]:
    return [statement for table in tables for statement in table.create(number)]


def _named(table: Table[Any], number: int) -> str:
    return f"CREATE VIEW {table.name} AS SELECT * FROM {table.name}_v{number}"  # noqa: S608 - names from our own code


def _one(cursor: Cursor[Any], where: str) -> Generation:
    found = cursor.execute((_SELECT + where).encode()).fetchone()
    if found is None:
        raise Unavailable("The database has no views yet: run `allot setup`.", code="NotSetUp")
    return Generation(*found)


_SELECT = "SELECT generation, position, definition FROM view_generations "
_TABLES_OF = (
    "SELECT relname FROM pg_class WHERE relkind = 'r' AND right(relname, %s) = %s AND "
    "relnamespace = current_schema()::regnamespace"
)
_VIEW_GENERATIONS = """CREATE TABLE view_generations (
    generation bigint PRIMARY KEY,
    position bigint NOT NULL,
    live boolean NOT NULL,
    definition text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
)"""
_FIRST = """INSERT INTO view_generations (generation, position, live, definition)
    VALUES ({number}, 0, true, '{definition}')"""
_HEADING = """-- The first generation of the views' tables, and the names under which they are read.
-- Written by `views.generations.initial_migration`; the next generations are made by `allot view rebuild`.

"""
