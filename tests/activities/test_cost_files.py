from __future__ import annotations

import gzip
from pathlib import Path
from threading import Event

import pytest
from boto3.session import Session

from activities import cost_bucket, cost_files, cost_unpack
from activities.contracts import Deliveries, Progress
from activities.cost_bucket import Bucket
from activities.cost_delivery import find_deliveries
from activities.cost_files import Folder
from activities.cost_lines import Part
from activities.cost_manifest import Address, folder_period
from activities.cost_sources import ANYWHERE
from activities.cost_unpack import unpack
from domain.calendar import Month
from domain.errors import BadInput, DamagedReport, Unavailable
from domain.process import CostSource
from tests.support.cost_reports import SAMPLE, MadeReport


def ignored(_: object) -> None:
    pass


def source(place: Path | str, month: Month | None = None) -> CostSource:
    return CostSource(source=str(place), actor="system", billing_period=month)


@pytest.fixture
def replica(aws_endpoint: str) -> str:
    """A bucket with the sample report, below a prefix of its own."""
    client = Session().client("s3")
    client.create_bucket(Bucket="replica")
    for path in SAMPLE.rglob("*"):
        if path.is_file():
            client.upload_file(str(path), "replica", f"copied/cur/{path.relative_to(SAMPLE)}")
    return "s3://replica/copied"


def test_deliveries_of_a_folder_are_those_of_its_periods() -> None:
    found = find_deliveries(source(SAMPLE), ignored).deliveries
    assert [str(delivery.report.billing_period) for delivery in found] == ["2026-05", "2026-06", "2026-07"]
    assert {delivery.report.source for delivery in found} == {"finops-cur"}
    assert found[0].report.version == "901e5634-dd57-475c-93b3-5973e885e265"
    assert found[0].source == str(SAMPLE)
    assert found[0].manifest == str(SAMPLE / "finops-cur/20260501-20260601/finops-cur-Manifest.json")


def test_a_folder_of_one_period_is_a_source_too() -> None:
    found = find_deliveries(source(SAMPLE / "finops-cur" / "20260601-20260701"), ignored).deliveries
    assert [str(delivery.report.billing_period) for delivery in found] == ["2026-06"]


def test_deliveries_of_one_period() -> None:
    assert len(find_deliveries(source(SAMPLE, Month(2026, 6)), ignored).deliveries) == 1


def test_a_folder_without_reports_has_no_deliveries(tmp_path: Path) -> None:
    assert find_deliveries(source(tmp_path), ignored) == Deliveries()


def test_a_folder_that_is_not_there() -> None:
    with pytest.raises(BadInput, match="There is no folder /nowhere/at/all: name the one that holds"):
        find_deliveries(source("/nowhere/at/all"), ignored)


def test_several_reports_side_by_side_are_not_mixed(tmp_path: Path) -> None:
    MadeReport().write(tmp_path / "a")
    MadeReport(period="20260601-20260701", manifest={"reportName": "other"}).write(tmp_path / "b")
    with pytest.raises(BadInput, match=r"There are several reports below .* \(made, other\): name one\."):
        find_deliveries(source(tmp_path), ignored)


def test_two_manifests_of_one_period_are_not_chosen_from(tmp_path: Path) -> None:
    MadeReport().write(tmp_path / "a")
    MadeReport(version="assembly-2").write(tmp_path / "b")
    with pytest.raises(BadInput, match="There are several manifests for 2026-05 below"):
        find_deliveries(source(tmp_path), ignored)


def test_a_manifest_of_a_parquet_report_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    manifest = tmp_path / "r" / "r" / "year=2026" / "month=5" / "r-Manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text('{"contentType": "application/x-parquet", "compression": "Parquet"}')
    found = find_deliveries(source(tmp_path), ignored)
    assert found.deliveries == ()
    assert [problem.code for problem in found.problems] == ["BadManifest"]
    assert "it has no columns" in found.problems[0].message


def test_a_damaged_manifest_is_told_and_keeps_no_other_month_from_being_found(tmp_path: Path) -> None:
    MadeReport(period="20260501-20260601").write(tmp_path)
    MadeReport(period="20260601-20260701", version="assembly-2").write(tmp_path)
    (damaged,) = tmp_path.rglob("20260501-20260601/*-Manifest.json")
    damaged.write_text("{")
    found = find_deliveries(source(tmp_path), ignored)
    assert [str(delivery.report.billing_period) for delivery in found.deliveries] == ["2026-06"]
    (problem,) = found.problems
    assert (problem.manifest, problem.error, problem.code) == (str(damaged), "DamagedReport", "BadManifest")
    assert "it is not JSON" in problem.message
    assert find_deliveries(source(tmp_path, Month(2026, 6)), ignored).problems == ()  # of a month not asked for
    assert find_deliveries(source(tmp_path, Month(2026, 5)), ignored).problems == (problem,)


@pytest.mark.parametrize(
    ("address", "period"),
    [
        ("s3://b/r/20260501-20260601/r-Manifest.json", Month(2026, 5)),
        ("/r/r/year=2026/month=5/r-Manifest.json", Month(2026, 5)),
        ("/r/20261301-20270101/r-Manifest.json", None),
        ("/r/r-Manifest.json", None),
    ],
)
def test_a_manifest_that_cannot_be_read_is_of_the_period_of_its_folder(address: str, period: Month | None) -> None:
    assert folder_period(address) == period


def test_a_source_with_too_many_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    MadeReport().write(tmp_path)  # two files
    monkeypatch.setattr(cost_files, "OBJECTS_LISTED_MAX", 2)
    assert len(find_deliveries(source(tmp_path), ignored).deliveries) == 1
    monkeypatch.setattr(cost_files, "OBJECTS_LISTED_MAX", 1)
    with pytest.raises(BadInput, match="There are more than 1 files below"):
        find_deliveries(source(tmp_path), ignored)


