"""The cost mart: what each resource cost on each day, as Parquet, for searches and drill-down. DuckDB reads it.

    <mart>/detail/billing_period=2026-05/version=<version>/part-00000.parquet
        account × service × charge type × resource × usage type × operation × day, with all metrics
    <mart>/resources/billing_period=2026-05/version=<version>/part-00000.parquet
        account × resource: service, name, tags

The mart is a folder or `s3://bucket/prefix`. Which version is in force is said by the ledger, which also has the path
of a version below the mart (`cost.PeriodImported`, `detail`). A version is written whole, or not at all; written twice,
it is there once. Rows are in order of account, resource and day, so that a reader skips what it does not look for.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from activities.cost_mart_places import MartBucket, MartFolder
from domain.cost import ReportVersion
from domain.errors import NotFound

DETAIL, RESOURCES = "detail", "resources"
KINDS = (DETAIL, RESOURCES)

PART_ROWS_MAX = 4_000_000
"""Of one file."""
ROW_GROUP_ROWS = 50_000
"""Held in memory while they are written: about 10 MB."""
COMPRESSION_LEVEL = 1
"""Of zstd. A higher one makes files a tenth smaller and takes twice the time."""

MONEY = pa.decimal128(38, 12)
DETAIL_SCHEMA = pa.schema(
    dict.fromkeys(
        ("account_id", "service", "charge_type", "resource", "resource_id", "usage_type", "operation"), pa.string()
    )
    | {"usage_date": pa.date32()}
    | dict.fromkeys(("unblended", "amortized", "net_unblended", "net_amortized"), MONEY)
)
RESOURCES_SCHEMA = pa.schema(dict.fromkeys(("account_id", "resource", "service", "name", "tags"), pa.string()))
"""`tags` is JSON text; `name` is the tag "Name". Both are empty where the report has none."""

S3_SCHEME = "s3://"


class MartFiles(NamedTuple):
    """A version that is written and not yet in the mart."""

    detail: list[Path]
    resources: list[Path]


class MartPlace(Protocol):
    """What folder and bucket have in common. Paths are below the mart."""

    def publish(self, files: dict[str, list[Path]]) -> None:
        """Puts files in place of what is in each folder."""

    def files(self, folder: str) -> list[Path]:
        """On this machine, in order; none where there is no such folder."""

    def remove(self, folder: str) -> None:
        """All files of a folder, if there are any."""

    def versions(self, folder: str) -> list[str]:
        """Folders two levels below, which are those of versions."""


class CostMart:
    """Safe to share between threads."""

    def __init__(self, location: str) -> None:
        self.location = location
        self._place: MartPlace = MartBucket(location) if location.startswith(S3_SCHEME) else MartFolder(Path(location))

    def publish(self, report: ReportVersion, files: MartFiles) -> str:
        """Puts a version into the mart, in place of what an earlier attempt has left. Answers with its path."""
        path = detail_path(report)
        self._place.publish({f"{DETAIL}/{path}": files.detail, f"{RESOURCES}/{path}": files.resources})
        return path

    def files(self, path: str, kind: str) -> list[str]:
        """Local paths of a version's files of a kind, in order; those of a bucket are copied to this machine.

        Raises NotFound where the version is gone.
        """
        found = [str(file) for file in self._place.files(f"{kind}/{path}")]
        if not found:
            raise NotFound(
                f"The {kind} of {path} are not in the cost mart {self.location} any more: check ALLOT_COST_MART, or "
                "import the month again.",
                code="NoDetail",
            )
        return found

    def detail_files(self, path: str) -> list[str]:
        return self.files(path, DETAIL)

    def resource_files(self, path: str) -> list[str]:
        return self.files(path, RESOURCES)

    def remove(self, path: str) -> None:
        """Both files of a version; nothing where it is gone already."""
        for kind in KINDS:
            self._place.remove(f"{kind}/{path}")

    def versions(self) -> list[str]:
        """Paths of all versions that are there."""
        found = {version.partition("/")[2] for kind in KINDS for version in self._place.versions(kind)}
        return sorted(found)


def detail_path(report: ReportVersion) -> str:
    """Of a version, below the mart."""
    return f"billing_period={report.billing_period}/version={quote(report.version, safe='')}"


def write_detail(batches: Iterable[pa.RecordBatch], folder: Path) -> list[Path]:
    """Writes DETAIL_SCHEMA, with pyarrow, into an empty folder; at least one file, however few rows there are."""
    return _written(batches, folder, DETAIL_SCHEMA)


def write_resources(batches: Iterable[pa.RecordBatch], folder: Path) -> list[Path]:
    return _written(batches, folder, RESOURCES_SCHEMA)


def _written(batches: Iterable[pa.RecordBatch], folder: Path, schema: pa.Schema) -> list[Path]:
    folder.mkdir()
    files: list[Path] = []
    writer: pq.ParquetWriter | None = None
    rows = 0
    try:
        for batch in batches:
            if writer is None or rows >= PART_ROWS_MAX:
                if writer is not None:
                    writer.close()
                writer, rows = _writer(folder, files, schema), 0
            writer.write_batch(batch.cast(schema), row_group_size=ROW_GROUP_ROWS)
            rows += batch.num_rows
        if writer is None:
            writer = _writer(folder, files, schema)
    finally:
        if writer is not None:
            writer.close()
    return files


def _writer(folder: Path, files: list[Path], schema: pa.Schema) -> pq.ParquetWriter:
    files.append(folder / f"part-{len(files):05d}.parquet")
    return pq.ParquetWriter(
        files[-1],
        schema,
        compression="zstd",
        compression_level=COMPRESSION_LEVEL,
        use_dictionary=[field.name for field in schema if field.type == pa.string()],  # type: ignore[arg-type]  # it may be
    )
