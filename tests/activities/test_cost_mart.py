"""The detail by resource and day, as it is kept in the cost mart and read by DuckDB."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from boto3.session import Session

from activities import cost_aggregate, cost_mart_places
from activities.cost_adding import Adding
from activities.cost_aggregate import Aggregate, aggregated
from activities.cost_import import CostImport, unheard
from activities.cost_keeping import Keeping
from activities.cost_lines import Part
from activities.cost_mart import DETAIL_SCHEMA, RESOURCES_SCHEMA, CostMart
from activities.cost_mart_places import MartBucket, MartFolder
from activities.cost_readers import Readable
from activities.cost_slices import slices_of
from domain.cost import PeriodImported, period_stream
from domain.decision import Organization, Origin
from domain.errors import DamagedReport, NotFound, Unavailable
from tests.activities.importing import MAY, MEMORY_MB, Here
from tests.support.cost_reports import COLUMNS, MadeReport, line

EXTRA = ("lineItem/ResourceId", "lineItem/UsageType", "lineItem/Operation", "resourceTags/user:Name")
WITH_RESOURCES = (*COLUMNS, *EXTRA)


def used(cost: str, resource: str = "i-1", day: int = 1, name: str = "", **changes: str) -> dict[str, str]:
    values = ("BoxUsage:m5", "RunInstances") if resource else ("Requests", "PutObject")
    start = f"2026-05-{day:02d}T00:00:00Z"
    return line(cost, UsageStartDate=start, **changes) | dict(zip(EXTRA, (resource, *values, name), strict=True))


LINES = [
    used("1", day=2, name="old"),
    used("2", day=2, name="old"),
    used("4", day=3, name="new"),
    used("0.5", day=3, ProductCode="AmazonCloudWatch"),
    used("8", "", ProductCode="AmazonS3"),
    used("16", UsageAccountId="000000000001"),
]


@pytest.fixture(params=["folder", "bucket"])
def mart(request: pytest.FixtureRequest, tmp_path: Path) -> CostMart:
    if request.param == "folder":
        return CostMart(str(tmp_path / "mart"))
    request.getfixturevalue("aws_endpoint")
    Session().client("s3").create_bucket(Bucket="mart")
    bucket = CostMart("s3://mart/below/here")
    bucket._place = MartBucket("s3://mart/below/here", tmp_path / "cache")
    return bucket


def imported(here: Here, folder: Path, mart: CostMart, lines: Sequence[dict[str, str]] = LINES, **report: Any) -> str:
    MadeReport([lines], columns=WITH_RESOURCES, **report).write(folder)
    imports = CostImport(here.ledger, here.store, Organization(), MEMORY_MB, keeping=Keeping(mart))
    assert imports.import_report(here.delivery(folder), Origin(workflow_run_id="run")).status == "imported"
    fact = here.ledger.read(period_stream(MAY))[-1].fact
    assert isinstance(fact, PeriodImported)
    return fact.detail


def rows(files: Sequence[str], columns: str) -> list[tuple[Any, ...]]:
    return duckdb.execute(f"SELECT {columns} FROM read_parquet({list(files)})").fetchall()


def test_the_detail_by_resource_and_day_is_in_order_and_exact(here: Here, tmp_path: Path, mart: CostMart) -> None:
    detail = imported(here, tmp_path / "report", mart, version="a/b 1")
    assert detail == "billing_period=2026-05/version=a%2Fb%201"
    files = mart.detail_files(detail)
    found = rows(files, "account_id, resource, day(usage_date), service, unblended, net_amortized")
    assert found == [
        ("000000000001", "i-1", 1, "AmazonEC2", Decimal(16), Decimal(16)),
        ("000000000042", "i-1", 2, "AmazonEC2", Decimal(3), Decimal(3)),
        ("000000000042", "i-1", 3, "AmazonCloudWatch", Decimal("0.5"), Decimal("0.5")),
        ("000000000042", "i-1", 3, "AmazonEC2", Decimal(4), Decimal(4)),
        ("000000000042", "usage:AmazonS3/Requests/PutObject", 1, "AmazonS3", Decimal(8), Decimal(8)),
    ]
    assert pq.read_schema(files[0]).equals(DETAIL_SCHEMA)


def test_a_resource_has_the_service_it_costs_most_in_and_the_tags_it_had_last(
    here: Here, tmp_path: Path, mart: CostMart
) -> None:
    files = mart.resource_files(imported(here, tmp_path / "report", mart))
    assert rows(files, "account_id, resource, service, name, tags") == [
        ("000000000001", "i-1", "AmazonEC2", "", ""),
        ("000000000042", "i-1", "AmazonEC2", "new", '{"Name":"new"}'),
        ("000000000042", "usage:AmazonS3/Requests/PutObject", "AmazonS3", "", ""),
    ]
    assert pq.read_schema(files[0]).equals(RESOURCES_SCHEMA)


def test_a_report_without_lines_has_empty_files(here: Here, tmp_path: Path, mart: CostMart) -> None:
    detail = imported(here, tmp_path / "report", mart, [])
    assert rows(mart.detail_files(detail), "*") == rows(mart.resource_files(detail), "*") == []


def test_a_version_written_twice_is_there_once(here: Here, tmp_path: Path, mart: CostMart) -> None:
    detail = imported(here, tmp_path / "report", mart)
    before = rows(mart.detail_files(detail), "*")
    version = here.delivery(tmp_path / "report").report
    files = {"detail": tmp_path / "part-00000.parquet", "resources": tmp_path / "part-00009.parquet"}
    shutil.copy(mart.detail_files(detail)[0], files["detail"])
    shutil.copy(mart.resource_files(detail)[0], files["resources"])
    mart.publish(version, cost_mart_files(files))
    assert rows(mart.detail_files(detail), "*") == before
    assert [Path(file).name.rpartition("part-")[2] for file in mart.resource_files(detail)] == ["00009.parquet"]
    assert mart.versions() == [detail]


def cost_mart_files(files: dict[str, Path]) -> Any:
    from activities.cost_mart import MartFiles

    return MartFiles([files["detail"]], [files["resources"]])


def test_a_version_that_was_removed_is_named_with_what_to_do(here: Here, tmp_path: Path, mart: CostMart) -> None:
    detail = imported(here, tmp_path / "report", mart)
    mart.remove(detail)
    mart.remove(detail)  # may be repeated
    with pytest.raises(NotFound, match=rf"The detail of {detail} are not in the cost mart .*import the month again"):
        mart.detail_files(detail)
    assert mart.versions() == []


def test_lines_in_any_order_and_number_of_files_give_the_same_bytes(here: Here, tmp_path: Path) -> None:
    draw = random.Random(3)
    lines = [used(f"{draw.random():.10f}", f"i-{n % 7}", 1 + n % 9, f"n{n % 7}") for n in range(400)]
    found = set()
    for number, parts in enumerate((1, 3, 8)):
        draw.shuffle(lines)
        mart = CostMart(str(tmp_path / f"mart-{number}"))
        folder = tmp_path / f"report-{number}"
        MadeReport([lines[n::parts] for n in range(parts)], columns=WITH_RESOURCES, version=f"v{number}").write(folder)
        imports = CostImport(here.ledger, here.store, Organization(), MEMORY_MB, keeping=Keeping(mart))
        imports.import_report(here.delivery(folder), Origin(workflow_run_id=f"run-{number}"))
        fact = here.ledger.read(period_stream(MAY))[-1].fact
        assert isinstance(fact, PeriodImported)
        bytes_of = [Path(f).read_bytes() for f in mart.detail_files(fact.detail) + mart.resource_files(fact.detail)]
        assert len(fact.rows_hash) == 64
        found.add((fact.rows_hash, *bytes_of))
    assert len(found) == 1


def test_files_that_differ_from_the_report_in_one_digit_stop_the_import(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    detail = Aggregate.detail

    def spoilt(self: Aggregate) -> Iterator[Any]:
        for batch in detail(self):
            rows = batch.to_pylist()
            rows[-1]["net_amortized"] += Decimal("0.000000000001")
            yield pa.RecordBatch.from_pylist(rows, batch.schema)

    monkeypatch.setattr(Aggregate, "detail", spoilt)
    mart = CostMart(str(tmp_path / "mart"))
    with pytest.raises(DamagedReport, match="files for the cost mart do not add up to the report in net_amortized"):
        imported(here, tmp_path / "report", mart)
    assert mart.versions() == []
    assert here.query("SELECT count(*) FROM cost_rows") == [(0,)]
    assert here.ledger.read(period_stream(MAY)) == []


def test_a_folder_that_cannot_be_written_is_named(here: Here, tmp_path: Path) -> None:
    (tmp_path / "mart").write_text("a file")
    with pytest.raises(Unavailable, match=r"The cost mart .* cannot be written to .*set ALLOT_COST_MART"):
        imported(here, tmp_path / "report", CostMart(str(tmp_path / "mart")))
    assert here.ledger.read(period_stream(MAY)) == []


def test_what_a_killed_process_left_half_written_is_removed_after_a_day(tmp_path: Path) -> None:
    place = MartFolder(tmp_path)
    left = tmp_path / "detail" / "billing_period=2026-05" / ".writing-x"
    left.mkdir(parents=True)
    (tmp_path / "part-00000.parquet").write_bytes(b"x")
    place.publish({"detail/billing_period=2026-05/version=1": [tmp_path / "part-00000.parquet"]})
    assert left.exists()  # another import may be writing there
    os.utime(left, (time.time() - 90_000,) * 2)
    place.publish({"detail/billing_period=2026-05/version=2": []})
    assert not left.exists()


def test_copies_of_a_bucket_are_kept_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost_mart_places, "CACHE_BYTES_MAX", 100)
    for name, age in (("new", 1), ("old", 100)):
        (tmp_path / name).write_bytes(b"x" * 40)
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    cost_mart_places._make_room(tmp_path, 30)
    assert {path.name for path in tmp_path.iterdir()} == {"new"}


def test_claimed_resources_are_kept_by_day(here: Here, tmp_path: Path) -> None:
    claims = [("000000000042", "i-1"), ("000000000042", "usage:AmazonS3/Requests/PutObject"), ("000000000042", "gone")]
    MadeReport([LINES], columns=WITH_RESOURCES).write(tmp_path)
    keeping = Keeping(claimed=lambda: claims)
    imports = CostImport(here.ledger, here.store, Organization(), MEMORY_MB, keeping=keeping)
    assert imports.import_report(here.delivery(tmp_path), Origin(workflow_run_id="run")).status == "imported"
    assert here.query(
        "SELECT account_id, resource, usage_date::text, unblended FROM claimed_cost_rows ORDER BY 1, 2, 3"
    ) == [
        ("000000000042", "i-1", "2026-05-02", Decimal(3)),
        ("000000000042", "i-1", "2026-05-03", Decimal("4.5")),
        ("000000000042", "usage:AmazonS3/Requests/PutObject", "2026-05-01", Decimal(8)),
    ]


def added_up(report: Path, scratch: Path, rows_per_mb: int = 2_500) -> tuple[list[Any], list[Any], int]:
    parts = [Part(path.name, path) for path in sorted(report.rglob("*.csv.gz"))]
    scratch.mkdir()
    with aggregated(parts, scratch, MEMORY_MB, unheard) as aggregate:
        detail = [row for batch in aggregate.detail() for row in batch.to_pylist()]
        resources = [row for batch in aggregate.resources() for row in batch.to_pylist()]
        return detail, resources, len(slices_of(aggregate._connection, rows_per_mb * MEMORY_MB))


def many_lines() -> list[list[dict[str, str]]]:
    """Two of three lines are of one account, which is larger than a slice may be."""
    accounts = ("000000000042", "000000000042", "000000000007")
    lines = [
        used(f"0.{n:04d}", f"i-{n * 7 % 50}", 1 + n % 28, f"n'{n % 3}", UsageAccountId=accounts[n % 3])
        for n in range(900)
    ]
    return [lines[n::3] for n in range(3)]


def test_what_is_sorted_in_slices_is_the_same_in_the_same_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    MadeReport(many_lines(), columns=WITH_RESOURCES).write(tmp_path / "report")
    *whole, pieces = added_up(tmp_path / "report", tmp_path / "whole")
    assert pieces == 1
    monkeypatch.setattr(cost_aggregate, "DETAIL_ROWS_PER_MB", 1)
    monkeypatch.setattr(cost_aggregate, "RESOURCES_ROWS_PER_MB", 1)
    *sliced, pieces = added_up(tmp_path / "report", tmp_path / "sliced", 1)
    assert pieces > 3
    assert sliced == whole


def test_a_batch_that_is_too_much_for_the_memory_is_taken_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    MadeReport(many_lines(), columns=WITH_RESOURCES).write(tmp_path / "report")
    whole = added_up(tmp_path / "report", tmp_path / "whole")
    add, together = Adding._add_alike, []

    def small(self: Adding, each: Readable) -> None:
        add(self, each)
        if len(each.parts) > 1:
            raise duckdb.OutOfMemoryException("too many parts")
        together.append(len(each.parts))

    monkeypatch.setattr(Adding, "_add_alike", small)
    assert added_up(tmp_path / "report", tmp_path / "apart") == whole
    assert together == [1, 1, 1]
