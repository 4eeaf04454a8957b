"""A report that Athena adds up comes to the same rows and totals as one that is read here, byte for byte.

The statements run word for word in DuckDB, on tables of the Glue catalogue and files in S3 (`tests.support.athena`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from activities import cost_athena, cost_athena_sql
from activities.athena import AthenaPlace
from activities.cost_aggregate import Aggregate, aggregated
from activities.cost_athena import AthenaLimits, aggregated_by_athena
from activities.cost_bucket import Bucket
from activities.cost_columns import Kind
from activities.cost_columns_cur import CUR_COLUMNS
from activities.cost_columns_focus import FOCUS_1_2_COLUMNS
from activities.cost_control import Control
from activities.cost_delivery import accept, fetched, find_deliveries, read_manifest
from activities.cost_engines import Engines, engines_of
from activities.cost_fetching import ROOM, Accepted
from activities.cost_files import Folder
from activities.cost_footers import read_footers
from activities.cost_import import CostImport, unheard
from activities.cost_sources import ANYWHERE
from domain.cost import PeriodImported, period_stream
from domain.decision import Channel, Organization, Origin
from domain.errors import BadInput, DamagedReport
from domain.process import CostImportResult, CostSource
from tests.activities.importing import MAY, MEMORY_MB, Here
from tests.support.athena import DuckAthena, aws, duck_athena
from tests.support.cost_months import Values, columns_of, cur_month, focus_month, parquet
from tests.support.cost_reports import PAYER

DATABASE, OUTPUT = "allot", "s3://results/athena"
LIMITS = AthenaLimits(AthenaPlace(DATABASE, "primary", OUTPUT), 10**9)
Write = Callable[[Path, Sequence[Values]], Path]


@pytest.fixture
def athena(aws_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[DuckAthena]:
    client = aws("s3")
    for bucket in ("reports", "results"):
        client.create_bucket(Bucket=bucket)
    aws("glue").create_database(DatabaseInput={"Name": DATABASE})
    with duck_athena() as (made, address):
        monkeypatch.setenv("AWS_ENDPOINT_URL_ATHENA", address)
        yield made


class Delivery:
    """A CUR 2.0 or FOCUS export in S3."""

    def __init__(self, folder: Path, execution: str = "20260603-1") -> None:
        self._folder, self._execution = folder, execution
        self.keys: list[str] = []
        self.columns: dict[str, None] = {}

    def add(self, write: Write, lines: Sequence[Values], table: Any = CUR_COLUMNS) -> str:
        number = len(self.keys) + 1
        path = write(self._folder / f"{number}.parquet", lines)
        key = f"finops/data/BILLING_PERIOD=2026-05/{self._execution}/finops-{number:05d}.snappy.parquet"
        aws("s3").upload_file(str(path), "reports", key)
        self.keys.append(key)
        self.columns |= dict.fromkeys(columns_of(lines, table))
        return key

    def finish(self) -> None:
        manifest = {
            "executionId": self._execution,
            "exportArn": f"arn:aws:bcm-data-exports:us-east-1:{PAYER}:export/finops",
            "billingPeriod": "2026-05",
            "columns": [{"name": name} for name in self.columns],
            "dataFiles": [f"s3://reports/{key}" for key in self.keys],
        }
        place = f"finops/metadata/BILLING_PERIOD=2026-05/{self._execution}/finops-Manifest.json"
        aws("s3").put_object(Bucket="reports", Key=place, Body=json.dumps(manifest).encode())


CUR_LINES = [entry.values for entry in cur_month()]
FOCUS_LINES = [entry.values for entry in focus_month()]
EXACT = pa.decimal128(30, 14)
REPORTS: dict[str, tuple[Any, list[Values], list[Write]]] = {
    "CUR 2.0": (CUR_COLUMNS, CUR_LINES, [partial(parquet, table=CUR_COLUMNS)] * 2),
    "CUR 2.0, exact": (CUR_COLUMNS, CUR_LINES, [partial(parquet, table=CUR_COLUMNS, money=EXACT)]),
    "FOCUS 1.2": (FOCUS_1_2_COLUMNS, FOCUS_LINES, [partial(parquet, table=FOCUS_1_2_COLUMNS)] * 2),
}


def delivered(folder: Path, kind: str) -> Delivery:
    table, lines, writes = REPORTS[kind]
    delivery = Delivery(folder)
    for number, write in enumerate(writes):
        # Parts have other columns where no line of theirs needs one.
        delivery.add(write, lines[number :: len(writes)], table)
    delivery.finish()
    return delivery


def imported(here: Here, engines: Engines, run: str = "") -> CostImportResult:
    imports = CostImport(here.ledger, here.store, Organization(), MEMORY_MB, engines=engines)
    origin = Origin(workflow_run_id=run or str(uuid4()))
    return imports.import_report(here.delivery("s3://reports/finops"), origin)


def with_athena(**limits: Any) -> Engines:
    return Engines("athena", LIMITS._replace(**limits))


def last(here: Here) -> PeriodImported:
    fact = here.ledger.read(period_stream(MAY))[-1].fact
    assert isinstance(fact, PeriodImported)
    return fact


def accepted() -> tuple[Bucket, Accepted]:
    source = CostSource(source="s3://reports/finops", actor="system", channel=Channel.WORKFLOW)
    (delivery,) = find_deliveries(source, unheard).deliveries
    bucket = ANYWHERE.open(delivery.source)
    assert isinstance(bucket, Bucket)
    return bucket, accept(bucket, read_manifest(bucket, delivery), unheard)


Added = tuple[Control, list[pa.RecordBatch], list[Any]]


def added(aggregate: Aggregate) -> Added:
    detail = aggregate._connection.sql("SELECT * FROM detail ORDER BY ALL").fetchall()
    return aggregate.control, list(aggregate.rows()), detail


def by_athena(folder: Path, limits: AthenaLimits = LIMITS, run: str = "run") -> Added:
    bucket, parts = accepted()
    with aggregated_by_athena(bucket, parts, folder, MEMORY_MB, unheard, limits, ROOM, run) as aggregate:
        assert aggregate.engine == "Athena"
        return added(aggregate)


def by_duckdb(folder: Path) -> Added:
    bucket, parts = accepted()
    scratch = folder / "scratch"
    scratch.mkdir()
    with (
        closing(fetched(bucket, parts, scratch, unheard)) as files,
        aggregated(files, scratch, MEMORY_MB, unheard, parts.manifest.format) as aggregate,
    ):
        return added(aggregate)


@pytest.mark.parametrize("kind", REPORTS)
def test_athena_and_this_machine_come_to_the_same(athena: DuckAthena, tmp_path: Path, kind: str) -> None:
    delivered(tmp_path, kind)
    control, rows, detail = by_athena(tmp_path)
    expected_control, expected_rows, expected_detail = by_duckdb(tmp_path)
    assert rows
    assert rows == expected_rows
    assert control == expected_control
    assert control.lines == len(REPORTS[kind][1])
    assert detail == expected_detail
    # Nothing is left behind, in the catalogue, in S3 or here.
    assert aws("glue").get_tables(DatabaseName=DATABASE)["TableList"] == []
    assert "Contents" not in aws("s3").list_objects_v2(Bucket="results")
    assert not list(tmp_path.glob("part-*"))


def test_an_import_says_which_engine_it_was_and_what_was_scanned(
    here: Here, athena: DuckAthena, tmp_path: Path
) -> None:
    delivered(tmp_path, "CUR 2.0, exact")
    athena.scanned_bytes = 7
    result = imported(here, with_athena())
    assert (result.status, result.engine, result.scanned_bytes) == ("imported", "Athena", 14)
    assert last(here).engine == "Athena"
    assert len(here.query("SELECT 1 FROM cost_rows")) == last(here).rows > 0


def test_only_the_files_that_the_manifest_names_are_read(athena: DuckAthena, tmp_path: Path) -> None:
    """Even where others lie in the very same folder."""
    delivery = delivered(tmp_path, "CUR 2.0")
    key = delivery.keys[0]
    aws("s3").copy_object(
        Bucket="reports", Key=key.replace("00001", "00009"), CopySource={"Bucket": "reports", "Key": key}
    )
    control, _, _ = by_athena(tmp_path)
    assert control.lines == len(CUR_LINES)


def test_a_file_that_athena_leaves_out_is_noticed(
    athena: DuckAthena, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = Delivery(tmp_path)
    for _ in range(2):
        delivery.add(partial(parquet, table=CUR_COLUMNS), CUR_LINES[:2])
    delivery.finish()
    whole = cost_athena_sql.raw_sql
    monkeypatch.setattr(
        cost_athena_sql,
        "raw_sql",
        lambda table, source, addresses, **more: whole(table, source, [addresses[0] + "x", *addresses[1:]], **more),
    )
    with pytest.raises(DamagedReport, match="Of 4 lines of the report Athena has read 2") as wrong:
        by_athena(tmp_path)
    assert wrong.value.code == "NotReconciled"
    assert len(athena.queries()) == 2


@pytest.mark.parametrize(
    ("column", "value", "complaint"),
    [
        (
            "line_item_usage_account_id",
            "12",
            "line_item_usage_account_id of line item 'usage' is '12', which is not an",
        ),
        ("line_item_unblended_cost", "nan", "line_item_unblended_cost of line item 'usage' is 'nan', which is not a"),
        ("line_item_product_code", "Amazon\x07", "which is not a text of at most 200 printable characters"),
    ],
)
def test_a_bad_line_is_named_with_its_part(
    athena: DuckAthena, tmp_path: Path, column: str, value: str, complaint: str
) -> None:
    delivery = Delivery(tmp_path)
    write = partial(parquet, table=CUR_COLUMNS)
    good = CUR_LINES[0] | {"identity_line_item_id": "usage"}
    delivery.add(write, [good])
    key = delivery.add(write, [good, good | {column: value}])
    delivery.finish()
    with pytest.raises(DamagedReport) as wrong:
        by_athena(tmp_path)
    assert wrong.value.code == "BadLine"
    assert f"The part {key} cannot be imported: " in wrong.value.message
    assert complaint in wrong.value.message


def test_a_month_without_lines_is_read(athena: DuckAthena, tmp_path: Path) -> None:
    delivery = Delivery(tmp_path)
    empty = partial(parquet, table=CUR_COLUMNS)
    delivery.add(lambda path, lines: _without_rows(empty(path, lines)), CUR_LINES)
    delivery.finish()
    control, rows, detail = by_athena(tmp_path)
    assert (control.lines, rows, detail) == (0, [], [])


def _without_rows(path: Path) -> Path:
    pq.write_table(pq.read_table(path).slice(0, 0), path)
    return path


def test_what_would_scan_too_much_is_refused_before_anything_is_paid_for(athena: DuckAthena, tmp_path: Path) -> None:
    delivered(tmp_path, "CUR 2.0")
    with pytest.raises(BadInput, match="ALLOT_COST_ATHENA_SCAN_GB_MAX allows") as wrong:
        by_athena(tmp_path, LIMITS._replace(scan_bytes_max=10))
    assert wrong.value.code == "ScanLimit"
    assert athena.asked == []


def test_a_report_of_many_parts_is_asked_for_in_several_queries(
    athena: DuckAthena, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivered(tmp_path, "CUR 2.0")
    monkeypatch.setattr(cost_athena_sql, "PATHS_BYTES_MAX", 100)
    added_up = by_athena(tmp_path)
    assert len(athena.queries()) == 4
    expected = by_duckdb(tmp_path)
    assert added_up[:2] == expected[:2]


def test_an_attempt_after_another_pays_only_for_what_was_taken_away(athena: DuckAthena, tmp_path: Path) -> None:
    """In the same run of the process: after PostgreSQL could not be reached, say. Another run asks for all anew."""
    delivered(tmp_path, "CUR 2.0, exact")
    first = by_athena(tmp_path, run="one")
    tokens = started(athena)
    assert len(set(tokens)) == 2
    assert all(32 <= len(token) <= 128 for token in tokens)
    assert by_athena(tmp_path, run="one") == first
    again = started(athena)[2:]
    assert (again[0], again[2]) == (tokens[0], tokens[1]), "detail and control are the queries that there were"
    assert again[1] not in tokens, "and what was unloaded is unloaded again, because it was taken away"
    assert by_athena(tmp_path, run="two") == first
    assert not set(tokens + again) & set(started(athena)[5:])


def started(athena: DuckAthena) -> list[str]:
    return [request["ClientRequestToken"] for name, request in athena.asked if name == "StartQueryExecution"]


def test_what_athena_cannot_read_is_read_here(athena: DuckAthena, tmp_path: Path) -> None:
    delivered(tmp_path, "CUR 2.0")
    bucket, parts = accepted()
    small, large = Engines("auto", LIMITS, parts.size), Engines("auto", LIMITS, parts.size + 1)
    assert small.athena_for(parts, bucket, own_role=False) == LIMITS
    assert large.athena_for(parts, bucket, own_role=False) is None
    always = Engines("athena", LIMITS)
    assert always.athena_for(parts, bucket, own_role=False) == LIMITS
    assert always.athena_for(parts, bucket, own_role=True) is None, "its bucket is not ours to query"
    assert always.athena_for(parts, Folder(str(tmp_path)), own_role=False) is None
    csv = parts._replace(manifest=parts.manifest.model_copy(update={"content": "csv.gz"}))
    assert always.athena_for(csv, bucket, own_role=False) is None
    assert Engines("duckdb", LIMITS).athena_for(parts, bucket, own_role=False) is None


def test_settings_of_athena_belong_together() -> None:
    assert engines_of("auto", "", "primary", "", 20, 100) == Engines("auto")
    assert engines_of("duckdb", "allot", "primary", "nonsense", 20, 100) == Engines("duckdb")
    found = engines_of("auto", "allot", "primary", "s3://results/athena/", 20, 100)
    assert found == Engines("auto", AthenaLimits(AthenaPlace("allot", "primary", OUTPUT), 100 * 10**9), 20 * 10**9)
    for choice, database, output in (
        ("athena", "", ""),
        ("auto", "allot", ""),
        ("auto", "", OUTPUT),
        ("auto", "a", "s3:/x"),
    ):
        with pytest.raises(BadInput, match="ALLOT_COST_ATHENA_DATABASE"):
            engines_of(choice, database, "primary", output, 20, 100)  # type: ignore[arg-type]  # one of the three


def test_the_table_has_only_what_is_read_and_the_types_of_its_files(athena: DuckAthena, tmp_path: Path) -> None:
    delivered(tmp_path, "CUR 2.0")
    bucket, parts = accepted()
    groups = cost_athena._alike(read_footers(bucket, parts.parts, unheard), parts.manifest.format)
    assert len(groups) == 2, "each with its own columns"
    for group in groups:
        columns = cost_athena_sql.table_columns(group.source)
        assert columns["line_item_usage_start_date"] == "timestamp"
        assert columns["line_item_unblended_cost"] == "double"
        assert "resource_tags" not in columns
        for column in group.source.columns:
            assert (columns[column.name.lower()] == "string") == (column.kind is Kind.TEXT)


TRINO_FUNCTIONS = frozenset(
    "abs cast chr coalesce concat_ws count decimal filter in is_finite length nullif regexp_like strpos sum trim "
    "try_cast unload with year".split()
)
"""Of what Trino has, all that our statements use; and words that an opening bracket may follow."""


@pytest.mark.parametrize("kind", REPORTS)
def test_athena_is_asked_in_words_that_it_knows(athena: DuckAthena, tmp_path: Path, kind: str) -> None:
    delivered(tmp_path, kind)
    bucket, parts = accepted()
    for group in cost_athena._alike(read_footers(bucket, parts.parts, unheard), parts.manifest.format):
        addresses = [footer.part.pin.address for footer in group.footers]
        for text in (
            cost_athena_sql.detail_query("t", group.source, addresses, "s3://results/x/"),
            cost_athena_sql.control_query("t", group.source, addresses),
            cost_athena_sql.explain_query("t", group.source, addresses),
        ):
            plain = re.sub(r"'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*", "''", text)
            functions = {name.lower() for name in re.findall(r"\b([A-Za-z_]+)\(", plain)}
            assert functions <= TRINO_FUNCTIONS, functions - TRINO_FUNCTIONS
            assert not re.search(r"::|IS (NOT )?TRUE|IS (NOT )?FALSE|\blambda\b|GROUP BY ALL|\bEXCLUDE\b", plain)
