"""Cost reports in S3. The client waits no longer than its limits, and tries again what may pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig, create_transfer_manager
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError, ProfileNotFound
from s3transfer.exceptions import S3DownloadFailedError
from s3transfer.subscribers import BaseSubscriber

from activities.cost_files import S3_SCHEME, Count, Pin, counted, no_manifest, part_changed, require_few, uncounted
from activities.cost_manifest import MANIFEST_BYTES_MAX, Address, current_manifests, is_pointer
from domain.errors import BadInput, Unavailable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectRequestTypeDef
    from s3transfer.futures import TransferFuture

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 30
AWS_ATTEMPTS_MAX = 5
PARTS_AT_ONCE_MAX = 4
"""Downloaded side by side …"""
TRANSFER_THREADS_MAX = 4
"""… each over so many connections."""
CHUNKS_WAITING_MAX = 16
"""Of 256 KiB each, that have come and are not written yet, of each part: a bound for memory."""
STOP_WITHIN_S = 0.5

_REFUSED = {"403", "AccessDenied", "Forbidden", "InvalidAccessKeyId", "SignatureDoesNotMatch", "AllAccessDisabled"}
_ABSENT = {"404", "NoSuchKey", "NotFound"}
_CHANGED = {"412", "PreconditionFailed", "NoSuchVersion", *_ABSENT}
_NULL_VERSION = "null"
"""Of an object that was written while versioning was off: it can be overwritten."""


def client_config() -> Config:
    return Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"mode": "standard", "total_max_attempts": AWS_ATTEMPTS_MAX},
        max_pool_connections=PARTS_AT_ONCE_MAX * TRANSFER_THREADS_MAX + 1,
    )


class Bucket:
    """A prefix of an S3 bucket."""

    copies = True

    def __init__(self, source: str, connect: Callable[[], S3Client]) -> None:
        self._bucket, prefix = parsed(source)
        # Closed by a slash, so that `reports/a` does not take in `reports/ab`.
        self._prefix = f"{prefix.rstrip('/')}/" if prefix else ""
        with aws_errors(source):
            self._client = connect()

    def manifests(self, count: Count = uncounted) -> list[Address]:
        return current_manifests(filter(is_pointer, counted(self._below(self._bucket, self._prefix), count)))

    def below(self, folder: Address) -> Iterator[Address]:
        bucket, key = parsed(folder)
        return self._below(bucket, f"{key}/")

    def _below(self, bucket: str, prefix: str) -> Iterator[Address]:
        looked_at, source = 0, f"{S3_SCHEME}{bucket}/{prefix}"
        with aws_errors(source):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                looked_at += page["KeyCount"]
                require_few(looked_at, source)
                yield from (Address(f"{S3_SCHEME}{bucket}/{entry['Key']}") for entry in page.get("Contents", []))

    def read(self, address: Address) -> bytes:
        bucket, key = parsed(address)
        with aws_errors(address):
            try:
                answer = self._client.get_object(Bucket=bucket, Key=key)
                return answer["Body"].read(MANIFEST_BYTES_MAX + 1)
            except self._client.exceptions.NoSuchKey:
                raise no_manifest(address) from None

    def pin(self, address: Address) -> Pin | None:
        bucket, key = parsed(address)
        with aws_errors(address):
            try:
                found = self._client.head_object(Bucket=bucket, Key=key)
            except ClientError as error:
                if code_of(error) in _ABSENT or (code_of(error) in _REFUSED and not self._is_listed(bucket, key)):
                    return None
                raise
        version_id = found.get("VersionId", "")
        return Pin(
            address,
            found["ContentLength"],
            found["ETag"],
            "" if version_id == _NULL_VERSION else version_id,
            found["LastModified"].timestamp(),
        )

    def tail(self, pin: Pin, size: int) -> bytes:
        """The last bytes of what was pinned. Raises Unavailable `PartChanged` where it is not that any more."""
        bucket, key = parsed(pin.address)
        request: GetObjectRequestTypeDef = {"Bucket": bucket, "Key": key, "Range": f"bytes=-{size}", "IfMatch": pin.tag}
        if pin.version_id:
            request["VersionId"] = pin.version_id
        with aws_errors(pin.address):
            try:
                answer = self._client.get_object(**request)
                return answer["Body"].read()
            except ClientError as error:
                if code_of(error) in _CHANGED:
                    raise part_changed(pin.address) from None
                raise

    def _is_listed(self, bucket: str, key: str) -> bool:
        """Whether it is there, for credentials that may list below a prefix only: to those, S3 denies what is not."""
        found = self._client.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)
        return any(entry["Key"] == key for entry in found.get("Contents", []))

    def fetch(self, pin: Pin, target: Path, count: Callable[[int], None], stop: Event) -> None:
        """By several connections. Each asks for the pinned version, and for the pinned ETag where there is none."""
        bucket, key = parsed(pin.address)
        settings = TransferConfig(
            multipart_threshold=1,  # small files, too, are asked for by range: only then the ETag goes with it
            max_concurrency=TRANSFER_THREADS_MAX,
            max_io_queue=CHUNKS_WAITING_MAX,
            preferred_transfer_client="classic",
        )
        version = {"VersionId": pin.version_id} if pin.version_id else {}
        known = _Known(pin, count)
        with aws_errors(pin.address), create_transfer_manager(self._client, settings) as manager:
            future = manager.download(bucket, key, str(target), extra_args=version, subscribers=[known])
            while not known.done.wait(STOP_WITHIN_S):
                if stop.is_set():
                    future.cancel()
            try:
                future.result()
            except S3DownloadFailedError:  # what it says of an ETag that does not match
                raise part_changed(pin.address) from None
            except ClientError as error:
                if code_of(error) in _CHANGED:
                    raise part_changed(pin.address) from None
                raise


class _Known(BaseSubscriber):
    """Tells a download what is known of its file, so that nothing else is taken for it; and us, how far it has come."""

    def __init__(self, pin: Pin, count: Callable[[int], None]) -> None:
        self._pin, self._count = pin, count
        self.done = Event()

    def on_queued(self, future: TransferFuture, **_: object) -> None:
        future.meta.provide_transfer_size(self._pin.size)
        future.meta.provide_object_etag(self._pin.tag)

    def on_progress(self, future: TransferFuture, bytes_transferred: int, **_: object) -> None:
        self._count(bytes_transferred)

    def on_done(self, future: TransferFuture, **_: object) -> None:
        self.done.set()


def parsed(address: str) -> tuple[str, str]:
    """Bucket and key. Raises BadInput."""
    bucket, _, key = address.removeprefix(S3_SCHEME).partition("/")
    if not bucket:
        raise BadInput(f"{address} names no bucket: write s3://bucket/prefix.", code="NoSource")
    return bucket, key


def code_of(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def aws_errors(address: str) -> Iterator[None]:
    """What AWS says, in our words: wrong names and rights are for a person, the rest may pass."""
    try:
        yield
    except (NoCredentialsError, PartialCredentialsError, ProfileNotFound) as error:
        raise BadInput(f"AWS cannot be asked for {address}: {error}.", code="NoCredentials") from None
    except ClientError as error:
        code = code_of(error)
        if code == "NoSuchBucket":
            raise BadInput(f"There is no bucket for {address}: check its name.", code="NoSource") from None
        if code in _REFUSED:
            raise BadInput(
                f"AWS does not let these credentials read {address} ({code}): allow s3:ListBucket, s3:GetObject and "
                "s3:GetObjectVersion.",
                code="AccessDenied",
            ) from None
        if code == "InvalidObjectState":
            raise BadInput(
                f"{address} is archived: restore it, and keep the lifecycle rule from moving reports to an archive.",
                code="Archived",
            ) from None
        raise Unavailable(f"AWS could not give {address} ({code}): it will be tried again.") from None
    except (Boto3Error, BotoCoreError, OSError) as error:
        raise Unavailable(f"{address} could not be brought here ({error}): it will be tried again.") from None
