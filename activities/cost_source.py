"""The columns that a file of a report really has, by their names in our statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from activities.cost_columns import Column, ColumnError, ColumnTable, Kind, locate
from activities.cost_columns_cur import CUR_COLUMNS
from activities.cost_columns_focus import FOCUS_1_0_COLUMNS, FOCUS_1_2_COLUMNS
from domain.report_format import ReportFormat

TABLES: dict[ReportFormat, ColumnTable] = {
    ReportFormat.CUR: CUR_COLUMNS,
    ReportFormat.CUR_2: CUR_COLUMNS,
    ReportFormat.FOCUS_1_0: FOCUS_1_0_COLUMNS,
    ReportFormat.FOCUS_1_2: FOCUS_1_2_COLUMNS,
}

TEXT = "VARCHAR"
TEXT_MAP = "MAP(VARCHAR, VARCHAR)"


@dataclass(frozen=True, slots=True)
class Header:
    """Names and types of a file's columns; those of CSV are all text."""

    names: tuple[str, ...]
    types: tuple[str, ...]
    """As DuckDB calls them."""


@dataclass(frozen=True, slots=True)
class Tag:
    key: str
    place: int


@dataclass(frozen=True, slots=True)
class Source:
    """What is read of files that are alike."""

    report_format: ReportFormat
    places: dict[str, int]
    """Of the columns of the format's table that are there."""
    types: dict[str, str]
    """Of the same, as DuckDB calls them."""
    headers: dict[str, str]
    """Of the same, as the file spells them."""
    tag_map: int | None
    """The place of the column that has all tags, if there is one."""
    tags_are_map: bool
    """Else it is JSON text."""
    tags: tuple[Tag, ...]
    """Columns with one tag each."""
    report_columns: frozenset[str]
    """Columns that some file of the report has, so that what a line costs does not depend on the file it is in."""

    @property
    def table(self) -> ColumnTable:
        return TABLES[self.report_format]

    @property
    def columns(self) -> tuple[Column, ...]:
        return tuple(column for column in self.table.columns if column.name in self.places)


def find_source(report_format: ReportFormat, header: Header) -> Source:
    """Raises ColumnError where a required column is missing, one is there twice, or has a type that is of no use."""
    table = TABLES[report_format]
    _require_family(report_format, header.names)
    places = locate(table, header.names)
    types = {name: header.types[place] for name, place in places.items()}
    for column in table.columns:
        if column.name in types:
            _require_type(column, header.names[places[column.name]], types[column.name])
    lower = [name.strip().lower() for name in header.names]
    tag_map = next((place for place, name in enumerate(lower) if name == table.tag_map.lower()), None)
    if tag_map is not None and header.types[tag_map] not in (TEXT, TEXT_MAP):
        raise ColumnError(f"its column {header.names[tag_map]} is {header.types[tag_map]}, and not tags")
    tags_are_map = tag_map is not None and header.types[tag_map] == TEXT_MAP
    headers = {name: header.names[place].strip() for name, place in places.items()}
    return Source(report_format, places, types, headers, tag_map, tags_are_map, _tags(table, header), frozenset(places))


def _tags(table: ColumnTable, header: Header) -> tuple[Tag, ...]:
    """By key, and each key once: AWS's names of tags in Parquet may be the same for several of them."""
    found: dict[str, int] = {}
    for place, (name, type_) in enumerate(zip(header.names, header.types, strict=True)):
        if type_ == TEXT and (key := table.tag_of(name.strip())):
            found.setdefault(key, place)
    return tuple(Tag(key, place) for key, place in sorted(found.items()))


def _require_family(report_format: ReportFormat, names: Sequence[str]) -> None:
    """Where a file is plainly of another kind than its manifest says, that is said, and not which column is missing."""
    lower = {name.strip().lower() for name in names}
    is_focus = {"billedcost", "subaccountid"} <= lower
    is_cur = bool(lower & {"lineitem/usageaccountid", "line_item_usage_account_id"})
    if is_focus and not is_cur and not report_format.is_focus:
        raise ColumnError(f"it has the columns of FOCUS, and its manifest is one of {report_format}")
    if is_cur and not is_focus and report_format.is_focus:
        raise ColumnError(f"it has the columns of a Cost and Usage Report, and its manifest is one of {report_format}")


def _require_type(column: Column, name: str, type_: str) -> None:
    usable = {
        Kind.TEXT: is_text(type_),
        Kind.MONEY: is_text(type_) or is_float(type_) or is_exact(type_),
        Kind.TIME: is_text(type_) or type_.startswith("TIMESTAMP") or type_ == "DATE",
    }[column.kind]
    if not usable:
        raise ColumnError(f"its column {name} is {type_}, and not {column.kind}")


def is_text(type_: str) -> bool:
    return type_ == TEXT


def is_float(type_: str) -> bool:
    return type_ in ("DOUBLE", "FLOAT")


def is_exact(type_: str) -> bool:
    return type_.startswith("DECIMAL") or type_ in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
