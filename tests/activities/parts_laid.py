"""Reports laid out in folders and buckets, and files that come when they are let go."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

import boto3

from activities.contracts import Progress
from activities.cost_fetching import Accepted, Room, accept, fetched
from activities.cost_files import Count, Files, Pin, uncounted
from activities.cost_lines import Part
from activities.cost_manifest import Address, Manifest, parse_manifest
from activities.cost_sources import ANYWHERE
from domain.errors import Unavailable
from tests.support.cost_reports import MadeReport, line

PARTS = 6
MADE = MadeReport([[line(LineItemId=f"line-{number}")] for number in range(PARTS)], overwrite=True)


def ignored(_: Progress) -> None:
    pass


class Laid(NamedTuple):
    """A report, and what may happen to it."""

    files: Files
    manifest: Manifest
    put: Callable[[str, bytes], None]
    remove: Callable[[str], None]

    def accepted(self) -> Accepted:
        return accept(self.files, self.manifest, ignored)


def manifest_of(made: MadeReport) -> Manifest:
    address = Address("/s/cur/made/20260501-20260601/made-Manifest.json")
    return parse_manifest(json.dumps(made.fields()).encode(), address)


def manifest_at(files: Files) -> Manifest:
    (address,) = files.manifests()
    return parse_manifest(files.read(address), address)


def bucket_of(tmp_path: Path, *, versioned: bool, made: MadeReport = MADE) -> Laid:
    """Below another prefix of a bucket with another name than AWS wrote to."""
    client = boto3.client("s3")
    client.create_bucket(Bucket="replica")
    if versioned:
        client.put_bucket_versioning(Bucket="replica", VersioningConfiguration={"Status": "Enabled"})
    made.write(tmp_path / "made")

    def put(key: str, data: bytes) -> None:
        client.put_object(Bucket="replica", Key=f"copied/{key}", Body=data)

    for path in (tmp_path / "made").rglob("*.*"):
        put(str(path.relative_to(tmp_path / "made")), path.read_bytes())
    files = ANYWHERE.open("s3://replica/copied")
    return Laid(
        files,
        manifest_at(files),
        put,
        lambda key: (client.delete_object(Bucket="replica", Key=f"copied/{key}"), None)[1],
    )


class Slow:
    """Files that come when they are let go, and says how many are on the disk at once."""

    copies = True

    def __init__(self, size: int = 1_000, parts: int = 8) -> None:
        self.manifest = manifest_of(MadeReport([[line()]] * parts))
        self.begun: list[Path] = []
        self.most = self.size = size
        self.fails_at = -1
        self.changed_at: dict[Address, float] = {}
        self.stopped = 0
        self.go_on = Event()
        self.go_on.set()

    def manifests(self, count: Count = uncounted) -> list[Address]:
        return [self.manifest.address]

    def below(self, folder: Address) -> Iterator[Address]:
        raise NotImplementedError

    def read(self, address: Address) -> bytes:
        raise NotImplementedError

    def pin(self, address: Address) -> Pin | None:
        return Pin(address, self.size, "tag", changed_at=self.changed_at.get(address, 0.0))

    def fetch(self, pin: Pin, target: Path, count: Callable[[int], None], stop: Event) -> None:
        self.begun.append(target)
        target.write_bytes(bytes(self.size))
        while not self.go_on.wait(0.01):
            if stop.is_set():
                self.stopped += 1
                raise Unavailable("stopped")
        if target.name.startswith(f"part-{self.fails_at:05d}"):
            raise Unavailable("The line is cut")
        count(self.size)

    def bring(self, folder: Path, report: Callable[[Progress], None] = ignored, **room: Any) -> Generator[Part]:
        return fetched(self, accept(self, self.manifest, ignored), folder, report, Room(**room))
