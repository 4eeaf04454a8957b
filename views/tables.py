"""The tables of the views, and their rows while a batch of events is folded.

A fold is written for one event: get a row, put the next one. A batch only decides how many events share the reads and
writes around it: the rows that its events name are loaded in one statement a table, folded in memory, and written
back in at most three (new ones, changed ones, deleted ones). So a fold gives the same rows whatever the size of the
batches, and a rebuild is as exact as it is fast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from types import NoneType
from typing import Any, NamedTuple, NewType, get_args, get_type_hints
from uuid import UUID

from psycopg import Connection, Cursor
from psycopg.sql import SQL, Composable, Composed, Identifier

Json = NewType("Json", str)
"""JSON as text, stored as jsonb."""

Key = tuple[Any, ...]

STATEMENTS_REMEMBERED_MAX = 200
"""Tables times generations whose statements are kept as text."""

# Amounts have one fixed scale, that of cost lines, so that equal amounts are equal as text. 42 digits before the point:
# the largest amount of a fact has 39, and a sum that did not fit would stop every view.
AMOUNT_TYPE = "numeric(60,18)"

_TYPES: dict[Any, str] = {
    int: "bigint",
    bool: "boolean",
    str: 'text COLLATE "C"',
    Decimal: AMOUNT_TYPE,
    date: "date",
    datetime: "timestamptz",
    UUID: "uuid",
    Json: "jsonb",
    list[str]: "text[]",
}


class Table[R: tuple[Any, ...]]:
    """A view's table: its columns are the fields of a NamedTuple, the first `key` of them its primary key."""

    def __init__(
        self, name: str, row: type[R], key: int, *, group: int | None = None, indexes: Sequence[str] = ()
    ) -> None:
        """`group`: how many of the key's columns are enough to load rows by; `indexes`: SQL after ON table."""
        self.name = name
        self.make: Callable[[Iterable[Any]], R] = row._make  # type: ignore[attr-defined]
        self.columns: tuple[str, ...] = row._fields  # type: ignore[attr-defined]
        self.types = tuple(_column_type(hint) for hint in get_type_hints(row).values())
        self.key = key
        self.group = group or key
        self.indexes = tuple(indexes)

    def named(self, generation: int) -> Identifier:
        return Identifier(f"{self.name}_v{generation}")

    def create(self, generation: int) -> list[str]:
        """The statements that create the table of a generation."""
        name = f"{self.name}_v{generation}"
        columns = [
            f"    {column} {kind}{'' if nullable else ' NOT NULL'}"
            for column, (kind, nullable) in zip(self.columns, self.types, strict=True)
        ]
        columns.append(f"    PRIMARY KEY ({', '.join(self.columns[: self.key])})")
        body = ",\n".join(columns)
        return [f"CREATE TABLE {name} (\n{body}\n)", *(f"CREATE INDEX ON {name} {index}" for index in self.indexes)]

    def arrays(self, columns: int | None = None) -> Composed:
        """`%s::text[], …`: rows as one array a column. A column of arrays travels as their texts."""
        kinds = [kind.removesuffix(' COLLATE "C"').removesuffix("[]") for kind, _ in self.types[:columns]]
        return SQL(", ").join(SQL("%s::" + kind + "[]") for kind in kinds)

    def literals(self, rows: Sequence[Key]) -> list[str]:
        """The parameters of `arrays`, for rows or the first columns of rows."""
        columns = zip(*rows, strict=True)
        return [_literal(column, kind) for column, (kind, _) in zip(columns, self.types, strict=False)]

    def column_list(self, columns: int | None = None) -> Composed:
        return SQL(", ").join(Identifier(column) for column in self.columns[:columns])

    def statements(self, generation: int) -> Statements:
        return _statements(self, generation)


class Statements(NamedTuple):
    """Of one table of one generation, with `arrays` as parameters: their text is made once and not for each batch."""

    select: bytes
    insert: bytes
    update: bytes
    delete: bytes


@lru_cache(STATEMENTS_REMEMBERED_MAX)
def _statements(table: Table[Any], generation: int) -> Statements:
    name, key, group = table.named(generation), table.key, table.group
    selected = SQL(", ").join(
        SQL("t.{}::text" if kind == "jsonb" else "t.{}").format(Identifier(column))
        for column, (kind, _) in zip(table.columns, table.types, strict=True)
    )
    select = SQL("SELECT {} FROM {} t JOIN unnest({}) AS k({}) USING ({})").format(
        selected, name, table.arrays(group), *[table.column_list(group)] * 2
    )
    inserted = SQL(", ").join(
        SQL("k.{}::text[]" if kind == "text[]" else "k.{}").format(Identifier(column))
        for column, (kind, _) in zip(table.columns, table.types, strict=True)
    )
    insert = SQL("INSERT INTO {} ({}) SELECT {} FROM unnest({}) AS k({})").format(
        name, table.column_list(), inserted, table.arrays(), table.column_list()
    )
    update = SQL("UPDATE {} t SET {} FROM unnest({}) AS k({}) WHERE {}").format(
        name, _assignments(table), table.arrays(), table.column_list(), _same_key(table)
    )
    delete = SQL("DELETE FROM {} t USING unnest({}) AS k({}) WHERE {}").format(
        name, table.arrays(key), table.column_list(key), _same_key(table)
    )
    return Statements(*(statement.as_bytes() for statement in (select, insert, update, delete)))


