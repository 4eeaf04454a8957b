"""Where cost reports lie: a local folder, or a bucket and prefix in S3. Reads manifests, brings parts here."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfile
from typing import TYPE_CHECKING, Protocol

from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError, ProfileNotFound

from activities.contracts import Progress
from activities.cost_manifest import MANIFEST_BYTES_MAX, Address, current_manifests, damaged, is_pointer
from domain.errors import BadInput, Unavailable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

OBJECTS_LISTED_MAX = 1_000_000
"""Files or objects looked at below a source; a report of ten years with every assembly kept has under 100,000."""
PART_BYTES_MAX = 50_000_000_000
PART_TEXT_BYTES_MAX = 1_000_000_000_000
"""Bytes of a part when unpacked: a limit to what a small file can be blown up to."""
UNPACKED_AT_ONCE_BYTES = 1 << 18

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 30
AWS_ATTEMPTS_MAX = 5
TRANSFER_THREADS_MAX = 4

S3_SCHEME = "s3://"
_REFUSED = {"403", "AccessDenied", "Forbidden", "InvalidAccessKeyId", "SignatureDoesNotMatch", "AllAccessDisabled"}
_ABSENT = {"404", "NoSuchKey", "NotFound"}

Report = Callable[[Progress], None]
"""Is told how far the work has come. May raise, to stop it."""


class Files(Protocol):
    """What is asked of a place, by addresses in it."""

    def manifests(self) -> list[Address]:
        """Of all billing periods, in order."""

    def read(self, address: Address) -> bytes:
        """A small file; at most one byte more than a manifest may have."""

    def size(self, address: Address) -> int | None:
        """In bytes; None where there is no such file."""

    def fetch(self, address: Address, target: Path, report: Callable[[int], None]) -> None:
        """Copies a file here, so that what is checked is also what is read. Reports bytes as they come."""


def open_place(source: str) -> Files:
    """A folder, or `s3://bucket/prefix`; credentials and endpoint are those of the environment."""
    return Bucket(source) if source.startswith(S3_SCHEME) else Folder(source)


class Folder:
    """A local folder and all below it."""

    def __init__(self, source: str) -> None:
        # Resolved, because the names of the folders above tell what a manifest is.
        self._root = Path(source).expanduser().resolve()

    def manifests(self) -> list[Address]:
        if not self._root.is_dir():
            raise BadInput(
                f"There is no folder {self._root}: name the one that holds the cost report.", code="NoSource"
            )
        found: list[Address] = []
        looked_at = 0
        for parent, _, names in os.walk(self._root):
            looked_at += len(names)
            _require_few(looked_at, str(self._root))
            addresses = (Address(f"{parent}/{name}") for name in names)
            found.extend(address for address in addresses if is_pointer(address))
        return current_manifests(found)

    def read(self, address: Address) -> bytes:
        try:
            with Path(address).open("rb") as file:
                return file.read(MANIFEST_BYTES_MAX + 1)
        except FileNotFoundError:
            raise _no_manifest(address) from None

    def size(self, address: Address) -> int | None:
        path = Path(address)
        return path.stat().st_size if path.is_file() else None

    def fetch(self, address: Address, target: Path, report: Callable[[int], None]) -> None:
        copyfile(address, target)
        report(target.stat().st_size)


class Bucket:
    """A prefix of an S3 bucket. The client waits no longer than its limits, and tries again what may pass."""

    def __init__(self, source: str) -> None:
        self._bucket, prefix = _parsed(source)
        # Closed by a slash, so that `reports/a` does not take in `reports/ab`.
        self._prefix = f"{prefix.rstrip('/')}/" if prefix else ""
        with _aws_errors(source):
            self._client: S3Client = Session().client(
                "s3",
                config=Config(
                    connect_timeout=CONNECT_TIMEOUT_S,
                    read_timeout=READ_TIMEOUT_S,
                    retries={"mode": "standard", "total_max_attempts": AWS_ATTEMPTS_MAX},
                    max_pool_connections=TRANSFER_THREADS_MAX + 1,
                ),
            )

    def manifests(self) -> list[Address]:
        found: list[Address] = []
        looked_at = 0
        source = f"{S3_SCHEME}{self._bucket}/{self._prefix}"
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
        with _aws_errors(source):
            for page in pages:
                keys = [entry["Key"] for entry in page.get("Contents", [])]
                looked_at += len(keys)
                _require_few(looked_at, source)
                found.extend(Address(f"{S3_SCHEME}{self._bucket}/{key}") for key in keys if is_pointer(key))
        return current_manifests(found)

    def read(self, address: Address) -> bytes:
        bucket, key = _parsed(address)
        with _aws_errors(address):
            try:
                answer = self._client.get_object(Bucket=bucket, Key=key)
                return answer["Body"].read(MANIFEST_BYTES_MAX + 1)
            except self._client.exceptions.NoSuchKey:
                raise _no_manifest(address) from None

    def size(self, address: Address) -> int | None:
        bucket, key = _parsed(address)
        with _aws_errors(address):
            try:
                return self._client.head_object(Bucket=bucket, Key=key)["ContentLength"]
            except ClientError as error:
                if _code(error) in _ABSENT:
                    return None
                raise

    def fetch(self, address: Address, target: Path, report: Callable[[int], None]) -> None:
        bucket, key = _parsed(address)
        settings = TransferConfig(max_concurrency=TRANSFER_THREADS_MAX)
        came = 0

        def count(more: int) -> None:
            nonlocal came
            came += more  # from one of several threads; a lost addition only makes progress look slower

        with _aws_errors(address):
            self._client.download_file(bucket, key, str(target), Callback=count, Config=settings)
        report(came)


def check_gzip(path: Path, name: str, report: Callable[[int], None]) -> None:
    """Unpacks a part once, without keeping it, and raises DamagedReport where it is truncated or altered.

    DuckDB notices a truncated file, but not a wrong checksum; and it must not be the only witness of what it reads.
    """
    if not path.stat().st_size:
        raise damaged(f"The part {name} is empty", "BadPart")
    unpacked = 0
    try:
        with path.open("rb") as raw, gzip.GzipFile(fileobj=raw) as file:
            while size := len(file.read(UNPACKED_AT_ONCE_BYTES)):
                unpacked += size
                report(raw.tell())
                if unpacked > PART_TEXT_BYTES_MAX:
                    raise damaged(f"The part {name} unpacks to more than {PART_TEXT_BYTES_MAX:,} bytes", "BadPart")
    except EOFError:
        raise damaged(f"The part {name} is truncated: its gzip stream has no end", "BadPart") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise damaged(f"The part {name} is not sound gzip ({error})", "BadPart") from None


def _parsed(address: str) -> tuple[str, str]:
    bucket, _, key = address.removeprefix(S3_SCHEME).partition("/")
    if not bucket:
        raise BadInput(f"{address} names no bucket: write s3://bucket/prefix.", code="NoSource")
    return bucket, key


def _require_few(looked_at: int, source: str) -> None:
    if looked_at > OBJECTS_LISTED_MAX:
        raise BadInput(
            f"There are more than {OBJECTS_LISTED_MAX:,} files below {source}: name the folder of one report.",
            code="SourceTooLarge",
        )


def _no_manifest(address: Address) -> Exception:
    return damaged(f"There is no manifest {address}", "BadManifest")


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def _aws_errors(address: str) -> Iterator[None]:
    """What AWS says, in our words: wrong names and rights are for a person, the rest may pass."""
    try:
        yield
    except (NoCredentialsError, PartialCredentialsError, ProfileNotFound) as error:
        raise BadInput(f"AWS cannot be asked for {address}: {error}.", code="NoCredentials") from None
    except ClientError as error:
        code = _code(error)
        if code == "NoSuchBucket":
            raise BadInput(f"There is no bucket for {address}: check its name.", code="NoSource") from None
        if code in _REFUSED:
            raise BadInput(
                f"AWS does not let these credentials read {address} ({code}): allow s3:ListBucket and s3:GetObject.",
                code="AccessDenied",
            ) from None
        raise Unavailable(f"AWS could not give {address} ({code}): it will be tried again.") from None
    except (Boto3Error, BotoCoreError, OSError) as error:
        raise Unavailable(f"{address} could not be brought here ({error}): it will be tried again.") from None
