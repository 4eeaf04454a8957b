"""Batches of parts, added to the tables `detail` and `control` of an engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import duckdb

from activities.contracts import Progress
from activities.cost_damage import damaged
from activities.cost_files import Report
from activities.cost_grouping import (
    CONTROL_COLUMNS,
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
from activities.cost_lines import Part, count_lines, explain, explain_overflow, unreadable
from activities.cost_readers import Readable, container_of, not_parquet, readable
from activities.cost_source import Source
from activities.cost_stream import streamed
from activities.cost_unpack import unpack
from domain.report_format import ReportFormat

_MONEY = "DECIMAL(38, 12)"
_TABLES = f"""
CREATE TABLE control (
    charge_type VARCHAR, raw_type VARCHAR, payer VARCHAR, currency VARCHAR, billing_entity VARCHAR, bill_type VARCHAR,
    has_invoice BOOLEAN, invoice_id VARCHAR, is_split BOOLEAN,
    unblended {_MONEY}, amortized {_MONEY}, net_unblended {_MONEY}, net_amortized {_MONEY},
    upfront {_MONEY}, true_up {_MONEY}, lines BIGINT, bad BIGINT
);
CREATE TABLE tags (account VARCHAR, resource VARCHAR, tags VARCHAR, last_day DATE);
"""
_NO_DETAIL = f"""
CREATE TABLE detail (
    account VARCHAR, service VARCHAR, charge_type VARCHAR, resource_id VARCHAR, principal VARCHAR, usage_type VARCHAR,
    operation VARCHAR, day DATE,
    unblended {_MONEY}, amortized {_MONEY}, net_unblended {_MONEY}, net_amortized {_MONEY}, is_bad BOOLEAN
)
"""
_INTO_CONTROL = f"INSERT INTO control ({', '.join(CONTROL_COLUMNS)}) "
_INTO_TAGS = f"INSERT INTO tags ({', '.join(TAGS_COLUMNS)}) "
# The engine's own tables need twice the memory while they are filled, and cannot be put aside as a whole.
_INTO_FILE = "COPY ({query}) TO {path} (FORMAT parquet, ROW_GROUP_SIZE 20480)"
_OF_KIND = "SELECT * FROM {table} WHERE kind = '{kind}'"
_STREAM = "stream"
_SAYS_LITTLE = (duckdb.InvalidInputException, duckdb.ConversionException)
"""What DuckDB says where the values of a report, taken together, are too much for it."""


class _BadLineError(Exception):
    """Some line is bad; which one is not known yet."""


class Adding:
    """Adds batches up, each whole or not at all. Groups go to files in the scratch folder."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        report_format: ReportFormat,
        scratch: Path,
        report: Report,
        columns: Iterable[str] = (),
    ) -> None:
        """`columns` are those of the whole report, which a batch of its parts may lack."""
        self._report = report
        self._connection = connection
        self._format = report_format
        self._columns = tuple(columns)
        self._scratch = scratch
        self._files: list[Path] = []
        """Of the detail; in order of the batches."""
        connection.execute(_TABLES)

    def finish(self) -> None:
        """Makes `detail` of all that was added."""
        query = f"CREATE VIEW detail AS FROM {_parquet(self._files)}"
        self._connection.execute(query if self._files else _NO_DETAIL)

    def add(self, batch: Sequence[Part]) -> None:
        """Raises DamagedReport, naming the part, for what cannot be read, and for the first line that is bad."""
        try:
            self._add_together(batch)
        except duckdb.OutOfMemoryException:
            if len(batch) == 1:
                raise
            for half in (batch[: len(batch) // 2], batch[len(batch) // 2 :]):
                self.add(half)

    def _add_together(self, batch: Sequence[Part]) -> None:
        if any(container_of(part) != "parquet" for part in batch) and self._add_streamed(batch):
            return
        with self._as_files(batch) as files:
            try:
                self._add(files, parallel=True)
            except duckdb.NotImplementedException:  # line breaks within texts; see lines_sql
                before = self._lines()
                self._add(files, parallel=False)
                read = self._lines() - before
                if read != (there := sum(count_lines(part) for part in files)):
                    raise damaged(f"Of {there:,} lines of the report only {read:,} could be read", "BadPart") from None

    def _add_streamed(self, batch: Sequence[Part]) -> bool:
        """Whether CSV was read as it nearly always can be, without files of its text; if not, nothing was added."""
        try:
            with self._whole():
                for each in readable(batch, self._format, parallel=True, columns=self._columns):
                    if each.container == "parquet":
                        self._add_alike(each)
                    else:
                        self._add_stream(each)
        except (duckdb.OutOfMemoryException, duckdb.InterruptException):
            raise
        except (duckdb.Error, _BadLineError):
            return False
        return True

    def _add_stream(self, each: Readable) -> None:
        with streamed(each) as stream:
            self._connection.register(_STREAM, stream.reader)
            try:
                self._add_alike(each._replace(table=_STREAM))
            except duckdb.Error:
                if stream.failure:
                    raise stream.failure from None
                raise

    @contextmanager
    def _as_files(self, batch: Sequence[Part]) -> Iterator[Sequence[Part]]:
        """Those that are packed, as files of text: DuckDB reads them with all processors, and numbers their lines."""
        texts = [self._scratch / f"text-{number:05d}.csv" for number in range(len(batch))]
        try:
            yield [
                unpack(part, text, self._tell) if container_of(part) == "gzip" else part
                for part, text in zip(batch, texts, strict=True)
            ]
        finally:
            for text in texts:
                text.unlink(missing_ok=True)

    def _tell(self, unpacked_bytes: int) -> None:
        """Raises where the import is cancelled."""
        self._report(Progress(step="unpacking", done=unpacked_bytes, whole=unpacked_bytes))

    def _add(self, batch: Sequence[Part], *, parallel: bool) -> None:
        try:
            with self._whole():
                for each in readable(batch, self._format, parallel=parallel, columns=self._columns):
                    self._add_alike(each)
        except (duckdb.OutOfMemoryException, duckdb.InterruptException):
            raise
        except duckdb.Error as error:  # damaged Parquet raises nearly any of them
            self._explain(batch, error, parallel)
        except _BadLineError:
            explain(self._connection, batch, self._format, parallel=parallel)
            raise AssertionError("a line was counted as bad, but none was found") from None

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """What is added within, or nothing of it. Raises _BadLineError where some line is bad."""
        files = len(self._files)
        self._connection.begin()
        try:
            yield
            if self._bad(self._files[files:]):
                raise _BadLineError
        except BaseException:
            self._connection.rollback()
            del self._files[files:]
            raise
        self._connection.commit()

    def _explain(self, batch: Sequence[Part], error: duckdb.Error, parallel: bool) -> NoReturn:
        """Raises what is wrong with a batch, or the error where that may pass, or be a matter of how it was read."""
        is_parquet = container_of(batch[0]) == "parquet"
        if parallel and not is_parquet and isinstance(error, duckdb.NotImplementedException):
            raise error
        explain(self._connection, batch, self._format, parallel=parallel)
        self._find_damaged(batch, parallel)
        if isinstance(error, duckdb.OutOfRangeException):
            explain_overflow(self._connection, batch, self._format, parallel=parallel)
        if not isinstance(error, _SAYS_LITTLE):
            raise error
        first_line = str(error).partition("\n")[0]
        raise damaged(f"The report cannot be added up ({first_line})", "BadPart") from None

    def _bad(self, files: Sequence[Path]) -> bool:
        if self._one("SELECT coalesce(sum(bad), 0) FROM control"):
            return True
        query = f"SELECT coalesce(bool_or(is_bad), false) FROM {_parquet(files)}"  # noqa: S608 - ours
        return bool(files) and bool(self._one(query))

    def _find_damaged(self, batch: Sequence[Part], parallel: bool) -> None:
        """Raises DamagedReport for the first part with a column that cannot be read; `explain` looks at no tags."""
        for part in batch:
            is_parquet = container_of(part) == "parquet"
            for each in readable([part], self._format, parallel=parallel and is_parquet):
                try:
                    self._connection.execute(f"SELECT count(hash(line)) FROM ({each.raw}) AS line")  # noqa: S608 - ours
                except (duckdb.OutOfMemoryException, duckdb.InterruptException):
                    raise
                except duckdb.Error as error:
                    raise (not_parquet(part) if is_parquet else unreadable(part, str(error))) from None

    def _add_alike(self, each: Readable) -> None:
        execute, raw, source = self._connection.execute, each.raw, each.source
        detail = self._new_file()
        if each.container == "parquet":  # read for each kind, as only what that needs is read
            execute(_INTO_FILE.format(query=detail_sql(raw, source), path=_quoted(detail)))
            execute(_INTO_CONTROL + control_sql(raw, source))
            if has_tags(source):
                execute(_INTO_TAGS + tags_sql(raw, source))
            return
        groups = self._scratch / "groups.parquet"
        execute(_INTO_FILE.format(query=all_sql(raw, source), path=_quoted(groups)))
        details, control, tags = (_OF_KIND.format(table=_parquet([groups]), kind=kind) for kind in Kinds)
        execute(_INTO_FILE.format(query=named_detail_sql(details, source), path=_quoted(detail)))
        execute(_INTO_CONTROL + named_control_sql(control, source))
        if has_tags(source):
            execute(_INTO_TAGS + named_tags_sql(tags, source))
        groups.unlink()

    def _new_file(self) -> Path:
        detail = self._scratch / f"detail-{len(self._files):05d}.parquet"
        detail.unlink(missing_ok=True)  # of a reading that broke off
        self._files.append(detail)
        return detail

    def add_detail(self, groups: str, source: Source) -> None:
        """A query of groups that were made before, maybe by another engine; see `cost_grouping`."""
        query = named_detail_sql(groups, source)
        self._connection.execute(_INTO_FILE.format(query=query, path=_quoted(self._new_file())))

    def add_control(self, groups: str, source: Source) -> None:
        """The same for the control totals."""
        self._connection.execute(_INTO_CONTROL + named_control_sql(groups, source))

    def has_bad(self) -> bool:
        """Whether some line is bad."""
        return self._bad(self._files)

    def _lines(self) -> int:
        return int(self._one("SELECT coalesce(sum(lines), 0) FROM control"))

    def _one(self, query: str) -> Any:
        ((value,),) = self._connection.execute(query).fetchall()
        return value


def _parquet(files: Sequence[Path]) -> str:
    return f"read_parquet([{', '.join(map(_quoted, files))}], hive_partitioning = false)"


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
