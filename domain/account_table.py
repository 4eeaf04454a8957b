"""CSV files about accounts: columns by name, in any order; line by line, or what is wrong with the table as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from domain.budget_file_csv import BYTE_ORDER_MARK, NotUtf8, Record, records
from domain.budget_file_problem import Fault, Problems, column_letter

ACCOUNT_FILE_BYTES_MAX = 10_000_000
LINES_MAX = 100_000
"""Lines of one file, empty ones aside; an account that several products share has a line for each."""
HEADER_ROW = 1


class Shape(NamedTuple):
    """What a kind of file looks like."""

    what: str
    """Such as `file of allocations`."""
    columns: tuple[str, ...]
    needed: tuple[str, ...]
    """Columns that no file may lack."""

    @property
    def header_remedy(self) -> str:
        optional = [name for name in self.columns if name not in self.needed]
        return f"row 1 is the header: {', '.join(self.needed)} and, as you like, {', '.join(optional)}"


class Line(NamedTuple):
    """One line of the table."""

    row: int
    cells: Mapping[str, str]
    """By column, without blanks around them; empty for a column that the file does not have."""


def read_lines(data: bytes, shape: Shape, problems: Problems) -> Iterator[Line]:
    """Every line that has the cells it should have; what is wrong with the others is added to the problems."""
    if fault := unreadable(data, "CSV"):
        problems.add_to_file(fault)
        return
    try:
        yield from _lines(records(data), shape, problems)
    except NotUtf8 as error:
        problems.add(error.row, "", "", not_utf8(error, "CSV"))


def unreadable(data: bytes, kind: str) -> Fault | None:
    """Why a file cannot be text of that kind."""
    if len(data) > ACCOUNT_FILE_BYTES_MAX:
        return Fault(f"has {len(data):,} bytes; at most {ACCOUNT_FILE_BYTES_MAX:,} are allowed", "split it")
    if data.startswith(b"PK\x03\x04"):
        return Fault(f"is a workbook or an archive and not {kind}", f"save it as {kind} in UTF-8")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return Fault("is UTF-16", f"save it as {kind} in UTF-8")
    if not data.removeprefix(BYTE_ORDER_MARK).strip():
        return Fault("is empty", "check whether it is the right one")
    return None


def not_utf8(error: NotUtf8, kind: str) -> Fault:
    return Fault(f"is not UTF-8 at byte {error.offset} of the file (0x{error.byte:02X})", f"save it as {kind} in UTF-8")


def _lines(found: Iterator[Record], shape: Shape, problems: Problems) -> Iterator[Line]:
    header = next(found)
    if header.fault:
        problems.add(header.row, "", "", header.fault)
        return
    places = _places(header.cells, shape, problems)
    if places is None:
        return
    seen = 0
    for record in found:
        if record.fault is None and not "".join(record.cells).strip():
            continue
        seen += 1
        if seen > LINES_MAX:
            fault = Fault(f"is one more than {LINES_MAX:,} lines, the most in one file", "split the file")
            problems.add(record.row, "", "", fault)
            return
        if line := _line(record, places, len(header.cells), problems):
            yield line
    if not seen:
        problems.add_to_file(Fault("has nothing below its header", "it needs a line for each account"))


def _places(cells: Sequence[str], shape: Shape, problems: Problems) -> Mapping[str, int | None] | None:
    """Where the columns are; None where the header is wrong."""
    before = problems.count
    names = [cell.strip().lower() for cell in cells]
    for index, name in enumerate(names):
        fault = None
        if name not in shape.columns:
            fault = Fault(f"is not a column of a {shape.what}" if name else "has no name", shape.header_remedy)
        elif names.index(name) != index:
            fault = Fault(f"is in column {column_letter(names.index(name))} already", "keep one of the two columns")
        if fault:
            problems.add(HEADER_ROW, f"column {column_letter(index)}", cells[index], fault)
    if missing := [name for name in shape.needed if name not in names]:
        problems.add(HEADER_ROW, "", "", Fault(f"lacks {', '.join(missing)}", shape.header_remedy))
    if problems.count > before:
        return None
    return {name: names.index(name) if name in names else None for name in shape.columns}


def _line(record: Record, places: Mapping[str, int | None], width: int, problems: Problems) -> Line | None:
    cells = record.cells
    if record.fault:
        problems.add(record.row, "", record.excerpt, record.fault)
        return None
    if len(cells) != width:
        problem = f"has {_cells(len(cells))}, and the header has {width}"
        problems.add(record.row, "", ",".join(cells), Fault(problem, "put a cell that holds a comma in quotes"))
        return None
    return Line(record.row, {name: "" if at is None else cells[at].strip() for name, at in places.items()})


def _cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count} cells"
