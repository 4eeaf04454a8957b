"""Reports that are written anew while they are read, and executions that complete late: from S3 into the ledger."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

from activities.cost_bucket import Bucket
from activities.cost_delivery import find_deliveries
from activities.cost_fetching import Room
from activities.cost_import import CostImport, unheard
from activities.cost_sources import ConfiguredSource, CostPlaces
from domain.decision import Channel, Organization, Origin
from domain.errors import DamagedReport, Unavailable
from domain.process import CostDelivery, CostSource
from domain.report_format import ReportFormat
from tests.activities.importing import MEMORY_MB, Here
from tests.support.cost_months import cur_month, export_csv, table_of
from tests.support.cost_reports import PAYER, MadeReport, line

PLACE = "s3://replica/copied"


@contextmanager
def meddled(meddle: Callable[[], None]) -> Iterator[None]:
    """Somebody writes while a report is read: right before its first part is brought here."""
    fetch, left = Bucket.fetch, [meddle]

    def late(self: Bucket, *arguments: Any) -> None:
        if left:
            left.pop()()
        fetch(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Bucket, "fetch", late)
        yield


class Replica:
    """A bucket with a report, and its import."""

    def __init__(self, here: Here, tmp_path: Path, *, versioned: bool) -> None:
        self._here, self._tmp_path = here, tmp_path
        self.scratch = tmp_path / "scratch"
        self.places = CostPlaces((ConfiguredSource(name="main", place=PLACE),), Room(parts_ahead=1), self.scratch)
        self.imports = CostImport(here.ledger, here.store, Organization(), MEMORY_MB, self.places)
        self.client = boto3.client("s3")
        self.client.create_bucket(Bucket="replica")
        if versioned:
            self.client.put_bucket_versioning(Bucket="replica", VersioningConfiguration={"Status": "Enabled"})

    def put(self, key: str, data: bytes) -> None:
        self.client.put_object(Bucket="replica", Key=f"copied/{key}", Body=data)

    def write(self, made: MadeReport) -> None:
        folder = self._tmp_path / made.version
        made.write(folder)
        for path in sorted(folder.rglob("*.*"), key=lambda path: path.suffix == ".json"):  # the manifest last
            self.put(str(path.relative_to(folder)), path.read_bytes())

    def deliveries(self) -> tuple[CostDelivery, ...]:
        wanted = CostSource(source="main", actor="system", channel=Channel.WORKFLOW)
        return find_deliveries(wanted, unheard, self.places).deliveries

    def run(self, delivery: CostDelivery, meddle: Callable[[], None] = lambda: None) -> str:
        try:
            with meddled(meddle):
                return self.imports.import_report(delivery, Origin()).status
        finally:
            assert list(self.scratch.glob("*")) == []

    def spent(self) -> list[tuple[str, str]]:
        return self._here.query("SELECT report_version, trim_scale(sum(unblended))::text FROM cost_rows GROUP BY 1")


@pytest.fixture(params=[False, True], ids=["plain", "versioned"])
def replica(request: pytest.FixtureRequest, aws_endpoint: str, here: Here, tmp_path: Path) -> Replica:
    return Replica(here, tmp_path, versioned=request.param)


FIRST = MadeReport([[line("1")], [line("2")]], version="first", overwrite=True)
SECOND = MadeReport([[line("10")], [line("20")]], version="second", overwrite=True)


def test_a_part_overwritten_while_others_are_read_stops_the_import_which_then_begins_anew(
    replica: Replica, tmp_path: Path
) -> None:
    replica.write(FIRST)
    (delivery,) = replica.deliveries()
    SECOND.write(tmp_path / "next")
    other = (tmp_path / "next" / SECOND.keys[1]).read_bytes()
    with pytest.raises(Unavailable) as changed:
        replica.run(delivery, lambda: replica.put(FIRST.keys[1], other))
    assert changed.value.code == "PartChanged"
    assert replica.spent() == []
    assert replica.run(delivery) == "imported"  # if that was all, it is what AWS has delivered
    assert replica.spent() == [("first", "21")]


def test_a_delivery_overwritten_by_the_next_one_is_left_to_it(replica: Replica) -> None:
    replica.write(FIRST)
    (delivery,) = replica.deliveries()
    with pytest.raises((DamagedReport, Unavailable)):
        replica.run(delivery, lambda: replica.write(SECOND))
    with pytest.raises(DamagedReport) as past:
        replica.run(delivery)
    assert past.value.code == "Superseded"
    assert replica.spent() == []
    (newer,) = replica.deliveries()
    assert replica.run(newer) == "imported"
    assert replica.spent() == [("second", "30")]


def test_control_a_report_that_nobody_writes_is_imported(replica: Replica) -> None:
    replica.write(FIRST)
    assert replica.run(replica.deliveries()[0], lambda: None) == "imported"
    assert replica.spent() == [("first", "3")]


def test_a_manifest_that_comes_before_its_parts_is_waited_for(replica: Replica) -> None:
    replica.write(FIRST)
    (delivery,) = replica.deliveries()
    part = replica.client.get_object(Bucket="replica", Key=f"copied/{FIRST.keys[0]}")["Body"].read()
    replica.client.delete_object(Bucket="replica", Key=f"copied/{FIRST.keys[0]}")
    with pytest.raises(DamagedReport) as missing:
        replica.run(delivery)
    assert missing.value.code == "MissingPart"
    replica.put(FIRST.keys[0], part)
    assert replica.run(delivery) == "imported"


def test_an_older_execution_that_completes_late_does_not_replace_a_newer_one(
    aws_endpoint: str, here: Here, tmp_path: Path
) -> None:
    replica = Replica(here, tmp_path, versioned=True)
    older = "20260604T0800-aaaaaaaa-1111-2222-3333-444444444444"
    newer = "20260604T1600-bbbbbbbb-1111-2222-3333-444444444444"
    _export(replica, tmp_path, older)
    (late,) = replica.deliveries()
    _export(replica, tmp_path, newer)
    (delivery,) = replica.deliveries()
    assert newer in delivery.manifest
    assert replica.run(delivery) == "imported"
    before = replica.spent()
    with pytest.raises(DamagedReport, match="is past: ") as past:
        replica.run(late)
    assert past.value.code == "Superseded"
    assert replica.spent() == before


def _export(replica: Replica, tmp_path: Path, execution: str) -> None:
    """CUR 2.0 as Data Exports lays it out, copied from another bucket and prefix."""
    entries = cur_month()
    part = export_csv(tmp_path / "part.csv.gz", [entry.values for entry in entries], table_of(ReportFormat.CUR_2))
    columns = gzip.decompress(part.read_bytes()).split(b"\n", 1)[0].decode().strip().split(",")
    key = f"exports/cur2/data/BILLING_PERIOD=2026-05/{execution}/cur2-00001.csv.gz"
    manifest = {
        "executionId": execution,
        "exportArn": f"arn:aws:bcm-data-exports:us-east-1:{PAYER}:export/cur2-aaaaaaaa-1111-2222-3333-444444444444",
        "exportName": "cur2",
        "billingPeriod": {"start": "2026-05-01T00:00:00.000Z", "end": "2026-06-01T00:00:00.000Z"},
        "columns": [{"name": name, "type": "string"} for name in columns],
        "dataFiles": [f"s3://written-by-aws/{key}"],
    }
    replica.put(key, part.read_bytes())
    replica.put(
        f"exports/cur2/metadata/BILLING_PERIOD=2026-05/{execution}/cur2-Manifest.json", json.dumps(manifest).encode()
    )
