"""Lines grouped as the report has them, and given their canonical names afterwards.

The canonical line (`cost_canonical`) says what a line is by conditions on its texts. A report has millions of lines and
few different texts, and an engine reads each text of a Parquet file once: so lines are grouped by the report's own
columns, and the conditions, and the checks of texts, are applied to the groups. Only what a line costs is computed, and
checked, line by line. The result is the same, in half the time.

    detail      account × service × charge type × resource × usage type × operation × day: what is kept
    control     charge type × payer × currency × kind of bill × invoice: what the report adds up to, apart from it
    tags        account × resource × tags: and the last day on which a resource had them

All are queries over `raw`, a query of the report's values under the names of the column tables (`cost_readers`), and
are the same for every engine with a dialect.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum

from activities.cost_canonical import SPLIT_PARENT, line_expressions, tags_text
from activities.cost_checks import Check, checks_of, date_sql, money_sql
from activities.cost_columns import Column, Kind
from activities.cost_dialect import COST_TYPE, DUCKDB, Dialect
from activities.cost_money import TRUE_UP, UPFRONT
from activities.cost_source import Source, is_float
from domain.cost_metric import COST_SCALE, CostMetric
from domain.money import AMOUNT_DIGITS_MAX

METRICS = tuple(metric.value for metric in CostMetric)
SPLIT = "is_split"
DETAIL_KEYS = (
    *("account", "service", "charge_type", "day", "resource_id", "principal", "usage_type", "operation"),
    SPLIT,
)
CONTROL_KEYS = (
    "charge_type",
    "raw_type",
    "payer",
    "currency",
    "billing_entity",
    "bill_type",
    "has_invoice",
    "invoice_id",
    SPLIT,
)
FLOAT_LIMIT = f"1e{AMOUNT_DIGITS_MAX - COST_SCALE}"
"""A double becomes a DECIMAL(38, 12) exactly if it is smaller; 10^26 is a double itself."""


class Kinds(StrEnum):
    """Of groups."""

    DETAIL = "detail"
    CONTROL = "control"
    TAGS = "tags"


DETAIL_COLUMNS = (
    *("account", "service", "charge_type", "resource_id", "principal", "usage_type", "operation", "day"),
    *METRICS,
)
TAGS_COLUMNS = ("account", "resource", "tags", "last_day")
CONTROL_COLUMNS = (*CONTROL_KEYS, *METRICS, UPFRONT, TRUE_UP, "lines", "bad")


def detail_sql(raw: str, source: Source, dialect: Dialect = DUCKDB) -> str:
    """A query of DETAIL_COLUMNS and `is_bad`: nearly one row for each key (texts that differ in blanks become one)."""
    return named_detail_sql(grouped_detail_sql(raw, source, dialect), source, dialect)


def control_sql(raw: str, source: Source, dialect: Dialect = DUCKDB) -> str:
    """A query of CONTROL_COLUMNS."""
    return named_control_sql(grouped_control_sql(raw, source, dialect), source, dialect)


def grouped_detail_sql(raw: str, source: Source, dialect: Dialect = DUCKDB, *, counted: bool = False) -> str:
    """Groups of lines, to be named by `named_detail_sql`, maybe by another engine; with their number, if asked for."""
    columns, sums = _raw_columns(DETAIL_KEYS, source, dialect), _sums(source, dialect)
    return _grouped(raw, source, dialect, columns, f"{sums}, count(*) AS lines" if counted else sums)


def grouped_control_sql(raw: str, source: Source, dialect: Dialect = DUCKDB) -> str:
    """The same for `named_control_sql`."""
    sums = f"{_sums(source, dialect)}, {_counts(source, dialect)}"
    return _grouped(raw, source, dialect, control_columns(source, dialect), sums)


def control_columns(source: Source, dialect: Dialect = DUCKDB) -> list[str]:
    """By which `grouped_control_sql` groups: texts, and `is_split`."""
    return _raw_columns(CONTROL_KEYS, source, dialect)


def tags_sql(raw: str, source: Source, dialect: Dialect = DUCKDB) -> str:
    """A query of TAGS_COLUMNS, for a source that `has_tags`."""
    columns, day = _tag_columns(source, dialect), _raw_columns(("day",), source, dialect)[0]
    figures = _figures(raw, source, dialect)
    keys = ", ".join(columns)
    grouped = f"SELECT {keys}, max({day}) AS last_day FROM ({figures}) AS figures GROUP BY {keys}"  # noqa: S608 - ours
    return named_tags_sql(grouped, source, dialect)


def has_tags(source: Source) -> bool:
    """Whether the report has resources, and says more of them than what they cost."""
    has_resources = bool(_raw_columns(("resource_id",), source, DUCKDB))
    return has_resources and (bool(source.tags) or source.tag_map is not None)


def all_sql(raw: str, source: Source, dialect: Dialect = DUCKDB) -> str:
    """Groups of all kinds in one reading, for files that are dear to read; `kind` tells them apart.

    They are named by `named_detail_sql`, `named_control_sql` and `named_tags_sql`.
    """
    sets = {
        Kinds.DETAIL: _raw_columns(DETAIL_KEYS, source, dialect),
        Kinds.CONTROL: _raw_columns(CONTROL_KEYS, source, dialect),
    }
    if has_tags(source):
        sets[Kinds.TAGS] = _tag_columns(source, dialect)
    columns = list(dict.fromkeys(column for keys in sets.values() for column in keys))
    account, day = (_raw_columns((key,), source, dialect)[0] for key in ("account", "day"))
    kind = (
        f"CASE WHEN grouping({account}) = 1 THEN '{Kinds.CONTROL}' WHEN grouping({day}) = 1 THEN '{Kinds.TAGS}' "
        f"ELSE '{Kinds.DETAIL}' END AS kind"
    )
    return (
        f"SELECT {', '.join(columns)}, {kind}, max({day}) AS last_day, "  # noqa: S608 - ours
        f"{_sums(source, dialect)}, {_counts(source, dialect)} FROM ({_figures(raw, source, dialect)}) AS figures "
        f"GROUP BY GROUPING SETS ({', '.join(f'({", ".join(keys)})' for keys in sets.values())})"
    )


def named_detail_sql(grouped: str, source: Source, dialect: Dialect = DUCKDB) -> str:
    named = _named(grouped, source, dialect, DETAIL_KEYS, METRICS)
    columns = ", ".join(DETAIL_COLUMNS)
    return f"SELECT {columns}, is_bad FROM ({named}) AS named WHERE is_bad OR NOT {SPLIT}"  # noqa: S608 - ours


def named_control_sql(grouped: str, source: Source, dialect: Dialect = DUCKDB) -> str:
    figures = (*METRICS, UPFRONT, TRUE_UP, "lines", "bad")
    named = _named(grouped, source, dialect, CONTROL_KEYS, figures)
    kept = ", ".join((*CONTROL_KEYS, *METRICS, UPFRONT, TRUE_UP, "lines"))
    return f"SELECT {kept}, CASE WHEN is_bad THEN lines ELSE bad END AS bad FROM ({named}) AS named"  # noqa: S608 - ours


def named_tags_sql(grouped: str, source: Source, dialect: Dialect = DUCKDB) -> str:
    """Of resources that have an id: what has none has no tags of its own."""
    lines = _lines(source, dialect)
    names = f"{lines['account']} AS account, {lines['resource_id']} AS resource, {tags_text(source, dialect)} AS tags"
    return f"SELECT {names}, last_day FROM ({grouped}) AS grouped WHERE {lines['resource_id']} <> ''"  # noqa: S608 - ours


def _tag_columns(source: Source, dialect: Dialect) -> list[str]:
    tags = [f"tag_{number}" for number in range(len(source.tags))] + ["tag_map"] * (source.tag_map is not None)
    return [*_raw_columns(("account", "resource_id"), source, dialect), *tags]


def _lines(source: Source, dialect: Dialect) -> dict[str, str]:
    return line_expressions(source, dialect)


def _raw_columns(keys: Sequence[str], source: Source, dialect: Dialect) -> list[str]:
    """The report's columns that decide about some canonical ones; `is_split` may be one itself."""
    lines = _lines(source, dialect)
    computed = (SPLIT,) if SPLIT in keys and _split_is_computed(source) else ()
    decide = [key for key in keys if key not in computed]
    found = [column for key in decide for column in _named_in(lines[key], source) if column.name in source.places]
    return [*dict.fromkeys(column.name for column in found), *computed]


