"""Results of queries that Athena has put into S3 (UNLOAD): brought here one after the other, and taken away there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from activities.aws_access import AwsAccess
from activities.cost_bucket import Bucket, aws_errors, client_config, parsed
from activities.cost_fetching import Accepted, PinnedPart, Room, fetched
from activities.cost_files import S3_SCHEME, Pin, Report
from activities.cost_lines import Part
from activities.cost_manifest import Address, Manifest

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef

DELETED_AT_ONCE = 1_000
"""The most that S3 takes."""


def own_s3() -> S3Client:
    return AwsAccess().s3("", client_config())


@contextmanager
def unloaded(
    prefix: str,
    manifest: Manifest,
    folder: Path,
    report: Report,
    room: Room,
    connect: Callable[[], S3Client] = own_s3,
) -> Iterator[Iterator[Part]]:
    """The files below a prefix, which nobody else writes to: made of that report, and brought here as its parts are
    (see `cost_fetching.fetched`)."""
    with aws_errors(prefix):
        found = _listed(connect(), prefix)
    pins = [Pin(entry.address, entry.size, entry.tag) for entry in found if entry.size]
    parts = tuple(PinnedPart(pin.address, pin) for pin in pins)
    with closing(fetched(Bucket(prefix, connect), Accepted(manifest, parts), folder, report, room)) as files:
        yield files


@contextmanager
def cleared(prefix: str, connect: Callable[[], S3Client] = own_s3) -> Iterator[None]:
    """At the end nothing is left below a prefix; Athena itself leaves there what a query that failed has written."""
    try:
        yield
    finally:
        bucket, _ = parsed(prefix)
        with aws_errors(prefix):
            client = connect()
            names: list[ObjectIdentifierTypeDef] = [
                {"Key": parsed(each.address)[1]} for each in _listed(client, prefix)
            ]
            for first in range(0, len(names), DELETED_AT_ONCE):
                chosen = names[first : first + DELETED_AT_ONCE]
                client.delete_objects(Bucket=bucket, Delete={"Objects": chosen, "Quiet": True})


class _Listed(NamedTuple):
    address: Address
    size: int
    tag: str


def _listed(client: S3Client, prefix: str) -> list[_Listed]:
    bucket, key = parsed(prefix)
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key)
    return [
        _Listed(Address(f"{S3_SCHEME}{bucket}/{entry['Key']}"), entry["Size"], entry["ETag"])
        for page in pages
        for entry in page.get("Contents", [])
    ]
