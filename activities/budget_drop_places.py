"""Where budget files are dropped: a folder, or a bucket and prefix in S3. Files lie in it side by side, not below.

What is read is what was listed: a file that has changed since is left for the next look. Beside each file stands its
result; nothing else is ever written, moved or deleted here.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol
from uuid import uuid4

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from domain.budget_file import FILE_BYTES_MAX
from domain.budget_file_name import EXTENSIONS
from domain.errors import BadInput, Unavailable
from file_store import S3_ATTEMPTS_MAX, S3_CONNECT_TIMEOUT_S, S3_READ_TIMEOUT_S, S3_REGION, S3_SCHEME

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

RESULT_SUFFIX = ".result.json"
ENTRIES_MAX = 10_000
"""Files of any kind side by side in a drop."""
RESULT_BYTES_MAX = 20_000_000
"""A result holds at most a thousand problems; what is larger is none of ours."""
SETTLED_S = 30.0
"""In a folder, a file counts once it was left alone for so long: one that is being written looks like a short one."""

_PASSING = {errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.ESTALE, errno.ETIMEDOUT}
_CHANGED = {"PreconditionFailed", "412", "NoSuchKey", "404"}
_THROTTLED = {"SlowDown", "Throttling", "ThrottlingException", "RequestTimeout", "RequestTimeTooSkewed"}
_SERVER_ERROR = 500


class Seen(NamedTuple):
    """A file in the drop as it was listed."""

    name: str
    version: str
    """Another one whenever the file is written anew."""
    size: int
    changed_at: float
    """Seconds since 1970."""


class Listing(NamedTuple):
    files: tuple[Seen, ...]
    """In the order in which they were last written."""
    names: frozenset[str]
    """Of all that lies there, results too."""


class Place(Protocol):
    def look(self) -> Listing: ...

    def read(self, seen: Seen) -> bytes | None:
        """At most one byte more than a budget file may have; None where it is not any more what was listed."""

    def read_result(self, name: str) -> bytes: ...

    def write_result(self, name: str, data: bytes) -> None:
        """Afterwards it is there whole, or as it was before."""


def open_drop(location: str) -> Place:
    """A folder, or `s3://bucket/prefix`; credentials and endpoint are those of the environment."""
    return Bucket(location) if location.startswith(S3_SCHEME) else Folder(location)


class Folder:
    def __init__(self, location: str) -> None:
        self._folder = Path(location).expanduser()

    def look(self) -> Listing:
        if not self._folder.is_dir():
            raise BadInput(f"There is no folder {self._folder}: make it, or set ALLOT_BUDGET_DROP.", code="NoSource")
        now, found, names = time.time(), [], set[str]()
        with _os_errors(str(self._folder)), os.scandir(self._folder) as entries:
            for entry in entries:
                names.add(entry.name)
                _require_few(len(names), str(self._folder))
                # No links: they would lead to files that whoever drops them may not read themselves.
                if not is_budget(entry.name) or not entry.is_file(follow_symlinks=False):
                    continue
                with suppress(FileNotFoundError):  # gone since it was listed
                    seen = _seen(entry.name, entry.stat(follow_symlinks=False))
                    if abs(now - seen.changed_at) >= SETTLED_S:
                        found.append(seen)
        return Listing(_in_order(found), frozenset(names))

    def read(self, seen: Seen) -> bytes | None:
        with _os_errors(seen.name):
            try:
                descriptor = os.open(self._folder / seen.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            except FileNotFoundError:
                return None
            with os.fdopen(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    return None
                data = file.read(FILE_BYTES_MAX + 1)
                return data if _seen(seen.name, os.fstat(descriptor)) == seen else None

    def read_result(self, name: str) -> bytes:
        with _os_errors(name):
            descriptor = os.open(self._folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with os.fdopen(descriptor, "rb") as file:
                return file.read(RESULT_BYTES_MAX)

    def write_result(self, name: str, data: bytes) -> None:
        temporary = self._folder / f".{uuid4().hex}.part"
        with _os_errors(name):
            try:
                # Not by tempfile, whose files nobody else may read.
                with temporary.open("xb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(self._folder / name)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise


class Bucket:
    """The client waits no longer than its limits, and tries again what may pass."""

    def __init__(self, location: str) -> None:
        self._bucket, _, prefix = location.removeprefix(S3_SCHEME).partition("/")
        # Closed by a slash, so that `drop/a` does not take in `drop/ab`.
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        with _aws_errors(location):
            session = boto3.Session()
            self._client: S3Client = session.client(
                "s3",
                region_name=session.region_name or S3_REGION,
                config=Config(
                    connect_timeout=S3_CONNECT_TIMEOUT_S,
                    read_timeout=S3_READ_TIMEOUT_S,
                    retries={"mode": "standard", "total_max_attempts": S3_ATTEMPTS_MAX},
                ),
            )

    def look(self) -> Listing:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._prefix, Delimiter="/"
        )
        found, names, where = [], set[str](), f"{S3_SCHEME}{self._bucket}/{self._prefix}"
        with _aws_errors(where):
            for page in pages:
                for entry in page.get("Contents", []):
                    name = entry["Key"].removeprefix(self._prefix)
                    names.add(name)
                    if is_budget(name):
                        # The time too: a version that comes back is dropped anew.
                        version = f"{entry['ETag']} {entry['LastModified'].isoformat()}"
                        found.append(Seen(name, version, entry["Size"], entry["LastModified"].timestamp()))
                _require_few(len(names), where)
        return Listing(_in_order(found), frozenset(names))

    def read(self, seen: Seen) -> bytes | None:
        etag = seen.version.partition(" ")[0]
        with _aws_errors(self._address(seen.name)):
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=self._key(seen.name), IfMatch=etag)
                with answer["Body"] as body:
                    return body.read(FILE_BYTES_MAX + 1)
            except ClientError as error:
                if _code(error) in _CHANGED:
                    return None
                raise

    def read_result(self, name: str) -> bytes:
        with (
            _aws_errors(self._address(name)),
            self._client.get_object(Bucket=self._bucket, Key=self._key(name))["Body"] as body,
        ):
            return body.read(RESULT_BYTES_MAX)

    def write_result(self, name: str, data: bytes) -> None:
        with _aws_errors(self._address(name)):
            self._client.put_object(Bucket=self._bucket, Key=self._key(name), Body=data, ContentType="application/json")

    def _key(self, name: str) -> str:
        return f"{self._prefix}{name}"

    def _address(self, name: str) -> str:
        return f"{S3_SCHEME}{self._bucket}/{self._key(name)}"


def is_budget(name: str) -> bool:
    return name.lower().endswith(EXTENSIONS) and not name.startswith(".")


def _in_order(found: list[Seen]) -> tuple[Seen, ...]:
    return tuple(sorted(found, key=lambda seen: (seen.changed_at, seen.name)))


def _seen(name: str, status: os.stat_result) -> Seen:
    return Seen(name, f"{status.st_ino} {status.st_size} {status.st_mtime_ns}", status.st_size, status.st_mtime)


def _require_few(count: int, where: str) -> None:
    if count > ENTRIES_MAX:
        raise BadInput(
            f"There are more than {ENTRIES_MAX:,} files in the drop {where}: move old ones elsewhere.",
            code="SourceTooLarge",
        )


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def _os_errors(name: str) -> Iterator[None]:
    """What stays wrong is for a person; what passes stops the look, so that files keep their order."""
    try:
        yield
    except OSError as error:
        told = f"{name[:200]!r} in the drop cannot be read or written ({error.strerror or error})"
        if error.errno in _PASSING:
            raise Unavailable(f"{told}; it will be tried again.") from None
        raise BadInput(f"{told}: check the folder's rights and the file's name.", code="DropUnusable") from None


@contextmanager
def _aws_errors(address: str) -> Iterator[None]:
    """Likewise for S3."""
    try:
        yield
    except ClientError as error:
        code, status = _code(error), error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", _SERVER_ERROR)
        if status >= _SERVER_ERROR or code in _THROTTLED:
            raise Unavailable(f"S3 could not serve {address[:300]!r} ({code}); it will be tried again.") from None
        raise BadInput(
            f"S3 refuses {address[:300]!r} ({code}): check that the bucket exists, and allow the worker s3:ListBucket, "
            "s3:GetObject and s3:PutObject there.",
            code="DropUnusable",
        ) from None
    except (BotoCoreError, OSError) as error:
        raise Unavailable(f"S3 cannot be reached for {address[:300]!r} ({error}); it will be tried again.") from None