def _split_is_computed(source: Source) -> bool:
    """Line by line, where it is told by the id of another resource: to group by that would take the groups apart."""
    return SPLIT_PARENT in source.places


def _named_in(expression: str, source: Source) -> list[Column]:
    return [column for column in source.table.columns if re.search(rf"\b{column.name}\b", expression)]


def _figures(raw: str, source: Source, dialect: Dialect) -> str:
    """Line by line: what must be there as a decimal or date, the rest as it is."""
    selected = []
    for column in source.table.columns:
        name = column.name
        if column.kind is Kind.TIME:
            selected.append(f"{date_sql(name, source.types[name], dialect)} AS {name}")
        elif column.kind is Kind.MONEY and column.required:
            selected.append(f"{money_sql(name, source.types[name], dialect)} AS {name}")
        elif name in source.places:
            selected.append(name)
        elif column.kind is Kind.TEXT:
            selected.append(f"'' AS {name}")
    selected += [f"tag_{number}" for number in range(len(source.tags))] + ["tag_map"] * (source.tag_map is not None)
    if _split_is_computed(source):
        selected.append(f"COALESCE({_lines(source, dialect)[SPLIT]}, false) AS {SPLIT}")
    return f"SELECT {', '.join(selected)}, {_is_bad_line(source, dialect)} AS is_bad FROM ({raw}) AS raw"  # noqa: S608 - ours


