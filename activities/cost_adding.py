"""Batches of parts, added to the tables `detail` and `control` of an engine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import duckdb

from activities.cost_damage import damaged
from activities.cost_grouping import (
    CONTROL_COLUMNS,
    DETAIL_COLUMNS,
    TAGS_COLUMNS,
    Kinds,
    all_sql,
    control_sql,
    detail_sql,
    has_tags,
    named_control_sql,
    named_detail_sql,
    named_tags_sql,
    tags_sql,
)
from activities.cost_lines import Part, count_lines, explain
from activities.cost_readers import Readable, container_of, not_parquet, readable
from activities.cost_source import Source
from domain.report_format import ReportFormat

_MONEY = "DECIMAL(38, 12)"
_TABLES = f"""
CREATE TABLE detail (
    account VARCHAR, service VARCHAR, charge_type VARCHAR, resource_id VARCHAR, principal VARCHAR, usage_type VARCHAR,
    operation VARCHAR, day DATE,
    unblended {_MONEY}, amortized {_MONEY}, net_unblended {_MONEY}, net_amortized {_MONEY}, is_bad BOOLEAN
);
CREATE TABLE control (
    charge_type VARCHAR, raw_type VARCHAR, payer VARCHAR, currency VARCHAR, billing_entity VARCHAR, bill_type VARCHAR,
    has_invoice BOOLEAN, invoice_id VARCHAR, is_split BOOLEAN,
    unblended {_MONEY}, amortized {_MONEY}, net_unblended {_MONEY}, net_amortized {_MONEY},
    upfront {_MONEY}, true_up {_MONEY}, lines BIGINT, bad BIGINT
);
CREATE TABLE tags (account VARCHAR, resource VARCHAR, tags VARCHAR, last_day DATE);
"""
_INTO_DETAIL = f"INSERT INTO detail ({', '.join((*DETAIL_COLUMNS, 'is_bad'))}) "
_INTO_CONTROL = f"INSERT INTO control ({', '.join(CONTROL_COLUMNS)}) "
_INTO_TAGS = f"INSERT INTO tags ({', '.join(TAGS_COLUMNS)}) "
_GROUPED = "SELECT * FROM grouped WHERE kind = '{}'"
_SAYS_LITTLE = (duckdb.InvalidInputException, duckdb.OutOfRangeException, duckdb.ConversionException)
"""What DuckDB says where the values of a report, taken together, are too much for it."""


class Adding:
    """Adds batches up, each in a transaction of its own."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, report_format: ReportFormat, columns: Iterable[str] = ()
    ) -> None:
        """`columns` are those of the whole report, which a batch of its parts may lack."""
        self._connection = connection
        self._format = report_format
        self._columns = tuple(columns)
        connection.execute(_TABLES)

    def add(self, batch: Sequence[Part]) -> None:
        """Raises DamagedReport, naming the part, for what cannot be read, and for the first line that is bad."""
        try:
            self._add(batch, parallel=True)
        except duckdb.NotImplementedException:  # line breaks within texts; see lines_sql
            before = self._lines()
            self._add(batch, parallel=False)
            read = self._lines() - before
            if read != (there := sum(count_lines(part) for part in batch)):
                raise damaged(f"Of {there:,} lines of the report only {read:,} could be read", "BadPart") from None

    def _add(self, batch: Sequence[Part], *, parallel: bool) -> None:
        self._connection.begin()
        try:
            for each in readable(batch, self._format, parallel=parallel, columns=self._columns):
                self._add_alike(each)
            self._connection.commit()
        except duckdb.NotImplementedException:
            self._connection.rollback()
            if not parallel or container_of(batch[0]) == "parquet":
                explain(self._connection, batch, self._format, parallel=parallel)
            raise
        except (duckdb.OutOfMemoryException, duckdb.InterruptException):
            raise
        except duckdb.Error as error:  # damaged Parquet raises nearly any of them
            self._connection.rollback()
            explain(self._connection, batch, self._format, parallel=parallel)
            if container_of(batch[0]) == "parquet":
                self._find_damaged(batch)
            if not isinstance(error, _SAYS_LITTLE):
                raise
            first_line = str(error).partition("\n")[0]
            raise damaged(f"The report cannot be added up ({first_line})", "BadPart") from None
        if self.has_bad():
            explain(self._connection, batch, self._format, parallel=parallel)
            raise AssertionError("a line was counted as bad, but none was found")

    def _find_damaged(self, batch: Sequence[Part]) -> None:
        """Raises DamagedReport for the first part with a column that cannot be read; `explain` looks at no tags."""
        for part in batch:
            for each in readable([part], self._format, parallel=True):
                try:
                    self._connection.execute(f"SELECT count(hash(line)) FROM ({each.raw}) AS line")  # noqa: S608 - ours
                except duckdb.OutOfMemoryException:
                    raise
                except duckdb.Error:
                    raise not_parquet(part) from None

    def _add_alike(self, each: Readable) -> None:
        execute, raw, source = self._connection.execute, each.raw, each.source
        if container_of(each.parts[0]) == "parquet":  # read for each kind, as only what that needs is read
            execute(_INTO_DETAIL + detail_sql(raw, source))
            execute(_INTO_CONTROL + control_sql(raw, source))
            if has_tags(source):
                execute(_INTO_TAGS + tags_sql(raw, source))
            return
        execute(f"CREATE OR REPLACE TABLE grouped AS {all_sql(raw, source)}")
        self.add_detail(_GROUPED.format(Kinds.DETAIL), source)
        self.add_control(_GROUPED.format(Kinds.CONTROL), source)
        if has_tags(source):
            execute(_INTO_TAGS + named_tags_sql(_GROUPED.format(Kinds.TAGS), source))
        execute("DROP TABLE grouped")

    def add_detail(self, groups: str, source: Source) -> None:
        """A query of groups that were made before, maybe by another engine; see `cost_grouping`."""
        self._connection.execute(_INTO_DETAIL + named_detail_sql(groups, source))

    def add_control(self, groups: str, source: Source) -> None:
        """The same for the control totals."""
        self._connection.execute(_INTO_CONTROL + named_control_sql(groups, source))

    def has_bad(self) -> bool:
        """Whether some line is bad."""
        return bool(
            self._one("SELECT (SELECT coalesce(sum(bad), 0) FROM control) + (SELECT count(*) FROM detail WHERE is_bad)")
        )

    def _lines(self) -> int:
        return int(self._one("SELECT coalesce(sum(lines), 0) FROM control"))

    def _one(self, query: str) -> Any:
        ((value,),) = self._connection.execute(query).fetchall()
        return value
