"""Parts of a delivery, in folders and in the stand-in's buckets: accepted whole, pinned, brought and removed."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from activities import cost_bucket, cost_fetching
from activities.contracts import Progress
from activities.cost_bucket import Bucket
from activities.cost_fetching import Room, accept, fetched, require_unchanged
from activities.cost_files import Folder
from activities.cost_lines import Part
from activities.cost_manifest import Address, Manifest
from activities.cost_settled import APART_S
from activities.cost_sources import ANYWHERE
from domain.errors import AllotError, BadInput, DamagedReport, Unavailable
from tests.activities.parts_laid import MADE, PARTS, Laid, Slow, bucket_of, ignored, manifest_at, manifest_of


@pytest.fixture
def folder(tmp_path: Path) -> Laid:
    root = tmp_path / "source"
    MADE.write(root)
    files = ANYWHERE.open(str(root))

    def put(key: str, data: bytes) -> None:
        (root / key).write_bytes(data)

    return Laid(files, manifest_at(files), put, lambda key: (root / key).unlink())


@pytest.fixture(params=["folder", "bucket", "versioned bucket"])
def laid(request: pytest.FixtureRequest, tmp_path: Path) -> Laid:
    if request.param == "folder":
        found: Laid = request.getfixturevalue("folder")
        return found
    request.getfixturevalue("aws_endpoint")
    return bucket_of(tmp_path, versioned=request.param.startswith("versioned"))


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"


def bring(laid: Laid, scratch: Path, **room: Any) -> Generator[Part]:
    return fetched(laid.files, laid.accepted(), scratch, ignored, Room(**room))


def test_all_parts_come_in_order_as_they_were_delivered(laid: Laid, scratch: Path, tmp_path: Path) -> None:
    accepted = laid.accepted()
    told: list[Progress] = []
    parts = list(fetched(laid.files, accepted, scratch, told.append))
    assert [part.name for part in parts] == MADE.keys
    assert [part.path.name for part in parts] == [f"part-{number:05d}.csv.gz" for number in range(PARTS)]
    for number, part in enumerate(parts):
        assert f"line-{number}".encode() in gzip.decompress(part.path.read_bytes())
    assert {progress.whole for progress in told} == {accepted.size}
    assert told[-1].done == accepted.size
    require_unchanged(laid.files, accepted, ignored)


def test_nothing_is_brought_while_parts_are_missing_and_all_are_named(laid: Laid) -> None:
    for key in MADE.keys[1:3]:
        laid.remove(key)
    with pytest.raises(DamagedReport) as missing:
        laid.accepted()
    assert missing.value.code == "MissingPart"
    assert missing.value.message.startswith(
        f"The manifest {laid.manifest.address} names 2 parts which are not there, or not whole: {MADE.keys[1]!r} (as "
    )
    assert MADE.keys[2] in missing.value.message
    for key in MADE.keys[1:3]:
        laid.put(key, b"it has come")
    assert len(laid.accepted().parts) == PARTS


def test_ten_missing_parts_are_named_and_the_others_counted(folder: Laid) -> None:
    folder_of_none = folder.manifest.model_copy(
        update={"keys": tuple(f"cur/made/20260501-20260601/none-{number:02d}" for number in range(12))}
    )
    with pytest.raises(DamagedReport) as missing:
        accept(folder.files, folder_of_none, ignored)
    assert "names 12 parts which are" in missing.value.message
    assert "none-09" in missing.value.message
    assert "none-10" not in missing.value.message
    assert "; and 2 more. Nothing was imported" in missing.value.message


def test_a_part_of_another_size_than_the_manifest_lists_is_waited_for(laid: Laid) -> None:
    sizes = [part.pin.size for part in laid.accepted().parts]

    class Sized(Manifest):
        sizes: tuple[int, ...]

    fields = laid.manifest.model_dump()
    accept(laid.files, Sized(**fields, sizes=tuple(sizes)), ignored)
    sizes[4] += 1
    with pytest.raises(DamagedReport) as missing:
        accept(laid.files, Sized(**fields, sizes=tuple(sizes)), ignored)
    assert missing.value.code == "MissingPart"
    assert f"{MADE.keys[4]!r} ({sizes[4] - 1:,} bytes of {sizes[4]:,})" in missing.value.message


def test_a_part_that_is_too_large_is_refused(folder: Laid, monkeypatch: pytest.MonkeyPatch) -> None:
    largest = max(part.pin.size for part in folder.accepted().parts)
    monkeypatch.setattr(cost_fetching, "PART_BYTES_MAX", largest)
    folder.accepted()
    monkeypatch.setattr(cost_fetching, "PART_BYTES_MAX", largest - 1)
    with pytest.raises(DamagedReport, match=f"and at most {largest - 1:,} are read"):
        folder.accepted()


@pytest.mark.usefixtures("aws_endpoint")
def test_a_part_overwritten_after_it_was_accepted_is_not_taken_for_it(tmp_path: Path, scratch: Path) -> None:
    plain = bucket_of(tmp_path, versioned=False)
    parts = bring(plain, scratch, parts_ahead=1)
    next(parts)
    plain.put(MADE.keys[3], b"of the next delivery")
    with pytest.raises(Unavailable, match=r"made-00004\.csv\.gz changed while the report was read") as changed:
        list(parts)
    assert changed.value.code == "PartChanged"
    assert list(scratch.iterdir()) == []


@pytest.mark.usefixtures("aws_endpoint")
def test_a_version_that_is_pinned_is_read_and_the_newer_one_is_noticed(tmp_path: Path, scratch: Path) -> None:
    versioned = bucket_of(tmp_path, versioned=True)
    accepted = versioned.accepted()
    assert all(part.pin.version_id for part in accepted.parts)
    versioned.put(MADE.keys[3], b"of the next delivery")
    parts = list(fetched(versioned.files, accepted, scratch, ignored))
    assert b"line-3" in gzip.decompress(parts[3].path.read_bytes())
    with pytest.raises(Unavailable, match=r"made-00004\.csv\.gz changed while"):
        require_unchanged(versioned.files, accepted, ignored)


def test_a_file_that_is_written_anew_with_the_same_size_and_time_is_noticed(folder: Laid) -> None:
    accepted = folder.accepted()
    path = Path(accepted.parts[2].pin.address)
    require_unchanged(folder.files, accepted, ignored)
    status, copy = path.stat(), path.with_suffix(".new")
    shutil.copy2(path, copy)
    os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))
    copy.replace(path)  # as rsync does
    with pytest.raises(Unavailable, match="changed while the report was read"):
        require_unchanged(folder.files, accepted, ignored)
    with pytest.raises(Unavailable, match="changed while the report was read"):
        Folder(str(path.parent)).fetch(accepted.parts[2].pin, path.parent / "link", lambda _: None, Event())


def test_a_part_that_disappears_is_noticed(laid: Laid) -> None:
    accepted = laid.accepted()
    laid.remove(MADE.keys[0])
    with pytest.raises(Unavailable, match="changed while the report was read"):
        require_unchanged(laid.files, accepted, ignored)


def test_the_original_stays_where_the_reader_removes_a_part(folder: Laid, scratch: Path) -> None:
    for part in bring(folder, scratch):
        part.path.unlink()
    require_unchanged(folder.files, folder.accepted(), ignored)


def test_a_part_of_the_delivery_before_is_waited_for_while_the_manifest_is_young(folder: Laid) -> None:
    slow, now = Slow(parts=3), time.time()
    first, second, third = (part.pin.address for part in accept(slow, slow.manifest, ignored).parts)
    slow.changed_at = {slow.manifest.address: now - 60, first: now - 70, second: now - 80, third: now - APART_S - 61}
    with pytest.raises(DamagedReport) as missing:
        accept(slow, slow.manifest, ignored)
    assert missing.value.code == "MissingPart"
    assert "names a part which is not there, or not whole" in missing.value.message
    assert "made-00003.csv.gz' (as of " in missing.value.message
    assert "UTC, of the delivery before). Nothing was imported" in missing.value.message
    slow.changed_at[third] = now - APART_S  # of one delivery, that took so long
    assert len(accept(slow, slow.manifest, ignored).parts) == 3
    old = now - APART_S - 60
    slow.changed_at = {slow.manifest.address: old, first: old, second: old, third: old - 10 * APART_S}
    assert len(accept(slow, slow.manifest, ignored).parts) == 3
    os.utime(folder.accepted().parts[0].pin.address, (1, 1))  # in a folder, times say nothing
    assert len(folder.accepted().parts) == PARTS


STATUS = "cur/made/cost_and_usage_data_status/cost_and_usage_data_status.parquet"


def status(value: str) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"status": [value]}), file)
    return file.getvalue()


@pytest.mark.usefixtures("aws_endpoint")
def test_a_parquet_report_that_aws_is_writing_is_waited_for(tmp_path: Path) -> None:
    key = "cur/made/made/year=2026/month=5/made-00001.snappy.parquet"
    client = boto3.client("s3")
    client.create_bucket(Bucket="replica")
    client.put_object(Bucket="replica", Key=key, Body=b"PAR1")
    files = ANYWHERE.open("s3://replica")
    manifest = manifest_of(MADE).model_copy(
        update={
            "address": Address("s3://replica/cur/made/made/year=2026/month=5/made-Manifest.json"),
            "keys": (key,),
        }
    )
    assert len(accept(files, manifest, ignored).parts) == 1
    client.put_object(Bucket="replica", Key=STATUS, Body=status("UPDATING"))
    with pytest.raises(DamagedReport, match="its cost_and_usage_data_status is UPDATING") as missing:
        accept(files, manifest, ignored)
    assert missing.value.code == "MissingPart"
    for content in (status("READY"), b"not Parquet"):
        client.put_object(Bucket="replica", Key=STATUS, Body=content)
        assert len(accept(files, manifest, ignored).parts) == 1


class Nothing:
    """The body of S3's answers to HEAD."""

    def stream(self, **_: object) -> Iterator[bytes]:
        yield from ()


