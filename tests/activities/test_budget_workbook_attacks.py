"""Workbooks that are damaged, or made to do harm: each is refused at once, in one line, in bounded memory."""

from __future__ import annotations

import io
import resource
import time
import zipfile
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from activities import budget_archive, budget_sheet
from tests.activities.workbooks import (
    CHECKOUT,
    MEMORY_MAX_KB,
    REFUSED_WITHIN_S,
    SHEET,
    STRINGS,
    bad,
    good,
    with_noise,
    with_part,
    workbook,
)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda data: data[: len(data) // 2], "is a damaged workbook"),
        (lambda data: with_noise(data, SHEET), "is a damaged workbook"),
        (lambda data: b"PK\x03\x04....", "is a damaged workbook"),
        (lambda data: b"\xd0\xcf\x11\xe0....", "is an old Excel workbook (.xls), or one with a password"),
        (lambda data: with_part(data, SHEET, b"<worksheet"), "is a damaged workbook"),
        (lambda data: with_part(data, SHEET, b"<x/>"), "is a damaged workbook"),
        (lambda data: with_part(data, "xl/workbook.xml", b"<x/>"), "has no visible sheet"),
        (lambda data: with_part(data, STRINGS, b"<sst/>"), "is a damaged workbook"),
        (
            lambda data: with_part(data, SHEET, lambda xml: xml.replace(b'<row r="2"', b'<row r="1"')),
            "is a damaged workbook (its rows are out of order)",
        ),
        (
            lambda data: with_part(data, SHEET, lambda xml: xml.replace(b'r="E2"', b'r="A2"')),
            "is a damaged workbook (its cells are out of order)",
        ),
        (
            lambda data: with_part(data, "xl/workbook.xml", lambda xml: xml.replace(
                b"http://schemas.openxmlformats.org/spreadsheetml/2006/main", b"http://purl.oclc.org/ooxml/spreadsheetml/main"
            )),
            "is a workbook in the form 'Strict Open XML'",
        ),
        (
            lambda data: with_part(data, "[Content_Types].xml", lambda xml: xml.replace(
                b"spreadsheetml.sheet.main", b"sheet.macroEnabled.main"
            )),
            "is a workbook with macros",
        ),
    ],
)  # fmt: skip
def test_what_is_no_sound_workbook_is_told_in_one_line(change: Callable[[bytes], bytes], problem: str) -> None:
    (found,) = bad(change(workbook([*CHECKOUT, 1])))
    assert found.startswith(f"The file {problem}")


LAUGHS = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
OUTSIDE = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize("part", [SHEET, STRINGS, "xl/workbook.xml", "xl/styles.xml", "[Content_Types].xml"])
@pytest.mark.parametrize("doctype", [LAUGHS, OUTSIDE])
def test_entities_are_refused_in_every_part(part: str, doctype: bytes) -> None:
    def laughing(xml: bytes) -> bytes:
        start = xml.index(b"?>") + 2 if xml.startswith(b"<?xml") else 0
        return xml[:start] + doctype + xml[start:]

    (found,) = bad(with_part(workbook([*CHECKOUT, 1]), part, laughing))
    assert found.startswith(("The file declares a document type", "The file is a damaged workbook"))


def memory_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.parametrize("part", [SHEET, STRINGS, "xl/styles.xml", "xl/media/image1.png"])
def test_a_small_file_that_unpacks_to_gigabytes_is_refused_at_once(part: str) -> None:
    with zipfile.ZipFile(io.BytesIO(workbook([*CHECKOUT, 1]))) as old:
        parts = {name: old.read(name) for name in old.namelist() if name != part}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as new:
        for name, content in parts.items():
            new.writestr(name, content)
        with new.open(part, "w", force_zip64=True) as target:
            for _ in range(120):
                target.write(b" " * 1_000_000)
    data, before, started = out.getvalue(), memory_kb(), time.monotonic()
    assert len(data) < 200_000
    (found,) = bad(data)
    assert "unpacks from" in found
    assert time.monotonic() - started < REFUSED_WITHIN_S
    assert memory_kb() - before < MEMORY_MAX_KB


def test_gigabytes_that_are_declared_as_less_are_not_unpacked() -> None:
    data = bytearray(with_part(workbook([*CHECKOUT, 1]), SHEET, b"<worksheet>" + b" " * 50_000_000))
    real, small = (50_000_011).to_bytes(4, "little"), (1_000).to_bytes(4, "little")
    assert data.count(real) == 2  # in the file's own header and in the list at the end
    (found,) = bad(bytes(data.replace(real, small)))
    assert found.startswith("The file is a damaged workbook (BadZipFile)")


@pytest.mark.parametrize(
    ("module", "limit", "value", "problem"),
    [
        (budget_archive, "WORKBOOK_BYTES_MAX", 1_000, "bytes; a workbook may have 1,000"),
        (budget_archive, "MEMBERS_MAX", 3, "holds more than 3 files"),
        (budget_archive, "MEMBER_BYTES_MAX", 500, "unpacks from"),
        (budget_archive, "UNPACKED_BYTES_MAX", 5_000, "at most 5,000 are read"),
        (budget_archive, "PART_BYTES_MAX", 500, "at most 500 are read"),
        (budget_archive, "PART_TAGS_MAX", 5, "has more than 5 tags in its part"),
        (budget_sheet, "TAGS_MAX", 20, "has more than 20 tags in one part"),
        (budget_sheet, "STRINGS_MAX", 5, "has more than 5 different texts"),
        (budget_sheet, "TEXT_CHARS_MAX", 5, "has a cell with more than 5 characters"),
        (budget_sheet, "ROWS_MAX", 1, "its rows are out of order"),
        (budget_sheet, "COLUMNS_MAX", 4, "its cells are out of order"),
    ],
)
def test_each_limit_holds(monkeypatch: pytest.MonkeyPatch, module: Any, limit: str, value: int, problem: str) -> None:
    data = workbook([*CHECKOUT, 1])
    assert good(data)
    monkeypatch.setattr(module, limit, value)
    (found,) = bad(data)
    assert problem in found


def test_a_million_empty_rows_cost_little_memory() -> None:
    """Spreadsheets leave them behind when somebody formats a whole column."""
    rows = b"".join(b'<row r="%d" spans="1:5"><c r="A%d" s="0"/></row>' % (n, n) for n in range(3, 300_000))
    data = with_part(workbook([*CHECKOUT, 1]), SHEET, lambda xml: xml.replace(b"</sheetData>", rows + b"</sheetData>"))
    before = memory_kb()
    assert len(good(data).rows) == 1
    assert memory_kb() - before < MEMORY_MAX_KB


def test_the_total_is_exact() -> None:
    rows = [[*CHECKOUT[:3], f"Product {n}", 0.1] for n in range(30)]
    assert good(workbook(*rows)).total == Decimal("3.0")
