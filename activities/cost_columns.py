"""Which columns of a cost report are read, and under which names each format has them.

A column is known by the name that AWS gives it in SQL (Athena, CUR 2.0) or that the FOCUS specification gives it. The
tables themselves are in `cost_columns_cur` and `cost_columns_focus`; `docs/cost-formats.md` is written from them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property


class Kind(StrEnum):
    """What a column holds."""

    TEXT = "text"
    MONEY = "money"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Column:
    """One column that is read."""

    name: str
    """In our statements, and in Parquet; compared in any case."""
    csv: str
    """In the header of a CSV file, as messages show it; compared in any case."""
    kind: Kind
    required: bool
    use: str
    """For what it is read and, for one that may be absent, what is taken instead."""

    @property
    def names(self) -> tuple[str, ...]:
        """In lower case. Either is taken in either kind of file: exports have the names of SQL in CSV, too."""
        return tuple(dict.fromkeys((self.csv.lower(), self.name.lower())))


@dataclass(frozen=True)
class ColumnTable:
    """All columns that are read of a format, and how its tags are found."""

    columns: tuple[Column, ...]
    tag_map: str
    """A column with all tags of a line: a map in Parquet, JSON text in CSV. Empty where the format has none."""
    tag_prefixes: tuple[str, ...]
    """Beginnings of columns with one tag each, in lower case."""

    @cached_property
    def by_name(self) -> dict[str, Column]:
        """By each of its names in lower case."""
        return {name: column for column in self.columns for name in column.names}

    @property
    def required(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.required)

    def tag_of(self, header: str) -> str | None:
        """The key of the tag that a column holds; None for any other column."""
        lower = header.lower()
        return next((tag_key(header[len(each) :]) for each in self.tag_prefixes if lower.startswith(each)), None)


class ColumnError(Exception):
    """A column is missing or there twice; says which in its message."""


def locate(table: ColumnTable, headers: Sequence[str], spelled: Sequence[str] = ()) -> dict[str, int]:
    """The places of the columns of a table, by their names.

    Raises ColumnError, which spells names as `spelled` does.
    """
    places: dict[str, list[int]] = {}
    for place, header in enumerate(headers):
        if column := table.by_name.get(header.strip().lower()):
            places.setdefault(column.name, []).append(place)
    for column in table.columns:
        found = len(places.get(column.name, ()))
        shown_name = shown_as(column, spelled or headers)
        if found > 1:
            raise ColumnError(f"there are {found} columns {shown_name}")
        if not found and column.required:
            raise ColumnError(f"there is no column {shown_name}")
    return {name: found[0] for name, found in places.items()}


def shown_as(column: Column, headers: Iterable[str]) -> str:
    """The column's name as this report would spell it: with a slash, unless its own names are those of SQL."""
    return column.name if any("line_item_" in header.lower() for header in headers) else column.csv


def sql_name(category: str, name: str) -> str:
    """A name as AWS writes it for Athena and Parquet: `lineItem/UsageAccountId` becomes line_item_usage_account_id.

    An underscore before each capital, lower case, an underscore for anything that is no letter or digit, none doubled,
    leading or trailing.
    """
    spaced = re.sub(r"([A-Z])", r"_\1", f"{category}/{name}" if category else name).lower()
    return re.sub(r"_+", "_", re.sub(r"[^a-z0-9]", "_", spaced)).strip("_")


def tag_key(key: str) -> str:
    """A tag's key as people know it: those of users come with a prefix, which differs between the formats."""
    for prefix in ("user:", "user_"):
        if key.lower().startswith(prefix):
            return key[len(prefix) :]
    return key
