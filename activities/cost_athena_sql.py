"""The statements that Athena runs over a report: the same groups as those of the local engine, in Trino's dialect.

Athena reads and adds up; what the groups are called, and whether their texts are sound, is decided here by the very
statements that the local engine applies to its own groups (`cost_grouping`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from activities.cost_checks import Check, checks_of
from activities.cost_columns import Kind
from activities.cost_footers import Footer
from activities.cost_grouping import METRICS, control_columns, grouped_control_sql, grouped_detail_sql
from activities.cost_money import TRUE_UP, UPFRONT
from activities.cost_source import Source, is_text
from activities.cost_trino import TRINO

PATHS_BYTES_MAX = 100_000
"""Of names of files in one query, which has 262,144 bytes at most."""
HIVE_TYPES = {
    "VARCHAR": "string",
    "DOUBLE": "double",
    "FLOAT": "float",
    "TINYINT": "tinyint",
    "SMALLINT": "smallint",
    "INTEGER": "int",
    "BIGINT": "bigint",
    "TIMESTAMP": "timestamp",
    "DATE": "date",
}
COUNTS = ("lines", "bad")

type Query = Callable[[int], str]
"""Given the number of the try."""


def is_readable(source: Source) -> bool:
    """Whether Athena reads such files as we do: texts as times it reads in another way, and some types not at all."""
    times = [source.types[column.name] for column in source.columns if column.kind is Kind.TIME]
    return not any(map(is_text, times)) and all(_hive_type(type_) for type_ in source.types.values())


def as_athena_has_it(source: Source, report_columns: frozenset[str]) -> Source:
    """Instants are times of UTC there; tags are not read, which would take a third reading."""
    types = {name: "TIMESTAMP" if type_.startswith("TIMESTAMP") else type_ for name, type_ in source.types.items()}
    return replace(source, types=types, tag_map=None, tags_are_map=False, tags=(), report_columns=report_columns)


def table_columns(source: Source) -> dict[str, str]:
    """Of a table with the columns that are read, by the types of Hive."""
    return {source.headers[name].lower(): _hive_type(type_) for name, type_ in source.types.items()}


def detail_query(table: str, source: Source, addresses: Sequence[str], prefix: str) -> str:
    """Puts the groups of the detail below a prefix, as Parquet, in exact decimals, each with its number of lines."""
    groups = grouped_detail_sql(raw_sql(table, source, addresses), source, TRINO, counted=True)
    return f"UNLOAD ({groups}) TO {_quoted(prefix)} WITH (format = 'PARQUET', compression = 'SNAPPY')"


def control_query(table: str, source: Source, addresses: Sequence[str]) -> str:
    """A query of `control_result` columns."""
    return grouped_control_sql(raw_sql(table, source, addresses), source, TRINO)


def control_result(source: Source) -> tuple[str, ...]:
    return (*control_columns(source, TRINO), *METRICS, UPFRONT, TRUE_UP, *COUNTS)


def explain_query(table: str, source: Source, addresses: Sequence[str]) -> str:
    """The first bad line: its part's address, the number of the check that failed, its name, the column's value."""
    checks = checks_of(source, TRINO)
    numbered = " ".join(f"WHEN NOT COALESCE({check.holds}, false) THEN {n}" for n, check in enumerate(checks))
    values = " ".join(f"WHEN {n} THEN CAST({check.column.name} AS VARCHAR)" for n, check in enumerate(checks))
    raw = raw_sql(table, source, addresses, with_part=True)
    return (
        f"SELECT part, problem, line_item, CASE problem {values} END AS value FROM (SELECT *, "  # noqa: S608 - ours
        f"CASE {numbered} END AS problem, {_line_item(source)} AS line_item FROM ({raw}) AS raw) AS checked "
        "WHERE problem IS NOT NULL LIMIT 1"
    )


EXPLAINED = ("part", "problem", "line_item", "value")


def checks(source: Source) -> tuple[Check, ...]:
    """By the numbers of `explain_query`."""
    return checks_of(source, TRINO)


def raw_sql(table: str, source: Source, addresses: Sequence[str], *, with_part: bool = False) -> str:
    """Lines of these files alone, whatever else lies in the table's folder."""
    selected = [f'"{source.headers[name].lower()}" AS {name}' for name in source.places]
    selected += ['"$path" AS part'] * with_part
    files = ", ".join(map(_quoted, addresses))
    return f'SELECT {", ".join(selected)} FROM {table} WHERE "$path" IN ({files})'  # noqa: S608 - quoted


def chunks(footers: Iterable[Footer]) -> list[list[Footer]]:
    """In their order, as many together as one query has room to name."""
    found: list[list[Footer]] = []
    taken = PATHS_BYTES_MAX
    for footer in footers:
        size = len(footer.part.pin.address.encode()) + len("'', ")
        if taken + size > PATHS_BYTES_MAX:
            found.append([])
            taken = 0
        found[-1].append(footer)
        taken += size
    return found


def _line_item(source: Source) -> str:
    if source.report_format.is_focus:
        names = [name for name in ("ResourceId", "ServiceName", "ChargePeriodStart") if name in source.places]
        return f"concat_ws(' ', {', '.join(f'CAST({name} AS VARCHAR)' for name in names)})"
    return "identity_line_item_id" if "identity_line_item_id" in source.places else "CAST(NULL AS VARCHAR)"


def _hive_type(type_: str) -> str:
    return type_.lower() if type_.startswith("DECIMAL") else HIVE_TYPES.get(type_.removesuffix(" WITH TIME ZONE"), "")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