def test_deliveries_of_a_bucket_are_those_of_its_periods(replica: str) -> None:
    found = find_deliveries(source(replica), ignored).deliveries
    assert [str(delivery.report.billing_period) for delivery in found] == ["2026-05", "2026-06", "2026-07"]
    assert found[0].manifest == f"{replica}/cur/finops-cur/20260501-20260601/finops-cur-Manifest.json"


def test_a_prefix_ends_at_a_slash(replica: str) -> None:
    assert find_deliveries(source("s3://replica/copi"), ignored) == Deliveries()


def test_a_file_of_a_bucket_is_read_measured_and_fetched(replica: str, tmp_path: Path) -> None:
    files = ANYWHERE.open(replica)
    original = SAMPLE / "finops-cur/20260501-20260601/901e5634-dd57-475c-93b3-5973e885e265/May-2026-finops-cur.csv.gz"
    address = Address(f"{replica}/cur/{original.relative_to(SAMPLE)}")
    came: list[int] = []
    pin = files.pin(address)
    assert pin
    files.fetch(pin, tmp_path / "part", came.append, Event())
    assert isinstance(files, Bucket)
    assert pin.size == original.stat().st_size == sum(came)
    assert (tmp_path / "part").read_bytes() == original.read_bytes()
    assert files.pin(Address(f"{address}.no")) is None


def test_a_manifest_that_is_gone(replica: str, tmp_path: Path) -> None:
    with pytest.raises(DamagedReport, match=r"There is no manifest s3://replica/none\.json"):
        ANYWHERE.open(replica).read(Address("s3://replica/none.json"))
    with pytest.raises(DamagedReport, match="There is no manifest"):
        Folder(str(tmp_path)).read(Address(str(tmp_path / "none.json")))


def test_a_bucket_that_is_not_there(aws_endpoint: str) -> None:
    with pytest.raises(BadInput, match=r"There is no bucket for s3://no-such-bucket/: check its name\."):
        find_deliveries(source("s3://no-such-bucket"), ignored)


def test_an_address_without_a_bucket() -> None:
    with pytest.raises(BadInput, match=r"s3:// names no bucket: write s3://bucket/prefix\."):
        ANYWHERE.open("s3://")


def test_aws_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setattr(cost_bucket, "AWS_ATTEMPTS_MAX", 1)
    with pytest.raises(Unavailable, match=r"s3://replica/ could not be brought here .*it will be tried again"):
        find_deliveries(source("s3://replica"), ignored)


def test_sound_gzip_passes_with_several_members(tmp_path: Path) -> None:
    path = tmp_path / "part.gz"
    path.write_bytes(gzip.compress(b"a,b\n", mtime=0) + gzip.compress(b"1,2\n", mtime=0))
    unpack(Part("part", path), tmp_path / "text", ignored)
    assert (tmp_path / "text").read_bytes() == b"a,b\n1,2\n"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "The part made-1.csv.gz is empty"),
        (
            gzip.compress(b"a,b\n1,2\n" * 1000, mtime=0)[:-1],
            "The part made-1.csv.gz is truncated: its gzip stream has no end",
        ),
        (
            gzip.compress(b"a,b\n1,2\n" * 1000, mtime=0)[:-8],
            "The part made-1.csv.gz is truncated: its gzip stream has no end",
        ),
        (
            gzip.compress(b"a,b\n1,2\n" * 1000, mtime=0)[:30],
            "The part made-1.csv.gz is truncated: its gzip stream has no end",
        ),
        (gzip.compress(b"a,b\n", mtime=0) + b"more" * 99, "The part made-1.csv.gz is not sound gzip ("),
        (b"a,b\n1,2\n" * 99, "The part made-1.csv.gz is not sound gzip ("),
    ],
)
def test_damaged_gzip_is_noticed(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "part.gz"
    path.write_bytes(content)
    with pytest.raises(DamagedReport) as caught:
        unpack(Part("made-1.csv.gz", path), tmp_path / "text", ignored)
    assert caught.value.message.startswith(complaint)


def test_one_altered_byte_is_noticed_by_the_checksum(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(b"a,b\n1,2\n", compresslevel=0))  # stored as it is, so any byte unpacks
    packed[packed.index(b"1,2")] = ord("9")
    path = tmp_path / "part.gz"
    path.write_bytes(packed)
    with pytest.raises(DamagedReport, match="CRC check failed"):
        unpack(Part("made-1.csv.gz", path), tmp_path / "text", ignored)


def test_a_part_that_unpacks_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "part.gz"
    path.write_bytes(gzip.compress(bytes(1000)))
    monkeypatch.setattr(cost_unpack, "PART_TEXT_BYTES_MAX", 1000)
    unpack(Part("made-1.csv.gz", path), tmp_path / "text", ignored)
    monkeypatch.setattr(cost_unpack, "PART_TEXT_BYTES_MAX", 999)
    with pytest.raises(DamagedReport, match="unpacks to more than 999 bytes"):
        unpack(Part("made-1.csv.gz", path), tmp_path / "text", ignored)


def test_a_look_at_one_period_reads_the_manifests_of_that_period_only(tmp_path: Path) -> None:
    MadeReport(period="20260501-20260601").write(tmp_path)
    MadeReport(period="20260601-20260701", version="assembly-2").write(tmp_path)
    told: list[Progress] = []
    found = find_deliveries(source(tmp_path, Month(2026, 6)), told.append)
    assert [delivery.report.version for delivery in found.deliveries] == ["assembly-2"]
    assert [progress.whole for progress in told if progress.step == "reading manifests"] == [1]
    assert told[0] == Progress(step="looking for manifests")
