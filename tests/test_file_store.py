"""The file store, in a folder and in a bucket."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import pytest

import file_store
from domain.budget_file_problem import Problem
from domain.errors import BadInput, Unavailable
from file_store import FileStore, name_of

DATA = b"Retail,Digital,Web,Checkout,1\r\n"
NAME = "e5c1f9ccd4b8ba59ccd1dfb3d3b5b4ee2d05fc1a2f2a9a8ad3f6b4b53d7a9a30"


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> FileStore:
    if request.param == "folder":
        return FileStore(str(tmp_path / "not" / "yet" / "there"))
    request.getfixturevalue("aws_endpoint")
    boto3.client("s3").create_bucket(Bucket="allot-files")
    return FileStore("s3://allot-files/budgets/")


def test_a_file_is_found_by_the_hash_of_its_bytes(store: FileStore) -> None:
    name = store.put(DATA)
    assert name == name_of(DATA)
    assert store.get(name) == DATA


def test_putting_a_file_twice_changes_nothing(store: FileStore) -> None:
    assert store.put(DATA) == store.put(DATA)
    assert store.get(name_of(DATA)) == DATA


def test_an_empty_file_is_a_file(store: FileStore) -> None:
    assert store.get(store.put(b"")) == b""


def test_models_are_kept_as_json(store: FileStore) -> None:
    problem = Problem(row=7, column="Annual", value="(50)", problem="is below zero", remedy="a budget is zero or more")
    assert json.loads(store.get(store.put_json((problem,)))) == [problem.model_dump()]


def test_a_file_that_is_not_there(store: FileStore) -> None:
    with pytest.raises(BadInput, match=f"There is no file {NAME} in the file store .*: load the file again") as refused:
        store.get(NAME)
    assert refused.value.code == "FileNotFound"


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, NAME + "\n", NAME[:-1]])
def test_only_hashes_are_names(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is not the name of a stored file"):
        FileStore(str(tmp_path)).get(name)


def test_a_file_may_have_so_many_bytes_and_no_more(tmp_path: Path) -> None:
    store = FileStore(str(tmp_path), bytes_max=len(DATA))
    assert store.get(store.put(DATA)) == DATA
    with pytest.raises(BadInput, match=f"The file has {len(DATA) + 1} bytes; at most {len(DATA)} are kept"):
        store.put(DATA + b" ")
    larger = FileStore(str(tmp_path)).put(DATA + b" ")
    with pytest.raises(BadInput, match=f"The stored file {larger} has more than {len(DATA)} bytes"):
        store.get(larger)


def test_a_damaged_file_is_noticed_and_mended_by_putting_it_again(tmp_path: Path) -> None:
    store = FileStore(str(tmp_path))
    name = store.put(DATA)
    (tmp_path / name).write_bytes(DATA[:-3])
    with pytest.raises(BadInput, match=f"The stored file {name} is damaged") as refused:
        store.get(name)
    assert refused.value.code == "FileDamaged"
    store.put(DATA)
    assert store.get(name) == DATA


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unavailable, match=r"cannot be written to \(No space left on device\)"):
        FileStore(str(tmp_path)).put(DATA)
    assert list(tmp_path.iterdir()) == []


def test_writers_of_the_same_file_do_not_disturb_each_other(tmp_path: Path) -> None:
    store = FileStore(str(tmp_path))
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(store.put, [DATA] * 64)) == {name_of(DATA)}
    assert [path.name for path in tmp_path.iterdir()] == [name_of(DATA)]


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    place = tmp_path / "files"
    place.write_text("")
    with pytest.raises(Unavailable, match="check the folder, its rights and the space left, or set ALLOT_FILE_STORE"):
        FileStore(str(place)).put(DATA)
    with pytest.raises(Unavailable, match="cannot be read"):
        FileStore(str(place)).get(NAME)


def test_a_location_without_a_bucket() -> None:
    with pytest.raises(BadInput, match="The file store 's3://' names no bucket: write s3://bucket/prefix"):
        FileStore("s3://")


def test_objects_lie_under_the_prefix(aws_endpoint: str) -> None:
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="allot-files")
    names = [FileStore(f"s3://allot-files{prefix}").put(DATA) for prefix in ("", "/a/b/")]
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket="allot-files")["Contents"]]
    assert sorted(keys) == sorted([names[0], f"a/b/{names[1]}"])


def test_a_bucket_that_is_not_there(aws_endpoint: str) -> None:
    for call in (lambda: FileStore("s3://nowhere/x").put(DATA), lambda: FileStore("s3://nowhere/x").get(NAME)):
        with pytest.raises(Unavailable, match=r"S3 refuses to serve the file store s3://nowhere/x \(NoSuchBucket\)"):
            call()


def test_s3_out_of_reach(monkeypatch: pytest.MonkeyPatch, aws_endpoint: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setattr(file_store, "S3_ATTEMPTS_MAX", 1)
    with pytest.raises(Unavailable, match="S3 cannot be reached for the file store s3://allot-files/x"):
        FileStore("s3://allot-files/x").put(DATA)
