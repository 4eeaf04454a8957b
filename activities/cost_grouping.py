"""Lines grouped as the report has them, and given their canonical names afterwards.

The canonical line (`cost_canonical`) says what a line is by conditions on its texts. A report has millions of lines and
few different texts, and an engine reads each text of a Parquet file once: so lines are grouped by the report's own
columns, and the conditions, and the checks of texts, are applied to the groups. Only what a line costs is computed, and
checked, line by line. The result is the same, in half the time.

    detail      account × service × charge type × resource × usage type × operation × day: what is kept
    control     charge type × payer × currency × kind of bill × invoice: what the report adds up to, apart from it

Both are queries over `raw`, a query of the report's values under the names of the column tables (`cost_readers`), and
are the same for every engine with a dialect.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from activities.cost_canonical import line_expressions
from activities.cost_checks import Check, checks_of, date_sql, money_sql
from activities.cost_columns import Column, Kind
from activities.cost_dialect import COST_TYPE, DUCKDB, Dialect
from activities.cost_money import TRUE_UP, UPFRONT
from activities.cost_source import Source, is_float
from domain.cost_metric import CostMetric
from domain.resource_key import RESOURCE_KEY_SQL

METRICS = tuple(metric.value for metric in CostMetric)
DETAIL_KEYS = ("account", "service", "charge_type", "day", "resource_id", "principal", "usage_type", "operation")
CONTROL_KEYS = (
    "charge_type",
    "raw_type",
    "payer",
    "currency",
    "billing_entity",
    "bill_type",
    "has_invoice",
    "invoice_id",
)
SPLIT = "is_split"
DETAIL_COLUMNS = (
    *("account", "service", "charge_type", "resource", "resource_id", "usage_type", "operation", "day"),
    *METRICS,
)
CONTROL_COLUMNS = (*CONTROL_KEYS, SPLIT, *METRICS, UPFRONT, TRUE_UP, "lines", "bad")


def detail_sql(raw: str, source: Source, dialect: Dialect = DUCKDB) -> str:
    """A query of DETAIL_COLUMNS and `is_bad`: nearly one row for each key (texts that differ in blanks become one)."""
    return named_detail_sql(grouped_detail_sql(raw, source, dialect), source, dialect)


def control_sql(raw: str, source: Source, dialect: Dialect = DUCKDB) -> str:
    """A query of CONTROL_COLUMNS."""
    return named_control_sql(grouped_control_sql(raw, source, dialect), source, dialect)


def grouped_detail_sql(raw: str, source: Source, dialect: Dialect = DUCKDB) -> str:
    """Groups of lines, to be named by `named_detail_sql`, maybe by another engine."""
    columns = _raw_columns(DETAIL_KEYS, source, dialect)
    return _grouped(raw, source, dialect, columns, _sums(source, dialect))


def grouped_control_sql(raw: str, source: Source, dialect: Dialect = DUCKDB) -> str:
    """The same for `named_control_sql`."""
    sums = f"{_sums(source, dialect)}, {_counts(source, dialect)}"
    return _grouped(raw, source, dialect, control_columns(source, dialect), sums)


def control_columns(source: Source, dialect: Dialect = DUCKDB) -> list[str]:
    """By which `grouped_control_sql` groups: texts, and `is_split`."""
    return _raw_columns(CONTROL_KEYS, source, dialect)


def both_sql(raw: str, source: Source, dialect: Dialect = DUCKDB) -> str:
    """Groups of both kinds in one reading, for files that are dear to read; `is_detail` tells them apart.

    They are named by `named_detail_sql` and `named_control_sql`.
    """
    detail, control = (_raw_columns(keys, source, dialect) for keys in (DETAIL_KEYS, CONTROL_KEYS))
    columns = list(dict.fromkeys((*detail, *control)))
    (account,) = _named_in(_lines(source, dialect)["account"], source)
    return (
        f"SELECT {', '.join(columns)}, grouping({account.name}) = 0 AS is_detail, "  # noqa: S608 - ours
        f"{_sums(source, dialect)}, {_counts(source, dialect)} FROM ({_figures(raw, source, dialect)}) AS figures "
        f"GROUP BY GROUPING SETS (({', '.join(detail)}), ({', '.join(control)}))"
    )


def named_detail_sql(grouped: str, source: Source, dialect: Dialect = DUCKDB) -> str:
    named = _named(grouped, source, dialect, DETAIL_KEYS, METRICS)
    return (
        f"SELECT account, service, charge_type, {RESOURCE_KEY_SQL} AS resource, resource_id, usage_type, operation, "  # noqa: S608 - ours
        f"day, {', '.join(METRICS)}, is_bad FROM ({named}) AS named WHERE is_bad OR NOT {SPLIT}"
    )


def named_control_sql(grouped: str, source: Source, dialect: Dialect = DUCKDB) -> str:
    figures = (*METRICS, UPFRONT, TRUE_UP, "lines", "bad")
    named = _named(grouped, source, dialect, CONTROL_KEYS, figures)
    kept = ", ".join((*CONTROL_KEYS, SPLIT, *METRICS, UPFRONT, TRUE_UP, "lines"))
    return f"SELECT {kept}, CASE WHEN is_bad THEN lines ELSE bad END AS bad FROM ({named}) AS named"  # noqa: S608 - ours


def _lines(source: Source, dialect: Dialect) -> dict[str, str]:
    return line_expressions(source, dialect)


def _raw_columns(keys: Iterable[str], source: Source, dialect: Dialect) -> list[str]:
    """The report's columns that decide about some canonical ones."""
    lines = _lines(source, dialect)
    found = [column for key in keys for column in _named_in(lines[key], source) if column.name in source.places]
    return [*dict.fromkeys(column.name for column in found), SPLIT]


