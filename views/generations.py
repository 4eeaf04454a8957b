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

FOLD_VERSION = 4
"""Raise it when a fold gives other rows than before: the views then want a rebuild, as for a new column."""
MIGRATED_GENERATION = 4
"""Generation that the newest migration of the views makes; each one makes the next, `0100_views.sql` the first."""
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


def migration() -> str:
    """The text of the newest migration of the views, `ledger/migrations/01nn_views.sql`."""
    statements = [
        *_create(MIGRATED_GENERATION, TABLES),
        *(_named(table, MIGRATED_GENERATION) for table in TABLES),
        _FIRST.format(number=MIGRATED_GENERATION, definition=definition()),
    ]
    body = ";\n\n".join(statements)
    return _HEADING + _ONLY_IF_UNUSED.format(before=MIGRATED_GENERATION - 1) + body + ";\n\nEND $$;\n"


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
_FIRST = """INSERT INTO view_generations (generation, position, live, definition)
    VALUES ({number}, 0, true, '{definition}')"""
_HEADING = """\
-- The tables of the views and the names under which they are read, for a database that has folded nothing yet.
-- One that is in use keeps what it shows until `allot view rebuild` makes its next generation.
-- Written by `views.generations.migration`.

"""
_ONLY_IF_UNUSED = """DO $$
DECLARE old_table text;
BEGIN

LOCK TABLE view_generations IN ACCESS EXCLUSIVE MODE;
IF (SELECT count(*) FROM view_generations WHERE generation = {before} AND position = 0) <> 1
    OR (SELECT count(*) FROM view_generations) <> 1 THEN
    RETURN;
END IF;

FOR old_table IN
    SELECT relname FROM pg_class
    WHERE relkind = 'r' AND relname ~ '_v{before}$' AND relnamespace = current_schema()::regnamespace
LOOP
    EXECUTE format('DROP TABLE %I CASCADE', old_table);
END LOOP;
DELETE FROM view_generations;

"""
