"""Results of queries that Athena has put into S3 (UNLOAD): brought here, and taken away there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from activities.aws_access import AwsAccess
from activities.contracts import Progress
from activities.cost_bucket import aws_errors, client_config, parsed
from activities.cost_fetching import BYTES_PER_MB, SCRATCH_SETTING, Room
from activities.cost_files import Report
from domain.errors import BadInput

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef

DELETED_AT_ONCE = 1_000
"""The most that S3 takes."""


def own_s3() -> S3Client:
    return AwsAccess().s3("", client_config())


@contextmanager
def brought(
    prefix: str, folder: Path, room: Room, report: Report, connect: Callable[[], S3Client] = own_s3
) -> Iterator[list[Path]]:
    """All files below a prefix, which nobody else writes to. At the end they are removed, here and there."""
    bucket, key = parsed(prefix)
    with aws_errors(prefix):
        client = connect()
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key)
        found = {entry["Key"]: entry["Size"] for page in pages for entry in page.get("Contents", []) if entry["Size"]}
    whole = sum(found.values())
    if whole > room.bytes_max:
        raise BadInput(
            f"What Athena has made of the report needs {-(-whole // BYTES_PER_MB):,} MB on disk, and {SCRATCH_SETTING} "
            f"allows {room.bytes_max // BYTES_PER_MB:,}. Raise it.",
            code="NoRoom",
        )
    paths: list[Path] = []
    try:
        done = 0
        for number, (name, size) in enumerate(sorted(found.items())):
            report(Progress(step="downloading", done=done, whole=whole))
            paths.append(folder / f"athena-{number:05d}.parquet")
            with aws_errors(prefix):
                client.download_file(bucket, name, str(paths[-1]))
            done += size
        yield paths
    finally:
        for path in paths:
            path.unlink(missing_ok=True)
        with aws_errors(prefix):
            names: list[ObjectIdentifierTypeDef] = [{"Key": name} for name in found]
            for first in range(0, len(names), DELETED_AT_ONCE):
                client.delete_objects(
                    Bucket=bucket, Delete={"Objects": names[first : first + DELETED_AT_ONCE], "Quiet": True}
                )