def _named_in(expression: str, source: Source) -> list[Column]:
    return [column for column in source.table.columns if re.search(rf"\b{column.name}\b", expression)]


def _figures(raw: str, source: Source, dialect: Dialect) -> str:
    """Line by line: money as decimals, times as dates, texts as they are."""
    selected = []
    for column in source.table.columns:
        name, there = column.name, column.name in source.places
        if column.kind is Kind.MONEY:
            value = money_sql(name, source.types[name], dialect) if there else f"CAST(NULL AS {COST_TYPE})"
        elif column.kind is Kind.TIME:
            value = date_sql(name, source.types[name], dialect)
        else:
            value = name if there else "''"
        selected.append(f"{value} AS {name}")
    split = f"COALESCE({_lines(source, dialect)[SPLIT]}, false) AS {SPLIT}"
    return f"SELECT {', '.join(selected)}, {split}, {_is_bad_line(source, dialect)} AS is_bad FROM ({raw}) AS raw"  # noqa: S608 - ours


def _is_bad_line(source: Source, dialect: Dialect) -> str:
    """What is not seen of the groups any more: whether a figure was one."""
    kept = {*_raw_columns(DETAIL_KEYS, source, dialect), *_raw_columns(CONTROL_KEYS, source, dialect)}
    bad = []
    for column in source.columns:
        name = column.name
        if column.kind is Kind.MONEY and is_float(source.types[name]):
            # Short for all checks of a number in floating point: what is none, or too large, becomes no decimal.
            no_decimal = f"({dialect.is_nan(name)} OR {money_sql(name, source.types[name], dialect)} IS NULL)"
            bad.append(no_decimal if column.required else f"({name} IS NOT NULL AND {no_decimal})")
        elif column.kind is not Kind.TEXT or name not in kept:
            bad += [_fails(check) for check in checks_of(source, dialect) if check.column == column]
    return " OR ".join(bad) or "false"


def _fails(check: Check) -> str:
    return f"NOT COALESCE({check.holds}, false)"  # Trino has no IS NOT TRUE


def _sums(source: Source, dialect: Dialect) -> str:
    lines = _lines(source, dialect)
    return ", ".join(f"sum({lines[metric]}) AS {metric}" for metric in METRICS)


def _counts(source: Source, dialect: Dialect) -> str:
    lines = _lines(source, dialect)
    sums = ", ".join(f"sum({lines[name]}) AS {name}" for name in (UPFRONT, TRUE_UP))
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
    fails = [_fails(check) for check in checks_of(source, dialect) if check.column.name in texts.intersection(columns)]
    inner.append(f"{' OR '.join(fails) or 'false'} AS is_bad")
    outer = ", ".join(f"{lines[key]} AS {key}" for key in keys)
    return (
        f"SELECT {outer}, {SPLIT}, {', '.join(figures)}, is_bad FROM "  # noqa: S608 - ours
        f"(SELECT {', '.join((*inner, *figures))} FROM ({grouped}) AS grouped) AS filled"
    )


def _is_absent_text(column: Column, source: Source) -> bool:
    return column.kind is Kind.TEXT and column.name not in source.places
