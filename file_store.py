"""Where files are kept that are too large for a process's history: budget files and reports about them.

A file's name is the SHA-256 of its bytes, so that the same file is kept once, a name can be trusted, and putting a file
twice is harmless. The store is a folder, or `s3://bucket/prefix`.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from pydantic_core import to_jsonable_python

from domain.budget_file import FILE_BYTES_MAX
from domain.errors import BadInput, Unavailable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

S3_SCHEME = "s3://"
S3_CONNECT_TIMEOUT_S = 5
S3_READ_TIMEOUT_S = 30
S3_ATTEMPTS_MAX = 4
S3_REGION = "us-east-1"
"""Where neither the environment nor the profile names one; S3 leads on to the bucket's own."""

_NAME = re.compile(r"[0-9a-f]{64}", re.ASCII)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9]", re.ASCII)
_MISSING = ("NoSuchKey", "404", "NotFound")


class _Place(Protocol):
    """What folder and bucket have in common."""

    def write(self, name: str, data: bytes) -> None: ...

    def read(self, name: str, bytes_max: int) -> bytes | None:
        """None where there is no such file; at most one byte more than asked for."""


class FileStore:
    """Safe to share between threads."""

    def __init__(self, location: str, *, bytes_max: int = FILE_BYTES_MAX) -> None:
        self._location = location
        self._bytes_max = bytes_max
        self._place: _Place = _Bucket(location) if location.startswith(S3_SCHEME) else _Folder(Path(location))

    def put(self, data: bytes) -> str:
        """Keeps the bytes and returns their name; afterwards the file is there whole, or not at all."""
        if len(data) > self._bytes_max:
            raise BadInput(
                f"The file has {len(data):,} bytes; at most {self._bytes_max:,} are kept: is it the right one?",
                code="FileTooLarge",
            )
        name = name_of(data)
        self._place.write(name, data)
        return name

    def put_json(self, value: object) -> str:
        """Keeps a value of plain data or models as JSON, indented for people who look into it."""
        return self.put(json.dumps(to_jsonable_python(value), indent=1, ensure_ascii=False).encode())

    def get(self, name: str) -> bytes:
        """The bytes of that name, verified."""
        if not _NAME.fullmatch(name):
            raise BadInput(f"{name[:80]!r} is not the name of a stored file, which is a SHA-256.", code="WrongFileName")
        data = self._place.read(name, self._bytes_max)
        if data is None:
            raise BadInput(
                f"There is no file {name} in the file store {self._location}: load the file again, and check that "
                "all processes have the same setting ALLOT_FILE_STORE.",
                code="FileNotFound",
            )
        if len(data) > self._bytes_max:
            raise BadInput(
                f"The stored file {name} has more than {self._bytes_max:,} bytes, the most that is read.",
                code="FileTooLarge",
            )
        if (found := name_of(data)) != name:
            raise BadInput(
                f"The stored file {name} is damaged: its bytes have the hash {found}. Load the file again.",
                code="FileDamaged",
            )
        return data


def name_of(data: bytes) -> str:
    """SHA-256, hexadecimal."""
    return sha256(data).hexdigest()


class _Folder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, name: str, data: bytes) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(prefix=".put-", dir=self._folder)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())  # the ledger may soon name this file for ever
                Path(temporary).replace(self._folder / name)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise self._unavailable("written to", error) from error

    def read(self, name: str, bytes_max: int) -> bytes | None:
        try:
            with (self._folder / name).open("rb") as file:
                return file.read(bytes_max + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unavailable("read", error) from error

    def _unavailable(self, done: str, error: OSError) -> Unavailable:
        return Unavailable(
            f"The file store {self._folder} cannot be {done} ({error.strerror or error}): check the folder, its rights "
            "and the space left, or set ALLOT_FILE_STORE."
        )


class _Bucket:
    def __init__(self, location: str) -> None:
        bucket, _, prefix = location.removeprefix(S3_SCHEME).partition("/")
        if not _BUCKET.fullmatch(bucket):
            raise BadInput(
                f"The file store {location!r} names no bucket: write s3://bucket/prefix.", code="WrongLocation"
            )
        self._bucket, self._prefix = bucket, prefix.strip("/")
        self._client: S3Client | None = None

    def write(self, name: str, data: bytes) -> None:
        # S3 shows an object when it is whole, and checks the checksum that boto3 sends along.
        self._call("s3:PutObject", lambda s3: s3.put_object(Bucket=self._bucket, Key=self._key(name), Body=data))

    def read(self, name: str, bytes_max: int) -> bytes | None:
        def fetch(s3: S3Client) -> bytes | None:
            try:
                with s3.get_object(Bucket=self._bucket, Key=self._key(name))["Body"] as body:
                    return body.read(bytes_max + 1)
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") in _MISSING:
                    return None
                raise

        return self._call("s3:GetObject", fetch)

    def _call[T](self, permission: str, call: Callable[[S3Client], T]) -> T:
        try:
            return call(self._s3())
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            raise Unavailable(
                f"S3 refuses to serve the file store s3://{self._bucket}/{self._prefix} ({code}): check that the "
                f"bucket exists and that this process is allowed {permission} and s3:ListBucket."
            ) from error
        except (BotoCoreError, OSError) as error:
            raise Unavailable(
                f"S3 cannot be reached for the file store s3://{self._bucket}/{self._prefix} ({error}): check the "
                "network and the AWS credentials of this process."
            ) from error

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name

    def _s3(self) -> S3Client:
        if self._client is None:
            session = boto3.Session()
            self._client = session.client(
                "s3",
                region_name=session.region_name or S3_REGION,
                config=Config(
                    connect_timeout=S3_CONNECT_TIMEOUT_S,
                    read_timeout=S3_READ_TIMEOUT_S,
                    retries={"mode": "standard", "total_max_attempts": S3_ATTEMPTS_MAX},
                ),
            )
        return self._client