def _money(expression: str, source: Source, dialect: Dialect) -> str:
    """Over figures. Money that few lines have becomes decimal within the CASE of those lines, which spares the rest."""
    for column in _named_in(expression, source):
        if column.kind is Kind.MONEY and not column.required:
            there = column.name in source.places
            value = (
                money_sql(column.name, source.types[column.name], dialect) if there else f"CAST(NULL AS {COST_TYPE})"
            )
            expression = re.sub(rf"\b{column.name}\b", f"({value})".replace("\\", r"\\"), expression)
    return expression


def _is_bad_line(source: Source, dialect: Dialect) -> str:
    """What is not seen of the groups any more: whether a figure was one."""
    kept = {*_raw_columns(DETAIL_KEYS, source, dialect), *_raw_columns(CONTROL_KEYS, source, dialect)}
    bad = []
    for column in source.columns:
        name = column.name
        if column.kind is Kind.MONEY and is_float(source.types[name]):
            # Short for all checks of a number in floating point. NaN is greater than any number.
            fits = f"abs({name}) < {FLOAT_LIMIT}"
            bad.append(f"NOT COALESCE({fits}, false)" if column.required else f"NOT ({fits})")
        elif column.kind is not Kind.TEXT or name not in kept:
            bad += [_fails(check) for check in checks_of(source, dialect) if check.column == column]
    return " OR ".join(bad) or "false"


def _fails(check: Check) -> str:
    return f"NOT COALESCE({check.holds}, false)"  # Trino has no IS NOT TRUE


def _sums(source: Source, dialect: Dialect) -> str:
    lines = _lines(source, dialect)
    return ", ".join(f"sum({_money(lines[metric], source, dialect)}) AS {metric}" for metric in METRICS)


def _counts(source: Source, dialect: Dialect) -> str:
    lines = _lines(source, dialect)
    sums = ", ".join(f"sum({_money(lines[name], source, dialect)}) AS {name}" for name in (UPFRONT, TRUE_UP))
    return f"{sums}, count(*) AS lines, count(*) FILTER (WHERE is_bad) AS bad"


def _grouped(raw: str, source: Source, dialect: Dialect, columns: Sequence[str], sums: str) -> str:
    keys = ", ".join(columns)
    return f"SELECT {keys}, {sums} FROM ({_figures(raw, source, dialect)}) AS figures GROUP BY {keys}"  # noqa: S608 - ours


def _named(grouped: str, source: Source, dialect: Dialect, keys: Sequence[str], figures: Sequence[str]) -> str:
    """The canonical columns of groups, and whether their texts are bad."""
    lines = _lines(source, dialect)
    columns = _raw_columns(keys, source, dialect)
    texts = {column.name for column in source.columns if column.kind is Kind.TEXT}
    inner = [f"COALESCE({name}, '') AS {name}" if name in texts else name for name in columns]
    inner += [f"'' AS {column.name}" for column in source.table.columns if _is_absent_text(column, source)]
    checked = texts.intersection(columns)
    if keys != CONTROL_KEYS:  # texts that decide about both are checked in the fewer groups
        checked = checked.difference(_raw_columns(CONTROL_KEYS, source, dialect))
    fails = [_fails(check) for check in checks_of(source, dialect) if check.column.name in checked]
    inner.append(f"{' OR '.join(fails) or 'false'} AS is_bad")
    computed = (SPLIT,) if _split_is_computed(source) else ()
    outer = [f"{key if key in computed else lines[key]} AS {key}" for key in keys]
    return (
        f"SELECT {', '.join((*outer, *figures))}, is_bad FROM "  # noqa: S608 - ours
        f"(SELECT {', '.join((*inner, *figures))} FROM ({grouped}) AS grouped) AS filled"
    )


def _is_absent_text(column: Column, source: Source) -> bool:
    return column.kind is Kind.TEXT and column.name not in source.places