@pytest.mark.usefixtures("aws_endpoint")
def test_credentials_that_may_list_below_a_prefix_only_are_told_what_is_not_there(tmp_path: Path) -> None:
    bucket = bucket_of(tmp_path, versioned=False)
    assert isinstance(bucket.files, Bucket)

    def refuse(request: Any, **_: object) -> AWSResponse:
        return AWSResponse(request.url, 403, HTTPHeaders(), Nothing())

    hook: Any = refuse
    bucket.files._client.meta.events.register("before-send.s3.HeadObject", hook)
    there, absent = (Address(f"s3://replica/copied/{key}") for key in (MADE.keys[0], f"{MADE.keys[0]}.no"))
    assert bucket.files.pin(absent) is None
    with pytest.raises(BadInput, match="AWS does not let these credentials read") as refused:
        bucket.files.pin(there)
    assert refused.value.code == "AccessDenied"


@pytest.mark.usefixtures("aws_endpoint")
def test_a_download_from_s3_is_stopped_in_its_middle(
    tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost_bucket, "STOP_WITHIN_S", 0.01)
    bucket = bucket_of(tmp_path, versioned=False)
    bucket.put(MADE.keys[0], os.urandom(30_000_000))
    stop, came = Event(), list[int]()

    def count(more: int) -> None:
        came.append(more)
        stop.set()

    pin = bucket.accepted().parts[0].pin
    with pytest.raises(BaseException) as ended:
        bucket.files.fetch(pin, scratch / "part", count, stop)
    assert not isinstance(ended.value, AssertionError)
    assert 0 < sum(came) < pin.size
    assert not (scratch / "part").exists()


@pytest.mark.usefixtures("aws_endpoint")
def test_a_disk_without_room_is_told_before_anything_is_brought(
    tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = bucket_of(tmp_path, versioned=False)
    monkeypatch.setattr(cost_fetching, "DISK_RESERVE_BYTES", 10**18)
    with pytest.raises(Unavailable) as full:
        list(bring(bucket, scratch))
    assert full.value.code == "DiskFull"
    assert f"The disk of {scratch} has " in full.value.message
    assert "make room, or lower ALLOT_COST_SCRATCH_MB" in full.value.message


@pytest.mark.usefixtures("aws_endpoint")
def test_an_archived_part_is_told(tmp_path: Path, scratch: Path) -> None:
    bucket = bucket_of(tmp_path, versioned=False)
    boto3.client("s3").put_object(Bucket="replica", Key=f"copied/{MADE.keys[0]}", Body=b"cold", StorageClass="GLACIER")
    with pytest.raises(AllotError, match="is archived: restore it") as told:
        list(bring(bucket, scratch))
    assert told.value.code == "Archived"
