"""Downloads ahead of a reader: how many, in how much room, and that nothing is left."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from activities import cost_fetching
from activities.contracts import Progress
from domain.errors import BadInput, Unavailable
from tests.activities.parts_laid import Slow


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"


def test_a_reader_that_is_slower_holds_up_the_downloads(scratch: Path) -> None:
    slow, most = Slow(), 0
    for number, part in enumerate(slow.bring(scratch, parts_ahead=2)):
        assert len(slow.begun) <= number + 3  # being read, and two ahead
        most = max(most, len(list(scratch.iterdir())))
        part.path.unlink()
    assert (len(slow.begun), most <= 3) == (8, True)


def test_what_lies_on_the_disk_at_once_is_bounded(scratch: Path) -> None:
    slow = Slow(size=1_000)
    for part in slow.bring(scratch, parts_ahead=4, bytes_max=2_000):
        assert len(list(scratch.iterdir())) <= 2
        part.path.unlink()
    assert len(slow.begun) == 8


def test_a_reader_that_keeps_more_than_there_is_room_for_is_told(scratch: Path) -> None:
    slow = Slow(size=1_000_000)
    kept = slow.bring(scratch, parts_ahead=4, bytes_max=3_000_000)
    with pytest.raises(BadInput) as told:
        list(kept)
    assert told.value.code == "NoRoom"
    assert "need 4 MB on disk, and ALLOT_COST_SCRATCH_MB allows 3. Raise it." in told.value.message
    assert list(scratch.iterdir()) == []


def test_a_part_larger_than_the_room_is_told(scratch: Path) -> None:
    with pytest.raises(BadInput, match="need 1 MB on disk, and ALLOT_COST_SCRATCH_MB allows 0"):
        list(Slow(size=1_000).bring(scratch, bytes_max=999))


def test_a_download_that_fails_ends_the_others_and_leaves_nothing(scratch: Path) -> None:
    slow = Slow()
    slow.fails_at = 3
    with pytest.raises(Unavailable, match="The line is cut"):
        list(slow.bring(scratch, parts_ahead=2))
    assert list(scratch.iterdir()) == []


def test_a_reader_that_ends_early_leaves_nothing(scratch: Path) -> None:
    slow = Slow()
    with closing(slow.bring(scratch)) as parts:
        next(parts)
        slow.go_on.clear()
    assert list(scratch.iterdir()) == []


def test_a_cancelled_download_stops_and_leaves_nothing(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost_fetching, "REPORT_INTERVAL_S", 0.01)
    slow = Slow()
    slow.go_on.clear()

    def cancelled(_: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(slow.bring(scratch, cancelled, parts_ahead=2))
    assert slow.stopped == len(slow.begun) > 0
    assert list(scratch.iterdir()) == []