def _same_key(table: Table[Any]) -> Composable:
    columns = [Identifier(column) for column in table.columns[: table.key]]
    return SQL(" AND ").join(SQL("t.{} = k.{}").format(column, column) for column in columns)


def _assignments(table: Table[Any]) -> Composable:
    return SQL(", ").join(
        SQL("{} = k.{}::text[]" if kind == "text[]" else "{} = k.{}").format(*[Identifier(column)] * 2)
        for column, (kind, _) in zip(table.columns[table.key :], table.types[table.key :], strict=True)
    )


def _column_type(hint: Any) -> tuple[str, bool]:
    """The SQL type, and whether it may be null."""
    members = get_args(hint) if NoneType in get_args(hint) else (hint,)
    return next(_TYPES[member] for member in members if member is not NoneType), NoneType in members


class Rows[R: tuple[Any, ...]]:
    """The rows of one table that one batch needs: announced, loaded, folded, written."""

    def __init__(self, table: Table[R], generation: int) -> None:
        self.table = table
        self._statements = table.statements(generation)
        self._wanted: dict[Key, None] = {}
        self._loaded: set[Key] = set()
        self._stored: set[Key] = set()
        self._rows: dict[Key, R] = {}
        self._groups: dict[Key, dict[Key, None]] = {}
        self._changed: dict[Key, None] = {}

    def want(self, *group: Any) -> None:
        """Announces that the fold will ask for the rows of this key, or of this first part of it."""
        self._wanted[group] = None

    def ask(self, connection: Connection[Any]) -> Cursor[Any] | None:
        """Asks for what was announced and is not here yet; the answer is for `take`."""
        wanted = [group for group in self._wanted if group not in self._loaded]
        self._wanted.clear()
        if not wanted:
            return None
        self._loaded.update(wanted)
        return connection.execute(self._statements.select, self.table.literals(wanted))

    def take(self, answer: Cursor[Any]) -> None:
        make, key = self.table.make, self.table.key
        found = {row[:key]: row for row in map(make, answer.fetchall())}
        self._stored.update(found)
        self._rows.update(found)
        if self.table.group < key:
            for row_key in found:
                self._groups.setdefault(row_key[: self.table.group], {})[row_key] = None

    def get(self, *key: Any) -> R | None:
        self._check_loaded(key)
        return self._rows.get(key)

    def having(self, *group: Any) -> list[R]:
        """All rows whose key begins like this, in no order."""
        self._check_loaded(group)
        return [self._rows[key] for key in self._groups.get(group, ())]

    def put(self, row: R) -> None:
        key = row[: self.table.key]
        self._check_loaded(key)
        self._changed[key] = None
        self._set(row)

    def append(self, row: R) -> None:
        """A row whose key cannot be stored yet."""
        key = row[: self.table.key]
        self._changed[key] = None
        self._rows[key] = row

    def delete(self, *key: Any) -> None:
        self._check_loaded(key)
        if self._rows.pop(key, None) is not None:
            self._changed[key] = None
            self._groups.get(key[: self.table.group], {}).pop(key, None)

    def flush(self, cursor: Cursor[Any]) -> None:
        """Writes what changed since the last time."""
        rows, stored = self._rows, self._stored
        gone = [key for key in self._changed if key not in rows and key in stored]
        new = [rows[key] for key in self._changed if key in rows and key not in stored]
        moved = [rows[key] for key in self._changed if key in rows and key in stored]
        literals, statements = self.table.literals, self._statements
        if gone:
            cursor.execute(statements.delete, literals(gone))
        if moved:
            cursor.execute(statements.update, literals(moved))
        if new:
            cursor.execute(statements.insert, literals(new))
        self._stored.difference_update(gone)
        self._stored.update(row[: self.table.key] for row in new)
        self._changed.clear()

    def _set(self, row: R) -> None:
        key = row[: self.table.key]
        self._rows[key] = row
        if self.table.group < self.table.key:
            self._groups.setdefault(key[: self.table.group], {})[key] = None

    def _check_loaded(self, key: Key) -> None:
        # A row that was not asked for looks like one that does not exist, and the fold would go wrong in silence.
        if key[: self.table.group] not in self._loaded:
            raise LookupError(f"{self.table.name}: {key} was not announced before the fold")


def _literal(values: Sequence[Any], kind: str) -> str:
    """A column of that type as the text of an array. The driver makes the same one, but in several times the time."""
    if kind == "text[]":
        values = [None if value is None else _quoted(value) for value in values]
    elif not kind.startswith(("text", "jsonb")):  # nothing else has a character that would need quotes
        return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"
    return _quoted(values)


def _quoted(values: Sequence[Any]) -> str:
    """Of texts and nulls. Most columns have nothing to escape, which is seen by one look at all of them."""
    if values and None not in values:  # one empty text is not the same as none
        joined = '","'.join(values)
        if "\\" not in joined and joined.count('"') == 2 * (len(values) - 1):
            return '{"' + joined + '"}'
    return "{" + ",".join(["NULL" if value is None else _quote(value) for value in values]) + "}"


def _quote(text: str) -> str:
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    if '"' in text:
        text = text.replace('"', '\\"')
    return f'"{text}"'
