"""Dropped files on their way into the real ledger, from a folder and from S3; and what is written beside them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import pytest
from boto3.session import Session
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities import budget_drop, budget_drop_places
from activities.budget_drop import BudgetDrops
from activities.budget_drop_places import SETTLED_S, Folder, Seen
from activities.contracts import DropAnswer, Dropped, DroppedFile
from domain.budget import book_stream
from domain.decision import Persona
from domain.hierarchy import NodePath
from domain.process import BudgetFile, budget_load_process_id
from file_store import FileStore
from tests.activities.budget_loading import FILE_NAME, FINANCE, GOOD, HEADER, Loading, ledger, loading, make, store

__all__ = ["ledger", "loading", "store"]

CHANGE = "Acme_2026_false_2026-07-01_false_Budget_v2.csv"
BAD = HEADER + "Retail,Digital,Web,Checkout,12oo,C-1,ann@example.com\n"
BUCKET, PREFIX = "finance", "drop/budgets"


class Place(Protocol):
    """Where a test drops files."""

    location: str

    def put(self, name: str, content: str, age_s: float = 60.0) -> None: ...

    def get(self, name: str) -> bytes: ...

    def names(self) -> set[str]: ...

    def remove(self, name: str) -> None: ...


class InFolder:
    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder, self.location = folder, str(folder)

    def put(self, name: str, content: str, age_s: float = 60.0) -> None:
        (self.folder / name).write_text(content)
        at = time.time() - age_s
        os.utime(self.folder / name, (at, at))

    def get(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def names(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()}

    def remove(self, name: str) -> None:
        (self.folder / name).unlink()


class InBucket:
    location = f"s3://{BUCKET}/{PREFIX}"

    def __init__(self) -> None:
        self.client = Session().client("s3")
        self.client.create_bucket(Bucket=BUCKET)
        self.client.put_object(Bucket=BUCKET, Key=f"{PREFIX}-old/{FILE_NAME}", Body=b"of a neighbour")
        self.client.put_object(Bucket=BUCKET, Key=f"{PREFIX}/archive/{FILE_NAME}", Body=b"put away")

    def put(self, name: str, content: str, age_s: float = 60.0) -> None:
        self.client.put_object(Bucket=BUCKET, Key=f"{PREFIX}/{name}", Body=content.encode())

    def get(self, name: str) -> bytes:
        return self.client.get_object(Bucket=BUCKET, Key=f"{PREFIX}/{name}")["Body"].read()

    def names(self) -> set[str]:
        found = self.client.list_objects_v2(Bucket=BUCKET, Prefix=f"{PREFIX}/", Delimiter="/").get("Contents", [])
        return {entry["Key"].removeprefix(f"{PREFIX}/") for entry in found}

    def remove(self, name: str) -> None:
        self.client.delete_object(Bucket=BUCKET, Key=f"{PREFIX}/{name}")


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "folder":
        return InFolder(tmp_path / "drop")
    request.getfixturevalue("aws_endpoint")
    return InBucket()


@pytest.fixture
def folder(tmp_path: Path) -> InFolder:
    return InFolder(tmp_path / "drop")


class Desk:
    """One look after the other, each file loaded as the process does it."""

    def __init__(self, place: Place, loading: Loading, actor: str = FINANCE) -> None:
        self.place, self.loading, self.actor = place, loading, actor
        self.drops = BudgetDrops(loading.store, place.location, actor)

    def take(self) -> Dropped:
        return ActivityEnvironment().run(self.drops.take)

    def look(self) -> Dropped:
        dropped = self.take()
        for file in dropped.files:
            request = BudgetFile(
                command_id=uuid4(), actor=dropped.actor, content_hash=file.content_hash, file_name=file.name
            )
            process_id = budget_load_process_id(file.content_hash)
            answer = DropAnswer(file=file, process_id=process_id, result=self.loading.load(request))
            ActivityEnvironment().run(self.drops.answer, answer)
        return dropped

    def result(self, name: str = FILE_NAME) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.place.get(f"{name}.result.json"))
        return found


@pytest.fixture
def desk(place: Place, loading: Loading) -> Desk:
    return Desk(place, loading)


def names(dropped: Dropped) -> list[str]:
    return [file.name for file in dropped.files]


def test_a_dropped_file_is_loaded_once_and_answered_beside_it(desk: Desk) -> None:
    desk.place.put(FILE_NAME, GOOD)
    assert names(desk.look()) == [FILE_NAME]
    result = desk.result()
    assert (result["status"], result["fiscal_year"], result["added"], result["new_total"]) == (
        "loaded",
        2026,
        2,
        "1200.05",
    )
    assert result["process"] == f"budget-load/{result['content_hash']}"
    assert desk.place.names() == {FILE_NAME, f"{FILE_NAME}.result.json"}
    assert desk.place.get(FILE_NAME) == GOOD.encode()
    head = desk.loading.ledger.settled_head()
    again = desk.look()
    assert (again.files, again.seen, again.problems) == ((), 1, ())
    assert desk.loading.ledger.settled_head() == head


def test_a_bad_file_is_answered_with_its_problems_and_stops_no_other(desk: Desk) -> None:
    desk.place.put("nonsense.csv", "a,b\n", age_s=90)
    desk.place.put("Acme_2027_true_2027-01-01_false_Budget_v1.csv", BAD, age_s=80)
    desk.place.put(FILE_NAME, GOOD, age_s=70)
    assert len(desk.look().files) == 3
    bad = desk.result("Acme_2027_true_2027-01-01_false_Budget_v1.csv")
    assert (bad["status"], bad["problems_total"]) == ("invalid", 1)
    assert (bad["problems"][0]["row"], bad["problems"][0]["column"]) == (2, "Annual")
    assert (desk.result("nonsense.csv")["status"], desk.result("nonsense.csv")["code"]) == ("refused", "WrongFileName")
    assert desk.result()["status"] == "loaded"
    assert desk.look().files == ()


def test_a_corrected_file_under_the_same_name_is_loaded(desk: Desk) -> None:
    desk.place.put(FILE_NAME, BAD)
    desk.look()
    desk.place.put(FILE_NAME, GOOD)
    assert names(desk.look()) == [FILE_NAME]
    assert desk.result()["status"] == "loaded"


def test_the_same_bytes_written_again_are_not_tried_again(desk: Desk) -> None:
    desk.place.put(FILE_NAME, BAD, age_s=90)
    desk.look()
    first = desk.result()
    if isinstance(desk.place, InBucket):
        time.sleep(1.1)  # S3 tells the time in seconds
    desk.place.put(FILE_NAME, BAD, age_s=60)
    assert desk.look().files == ()
    second = desk.result()
    assert second["version"] != first["version"]
    assert {**second, "version": ""} == {**first, "version": ""}


def test_whoever_may_not_load_is_refused_by_the_ledger_and_tried_again_once_the_result_is_removed(
    place: Place, loading: Loading
) -> None:
    make(loading.ledger, "owner@example.com", Persona.PRODUCT_OWNER, NodePath.parse("Retail/Digital/Web/Checkout"))
    desk = Desk(place, loading, "owner@example.com")
    place.put(FILE_NAME, GOOD)
    desk.look()
    assert (desk.result()["status"], desk.result()["error"]) == ("refused", "Forbidden")
    assert not list(loading.ledger.read(book_stream(2026)))
    assert desk.look().files == ()
    place.remove(f"{FILE_NAME}.result.json")
    allowed = Desk(place, loading)  # the control: somebody who may
    allowed.look()
    assert allowed.result()["status"] == "loaded"


def test_somebody_unknown_may_not_load(place: Place, loading: Loading) -> None:
    desk = Desk(place, loading, "nobody@example.com")
    place.put(FILE_NAME, GOOD)
    desk.look()
    assert desk.result()["status"] == "refused"
    assert not list(loading.ledger.read(book_stream(2026)))


def test_a_look_that_broke_off_is_made_up_for(desk: Desk) -> None:
    desk.place.put(FILE_NAME, GOOD)
    desk.take()
    assert desk.result()["status"] == "loading"
    desk.look()
    assert desk.result()["status"] == "loaded"


def test_files_are_loaded_in_the_order_in_which_they_were_written(folder: InFolder, loading: Loading) -> None:
    change = HEADER + "Retail,Digital,Web,Checkout,600.00,C-1,ann@example.com\n"
    folder.put(CHANGE, change, age_s=60)
    folder.put(FILE_NAME, GOOD, age_s=90)
    desk = Desk(folder, loading)
    assert names(desk.look()) == [FILE_NAME, CHANGE]
    assert (desk.result(CHANGE)["status"], desk.result(CHANGE)["changed"]) == ("loaded", 1)


def test_the_same_bytes_under_two_names_are_recognised(folder: InFolder, loading: Loading) -> None:
    other = "Acme_2026_true_2026-01-01_false_Budget_v9.csv"
    folder.put(FILE_NAME, GOOD, age_s=90)
    folder.put(other, GOOD, age_s=80)
    desk = Desk(folder, loading)
    desk.look()
    assert (desk.result()["status"], desk.result(other)["status"]) == ("loaded", "unchanged")


def test_other_files_are_left_alone(desk: Desk) -> None:
    for name in ("notes.txt", "budget.xls", f".{FILE_NAME}", "x.result.json"):
        desk.place.put(name, "a")
    assert (desk.look().seen, desk.place.names()) == (0, {"notes.txt", "budget.xls", f".{FILE_NAME}", "x.result.json"})


@pytest.mark.parametrize("junk", ["", "{", "[]", '{"status": 7}', '{"status": "loaded"}'])
def test_what_is_no_result_of_ours_counts_as_none(folder: InFolder, loading: Loading, junk: str) -> None:
    folder.put(FILE_NAME, GOOD)
    folder.put(f"{FILE_NAME}.result.json", junk)
    desk = Desk(folder, loading)
    desk.look()
    assert desk.result()["added"] == 2


def test_a_file_that_is_being_written_waits(folder: InFolder, loading: Loading) -> None:
    folder.put(FILE_NAME, GOOD, age_s=SETTLED_S / 2)
    assert Desk(folder, loading).take().seen == 0
    folder.put(FILE_NAME, GOOD, age_s=SETTLED_S + 1)
    assert Desk(folder, loading).take().seen == 1


def test_a_file_that_changes_between_being_listed_and_read_waits(place: Place, loading: Loading) -> None:
    place.put(FILE_NAME, GOOD)
    opened = budget_drop_places.open_drop(place.location)
    (seen,) = opened.look().files
    assert opened.read(seen) == GOOD.encode()
    place.put(FILE_NAME, BAD, age_s=50)
    assert opened.read(seen) is None
    place.remove(FILE_NAME)
    assert opened.read(seen) is None


def test_a_link_leads_nowhere(folder: InFolder, loading: Loading, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of somebody else")
    os.utime(secret, (1, 1))
    (folder.folder / FILE_NAME).symlink_to(secret)
    assert Desk(folder, loading).take().seen == 0
    with pytest.raises(Exception, match="cannot be read or written"):
        Folder(folder.location).read(Seen(FILE_NAME, "", 1, 0))


def too_large(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(budget_drop, "FILE_BYTES_MAX", len(GOOD) - 1)
    return "at most"


def fits(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(budget_drop, "FILE_BYTES_MAX", len(GOOD))
    return ""


@pytest.mark.parametrize("limit", [too_large, fits])
def test_a_file_that_is_too_large_is_refused_unread(
    place: Place, loading: Loading, monkeypatch: pytest.MonkeyPatch, limit: Callable[[pytest.MonkeyPatch], str]
) -> None:
    place.put(FILE_NAME, GOOD)
    told = limit(monkeypatch)
    desk = Desk(place, loading)
    assert len(desk.take().files) == (0 if told else 1)
    assert told in desk.result()["message"]
    assert desk.result()["status"] == ("refused" if told else "loading")


def test_more_files_than_one_look_takes_wait_for_the_next(
    folder: InFolder, loading: Loading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget_drop, "FILES_AT_ONCE_MAX", 2)
    for number in range(3):
        folder.put(f"{number}.csv", f"{number}", age_s=100 - number)
    desk = Desk(folder, loading)
    first = desk.look()
    assert (names(first), first.not_looked_at) == (["0.csv", "1.csv"], 1)
    assert names(desk.look()) == ["2.csv"]


def test_too_many_files_side_by_side_are_refused(
    place: Place, loading: Loading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget_drop_places, "ENTRIES_MAX", 2)
    place.put("a.txt", "a")
    place.put("b.txt", "b")
    assert Desk(place, loading).take().seen == 0
    place.put("c.txt", "c")
    with pytest.raises(ApplicationError, match="more than 2 files in the drop"):
        Desk(place, loading).take()


def test_a_file_whose_result_cannot_be_written_is_not_loaded_and_stops_no_other(
    folder: InFolder, loading: Loading
) -> None:
    long = "x" * 247 + ".csv"  # with the name of its result, more than a folder takes
    folder.put(long, GOOD, age_s=90)
    folder.put(FILE_NAME, GOOD, age_s=80)
    dropped = Desk(folder, loading).look()
    assert (names(dropped), dropped.problems_total) == ([FILE_NAME], 1)
    assert "check the folder's rights and the file's name" in dropped.problems[0]
    assert folder.names() == {long, FILE_NAME, f"{FILE_NAME}.result.json"}


def test_an_outage_keeps_the_order_of_files(
    folder: InFolder, loading: Loading, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.put(FILE_NAME, GOOD, age_s=90)
    folder.put(CHANGE, GOOD, age_s=80)
    desk = Desk(folder, loading)
    with monkeypatch.context() as broken:
        broken.setattr(desk.drops, "_store", FileStore("/proc/none"))
        dropped = desk.take()
    assert (dropped.files, dropped.not_looked_at, dropped.problems_total) == ((), 2, 1)
    assert folder.names() == {FILE_NAME, CHANGE}
    assert names(desk.look()) == [FILE_NAME, CHANGE]


def test_a_load_that_failed_says_so(folder: InFolder, loading: Loading) -> None:
    folder.put(FILE_NAME, GOOD)
    desk = Desk(folder, loading)
    (file,) = desk.take().files
    failed = DropAnswer(file=file, process_id="budget-load/x", failure="PostgreSQL does not answer.")
    ActivityEnvironment().run(desk.drops.answer, failed)
    assert (desk.result()["status"], desk.result()["message"]) == ("failed", "PostgreSQL does not answer.")
    assert desk.look().files == ()


@pytest.mark.parametrize("name", ["../a.csv", "/etc/a.csv", "a.txt", ".a.csv"])
def test_nothing_is_written_beside_what_no_look_can_have_found(folder: InFolder, loading: Loading, name: str) -> None:
    answer = DropAnswer(file=DroppedFile(name=name, version="1"), process_id="budget-load/x", failure="-")
    with pytest.raises(ApplicationError, match="is no budget file in the drop"):
        ActivityEnvironment().run(Desk(folder, loading).drops.answer, answer)
    assert not list(folder.folder.parent.rglob("*.result.json"))


@pytest.mark.parametrize("location", ["", "/nowhere/at/all", "s3://no-such-bucket-here/x"])
def test_a_drop_that_is_not_there_is_told(loading: Loading, location: str, aws_endpoint: str) -> None:
    drops = BudgetDrops(loading.store, location, FINANCE)
    with pytest.raises(ApplicationError) as told:
        ActivityEnvironment().run(drops.take)
    assert (told.value.type, told.value.non_retryable) == ("BadInput", True)


def test_the_result_may_be_read_by_whoever_may_read_new_files_there(folder: InFolder, loading: Loading) -> None:
    folder.put(FILE_NAME, GOOD)
    Desk(folder, loading).take()
    (folder.folder / "usual").touch()
    usual, result = (folder.folder / name for name in ("usual", f"{FILE_NAME}.result.json"))
    assert result.stat().st_mode == usual.stat().st_mode
