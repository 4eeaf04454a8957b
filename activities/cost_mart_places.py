"""Where the cost mart is kept: a folder, or a bucket whose files are copied here to be read."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from boto3.exceptions import Boto3Error
from boto3.session import Session
from botocore.exceptions import BotoCoreError, ClientError

from activities.cost_bucket import client_config, code_of, parsed
from domain.errors import Unavailable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

WRITING = ".writing-"
WRITING_AGE_S = 86_400
"""What a killed process has left half-written is removed after a day."""
CACHE_BYTES_MAX = 8_000_000_000
"""Copies of files of a bucket on this machine; the ones not read for the longest time go first."""
S3_REGION = "us-east-1"
"""Where neither the environment nor the profile names one; S3 leads on to the bucket's own."""
OBJECTS_REMOVED_AT_ONCE = 1_000
"""The limit of S3."""


class MartFolder:
    """Files are copied beside their place and then moved there, so that no reader sees half of one."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def publish(self, files: dict[str, list[Path]]) -> None:
        with _disk_errors(self._root, "written to"):
            for folder, paths in files.items():
                self._put(self._root / folder, paths)

    def files(self, folder: str) -> list[Path]:
        with _disk_errors(self._root, "read"):
            return sorted((self._root / folder).glob("*.parquet"))

    def remove(self, folder: str) -> None:
        with _disk_errors(self._root, "written to"):
            shutil.rmtree(self._root / folder, ignore_errors=not (self._root / folder).exists())

    def versions(self, folder: str) -> list[str]:
        with _disk_errors(self._root, "read"):
            found = [path for path in (self._root / folder).glob("*/version=*") if path.is_dir()]
            return sorted(str(path.relative_to(self._root)) for path in found)

    def _put(self, folder: Path, paths: list[Path]) -> None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_left_overs(folder.parent)
        writing, replaced = (folder.parent / f"{WRITING}{uuid4().hex}" for _ in range(2))
        writing.mkdir()
        try:
            for path in paths:
                shutil.move(path, writing / path.name)
                _sync(writing / path.name)
            if folder.exists():  # of an import that broke off: nobody reads it, because no event names it yet
                folder.rename(replaced)
            writing.rename(folder)
        finally:
            shutil.rmtree(writing, ignore_errors=True)
            shutil.rmtree(replaced, ignore_errors=True)


class MartBucket:
    """S3 shows an object when it is whole, and the event that names a version comes after all of its objects."""

    def __init__(self, location: str, cache: Path | None = None) -> None:
        self._bucket, prefix = parsed(location)
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._cache = cache or Path(tempfile.gettempdir()) / f"allot-cost-mart-{os.getuid()}"

    def publish(self, files: dict[str, list[Path]]) -> None:
        for folder, paths in files.items():
            for path in paths:
                self._upload(path, self._key(f"{folder}/{path.name}"))
            written = {self._key(f"{folder}/{path.name}") for path in paths}
            self._delete([key for key, _, _ in self._listed(f"{folder}/") if key not in written])

    def files(self, folder: str) -> list[Path]:
        return [self._copied(key, tag, size) for key, tag, size in sorted(self._listed(f"{folder}/"))]

    def remove(self, folder: str) -> None:
        self._delete([key for key, _, _ in self._listed(f"{folder}/")])

    def versions(self, folder: str) -> list[str]:
        keys = [key.removeprefix(self._prefix) for key, _, _ in self._listed(f"{folder}/")]
        return sorted({key.rpartition("/")[0] for key in keys})

    def _upload(self, path: Path, key: str) -> None:
        self._call("s3:PutObject", lambda s3: s3.upload_file(str(path), self._bucket, key))

    def _copied(self, key: str, tag: str, size: int) -> Path:
        """The copy's name holds the object's tag, so that a copy is never of another state of the object."""
        name = f"{tag.strip(chr(34))}-{key.rpartition('/')[2]}"
        path = self._cache / name
        if path.exists() and path.stat().st_size == size:
            os.utime(path)
            return path
        self._cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make_room(self._cache, size)
        coming = self._cache / f"{WRITING}{uuid4().hex}"
        try:
            self._call("s3:GetObject", lambda s3: s3.download_file(self._bucket, key, str(coming)))
            coming.rename(path)
        finally:
            coming.unlink(missing_ok=True)
        return path

    def _listed(self, folder: str) -> list[tuple[str, str, int]]:
        """Key, tag and size of all objects."""

        def listed(s3: S3Client) -> list[tuple[str, str, int]]:
            pages = s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._key(folder))
            objects = (entry for page in pages for entry in page.get("Contents", []))
            return [(entry["Key"], entry["ETag"], entry["Size"]) for entry in objects]

        return self._call("s3:ListBucket", listed)

    def _delete(self, keys: list[str]) -> None:
        for first in range(0, len(keys), OBJECTS_REMOVED_AT_ONCE):
            some = [{"Key": key} for key in keys[first : first + OBJECTS_REMOVED_AT_ONCE]]

            def deleted(s3: S3Client, some: list[dict[str, str]] = some) -> object:
                return s3.delete_objects(Bucket=self._bucket, Delete={"Objects": some, "Quiet": True})  # type: ignore[typeddict-item]  # keys are enough

            self._call("s3:DeleteObject", deleted)

    def _call[T](self, permission: str, call: Callable[[S3Client], T]) -> T:
        where = f"The cost mart s3://{self._bucket}/{self._prefix}"
        try:
            return call(self._client)
        except ClientError as error:
            raise Unavailable(
                f"{where} is not served by S3 ({code_of(error)}): check that the bucket exists and that this process "
                f"is allowed {permission}."
            ) from error
        except (Boto3Error, BotoCoreError, OSError) as error:
            raise Unavailable(f"{where} cannot be reached ({error}): it will be tried again.") from error

    def _key(self, path: str) -> str:
        return f"{self._prefix}{path}"

    @cached_property
    def _client(self) -> S3Client:
        session = Session()
        return session.client("s3", region_name=session.region_name or S3_REGION, config=client_config())


def _make_room(cache: Path, size: int) -> None:
    copies = sorted((path for path in cache.iterdir() if path.is_file()), key=lambda path: path.stat().st_atime)
    taken = sum(path.stat().st_size for path in copies)
    for path in copies:
        if taken + size <= CACHE_BYTES_MAX:
            break
        taken -= path.stat().st_size
        path.unlink(missing_ok=True)


def _remove_left_overs(folder: Path) -> None:
    for path in folder.glob(f"{WRITING}*"):
        if time.time() - path.stat().st_mtime > WRITING_AGE_S:
            shutil.rmtree(path, ignore_errors=True)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())  # the ledger may soon name this file for ever


@contextmanager
def _disk_errors(root: Path, done: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"The cost mart {root} cannot be {done} ({error.strerror or error}): check the folder, its rights and the "
            "space left, or set ALLOT_COST_MART."
        ) from error
