"""CSV is read while it is unpacked; what is not as it should be is read again by a reader that knows what is wrong."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import psutil
import pytest

from activities import cost_stream, cost_unpack
from activities.contracts import Progress
from activities.cost_aggregate import Aggregate, aggregated
from activities.cost_lines import Part
from activities.cost_readers import readable
from activities.cost_stream import streamed
from domain.errors import DamagedReport
from domain.report_format import ReportFormat
from tests.support.cost_reports import COLUMNS, SAMPLE, line

MEMORY_MB = 64
HEADER = ",".join(COLUMNS)
UNPACKING = "unpacking"


def text(*lines: str, header: str = HEADER, end: str = "\n") -> bytes:
    return (end.join((header, *lines)) + end).encode()


def values(cost: str = "1.5", **changes: str) -> str:
    return ",".join(line(cost, **changes).values())


@contextmanager
def added_up(told: list[str], folder: Path, *parts: bytes) -> Iterator[Aggregate]:
    """Told are the steps that were reported."""
    scratch = folder / "scratch"
    scratch.mkdir()
    here = []
    for number, content in enumerate(parts):
        path = folder / f"part-{number}.csv.gz"
        path.write_bytes(gzip.compress(content))
        here.append(Part(path.name, path))

    def report(progress: Progress) -> None:
        told.append(progress.step)

    with aggregated(here, scratch, MEMORY_MB, report) as aggregate:
        yield aggregate
    assert not list(scratch.glob("text-*"))


@pytest.mark.parametrize(
    "content",
    [
        text(values("1"), values("0.5")),
        text(values("1"), values("0.5"), end="\r\n"),
        text(values("1"), "", values("0.5")),  # a blank line is none
        text(values("1") + "\r", values("0.5")),  # lines end in two ways
        text(values("1", region='"a ""b"" \n, c"'), values("0.5")),
        text(values("1"), values("0.5"))[:-1],  # the last line has no end
        text(*(f'"{v}"' for v in [values("1").replace(",", '","'), values("0.5").replace(",", '","')])),
    ],
)
def test_sound_text_is_never_written_to_the_disk(content: bytes, tmp_path: Path) -> None:
    told: list[str] = []
    with added_up(told, tmp_path, content) as aggregate:
        assert (aggregate.control.lines, aggregate.control.totals) == (2, {"Usage": Decimal("1.5")})
    assert UNPACKING not in told


@pytest.mark.parametrize(
    "content",
    [
        text(values("1") + ",,", values("0.5")),  # values beyond the last column, but empty
        b"\xef\xbb\xbf" + text(values("1"), values("0.5"), header='"identity/LineItemId",' + HEADER.partition(",")[2]),
    ],
)
def test_unusual_text_is_read_by_the_other_reader(content: bytes, tmp_path: Path) -> None:
    told: list[str] = []
    with added_up(told, tmp_path, content) as aggregate:
        assert (aggregate.control.lines, aggregate.control.totals) == (2, {"Usage": Decimal("1.5")})
    assert UNPACKING in told


def test_a_line_that_is_longer_than_a_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost_stream, "BLOCK_BYTES", 300)
    told: list[str] = []
    with added_up(told, tmp_path, text(values("1"), values("0.5", region="x" * 1000))) as aggregate:
        assert aggregate.control.totals == {"Usage": Decimal("1.5")}
    assert UNPACKING in told


@pytest.mark.parametrize("month", ["May", "June"])
def test_both_readers_find_the_same_rows(month: str, tmp_path: Path) -> None:
    (sample,) = SAMPLE.rglob(f"{month}-*.csv.gz")
    content = gzip.decompress(sample.read_bytes())
    found = []
    for name, changed in [("first", content), ("other", content.rstrip() + b",,\r\n")]:
        told: list[str] = []
        (tmp_path / name).mkdir()
        with added_up(told, tmp_path / name, changed) as aggregate:
            found.append([list(grain) for grain in (aggregate.detail(), aggregate.rows(), aggregate.resources())])
        assert (UNPACKING in told) == (name == "other")
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        (values("1", ProductCode='"a"b'), "at line 3: unterminated quote"),
        (values("1", region='"a'), "at line 3: unterminated quote"),
        (values("1") + ",more", "at line 3: expected number of columns"),
        (values("1", ProductCode="a\rb"), "at line"),  # ends a line where there should be none
    ],
)
def test_what_is_wrong_is_told_with_part_and_line(wrong: str, complaint: str, tmp_path: Path) -> None:
    sound = text(values("1"))
    with (
        pytest.raises(DamagedReport, match=f"The part part-1.csv.gz cannot be read {complaint}"),
        added_up([], tmp_path, sound, text(values("1"), wrong), sound),
    ):
        pass


def test_parts_before_a_wrong_one_are_counted_once(tmp_path: Path) -> None:
    """The first reader has added them up already when it comes to the one that it cannot read."""
    sound = text(*[values("1")] * 5)
    with added_up([], tmp_path, sound, text(values("1") + ",,"), sound) as aggregate:
        assert (aggregate.control.lines, aggregate.control.totals) == (11, {"Usage": Decimal(11)})
        assert sum(batch.num_rows for batch in aggregate.detail()) == 1


@pytest.mark.parametrize(
    ("spoiled", "complaint"),
    [
        (lambda packed: packed[:-5], "The part part-0.csv.gz is truncated"),
        (lambda packed: packed[:-8] + bytes(8), "The part part-0.csv.gz is not sound gzip"),
        (lambda packed: packed + b"more" * 99, "The part part-0.csv.gz is not sound gzip"),
        (gzip.decompress, "The part part-0.csv.gz is not sound gzip"),
    ],
)
def test_packing_that_is_not_sound(spoiled: object, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "part-0.csv.gz"
    path.write_bytes(spoiled(gzip.compress(text(*[values(f"{n}e-7") for n in range(50_000)]))))  # type: ignore[operator]
    with pytest.raises(DamagedReport, match=complaint), aggregated([Part(path.name, path)], tmp_path, 64, print):
        pass


def test_a_text_that_is_larger_than_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost_unpack, "PART_TEXT_BYTES_MAX", 1_000_000)
    with (
        pytest.raises(DamagedReport, match="unpacks to more than 1,000,000 bytes"),
        added_up([], tmp_path, text(*[values()] * 20_000)),
    ):
        pass


def test_cancellation_ends_the_reading_and_leaves_nothing(tmp_path: Path) -> None:
    class Cancelled(BaseException):
        pass

    def report(_: Progress) -> None:
        raise Cancelled

    path = tmp_path / "part.csv.gz"
    with gzip.open(path, "wb", 1) as file:
        file.write(f"{HEADER}\n".encode())
        for first in range(0, 2_000_000, 100_000):
            file.write(
                "".join(f"{values(f'{n}e-9', ProductCode=f's{n}')}\n" for n in range(first, first + 100_000)).encode()
            )
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    before = threading.active_count()
    with pytest.raises(Cancelled), aggregated([Part("part", path)], scratch, 256, report):
        pass
    assert threading.active_count() == before


def test_a_stream_that_is_left_leaves_no_file_open(tmp_path: Path) -> None:
    """Arrow's reader and ours hold each other, where Python's collector does not see it."""
    path = tmp_path / "part.csv.gz"
    path.write_bytes(gzip.compress(text(*[values(f"{n}e-9") for n in range(60_000)]), 1))
    (each,) = readable([Part("part", path)], ReportFormat.CUR, parallel=True)
    before = psutil.Process().num_fds()
    for _ in range(20):
        with streamed(each) as stream:
            stream.reader.read_next_batch()
        del stream
    assert psutil.Process().num_fds() == before
